"""Lists of pages: sitemaps, their indexes, feeds (RSS, Atom, JSON Feed) and plain lists of addresses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit


@dataclass(frozen=True)
class Listed:
    """A page, and when its list says that it was last changed (ISO 8601, as written)."""

    url: str
    changed: str = ""


@dataclass(frozen=True)
class List:
    pages: tuple[Listed, ...]
    more: tuple[str, ...] = ()
    """Further lists."""


def normal(url: str, base: str = "") -> str:
    """An address without fragment and surrounding blanks, its host in lower case; empty for what is none of the web."""
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            return ""
        return urlunsplit((parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower(), parts.path or "/", parts.query, ""))
    except ValueError:
        return ""


def plain(text: str) -> list[str]:
    """The addresses of a text, one a line; what stands after ``#`` at the start of a line is a remark."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def parse(raw: bytes, base: str) -> List:
    """A list of any of these kinds, told apart by what it is, not by what the server calls it. Raises ValueError for what is none."""
    start = raw[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return of_json(json.loads(raw), base)
    if not start.startswith(b"<"):
        found = [normal(line, base) for line in plain(raw.decode("utf-8-sig", "replace"))]
        if not found or not all(found):
            raise ValueError("it is neither a sitemap nor a feed")
        return List(tuple(Listed(u) for u in found))
    from lxml import etree  # type: ignore[import-untyped,unused-ignore]

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False, load_dtd=False)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError:
        root = None
    kind = local(root)
    if kind == "sitemapindex":
        return List((), tuple(u for e in root if local(e) == "sitemap" and (u := normal(child(e, "loc"), base))))
    if kind == "urlset":
        pages = [Listed(normal(child(e, "loc"), base), child(e, "lastmod")) for e in root if local(e) == "url"]
        return List(tuple(p for p in pages if p.url))
    if kind in ("rss", "RDF", "feed"):
        entries = [e for e in root.iter() if local(e) in ("item", "entry")]
        pages = [Listed(normal(link(e), base), child(e, "updated") or child(e, "modified")) for e in entries]
        return List(tuple(p for p in pages if p.url))
    raise ValueError("it is neither a sitemap nor a feed")


def of_json(feed: Any, base: str) -> List:
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list):
        raise ValueError("it is neither a sitemap nor a feed")
    pages = [Listed(normal(str(i.get("url") or ""), base), str(i.get("date_modified") or "")) for i in items if isinstance(i, dict)]
    return List(tuple(p for p in pages if p.url))


def local(element: Any) -> str:
    """An element's name without its namespace: many lists have none, or a wrong one."""
    tag = getattr(element, "tag", "")
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def child(element: Any, name: str) -> str:
    return next(((e.text or "").strip() for e in element if local(e) == name), "")


def link(entry: Any) -> str:
    """The page of a feed's entry: RSS's text, Atom's ``alternate``, else an address that serves as the entry's name."""
    for element in entry:
        if local(element) == "link":
            if (element.text or "").strip():
                return str(element.text).strip()
            if element.get("href") and element.get("rel", "alternate") == "alternate":
                return str(element.get("href"))
    name = child(entry, "guid") or child(entry, "id")
    return name if name.startswith("http") else ""
