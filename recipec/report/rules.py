"""The rules: every kind of finding, found by its name or code without importing more than its own module.

A rule is a class below :class:`recipec.diagnostics.Diagnostic` that sets ``name`` and ``code``; its docstring is its page.
The index is made by reading those lines in the files of this project, as the registry does for operators.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from recipec.diagnostics import Diagnostic, nearest
from recipec.report.pages import first_sentence

_RULE = re.compile(r'^    name(?:: ClassVar\[str\])? = "([^"]+)"\n    code(?:: ClassVar\[str\])? = "([^"]+)"', re.M)
_FOLDERS = (
    "syntax", "resolve", "templates", "lints", "steps", "operators", "formats", "readers", "models", "labels", "votes", "combiners", "augmenters",
    "selectors", "training", "metrics", "plan", "engines", "report",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    name: str
    code: str
    severity: str
    page: str
    """The docstring, in reStructuredText of the simplest kind: paragraphs and ``literals``."""

    @property
    def title(self) -> str:
        return first_sentence(self.markdown)

    @property
    def markdown(self) -> str:
        return self.page.replace("``", "`")


@cache
def index() -> dict[str, tuple[str, str]]:
    """Rule name to (code, module)."""
    package = Path(__file__).resolve().parents[1]
    out: dict[str, tuple[str, str]] = {}
    for folder in _FOLDERS:
        for path in sorted((package / folder).glob("*.py")):
            for name, code in _RULE.findall(path.read_text(encoding="utf-8")):
                out[name] = (code, f"recipec.{folder}.{path.stem}")
    return out


def names() -> list[str]:
    return sorted(index())


def suggestion(wanted: str) -> str | None:
    return nearest(wanted, names())


def resolve_name(wanted: str) -> str | None:
    """The rule that a name or a code (``E201``) means."""
    if wanted in index():
        return wanted
    return next((name for name, (code, _) in index().items() if code == wanted.upper()), None)


def find_rule(wanted: str) -> Rule | None:
    """The rule of a name or code, its module imported now."""
    name = resolve_name(wanted)
    if name is None:
        return None
    import_module(index()[name][1])
    for cls in _below(Diagnostic):
        if cls.__dict__.get("name") == name:
            return Rule(name, cls.code, cls.severity, inspect.cleandoc(cls.__doc__ or ""))
    return None


def _below(cls: type[Diagnostic]) -> Iterator[type[Diagnostic]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _below(sub)
