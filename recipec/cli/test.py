"""Run the tests of a recipe on what the last run built.

Nothing but the tests (`expect`) is run: a step whose tests were edited can be tried at once, without running it
again. Exit status: 0 all hold (or only warn), 1 one does not, 2 cannot run.

examples:
  recipec test
  recipec test packages.recipe --format json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.cli._errors import CannotRun
from recipec.cli._options import add_sets
from recipec.cli._parser import choice
from recipec.cli._project import add_recipe, add_workspace, opened, program_of, workspace_folder
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.api import TableRef
    from recipec.engines.context import RunContext
    from recipec.resolve.program import Program, ResolvedStep
    from recipec.workspace.database import Built, Workspace


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_sets(parser)
    add_workspace(parser)
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


@dataclass
class Tried:
    """A test and how it went; ``rows`` are some that break it. ``status``: holds, warns, fails, "not built"."""

    step: str
    name: str
    status: str
    found: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.plan.planner import program_id

    program = program_of(args, err)
    if program is None:
        return 1
    path = program.root.source.path
    with opened(workspace_folder(args, path), "test") as workspace:
        current = workspace.current(program_id(program))
        built = {s: workspace.built[k] for s, k in current.items() if k in workspace.built}
        tried = [t for step in program.steps for t in Tests(program, workspace, built, step).tried()]
    if not tried:
        raise CannotRun(f"`{path}` has no tests", "expect unique(id)")
    if args.format == "json":
        out.line(json.dumps([data(t) for t in tried], ensure_ascii=not out.unicode, indent=2))
    else:
        show(tried, out, path)
    return 1 if any(t.status in ("fails", "not built") for t in tried) else 0


class Tests:
    """The tests of one step, on the tables that are there."""

    def __init__(self, program: Program, workspace: Workspace, built: dict[str, Built], step: ResolvedStep) -> None:
        self.program, self.workspace, self.built, self.step = program, workspace, built, step

    def tried(self) -> list[Tried]:
        step = self.step
        if step.bound.tests:
            names = [t.name for t in step.bound.tests]
            if step.name not in self.built:
                return [Tried(step.name, n, "not built") for n in names]
            return [self.one(test) for test in step.bound.tests]
        if "expect" in step.kind.takes and not step.kind.table:
            if any(p.step not in self.built for p in step.parents):
                return [Tried(step.name, "its tests", "not built")]
            return self.whole()
        return []

    def one(self, test: Any) -> Tried:
        """A test of a step's own rows."""
        from recipec.engines.tests import run_test

        table = self.workspace.view(self.built[self.step.name].run_key)
        ok, found, rows = run_test(self.context(), test, table)
        return Tried(self.step.name, test.name, "holds" if ok else "warns" if test.warn else "fails", "" if ok else found, rows)

    def whole(self) -> list[Tried]:
        """A step that is nothing but tests: it says itself which of them fail."""
        from recipec.engines.context import StepFailed

        try:
            outcome = self.step.kind().run(self.step.bound.plan, self.context())
        except StepFailed as problem:
            return [Tried(self.step.name, "its tests", "fails", problem.message, [dict(r) for r in problem.rows])]
        results = outcome.extra.get("tests", [])
        return [Tried(self.step.name, t["name"], "holds" if t["ok"] else "warns", "" if t["ok"] else t["found"]) for t in results]

    def context(self) -> RunContext:
        from recipec.engines.context import RunContext

        workspace, step = self.workspace, self.step
        return RunContext(
            con=workspace.con,
            program=self.program,
            step=step,
            run_key="",
            target="",
            relations={p: self.relation(p) for p in step.parents if p.step in self.built},
            scratch="_test_",
            folder=self.program.folder,
            temporary=workspace.temporary,
            threads=1,
            progress=lambda share, text: None,
            note=lambda text: None,
        )

    def relation(self, ref: TableRef) -> str:
        return self.workspace.view(self.built[ref.step].run_key, ref.part)


def data(t: Tried) -> dict[str, Any]:
    from recipec.report.rows import plain

    return {"step": t.step, "name": t.name, "status": t.status, "found": t.found or None, "rows": plain(t.rows)}


def show(tried: list[Tried], out: Terminal, path: str) -> None:
    from recipec.report.cells import clean, clip, pad, wrap
    from recipec.report.runs import example_rows, name_column

    column = name_column([t.step for t in tried])
    signs = {"holds": ("good", "✓"), "warns": ("warning", "!"), "fails": ("bad", "✗"), "not built": ("dim", "-")}
    for t in tried:
        style, sign = signs[t.status]
        words = clean(f"{t.name}: {t.found}" if t.found else t.name) + (" (not built)" if t.status == "not built" else "")
        lines = wrap(words, max(24, out.width - column - 5))
        out.line(f" {pad(clip(t.step, column), column)} {out.paint(style, out.draw(sign))} " + ("\n" + " " * (column + 4)).join(lines))
        out.write(example_rows(t.rows, out))
    counts = {status: sum(t.status == status for t in tried) for status in signs}
    listed = ", ".join(f"{n} {'hold' if status == 'holds' else status.rstrip('s')}" for status, n in counts.items() if n)
    out.line()
    out.line(f"{len(tried)} test{'s' * (len(tried) != 1)}: {listed}" + (f"   recipec run {path}" if counts["not built"] else ""))
