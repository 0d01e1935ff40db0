"""Addresses as they may be shown, kept and compared: without passwords and tokens."""

from __future__ import annotations

import re
from hashlib import blake2b
from urllib.parse import quote, unquote, urlsplit, urlunsplit

CONTAINERS = frozenset({"az", "abfs", "abfss"})
SIGNED = re.compile(r"(?i)^(x-(amz|goog|oss)-.*|.*signature.*|sig)$")
"""What says that an address is signed: then the file is named by the rest of it, and these names go with the signature."""
WITH_SIGNATURE = re.compile(r"(?i)^(expires|policy|awsaccesskeyid|googleaccessid|key-pair-id|s[vetprk]|sk[oties]v?|spr|sip|srt?|sdd)$")
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
