"""Profile the texts, classes and numbers of a step.

What a table holds, column by column: how much is missing or repeated, how long texts are, in which languages and scripts,
which words and phrases they are full of, whether they begin or end alike, how even classes are. A split's parts stand side
by side with what differs between them. `--by` divides the rows by a column instead, or by language(COLUMN).

Differences come with their size and their counts: Cliff's delta of lengths and numbers against all other rows, Cramér's V
of classes with its 95 % interval, and the words that tell a group (log-odds with an informative Dirichlet prior, Monroe et
al. 2008). Groups of fewer than 30 rows are too few to say anything of. The tests take rows to be independent: where many
are copies or come from one document, they are surer than they should be.

Counts, lengths and classes are of all rows. Texts are read in at most 200,000 rows (`--sample` says how many), chosen by
key, so the same rows every time; of a text its first 100,000 characters, and 64 million in all. What was left out is said.

`--format json` prints one object: step, rows, sample, columns (name, type, kind, rows, nulls, distinct, copies, and what
the kind has), groups (by, sizes, columns), findings (column, what, text).

examples:
  recipec profile tidy
  recipec profile final                            train, validation and test side by side
  recipec profile tidy --column description
  recipec profile tidy --by section                what differs between groups
  recipec profile tidy --by "language(description)"
  recipec profile tidy --pii                       personal data, counted, masked
  recipec profile tidy --format json > profile.json
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice, number
from recipec.cli._project import Results, add_workspace, opened, split_arguments, workspace_folder
from recipec.diagnostics import nearest
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recipec.report.profile_columns import Column, Rows
    from recipec.workspace.database import Built, Workspace

MOST_READ = 200_000
SEED = 0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[FILE.recipe] STEP", help="a step or a part")
    add_workspace(parser)
    parser.add_argument("--column", metavar="A,B", help="only these columns")
    parser.add_argument("--by", metavar="COLUMN", help="compare groups: a column, or language(COLUMN)")
    parser.add_argument("--pii", action="store_true", help="count e-mail addresses, phone numbers, cards and the like; values are masked")
    parser.add_argument(
        "--sample", type=number(0), default=MOST_READ, metavar="N", help=f"read texts in so many rows, 0 for all (default: {MOST_READ:,})"
    )
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.report import profile
    from recipec.report.cells import clean, clip

    def say(what: str) -> None:
        if err.live:
            err.write(f"\r\033[K{err.paint('dim', clip(clean(what), err.width - 1))}")

    recipe, (wanted,) = split_arguments(args.words, 1, "recipec profile [FILE.recipe] STEP")
    with opened(workspace_folder(args, recipe), "profile") as workspace:
        results = Results(workspace, recipe)
        name, step, part = results.find(wanted)
        built = results.by_recipe[name][step]
        if built.parts == []:
            raise CannotRun(f"`{step}` is a {built.kind.partition('@')[0]}: it has no table to profile")
        kernels = prepare(workspace)
        try:
            rows, parts = rows_of(workspace, built, part, args.by)
            columns = wanted_columns(rows, args)
            by = args.by
            if by is not None:
                divided_by(by, columns)
            profile.seen(rows, columns, say)
            if by is not None:
                rows = group(rows, by, columns)
            chosen = named(columns, args.column) if args.column else columns
            rows = sampled(rows, args.sample)
            report = profile.profile(rows, chosen, step=wanted, by=by, parts=parts, pii=args.pii, seed=SEED, say=say)
        finally:
            if err.live:
                err.write("\r\033[K")
            kernels.stop()
    if args.format == "json":
        import json

        from recipec.report.rows import plain

        out.line(json.dumps(plain(report), ensure_ascii=not out.unicode, indent=1))
        return 0
    from recipec.report.profile_text import render

    out.write(render(report, out, next=advice(wanted, recipe, chosen, args, parts, rows.count)))
    return 0


class Tools:
    """The kernels of the connection, stopped with it."""

    def __init__(self, workspace: Workspace) -> None:
        from recipec.engines.batches import Kernels
        from recipec.functions.language import language
        from recipec.functions.redact import find_pii
        from recipec.functions.words import words
        from recipec.language import SQL

        con = workspace.con
        threads = int(con.execute("SELECT current_setting('threads')").fetchall()[0][0])
        for function in (language, words, find_pii):
            function(SQL("x"))
        self.kernels = Kernels(con, threads)
        self.kernels.register()

    def stop(self) -> None:
        self.kernels.stop()


def prepare(workspace: Workspace) -> Tools:
    return Tools(workspace)


def rows_of(workspace: Workspace, built: Built, part: str | None, by: str | None) -> tuple[Rows, bool]:
    """The rows of a step, a part, or all parts of a step as groups; and whether these are parts."""
    from recipec.report.profile_columns import GROUP, Rows
    from recipec.report.profile_groups import by_parts

    con = workspace.con
    parts = [p for p in built.parts if p]
    if part is None and len(parts) > 1 and by is None:
        relation = by_parts([workspace.view(built.run_key, p) for p in parts])
        order, groups = f"{GROUP}, _key", tuple(parts)
    else:
        relation, order, groups = workspace.view(built.run_key, part), "_key", ()
    count = int(con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
    return Rows(con, relation, count, order, GROUP if groups else "0", groups), bool(groups)


def wanted_columns(rows: Rows, args: argparse.Namespace) -> list[Column]:
    """The columns to look at: all, or those named and the one to divide by. Raises CannotRun for one that is not there."""
    from recipec.report.profile_columns import columns_of

    columns = list(columns_of(rows))
    if not args.column:
        return columns
    asked = {c.name for c in named(columns, args.column)}
    dividing = divided_by(args.by, columns) if args.by else None
    return [c for c in columns if c.name in asked or c is dividing]


def named(columns: Sequence[Column], names: str) -> list[Column]:
    """The columns named, in the order named; a struct's name stands for all of its fields."""
    out: list[Column] = []
    # A column's own name may hold a comma.
    whole = any(c.name == names for c in columns)
    for name in [names] if whole else [n.strip() for n in names.split(",")]:
        found = [c for c in columns if c.name == name or c.name.startswith(f"{name}.")]
        if name and not found:
            raise missing(name, columns)
        out += [c for c in found if c not in out]
    return out


def missing(name: str, columns: Sequence[Column]) -> CannotRun:
    names = [c.name for c in columns]
    guess = nearest(name, names)
    return CannotRun(f"no column `{name}`" + (f"; did you mean `{guess}`?" if guess else ""), f"columns: {', '.join(names)}")


def divided_by(by: str, columns: Sequence[Column]) -> Column:
    inner = by[len("language(") : -1].strip() if by.startswith("language(") and by.endswith(")") else by
    found = next((c for c in columns if c.name == inner), None)
    if found is None:
        raise missing(inner, columns)
    if inner != by and found.type != "VARCHAR":
        raise CannotRun(f"`{inner}` is no text: it has no language", f"recipec profile STEP --by {inner}")
    return found


def group(rows: Rows, by: str, columns: Sequence[Column]) -> Rows:
    from recipec.report.profile_groups import grouped

    column = divided_by(by, columns)
    if column.kind in ("list", "tags", "chat", "other"):
        raise CannotRun(
            f"`{by}` holds {column.type.lower()}: rows cannot be divided by it", "name a column of classes, texts, numbers or dates"
        )
    return grouped(rows, f"language({column.name})" if by.startswith("language(") else by, columns)


def sampled(rows: Rows, most: int) -> Rows:
    """The same rows with the sample of which texts are read."""
    from dataclasses import replace

    from recipec.report.profile_texts import chosen

    if not most or rows.count <= most:
        return replace(rows, sample=rows.relation, sampled=rows.count)
    rows.con.execute(f"CREATE OR REPLACE TEMP TABLE profile_sample AS FROM {chosen(rows, most, SEED)}")
    return replace(rows, sample="profile_sample", sampled=most)


def advice(wanted: str, recipe: str | None, columns: Sequence[Column], args: argparse.Namespace, parts: bool, count: int) -> str:
    """The last line: what to ask next."""
    named = f"{recipe} {wanted}" if recipe else wanted
    classes = next((c.name for c in columns if c.kind == "class" and c.facts["distinct"] > 1), None)
    if not count:
        return f"no rows; recipec show {named} --dropped says where they went"
    if not args.by and not parts and classes is not None and any("words" in c.facts for c in columns):
        return f"next: recipec profile {named} --by {classes}"
    if not args.pii:
        return f"next: recipec profile {named} --pii"
    return f"next: recipec show {named} --long"
