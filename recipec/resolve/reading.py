"""Headers of sources: names and types, read from the start of the files. Apart from the typing database, which can
reach no file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import DataError, Reader, SourceFile

if TYPE_CHECKING:
    import duckdb


class Reading:
    """One in-memory connection for all headers of a check, made on first use."""

    def __init__(self) -> None:
        self._con: duckdb.DuckDBPyConnection | None = None
        self.seen: list[SourceFile] = []
        """Files whose headers were looked at: a cached check is valid while these do not change."""

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            import duckdb

            self._con = duckdb.connect(":memory:", config={"threads": "1", "autoinstall_known_extensions": "false"})
        return self._con

    def header(self, reader: Reader, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        import duckdb

        self.seen.extend(files)
        try:
            return reader.header(self.con, files, encoding)
        except duckdb.Error as error:
            raise DataError(str(error).split("\n")[0]) from None
        except OSError as error:
            raise DataError(f"cannot read `{error.filename}`: {error.strerror}") from None
