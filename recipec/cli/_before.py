"""``show STEP`` of a ``train`` step: what it would be taught, before anything is trained."""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.cli._errors import CannotRun
from recipec.cli._project import program_of, workspace_folder
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.api import TableRef
    from recipec.plan.planner import Plan
    from recipec.training._preview import Preview
    from recipec.workspace.database import Workspace

MOST = 400
"""Tokens of a row that are printed."""


def render(args: argparse.Namespace, recipe: str | None, wanted: str, out: Terminal) -> int | None:
    """Print a training's first rows as the model would see them, with the tokens that are trained marked, what becomes of the rows (of the first
    thousand of a large table), the number of weights and the memory. None where ``wanted`` is no ``train`` step of the recipe.

    Nothing is trained, written or sent; a base on the hub is read where it is. What would make the training worthless is told as by the run.
    """
    from recipec.api import DataError
    from recipec.cli.plan import looked_at
    from recipec.engines.estimate import NotKnown, look_at
    from recipec.plan.planner import make_plan

    args.recipe = recipe
    try:
        program = program_of(args, Terminal(io.StringIO()))
    except CannotRun:
        return None
    if program is None or wanted not in {s.name for s in program.steps if s.kind.name == "train"}:
        return None
    for unused in ("where", "sort", "columns"):
        if getattr(args, unused):
            raise CannotRun(f"`{wanted}` is a training: --{unused} is of tables", f"recipec show {wanted} --limit 3")
    if args.format == "csv":
        raise CannotRun(f"`{wanted}` is a training: it is shown as text or as json")
    from recipec.training._preview import preview

    with looked_at(workspace_folder(args, program.root.source.path)) as workspace:
        plan = make_plan(program, workspace)
        again = f"recipec run {program.root.source.path} " + " ".join(
            f"--only {i}" for i in dict.fromkeys(r.step for r in plan[wanted].step.parents)
        )
        look = None
        try:
            look = look_at(plan, plan[wanted].step, workspace)
            spec, rows, held = given(plan, wanted, workspace, look)
            made = preview(spec, rows, args.limit or rows.count, held)
        except NotKnown as error:
            raise CannotRun(f"what `{wanted}` is taught is {error}", again) from None
        except DataError as error:
            raise CannotRun(error.message, error.help) from None
        finally:
            if look is not None:
                look.close()
    told(made, rows.count, args.format == "json", out)
    return 0


@dataclass(frozen=True)
class Reads:
    """What :func:`recipec.steps.train.rows_of` asks of a run, of a workspace that is only looked at."""

    con: Any
    look: Any

    def relation(self, ref: TableRef) -> str:
        return str(self.look.relation(ref))

    def rows(self, ref: TableRef) -> int:
        return int(self.con.execute(f"SELECT count(*) FROM {self.relation(ref)}").fetchone()[0])

    def identity(self, ref: TableRef) -> str:
        return str(ref)


def given(plan: Plan, name: str, workspace: Workspace, look: Any) -> tuple[Any, Any, Any]:
    """The settings of a training, its rows, and those that it is validated on."""
    from recipec.engines.estimate import NotKnown
    from recipec.steps.train import rows_of
    from recipec.training._base import Folder

    made = plan[name].step.bound.plan
    spec = made.spec
    if made.base is not None:
        base = plan[made.base.step].built
        if base is None:
            raise NotKnown(f"not known before `{made.base.step}` runs")
        spec = replace(spec, base=Folder(str(Path(workspace.folder) / "artifacts" / base.run_key)))
    ctx: Any = Reads(look.con, look)
    return spec, rows_of(ctx, made.tables), rows_of(ctx, [made.validation]) if made.validation is not None else None


def told(made: Preview, count: int, as_json: bool, out: Terminal) -> None:
    from recipec.report.runs import size

    memory, ledger = made.memory, made.ledger
    if as_json:
        rows = [
            {"tokens": [list(t) for t in s.tokens], "answer": s.answer, "dropped": s.dropped, "truncated": s.truncated} for s in made.shown
        ]
        facts = {
            "rows": count, "looked_at": ledger.json(), "shown": rows, "max_length": made.spec.max_length, "batch_size": made.spec.batch_size,
            "learning_rate": made.spec.learning_rate, "trained": memory.trained_parameters, "parameters": memory.total_parameters,
            "memory": memory.total, "processes": memory.processes,
        }  # fmt: skip
        out.line(json.dumps(facts, ensure_ascii=not out.unicode, indent=2))
        return
    for number, row in enumerate(made.shown, 1):
        answer = f"   {row.answer}" if row.answer else ""
        cut = f"   {row.truncated}" if row.truncated else ""
        out.line(out.paint("dim", f"{number}  {len(row.tokens)} tokens") + answer + out.paint("warning", cut))
        out.line(f"dropped: {row.dropped}" if row.dropped else marked(row.tokens, out))
        out.line()
    gone = "".join(f", {n:,} dropped: {reason}" for reason, n in ledger.dropped.items())
    cut = f" ({ledger.truncated:,} cut to {made.spec.max_length} tokens)" if ledger.truncated else ""
    which = f"of the first {ledger.rows:,} of {count:,} rows" if ledger.rows < count else f"of {count:,} rows"
    out.line(f"{which}: {ledger.kept:,} kept{cut}{gone}")
    of = f" of {memory.total_parameters:,}" if memory.trained_parameters != memory.total_parameters else ""
    together = f" in {memory.processes} processes" if memory.processes > 1 else ""
    out.line(f"{memory.trained_parameters:,}{of} weights trained; about {size(memory.total)} of memory{together}")


def marked(tokens: Any, out: Terminal) -> str:
    """The text of a row, in ``[[ ]]`` (or in colour, where there is any) what is trained."""
    from itertools import groupby

    from recipec.report.cells import safe

    parts = []
    for trained, run in groupby(tokens[:MOST], key=lambda token: bool(token[1])):
        text = safe("".join(str(token[0]) for token in run))
        parts.append((out.paint("good", text) if out.color else f"[[{text}]]") if trained else text)
    more = f" and {len(tokens) - MOST:,} tokens more" if len(tokens) > MOST else ""
    return "".join(parts) + out.draw("…") * bool(more) + more
