"""The base of all lints: what a rule of data science is, and what it gets to look at.

A lint is a file of this folder, named after its rule (``ungrouped_split.py`` holds ``ungrouped-split``), with one class::

    @lint("ungrouped-split")
    class UngroupedSplit(Lint):
        \"\"\"What is wrong. Why, with the evidence. Bad, good, how to silence.\"\"\"

        name = "ungrouped-split"
        code = "W302"

        @classmethod
        def find(cls, view):
            yield cls(span=..., message=..., help=(...,))

The class is the finding as well. Lints ask the view for graph, traits and values, never for the names of kinds or
operators, so a new operator is linted with no edit here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from recipec.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from recipec.lints._view import View


class Lint(Diagnostic):
    """A rule of data science, and a finding of it. A warning unless it says otherwise."""

    severity: ClassVar[Severity] = "warning"

    @classmethod
    @abstractmethod
    def find(cls, view: View) -> Iterable[Diagnostic]:
        """Every place of a recipe without errors where the rule is broken. Only what is certain is said."""
