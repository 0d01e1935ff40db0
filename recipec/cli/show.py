"""Show the rows of a step, as the last run built it.

STEP is a step (`tidy`) or a part of one (`final.train`). Rows come in the order of the table: that of its keys, or
that of `sort`. Conditions and orders are SQL over the columns.

examples:
  recipec show tidy
  recipec show final.train --limit 100 --where "length(text) < 20"
  recipec show tidy --dropped                     rows dropped, with the reason
  recipec show tidy --dropped "too short" --long
  recipec show score                              an evaluation in a `repeat`: every round's; score@2 for one
  recipec show packages.recipe tidy --format csv --limit 0 > tidy.csv
  recipec show tidy --render ask --limit 3        the prompts that the template `ask` makes of the rows
  recipec show topic --render ask --limit 3       the prompts that a step which asks a model with `ask` sends, examples and all
  recipec show topic --render second              the same for its voter `second`
  recipec show clf --limit 3                      a training, before it is run: its rows as tokens, those that are trained marked
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recipec.cli._errors import CannotRun
from recipec.cli._options import add_sets
from recipec.cli._parser import choice, number
from recipec.cli._project import Results, add_workspace, opened, program_of, split_arguments, workspace_folder
from recipec.diagnostics import nearest
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recipec.workspace.database import Built, Workspace

EVERY = "*"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[FILE.recipe] STEP", help="a step or a part")
    add_workspace(parser)
    add_sets(parser)
    parser.add_argument("--limit", type=number(0), default=20, metavar="N", help="rows to show, 0 for all (default: 20)")
    parser.add_argument("--columns", metavar="A,B", help="only these columns, in this order")
    parser.add_argument("--where", metavar="SQL", help="only the rows for which this holds")
    parser.add_argument("--sort", metavar="SQL", help="in this order: `length(text) desc, id`")
    parser.add_argument("--dropped", nargs="?", const=EVERY, metavar="REASON", help="the rows that the step dropped, all or for one reason")
    parser.add_argument("--render", metavar="TEMPLATE", help="the prompts that a template, or a voter, makes of the rows")
    parser.add_argument("--keys", action="store_true", help="show _key and _parent too")
    parser.add_argument("--long", action="store_true", help="one row below the other, texts whole")
    parser.add_argument("--format", type=choice("text", "json", "csv"), default="text", metavar="FORMAT", help="text, json or csv")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    recipe, (wanted,) = split_arguments(args.words, 1, "recipec show [FILE.recipe] STEP")
    if args.render is not None and args.dropped is None:
        from recipec.cli import _sent

        status = _sent.render(args, recipe, wanted, out, err)
        if status is not None:
            return status
    try:
        return rows(args, recipe, wanted, out, err)
    except CannotRun:
        # A training has no table, and need not be built to be looked at.
        if args.render is None and args.dropped is None:
            from recipec.cli import _before

            status = _before.render(args, recipe, wanted, out)
            if status is not None:
                return status
        raise


def rows(args: argparse.Namespace, recipe: str | None, wanted: str, out: Terminal, err: Terminal) -> int:
    """Show a table as it is built."""
    with opened(workspace_folder(args, recipe), "show") as workspace:
        results = Results(workspace, recipe)
        name, step, part = results.find(wanted)
        built = results.by_recipe[name][step]
        if built.parts == [] and args.dropped is None:
            raise CannotRun(f"`{step}` is a {built.kind.partition('@')[0]}: it has no table to show")
        rounds = rounds_of(results.by_recipe[name], wanted) if args.dropped is None and args.render is None else []
        if rounds:
            query = by_round(workspace, rounds)
        else:
            query = dropped(results, name, built, args.dropped) if args.dropped is not None else kept(workspace, built, part)
        selection = Selection(workspace, query, args)
        if args.render is None:
            if rounds and args.format == "text" and not args.long:
                show_loop(results.by_recipe[name], out)
            return show(args, selection, wanted, out, err)
        from recipec.cli import _render

        args.recipe = recipe or name
        program = program_of(args, err)
        return 1 if program is None else _render.render(args, selection, _render.find(program.root, args.render), out)


def rounds_of(steps: Mapping[str, Built], wanted: str) -> list[tuple[int, Built]]:
    """The rounds of an evaluation that stands in a `repeat`, where the name says none: they are read side by side."""
    found = [(int(n.rpartition("@")[2]), b) for n, b in steps.items() if n.rpartition("@")[0] == wanted and n.rpartition("@")[2].isdigit()]
    return sorted((n, b) for n, b in found if b.kind.startswith("evaluate@") and n)


def by_round(workspace: Workspace, rounds: Sequence[tuple[int, Built]]) -> str:
    """The scores of all rounds, a row each."""
    return " UNION ALL BY NAME ".join(
        f"SELECT _key, _parent, {number} AS _order, {number} AS round, * EXCLUDE (_key, _parent) FROM {workspace.view(b.run_key)}"
        for number, b in rounds
    )


def show_loop(steps: Mapping[str, Built], out: Terminal) -> None:
    """What each round added, accepted and scored."""
    from recipec.report.html_facts import loops, ordered
    from recipec.report.html_steps import rounds_table

    for loop in loops(ordered(steps), steps):
        head, lines = rounds_table(loop)
        for place, *cells in lines:
            told = " · ".join(f"{name} {cell}" for name, cell in zip(head[1:], cells, strict=True) if cell)
            out.line(out.paint("dim", f"round {place}: {told}"))


def kept(workspace: Workspace, built: Built, part: str | None) -> str:
    return f"SELECT * FROM {workspace.view(built.run_key, part)}"


def dropped(results: Results, recipe: str, built: Built, reason: str) -> str:
    """The rows a step dropped: why, and their values as the step found them."""
    from recipec.api import literal

    reasons: list[str] = built.extra.get("reasons", [])
    if built.kind.startswith("source@"):
        raise CannotRun(f"`{built.step}` is a source: rows that do not parse or repeat a key are shown by", f"recipec bad {built.step}")
    if reason not in (EVERY, *reasons):
        guess = nearest(reason, reasons)
        listed = ", ".join(f'"{r}"' for r in dict.fromkeys(reasons))
        raise CannotRun(
            f"`{built.step}` drops nothing for the reason `{reason}`" + (f"; did you mean `{guess}`?" if guess else ""),
            f"its reasons: {listed}" if reasons else "it drops no rows",
        )
    cases = " ".join(f"WHEN {i} THEN {literal(r)}" for i, r in enumerate(reasons))
    why = f"CASE d._why {cases} END" if cases else "NULL::VARCHAR"
    source = results.reference(recipe, next(iter(built.inputs), ""))
    join = columns = ""
    if source is not None:
        # Dropped rows keep their key; their values are still in the step's input.
        view = results.workspace.view(source[0].run_key, source[1])
        join = f" LEFT JOIN (SELECT * EXCLUDE (_parent) FROM {view}) AS i ON i._key = d._key"
        columns = ", i.* EXCLUDE (_key)"
    wanted = "" if reason == EVERY else " WHERE reason = " + literal(reason)
    table = f"SELECT * FROM {results.workspace.table(built.run_key)} WHERE _why IS NOT NULL"
    return f"SELECT * FROM (SELECT d._key, d._parent, {why} AS reason, d._because AS because{columns} FROM ({table}) AS d{join}){wanted}"


class Selection:
    """The rows asked for: a query with the options' columns, condition and order."""

    def __init__(self, workspace: Workspace, query: str, args: argparse.Namespace) -> None:
        from recipec.api import HIDDEN, ORDER, quote

        self.con, self.args = workspace.con, args
        self.types = types = {r[0]: r[1] for r in self.con.execute(f"DESCRIBE {query}").fetchall()}
        names = [n for n in types if n not in HIDDEN or (args.keys and n != ORDER)]
        if args.columns:
            names = [c.strip() for c in args.columns.split(",") if c.strip()]
            for name in names:
                if name not in types:
                    guess = nearest(name, types)
                    raise CannotRun(f"no column `{name}`" + (f"; did you mean `{guess}`?" if guess else ""), f"columns: {', '.join(types)}")
        self.names = names
        where = f" WHERE ({args.where})" if args.where else ""
        natural = ", ".join(quote(c) for c in (ORDER, "_key") if c in types)
        self.counted = f"SELECT count(*) FROM ({query}){where}"
        order = ", ".join(x for x in (args.sort, natural) if x)
        limit = f" LIMIT {args.limit}" if args.limit else ""
        self.rest = f"FROM ({query}){where}" + (f" ORDER BY {order}" if order else "") + limit
        self.query = f"SELECT {', '.join(map(quote, names))} {self.rest}"

    def rendering(self, columns: list[str]) -> str:
        """The key and some expressions over all columns, for the rows chosen and in their order."""
        return f"SELECT {', '.join(['_key', *columns])} {self.rest}"

    def checked(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query that holds words of the user's: DuckDB's refusal is theirs to read."""
        import duckdb

        try:
            return self.con.execute(sql).fetchall()
        except duckdb.Error as error:
            text = str(error).splitlines()[0].partition("Error: ")[2] or str(error).splitlines()[0]
            what = " or ".join(f"--{o}" for o in ("where", "sort") if getattr(self.args, o))
            raise CannotRun(f"{what or 'the query'}: {text}", f"columns: {', '.join(self.types)}") from None

    def rows(self) -> list[tuple[Any, ...]]:
        return self.checked(self.query)

    def count(self) -> int:
        return int(self.checked(self.counted)[0][0])


def show(args: argparse.Namespace, selection: Selection, wanted: str, out: Terminal, err: Terminal) -> int:
    from recipec.report.rows import plain, record, table

    rows = selection.rows()
    if args.format == "json":
        import json

        out.write("[")
        for number, row in enumerate(rows):
            values = {n: plain(v) for n, v in zip(selection.names, row, strict=True)}
            if not out.write(("," if number else "") + "\n  " + json.dumps(values, ensure_ascii=not out.unicode)):
                break
        out.write("\n]\n" if rows else "]\n")
        return 0
    if args.format == "csv":
        write_csv(selection, rows, out)
        return 0
    hidden: list[str] = []
    if args.long:
        out.write("\n".join(record(selection.names, row, out) for row in rows))
    else:
        text, hidden = table(selection.names, [selection.types[n] for n in selection.names], rows, out)
        out.write(text)
    total = selection.count() if args.limit and len(rows) == args.limit else len(rows)
    facts = f"{len(rows):,} of {total:,} rows" if total > len(rows) else f"{total:,} row{'s' * (total != 1)}"
    more = f", --limit {min(total, args.limit * 10)} for more" if total > len(rows) else ""
    left_out = (
        f"; {len(hidden)} more column{'s' * (len(hidden) != 1)} ({', '.join(hidden[:6])}{' ...' * (len(hidden) > 6)}): --long"
        if hidden
        else ""
    )
    out.line(out.paint("dim", f"{wanted}: {facts}{more}{left_out}"))
    return 0


def write_csv(selection: Selection, rows: list[tuple[Any, ...]], out: Terminal) -> None:
    import csv
    import io
    import json

    from recipec.report.rows import plain

    for row in [tuple(selection.names), *rows]:
        line = io.StringIO()
        values = [json.dumps(plain(v), ensure_ascii=False) if isinstance(v, (list, dict)) else "" if v is None else plain(v) for v in row]
        csv.writer(line, lineterminator="\n").writerow(["true" if v is True else "false" if v is False else v for v in values])
        if not out.write(line.getvalue()):
            return
