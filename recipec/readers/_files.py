"""What every reader of files needs: finding them, opening them whether compressed or not, turning bytes into UTF-8.

All failures that no row can be blamed for leave here as :class:`DataError`, with the file's name as the recipe knows it.
Nothing but the files handed over is opened.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from recipec.api import DataError, Reader, SourceFile, literal
from recipec.diagnostics import nearest
from recipec.readers._archives import Damaged, Member, as_found, divided, inner_path

if TYPE_CHECKING:
    import duckdb

BLOCK = 1 << 18
"""Bytes read at a time: small enough that DuckDB's threads share one file's blocks."""
MAX_RECORD = 64 << 20
"""The longest record (line, CSV row, JSON element) that is read, in bytes; a longer one is a bad row."""
MAX_SHOWN = 1 << 16
"""How many bytes of an over-long record are kept to be shown."""
SAMPLE_WHOLE = 1 << 20
"""A file up to this size, in bytes, is looked at whole when names and types are inferred: it costs some 50 ms."""
SAMPLE_HEAD = 1 << 19
SAMPLE_PROBES = 32
"""Larger files: this much of the start, and so many probes spread over the rest."""
PROBE = 1 << 14
SAMPLE_FILES = 8
"""Of many files, so many are looked at, the first and the last among them; they share the sample's bytes."""
BOMB_FROM = 4 << 30
BOMB_TIMES = 500
"""A file that is unpacked to more bytes than the first, and to so many times its own size, is taken for a bomb. Text hardly ever
gets smaller than a hundredth."""

_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}
_COMPRESSION = {".gz": "gzip", ".zst": "Zstandard", ".bz2": "bzip2", ".xz": "xz"}
COMPRESSED = frozenset(_MAGIC)
MAGIC = (*_MAGIC.values(), b"PK\x03\x04", b"PAR1", b"SQLite f")
"""How files begin that are not text, whatever their name."""
_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_KEEP = "recipec-keep"


# Finding --------------------------------------------------------------------------------------------------------------


class FileReader(Reader):
    """Base of the readers of this package.

    ``free_names`` says that declared columns need not be in the header: they name fields that only some records have, or
    fields that have no names in the file. ``archives`` says how files in archives are read: as a ``stream``, ``copied`` to disk
    first because the reader must jump about in them, or not at all (empty).
    """

    archives: ClassVar[str] = "stream"
    alone: ClassVar[bool] = True
    """Whether a file's rows, the bad ones among them, are the same whatever other files the source has."""
    needs: ClassVar[tuple[str, str]] = ("", "")
    """A module that it cannot read without, and the extra that brings it."""

    @property
    def free_names(self) -> bool:
        return False

    def find(self, folder: Path) -> tuple[SourceFile, ...]:
        """The files whose contents decide the rows, for a recipe that lies in ``folder``."""
        return expand(self.paths(), folder)

    def explain(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], error: duckdb.Error) -> DataError:
        """DuckDB's error while it read the table that :meth:`load` made, in words. A view is read late, so errors come late."""
        names = ", ".join(f"`{f.name}`" for f in files[:3])
        return DataError(f"cannot read {names}: {str(error).splitlines()[0]}")


def find_files(reader: Reader, folder: Path) -> tuple[SourceFile, ...]:
    """The files of any reader, of this package or a plug-in's. Raises DataError for a missing file or an empty glob."""
    return reader.find(folder) if isinstance(reader, FileReader) else expand(reader.paths(), folder)


def expand(patterns: Sequence[str], folder: Path) -> tuple[SourceFile, ...]:
    """Paths and globs (``*``, ``?``, ``[...]``, ``**``) to files: in the order written, matches of a glob by name.

    A path that exists is itself, whatever characters it has. A file that two patterns match is read once. Files whose
    names begin with a dot match only a pattern that says so.
    """
    found: dict[str, SourceFile] = {}
    for pattern in patterns:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", pattern):
            raise DataError(f"`{pattern}` is not a path on this machine", "download it first, and name the local file")
        pattern, inside = divided(pattern, folder)
        path = folder / pattern
        if not path.exists() and any(c in pattern for c in "*?["):
            import glob

            matches = [Path(p) for p in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(p)]
            if not matches:
                raise DataError(f"no file matches `{pattern}`", f"paths are relative to the recipe's own folder{_near(path)}")
        elif not path.exists():
            raise DataError(f"no file `{pattern}`", f"paths are relative to the recipe's own folder{_near(path)}")
        else:
            matches = [path]
        for match in matches:
            file = as_found(match, _name(match, folder, pattern), inside)
            found.setdefault(f"{os.path.abspath(match)}!{inside}", file)
    return tuple(found.values())


def _name(path: Path, folder: Path, pattern: str) -> str:
    """A relative pattern gives a relative name; an absolute one keeps its own."""
    if os.path.isabs(pattern):
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def _near(path: Path) -> str:
    """The closest name in the folder where a missing file should be, as the end of a help line."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        path, folder = folder, folder.parent
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    stem = re.sub(r"[*?\[\]]", "", path.name)
    guess = nearest(stem, names)
    return f"; did you mean `{guess}`?" if guess else ""


# Opening --------------------------------------------------------------------------------------------------------------


def unreadable(file: SourceFile, error: OSError) -> DataError:
    """An operating system's refusal in words."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"no file `{file.name}`", f"paths are relative to the recipe's own folder{_near(file.path)}")
    if isinstance(error, IsADirectoryError):
        return DataError(f"`{file.name}` is a folder, not a file", f'name the files in it: "{file.name.rstrip("/")}/*"')
    if isinstance(error, PermissionError):
        return DataError(f"no permission to read `{file.name}`", "ask its owner, or change its mode: chmod u+r")
    return DataError(f"cannot read `{file.name}`: {error.strerror or error}")


_TOOL = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}


class Input:
    """The decompressed bytes of one file. A context manager; ``position`` is how far the file itself is read."""

    def __init__(
        self, file: SourceFile, con: duckdb.DuckDBPyConnection | None = None, *, suffix: str | None = None, magic: bool = True
    ) -> None:
        """``con`` is given by readers of headers, which must not import pyarrow: DuckDB then unpacks Zstandard. ``suffix`` says how
        the file is compressed, where its name does not. Without ``magic`` any contents will do that are not compressed against the name."""
        self.magic = magic
        self.file = file
        self.suffix = inner_path(file).suffix.lower() if suffix is None else suffix
        self.suffix = self.suffix if self.suffix in _MAGIC else ""
        self.given = 0
        """Bytes unpacked so far."""
        self.raw: IO[bytes]
        self.packed = 0
        """How many bytes it has as stored, where it is compressed; else 0."""
        if isinstance(file, Member):
            from recipec.readers._unpack import MemberStream

            stream = MemberStream(file)
            self.raw = cast("IO[bytes]", stream)
            self.size = file.size
            self.packed = stream.packed if stream.packed != self.size or self.suffix else 0
            self._check_magic(stream.peek(8))
        else:
            try:
                self.size = os.stat(file.path).st_size
                self.raw = open(file.path, "rb")  # noqa: SIM115 - closed by __exit__
                start = self.raw.read(8)
                self.raw.seek(0)
            except OSError as error:
                raise unreadable(file, error) from None
            self.packed = self.size if self.suffix else 0
            self._check_magic(start)
        self.errors: tuple[type[Exception], ...] = (EOFError, zlib.error)
        """What the decompressor raises for damaged data, beside OSError."""
        self.stream = self._open(con) if self.size else self.raw

    def _check_magic(self, start: bytes) -> None:
        """The name and the first bytes must agree: guessing would hide a wrong file. It is one file's fault: the others can be read."""
        name = self.file.name
        if self.suffix and self.size and not start.startswith(_MAGIC[self.suffix]):
            bare = name[: -len(self.suffix)]
            raise Damaged(
                f"`{name}` is not {_COMPRESSION[self.suffix]}: it begins with {start[:4].hex(' ')}",
                f"if it is not compressed, rename it to `{bare}`",
            )
        if not self.suffix and self.magic:
            for suffix, magic in _MAGIC.items():
                if start.startswith(magic) and (suffix != ".bz2" or start[4:8] == b"1AY&"):
                    raise Damaged(
                        f"`{name}` is compressed ({_COMPRESSION[suffix]}), but its name does not say so", f"rename it to `{name}{suffix}`"
                    )
            if start.startswith(b"PK\x03\x04"):
                what = "name it `.zip` for the files in it to be read" if not isinstance(self.file, Member) else "unpack it first"
                raise Damaged(f"`{name}` is a ZIP archive", f"{what} (a spreadsheet .xlsx is one too: save it as CSV)")
            if start.startswith(b"PAR1"):
                raise Damaged(f"`{name}` is a Parquet file", "read it with parquet(...)")
            if start.startswith(b"SQLite f"):
                raise Damaged(f"`{name}` is an SQLite database", "read it with sqlite(...)")

    def _open(self, con: duckdb.DuckDBPyConnection | None) -> IO[bytes]:
        if self.suffix == ".gz":
            import gzip

            return cast("IO[bytes]", gzip.GzipFile(fileobj=self.raw))
        if self.suffix == ".bz2":
            import bz2

            return bz2.BZ2File(self.raw)
        if self.suffix == ".xz":
            import lzma

            self.errors = (EOFError, lzma.LZMAError)
            return lzma.LZMAFile(self.raw)
        if self.suffix == ".zst":
            return self._zstandard(con)
        return self.raw

    def _zstandard(self, con: duckdb.DuckDBPyConnection | None) -> IO[bytes]:
        """Python's own module from 3.14 on; else pyarrow's, and for a sample DuckDB's."""
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            pass
        else:
            self.errors = (EOFError, zstd.ZstdError)
            return zstd.ZstdFile(self.raw)  # type: ignore[no-any-return,unused-ignore]
        plain = not isinstance(self.file, Member) and self.suffix == self.file.path.suffix.lower()
        if con is not None and plain and (start := _zstandard_start(self.file, con)) is not None:
            return io.BytesIO(start)
        import pyarrow as pa

        self.errors = (EOFError, pa.ArrowInvalid)
        return pa.CompressedInputStream(pa.PythonFile(self.raw, mode="r"), "zstd")  # type: ignore[no-any-return,unused-ignore]

    def _broken(self, error: Exception) -> Damaged:
        what = _COMPRESSION[self.suffix] if self.suffix else "file"
        if isinstance(error, EOFError) or "ended before" in str(error) or "truncated" in str(error).lower():
            help = "fetch or copy the file again"
            if self.given and self.suffix and not isinstance(self.file, Member) and self.suffix == self.file.path.suffix.lower():
                there = f"{self.given / 1e6:,.1f} MB" if self.given >= 1e6 else f"{self.given:,} bytes"
                bare = self.file.name[: -len(self.suffix)]
                help += f"; to go on with what there is ({there}): {_TOOL[self.suffix]} -dc {self.file.name} > {bare}"
            return Damaged(f"`{self.file.name}` ends in the middle: the {what} data is cut off", help)
        return Damaged(f"`{self.file.name}` is damaged: {what} cannot unpack it ({error})", "fetch or copy the file again")

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end."""
        try:
            data = self.stream.read(size)
            while self.suffix and 0 < len(data) < size and (more := self.stream.read(size - len(data))):
                data += more
            self.given += len(data)
            if self.packed and self.given > BOMB_FROM and self.given > BOMB_TIMES * self.packed:
                raise Damaged(
                    f"`{self.file.name}` is unpacked to more than {BOMB_TIMES} times its {self.packed / 1e6:,.1f} MB, as a bomb is",
                    "unpack it yourself if it is meant so",
                )
            return data
        except self.errors as error:
            raise self._broken(error) from None
        except OSError as error:  # gzip.BadGzipFile and some of pyarrow's errors are OSErrors too
            if self.suffix:
                raise self._broken(error) from None
            raise unreadable(self.file, error) from None

    @property
    def position(self) -> int:
        return self.raw.tell()

    def __enter__(self) -> Input:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.raw.close()


def size_of(file: SourceFile) -> int:
    """A file's size in bytes, as stored. Raises DataError."""
    if isinstance(file, Member):
        return file.size
    try:
        return os.stat(file.path).st_size
    except OSError as error:
        raise unreadable(file, error) from None


def _zstandard_start(file: SourceFile, con: duckdb.DuckDBPyConnection) -> bytes | None:
    """About the first MiB, unpacked by DuckDB's CSV reader, which is asked for whole lines; lines that are not UTF-8 are
    left out. None where that cannot be done: the file is in another encoding, or damaged."""
    import duckdb

    options = (
        "auto_detect=false, header=false, columns={'line': 'VARCHAR'}, delim='\x01', quote='', escape='', compression='zstd', "
        f"max_line_size={SAMPLE_WHOLE}, null_padding=true, strict_mode=false, ignore_errors=true"
    )
    try:
        lines = execute(con, f"SELECT line FROM read_csv({literal(str(file.path))}, {options}) LIMIT 40960")
    except duckdb.Error:
        return None
    return "".join((line or "") + "\n" for (line,) in lines).encode()[:SAMPLE_WHOLE] if lines else None


# Text -----------------------------------------------------------------------------------------------------------------


def _keep(error: UnicodeError) -> tuple[str, int]:
    """Undecodable bytes become lone surrogates, which are no valid UTF-8 afterwards: the record they are in is bad."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 + b) for b in error.object[error.start : error.end]), error.end


codecs.register_error(_KEEP, _keep)


def codec(encoding: str) -> codecs.CodecInfo:
    """The text codec of that name. Raises DataError for one that does not exist."""
    try:
        found = codecs.lookup(encoding)
    except LookupError:
        known = ("utf-8", "utf-16", "utf-32", "gb18030", "gbk", "big5", "latin-1", "cp1252", "shift_jis", "euc-jp", "euc-kr", "koi8-r")
        guess = nearest(encoding, known)
        raise DataError(
            f"no encoding `{encoding}`", f"did you mean `{guess}`?" if guess else f"among those known: {', '.join(known)}"
        ) from None
    if not found._is_text_encoding:
        raise DataError(f"`{encoding}` is no encoding of text", 'for example encoding: "gb18030"')
    return found


def names_utf8(encoding: str) -> bool:
    return codec(encoding).name in ("utf-8", "utf-8-sig")


def to_utf8(pieces: Iterator[bytes], file: SourceFile, encoding: str) -> Iterator[bytes]:
    """The pieces in UTF-8, without a byte order mark. What cannot be decoded comes through as bytes that are not UTF-8."""
    info = codec(encoding)
    first = True
    if names_utf8(encoding):
        for piece in pieces:
            if first:
                _check_bom(piece, file, encoding)
                piece = piece.removeprefix(codecs.BOM_UTF8)
                first = False
            yield piece
        return
    decoder: codecs.IncrementalDecoder | None = None
    for piece in _with_end(pieces):
        if decoder is None:
            if info.name in ("utf-16", "utf-32") and not any(piece.startswith(mark) for mark, name in _BOMS if name == info.name):
                info = codecs.lookup(f"{info.name}-le")  # as most programs write it; Python's own guess is the machine's
            assert info.incrementaldecoder is not None
            decoder = info.incrementaldecoder(errors=_KEEP)
        text = decoder.decode(piece, final=not piece)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if text:
            yield text.encode("utf-8", "surrogatepass")


def _with_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece
    yield b""


def _check_bom(start: bytes, file: SourceFile, encoding: str) -> None:
    for mark, name in _BOMS:
        if start.startswith(mark):
            raise DataError(
                f"`{file.name}` is {name.upper()}, not {encoding.upper()}: it begins with that byte order mark", f'encoding: "{name}"'
            )


def blocks(file: SourceFile, encoding: str, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """The file as UTF-8, a block at a time. ``progress`` is told how many bytes of the file are read."""

    def pieces(source: Input) -> Iterator[bytes]:
        while piece := source.read(BLOCK):
            if progress:
                progress(source.position)
            yield piece

    with Input(file) as source:
        yield from to_utf8(pieces(source), file, encoding)


def shown(raw: bytes) -> str:
    """Bytes as text for people: what is not UTF-8 as ``\\xff``."""
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace")
    return re.sub("[\ud800-\udfff]", lambda m: f"\\x{ord(m[0]) & 0xFF:02x}", text)


# Samples --------------------------------------------------------------------------------------------------------------


def sample_files(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Files to look at when names and types are inferred, evenly spread."""
    if len(files) <= SAMPLE_FILES:
        return list(files)
    last = len(files) - 1
    return [files[round(i * last / (SAMPLE_FILES - 1))] for i in range(SAMPLE_FILES)]


def sample_input(file: SourceFile, encoding: str, con: duckdb.DuckDBPyConnection) -> Input:
    """A file to take a sample from. DuckDB unpacks Zstandard as UTF-8 only; for other encodings it has to be pyarrow."""
    return Input(file, con if names_utf8(encoding) else None)


def sample(file: SourceFile, encoding: str, con: duckdb.DuckDBPyConnection, share: int = 1) -> tuple[list[bytes], bool]:
    """UTF-8 pieces of a file: its start, then parts from further on, each from the first whole line on.

    ``share`` divides the budget among several files. The flag says that the first piece is the whole file. A compressed
    file can only be looked at from its start, as can one in UTF-16 or UTF-32, whose lines cannot be found from the middle.
    """
    whole, head = SAMPLE_WHOLE // share, SAMPLE_HEAD // share
    with sample_input(file, encoding, con) as source:
        first = source.read(whole + 1)
        complete = len(first) <= whole
        if not complete:
            first = first[:head]
        pieces = [first]
        if (
            not complete
            and not source.suffix
            and not isinstance(file, Member)
            and not codec(encoding).name.startswith(("utf-16", "utf-32", "utf-7", "iso2022"))
        ):
            rest = source.size - head - PROBE
            for i in range(probes := max(SAMPLE_PROBES // share, 1)):
                source.raw.seek(head + round(rest * (i + 1) / probes))
                probe = source.raw.read(PROBE)
                pieces.append(probe[probe.find(b"\n") + 1 :])
    texts = [b"".join(to_utf8(iter([p]), file, encoding)) for p in pieces]
    if len(texts) > 1:
        texts[-1] += b"\n"  # the file's end ends its last line
    return texts, complete


def execute(con: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Run a statement to its end. An unfinished result would block the connection for what comes next."""
    result = con.execute(sql) if parameters is None else con.execute(sql, parameters)
    rows: list[tuple[Any, ...]] = result.fetchall()
    return rows
