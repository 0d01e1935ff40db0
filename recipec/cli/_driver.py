"""``recipec diff --driver``: what ``git diff`` calls for recipes.

    git config diff.recipe.command "recipec diff --driver" && echo "*.recipe diff=recipe" >> .gitattributes

git gives the path, both versions as files and their hashes and modes. What changed in meaning is said first, then the lines
as git would show them. It never fails: a version with errors is compared by its lines alone.
"""

from __future__ import annotations

from pathlib import Path

from recipec.cli import _files
from recipec.cli._errors import CannotRun
from recipec.report.fixes import difference
from recipec.report.terminal import Terminal
from recipec.source import Source

NOTHING = "/dev/null"


def drive(words: list[str], out: Terminal) -> int:
    """Compare the two versions that git hands over: PATH OLD HASH MODE NEW HASH MODE [NEW_PATH ...]."""
    if len(words) == 1:
        out.line(f"* unmerged path {words[0]}")
        return 0
    if len(words) < 7:
        raise CannotRun("--driver is for git to call", 'git config diff.recipe.command "recipec diff --driver"')
    path = words[7] if len(words) > 7 else words[0]
    out.line(out.paint("bold", f"recipec diff {words[0]}" + (f" {path}" if path != words[0] else "")))
    old, new = text(words[1], words[0]), text(words[4], path)
    if words[1] != NOTHING and words[4] != NOTHING:
        out.write(meaning(Source(path, old), Source(path, new), out))
    out.write(difference(old, new, path))
    return 0


def text(file: str, shown: str) -> str:
    return "" if file == NOTHING else _files.read(file, shown).text


def meaning(old: Source, new: Source, out: Terminal) -> str:
    """What changed in meaning, both versions read as if they lay where the recipe lies."""
    from recipec.plan.diff import compare
    from recipec.report.diff_text import diff_text
    from recipec.report.text import counted
    from recipec.resolve.loading import load

    programs = [load(source, offline=not Path(source.path).parent.exists()) for source in (old, new)]
    for program, which in zip(programs, ("old", "new"), strict=True):
        program.resolve()
        if program.findings.errors:
            return f"the {which} version has {counted(len(program.findings.errors), 'error')}: only its lines are compared\n"
    return diff_text(compare(*programs), out)
