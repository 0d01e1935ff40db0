"""The workspace: one run at a time, one format, what is kept and what is swept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipec.api import DataError
from recipec.engines.runner import prune
from recipec.workspace.database import open_workspace
from recipec.workspace.lock import WorkspaceBusy

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (
    'sql t """select i as id from range(50) r(i)""" { key: id }\nclean k from t { keep where id < 9 }\nsplit s from k { a: 50%  b: rest }\n'
)


def test_a_second_run_says_who_holds_the_workspace(lab: Any) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\nfrom recipec.workspace.database import open_workspace\n"
        f"with open_workspace(Path({str(lab.workspace)!r}), doing='run packages.recipe'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(WorkspaceBusy) as busy, lab.open():
            pass
        assert f"in use by process {other.pid} (run packages.recipe)" in busy.value.message
    finally:
        other.kill()
        other.communicate()
    lab.run(RECIPE)


def test_the_lock_of_a_killed_process_is_no_lock(lab: Any) -> None:
    lab.write(".recipec/lock", '{"pid": 1, "doing": "run"}')
    lab.run(RECIPE)
    lab.write(".recipec/lock", "no json")
    lab.run(RECIPE)


def test_another_program_with_the_database_open(lab: Any) -> None:
    lab.run(RECIPE)
    script = (
        f"import duckdb, sys\ncon = duckdb.connect({str(lab.workspace / 'work.duckdb')!r})\nprint('open', flush=True)\nsys.stdin.read()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(WorkspaceBusy, match="another program has"), lab.open():
            pass
    finally:
        other.kill()
        other.communicate()


def test_a_workspace_of_another_format(lab: Any) -> None:
    lab.run(RECIPE)
    with lab.open() as workspace:
        workspace.con.execute("UPDATE recipec.format SET version = 99")
    with pytest.raises(DataError) as refused, lab.open():
        pass
    assert "was written in format 99, by a newer recipec; this one reads format" in refused.value.message
    assert "--workspace" in refused.value.help
    assert "work.duckdb* and run again" in refused.value.help


def test_a_database_that_is_damaged_or_none(lab: Any) -> None:
    lab.write(".recipec/work.duckdb", "this is no database" * 1000)
    with pytest.raises(DataError, match="cannot open"), lab.open():
        pass


def test_places_where_no_workspace_can_be(lab: Any) -> None:
    lab.write("file", "")
    with pytest.raises(DataError), open_workspace(lab.folder / "file", doing="test"):
        pass
    with pytest.raises(DataError), open_workspace(lab.folder / "file/inner", doing="test"):
        pass
    if os.geteuid() != 0:
        (lab.folder / "closed").mkdir(mode=0o500)
        with pytest.raises(DataError), open_workspace(lab.folder / "closed/inner", doing="test"):
            pass


def test_settings_that_are_none(lab: Any) -> None:
    for memory in ("lots", "-3GB", "10"):
        with pytest.raises(DataError), lab.open(memory=memory):
            pass


def test_asking_before_anything_is_built(lab: Any) -> None:
    with pytest.raises(DataError) as refused, lab.open(create=False):
        pass
    assert refused.value.help == "recipec run"


def test_what_no_run_points_at_is_swept(lab: Any) -> None:
    lab.run(RECIPE)
    for limit in (10, 11, 12):
        lab.run(RECIPE.replace("id < 9", f"id < {limit}"))
    with lab.open() as workspace:
        assert len(workspace.built) == 9
        gone = prune(workspace)
        assert len(gone) == 6
        tables = workspace.con.execute(
            "select count(*) from information_schema.tables where table_schema = 'store' and table_name like 'r\\_%' escape '\\'"
        ).fetchone()
        assert tables == (3,)
    ran = lab.run(RECIPE.replace("id < 9", "id < 12"))
    assert set(ran.statuses.values()) == {"reused"}
    assert ran.rows("select count(*) from s.a") == [(6,)]
    assert lab.run(RECIPE).statuses == {"t": "reused", "k": "run", "s": "run"}


def test_steps_that_left_the_recipe_are_swept_too(lab: Any) -> None:
    lab.run(RECIPE)
    lab.run('sql t """select i as id from range(50) r(i)""" { key: id }')
    assert lab.rows("select table_name from information_schema.tables where table_schema = 'main'") == [("t",)]
    with lab.open() as workspace:
        assert len(prune(workspace)) == 2
    assert lab.rows("select step from recipec.steps") == [("t",)]


def test_tables_can_be_asked_under_their_own_names(lab: Any) -> None:
    lab.write("lib/c.recipe", 'sql shared """select 1 as id""" { key: id }\nclean unused from shared { x = 1 }\n')
    ran = lab.run(f'import "lib/c.recipe" as c\n{RECIPE}clean m from c.shared {{ y = 2 }}')
    places = ran.rows(
        "select table_schema || '.' || table_name from information_schema.tables where table_schema not in ('store', 'recipec') order by all"
    )
    assert [p[0] for p in places] == ["c.shared", "main.k", "main.m", "main.s", "main.t", "s.a", "s.b"]
    assert ran.rows("select count(*) from s") == [(9,)]


def test_times_do_not_depend_on_where_the_machine_is(lab: Any) -> None:
    recipe = """sql t \"\"\"select 1 as id, cast('2026-01-31 23:00:00-03' as timestamptz) as at\"\"\" { key: id }
      clean k from t { s = cast(at as text)  d = cast(cast(at as date) as text)  h = date_part("hour", at) }"""
    lab.write("test.recipe", recipe)
    script = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\nfrom pathlib import Path\nfrom conftest import Lab\n"
        f"lab = Lab(Path({str(lab.folder)!r}))\nprint(lab.run({recipe!r}).rows('select s, d, h from k'))\n"
    )
    environment = {**os.environ, "TZ": "Asia/Shanghai"}
    out = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[('2026-02-01 02:00:00+00', '2026-02-01', 2)]"


def test_a_table_larger_than_the_memory(lab: Any) -> None:
    recipe = """
      sql t \"\"\"select i as id, md5(i::varchar) || md5((i + 1)::varchar) || repeat('x', 60) as s from range(700000) r(i)\"\"\" { key: id }
      clean k from t { drop where id % 10 == 3 as "three"  n = length(s)  dedupe(s)  sort(s) }
      split parts from k { train: 90%  test: rest }
      export out from parts { to: "out"  format: parquet() }
    """
    ran = lab.run(recipe, memory="400MB", threads=2)
    assert ran.rows("select count(*) from k") == [(630000,)]
    assert ran.dropped("k") == {"three": 70000}


def test_too_little_memory_is_said(lab: Any) -> None:
    recipe = """
      sql t \"\"\"select i as id from range(10) r(i)\"\"\" { key: id }
      sql big from t \"\"\"select a.id, list(b.i order by b.i) as l from t a, range(30000000) b(i) group by a.id\"\"\" { key: id }
      clean k from t { x = 1 }
    """
    ran = lab.run(recipe, memory="300MB", threads=1, good=False)
    assert ran["k"].status == "run"
    assert ran["big"].status == "failed"
    assert "memory" in ran.error("big")
    assert "--memory" in ran["big"].error.help
