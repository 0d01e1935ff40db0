"""What can go wrong while a recipe runs, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recipec.api import KERNELS, DataError, Kernel, function
from recipec.engines.runner import Silent, run
from recipec.plan.planner import make_plan

ROWS = 'sql t """select i as id, case when i = 7 then null else \'v\' || i end as s from range(5000) r(i)""" { key: id }\n'


MODULE = """
import os
import pyarrow as pa

def broken(column):
    raise ValueError("no luck")

def missing(column):
    open("/there/is/no/such/file")

def odd(column):
    return column.nothing_of_that_name

def dead(column):
    os._exit(3)

def short(column):
    return column[:1]

def fine(column):
    return pa.array([None if x is None else x.upper() for x in column.to_pylist()])
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Makes a function of the language whose kernel is one of those above; gives its name."""
    from recipec import registry

    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "kernels_of_a_test.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    made: list[str] = []

    def make(target: str, *, processes: bool) -> str:
        name = f"test_{target}_{processes}".lower()
        kernel = Kernel(name, f"kernels_of_a_test:{target}", ("VARCHAR",), "VARCHAR", processes=processes)

        def body(text: Any) -> str:
            return kernel(text)

        body.__annotations__ = {"text": "Text", "return": "Text"}
        function(name)(body)
        made.append(name)
        return name

    yield make
    for name in made:
        KERNELS.pop(name, None)
        registry._found.pop(("function", name), None)


def test_values_that_do_not_convert(lab: Any) -> None:
    ran = lab.run(f"{ROWS}clean k from t {{ x = cast(s as int) }}\nclean z from t {{ x = 1 }}", good=False)
    assert ran.error("k").startswith("a value does not convert: Could not convert string 'v")
    assert "try_cast" in ran["k"].error.help
    assert ran["z"].status == "run"


def test_numbers_too_large(lab: Any) -> None:
    ran = lab.run(f'{ROWS}clean k from t {{ x = 9223372036854775807 + id }}\nclean e from t {{ x = error("stop here") }}', good=False)
    assert "Overflow" in ran.error("k") or "out of range" in ran.error("k").lower()
    assert "stop here" in ran.error("e")


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize(("target", "words"), [("broken", "no luck"), ("missing", "No such file"), ("odd", "nothing_of_that_name")])
def test_a_kernel_that_fails(lab: Any, kernel: Callable[..., str], processes: bool, target: str, words: str) -> None:
    name = kernel(target, processes=processes)
    ran = lab.run(f"{ROWS}clean k from t {{ x = {name}(s) }}\nclean z from t {{ x = 1 }}", good=False)
    assert ran["k"].status == "failed"
    assert words in ran.error("k")
    assert "\n" not in ran.error("k")
    assert ran["z"].status == "run"


def test_a_worker_that_dies_is_replaced(lab: Any, kernel: Callable[..., str]) -> None:
    dead, fine, short = (kernel(n, processes=True) for n in ("dead", "fine", "short"))
    ran = lab.run(f"""{ROWS}
      clean k from t {{ x = {dead}(s) }}
      clean m from t {{ x = {short}(s) }}
      clean z from t {{ x = {fine}(s) }}
    """, good=False)  # fmt: skip
    assert ran.error("k") == "a worker process died"
    assert "gave 1 answers for" in ran.error("m")
    assert ran["z"].status == "run"
    assert ran.rows("select count(*), count(x), max(x) from z") == [(5000, 4999, "V999")]


def test_a_disk_that_is_full(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.steps.clean import Clean

    def full(self: Any, plan: Any, ctx: Any) -> Any:
        raise OSError(28, "No space left on device", "work.duckdb")

    monkeypatch.setattr(Clean, "run", full)
    ran = lab.run(f"{ROWS}clean k from t {{ x = 1 }}", good=False)
    assert ran.error("k") == "No space left on device: work.duckdb"


def test_a_watcher_that_raises_ends_the_run_in_good_order(lab: Any) -> None:
    class Broken(Silent):
        def start(self, step: Any, why: str, rows: int | None) -> None:
            if step.name == "k":
                raise BrokenPipeError

    program = lab.sound(f"{ROWS}clean k from t {{ x = 1 }}")
    with lab.open() as workspace, pytest.raises(BrokenPipeError):
        run(make_plan(program, workspace), workspace, Broken())
    ran = lab.run(f"{ROWS}clean k from t {{ x = 1 }}")
    assert ran.statuses == {"t": "reused", "k": "run"}


def test_a_failed_step_leaves_nothing_half_made(lab: Any) -> None:
    ran = lab.run(f"{ROWS}clean k from t {{ dedupe(s, near: 90%)  x = cast(s as int) }}", good=False)
    assert ran["k"].status == "failed"
    assert lab.rows(
        "select count(*) from information_schema.tables where table_schema = 'store' and table_type = 'BASE TABLE' and table_name like 'r%'"
    ) == [(1,)]
    assert lab.rows("select status from recipec.runs") == [("failed",)]
    assert lab.run(f"{ROWS}clean k from t {{ dedupe(s)  x = try_cast(s as int) }}").statuses == {"t": "reused", "k": "run"}


def test_errors_are_values_that_say_what_to_do() -> None:
    error = DataError("something", "do this")
    assert (error.message, error.help, str(error)) == ("something", "do this", "something")
