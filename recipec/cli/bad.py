"""Show rows that could not be read, and those that no model answered.

Each with its place in its file, or who was asked, and the reason.

examples:
  recipec bad packages
  recipec bad packages.recipe packages --format json
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice, number
from recipec.cli._project import Results, add_workspace, opened, split_arguments, workspace_folder
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.workspace.database import Workspace


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[FILE.recipe] STEP", help="a source, or a step that asks models")
    add_workspace(parser)
    parser.add_argument("--limit", type=number(0), default=20, metavar="N", help="rows to show, 0 for all (default: 20)")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.report.cells import clean, wrap

    recipe, (wanted,) = split_arguments(args.words, 1, "recipec bad [FILE.recipe] STEP")
    with opened(workspace_folder(args, recipe), "bad") as workspace:
        step, key, failed = result_of(workspace, recipe, wanted)
        kind = "source" if failed else workspace.built[key].kind.partition("@")[0]
        if kind not in ("source", "label", "predict", "generate"):
            raise CannotRun(
                f"`{step}` reads no files and asks no model: rows that it dropped are shown by", f"recipec show {step} --dropped"
            )
        limit = f" LIMIT {args.limit}" if args.limit else ""
        query = "FROM recipec.bad WHERE run_key = ?"
        found = workspace.con.execute(f"SELECT count(*) {query}", [key]).fetchone()
        total = int(found[0]) if found else 0
        rows = workspace.con.execute(f"SELECT file, row, reason, text {query} ORDER BY file, row{limit}", [key]).fetchall()
    if args.format == "json":
        records = [{"file": file, "row": row, "reason": reason, "text": text} for file, row, reason, text in rows]
        out.line(json.dumps(records, ensure_ascii=not out.unicode, indent=2))
        return 0
    for file, row, reason, text in rows:
        place = f"{file} row {row:,}" if row is not None else file
        out.line(out.paint("bold", clean(place)) + f": {clean(reason)}")
        for line in wrap(clean(text or "")[:1000], out.width - 4):
            out.line(f"    {out.paint('dim', line)}")
    more = f", --limit {min(total, args.limit * 10)} for more" if total > len(rows) else ""
    out.line(
        f"{wanted}: {len(rows):,} of {total:,} bad rows{more}{', when it failed last' if failed else ''}"
        if total
        else f"{wanted}: every row {'could be read' if kind == 'source' else 'got an answer'}"
    )
    return 0


def result_of(workspace: Workspace, recipe: str | None, wanted: str) -> tuple[str, str, bool]:
    """(step, what its rows stand under, whether that is a run of it that failed). The last run counts, failed or not."""
    told = workspace.con.execute("SELECT DISTINCT run_key FROM recipec.bad WHERE starts_with(run_key, 'failed ')").fetchall()
    for (key,) in told:
        name, _, step = key.removeprefix("failed ").rpartition(" ")
        if step == wanted and (recipe is None or os.path.basename(recipe) == name):
            return step, key, True
    results = Results(workspace, recipe)
    name, step, _ = results.find(wanted)
    return step, results.by_recipe[name][step].run_key, False
