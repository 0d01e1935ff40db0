"""Write what the last run gave as one HTML file.

The graph; the funnel of rows with the reasons for which rows went; what columns held before and after; how voters did; how
models were trained and how they score, with intervals, drawings, slices and the surest errors; what was spent; some rows of
every step. The file needs nothing else: no script, no network. It reads well on a phone, in light and in dark.

It tells of the results in the workspace, not of what the recipe says now, and the same results give the same bytes: the only
times in it are those of the run. It holds texts of the data; `--samples 0` leaves rows and errors out (counts, classes and
the values that occur most stay).

examples:
  recipec report
  recipec report packages.recipe --to build/report.html
  recipec report --samples 0                       no rows of the data in it
  recipec report --format json > report.json       the same as data
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice, number
from recipec.cli._project import Results, add_recipe, add_workspace, find_recipe, opened, workspace_folder
from recipec.report.terminal import Terminal

SAMPLES = 5


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_workspace(parser)
    parser.add_argument("--to", metavar="FILE", help="where to write (default: report.html beside the recipe)")
    parser.add_argument("--samples", type=number(0), default=SAMPLES, metavar="N", help=f"rows of every step to show (default: {SAMPLES})")
    parser.add_argument("--format", type=choice("html", "json"), default="html", metavar="FORMAT", help="html or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    import json

    from recipec.report.html_facts import facts

    recipe = find_recipe(args.recipe)
    with opened(workspace_folder(args, recipe), "report") as workspace:
        results = Results(workspace, recipe)
        name, built = next(iter(results.by_recipe.items()))
        found = facts(workspace, name, built, args.samples)
    if args.format == "json":
        text = json.dumps(found, ensure_ascii=False if args.to else not out.unicode, indent=1) + "\n"
    else:
        from recipec.report.html import page

        text = page(found)
    if args.format == "json" and args.to is None:
        out.write(text)
        return 0
    path = Path(args.to) if args.to else Path(recipe).parent / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CannotRun(f"cannot write {path}: {error.strerror}", "name another file: --to FILE") from None
    out.line(f"{path}: {len(found['steps'])} step{'s' * (len(found['steps']) != 1)}, {len(text.encode()) / 1000:,.0f} kB")
    return 0
