"""Pages of a site on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from site_server import CHINESE, ENGLISH, Site, article

from recipec.api import DataError, ReadContext
from recipec.mirror._base import Snapshot
from recipec.mirror.catalog import Arrival, Catalog
from recipec.mirror.web import WebMirror, WebParams
from recipec.mirror.web_robots import parse
from recipec.readers.web import Web

pytest.importorskip("trafilatura", reason="needs the extra `web`")


class Copy:
    def __init__(self, folder: Path, **settings: Any) -> None:
        self.params = WebParams(**{"delay": 0.0, "timeout": 5.0} | settings)
        self.mirror, self.catalog = WebMirror(self.params), Catalog(folder)
        self.said: list[str] = []

    def refresh(self, progress: Callable[[int, int | None, str], None] = lambda *_: None) -> Arrival:
        return self.catalog.refresh(self.mirror, progress, self.said.append)

    @property
    def snapshot(self) -> Snapshot:
        found = self.catalog.snapshot(self.mirror)
        assert found is not None
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as con:
            con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
            Web(self.params).load(ReadContext(con, self.snapshot.files, None, "utf-8", "t", "bad", lambda *_: None, Path()))
            return con.execute(query).fetchall()


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Copy]:
    return lambda **settings: Copy(tmp_path / "mirror", **settings)


def test_a_page_is_its_main_text(site: Site, crawl: Any) -> None:
    urls = [
        site.put("/en", article(1)),
        site.put("/zh", article(2, CHINESE, "港口重开"), Content_Type="text/html"),
        site.put(
            "/gb", article(3, CHINESE, "港口重开", "gb18030").replace(b'charset="gb18030"', b'charset="gb2312"'), Content_Type="text/html"
        ),
        site.put("/unsaid", article(4, CHINESE, "港口重开", "gb18030").replace(b'<meta charset="gb18030">', b""), Content_Type="text/html"),
        site.put("/empty", b"<html><head><title>x</title></head><body><script>1</script></body></html>"),
    ]
    copy = crawl(urls=urls)
    assert copy.refresh()
    rows = copy.rows("SELECT _row, title, date, language, author, site FROM t ORDER BY _row")
    assert rows[0] == (1, "Report 1", "2024-03-05", "en", "Ada Pilot", "The Harbour Post")
    for place, title, _, language, *_ in rows[1:4]:
        assert (title, language) == ("港口重开", "zh"), place
    texts = [r[0] for r in copy.rows("SELECT text FROM t ORDER BY _row")]
    assert ENGLISH in texts[0]
    assert all(CHINESE in t for t in texts[1:4])
    for text in texts[:4]:
        assert "cookies" not in text
        assert "Section" not in text
        assert "Copyright" not in text
    assert texts[4] is None
    assert copy.rows("SELECT list(DISTINCT _file), list(url ORDER BY _row) FROM t") == [(["pages.warc.gz"], urls)]
    asked = site.asked.copy()
    assert not copy.refresh()
    assert site.asked == asked


def test_what_cannot_be_had_is_a_bad_row_with_its_reason(site: Site, crawl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        for _ in range(20):
            handler.wfile.write(b"<")
            handler.wfile.flush()
            time.sleep(0.1)

    def torn(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n<html>")

    def nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\x00\x01\x02 no http\r\n\r\n")

    site.put("/robots.txt", b"User-agent: *\nDisallow: /private\nAllow: /private/open\n", Content_Type="text/plain")
    site.pages |= {"/slow": slow, "/torn": torn, "/nonsense": nonsense}
    site.put("/old", b"", 301, Location="/moved/on")
    site.put("/moved/on", b"", 302, Location=f"{site.url}/good")
    site.put("/loop", b"", 301, Location="/loop")
    site.put("/into", b"", 301, Location="/private/a")
    site.put("/out", b"", 301, Location="http://localhost:1/x")
    site.put("/file", b"", 301, Location="file:///etc/passwd")
    site.put("/good", article("good"))
    site.put("/private/open", article("open"))
    site.put("/big", b"<html>" + b"x" * 200_000)
    site.put("/pdf", b"%PDF-1.7", Content_Type="application/pdf")
    site.put("/busy", b"", 503)
    site.put("/gone", b"", 410)
    names = [
        "old",
        "loop",
        "into",
        "out",
        "file",
        "private/a",
        "private/open",
        "big",
        "pdf",
        "busy",
        "gone",
        "slow",
        "torn",
        "nonsense",
        "nowhere",
        "good",
    ]
    copy = crawl(urls=[f"{site.url}/{n}" for n in names], max_bytes=100_000, timeout=0.6)
    assert copy.refresh()
    got = dict(copy.rows("SELECT text, reason FROM bad"))
    reasons = {u.removeprefix(site.url + "/"): r for u, r in got.items()}
    host = site.url.removeprefix("http://")
    assert reasons == {
        "loop": "it leads on and on (10 redirects)",
        "into": f"it leads on to {site.url}/private/a, which robots.txt does not allow",
        "out": "robots.txt of localhost:1 cannot be read: localhost is on this machine's own network, and the recipe does not name it",
        "file": "it leads on to what is no address of the web",
        "private/a": f"robots.txt of {host} does not allow it",
        "big": "it is larger than 100,000 bytes",
        "pdf": "it is no page (application/pdf)",
        "busy": "the server answers 503 Service Unavailable",
        "gone": "the server answers 410 Gone",
        "slow": "it did not come within 0.6 s",
        "torn": "the connection broke in the middle of it",
        "nonsense": "the server's answer is broken (BadStatusLine)",
        "nowhere": "the server answers 404 Not Found",
    }
    assert [r[0].removeprefix(site.url) for r in copy.rows("SELECT url FROM t ORDER BY _row")] == ["/old", "/private/open", "/good"]
    assert site.asked["/busy"] == 3
    assert "/private/a" not in site.asked
    assert site.headers["/good"]["User-Agent"].startswith("recipec/")
    assert copy.said == ["13 pages of 16 could not be had: they are bad rows, with the reasons"]
    # Those that may be there another time are asked for again, and no others.
    site.put("/busy", article("busy"))
    before = site.asked.copy()
    assert copy.refresh()
    again = site.asked - before
    assert again["/busy"] == 1
    assert not {"/good", "/gone", "/big", "/nowhere"} & again.keys()
    assert copy.rows("SELECT count(*) FROM t") == [(4,)]


def test_lists_of_pages(site: Site, crawl: Any) -> None:
    pages = [site.put(f"/p/{i}", article(i)) for i in range(6)]
    one = site.sitemap("/one.xml", pages[:2])
    two = site.sitemap("/two.xml.gz", [*pages[1:4], "ftp://x/y", "http://10.0.0.1/admin"], packed=True)
    index = f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>{one}</loc></sitemap><sitemap><loc>{two}</loc></sitemap><sitemap><loc>{site.url}/index.xml</loc></sitemap></sitemapindex>'
    copy = crawl(sitemap=site.put("/index.xml", index.encode(), Content_Type="application/xml"))
    copy.refresh()
    assert copy.rows("SELECT list(url ORDER BY _row) FROM t") == [(pages[:4],)]
    assert copy.rows("SELECT text, reason FROM bad") == [
        (
            "http://10.0.0.1/admin",
            "robots.txt of 10.0.0.1 cannot be read: 10.0.0.1 is on this machine's own network, and the recipe does not name it",
        )
    ]
    rss = f"<rss version='2.0'><channel><link>{site.url}/</link><item><link> {pages[0]} </link></item><item><guid>{pages[1]}</guid></item></channel></rss>"
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link rel="self" href="/no"/><link href="/p/2"/></entry><entry><link rel="alternate" href="{pages[3]}#top"/></entry></feed>'
    broken = rss.replace("</item>", "</item> & <b>", 1)
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]><rss><channel><item><link>http://x/&b;&f;</link></item></channel></rss>'
    for body, wanted in ((rss, pages[:2]), (atom, pages[2:4]), (broken, pages[:2]), ('{"items": [{"url": "/p/5"}]}', pages[5:])):
        feed = crawl(feed=site.put("/feed", body.encode(), Content_Type="text/plain"))
        assert [p.url for p in feed.mirror.list()] == wanted
    site.put("/feed", bomb.encode())
    assert "root:" not in str(crawl(feed=f"{site.url}/feed").mirror.list())
    for raw, message in (
        (b"<html><body>no</body></html>", "neither a sitemap nor a feed"),
        (b"", "neither"),
        (b"<rss><channel/></rss>", "lists no page"),
    ):
        site.put("/feed", raw)
        with pytest.raises(DataError, match=message):
            crawl(feed=f"{site.url}/feed").refresh()
    with pytest.raises(DataError, match="answers 404"):
        crawl(sitemap=f"{site.url}/none.xml").refresh()


def test_only_what_changed_is_asked_for_again(site: Site, crawl: Any) -> None:
    pages = [site.put(f"/p/{i}", article(i), ETag=f'"{i}"') for i in range(4)]
    copy = crawl(sitemap=site.sitemap("/map.xml", pages[:3], changed="2020-01-01"))
    copy.refresh()
    first = copy.snapshot.files
    assert not copy.refresh()
    site.sitemap("/map.xml", pages, changed="2020-01-01")
    assert copy.refresh()
    assert copy.rows("SELECT count(*), count(DISTINCT url) FROM t") == [(4, 4)]
    assert [site.asked[f"/p/{i}"] for i in range(4)] == [1, 1, 1, 1]
    assert not first[0].path.exists()
    # All again: those that say that nothing changed are not sent.
    site.put("/p/1", article("new"), ETag='"other"')
    again = crawl(sitemap=f"{site.url}/map.xml", refresh=True)
    assert again.mirror.key == copy.mirror.key
    assert again.refresh()
    assert site.headers["/p/0"]["If-None-Match"] == '"0"'
    assert "(new)" in again.rows("SELECT text FROM t WHERE url LIKE '%/1'")[0][0]
    kept = again.snapshot.files
    assert not again.refresh()
    assert again.snapshot.files == kept


def test_manners(site: Site, crawl: Any) -> None:
    site.put("/robots.txt", b"User-agent: *\nCrawl-delay: 0.2\n", Content_Type="text/plain")
    urls = [site.put(f"/p/{i}", article(i)) for i in range(4)]
    crawl(urls=urls, delay=0.05).refresh()
    times = [t for p, t in site.times if p.startswith("/p/")]
    assert all(b - a > 0.18 for a, b in pairwise(times))
    # What a host allows cannot be known: nothing is.
    site.put("/robots.txt", b"", 500)
    copy = crawl(urls=urls, limit=2)
    copy.refresh()
    assert copy.rows("SELECT count(*), any_value(reason) LIKE 'robots.txt of % cannot be read: the server answers 500' FROM bad") == [
        (2, True)
    ]


def test_a_host_that_does_not_answer_is_left_alone(crawl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    copy = crawl(urls=[f"http://127.0.0.1:{port}/{i}" for i in range(50)])
    began = time.monotonic()
    copy.refresh()
    assert time.monotonic() - began < 10
    assert copy.rows("SELECT count(*), count(*) FILTER (reason LIKE '%does not answer%') > 40 FROM bad") == [(50, True)]


def test_robots() -> None:
    def allows(text: str, path: str) -> bool:
        return parse(text.encode()).allows(path)

    wordpress = "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php"
    assert allows(wordpress, "/wp-admin/admin-ajax.php")
    assert not allows(wordpress, "/wp-admin/x")
    assert not allows("User-agent: *\nDisallow: /*s=", "/?s=asd")
    assert allows("User-agent: *\nDisallow: /*s=", "/s/")
    assert allows("User-agent: *\nAllow: /*/filter/page=*/$\nDisallow: /", "/1/filter/page=5/")
    assert not allows("User-agent: *\nDisallow: *", "/a")
    assert allows("User-agent: *\nDisallow:", "/a")
    assert allows("User-agent: googlebot\nDisallow: /", "/a")
    assert not allows("User-agent: googlebot\nUser-agent: Recipec/1.0\nDisallow: /\n\nUser-agent: *\nAllow: /", "/a")
    assert not allows("User-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/a")
    assert not allows("User-agent: *\nDisallow: /中", "/%E4%B8%AD/1")
    assert not allows("\ufeffUser-agent: * # all\nDisallow: /a # this", "/a")
    assert allows("User-agent: *\nDisallow: /*.pdf$", "/a.pdf?x")
    assert not allows("User-agent: *\nDisallow: /", "/")
    assert parse(b"User-agent: *\nCrawl-delay: 1.5").delay == 1.5
    assert allows("User-agent: *\nDisallow: /" + "*a" * 500 + "b", "/" + "a" * 3000)


KILLED = 2000


def test_two_thousand_pages_killed_in_the_middle(site: Site, tmp_path: Path) -> None:
    """The process is killed twice; nothing is asked for twice but what was on its way, and nothing is missing."""
    site.put("/robots.txt", b"User-agent: *\nDisallow: /p/13\n", Content_Type="text/plain")
    small = b"<html><body><article><p>%s</p></article></body></html>"
    pages = [site.put(f"/p/{i}", small % str(i).encode()) for i in range(KILLED)]
    for i in range(0, KILLED, 100):
        site.put(f"/p/{i}", b"", 302, Location=f"/to/{i}")
        site.put(f"/to/{i}", small % str(i).encode())
    site.put("/p/7", b"", 404)
    url = site.sitemap("/map.xml", pages)
    folder = tmp_path / "mirror"
    code = (
        "from pathlib import Path; from recipec.mirror.catalog import Catalog; from recipec.mirror.web import WebMirror, WebParams\n"
        f"Catalog(Path({str(folder)!r})).refresh(WebMirror(WebParams(sitemap={url!r}, delay=0)), lambda *_: None, print)"
    )
    for most in (KILLED // 3, 2 * KILLED // 3):
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
        while process.poll() is None and sum(site.asked.values()) < most:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (part,) = folder.rglob("crawl.part")
        with part.open("ab") as torn:  # as a machine that stops would leave it
            torn.write(part.read_bytes()[:100])
    copy = Copy(folder, sitemap=url)
    copy.refresh()
    twice = [p for p, n in site.asked.items() if n > 1 and p not in ("/robots.txt", "/map.xml")]
    assert len(twice) <= 2 * 2 * 2, "two at a time, two kills, and a redirect's second half"
    allowed = [i for i in range(KILLED) if not str(i).startswith("13") and i != 7]
    from recipec.mirror.web_store import read

    found = read(copy.snapshot.files[0].path)
    assert list(found) == pages
    assert [u for u, k in found.items() if not k.why] == [pages[i] for i in allowed]
    assert not list(folder.rglob("*.part"))
    assert not copy.refresh()


def test_as_a_recipe(site: Site, lab: Any) -> None:
    site.put("/a", article("a"))
    text = f"""
    source pages = web(urls: ["{site.url}/a", "{site.url}/none"], delay: 0) {{ key: url  max_bad: 50% }}
    clean long from pages {{ drop where text is null as "no text" }}
    """
    program = lab.sound(text)
    (place,) = program.resolved["pages"].bound.mirrors
    program.catalog.refresh(place, lambda *_: None, print)
    ran = lab.run(text)
    assert ran.dropped("pages") == {"does not parse": 1}
    assert ran.rows("SELECT url, title FROM long") == [(f"{site.url}/a", "Report a")]
    site.server.shutdown()
    assert lab.run(text).statuses == {"pages": "reused", "long": "reused"}


def test_addresses_in_a_file_beside_the_recipe(site: Site, lab: Any) -> None:
    site.put("/a", article("a"))
    lab.write("data/urls.txt", f"# those\n{site.url}/a#top\n\n{site.url}/a\n")
    text = 'source pages = web(urls: "data/urls.txt", delay: 0) { key: url }'
    program = lab.sound(text)
    (place,) = program.resolved["pages"].bound.mirrors
    program.catalog.refresh(place, lambda *_: None, print)
    assert lab.run(text).rows("SELECT url FROM pages") == [(f"{site.url}/a",)]
    lab.write("data/urls.txt", "here and there\n")
    with pytest.raises(DataError, match="no address of the web: here and there"):
        place.mark(program.catalog.snapshot(place))


def test_what_is_wrong_in_the_call_is_found_by_check(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for call, message in {
        "web()": "say which pages",
        'web(urls: ["ftp://h/x"])': "is no address of the web",
        'web(urls: ["https://u:pw@h/x"])': "a password in a recipe",
        'web(sitemap: "https://h/s.xml", delay: -1)': "`delay`",
    }.items():
        (problem,) = lab.check(f"source s = {call}")
        assert message in problem.message
    monkeypatch.setattr("recipec.mirror._base.Mirror.missing", "trafilatura")
    (problem,) = lab.check('source s = web(urls: ["https://h/x"])')
    assert "pip install 'recipec[web]'" in problem.help[0]
