"""One record that is much longer than the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from recipec.api import DataError, ReadContext, SourceFile
from recipec.readers import _stream
from recipec.readers.jsonl import Jsonl, JsonlParams

LONG = "the quick brown fox " * 1000
CASES = {
    "jsonl": "".join(json.dumps({"id": i, "text": LONG if i in (2, 3) else "short"}) + "\n" for i in range(1, 6)),
    "json": json.dumps([{"id": i, "text": LONG if i in (2, 3) else "short"} for i in range(1, 6)]),
    "csv": "id,text\n" + "".join(f'{i},"{LONG if i in (2, 3) else "short"}"\n' for i in range(1, 6)),
    "tsv": "id\ttext\n" + "".join(f"{i}\t{LONG if i in (2, 3) else 'short'}\n" for i in range(1, 6)),
}


@pytest.mark.parametrize("kind", CASES)
def test_long_records_are_loaded_by_themselves_in_their_place(given: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    whole = given(kind)(CASES[kind], declared={"id": "BIGINT", "text": "VARCHAR"})
    monkeypatch.setattr(_stream, "LONG", 10_000)
    apart = given(kind)(CASES[kind], declared={"id": "BIGINT", "text": "VARCHAR"})
    assert (apart.rows, apart.places, apart.bad) == (whole.rows, whole.places, whole.bad)
    assert len(whole.rows) == 5
    assert not whole.bad


def test_a_record_for_which_there_is_no_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "LONG", 10_000)
    monkeypatch.setattr(_stream, "_TIMES", 10_000)
    (tmp_path / "x.jsonl").write_text(CASES["jsonl"], encoding="utf-8")
    con = duckdb.connect(config={"memory_limit": "100MB"})
    con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
    files = (SourceFile(tmp_path / "x.jsonl", "x.jsonl"),)
    context = ReadContext(con, files, {"id": "BIGINT", "text": "VARCHAR"}, "utf-8", "raw", "bad", lambda done, total: None, tmp_path)
    with pytest.raises(DataError, match=r"`x.jsonl`, record 2 has 0 MB; to read it takes about \d+ MB of memory") as told:
        Jsonl(JsonlParams(path="x.jsonl")).load(context)
    assert "--memory 1GB" in told.value.help


def test_what_went_wrong_is_not_hidden_by_what_is_put_back(tmp_path: Path) -> None:
    con = duckdb.connect(config={"memory_limit": "60MB"})
    con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"id": i, "text": LONG * 40}) + "\n" for i in range(100)), encoding="utf-8")
    files = (SourceFile(tmp_path / "x.jsonl", "x.jsonl"),)
    context = ReadContext(con, files, {"id": "BIGINT", "text": "VARCHAR"}, "utf-8", "raw", "bad", lambda done, total: None, tmp_path)
    con.execute("SET max_temp_directory_size = '0KiB'")
    con.execute("BEGIN")
    with pytest.raises(duckdb.OutOfMemoryException):
        Jsonl(JsonlParams(path="x.jsonl")).load(context)
