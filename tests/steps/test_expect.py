"""``expect``: functions of whole tables, and what a failed test says."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = '''
sql a """select i as id, i % 4 as c, case when i % 5 = 0 then null else 's' || i end as s from range(20) r(i)""" { key: id }
sql b """select i + 15 as id, 0 as c, 'x' as s from range(10) r(i)""" { key: id }
split parts from a { train: 50%  test: rest }
'''


@pytest.fixture(scope="module")
def tests() -> dict[str, tuple[bool, str]]:
    """Condition: whether it holds, and what is found where it does not."""
    return {
        "rows(a) == 20": (True, ""),
        "rows(a) > 20": (False, "rows(a) = 20"),
        "rows(parts.train) + rows(parts.test) == rows(a)": (True, ""),
        "rows(parts.train) > rows(a)": (False, "rows(parts.train) = 10, rows(a) = 20"),
        "overlap(a.id, b.id) == 5": (True, ""),
        "overlap(parts.train.id, parts.test.id) == 0": (True, ""),
        "missing(a.s) == 4": (True, ""),
        "missing(a.s) == 0 or false": (False, "missing(a.s) = 4"),
        "distinct(a.c) in [3, 4]": (True, ""),
        "duplicates(a.c) == 16": (True, ""),
        "duplicates(a.s) == 0": (True, ""),
        "share(a.c == 1) == 25%": (True, ""),
        "share(a.s is null) < 10%": (False, "share(a.s is null) = 0.2"),
        'share(a.s like "s%" and a.c > 0) > 0': (True, ""),
        "balance(a.c) == 1": (True, ""),
        "drift(a.c, a.c) == 0": (True, ""),
        "drift(a.c, b.c) == 75%": (True, ""),
        "mean(a.id) == 9.5": (True, ""),
        "round(mean(a.id)) between 9 and 10": (True, ""),
        "max(a.id) - min(a.id) == 19": (True, ""),
        "max(length(a.s)) == 3": (True, ""),
        "not (rows(a) == 20)": (False, "rows(a) = 20"),
        'case when rows(a) > 3 then "many" else "few" end == "many"': (True, ""),
        'share(a.s == "{0} {table a}") == 0': (True, ""),
    }


def test_functions_of_tables(lab: Any, tests: dict[str, tuple[bool, str]]) -> None:
    steps = "\n".join(f"expect e{i} from a, b, parts {{ expect {test} }}" for i, test in enumerate(tests))
    ran = lab.run(ROWS + steps, good=False)
    for i, (test, (holds, found)) in enumerate(tests.items()):
        assert ran[f"e{i}"].status == ("run" if holds else "failed"), test
        if not holds:
            assert ran.error(f"e{i}") == f"expect {test}: does not hold: {found}"


def test_tests_of_one_table(lab: Any) -> None:
    ran = lab.run(ROWS + """
      expect good from a { expect unique(id)  expect not_null(id)  expect id >= 0  expect count() == 20 and avg(c) == 1.5 as "sums" }
      expect bad from a { expect unique(c)  expect not_null(s) as "text"  expect id < 18  expect warn id < 10 as "small"  expect count() > 20 }
      expect warned from a { expect warn rows(a) > 100 as "enough"  expect warn s is not null }
    """, good=False)  # fmt: skip
    assert ran["good"].status == "run"
    assert ran["good"].built.extra["tests"][-1] == {"name": "sums", "ok": True, "warn": False, "found": "holds"}
    assert ran.error("bad") == (
        "expect unique(c): 16 rows break it; expect text: 4 rows break it; expect id < 18: 2 rows break it; expect count() > 20: does not hold: count() = 20"
    )
    assert len(ran["bad"].error.rows) == 5
    assert set(ran["bad"].error.rows[0]) == {"id", "c", "s"}
    assert ran["warned"].built.notes == ["expect enough: does not hold: rows(a) = 20", "expect s is not null: 4 rows break it"]


def test_null_breaks_a_condition_on_rows(lab: Any) -> None:
    ran = lab.run(ROWS + 'clean k from a { expect s != "s1" }', good=False)
    assert ran.error("k") == 'expect s != "s1": 5 rows break it'


def test_a_test_on_an_empty_table(lab: Any) -> None:
    ran = lab.run(ROWS + """
      clean none from a { keep where false }
      expect k from none, a { expect rows(none) == 0  expect share(none.c > 1) == 0  expect overlap(none.id, a.id) == 0  expect drift(none.c, none.c) == 0 }
      expect m from none, a { expect mean(none.id) > 1 }
    """, good=False)  # fmt: skip
    assert ran["k"].status == "run"
    assert "mean(none.id) = None" in ran.error("m") or "does not hold" in ran.error("m")


def test_a_failed_test_lets_the_rest_go_on(lab: Any) -> None:
    ran = lab.run(ROWS + """
      expect bad from a { expect rows(a) == 3 }
      clean checked from a { expect id > 5 }
      clean below from checked { x = 1 }
      clean other from a { x = 1 }
    """, good=False)  # fmt: skip
    assert ran.statuses == {
        "a": "run",
        "b": "run",
        "parts": "run",
        "bad": "failed",
        "checked": "failed",
        "below": "skipped",
        "other": "run",
    }
    assert ran["below"].why == "`checked` did not finish"
    assert [r[0] for r in ran.rows("select status from recipec.runs")] == ["failed"]
    assert ran.rows("select count(*) from other") == [(20,)]
