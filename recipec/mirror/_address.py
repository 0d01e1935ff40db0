"""Addresses as they may be shown, kept and compared: without passwords and tokens."""

from __future__ import annotations

import re
from hashlib import blake2b
from urllib.parse import quote, unquote, urlsplit, urlunsplit

CONTAINERS = frozenset({"az", "abfs", "abfss"})
SIGNED = re.compile(r"(?i)^(x-(amz|goog|oss)-.*|.*signature.*|sig)$")
"""What says that an address is signed: then the file is named by the rest of it, and these names go with the signature."""
WITH_SIGNATURE = re.compile(r"(?i)^(expires|policy|awsaccesskeyid|googleaccessid|key-pair-id|s[vetprk]|sk[oties]v?|spr|sip|srt?|sdd)$")
HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
TOKEN = re.compile(r"(?i)^(.*token|.*secret|.*passw(or)?d|api[-_]?key|auth|key|.*credentials?|session(id)?)$")


def shown(address: str) -> str:
    """An address without its user, password, fragment and the values in its query that let somebody in."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address.partition("?")[0]
    # In abfs://container@account.host/ what stands before the @ is no user.
    host = parts.netloc if parts.scheme.lower() in CONTAINERS and ":" not in parts.netloc else parts.netloc.rpartition("@")[2]
    items = parts.query.split("&") if parts.query else []
    signed = any(SIGNED.match(unquote(i.partition("=")[0])) for i in items)
    query = "&".join(masked(item, signed) for item in items)
    return urlunsplit((parts.scheme.lower(), host.lower() if parts.scheme.lower().startswith("http") else host, parts.path, query, ""))


def masked(item: str, signed: bool) -> str:
    """A part of a query without its secret. A signature goes wholly: the same file is signed anew every time. Of a token a trace stays, for
    what is called so may be what tells two pages apart."""
    name, equals, value = item.partition("=")
    if SIGNED.match(unquote(name)) or (signed and WITH_SIGNATURE.match(unquote(name))):
        return f"{name}{equals}***"
    if equals and value and TOKEN.match(unquote(name)):
        return f"{name}=***{blake2b(value.encode(), digest_size=2).hexdigest()}"
    return item


def secret_in(address: str) -> tuple[str, str] | None:
    """What is wrong, and what to do, with an address that says who asks; None where it does not. A recipe is read by others."""
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    place = rest.partition("/")[0]
    who, at, host = place.rpartition("@")
    said = "is read by all who read the recipe"
    if HUB_TOKEN.search(address):
        return f"a token of the hub in a recipe {said}", "take it out: it comes from HF_TOKEN, or from `hf auth login`"
    if scheme in ("http", "https") and at:
        what = "a password" if ":" in who else "a user's name, which may be a token,"
        name = host.partition(":")[0] if not host.startswith("[") else host
        variable = token_variable(name)
        return (
            f"{what} in an address {said}",
            f"take out what stands before the `@`: ~/.netrc may have it (machine {name} login USER password PASSWORD), or a token the variable {variable}",
        )
    if scheme in CONTAINERS and ":" in who:
        return f"a key in an address {said}", "take it out: credentials come from AZURE_STORAGE_CONNECTION_STRING, or a login of `az`"
    if scheme in ("s3", "s3a", "gs", "gcs") and (at or (":" in place and not place.startswith("arn:"))):
        usual = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws" if scheme.startswith("s3") else "GOOGLE_APPLICATION_CREDENTIALS"
        return f"a key in an address {said}", f"take it out: credentials come from {usual}"
    return None


def token_variable(host: str) -> str:
    """The variable that holds the token for a host."""
    return f"RECIPEC_TOKEN_{re.sub(r'[^A-Z0-9]', '_', host.upper())}"


def sendable(path: str) -> str:
    """A path or query with what may not stand in a request (spaces, Chinese) escaped; what is escaped already stays."""
    return quote(path, safe="/:@!$&'()*+,;=~%?-._[]|")


def base_name(path: str) -> str:
    """The last part of a path as a file's name on this machine: readers know by its suffix how a file is compressed."""
    name = unquote(path.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^\w.+-]", "_", name)[-80:].lstrip(".") or "file"


def amount(count: float) -> str:
    """Bytes for people: ``4.1 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
