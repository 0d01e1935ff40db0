"""Bad data: every reader on files that are not what they should be.

Whatever a file holds, reading it gives rows, rows that are kept aside with their place and why, or one error that names the
file and says what is wrong. It never gives anything else, and always the same. A new reader needs a line in :data:`READERS`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from readers_harness import database, files_of, make, read
from test_documents import docx_of, epub_of, p, pdf_of
from test_talk import CHATGPT, PLAIN

from recipec.api import DataError, Word
from recipec.readers import _documents, _framing, _jsonscan, _whole, mbox
from recipec.registry import find, names

MOST = 40_000
"""The longest record in these tests, in bytes; else it is 64 MiB."""


@dataclass
class Case:
    """A reader's good file, and what becomes of it when it is spoilt: for each of :func:`spoilt`, and for more ways of its own.

    ``E`` is an error that names the file, ``B`` rows that are kept aside, ``R`` rows alone: it is no fault for this reader;
    ``?`` leaves it to the reader which of these it is.
    """

    name: str
    good: Callable[[], bytes]
    outcomes: str
    """In the order of :func:`spoilt`."""
    more: dict[str, tuple[bytes, int, list[str]]] = field(default_factory=dict)
    """Contents, how many rows are good, and why the others are not."""
    params: dict[str, Any] = field(default_factory=dict)


def text(content: str | bytes) -> Callable[[], bytes]:
    return lambda: content if isinstance(content, bytes) else content.encode()


@cache
def parquet() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        duckdb.connect().execute(
            f"COPY (SELECT range AS n, 'text ' || range AS t FROM range(100)) TO '{folder}/x' (FORMAT parquet)"
        ).fetchall()
        return Path(folder, "x").read_bytes()


@cache
def sqlite() -> bytes:
    con = sqlite3.connect(":memory:")
    con.executescript("CREATE TABLE t(n INTEGER, t TEXT)")
    con.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"text {i}") for i in range(1000)])
    con.commit()
    return con.serialize()


@cache
def ducked() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(f"{folder}/x.duckdb") as con:
            con.execute("CREATE TABLE t AS SELECT range AS n, 'text ' || range AS t FROM range(100)")
        return Path(folder, "x.duckdb").read_bytes()


def warc() -> bytes:
    page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><title>t</title><body><p>文 one two three</p></body></html>".encode()
    head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.org/\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
    return f"{head}Content-Type: application/http; msgtype=response\r\nContent-Length: {len(page)}\r\n\r\n".encode() + page + b"\r\n\r\n"


CSV = "id,t\n" + "".join(f"{i},文 {i}\n" for i in range(50))
JSONL = "".join(json.dumps({"id": i, "t": f"文 {i}"}, ensure_ascii=False) + "\n" for i in range(50))
ANSWER = json.dumps({"item": "a", "worker": "ann", "answer": "x"}) + "\n" + json.dumps({"item": "b", "worker": "bob", "answer": "y"}) + "\n"
TASK = {
    "id": 1,
    "data": {"id": "a"},
    "annotations": [{"completed_by": 1, "result": [{"type": "choices", "from_name": "label", "value": {"choices": ["x"]}}]}],
}
RECORD = {"id": "a", "responses": {"label": [{"value": "x", "user_id": "u", "status": "submitted"}]}}

READERS: dict[str, Case] = {
    "csv": Case("x.csv", text(CSV), "REEERERBEEEE"),
    "tsv": Case("x.tsv", text(CSV.replace(",", "\t")), "REEERERBEEEE"),
    "jsonl": Case("x.jsonl", text(JSONL), "RBBBBBBBEEEE"),
    "json": Case("x.json", text(f"[{JSONL.strip().replace(chr(10), ', ' + chr(10))}]"), "REBEEEEEEEEE"),
    "lines": Case("x.txt", text("文 one\ntwo\n"), "RRBBRBRBEEEE"),
    "files": Case("x.txt", text("文 one\ntwo\n"), "RRBBRBRBBBBB"),
    "markdown": Case("x.md", text("---\ntitle: 文\n---\n# H\n\ntext\n"), "RRBBRBRBBBBB"),
    "html": Case("x.html", text("<html><title>文</title>\n<body><p>text</body></html>\n"), "RRBBRBRBBBBB"),
    "conll": Case("x.conll", text("文\tO\nB\tB-PER\n\nC\tO\n"), "RBBBRBBBEEEE", params={"columns": [Word("tokens"), Word("tags")]}),
    "parquet": Case("x.parquet", parquet, "EEEEEEEEEREE"),
    "sqlite": Case("x.db", sqlite, "EEEEEEEEEREE", params={"table": "t"}),
    "duckdb": Case("x.duckdb", ducked, "EEEEEEEEEREE", params={"table": "t"}),
    "hf": Case("x.parquet", parquet, "EEEEEEEEEREE"),
    "annotations": Case("x.jsonl", text(ANSWER), "RBBBRBBBEEEE"),
    "label_studio": Case("x.json", text(json.dumps([TASK], indent=1)), "REBEEEEEEEEE"),
    "argilla": Case("x.json", text(json.dumps([RECORD], indent=1)), "REBEEEEEEEEE"),
    "pdf": Case("x.pdf", lambda: pdf_of(["first page", "第二页"]), "BBBBBBBBBBBB"),
    "docx": Case("x.docx", lambda: docx_of(p("文")), "BBBBBBBBBBBB"),
    "epub": Case("x.epub", lambda: epub_of({"c.xhtml": "<h1>一</h1>\n<p>文</p>".encode()}), "BBRBBBBBBBBB"),
    "notebook": Case("x.ipynb", text(json.dumps({"cells": [{"cell_type": "code", "source": "文"}]}, indent=1)), "BBBBBBBBBBBB"),
    "code": Case("x.py", text("def f():\n    return 1\n"), "RBBBBBBBBBBB", params={"by": "function"}),
    "mbox": Case("x.mbox", text(PLAIN), "RBRBRBBBBEEB"),
    "chat": Case("x.json", text(json.dumps(CHATGPT[:1], indent=1)), "BBBBBBBBBBBB"),
    "subtitles": Case("x.srt", text("1\n00:00:01,000 --> 00:00:02,000\n文\n"), "RBBBBBBBBBBB"),
    "warc": Case("x.warc", warc, "R???????????"),
}


@cache
def spoilt(kind: str) -> dict[str, tuple[str, bytes]]:
    """What every reader is given: a name for the file and its bytes."""
    case = READERS[kind]
    good, name = case.good(), case.name
    noise = random.Random(7).randbytes(5_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/other.bin", noise)
    half = gzip.compress(good + noise.hex().encode())
    return {
        "empty": (name, b""),
        "nuls": (name, b"\0" * 2_000),
        "not utf-8": (name, good.replace(b"\n", b"\xff\xfe\xff\n", 3)),
        "noise": (name, b"\x8f" + noise),
        "half": (name, good[: len(good) // 2]),
        "another kind": (name, b"\x89PNG\r\n\x1a\n" + noise[:500]),
        "deep": (name, b'{"a":' * 4_000 + b"[" * 9_000),
        "one long line": (name, b"x" * (2 * MOST)),
        "packed, not said": (name, gzip.compress(good)),
        "said, not packed": (f"{name}.gz", good),
        "packed, cut off": (f"{name}.gz", half[: len(half) // 2]),
        "archive, not said": (name, packed.getvalue()),
    }


def outcome(folder: Path, kind: str, name: str, data: bytes, threads: int = 2) -> tuple[str, Any]:
    (folder / name).write_bytes(data)
    try:
        r = read(folder, kind, name, threads=threads, **READERS[kind].params)
    except DataError as refused:
        error = refused
    except duckdb.IOException as late:  # what is read in place is found damaged by who reads the rows, and told as the step tells it
        reader = make(kind, name, **READERS[kind].params)
        error = reader.explain(database(1).cursor(), files_of(reader, folder), late)
    else:
        error = None
    if error is not None:
        assert name in error.message, error.message
        assert "Traceback" not in error.message
        return "E", (error.message, error.help)
    for file, row, reason, kept in r.bad:
        assert file == name
        assert isinstance(row, int)
        assert row >= 1, "a place"
        assert reason, "a reason"
        assert kept is None or len(kept) <= MOST + 70_000, "bounded"
    return "B" if r.bad else "R", (r.rows, r.bad)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_framing, _whole, _documents, _jsonscan, mbox):
        if hasattr(module, "MAX_RECORD"):
            monkeypatch.setattr(module, "MAX_RECORD", MOST)
    for name in names("reader"):
        cls: Any = find("reader", name)
        if getattr(cls, "limit", 0) == 64 << 20:
            monkeypatch.setattr(cls, "limit", MOST)


def test_every_reader_of_files_has_its_case() -> None:
    of_files = {n for n in names("reader") if "path" in find("reader", n).Params.model_fields}
    assert of_files - READERS.keys() == set(), "a new reader: say in READERS what becomes of its files when they are spoilt"


READERS["csv"].more = {
    "ragged": (
        b'a,b\n1,2\n3\n4,5,6\n7,"8\n9,10\n',
        2,
        ["1 field where 2 are expected", "3 fields where 2 are expected", "a quoted field is never closed"],
    ),
    "not utf-8": (b"a,b\n1,x\n2,\xff\n3,\0\n", 2, ["not valid utf-8"]),
}
READERS["jsonl"].more = {
    "keys twice": (b'{"a": 1}\n{"a": 1, "a": 2}\n', 1, ['the key "a" comes twice']),
    "not objects": (b'{"a": 1}\n[1]\n"x"\n{"a": 2}\n', 2, ["a list, not an object", "?"]),
    "half a pair": (b'{"a": "x"}\n{"a": "\\ud800"}\n', 1, ["half of a surrogate pair stands alone"]),
    "cut": (b'{"a": 1}\n{"a": ', 1, ["?"]),
}
READERS["conll"].more = {
    "ragged": (b"A\tO\n\nB\n\nC\tO\tX\n", 1, ["line 1: 1 field where 2 are named", "line 1: 3 fields where 2 are named"])
}


HERE = [n for n in READERS if find("reader", n) is not None]


@pytest.mark.parametrize("kind", HERE)
def test_the_good_file_is_good(tmp_path: Path, kind: str) -> None:
    case = READERS[kind]
    how, (rows, bad) = outcome(tmp_path, kind, case.name, case.good())
    assert (how, bad) == ("R", [])
    assert rows


@pytest.mark.parametrize("kind", HERE)
def test_spoilt_files(tmp_path: Path, kind: str) -> None:
    found = {}
    for what, (name, data) in spoilt(kind).items():
        how, told = outcome(tmp_path, kind, name, data)
        found[what] = how
        if what == "not utf-8":
            assert outcome(tmp_path, kind, name, data, threads=1) == (how, told), "whatever the threads"
    wanted = dict(zip(spoilt(kind), READERS[kind].outcomes, strict=True))
    assert found == {k: found[k] if v == "?" else v for k, v in wanted.items()}


@pytest.mark.parametrize(("kind", "what"), [(k, w) for k in HERE for w in READERS[k].more])
def test_spoilt_in_ways_of_their_own(tmp_path: Path, kind: str, what: str) -> None:
    data, rows, reasons = READERS[kind].more[what]
    how, told = outcome(tmp_path, kind, READERS[kind].name, data)
    assert how != "E", told
    assert len(told[0]) == rows
    assert [b[2] if r != "?" else r for b, r in zip(told[1], reasons, strict=True)] == reasons


@pytest.mark.parametrize("kind", [k for k in HERE if "B" in READERS[k].outcomes and k != "warc"])
def test_bad_rows_are_kept_counted_and_bounded(lab: Any, kind: str) -> None:
    """Through a recipe: a good file and a spoilt one."""
    case = READERS[kind]
    what, (name, data) = next((w, d) for (w, d), o in zip(spoilt(kind).items(), case.outcomes, strict=True) if o == "B")
    if kind in ("csv", "tsv"):  # files of other columns are no matter of rows
        name, data = case.name, case.good() + b"alone\n"
    lab.folder.joinpath("a" + case.name).write_bytes(case.good())
    lab.folder.joinpath("b" + name).write_bytes(data)
    more = "".join(f", {k}: {'[' + ', '.join(v) + ']' if isinstance(v, list) else v}" for k, v in case.params.items())
    text = f'source s = {kind}(["a{case.name}", "b{name}"]{more}) {{ max_bad: {{}} }}'
    alone = lab.run(f'source s = {kind}("a{case.name}"{more})')
    (good,) = alone.rows("select count(*) from s")[0]
    ran = lab.run(text.replace("{}", "100%"))
    bad = ran.rows('select file, "row", reason from recipec.bad order by all')
    assert ran.rows("select count(*) from s")[0][0] >= good, what
    assert ran.dropped("s") == {"does not parse": len(bad)}
    assert {b[0] for b in bad} == {f"b{name}"}
    assert all(b[1] >= 1 and b[2] for b in bad)
    ran = lab.run(text.replace("{}", "0%"), good=False)
    assert "do not parse" in ran.error("s")


def test_of_many_json_documents_one_may_be_bad(lab: Any) -> None:
    for name, content in (("a", '[{"n": 1}]'), ("b", '[{"n": 2}, '), ("c", "\x00"), ("d", '{"n": 4}')):
        lab.write(f"{name}.json", content)
    ran = lab.run('source s = json("*.json") { max_bad: 60% }')
    assert ran.rows("select n from s order by n") == [(1,), (4,)]
    assert [r[:2] for r in ran.rows('select file, "row" from recipec.bad order by all')] == [("b.json", 1), ("c.json", 1)]
