"""WARC files, whole and damaged."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import duckdb
import pytest
from site_server import CHINESE, article

from recipec.api import ReadContext, SourceFile
from recipec.readers._pages import text_of
from recipec.readers._warc import Broken, Record, packed, records
from recipec.readers.warc import Warc, WarcParams

DATE = "2026-01-02T03:04:05Z"


def response(n: int, body: bytes = b"", head: str = "Content-Type: text/html", status: str = "200 OK") -> bytes:
    block = f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode() + (body or article(n))
    return packed("response", f"http://h/{n}", DATE, block, "application/http; msgtype=response")


def read(path: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    with duckdb.connect() as con:
        con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
        Warc(WarcParams(path=path.name)).load(
            ReadContext(con, (SourceFile(path, path.name),), None, "utf-8", "t", "bad", lambda *_: None, Path())
        )
        return con.execute("SELECT _row, url, title, language, text FROM t ORDER BY _row").fetchall(), con.execute(
            "SELECT row, reason, text FROM bad ORDER BY row"
        ).fetchall()


def test_pages_and_what_is_none(tmp_path: Path) -> None:
    pytest.importorskip("trafilatura", reason="needs the extra `web`")
    deflate = zlib.compressobj(wbits=-15)
    raw_deflate = deflate.compress(article(6)) + deflate.flush()
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (article(5)[:700], article(5)[700:])) + b"0\r\n\r\n"
    path = tmp_path / "a.warc.gz"
    path.write_bytes(
        packed("warcinfo", "", DATE, b"software: x", "application/warc-fields")
        + response(1)
        + packed("request", "http://h/1", DATE, b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request")
        + response(2, b"\x89PNG", "Content-Type: image/png")
        + response(3, b"x", status="301 Moved")
        + response(4, gzip.compress(article(4, CHINESE, "港口")), "Content-Type: text/html\r\nContent-Encoding: gzip")
        + response(5, chunked, "Content-Type: text/html\r\nTransfer-Encoding: chunked")
        + response(6, raw_deflate, "Content-Type: text/html\r\nContent-Encoding: deflate")
        + response(7, b"??", "Content-Type: text/html\r\nContent-Encoding: br")
        + response(8, article(8), "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip")
        + packed("conversion", "http://h/9", DATE, "一篇文章\n".encode(), "text/plain")
        + packed("response", "dns:h", DATE, b"h. 3600 IN A 1.2.3.4", "text/dns")
    )
    rows, bad = read(path)
    assert [(r[0], r[1][-1]) for r in rows] == [(2, "1"), (6, "4"), (7, "5"), (8, "6"), (10, "8"), (11, "9")]
    assert rows[1][2:4] == ("港口", "zh")
    assert rows[-1][2:] == (None, None, "一篇文章")
    assert bad == [(9, "it is packed in a way that is not known (br)", "http://h/7")]


def kinds(path: Path) -> tuple[int, list[tuple[int, str]]]:
    found = list(records(path))
    return sum(isinstance(r, Record) for r in found), [(r.at, r.reason) for r in found if isinstance(r, Broken)]


@pytest.mark.parametrize("packing", ["members", "one", "none"])
def test_damage_costs_only_what_it_touches(tmp_path: Path, packing: str) -> None:
    made = [response(i, os.urandom(3000)) for i in range(20)]
    path = tmp_path / "a.warc.gz"

    def whole(some: list[bytes]) -> bytes:
        plain = b"".join(gzip.decompress(m) for m in some)
        return {"members": b"".join(some), "one": gzip.compress(plain), "none": plain}[packing]

    path.write_bytes(whole(made))
    assert kinds(path) == (20, [])
    path.write_bytes(whole(made)[:-1500])
    assert kinds(path) == (19, [(20, "the file ends in the middle of it")])
    if packing == "one":
        return
    place = len(whole(made[:5]))
    torn = bytearray(whole(made))
    torn[place + 1000 : place + 1100] = b"\0" * 100
    path.write_bytes(bytes(torn))
    count, broken = kinds(path)
    assert (count, len(broken)) == ((19, 1) if packing == "members" else (20, 0))  # an uncompressed file has no sums
    path.write_bytes(whole(made)[: place + 1000] + whole(made[6:]))
    count, broken = kinds(path)
    assert 18 <= count <= 19
    assert broken
    assert broken[0][0] in (6, 7)
    path.write_bytes(whole(made[:3]) + b"\0" * 50 + os.urandom(70_000) + whole(made[3:]))
    count, broken = kinds(path)
    assert count >= 19
    assert len(broken) >= 1


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    for raw in (
        b"<html>" * 100,
        os.urandom(5000),
        b"\x1f\x8b\x08" + os.urandom(50),
        b"WARC/1.0\r\nContent-Length: x\r\n\r\n",
        b"WARC/1.0\r\n" + b"a: b\r\n" * 50_000,
    ):
        path.write_bytes(raw)
        count, broken = kinds(path)
        assert count == 0
        assert len(broken) >= 1
    path.write_bytes(b"")
    assert kinds(path) == (0, [])


def test_a_record_of_any_size_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "a.warc.gz"
    with gzip.open(path, "wb", 1) as out:
        out.write(b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 300000000\r\n\r\n")
        for _ in range(300):
            out.write(b"\0" * 1_000_000)
        out.write(b"\r\n\r\n" + gzip.decompress(response(1)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(records(path, wanted=lambda kind, _: kind == "response"))
    assert [type(r) for r in found] == [Record]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 80_000


@pytest.mark.parametrize(
    ("charset", "type", "said"),
    [
        ("utf-8", "text/html; charset=iso-8859-1", "latin1"),  # the bytes know better
        ("gb18030", "text/html; charset=gb2312", ""),
        ("gb18030", "text/html", "gbk"),
        ("gb18030", "text/html", ""),
        ("gb18030", "text/html; charset=utf-8", ""),
        ("big5", "text/html; charset=Big5", ""),
        ("utf-16", "text/html", ""),
        ("utf-8-sig", "text/html; charset=gbk", ""),
    ],
)
def test_bytes_are_read_as_what_they_are(charset: str, type: str, said: str) -> None:
    text = f'<html><head><meta charset="{said}"></head><body>{"港口關閉了三天，船隻等候。" if charset == "big5" else CHINESE}</body></html>'
    assert text_of(text.encode(charset), type) == text


def test_a_page_cut_in_a_letter() -> None:
    raw = f"<p>{CHINESE}".encode()[:-1]
    assert text_of(raw, "text/html") == f"<p>{CHINESE}"[:-1]
