"""Say from which folders a run may execute a recipe's own code.

The `python` steps and `vote plugin`s of a recipe are programs: they can do all that you can. A run executes them only from folders
that you trust, and all that lies below them; every other command only reads them. The list is kept in your own configuration folder
(trust.json in $XDG_CONFIG_HOME/recipec, or in ~/.config/recipec), never in a repository. For one run alone there is
`recipec run --trust`, and for CI the environment variable RECIPEC_TRUST: folders, parted by a colon.

examples:
  recipec trust                    the folders on the list
  recipec trust .                  this folder and what lies below it
  recipec trust ~/data/recipes
  recipec trust --remove .
"""

from __future__ import annotations

import argparse
import json

from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice
from recipec.report.terminal import Terminal


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", metavar="DIR", help="the folder to trust (default: show the list)")
    parser.add_argument("--remove", action="store_true", help="take it off the list")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec import trust

    if args.remove and args.folder is None:
        raise CannotRun("which folder?", "recipec trust --remove DIR")
    if args.remove:
        above = trust.remove(args.folder)
        err.line(f"no longer trusted: {trust.real(args.folder)}" + (f"; but {above[0]}, which it lies in, still is" if above else ""))
    elif args.folder is not None:
        place = trust.add(args.folder)
        err.line(f"trusted: the code of recipes in {place} and below it may run")
    folders = trust.listed()
    if args.format == "json":
        out.line(
            json.dumps({"folders": [str(f) for f in folders], "file": str(trust.configuration())}, ensure_ascii=not out.unicode, indent=2)
        )
    elif args.folder is None:
        for folder in folders:
            out.line(str(folder))
        if not folders:
            err.line("no folder is trusted: recipec trust DIR")
    return 0
