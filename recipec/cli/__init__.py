"""The command ``recipec``: one file a verb, and only the chosen one is imported.

A verb's module has a docstring, which is its help; ``options(parser)``; and ``run(args, out, err)``, which returns the
exit status: 0 done and clean, 1 findings or failures, 2 cannot run, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from gc import disable as stop_collecting
from gc import enable as go_on_collecting
from typing import Any

VERBS: dict[str, tuple[str, ...]] = {
    "write": ("init", "check", "fmt", "graph", "compile", "lsp"),
    "run": ("plan", "fetch", "run", "test", "trust", "lock"),
    "label by hand": ("annotate",),
    "look at results": ("show", "profile", "labels", "report", "explain", "diff", "bad", "gc"),
    "look up": ("docs", "completion"),
}
"""Verbs under the headings of the help, in the order of a day's work."""

COMMON = ("--color", "--debug")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (``sys.argv`` by default) and return the exit status; prints its own errors."""
    # Nearly everything made until a recipe is analysed lives to the end: looking for garbage finds none and costs a tenth.
    stop_collecting()
    arguments = list(sys.argv[1:] if argv is None else argv)
    from recipec.cli._boundary import Boundary

    try:
        with Boundary("--debug" in arguments) as boundary:
            boundary.status = dispatch(arguments)
    finally:
        go_on_collecting()
    if argv is None and arguments[:1] == ["check"]:
        leave(boundary.status)
    return boundary.status


def leave(status: int) -> None:
    """End the process here. Python would take apart all that was made first, a tenth of a check's time; a check has nothing that must
    be finished, and its answers are written."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        return  # Python's own end says what it has to say of an output that nobody reads
    os._exit(status)


def dispatch(arguments: list[str]) -> int:
    """Find the verb, let it parse its options, run it."""
    leading: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        first = rest.pop(0)
        match first:
            case "--version" | "-V":
                return version()
            case "--help" | "-h":
                return show_help()
            case "--debug":
                leading.append(first)
            case "--color" if rest:
                leading += [first, rest.pop(0)]
            case _ if first.startswith("--color="):
                leading.append(first)
            case _:
                from recipec.cli._errors import CannotRun

                raise CannotRun(f"unknown option {first}", "recipec --help")
    if not rest:
        show_help()
        return 2
    verb = rest.pop(0)
    if verb == "help":
        return show_help() if not rest else dispatch([rest[0], "--help"])
    if verb not in all_verbs():
        raise unknown(verb)
    from recipec.cli._parser import parse
    from recipec.report.terminal import stderr, stdout

    module = load(verb)
    args = parse(verb, module, [*leading, *rest])
    out, err = stdout(args.color), stderr(args.color)
    try:
        status: int = module.run(args, out, err)
    finally:
        out.finish()
        err.finish()
    return status


def all_verbs() -> list[str]:
    return [verb for group in VERBS.values() for verb in group]


def load(verb: str) -> Any:
    """The module of a verb."""
    from importlib import import_module

    return import_module(f"recipec.cli.{verb}")


def version() -> int:
    from recipec import __version__

    print(f"recipec {__version__}")
    return 0


def show_help() -> int:
    """What recipec is and what its verbs do, one line each."""
    out = [
        "recipec: declarative dataset recipes, compiled and run on DuckDB",
        "",
        "usage: recipec VERB [FILE.recipe] [options]",
    ]
    for heading, verbs in VERBS.items():
        out += ["", f"{heading}:"]
        for verb in verbs:
            summary = (load(verb).__doc__ or "").split("\n", 1)[0].rstrip(".")
            out.append(f"  {verb:<10} {summary}")
    out += [
        "",
        "recipec VERB --help says more, with examples. Start with: recipec init",
        "Exit status: 0 done and clean, 1 findings or failures, 2 cannot run,",
        "130 interrupted.",
    ]
    print("\n".join(out))
    return 0


def unknown(verb: str) -> Exception:
    """The error for a first word that is no verb."""
    from recipec.cli._errors import CannotRun
    from recipec.diagnostics import nearest

    if verb.endswith(".recipe"):
        return CannotRun(f"`{verb}` is a file, not a verb", f"recipec check {verb}")
    guess = nearest(verb, all_verbs())
    return CannotRun(f"no verb `{verb}`" + (f"; did you mean `{guess}`?" if guess else ""), "recipec --help")
