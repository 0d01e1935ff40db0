"""Object stores: how they are opened, and what they say when something is wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from recipec.api import DataError
from recipec.mirror._address import CONTAINERS, shown
from recipec.mirror._base import NoEntry

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""Scheme to the package that speaks to the store."""
HELP = {
    "s3fs": "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role; another server than AWS from AWS_ENDPOINT_URL",
    "gcsfs": "credentials come from GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login` or the machine's role",
    "adlfs": "credentials come from AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or a login of `az`",
}
_ERRORS = {
    "s3fs": (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError"), ("aiohttp", "ClientError")),
    "gcsfs": (("google.auth.exceptions", "GoogleAuthError"), ("gcsfs.retry", "HttpError"), ("aiohttp", "ClientError")),
    "adlfs": (("azure.core.exceptions", "AzureError"), ("aiohttp", "ClientError")),
}


def scheme_of(address: str) -> str:
    return address.partition("://")[0].lower()


def missing_package(scheme: str) -> str | None:
    """The package that a scheme needs and that is not installed."""
    from importlib.util import find_spec

    return next((name for name in ("fsspec", PACKAGES.get(scheme, "fsspec")) if find_spec(name) is None), None)


def place_of(address: str) -> str:
    """An address as its store's package names it: bucket and path. ``abfs://container@account.host/path`` is a path in the container."""
    place = address.partition("://")[2]
    return re.sub(r"^([^/@]+)@[^/]+", r"\1", place) if scheme_of(address) in CONTAINERS else place


def opened(address: str) -> Any:
    """fsspec's file system for an address; nothing that it lists is remembered. Raises DataError."""
    names = ("AWS_", "GOOGLE_", "STORAGE_", "AZURE_", "FSSPEC_", "GCSFS_")
    account = re.match(r"\w+://[^/@]+@([^./]+)\.", address) if scheme_of(address) in CONTAINERS else None
    with translated(scheme_of(address), shown(address)):
        environment = tuple(sorted((n, v) for n, v in os.environ.items() if n.startswith(names)))
        store = made(scheme_of(address), account[1] if account is not None else "", environment)
        there(store, scheme_of(address), shown(address))
        return store


KNOCKS = 2
PATIENCE = 5.0
"""Seconds that a store's server has to take a connection before it is left to the store's package to wait for it."""


def there(store: Any, scheme: str, name: str) -> None:
    """Raises NoEntry where nothing listens at the store's address, or nobody knows its name: Google's package would try for half a minute, Azure's for more
    than one. Through a proxy that cannot be told."""
    import socket
    import time
    from urllib.request import getproxies, proxy_bypass

    package = PACKAGES.get(scheme)
    address = str(getattr(store, "base", "")) if package == "gcsfs" else str(getattr(getattr(store, "service_client", None), "url", ""))
    parts = urlsplit(address)
    if not parts.hostname or (parts.scheme in getproxies() and not proxy_bypass(parts.hostname)):
        return
    for knock in range(KNOCKS):
        try:
            socket.create_connection((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)), PATIENCE).close()
            return
        except (ConnectionRefusedError, socket.gaierror) as error:
            if knock == KNOCKS - 1:
                why = f"no host `{parts.hostname}` is known" if isinstance(error, socket.gaierror) else f"nothing listens at {parts.netloc}"
                raise NoEntry(f"{name} cannot be reached: {why}", f"is this machine on the network? {HELP[package or 'gcsfs']}") from None
            time.sleep(0.3)
        except OSError:
            return


@cache
def made(scheme: str, account: str, environment: tuple[tuple[str, str], ...]) -> Any:
    """One file system for each way of reaching a store: making one takes half a second."""
    # What goes wrong is told once, in words; these packages would print it, with tracebacks, as often as they try.
    for name in ("gcsfs", "s3fs", "adlfs", "azure", "fsspec", "botocore", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    fsspec = import_module("fsspec")
    options: dict[str, Any] = {}
    if PACKAGES.get(scheme) == "s3fs":
        options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 3}}
        options["anon"] = not has_pass()
    if account:
        options["account_name"] = account
    return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **options)


def has_pass() -> bool:
    """Whether credentials for S3 are to be found in their usual places; a public bucket needs none."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return True
    try:
        return import_module("botocore.session").Session().get_credentials() is not None
    except refusals("s3"):
        return False


def refusals(scheme: str) -> tuple[type[BaseException], ...]:
    """What a store's package raises when something is wrong."""
    found = [getattr(import_module(module), name, None) for module, name in _ERRORS.get(PACKAGES.get(scheme, ""), ())]
    return (OSError, ValueError, TimeoutError, *(cls for cls in found if cls is not None))


@contextlib.contextmanager
def translated(scheme: str, name: str, doing: str = "read") -> Iterator[None]:
    """What a store says, as a DataError about ``name``."""
    try:
        yield
    except refusals(scheme) as error:
        raise in_words(error, scheme, name, doing) from None


def in_words(error: BaseException, scheme: str, name: str, doing: str) -> DataError:
    help = HELP.get(PACKAGES.get(scheme, ""), "")
    code = (
        str(getattr(error, "response", {}).get("Error", {}).get("Code", "")) if isinstance(getattr(error, "response", None), dict) else ""
    )
    if isinstance(error, FileNotFoundError) or code in ("NoSuchBucket", "NoSuchKey", "404"):
        bucket = urlsplit(name).netloc
        return DataError(f"there is no {name}", f"is the bucket `{bucket}` right, and the path in it?" if bucket else "")
    if isinstance(error, PermissionError) or code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        said = brief(error)
        return DataError(f"{name} may not be {'read' if doing == 'read' else 'written'}: {said}", help)
    asked = (
        "" if any(word in str(error).lower() for word in ("credential", "account", "token")) else "is the store up, and its address right? "
    )
    return DataError(f"{name} cannot be {'read' if doing == 'read' else 'written'}: {brief(error)}", asked + help)


def brief(error: BaseException) -> str:
    """An error's first line, without what its package writes before it."""
    text = (str(error).strip().splitlines() or [""])[0]
    while isinstance(error.__cause__, BaseException) and not text:
        error = error.__cause__
        text = (str(error).strip().splitlines() or [""])[0]
    return text[:200].rstrip(".") or type(error).__name__


def version_of(info: dict[str, Any]) -> str:
    """What a listing says by which another content of the same object would be told from this one."""
    for name in ("ETag", "etag", "generation", "md5Hash", "content_md5", "LastModified", "last_modified", "updated", "mtime", "created"):
        if info.get(name):
            return str(info[name]).strip('"')
    return ""
