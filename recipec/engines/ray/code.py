"""The recipe's own code on a cluster: whose code is executed is decided where the run was started; a machine executes the very file that was
allowed there, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from recipec.api import DataError, SourceFile


@dataclass(frozen=True)
class Code:
    """A file of Python that may be executed, and the digest of what it holds."""

    file: Path
    digest: str

    @classmethod
    def allowed(cls, file: Path, function: str) -> Code:
        """Where the run was started. Raises DataError where the file is not trusted."""
        from recipec import trust
        from recipec.plan.fingerprint import file_digest

        trust.check(file, function)
        return cls(file, file_digest(SourceFile(file, "")))


@contextmanager
def allowed(codes: Sequence[Code]) -> Iterator[None]:
    """Where a task runs: these files may be executed. Raises DataError where one is another than where the run was started."""
    from recipec import trust
    from recipec.plan.fingerprint import file_digest

    with ExitStack() as stack:
        for code in codes:
            if not code.file.is_file() or file_digest(SourceFile(code.file, "")) != code.digest:
                raise DataError(
                    f"{code.file} is not, on every machine, the file that it is where you started", "all must see the recipe's folder"
                )
            stack.enter_context(trust.trusting(code.file.parent))
        yield


__all__ = ["Code", "allowed"]
