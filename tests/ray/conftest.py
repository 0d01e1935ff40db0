"""A cluster on this machine, and runs of one recipe on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recipec.engines.runner import RunResult
from recipec.engines.runner import run as run_here
from recipec.plan.planner import make_plan
from recipec.resolve.loading import load
from recipec.source import Source
from recipec.workspace.database import Workspace, open_workspace


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from importlib.util import find_spec

    if find_spec("ray") is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="Ray is not installed: pip install 'recipec[ray]'"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A cluster of one machine with two processors, for all tests."""
    from recipec.engines.ray.cluster import joined

    with joined(processors=2, own=True) as made:
        yield made


Run = Callable[..., tuple[RunResult, dict[str, Any]]]


def contents(workspace: Workspace, result: RunResult) -> dict[str, Any]:
    """Everything that a run made, in the order of keys: rows with their keys, parents and reasons, counts, and what is kept aside."""
    con = workspace.con
    out: dict[str, Any] = {}
    for step in result.steps:
        built = step.built
        out[step.name] = [step.status if step.status != "reused" else "run", step.error.message if step.error else None]
        if built is None:
            continue
        extra = {k: v for k, v in built.extra.items() if k not in ("rows", "ray", "lasting", "files", "training", "identity")}
        if "history" in built.extra:
            extra = {"identity": built.extra["identity"]}  # a model's own, without the seconds that it took
        if "files" in built.extra and "to" in built.extra:
            extra["files"] = [(f["path"], f["size"], f["digest"]) for f in built.extra["files"]]
        out[step.name] += [built.rows_in, built.rows_out, built.dropped, built.notes, extra, built.output_id]
        for part in built.parts:
            for table in (workspace.view(built.run_key, part or None), workspace.table(built.run_key)):
                types = con.execute(f"DESCRIBE {table}").fetchall()
                rows = con.execute(f"SELECT md5(string_agg(t::VARCHAR, chr(10) ORDER BY _key)), count(*) FROM {table} AS t").fetchall()
                out[step.name].append(([t[:2] for t in types], rows))
        out[step.name].append(con.execute("SELECT * FROM recipec.bad WHERE run_key = ? ORDER BY ALL", [built.run_key]).fetchall())
    return out


@contextmanager
def opened(folder: Path) -> Iterator[Workspace]:
    with open_workspace(folder, doing="test", threads=2) as workspace:
        yield workspace


def run_both(cluster: Any, path: Path, text: str, folder: Path, cutting: Any = None, fails: bool = False) -> tuple[Any, Any]:
    """(what DuckDB made, what the cluster made) of one recipe; each in a workspace of its own."""
    from recipec.engines.ray.runner import Cutting
    from recipec.engines.ray.runner import run as run_there

    made = []
    for name in ("duckdb", "ray"):
        program = load(Source(str(path), text))
        program.resolve()
        assert not program.findings.errors, "\n".join(f"{d.name}: {d.message}" for d in program.findings.sorted)
        with opened(folder / name) as workspace:
            plan = make_plan(program, workspace)
            if name == "duckdb":
                result = run_here(plan, workspace)
                assert fails or not result.failed, "; ".join(f"{s.name}: {s.error}" for s in result.failed)
            else:
                result = run_there(plan, workspace, cluster, cutting=cutting or Cutting(shard_bytes=20_000, shard_rows=50))
            found = contents(workspace, result)
            found[""] = {s.name: s.built.extra.get("ray") for s in result.steps if s.built is not None}
            made.append(found)
    return made[0], made[1]


@pytest.fixture(scope="session")
def both(cluster: Any) -> Callable[..., dict[str, Any]]:
    """Run a recipe on both engines: what they make is equal. What tasks did, by step."""

    def run(path: Path, text: str, folder: Path, **options: Any) -> dict[str, Any]:
        return assert_equal(*run_both(cluster, path, text, folder, **options))

    return run


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The two are equal; what tasks did, by step."""
    ways: dict[str, Any] = other.pop("")
    one.pop("")
    assert list(one) == list(other)
    for name, facts in one.items():
        assert facts == other[name], name
    return ways
