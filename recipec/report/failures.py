"""A step that failed while running, as a finding at its place in the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipec.diagnostics import Diagnostic, Label
from recipec.source import Span

if TYPE_CHECKING:
    from recipec.engines.runner import StepResult
    from recipec.resolve.program import Program, ResolvedStep


@dataclass(kw_only=True, frozen=True)
class StepFailure(Diagnostic):
    """A step that could not be finished: a test that does not hold, too many bad rows, a key that is not unique, a full disk.

    Nothing of the step is kept; what was finished before it is. Steps that do not read it still run.

    Bad: ``expect unique(id)`` of a file with one ``id`` twice. Good: the file mended, or ``dedupe(id)`` before the test.
    """

    name = "step-failed"
    code = "E900"

    @classmethod
    def of(cls, program: Program, result: StepResult) -> StepFailure:
        step = next(s for s in program.steps if s.name == result.name)
        error = result.error
        message = error.message if error is not None else result.why
        help = (error.help,) if error is not None and error.help else ()
        about = program.resolved.get(error.about) if error is not None and error.about else None
        also = (Label(about.entry.node.head, "the model"),) if about is not None and about.name != result.name else ()
        return cls(span=place(step, message), message=f"`{result.name}`: {message}", help=help, also=also)


def place(step: ResolvedStep, message: str) -> Span:
    """The test that the message is about, else the head of the step."""
    for test in step.bound.tests:
        if f"expect {test.name}: " in message:
            span: Span = test.span
            return span
    return step.entry.node.head
