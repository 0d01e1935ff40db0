"""``lines``, ``files``, ``markdown``, ``html`` and ``conll``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from readers_harness import read

from recipec.api import DataError, Word
from recipec.readers import _whole


def bad(result: Any) -> list[tuple[int, str, str]]:
    return [b[1:] for b in result.bad]


# lines ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\n\r\nb\r\n", ["a", "", "b"]),
        (b"a\rb\r", ["a", "b"]),
        (b"\xef\xbb\xbfa \n", ["a "]),
        ("a\u2028b\x0cc\x85d\n".encode(), ["a\u2028b\x0cc\x85d"]),
        (b"x\0y\n", ["x\0y"]),
    ],
)
def test_lines(given: Any, data: bytes, lines: list[str]) -> None:
    r = given("lines")(data)
    assert r.column("line") == lines
    assert [p[1] for p in r.places] == list(range(1, len(lines) + 1))


def test_bad_lines(given: Any) -> None:
    r = given("lines")(b"1\n\xff\ntwo\n4\n", declared={"line": "INTEGER"})
    assert r.rows == [(1,), (4,)]
    assert bad(r) == [(2, "not valid utf-8", "\\xff"), (3, 'line: "two" is not INTEGER', "two")]


def test_lines_in_utf16_with_half_a_pair(given: Any) -> None:
    r = given("lines")("a\nb\ud800\nc\n".encode("utf-16", "surrogatepass"), encoding="utf-16")
    assert (r.column("line"), bad(r)) == (["a", "c"], [(2, "not valid utf-16", "b\\x00\\xd8")])


def test_a_column_that_lines_do_not_have(given: Any) -> None:
    with pytest.raises(DataError, match="no column `lin` in a file of lines"):
        given("lines")("x", declared={"lin": "VARCHAR"})


# files ----------------------------------------------------------------------------------------------------------------


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff一\r\n二".encode())
    (tmp_path / "b.txt").write_bytes(b"\xff")
    (tmp_path / "c.txt").write_bytes(b"")
    (tmp_path / "d.txt").write_bytes(b"x" * 100)
    monkeypatch.setattr(_whole, "MAX_RECORD", 50)
    monkeypatch.setattr(_whole, "MAX_SHOWN", 3)
    r = read(tmp_path, "files", "*.txt")
    assert r.rows == [("a.txt", "一\r\n二"), ("c.txt", "")]
    assert r.bad == [("b.txt", 1, "not valid utf-8", "\\xff"), ("d.txt", 1, "longer than 0 MiB", "xxx")]
    assert read(tmp_path, "files", "a.txt", declared={"text": "VARCHAR"}).rows == [("一\r\n二",)]


# markdown -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "title", "meta", "text"),
    [
        ('---\ntitle: "Say \\"hi\\""\ntags: [a]\n---\n# Other\n', 'Say "hi"', 'title: "Say \\"hi\\""\ntags: [a]', "# Other\n"),
        ("+++\r\ntitle = 'It is'\r\n+++\r\nbody", "It is", "title = 'It is'", "body"),
        ("---\ndate: 2024\n...\n\n## Sub ##\n", "Sub", "date: 2024", "\n## Sub ##\n"),
        ("---\na: 1\n---", None, "a: 1", ""),
        ("---\n\nnot front matter\n", None, None, "---\n\nnot front matter\n"),
        ("```\n# no\n```\n\nTwo\nlines\n===\n", "Two lines", None, "```\n# no\n```\n\nTwo\nlines\n===\n"),
        ("- item\n---\n# 标题\n", "标题", None, "- item\n---\n# 标题\n"),
        ("#no heading\n#\n# Yes", "Yes", None, "#no heading\n#\n# Yes"),
        ("    # code\n", None, None, "    # code\n"),
        ("", None, None, ""),
    ],
)
def test_markdown(given: Any, data: str, title: str | None, meta: str | None, text: str) -> None:
    assert given("markdown")(data).rows == [("x.markdown", title, meta, text)]


# html -----------------------------------------------------------------------------------------------------------------


def test_html(given: Any) -> None:
    r = given("html")(
        "<!doctype html><html><head><title>A &amp; B\n 中文</title><style>p {}</style></head><body>"
        "<h1>Head</h1>\n<p>One\n   two <b>three</b></p><script>no</script><pre>a\n  b</pre><ul><li>x<li>y</ul></body></html>"
    )
    assert r.rows == [("x.html", "A & B 中文", "Head\n\nOne two three\n\na\n  b\n\nx\ny")]


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("<!-- <title>no</title> --><h1 class=x>Head <i>line</i></h1>", "Head line"),
        ("<body><svg><title>icon</title></svg><h1>H</h1>", "H"),
        ("<title></title>text", None),
        ("<title>open", None),
        ("", None),
    ],
)
def test_titles(given: Any, markup: str, title: str | None) -> None:
    assert given("html")(markup).rows[0][1] == title


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ('<meta charset="gb2312"><p>网页</p>'.encode("gb18030"), "utf-8"),
        ("<meta http-equiv=Content-Type content='text/html; charset=gbk'><p>网页</p>".encode("gb18030"), "utf-8"),
        ('<meta charset="utf-16"><p>网页</p>'.encode(), "utf-8"),
        ('<meta charset="no-such"><p>网页</p>'.encode(), "utf-8"),
        ("<p>网页</p>".encode("utf-16"), "utf-8"),
        ("<p>网页</p>".encode("gb18030"), "gb18030"),
    ],
)
def test_encodings_of_pages(given: Any, data: bytes, encoding: str) -> None:
    assert given("html")(data, encoding=encoding).rows[0][2] == "网页"


@pytest.mark.parametrize("piece", ["<!--", "<title>", "<h1 ", "<script>", "<pre>", "<p a=", "<meta ", "</", "&#"])
def test_broken_pages_take_no_longer(given: Any, piece: str) -> None:
    before = time.process_time()
    assert len(given("html")(piece * 50_000).rows) == 1
    assert time.process_time() - before < 5, "quadratic: it would be minutes"


# conll ----------------------------------------------------------------------------------------------------------------


def words(*names: str) -> tuple[Word, ...]:
    return tuple(map(Word, names))


def test_conll(given: Any) -> None:
    r = given("conll")("# id = 1\nA\tO\n#\tB-X\n\n \t\n-DOCSTART-\tO\n\n我\tO\r\n们\tI-X\r\n")
    assert r.types == {"tokens": "VARCHAR[]", "tags": "VARCHAR[]"}
    assert r.rows == [(["A", "#"], ["O", "B-X"]), (["我", "们"], ["O", "I-X"])]
    assert [p[1] for p in r.places] == [1, 2]


def test_conll_with_blanks_and_unwanted_columns(given: Any) -> None:
    r = given("conll")("-DOCSTART- -X- -X- O\n\nEU  NNP B-NP B-ORG\n. . O O\n", columns=words("tokens", "_", "_", "tags"), separator=" ")
    assert r.rows == [(["EU", "."], ["B-ORG", "O"])]


def test_a_bad_line_sets_its_sentence_aside(given: Any) -> None:
    r = given("conll")(b"a\tO\n\nb\tO\nc\nd\tO\n\n\xff\tO\ne\tO\n\nf\tO\tX\n\ng\tO")
    assert (r.rows, [p[1] for p in r.places]) == ([(["a"], ["O"]), (["g"], ["O"])], [1, 5])
    assert bad(r) == [
        (2, "line 2: 1 field where 2 are named", "b\tO\nc\nd\tO"),
        (3, "not valid utf-8", "\\xff\tO\ne\tO"),
        (4, "line 1: 3 fields where 2 are named", "f\tO\tX"),
    ]


def test_conll_with_declared_types(given: Any) -> None:
    r = given("conll")("a\t1\nb\t2\n\nc\tx\n", declared={"tags": "INTEGER[]"})
    assert r.rows == [([1, 2],)]
    assert bad(r) == [(2, 'tags: "[x]" is not INTEGER[]', "c\tx")]


def test_conll_columns_must_be_told_apart(given: Any) -> None:
    with pytest.raises(DataError, match="must be different names"):
        given("conll")("a\tO", columns=words("a", "A"))


@pytest.mark.parametrize(
    ("file", "number"), [("wnut17train.conll", 3_394), ("emerging.dev.conll", 1_009), ("emerging.test.annotated", 1_287)]
)
def test_wnut17(data: Path, file: str, number: int) -> None:
    r = read(data, "conll", f"wnut17/{file}")
    lines = [line.split("\t") for line in (data / "wnut17" / file).read_text(encoding="utf-8").split("\n") if line.strip(" \t")]
    assert (len(r.rows), r.bad) == (number, [])
    assert [[t, g] for tokens, tags in r.rows for t, g in zip(tokens, tags, strict=True)] == lines
