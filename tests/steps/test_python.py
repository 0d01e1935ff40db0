"""``python``: a user's function on Arrow batches."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = 'sql t """select i as id, case when i = 3 then null else \'中\' || i end as s from range(10) r(i)""" { key: id }\n'
MODULE = """
import pyarrow as pa
import pyarrow.compute as pc

def score(batch):
    return batch.append_column("score", pc.cast(batch["id"], pa.float64()))

def keyless(batch):
    return pa.table({"id": batch["id"], "score": [1.0] * batch.num_rows})

def odd(batch):
    return batch.filter(pc.equal(pc.bit_wise_and(batch["id"], 1), 1)).append_column("score", pa.array([0.0] * pc.sum(pc.bit_wise_and(batch["id"], 1)).as_py()))

def thrice(batch):
    i = pa.array([k for k in range(batch.num_rows) for _ in range(3)])
    return batch.take(i).append_column("score", pa.array([float(k % 3) for k in range(3 * batch.num_rows)]))

def fewer(batch):
    return pa.table({"id": batch["id"][:2], "score": [1.0, 2.0]})

def stranger(batch):
    return pa.table({"_key": ["00000000-0000-0000-0000-000000000000"], "id": [1], "score": [1.0]})

def text(batch):
    return pa.table({"id": batch["id"], "score": ["x"] * batch.num_rows})

def lacking(batch):
    return pa.table({"id": batch["id"]})

def nothing(batch):
    return None

def broken(batch):
    x = 1
    return x / 0

def rows(batch):
    return batch.to_pylist()

def empty(batch):
    return batch.slice(0, 0).append_column("score", pa.array([], pa.float64()))

answer = 42
"""


def run(lab: Any, function: str, more: str = "", good: bool = True) -> Any:
    lab.write("scores.py", MODULE)
    return lab.run(f'{ROWS}python k from t {{ call: "scores:{function}"  columns: {{ id: int, score: float }} {more} }}', good=good)


@pytest.mark.parametrize("batch", ["", "batch: 3"])
def test_columns_are_added_and_keys_kept(lab: Any, batch: str) -> None:
    ran = run(lab, "score", batch)
    assert ran.rows("select id, score from k order by id") == [(i, float(i)) for i in range(10)]
    assert ran.rows("select count(*) from k join t using (_key) where k.id = t.id") == [(10,)]
    assert ran.rows("select count(*) from recipec.lineage where step = 'k'") == [(0,)]


def test_without_keys_the_rows_are_those_given(lab: Any) -> None:
    ran = run(lab, "keyless", "batch: 4")
    assert ran.rows("select count(*) from k join t using (_key) where k.id = t.id") == [(10,)]


def test_rows_left_out_are_counted(lab: Any) -> None:
    ran = run(lab, "odd", "batch: 4")
    assert [r[0] for r in ran.rows("select id from k order by id")] == [1, 3, 5, 7, 9]
    assert ran.dropped("k") == {"left out by odd": 5}
    assert (ran["k"].built.rows_in, ran["k"].built.rows_out) == (10, 5)
    assert run(lab, "empty").dropped("k") == {"left out by empty": 10}


def test_several_answers_to_a_row_are_its_children(lab: Any) -> None:
    ran = run(lab, "thrice", "batch: 3")
    assert ran.rows("select count(*), count(distinct k._key), count(distinct k._parent) from k") == [(30, 30, 10)]
    assert ran.rows("select count(*) from k join t on k._parent = t._key and k.id = t.id") == [(30,)]
    assert [r[0] for r in ran.rows("select score from k where id = 4 order by _key")] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("fewer", "was given 10 rows and returned 2 without `_key`"),
        ("stranger", "returned a `_key` that it was not given"),
        ("text", "does not have the declared types"),
        ("lacking", "returned no column 'score'"),
        ("nothing", "nothing returned NoneType"),
        ("rows", "rows returned list"),
        ("broken", "broken failed: ZeroDivisionError: division by zero"),
        ("answer", "has no function `answer`"),
    ],
)
def test_wrong_answers(lab: Any, function: str, message: str) -> None:
    ran = run(lab, function, good=False)
    assert message in ran.error("k")
    if function == "broken":
        line = next(i for i, text in enumerate(MODULE.splitlines(), 1) if "x / 0" in text)
        assert ran["k"].error.help == f"in scores.py, line {line}"


def test_a_module_that_cannot_be_imported(lab: Any) -> None:
    lab.write("scores.py", "import nothing_of_that_name\ndef f(batch): return batch\n")
    recipe = f'{ROWS}python k from t {{ call: "scores:f"  columns: {{ id: int }} }}'
    assert "scores.py cannot be imported: ModuleNotFoundError" in lab.run(recipe, good=False).error("k")
    lab.write("scores.py", "from json import *\n")
    assert "scores.py has no function `f`" in lab.run(recipe, good=False).error("k")


@pytest.mark.parametrize(
    ("function", "module", "message", "help"),
    [
        (
            "scroe",
            MODULE,
            "`scores.py` has no function `scroe`",
            "it has: score, keyless, odd, thrice, fewer, stranger, text, lacking (+4)",
        ),
        ("f", "def f(:\n", "`scores.py` is not Python", "line 1: invalid syntax"),
        ("f", "", "`scores.py` has no function `f`", None),
    ],
)
def test_what_the_file_shows_is_told_before_a_run(lab: Any, function: str, module: str, message: str, help: str | None) -> None:
    lab.write("scores.py", module)
    (found,) = lab.check(f'{ROWS}python k from t {{ call: "scores:{function}"  columns: {{ id: int }} }}')
    assert found.message == message
    assert found.help == ((help,) if help else ())


def test_checking_and_planning_run_nothing(lab: Any) -> None:
    lab.write("scores.py", "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\ndef f(batch):\n    return batch\n")
    recipe = f'{ROWS}python k from t {{ call: "scores:f"  columns: {{ id: int }} }}'
    lab.check(recipe)
    lab.plan(recipe)
    assert not (lab.folder / "ran").exists()


def test_a_changed_module_runs_again_and_a_package_is_found(lab: Any) -> None:
    lab.write("pkg/inner.py", "def f(batch):\n    return batch\n")
    recipe = f'{ROWS}python k from t {{ call: "pkg.inner:f"  columns: {{ id: int }} }}'
    lab.run(recipe)
    assert lab.run(recipe).statuses["k"] == "reused"
    lab.write("pkg/inner.py", "def f(batch):\n    return batch.slice(0, 4)\n")
    plan = lab.plan(recipe)
    assert plan["k"].why == "file pkg/inner.py changed"
    assert lab.run(recipe).rows("select count(*) from k") == [(4,)]


def test_an_empty_input(lab: Any) -> None:
    lab.write("scores.py", MODULE)
    ran = lab.run(
        f'{ROWS}clean none from t {{ keep where false }}\npython k from none {{ call: "scores:score"  columns: {{ id: int, score: float }} }}'
    )
    assert ran.rows("select count(*) from k") == [(0,)]


def test_a_batch_in_the_middle_that_fails(lab: Any) -> None:
    lab.write(
        "scores.py",
        "def f(batch):\n    if 5 in batch['id'].to_pylist():\n        raise KeyError('five')\n    return batch\n\ndef g(batch):\n    return batch if 5 not in batch['id'].to_pylist() else 'five'\n",
    )
    for function, message in (("f", "f failed: KeyError: 'five'"), ("g", "g returned str")):
        ran = lab.run(f'{ROWS}python k from t {{ call: "scores:{function}"  columns: {{ id: int }}  batch: 2 }}', good=False)
        assert ran.error("k") == message
        assert lab.rows("select count(*) from recipec.steps where step = 'k'") == [(0,)]


def test_types_that_change_between_batches(lab: Any) -> None:
    lab.write(
        "scores.py",
        "import pyarrow as pa\ncalls = []\n\ndef f(batch):\n    calls.append(1)\n    kind = pa.int64() if len(calls) == 1 else pa.int8()\n"
        "    return pa.table({'_key': batch['_key'], 'id': pa.array(range(1, 1 + batch.num_rows), kind)})\n",
    )
    ran = lab.run(f'{ROWS}python k from t {{ call: "scores:f"  columns: {{ id: int }}  batch: 5 }}')
    assert [r[0] for r in ran.rows("select id from k order by id")] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
