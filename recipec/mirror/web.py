"""Pages of the web, copied politely: by a list, a sitemap or a feed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from recipec.api import DataError, Field, Settings, SourceFile, model_validator
from recipec.mirror._base import Fetching, Mirror, Snapshot
from recipec.mirror.web_client import Failed, Reply, get
from recipec.mirror.web_lists import Listed, normal, parse, plain
from recipec.mirror.web_robots import Robots
from recipec.mirror.web_robots import parse as robots_of
from recipec.mirror.web_store import Kept, Store, assemble, read

TRIES = 3
"""How often a page is asked for that may be there another time."""
REDIRECTS = 10
SILENT = 5
"""Failures one after the other in which a host does not answer at all; after them it is left alone."""
SLOWEST = 60.0
"""Seconds between two requests that a host may ask for, by ``Crawl-delay`` or ``Retry-After``."""
LISTS = 10_000
"""Lists that one list may lead to."""
LIST_BYTES = 64 << 20
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class WebParams(Settings):
    urls: str | list[str] = []
    sitemap: str = ""
    feed: str = ""
    limit: int = Field(0, ge=0)
    delay: float = Field(1.0, ge=0)
    concurrency: int = Field(8, ge=1, le=64)
    timeout: float = Field(30.0, gt=0)
    max_bytes: int = Field(10 << 20, ge=1)
    refresh: bool = False
    agent: str = ""

    @model_validator(mode="after")
    def somewhere(self) -> WebParams:
        given = [self.urls] if isinstance(self.urls, str) else self.urls
        if not (given or self.sitemap or self.feed):
            raise ValueError('say which pages: urls: ["https://..."], sitemap: "https://.../sitemap.xml" or feed: "https://.../feed.xml"')
        addresses = [*(u for u in given if "://" in u or not isinstance(self.urls, str)), *filter(None, (self.sitemap, self.feed))]
        for url in addresses:
            if not normal(url):
                raise ValueError(f"`{url}` is no address of the web: https://host/path")
            if "@" in urlsplit(url).netloc:
                raise ValueError("a password in a recipe is read by all who read the recipe, and pages are asked for without any")
        return self


class WebMirror(Mirror):
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("web", ("trafilatura", "lxml"))

    def __init__(self, params: WebParams) -> None:
        self.params = params
        lists = [u for u in (params.sitemap, params.feed) if u]
        if isinstance(params.urls, str):
            lists += [params.urls] if params.urls else []
        elif params.urls:
            lists += [params.urls[0] + (f" (+{len(params.urls) - 1})" if len(params.urls) > 1 else "")]
        self.address = ", ".join(lists)
        self.found: list[Listed] | None = None

    def identity(self) -> Any:
        return [self.params.urls, self.params.sitemap, self.params.feed, self.params.limit, self.params.max_bytes]

    # Which pages

    @property
    def near(self) -> frozenset[str]:
        """The hosts that the recipe itself names, which may be of this machine's own network."""
        return frozenset((urlsplit(u).hostname or "").lower() for u in (*self.named, self.params.sitemap, self.params.feed) if u)

    @property
    def named(self) -> list[str]:
        urls = self.params.urls
        if not isinstance(urls, str):
            return [normal(u) for u in urls]
        if not urls or "://" in urls:
            return [normal(urls)] if urls else []
        path = self.base / urls
        try:
            lines = plain(path.read_text("utf-8-sig"))
        except OSError as error:
            raise DataError(f"`{urls}` cannot be read: {error.strerror}", "it is a text file with one address a line") from None
        except UnicodeDecodeError:
            raise DataError(f"`{urls}` is no UTF-8 text", "it is a text file with one address a line") from None
        made = [normal(line) for line in lines]
        if not all(made):
            wrong = lines[made.index("")]
            raise DataError(f"`{urls}` has a line that is no address of the web: {wrong[:80]}", "one address a line: https://host/path")
        return made

    def list(self) -> list[Listed]:
        """The pages in the order of their lists, each once."""
        found = {u: Listed(u) for u in self.named}
        near = self.near
        for name in filter(None, (self.params.sitemap, self.params.feed)):
            waiting, seen = deque([normal(name)]), {normal(name)}
            while waiting:
                url = waiting.popleft()
                listed = self.look(url, near)
                for page in listed.pages:
                    found.setdefault(page.url, page)
                fresh = [u for u in dict.fromkeys(listed.more) if u not in seen]
                if len(seen) + len(fresh) > LISTS:
                    raise DataError(f"{name} leads to more than {LISTS:,} lists", "name the sitemap that you want")
                seen |= set(fresh)
                waiting += fresh
        pages = list(found.values())
        if not pages:
            raise DataError(f"{self.address} lists no page")
        return pages[: self.params.limit or None]

    def look(self, url: str, near: frozenset[str]) -> Any:
        for attempt in range(TRIES):
            try:
                reply, last = self.follow(url, {}, near, LIST_BYTES)
                if reply.status != 200:
                    raise Failed(f"the server answers {reply.status}", again=reply.status in PASSING)
                return parse(reply.plain(LIST_BYTES), last)
            except Failed as error:
                if attempt == TRIES - 1 or not error.again:
                    raise DataError(f"{url} cannot be read: {error.why}", "is the address right? Look at it in a browser") from None
                time.sleep(min(error.wait or 0.5 * 2**attempt, SLOWEST))
            except ValueError as error:
                raise DataError(
                    f"{url} cannot be read: {error}", "it must be a sitemap, RSS, Atom, a JSON feed or a list of addresses"
                ) from None
        raise AssertionError

    # What has changed

    def mark(self, before: Snapshot) -> Any:
        if self.params.refresh or before.facts.get("again"):
            return None
        return self.mark_of(self.list())

    @staticmethod
    def mark_of(pages: Iterable[Listed]) -> Any:
        from recipec.plan.fingerprint import digest

        return digest([[p.url, p.changed] for p in pages])

    def news(self, before: Snapshot, mark: Any) -> str:
        if mark is not None:
            return "other pages are listed, or some of them have changed"
        again = before.facts.get("again", 0)
        some = "1 page that could not be had is" if again == 1 else f"{again:,} pages that could not be had are"
        return f"{some} asked for again" if again else "its pages are asked for again (refresh: true)"

    # The copy

    def fetch(self, ctx: Fetching) -> Snapshot:
        ctx.progress(0, None, "looking which pages there are")
        pages = self.list()
        old = read(ctx.before.files[0].path) if ctx.before is not None and ctx.before.files else {}
        store = Store(ctx.folder / "crawl.part")
        try:
            todo = [p for p in pages if not self.have(p, store.pages.get(p.url), old.get(p.url))]
            Crawl(self, ctx, store, old, len(pages)).run([p.url for p in todo])
            chosen = [self.choose(store.pages.get(p.url), old.get(p.url)) for p in pages]
        finally:
            store.close()
        path = assemble(ctx.folder, chosen)
        again = sum(k.again for k in chosen)
        failed = sum(bool(k.why) for k in chosen)
        if failed:
            some = "1 page" if failed == 1 else f"{failed:,} pages"
            ctx.note(f"{some} of {len(chosen):,} could not be had: they are bad rows, with the reasons")
        return Snapshot(self.mark_of(pages), (SourceFile(path, "pages.warc.gz"),), {"pages": len(chosen), "failed": failed, "again": again})

    def have(self, page: Listed, fresh: Kept | None, old: Kept | None) -> bool:
        """Whether a page need not be asked for. What an interrupted copy brought stays; what an earlier one brought too, unless its list
        says that it has changed since, or all are to be asked again."""
        if fresh is not None:
            return not fresh.again
        if old is None or old.again or self.params.refresh:
            return False
        return not (page.changed and page.changed[:19] > old.date[: len(page.changed[:19])])

    @staticmethod
    def choose(fresh: Kept | None, old: Kept | None) -> Kept:
        """The record to keep: the earlier one where nothing but the date is new."""
        if fresh is None or (old is not None and (old.why, old.digest) == (fresh.why, fresh.digest)):
            assert old is not None
            return old
        return fresh

    def follow(self, url: str, headers: dict[str, str], near: frozenset[str], limit: int) -> tuple[Reply, str]:
        """An answer that is no redirect, and the address that gave it. Raises Failed."""
        here = url
        for _ in range(REDIRECTS + 1):
            reply = get(here, self.headers | headers, limit=limit, seconds=self.params.timeout, near=near)
            if reply.status not in (301, 302, 303, 307, 308):
                return reply, here
            there = normal(urljoin(here, reply.header("location"))) if reply.header("location") else ""
            if not there:
                raise Failed("it leads on to what is no address of the web")
            here = there
        raise Failed(f"it leads on and on ({REDIRECTS} redirects)")

    @property
    def headers(self) -> dict[str, str]:
        from recipec import __version__

        own = f"recipec/{__version__}" + (f" ({self.params.agent})" if self.params.agent else "")
        return {"User-Agent": own, "Accept": "text/html,application/xhtml+xml,*/*;q=0.5", "Accept-Encoding": "gzip"}


@dataclass
class Host:
    """Where pages wait to be asked for, in their order. ``free`` is when the next may be."""

    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    robots: Robots | None = None
    free: float = 0.0
    busy: int = 0
    silent: int = 0
    closed: str = ""
    """Why it is left alone."""


class Crawl:
    """Several threads, each asking a host that may be asked now; of a host one page at a time, or without ``delay`` two."""

    def __init__(self, mirror: WebMirror, ctx: Fetching, store: Store, old: dict[str, Kept], total: int) -> None:
        self.mirror, self.ctx, self.store, self.old, self.total = mirror, ctx, store, old, total
        self.params = mirror.params
        self.near = mirror.near
        self.hosts: dict[str, Host] = {}
        self.change = threading.Condition()
        self.left = 0
        self.failed = 0
        self.stopped = False
        self.error: BaseException | None = None

    def run(self, urls: list[str]) -> None:
        self.left = len(urls)
        for url in urls:
            self.hosts.setdefault(origin(url), Host()).waiting.append((url, 0))
        threads = [threading.Thread(target=self.work, name="web", daemon=True) for _ in range(min(self.params.concurrency, len(urls)))]
        for thread in threads:
            thread.start()
        try:
            while True:
                with self.change:
                    if self.left == 0 or self.error is not None:
                        break
                    self.change.wait(0.25)
                self.say()
        finally:
            with self.change:
                self.stopped = True
                self.change.notify_all()
            for thread in threads:
                thread.join()
        if self.error is not None:
            raise self.error
        self.say()

    def say(self) -> None:
        done = self.total - self.left
        failed = f", {self.failed:,} failed" if self.failed else ""
        self.ctx.progress(done, self.total, f"{done:,} of {self.total:,} pages{failed}")

    def work(self) -> None:
        try:
            while (taken := self.take()) is not None:
                host, url, tries = taken
                again = self.page(host, url, tries)
                with self.change:
                    host.busy -= 1
                    if again:
                        host.waiting.append((url, tries + 1))
                    else:
                        self.left -= 1
                    self.change.notify_all()
        except BaseException as error:
            with self.change:
                self.error = self.error or error
                self.stopped = True
                self.change.notify_all()

    def take(self) -> tuple[Host, str, int] | None:
        """The next page of the host that has waited longest; None when there is nothing left."""
        with self.change:
            while not self.stopped and self.left:
                now = time.monotonic()
                most = 1 if self.params.delay else 2
                ready = [h for h in self.hosts.values() if h.waiting and h.busy < (most if h.robots is not None else 1)]
                host = min(ready, key=lambda h: 0.0 if h.closed else h.free, default=None)
                if host is not None and (host.closed or host.free <= now):
                    host.busy += 1
                    host.free = now + self.pause(host)
                    url, tries = host.waiting.popleft()
                    return host, url, tries
                self.change.wait(min(host.free - now, 0.25) if host is not None else 0.25)
        return None

    def pause(self, host: Host) -> float:
        asked = host.robots.delay if host.robots is not None else None
        return max(self.params.delay, min(asked or 0.0, SLOWEST))

    def page(self, host: Host, url: str, tries: int) -> bool:
        """Ask for a page and keep what comes; whether it is to be asked for again."""
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            if host.closed:
                raise Failed(host.closed, again=True)
            if host.robots is None:
                host.robots = self.robots(url)
                with self.change:
                    host.free = time.monotonic() + self.pause(host)
            if not host.robots.allows(path_of(url)):
                raise Failed(f"robots.txt of {urlsplit(url).netloc} does not allow it")
            old = self.old.get(url)
            headers = {}
            if old is not None and not old.why:
                headers = {n: v for n, v in (("If-None-Match", old.tag), ("If-Modified-Since", old.modified)) if v}
            reply, last = self.answer(url, headers)
            if reply.status == 304 and old is not None:
                self.store.add(url, old.raw(), old.date, tag=old.tag, modified=old.modified, digest=old.digest)
            else:
                self.refuse(reply)
                self.store.page(url, last, reply, date)
            host.silent = 0
            return False
        except Failed as error:
            host.silent = host.silent + 1 if error.silent else 0
            if host.silent >= SILENT and not host.closed:
                host.closed = f"{urlsplit(url).netloc} does not answer ({error.why})"
            if error.again and tries + 1 < TRIES and not host.closed and (error.wait or 0) <= SLOWEST:
                with self.change:
                    wait = error.wait if error.wait is not None else max(self.params.delay, 0.1) * 2 ** (tries + 1)
                    host.free = max(host.free, time.monotonic() + wait)
                return True
            self.store.failure(url, error.why, error.again, date)
            with self.change:
                self.failed += 1
            return False

    def answer(self, url: str, headers: dict[str, str]) -> tuple[Reply, str]:
        """Follow redirects, each to where it is allowed."""
        here = url
        for _ in range(REDIRECTS + 1):
            reply = get(here, self.mirror.headers | headers, limit=self.params.max_bytes, seconds=self.params.timeout, near=self.near)
            if reply.status not in (301, 302, 303, 307, 308):
                return reply, here
            there = normal(urljoin(here, reply.header("location"))) if reply.header("location") else ""
            if not there:
                raise Failed("it leads on to what is no address of the web")
            with self.change:
                other = self.hosts.setdefault(origin(there), Host())
            if other.robots is None:
                other.robots = self.robots(there)
            if not other.robots.allows(path_of(there)):
                raise Failed(f"it leads on to {there}, which robots.txt does not allow")
            here, headers = there, {}
        raise Failed(f"it leads on and on ({REDIRECTS} redirects)")

    @staticmethod
    def refuse(reply: Reply) -> None:
        """Raises Failed for what is no page."""
        from recipec.readers._pages import is_page

        if reply.status in PASSING:
            wait = reply.header("retry-after")
            raise Failed(
                f"the server answers {reply.status} {reply.reason}".strip(), again=True, wait=float(wait) if wait.isdigit() else None
            )
        if reply.status != 200:
            raise Failed(f"the server answers {reply.status} {reply.reason}".strip())
        type = reply.header("content-type")
        coded = bool(reply.header("content-encoding"))
        if not is_page(type or ("text/html" if coded else ""), reply.body):
            raise Failed(f"it is no page ({type.partition(';')[0].strip() or 'of no known type'})")

    def robots(self, url: str) -> Robots:
        """What a host allows. What it does not have allows all; what cannot be asked allows nothing (RFC 9309, 2.3.1)."""
        where = f"{origin(url)}/robots.txt"
        try:
            reply, _ = self.mirror.follow(where, {}, self.near, 4 << 20)
            if reply.status >= 500 or reply.status == 429:
                raise Failed(f"robots.txt of {urlsplit(url).netloc} cannot be read: the server answers {reply.status}", again=True)
            return robots_of(reply.plain(4 << 20)) if reply.status == 200 else Robots()
        except Failed as error:
            if "robots.txt" in error.why:
                raise
            raise Failed(
                f"robots.txt of {urlsplit(url).netloc} cannot be read: {error.why}", again=error.again, silent=error.silent
            ) from None


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
