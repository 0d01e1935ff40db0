"""Headers of sources: names and types, read from the start of the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import DataError, Reader, SourceFile
from recipec.resolve.typing import Typing, refused

if TYPE_CHECKING:
    import duckdb


class Reading:
    """Headers read through the typing database while it is still open, and through a connection of its own once that is
    sealed (see :class:`recipec.resolve.typing.Typing`)."""

    def __init__(self, typing: Typing) -> None:
        self.typing = typing
        self._con: duckdb.DuckDBPyConnection | None = None
        self.seen: list[SourceFile] = []
        """Files whose headers were looked at: a cached check is valid while these do not change."""

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if not self.typing.sealed:
            return self.typing.con
        if self._con is None:
            import duckdb

            self._con = duckdb.connect(":memory:", config={"threads": "1", "autoinstall_known_extensions": "false"})
        return self._con

    def header(
        self, reader: Reader, files: Sequence[SourceFile], encoding: str, seen: Sequence[SourceFile] | None = None
    ) -> dict[str, str]:
        """Names and types. ``seen`` are the files that ``files`` were taken from, where they were. Raises DataError for files that cannot
        be read."""
        import duckdb

        self.seen.extend(files if seen is None else seen)
        try:
            return reader.header(self.con, files, encoding)
        except duckdb.Error as error:
            raise DataError(refused(error).message.split("\n")[0]) from None
        except OSError as error:
            raise DataError(f"cannot read `{error.filename}`: {error.strerror}") from None
