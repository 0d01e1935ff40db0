"""Show rows that could not be read, and those that no model answered.

Each with its place in its file, or who was asked, and the reason.

examples:
  recipec bad packages
  recipec bad packages.recipe packages --format json
"""

from __future__ import annotations

import argparse
import json

from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice, number
from recipec.cli._project import Results, add_workspace, opened, split_arguments, workspace_folder
from recipec.report.terminal import Terminal


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[FILE.recipe] STEP", help="a source, or a step that asks models")
    add_workspace(parser)
    parser.add_argument("--limit", type=number(0), default=20, metavar="N", help="rows to show, 0 for all (default: 20)")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.report.cells import clean, wrap

    recipe, (wanted,) = split_arguments(args.words, 1, "recipec bad [FILE.recipe] STEP")
    with opened(workspace_folder(args, recipe), "bad") as workspace:
        results = Results(workspace, recipe)
        name, step, _ = results.find(wanted)
        built = results.by_recipe[name][step]
        if built.kind.partition("@")[0] not in ("source", "label", "predict", "generate"):
            raise CannotRun(
                f"`{step}` reads no files and asks no model: rows that it dropped are shown by", f"recipec show {step} --dropped"
            )
        limit = f" LIMIT {args.limit}" if args.limit else ""
        query = "FROM recipec.bad WHERE run_key = ?"
        found = workspace.con.execute(f"SELECT count(*) {query}", [built.run_key]).fetchone()
        total = int(found[0]) if found else 0
        rows = workspace.con.execute(f"SELECT file, row, reason, text {query} ORDER BY file, row{limit}", [built.run_key]).fetchall()
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
        f"{wanted}: {len(rows):,} of {total:,} bad rows{more}"
        if total
        else f"{wanted}: every row {'could be read' if built.kind.startswith('source@') else 'got an answer'}"
    )
    return 0
