from __future__ import annotations

from pathlib import Path
from typing import Any

from readers_harness import read


def test_quotes_are_data(given: Any) -> None:
    r = given("tsv")('label\ttext\nham\t"Hi" he said\nspam\t"open\nham\t""\nham\t\n')
    assert r.rows == [("ham", '"Hi" he said'), ("spam", '"open'), ("ham", '""'), ("ham", None)]


def test_quoting_can_be_asked_for(given: Any) -> None:
    r = given("tsv")('a\tb\n"x\ty"\t"p\nq"\n', quote='"')
    assert r.rows == [("x\ty", "p\nq")]


def test_bad_rows(given: Any) -> None:
    r = given("tsv")("a\tb\n1\t2\n1\n3\t4\t5\n6\t7\n")
    assert r.rows == [(1, 2), (6, 7)]
    assert [(b[1], b[2]) for b in r.bad] == [(2, "1 field where 2 are expected"), (3, "3 fields where 2 are expected")]


def test_sms_spam(data: Path) -> None:
    r = read(data, "tsv", "sms_spam/SMSSpamCollection.tsv")
    lines = (data / "sms_spam/SMSSpamCollection.tsv").read_text(encoding="utf-8").split("\n")[1:-1]
    assert r.types == {"Label": "VARCHAR", "SMS": "VARCHAR"}
    assert ["\t".join(row) for row in r.rows] == lines
    assert (len(r.rows), r.column("Label").count("spam"), r.bad) == (5_574, 747, [])
