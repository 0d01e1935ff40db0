"""What a task's database opens: the workspace, and the recipe's files that the task reads; no statement gets further, wherever it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from recipec.api import DataError
from recipec.engines.ray.shards import Rows
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, segment
from recipec.resolve.chain import Stage
from recipec.workspace.database import open_workspace

HOSTILE = (
    "SELECT * FROM read_csv('{folder}/other.csv')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/etc/*')",
    "COPY (SELECT 1) TO '{folder}/out.csv'", "ATTACH '{folder}/z.db'", "LOAD httpfs", "INSTALL httpfs", "SET enable_external_access = true",
    "SET allowed_paths = ['/etc/passwd']", "SET allowed_directories = ['/']", "SET lock_configuration = false", "SET threads = 8",
    "SET allowed_configs = ['threads']", "SET home_directory = '/'",
)  # fmt: skip


def probe(setting: Setting, folder: str, unit: Unit) -> Done:
    """What every statement comes to in a task's database: nothing, or the error's kind."""
    found = []
    with database(setting, unit.rows.files) as (con, _, _folder):
        assert con.execute(f"SELECT count(*) FROM read_csv('{unit.rows.files[0]}')").fetchall() == [(1,)]
        con.execute(f"COPY (SELECT 1 AS x) TO '{setting.workspace}/{unit.number}.parquet'")
        for statement in HOSTILE:
            try:
                con.execute(statement.format(folder=folder)).fetchall()
                found.append("")
            except duckdb.Error as error:
                found.append(type(error).__name__)
    return Done({}, 0, 0, facts={"found": found})


def there(folder: Path) -> Setting:
    (folder / "workspace").mkdir()
    for name in ("one.csv", "other.csv"):
        (folder / name).write_text("id,text\n1,a\n", encoding="utf-8")
    return Setting({}, None, str(folder / "workspace"))


def test_a_task_opens_what_it_reads_and_nothing_else(cluster: Any, tmp_path: Path) -> None:
    setting = there(tmp_path)
    unit = Unit(0, Rows((str(tmp_path / "one.csv"),)))
    (done,) = cluster.map(probe, [setting, str(tmp_path)], [unit], lambda share, text: None)
    assert all(done.facts["found"]), [s for s, f in zip(HOSTILE, done.facts["found"], strict=True) if not f]
    with open_workspace(tmp_path / "here", doing="test", files=[tmp_path / "one.csv"]) as workspace:
        for statement, other in zip(HOSTILE, done.facts["found"], strict=True):
            with pytest.raises(duckdb.Error) as refused:
                workspace.con.execute(statement.format(folder=tmp_path)).fetchall()
            assert type(refused.value).__name__ == other, statement


@pytest.mark.parametrize("read", ["read_text('/etc/passwd')", "read_csv('{folder}/other.csv')"])
def test_a_hostile_query_in_a_task_is_refused_as_in_a_run(cluster: Any, tmp_path: Path, read: str) -> None:
    setting = there(tmp_path)
    rows = tmp_path / "workspace" / "rows.parquet"
    duckdb.connect().execute(f"COPY (SELECT uuid() AS _key, NULL::UUID AS _parent, 1 AS x) TO '{rows}'")
    stolen = Stage(f"SELECT *, (SELECT count(*) FROM {read.format(folder=tmp_path)}) AS y FROM {{input}}")
    job = Job(str(tmp_path / "workspace" / "out"), stages=(stolen,))
    with pytest.raises(DataError) as task:
        cluster.map(segment, [setting, job], [Unit(0, Rows((str(rows),)))], lambda share, text: None)
    from recipec.engines.runner import explained

    with open_workspace(tmp_path / "here", doing="test", files=[rows]) as workspace, pytest.raises(duckdb.Error) as here:
        workspace.con.execute(stolen.query.replace("{input}", f"read_parquet('{rows}')")).fetchall()
    assert task.value.message == explained(here.value).message
    assert "disabled" in task.value.message
