"""What stops a command before it can do its work."""

from __future__ import annotations

from recipec.report.terminal import Terminal


class CannotRun(Exception):
    """Wrong usage, a file that is not there: exit status 2. ``message`` is one line; ``help`` says what to do."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message, self.help = message, help


def words(problem: CannotRun, err: Terminal) -> str:
    """The error as it is printed."""
    lines = [problem.message, *([problem.help] if problem.help else [])]
    return err.paint("error", "recipec") + ": " + "\n  ".join(lines) + "\n"
