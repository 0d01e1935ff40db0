"""Find every mistake of recipes before anything runs.

FILES are recipes, folders (every *.recipe below them) or `-` for standard input; without any, the folder you are in.
The headers of source files are read for the names and types of their columns; no data is scanned, no model loaded, no
network touched. A recipe without errors is also looked through for mistakes of data science; `# allow: RULE because ...`
silences one, [tool.recipec] of pyproject.toml (select, ignore, severity) chooses among them. Exit status: 0 clean,
1 findings, 2 cannot run.

examples:
  recipec check packages.recipe
  recipec check --fix                       mend what can be mended safely, below this folder
  recipec check --diff packages.recipe      show what --fix would change
  recipec check --format sarif . > out.sarif
  recipec check --ignore unused-step --severity warning .
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from recipec.cli import _files
from recipec.cli._cache import Cache, cache_folder
from recipec.cli._config import SEVERITIES, config_for, configured, known
from recipec.cli._errors import CannotRun, words
from recipec.cli._options import add_sets, sets_of
from recipec.cli._parser import choice
from recipec.diagnostics import Diagnostic
from recipec.report import fixes
from recipec.report.formats import FORMATS, Report, render
from recipec.report.terminal import Terminal
from recipec.source import Source

MOST_ROUNDS = 100
"""How often a mended file is looked at again for what more can be mended: far more than any fix has led to another."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILES", help="recipes, folders, or - (default: this folder)")
    add_sets(parser)
    parser.add_argument("--offline", action="store_true", help="read no source files: columns as declared only")
    parser.add_argument("--format", type=choice(*FORMATS), default="text", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--stdin-name", default="-", metavar="PATH", help="the file that standard input stands for")
    mend = parser.add_argument_group("mend")
    mend.add_argument("--fix", action="store_true", help="apply the safe fixes and check again")
    mend.add_argument("--unsafe-fixes", action="store_true", help="with --fix or --diff: those too that need a second look")
    mend.add_argument("--diff", action="store_true", help="print what --fix would change, and change nothing")
    which = parser.add_argument_group("which findings")
    which.add_argument("--select", action="append", default=[], metavar="RULES", help="only these rules, by name or code, with commas")
    which.add_argument("--ignore", action="append", default=[], metavar="RULES", help="all but these")
    which.add_argument(
        "--severity", type=choice(*SEVERITIES), default="note", metavar="LEVEL", help="error, warning or note: this and graver"
    )


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    started = time.perf_counter()
    check = Check(args)
    if _files.STDIN in check.paths and args.fix and not args.diff:
        if len(check.paths) > 1:
            raise CannotRun("with --fix, `-` stands alone: the mended recipe goes to standard output")
        out, err = err, out  # the recipe takes standard output, the findings the other one
    by_file: dict[str, list[Diagnostic]] = {}
    problems: list[CannotRun] = []
    for path in check.paths:
        try:
            by_file[check.shown(path)] = check.file(path)
        except CannotRun as problem:
            problems.append(problem)
    shown = check.wanted(together(by_file))
    changed = [p for p, source in check.mended.items() if source.text != check.originals[p].text]
    if args.diff:
        for path in changed:
            out.write(fixes.difference(check.originals[path].text, check.mended[path].text, check.shown(path)))
    else:
        write_mended(check, changed, err)
        report = Report(shown, [check.shown(p) for p in check.paths], time.perf_counter() - started, check.fixed)
        out.write(render(args.format, report, out))
    for path in check.unfinished:
        err.line(f"{path}: each of {MOST_ROUNDS} rounds of fixes led to another; run it again to go on")
    for told in dict.fromkeys(words(stop, err) for stop in problems):  # what is wrong in pyproject.toml is told once
        err.write(told)
    return 2 if problems else 1 if failing(shown) or (args.diff and changed) else 0


def write_mended(check: Check, changed: list[str], rest: Terminal) -> None:
    """Put mended files in place; the recipe of standard input goes to ``rest``, mended or not."""
    for path, source in check.mended.items():
        if path == _files.STDIN:
            rest.write(source.text)
        elif path in changed:
            _files.write(path, source.text)


def failing(findings: Iterable[Diagnostic]) -> bool:
    """Whether the exit status must say that something was found; notes alone are no failure."""
    return any(d.severity != "note" for d in findings)


class Check:
    """The files of one command, checked one by one; with --fix or --diff, mended in memory on the way."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.sets = sets_of(args)
        self.paths = _files.collect(args.files or ["."])
        self.select, self.ignore = rules(args.select), rules(args.ignore)
        for option, given, named in (("--select", args.select, self.select), ("--ignore", args.ignore, self.ignore)):
            if given and not named:
                raise CannotRun(f"{option} names no rule", "recipec explain lists the rules")
        if both := sorted(set(self.select) & set(self.ignore)):
            raise CannotRun(f"`{both[0]}` is in --select and in --ignore", "take it out of one of them")
        self.least = SEVERITIES.index(args.severity)
        self.cache = Cache(cache_folder(), {"sets": self.sets, "offline": args.offline})
        self.originals: dict[str, Source] = {}
        self.mended: dict[str, Source] = {}
        self.fixed = 0
        self.unfinished: list[str] = []
        """Files in which there was still something to mend after the last round."""
        if self.args.unsafe_fixes and not (self.args.fix or self.args.diff):
            raise CannotRun("--unsafe-fixes goes with --fix or --diff")

    def shown(self, path: str) -> str:
        name: str = self.args.stdin_name
        return name if path == _files.STDIN else path

    def file(self, path: str) -> list[Diagnostic]:
        source = _files.read(path, self.shown(path))
        self.originals[path] = source
        config_for(path)  # what is wrong there is told of clean recipes too
        found = self.analysed(source)
        if self.args.fix or self.args.diff:
            source, found = self.mend(source, found)
            self.mended[path] = source
        return found

    def analysed(self, source: Source) -> list[Diagnostic]:
        found = self.cache.get(source)
        if found is None:
            from recipec.cli._analysis import add_lints, analyse

            program = analyse(source, self.sets, offline=self.args.offline)
            add_lints(program)
            self.cache.put(source, program)
            found = program.findings.sorted
        return found

    def mend(self, source: Source, found: list[Diagnostic]) -> tuple[Source, list[Diagnostic]]:
        """Apply fixes and look again, until there is nothing more to apply.

        A round that leaves more syntax errors than it found is taken back: a fix may only mend. (Other errors may come to
        light once the syntax is right.)
        """
        seen = {source.text}
        for _ in range(MOST_ROUNDS):
            chosen = fixes.chosen(self.wanted(found), {source.path}, unsafe=self.args.unsafe_fixes)
            if not chosen:
                break
            text = fixes.applied(source.text, source.path, [e for _, edits in chosen for e in edits])
            after = Source(source.path, text)
            left = self.analysed(after)
            if syntax_errors(left) > syntax_errors(found) or text in seen:
                break
            seen.add(text)
            self.fixed += len(chosen)
            source, found = after, left
        else:
            self.unfinished.append(source.path)
        return source, found

    def wanted(self, findings: Iterable[Diagnostic]) -> list[Diagnostic]:
        """The findings that the options and the configuration let through, sorted by place."""
        found = configured(findings, self.select)
        return [d for d in found if d.name not in self.ignore and SEVERITIES.index(d.severity) <= self.least]


def together(by_file: Mapping[str, Sequence[Diagnostic]]) -> list[Diagnostic]:
    """The findings of several recipes. What is found in an imported file is told once, as that file's own check tells it,
    or else as the first recipe that imports it does."""
    tellers: dict[tuple[object, ...], str] = {}
    for path, found in by_file.items():
        for d in found:
            place = (*d.span.order, d.code)
            if place not in tellers or d.span.source.path == path:
                tellers[place] = path
    return [d for path, found in by_file.items() for d in found if tellers[(*d.span.order, d.code)] == path]


def syntax_errors(findings: Iterable[Diagnostic]) -> int:
    return sum(d.code.startswith("E1") for d in findings)


def rules(options: list[str]) -> Collection[str]:
    """The names of rules given by name or code; raises CannotRun for one that does not exist."""
    return {known(w) for option in options for w in map(str.strip, option.split(",")) if w}
