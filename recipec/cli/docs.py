"""Look up what can stand in a recipe, the rules, the commands.

Without a name, everything there is, a line each. Made from the code itself, so it is never out of date. With
--format schema, the JSON Schema of a resolved recipe, which `recipec compile --format resolved` writes.

examples:
  recipec docs
  recipec docs dedupe
  recipec docs accept
  recipec docs split --format md
  recipec docs --format md > reference.md
  recipec docs --format schema > recipe.schema.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice
from recipec.diagnostics import nearest
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.registry import Group
    from recipec.report.reference import Entry


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a step kind, operator, function, ..., setting, rule or command")
    parser.add_argument(
        "--format", type=choice("text", "md", "json", "schema"), default="text", metavar="FORMAT", help="text, md, json or schema"
    )


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.cli import _manual
    from recipec.report import reference, reference_text

    if args.format == "schema":
        return json_schema(args, out)
    groups: list[tuple[Group, Sequence[Entry]]]
    if args.name is None:
        groups = [(group, list(reference.entries(group))) for group in reference.TITLES]
    else:
        groups = [(group, [e]) for group in reference.TITLES if (e := reference.entry(group, args.name)) is not None]
        if not groups:
            return elsewhere(args, out)
    match args.format:
        case "json":
            made = [reference_text.data(e) for _, found in groups for e in found]
            made += _manual.data() if args.name is None else ()
            out.line(json.dumps(made, ensure_ascii=not out.unicode, indent=2))
        case "md":
            out.write(reference_text.markdown(groups))
            if args.name is None:
                out.write("\n" + _manual.markdown())
        case _ if args.name is None:
            out.write(reference_text.overview(groups, out))
            out.write(_manual.overview(out))
            out.line("recipec docs NAME says more; DuckDB's own scalar functions are there too")
            out.line("recipec docs guarantees: what is promised, what is not, and how it is tested")
        case _:
            out.write("\n".join(reference_text.entry_page(e, out) for _, found in groups for e in found))
    return 0


def json_schema(args: argparse.Namespace, out: Terminal) -> int:
    from recipec.editors.schema import schema

    if args.name is not None:
        raise CannotRun("the schema is that of every recipe: it takes no name", "recipec docs --format schema")
    out.line(json.dumps(schema(), ensure_ascii=not out.unicode, indent=2))
    return 0


def elsewhere(args: argparse.Namespace, out: Terminal) -> int:
    """A name that the registry does not know: one of DuckDB's functions, a rule, a setting, or a slip of the pen."""
    from recipec.cli._words import PAGES, page
    from recipec.registry import names
    from recipec.report.reference import TITLES
    from recipec.report.rules import resolve_name

    name = args.name.lower()
    told = page(args.name)
    if told is not None:
        out.line(
            json.dumps([{"group": "word", "name": args.name, "doc": told}], ensure_ascii=not out.unicode, indent=2)
            if args.format == "json"
            else told
        )
        return 0
    found = duckdb_function(name)
    if found and args.format == "json":
        out.line(json.dumps([{"group": "duckdb", "name": name, "signatures": [s for s, _ in found], "doc": found[0][1]}], indent=2))
        return 0
    if found:
        for signature, _ in found:
            out.line(f"`{signature}`  " if args.format == "md" else out.paint("bold", signature))
        description = next((d for _, d in found if d), "")
        out.line()
        if description:
            out.line(description)
        out.line("One of DuckDB's functions, available as it is.")
        return 0
    from recipec.cli import _manual

    rule = resolve_name(args.name)
    facts = _manual.rule_facts(rule) if rule is not None else _manual.verb_facts(name) if name in _manual.verbs() else None
    if facts is not None and args.format != "text":
        made = _manual.verb_markdown(facts) if rule is None else [f"### `{rule}`", facts["doc"].replace("``", "`")]
        out.line(json.dumps([facts], ensure_ascii=not out.unicode, indent=2) if args.format == "json" else "\n\n".join(made))
        return 0
    if facts is not None:
        from recipec.cli import dispatch
        from recipec.cli.explain import rule as explain_rule

        return explain_rule(rule, out) if rule is not None else dispatch([name, "--help"])
    if settings(args.name, args.format, out):
        return 0
    guess = nearest(args.name, [*(n for group in TITLES for n in names(group)), *_manual.verbs(), *PAGES])
    if guess is None:
        from recipec.report.mentions import every

        guess = nearest(args.name, [m.name for m in every()])
    raise CannotRun(f"nothing is called `{args.name}`" + (f"; did you mean `{guess}`?" if guess else ""), "recipec docs lists everything")


def settings(name: str, format: str, out: Terminal) -> bool:
    """Tell of the settings, arguments and their values that are called so; whether there are any."""
    from recipec.report import mentions

    found = mentions.mentions(name)
    if found and format == "json":
        out.line(json.dumps([mentions.mention_data(m) for m in found], ensure_ascii=not out.unicode, indent=2))
    elif found:
        out.write(mentions.mentions_markdown(found) + "\n" if format == "md" else mentions.mentions_page(found, out))
    return bool(found)


def duckdb_function(name: str) -> list[tuple[str, str]]:
    """(signature, description) of DuckDB's scalar and aggregate functions of a name."""
    import duckdb

    from recipec.resolve.types import shown

    rows = duckdb.execute(
        "SELECT DISTINCT parameters, parameter_types, return_type, coalesce(description, '') FROM duckdb_functions() "
        "WHERE function_name = ? AND function_type IN ('scalar', 'aggregate', 'macro') ORDER BY ALL",
        [name],
    ).fetchall()
    out = []
    for names, types, returns, description in rows:
        listed = ", ".join(f"{n}: {shown(t)}" if t else n for n, t in zip(names, types, strict=False))
        out.append((f"{name}({listed})" + (f" -> {shown(returns)}" if returns else ""), description))
    return out
