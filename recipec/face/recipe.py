"""A recipe for Python: load it, check it, plan it, run it."""

from __future__ import annotations

import datetime
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from recipec.face.errors import RecipecError, RecipeInvalid, RunFailed, tidy
from recipec.face.findings import Checked
from recipec.face.results import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from recipec.mirror.refresh import Brought
    from recipec.plan.planner import Plan
    from recipec.report.progress import Progress
    from recipec.resolve.program import Program, ResolvedStep
    from recipec.source import Source
    from recipec.trust import OwnCode

T = TypeVar("T")
LISTEN = 0.1
"""Seconds between two looks at whether Ctrl-C was pressed."""


def load(path: str | os.PathLike[str], *, set: Mapping[str, Any] | None = None, workspace: str | os.PathLike[str] | None = None) -> Recipe:
    """A recipe by its file, or by the folder that holds only one.

    ``set`` gives parameters their values (Python's own: numbers, texts, lists, dates), as ``--set`` does; ``workspace`` is
    where results are kept, ``.recipec`` beside the recipe unless said. Errors of the recipe are for ``check`` to show and
    for ``plan`` and ``run`` to raise. Raises RecipecError when there is no such file.
    """
    from recipec.cli._project import find_recipe

    with tidy():
        found = find_recipe(os.fspath(path))
    return Recipe(found, None, set, workspace)


def loads(
    text: str,
    *,
    path: str | os.PathLike[str] = "notebook.recipe",
    set: Mapping[str, Any] | None = None,
    workspace: str | os.PathLike[str] | None = None,
) -> Recipe:
    """A recipe by its text, as if it lay at ``path``, which names it and whose folder its paths are relative to."""
    return Recipe(os.fspath(path), text, set, workspace)


def own_code(program: Program, only: Sequence[str]) -> list[OwnCode]:
    """The functions of the recipe's own that a run would execute."""
    wanted = {s.name for s in (program.above(only) if only else program.steps)}
    return [c for c in program.own_code.values() if c.step in wanted]


class Recipe:
    """A recipe. Its file is read anew for every question, so an edit counts at once."""

    def __init__(self, path: str, text: str | None, set: Mapping[str, Any] | None, workspace: str | os.PathLike[str] | None) -> None:
        self.path, self._text = path, text
        self._sets = dict(set or {})
        self.workspace = Path(workspace) if workspace is not None else Path(path).parent / ".recipec"

    @property
    def text(self) -> str:
        """The recipe as it is written now."""
        return self._source().text

    @property
    def steps(self) -> list[Step]:
        """Every step after those that it reads, with its columns. Raises RecipeInvalid for a recipe with errors."""
        return [Step(s.name, s.kind.name, tuple(map(str, s.parents)), tables(s.bound.outputs)) for s in self._sound(None).steps]

    def check(self, *, set: Mapping[str, Any] | None = None) -> Checked:
        """Everything that is wrong with it, found without running it: as ``recipec check``, the rules of data science and
        the configuration of ``pyproject.toml`` included."""
        from recipec.cli._analysis import add_lints
        from recipec.cli._config import configured

        program = self._program(set)
        add_lints(program)
        with tidy():
            return Checked(self.path, configured(program.findings.sorted))

    def plan(self, *, set: Mapping[str, Any] | None = None, only: str | Sequence[str] | None = None) -> Planning:
        """What a run would do, and why. Nothing is run and nothing written. Raises RecipeInvalid."""
        from recipec.cli.plan import looked_at
        from recipec.plan.planner import make_plan

        program = self._sound(set)
        with tidy(), looked_at(self.workspace) as workspace:
            return Planning(make_plan(program, workspace, chosen(only, program)))

    def run(
        self,
        *,
        set: Mapping[str, Any] | None = None,
        only: str | Sequence[str] | None = None,
        memory: str | None = None,
        threads: int | None = None,
        progress: bool | None = None,
        fetch: bool = True,
        trust: bool = False,
    ) -> Run:
        """Build what is not built yet or has changed, reuse the rest, and return what is built.

        ``only`` names steps, which are run with what they need; ``memory`` ("4GB") and ``threads`` are the database's;
        ``progress`` prints a line for every step, by default in notebooks and on terminals; ``fetch=False`` reads the last copies of
        what lies elsewhere, and asks no server; ``trust=True`` lets the recipe's own code (``python`` steps, plug-ins) run this once, where
        its folder is not one that the user trusts (``recipec trust``). Raises RecipeInvalid for a
        recipe with errors, RunFailed when a step or a test fails, RecipecError when another process uses the workspace,
        KeyboardInterrupt on Ctrl-C: every finished step is kept.
        """
        from recipec.engines.runner import run as run_plan
        from recipec.plan.planner import make_plan
        from recipec.trust import consented
        from recipec.workspace.database import open_workspace

        program = self._sound(set)
        wanted = chosen(only, program)
        with (
            tidy(),
            consented(own_code(program, wanted), trust, program.folder, self.path),
            open_workspace(self.workspace, doing="run", memory=memory, threads=threads, files=program.files) as workspace,
        ):
            shown = shows() if progress is None else progress
            program = self._brought(program, wanted, set, shown, fetch)
            plan = make_plan(program, workspace, wanted)
            with watching([p.name for p in plan.steps], shown) as watcher:
                result = interruptible(lambda: run_plan(plan, workspace, watcher), workspace.con.interrupt)
        run = Run(self.path, self.workspace, result)
        if result.failed:
            raise RunFailed(failures(program, result), run, result.failed)
        return run

    def fetch(self, *, set: Mapping[str, Any] | None = None, only: str | Sequence[str] | None = None, progress: bool | None = None) -> None:
        """Copy what the recipe (or what the steps ``only`` names need) reads from elsewhere into the workspace, without running it; only
        what changed is copied again. Raises RunFailed where something could not be copied."""
        from recipec.workspace.lock import locked

        program = self._sound(set)
        with tidy(), locked(self.workspace, "fetch"):
            self._brought(program, chosen(only, program), set, shows() if progress is None else progress, True)

    def _brought(self, program: Program, only: list[str], set: Mapping[str, Any] | None, shown: bool, fetch: bool) -> Program:
        """The recipe with the columns of what lies elsewhere as it is now, copied."""
        from recipec.mirror.refresh import refresh, remote

        places = remote(program, only or None)
        if not places or not fetch:
            return program
        stopped = threading.Event()
        with watching([step.name for step, _ in places], shown) as watcher:
            found = interruptible(lambda: refresh(program, only or None, Stoppable(watcher, stopped.is_set)), stopped.set)
        if any(one.error is not None for one in found):
            from recipec.engines.runner import RunResult, StepResult

            result = RunResult([StepResult(o.step.name, o.step.kind.name, "failed", error=o.error) for o in found if o.error is not None])
            raise RunFailed(failures(program, result), Run(self.path, self.workspace, result), result.failed)
        return self._sound(set) if any(one.changed for one in found) else program

    def results(self) -> Run:
        """What the last run left, without running anything. Raises RecipecError when nothing is built."""
        run = Run(self.path, self.workspace)
        _ = run.tables
        return run

    def sql(self, *, set: Mapping[str, Any] | None = None) -> dict[str, list[str]]:
        """The statements that each step becomes; none for those that are no SQL."""
        from recipec.cli.compile import statements

        return {step.name: statements(step) for step in self._sound(set).steps}

    def formatted(self) -> str:
        """The recipe laid out, as ``recipec fmt`` would write it. Raises RecipeInvalid for one with errors of syntax."""
        from recipec.syntax.format import NotFormatted, format_source

        try:
            return format_source(self._source())
        except NotFormatted as problem:
            raise RecipeInvalid(Checked(self.path, problem.diagnostics)) from None

    def __repr__(self) -> str:
        return f"<Recipe {self.path}>"

    def _repr_html_(self) -> str:
        from recipec.face.html import pre, table

        findings = self.check()
        if findings.errors:
            return findings._repr_html_()
        lines = [
            [s.name, s.kind, ", ".join(s.reads), "\n".join(f"{part}: {columns}" if part else columns for part, columns in s.listed)]
            for s in self.steps
        ]
        return table(["step", "kind", "reads", "columns"], lines, caption=self.path) + (pre(findings._summary()) if findings else "")

    # The compiler

    def _source(self) -> Source:
        from recipec.cli import _files
        from recipec.source import Source

        with tidy():
            return Source(self.path, self._text) if self._text is not None else _files.read(self.path)

    def _program(self, set: Mapping[str, Any] | None) -> Program:
        from recipec.cli._analysis import analyse

        return analyse(
            self._source(), {n: value_text(v) for n, v in {**self._sets, **(set or {})}.items()}, offline=False, workspace=self.workspace
        )

    def _sound(self, set: Mapping[str, Any] | None) -> Program:
        program = self._program(set)
        if program.findings.errors:
            raise RecipeInvalid(Checked(self.path, [d for d in program.findings.sorted if d.severity == "error"]))
        return program


class Step:
    """A step as the check knows it: ``name``, ``kind``, the tables that it ``reads``, and the columns and types of those
    that it makes by part (``""`` is its own)."""

    def __init__(self, name: str, kind: str, reads: tuple[str, ...], made: Mapping[str, Mapping[str, str]]) -> None:
        self.name, self.kind, self.reads, self.tables = name, kind, reads, made

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of its own table; empty where it has none."""
        return self.tables.get("", {})

    @property
    def listed(self) -> Iterator[tuple[str, str]]:
        """(part, its columns in words); parts with the same columns as the table are told once."""
        from recipec.resolve.types import shown

        said: list[Mapping[str, str]] = []
        for part, columns in self.tables.items():
            if columns not in said:
                said.append(columns)
                yield part, ", ".join(f"{n}: {shown(t)}" for n, t in columns.items())

    def __repr__(self) -> str:
        reads = f" from {', '.join(self.reads)}" if self.reads else ""
        return f"<{self.kind} {self.name}{reads}>"


class Planning:
    """A plan: for every step whether it is reused or runs, and why."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def to_run(self) -> list[str]:
        """The names of the steps that would run."""
        return [p.name for p in self._plan.to_run]

    def why(self, step: str) -> str:
        """Why a step would run; empty for one that is reused. Raises KeyError for a step that is not in the plan."""
        found = {p.name: p.why for p in self._plan.steps}
        return found[step]

    def data(self) -> dict[str, Any]:
        """The plan as ``recipec plan --format json`` gives it."""
        from recipec.report.runs import plan_data

        return plan_data(self._plan)

    def __str__(self) -> str:
        import io

        from recipec.report.runs import plan_text
        from recipec.report.terminal import Terminal

        return plan_text(self._plan, Terminal(io.StringIO()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from recipec.face.html import paper, pre
        from recipec.report.runs import plan_text

        return pre(plan_text(self._plan, paper()))


def tables(outputs: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {part: dict(schema.types) for part, schema in outputs.items()}


def chosen(only: str | Iterable[str] | None, program: Program) -> list[str]:
    """Global names of the steps asked for. Raises RecipecError for one that does not exist."""
    from recipec.cli.plan import chosen as of_the_program

    with tidy():
        return of_the_program([only] if isinstance(only, str) else list(only or ()), program)


def value_text(value: Any) -> str:
    """A parameter's value as ``--set`` takes it."""
    match value:
        case str() | os.PathLike():
            return os.fspath(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return literal(value)


def literal(value: Any) -> str:
    """A value as a recipe writes it. Raises RecipecError for what no recipe can hold."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float() | str():
            return json.dumps(value, ensure_ascii=False)
        case os.PathLike() | datetime.date() | datetime.time():
            return json.dumps(value_text(value), ensure_ascii=False)
        case Mapping():
            return "{" + ", ".join(f"{key}: {literal(v)}" for key, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(literal, value)) + "]"
        case _ if hasattr(value, "item"):  # one of numpy's numbers
            return literal(value.item())
        case _:
            raise RecipecError(f"a parameter cannot be a {type(value).__name__}", "numbers, texts, truth values, dates, and lists of them")


# Running


def shows() -> bool:
    """Whether progress is wanted where nobody said: in a notebook, and on a terminal."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


class watching:
    """The watcher of a run, as a context: lines on standard error (on standard output in a notebook), or nothing."""

    def __init__(self, names: list[str], wanted: bool) -> None:
        self.names, self.wanted = names, wanted

    def __enter__(self) -> Progress | None:
        if not self.wanted:
            return None
        from recipec.report.progress import Progress
        from recipec.report.runs import name_column
        from recipec.report.terminal import stderr, stdout

        screen = stdout() if "ipykernel" in sys.modules else stderr()
        self.progress = Progress(screen, name_column(self.names))
        return self.progress.__enter__()

    def __exit__(self, *problem: Any) -> None:
        if self.wanted:
            self.progress.__exit__(*problem)


class Stoppable:
    """Passes on how far copying is to a watcher, if there is one, and ends it once ``stopped``."""

    def __init__(self, watcher: Progress | None, stopped: Callable[[], bool]) -> None:
        self.watcher, self.stopped = watcher, stopped

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None:
        if self.watcher is not None:
            self.watcher.start(step, why, rows)

    def progress(self, share: float | None, text: str) -> None:
        if self.stopped():
            raise KeyboardInterrupt
        if self.watcher is not None:
            self.watcher.progress(share, text)

    def brought(self, one: Brought) -> None:
        if self.watcher is not None:
            self.watcher.brought(one)


def interruptible(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """What ``work`` returns, done in a thread of its own: Ctrl-C reaches this one, and ``stop`` ends the query at work."""
    outcome: list[T] = []
    errors: list[BaseException] = []

    def worker() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # raised again below
            errors.append(error)

    thread = threading.Thread(target=worker, name="run", daemon=True)
    thread.start()
    pressed = False
    while thread.is_alive():
        try:
            thread.join(LISTEN)
        except KeyboardInterrupt:
            pressed = True
        if pressed and thread.is_alive():
            stop()
            thread.join(LISTEN)
    if errors:
        raise KeyboardInterrupt if pressed else errors[0]
    return outcome[0]


def failures(program: Program, result: Any) -> str:
    """The failed steps as findings at their places, below the rows that they name."""
    import io

    from recipec.report.failures import StepFailure
    from recipec.report.runs import offending
    from recipec.report.terminal import Terminal
    from recipec.report.text import finding

    terminal = Terminal(io.StringIO())
    return "\n".join(offending(step, terminal) + finding(StepFailure.of(program, step), terminal) for step in result.failed).rstrip()
