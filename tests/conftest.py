"""A place to write, check and run recipes in: the fixture ``lab``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recipec.diagnostics import Diagnostic
from recipec.engines.runner import RunResult, StepResult, run
from recipec.plan.planner import Plan, make_plan
from recipec.resolve.loading import load
from recipec.resolve.program import Program
from recipec.source import Source
from recipec.workspace.database import Workspace, open_workspace

REPOSITORY = Path(__file__).resolve().parents[1]
# The recipes of the tests are the tests' own; that others' are asked about is tested in tests/safety.
os.environ.setdefault("RECIPEC_TRUST", os.sep)
# Where answers go that a disk refused: not into the home of whoever runs the tests.
_state = tempfile.TemporaryDirectory(prefix="recipec-state-")
os.environ["XDG_STATE_HOME"] = _state.name


@dataclass
class Ran:
    """What a run gave: its plan, its result, and the workspace's tables to ask."""

    lab: Lab
    plan: Plan
    result: RunResult

    def __getitem__(self, name: str) -> StepResult:
        return next(s for s in self.result.steps if s.name == name)

    @property
    def statuses(self) -> dict[str, str]:
        return {s.name: s.status for s in self.result.steps}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.lab.rows(query)

    def dropped(self, name: str) -> dict[str, int]:
        built = self[name].built
        assert built is not None
        return {k: v for k, v in built.dropped.items() if v}

    def error(self, name: str) -> str:
        """A failed step's message."""
        error = self[name].error
        assert error is not None, f"{name} did not fail"
        return error.message


class Lab:
    """A folder with a recipe and its workspace. ``check`` gives findings, ``run`` runs what has none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / ".recipec"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def program(self, text: str, *, name: str = "test.recipe", sets: Mapping[str, str] | None = None, offline: bool = False) -> Program:
        program = load(Source(str(self.folder / name), text), sets, offline=offline)
        program.resolve()
        return program

    def check(self, text: str, **options: Any) -> list[Diagnostic]:
        return self.program(text, **options).findings.sorted

    def sound(self, text: str, **options: Any) -> Program:
        """A program without findings."""
        program = self.program(text, **options)
        assert not program.findings.errors, "\n".join(f"{d.span.place} {d.name}: {d.message} {d.help}" for d in program.findings.sorted)
        return program

    def schema(self, text: str, step: str) -> dict[str, str]:
        made = self.sound(text).resolved[step]
        assert made is not None
        return made.bound.outputs[""].types

    @contextmanager
    def open(self, **options: Any) -> Iterator[Workspace]:
        with open_workspace(self.workspace, doing="test", **options) as workspace:
            yield workspace

    def plan(self, text: str, *, only: Sequence[str] | None = None, **options: Any) -> Plan:
        program = self.sound(text, **options)
        with self.open() as workspace:
            return make_plan(program, workspace, only)

    def run(
        self,
        text: str,
        *,
        threads: int = 2,
        memory: str | None = None,
        only: Sequence[str] | None = None,
        good: bool = True,
        **options: Any,
    ) -> Ran:
        """Run a recipe; unless ``good`` is off, no step may fail."""
        program = self.sound(text, **options)
        with self.open(threads=threads, memory=memory, files=program.files) as workspace:
            plan = make_plan(program, workspace, only)
            result = run(plan, workspace)
            self.types_hold(program, workspace, result)
        if good:
            assert not result.failed, "; ".join(f"{s.name}: {s.error.message if s.error else ''}" for s in result.failed)
        return Ran(self, plan, result)

    @staticmethod
    def types_hold(program: Program, workspace: Workspace, result: RunResult) -> None:
        """Every table built has the columns and types that the check gave it, and keys that no two rows share."""
        for step in result.steps:
            resolved = program.resolved.get(step.name)
            if step.built is None or resolved is None or step.status not in ("run", "reused"):
                continue
            for part, schema in resolved.bound.outputs.items():
                view = workspace.view(step.built.run_key, part or None)
                described = {r[0]: r[1] for r in workspace.con.execute(f"DESCRIBE {view}").fetchall()}
                hidden = {"_key": "UUID", "_parent": "UUID", **({"_order": "BIGINT"} if schema.ordered else {})}
                assert described == hidden | schema.types, step.name
                rows = workspace.con.execute(f"SELECT count(*), count(DISTINCT _key) FROM {view}").fetchone()
                assert rows is not None
                assert rows[0] == rows[1], f"{step.name}: keys"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the workspace's database as anybody would."""
        import duckdb

        with duckdb.connect(str(self.workspace / "work.duckdb"), read_only=True) as con:
            return con.execute(query).fetchall()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes long; run with --slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        skip = pytest.mark.skip(reason="slow: run with --slow")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
