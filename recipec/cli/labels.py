"""Show how the voters of a label step did.

For each voter the classes that it votes for, the share of rows on which it votes, on which others vote too, and on which they vote
otherwise; how often it is right on gold, and as the combiner estimates; and what it cost. Below: how the combined labels do on gold
beside plain majority, agreement beyond chance, how even the classes are, and the votes that fight most. For a crowd, each
worker's skill.

examples:
  recipec labels topic
  recipec labels packages.recipe topic --rows       the rows on which voters fight
  recipec labels topic --format json
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from recipec.api import quote
from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice, number
from recipec.cli._project import Results, add_workspace, opened, split_arguments, workspace_folder
from recipec.report.terminal import Terminal


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[FILE.recipe] STEP", help="a label step")
    add_workspace(parser)
    parser.add_argument("--rows", action="store_true", help="show rows on which voters fight")
    parser.add_argument("--limit", type=number(1), default=10, metavar="N", help="rows, workers and fights to show (default: 10)")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.report.labels import tell

    recipe, (wanted,) = split_arguments(args.words, 1, "recipec labels [FILE.recipe] STEP")
    with opened(workspace_folder(args, recipe), "labels") as workspace:
        results = Results(workspace, recipe)
        name, step, _ = results.find(wanted)
        built = results.by_recipe[name][step]
        if not built.kind.startswith("label@"):
            others = [n for n, b in results.by_recipe[name].items() if b.kind.startswith("label@")]
            hint = f"label steps: {', '.join(others)}" if others else f"no label step of {name} is built yet"
            raise CannotRun(f"`{step}` is a {built.kind.partition('@')[0]}, not a label step", hint)
        facts: dict[str, Any] = {
            k: built.extra.get(k) for k in ("analysis", "voters", "classes", "balance", "tags", "many") if k in built.extra
        }
        facts["notes"] = built.notes
        facts |= {"step": step, "rows_in": built.rows_in, "rows_out": built.rows_out, "dropped": built.dropped}
        rows = fighting(workspace, built, args.limit) if args.rows else []
    if args.format == "json":
        out.line(json.dumps({**facts, "fighting": rows}, ensure_ascii=not out.unicode, indent=2, default=str))
        return 0
    tell(facts, rows, out, args.limit, recipe)
    return 0


def fighting(workspace: Any, built: Any, limit: int) -> list[dict[str, Any]]:
    """Rows with the most votes against each other: those with the most voters in the minority first, then by key."""
    from recipec.report.rows import plain

    con, table = workspace.con, workspace.table(built.run_key)
    column = built.meaning["column"]
    votes = quote(f"{column}_votes")
    each = f"map_values({votes})"
    most = f"list_max(list_transform(list_distinct({each}), lambda v: len(list_filter({each}, lambda w: w = v))))"
    minority = f"len({each}) - {most}"
    result = con.execute(
        f"SELECT * EXCLUDE (_parent) FROM {table} WHERE len(list_distinct(map_values({votes}))) > 1 ORDER BY {minority} DESC, _key LIMIT {int(limit)}"
    )
    names = [d[0] for d in result.description]
    return [{n: plain(v) for n, v in zip(names, r, strict=True) if not n.startswith("_")} for r in result.fetchall()]
