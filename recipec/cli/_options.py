"""Options that several verbs share."""

from __future__ import annotations

import argparse

from recipec.cli._errors import CannotRun


def add_sets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="sets", help="give a `param` of the recipe its value"
    )


def sets_of(args: argparse.Namespace) -> dict[str, str]:
    """``--set`` as a mapping; raises CannotRun for one without ``=`` or given twice."""
    out: dict[str, str] = {}
    for item in args.sets:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise CannotRun(f"--set {item}: write it as NAME=VALUE", "--set min_words=5")
        if name.strip() in out:
            raise CannotRun(f"--set {name.strip()} is given twice")
        out[name.strip()] = value
    return out
