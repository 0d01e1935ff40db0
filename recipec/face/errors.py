"""Exceptions for Python: the words that the command line prints, and no more.

::

    RecipecError            anything that went wrong: .message, .help
      RecipeInvalid         the recipe has errors: .findings
      RunFailed             a step or a test failed: .run, .steps
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipec.engines.runner import StepResult
    from recipec.face.findings import Checked
    from recipec.face.results import Run


class RecipecError(Exception):
    """Something that recipec cannot do. ``message`` says what is wrong, ``help`` what would be right (may be empty).

    In a notebook its words are shown without the traceback: the way through recipec's own code helps nobody there. It is
    where it always is (``%debug``, ``sys.last_exc``).
    """

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message, self.help = message, help

    def __str__(self) -> str:
        return f"{self.message}\n  {self.help}" if self.help else self.message

    def _render_traceback_(self) -> list[str]:
        """What IPython shows for this exception."""
        return f"{type(self).__name__}: {self}".splitlines()


class RecipeInvalid(RecipecError):
    """A recipe with errors was to be planned, run or compiled. ``findings`` are what ``check`` finds."""

    def __init__(self, findings: Checked) -> None:
        super().__init__(str(findings))
        self.findings = findings


class RunFailed(RecipecError):
    """Steps failed. ``steps`` are they; ``run`` holds everything that was finished, to be looked at."""

    def __init__(self, message: str, run: Run, steps: list[StepResult]) -> None:
        super().__init__(message)
        self.run, self.steps = run, steps


@contextmanager
def tidy() -> Iterator[None]:
    """What stages raise for people (``DataError``, ``CannotRun``) as a RecipecError with the same words."""
    from recipec.api import DataError
    from recipec.cli._errors import CannotRun

    try:
        yield
    except (CannotRun, DataError) as problem:
        raise RecipecError(problem.message, problem.help) from None
