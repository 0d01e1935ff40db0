"""The last line of defence: every exception becomes words for a person and an exit status.

What is wrong with a recipe, data or the disk reaches people as a sentence. What is left is a mistake of recipec itself;
its traceback is shown with ``--debug`` or RECIPEC_DEBUG=1.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

INTERRUPTED = "Query interrupted"
"""What a query of DuckDB that Ctrl-C stopped says, in a plain RuntimeError."""


class Boundary:
    """A context whose ``status`` is the exit status, whatever happens inside."""

    def __init__(self, debug: bool) -> None:
        self.debug = debug or os.environ.get("RECIPEC_DEBUG", "") not in ("", "0")
        self.status = 0

    def __enter__(self) -> Boundary:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            return True
        if isinstance(error, SystemExit):
            self.status = error.code if isinstance(error.code, int) else 0 if error.code is None else 2
            return True
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has seen enough; writing to it is done with care elsewhere, so this is its last gasp.
            self.status = 2
            return True
        stopped = isinstance(error, KeyboardInterrupt) or str(error) == INTERRUPTED
        self.status = 130 if stopped else 2
        lines = ["interrupted"] if stopped else self.words(error, trace)
        from recipec.report.terminal import stderr

        err = stderr()
        if self.debug:
            import traceback

            err.write("".join(traceback.format_exception(error)))
        err.write(err.paint("error", "recipec") + ": " + "\n  ".join(lines) + "\n")
        err.finish()
        return True

    def words(self, error: BaseException, trace: TracebackType | None) -> list[str]:
        """The message, and on further lines what to do."""
        message, help = getattr(error, "message", None), getattr(error, "help", None)
        if isinstance(message, str) and isinstance(help, str):  # CannotRun, and DataError of the later stages
            return [message, *([help] if help else [])]
        if isinstance(error, MemoryError):
            return ["out of memory", "close other programs, or give DuckDB less: --memory 1GB"]
        if isinstance(error, OSError):
            name = f"{error.filename}: " if error.filename else ""
            return [f"{name}{error.strerror or error}"]
        return self.bug(error, trace)

    def bug(self, error: BaseException, trace: TracebackType | None) -> list[str]:
        from recipec import __version__

        place = ""
        while trace is not None:
            code = trace.tb_frame.f_code
            if f"{os.sep}recipec{os.sep}" in code.co_filename:
                place = f" at {code.co_filename.rpartition(f'{os.sep}recipec{os.sep}')[2]}:{trace.tb_lineno}"
            trace = trace.tb_next
        head = (str(error).strip().splitlines() or [""])[0]
        python = ".".join(map(str, sys.version_info[:3]))
        out = [f"this is a bug in recipec, not in your recipe: {type(error).__name__}{': ' if head else ''}{head}{place}"]
        out.append(f"recipec {__version__}, Python {python}, {sys.platform}")
        if not self.debug:
            out.append("run the command again with --debug, and send what it prints")
        return out
