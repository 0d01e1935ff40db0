"""Headers of sources: names and types, read from the start of the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import DataError, Reader, SourceFile
from recipec.resolve.native import connect, engine
from recipec.resolve.typing import Types, Typing, digest, refused

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
        self.known: Types = {}
        self.lasting: dict[str, dict[str, str]] = {}
        """Headers of an earlier check that may be taken for those of the same files, and those found or taken so far."""

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if not self.typing.sealed:
            return self.typing.con
        if self._con is None:
            self._con = connect()
        return self._con

    def header(
        self, reader: Reader, files: Sequence[SourceFile], encoding: str, seen: Sequence[SourceFile] | None = None, *, typed: bool = True
    ) -> dict[str, str]:
        """Names and types; with ``typed`` False the types may be empty. ``seen`` are the files that ``files`` were taken from, where they
        were. Raises DataError for files that cannot be read."""
        self.seen.extend(files if seen is None else seen)
        key = self.key(reader, files, encoding, typed) if seen is None or tuple(seen) == tuple(files) else None
        if key is not None and (known := self.known.get(key)) is not None:
            self.lasting[key] = known
            return dict(known)
        if not type(reader).__module__.startswith("recipec."):
            import duckdb  # noqa: F401 - gives the connection all that a plug-in's reader may call
        try:
            found = reader.header(self.con, files, encoding) if typed else dict.fromkeys(reader.header_names(self.con, files, encoding), "")
        except engine().Error as error:
            raise DataError(refused(error).message.split("\n")[0]) from None
        except OSError as error:
            raise DataError(f"cannot read `{error.filename}`: {error.strerror}") from None
        if key is not None and found:
            self.lasting[key] = dict(found)
        return found

    @staticmethod
    def key(reader: Reader, files: Sequence[SourceFile], encoding: str, typed: bool) -> str | None:
        """What stands for a header that its files alone decide; None for any other."""
        if not reader.lasting or any(type(f) is not SourceFile for f in files):
            return None
        try:
            facts = [(str(f.path.resolve()), f.name, (s := f.path.stat()).st_size, s.st_mtime_ns, s.st_ino) for f in files]
        except OSError:
            return None
        return digest(reader.name, repr(reader.params), encoding, str(typed), repr(facts))
