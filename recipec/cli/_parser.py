"""Command lines: argparse, with messages for people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from recipec.cli._errors import CannotRun
from recipec.diagnostics import nearest
from recipec.report.terminal import COLORS, columns


class Parser(argparse.ArgumentParser):
    """A parser that raises CannotRun where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        text = message[:1].lower() + message[1:]
        raise CannotRun(text.replace("argument ", "", 1) if text.startswith("argument ") else text, f"{self.prog} --help")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Options in a column of their own, lines at most 100 cells wide."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=room())


def room() -> int:
    return min(columns(sys.stdout, sys.stdout.isatty()), 100)


class Help(argparse.Action):
    """``--help``, whose text is made only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from recipec.report.cells import wrap

        prose, examples, rest = (parser.description or "").partition("examples:")
        paragraphs = [" ".join(p.split()) for p in prose.strip().split("\n\n")]
        parser.description = "\n\n".join("\n".join(wrap(p, room())) for p in paragraphs) + f"\n\n{examples}{rest}"
        parser.print_help()
        parser.exit()


def parse(verb: str, module: Any, arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a verb; prints its help and raises SystemExit when asked to."""
    parser = made(verb, module)
    args, unknown = parser.parse_known_intermixed_args(list(arguments))
    if unknown:
        raise CannotRun(what_is(unknown[0], parser), f"{parser.prog} --help")
    return args


def made(verb: str, module: Any) -> Parser:
    """The parser of a verb."""
    parser = Parser(prog=f"recipec {verb}", description=module.__doc__, formatter_class=Formatter, allow_abbrev=False, add_help=False)
    module.options(parser)
    common = parser.add_argument_group("everywhere")
    common.add_argument("--color", type=choice(*COLORS), default="auto", metavar="WHEN", help="auto, always or never")
    common.add_argument("--debug", action="store_true", help="show the traceback of a bug in recipec")
    common.add_argument("-h", "--help", action=Help, nargs=0, help="show this text")
    parser.usage = usage(parser)
    return parser


def usage(parser: argparse.ArgumentParser) -> str:
    """``recipec show [FILE.recipe] STEP [options]``: the options have a list of their own below."""
    words = []
    for action in parser._actions:
        if not action.option_strings:
            name = str(action.metavar or action.dest)
            words.append(f"[{name}]" if action.nargs == "?" or name.isupper() else name)
    return " ".join([parser.prog, *words, "[options]"])


def what_is(argument: str, parser: argparse.ArgumentParser) -> str:
    """The sentence for an argument that the verb does not take."""
    if not argument.startswith("-"):
        return f"`{argument}` is one argument too many"
    known = [s for action in parser._actions for s in action.option_strings if s.startswith("--")]
    name = argument.partition("=")[0]
    guess = nearest(name, known)
    return f"unknown option {name}" + (f"; did you mean {guess}?" if guess else "")


class choice:
    """The type of an option that takes one of several words."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, text: str) -> str:
        if text in self.names:
            return text
        guess = nearest(text, self.names)
        raise argparse.ArgumentTypeError(f"`{text}` is none of {', '.join(self.names)}" + (f"; did you mean {guess}?" if guess else ""))


def number(low: int, high: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes a whole number."""

    def check(text: str) -> int:
        bounds = f"at least {low:,}" if high is None else f"{low:,} to {high:,}"
        try:
            value = int(text.replace("_", "").replace(",", ""))
        except ValueError:
            raise argparse.ArgumentTypeError(f"`{text}` is not a whole number") from None
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{text} is out of range: {bounds}")
        return value

    return check
