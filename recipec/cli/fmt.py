"""Lay recipes out in the one way, whatever they looked like.

FILES are recipes, folders (every *.recipe below them) or `-` from standard input to standard output; without any, the
folder you are in. Comments stay, and meaning does not change. A file with syntax errors is left as it is.

examples:
  recipec fmt
  recipec fmt --check .                     exit status 1 when a file is not laid out
  recipec fmt --diff packages.recipe
  recipec fmt - < packages.recipe
  git config diff.recipe.textconv "recipec fmt --stdout"     with `*.recipe diff=recipe` in .gitattributes: no layout in diffs
"""

from __future__ import annotations

import argparse

from recipec.cli import _files
from recipec.cli._errors import CannotRun, words
from recipec.report.fixes import difference
from recipec.report.terminal import Terminal
from recipec.report.text import counted, finding


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILES", help="recipes, folders, or - (default: this folder)")
    parser.add_argument("--check", action="store_true", help="change nothing; name the files that would change")
    parser.add_argument("--diff", action="store_true", help="change nothing; show what would change")
    parser.add_argument("--stdout", action="store_true", help="change nothing; print the recipes laid out")
    parser.add_argument("--stdin-name", default="-", metavar="PATH", help="the file that standard input stands for")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.syntax.format import NotFormatted, format_source

    paths = _files.collect(args.files or ["."])
    changed = broken = 0
    stopped: list[CannotRun] = []
    for path in paths:
        shown = args.stdin_name if path == _files.STDIN else path
        try:
            source = _files.read(path, shown)
        except CannotRun as problem:
            stopped.append(problem)
            continue
        try:
            text = format_source(source)
        except NotFormatted as problem:
            broken += 1
            for diagnostic in problem.diagnostics:
                err.line(finding(diagnostic, err))
            text = source.text
        to_stdout = (path == _files.STDIN or args.stdout) and not (args.check or args.diff)
        if to_stdout:
            out.write(text)
        if text == source.text:
            continue
        changed += 1
        if args.diff:
            out.write(difference(source.text, text, shown))
        elif args.check:
            out.line(f"would change {shown}")
        elif not to_stdout:
            _files.write(path, text)
            out.line(f"laid out {shown}")
    for stop in stopped:
        err.write(words(stop, err))
    if paths != [_files.STDIN] and not args.stdout:
        err.line(summary(len(paths), changed, broken, args.check or args.diff))
    return 2 if stopped else 1 if broken or (changed and (args.check or args.diff)) else 0


def summary(files: int, changed: int, broken: int, dry: bool) -> str:
    """``3 files: 1 laid out, 2 as they were``"""
    parts = []
    if changed:
        parts.append(f"{changed:,} would change" if dry else f"{changed:,} laid out")
    if files - changed - broken:
        parts.append(f"{files - changed - broken:,} as {'it was' if files == 1 else 'they were'}")
    if broken:
        parts.append(f"{broken:,} with syntax errors, left alone")
    return f"{counted(files, 'file')}: {', '.join(parts)}"
