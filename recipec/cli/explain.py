"""Say what a rule means, or tell the life of one row.

With one word, the page of a rule: what is wrong and what would be right; without any, the list of rules. With STEP
and KEY, what every step on the way did to a row, as the last run built it. KEY is the value of the source's key
(values of several columns with commas), or the row's place (FILE:ROW, or ROW alone) where the source has no key, or a
row's _key or how it begins: the first of these that a row answers to.

examples:
  recipec explain unknown-column
  recipec explain tidy libfoo-dev
  recipec explain packages.recipe final libfoo-dev --diff
"""

from __future__ import annotations

import argparse

from recipec.cli._errors import CannotRun
from recipec.cli._options import add_sets
from recipec.cli._parser import choice
from recipec.cli._project import Results, add_workspace, is_recipe, opened, program_of, split_arguments, step_name, workspace_folder
from recipec.report.terminal import Terminal

USAGE = "recipec explain RULE, or recipec explain [FILE.recipe] STEP KEY"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="RULE | [FILE.recipe] STEP KEY", help="a rule by its name or code; or a step and a row's key"
    )
    add_sets(parser)
    add_workspace(parser)
    parser.add_argument("--diff", action="store_true", help="show changed values, before and after")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json (of a row's life)")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    words: list[str] = args.words
    if not words:
        return overview(out)
    if len(words) == 1 and not is_recipe(words[0]):
        return rule(words[0], out)
    return row(args, out, err)


def overview(out: Terminal) -> int:
    """Every rule, a line each."""
    from recipec.report import rules
    from recipec.report.cells import clip, pad
    from recipec.report.pages import plain

    names = rules.names()
    column = max(map(len, names), default=0)
    for name in names:
        found = rules.find_rule(name)
        if found is not None:
            lead = f"{out.paint(found.severity, pad(name, column))}  {found.code}  "
            out.line(lead + clip(plain(found.title), out.width - column - 8, out.draw("…")))
    out.line()
    out.line("recipec explain RULE says more")
    return 0


def rule(name: str, out: Terminal) -> int:
    """The page of one rule."""
    from recipec.report import rules
    from recipec.report.pages import page

    found = rules.find_rule(name)
    if found is None:
        guess = rules.suggestion(name)
        raise CannotRun(
            f"no rule `{name}`" + (f"; did you mean `{guess}`?" if guess else ""),
            f"recipec explain lists the rules; recipec explain {name} KEY tells the life of a row of a step",
        )
    out.line(out.paint("bold", found.name) + out.paint("dim", f"   {found.code}, {found.severity}"))
    out.line()
    out.write(page(found.page, out))
    return 0


def row(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    """The life of one row, or of each of several that answer to the key."""
    recipe, (wanted, key) = split_arguments(args.words, 2, USAGE)
    folder = workspace_folder(args, recipe)
    if recipe is None:
        with opened(folder, "explain") as workspace:
            recipe = Results(workspace, None).find(wanted)[0]
    args.recipe = recipe
    program = program_of(args, err)
    if program is None:
        return 1
    name = step_name(wanted, [s.name for s in program.steps], program.root.steps)
    with opened(folder, "explain") as workspace:
        from recipec.plan.explain import explain
        from recipec.report.life_text import life_data, life_text

        lives = explain(program, workspace, name, key)
        if args.format == "json":
            import json

            out.line(json.dumps([life_data(life) for life in lives], ensure_ascii=not out.unicode, indent=2))
            return 0
        out.write("\n".join(life_text(life, out, diff=args.diff) for life in lives))
        if lives[0].also:
            others = " · ".join(lives[0].also[:5]) + (f" (+{len(lives[0].also) - 5})" if len(lives[0].also) > 5 else "")
            out.line(out.paint("dim", f"`{key}` could also be {others}: name it so"))
        if not args.diff and any(not c.added for life in lives for e in life.events for c in e.changes):
            out.line(out.paint("dim", "changed values: --diff"))
    return 0
