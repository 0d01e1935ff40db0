"""Say what a rule means, with what is wrong and what would be right.

Without a name, every rule there is, a line each.

examples:
  recipec explain
  recipec explain unknown-column
  recipec explain E201
"""

from __future__ import annotations

import argparse

from recipec.cli._errors import CannotRun
from recipec.report import rules
from recipec.report.cells import clip, pad
from recipec.report.pages import page, plain
from recipec.report.terminal import Terminal


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="?", metavar="RULE", help="a rule by its name or code")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    if args.rule is None:
        return overview(out)
    found = rules.find_rule(args.rule)
    if found is None:
        guess = rules.suggestion(args.rule)
        raise CannotRun(f"no rule `{args.rule}`" + (f"; did you mean `{guess}`?" if guess else ""), "recipec explain lists the rules")
    out.line(out.paint("bold", found.name) + out.paint("dim", f"   {found.code}, {found.severity}"))
    out.line()
    out.write(page(found.page, out))
    return 0


def overview(out: Terminal) -> int:
    names = rules.names()
    column = max(map(len, names), default=0)
    for name in names:
        rule = rules.find_rule(name)
        if rule is not None:
            lead = f"{out.paint(rule.severity, pad(name, column))}  {rule.code}  "
            out.line(lead + clip(plain(rule.title), out.width - column - 8, out.draw("…")))
    out.line()
    out.line("recipec explain RULE says more")
    return 0
