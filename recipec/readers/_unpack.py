"""Reading archives: :func:`unpacked` gives the files in them, and :class:`MemberStream` the bytes of one."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from recipec.api import DataError, SourceFile
from recipec.diagnostics import nearest
from recipec.readers._archives import MARK, TAR, ArchiveFile, Damaged, Member, hidden, kind_of, matcher
from recipec.readers._files import Input, unreadable

MOST_MEMBERS = 10_000_000
"""So many files of one archive are read."""
LOOK_MEMBERS = 8
"""Members that are looked at when names and types are inferred."""
LOOK_BYTES = 64 << 20
"""How far into a compressed tar a check looks for them, in bytes unpacked."""
LARGEST_COPY = 1 << 30
"""A file that must lie on disk to be read (Parquet, SQLite) is copied out of an archive for a check up to this size, in bytes."""

_SHORT = {".tgz": ".gz", ".tzst": ".zst", ".tbz": ".bz2", ".tbz2": ".bz2", ".txz": ".xz"}
_METHODS = {9: "Deflate64", 93: "Zstandard", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES encryption"}


class Archive:
    """An archive. Of files that have one name the last counts, as when it is unpacked."""

    def __init__(self, file: ArchiveFile) -> None:
        self.file = file
        self.path = file.path
        self.name = file.name[: -len(file.pattern) - 1] if file.pattern else file.name

    def entries(self, *, look: bool = False) -> Iterator[tuple[int, str, int, str]]:
        """Place, name and size of each file, and why it cannot be read, if so."""
        raise NotImplementedError

    def open(self, member: Member) -> IO[bytes]:
        raise NotImplementedError

    def packed(self, member: Member) -> int:
        """How many bytes the member takes, where it is compressed by itself; else its size."""
        return member.size

    def close(self) -> None:
        """Give back what is open; the next member opens it again."""

    def members(self, *, look: bool = False) -> list[Member]:
        """The files meant. ``look``: only the first few, and not far into what cannot be listed without unpacking it."""
        pattern = self.file.pattern
        wanted = matcher(pattern) if pattern else None
        found: dict[str, Member] = {}
        others: list[str] = []
        complete = True
        for count, (place, inside, size, wrong) in enumerate(self.entries(look=look), 1):
            if count > MOST_MEMBERS:
                raise DataError(f"`{self.name}` holds more than {MOST_MEMBERS:,} files", "unpack it, and read a part of it at a time")
            if (inside == pattern or wanted.fits(inside)) if wanted is not None else not hidden(inside):
                if wrong:
                    raise DataError(
                        f"`{self.name}{MARK}{inside}` is {wrong}, which is not read", "pack the archive anew without such files"
                    )
                found[inside] = Member(self.path, f"{self.name}{MARK}{inside}", self, place, size)
            elif len(others) < 1000:
                others.append(inside)
            if look and len(found) >= (LOOK_MEMBERS if pattern else 2):
                complete = False
                break
        else:
            complete = not look or getattr(self, "stopped", None) is not True
        if not pattern and len(found) > 1:
            names = sorted(found)
            listed = ", ".join(f"`{n}`" for n in names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
            suffix = Path(names[0]).suffix
            more = "" if complete else "at least "
            raise DataError(
                f"`{self.name}` holds {more}{len(found):,} files: {listed}",
                f'say which are meant: "{self.name}{MARK}**/*{suffix}", or "{self.name}{MARK}**" for all',
            )
        if not found and complete:
            if not pattern:
                raise DataError(f"`{self.name}` holds no files", "")
            own = pattern.rpartition("/")[2]
            guess = next((n for n in others if n.rpartition("/")[2] == own), None) or nearest(pattern, others)
            first = ", ".join(f"`{n}`" for n in others[:4])
            raise DataError(
                f"no file in `{self.name}` matches `{pattern}`",
                f"did you mean `{guess}`?" if guess else (f"it holds {first}{', ...' * (len(others) > 4)}" if others else "it is empty"),
            )
        return list(found.values())

    def bad(self, error: Exception, member: str = "") -> Damaged:
        """What an archive's or a member's damage is called."""
        what = f"`{self.name}{MARK}{member}`" if member else f"`{self.name}`"
        if isinstance(error, EOFError) or "end of" in str(error) or "truncated" in str(error).lower() or "unexpected end" in str(error):
            return Damaged(f"{what} ends in the middle: the archive is cut off or damaged", "fetch or copy the archive again")
        return Damaged(f"{what} is damaged: {error}", "fetch or copy the archive again")


_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, ValueError, NotImplementedError, RuntimeError)
"""What the modules of Python raise for archives that are not what they should be."""


class Zip(Archive):
    """Members in any order: where each begins stands in the archive's directory, at its end."""

    def __init__(self, file: ArchiveFile) -> None:
        super().__init__(file)
        self.zip: zipfile.ZipFile | None = None
        self.infos: list[zipfile.ZipInfo] = []

    def _opened(self) -> zipfile.ZipFile:
        if self.zip is not None:
            return self.zip
        try:
            with open(self.path, "rb") as raw:
                start, size = raw.read(4), raw.seek(0, 2)
            if not start.startswith(b"PK"):
                raise DataError(
                    f"`{self.name}` is not a ZIP archive: it begins with {start.hex(' ')}" if start else f"`{self.name}` is empty",
                    "was it fetched whole, and is it what its name says?",
                )
            self.zip = zipfile.ZipFile(self.path)
        except OSError as error:
            raise unreadable(self.file, error) from None
        except _ERRORS as error:
            raise Damaged(f"`{self.name}` is a damaged ZIP archive: {error}", "fetch or copy it again") from None
        self.infos = self.zip.infolist()
        if sum(i.compress_size for i in self.infos) > size:
            raise DataError(f"`{self.name}` says that it holds more than it has: its files overlap, as in a ZIP bomb", "do not trust it")
        return self.zip

    def entries(self, *, look: bool = False) -> Iterator[tuple[int, str, int, str]]:
        self._opened()
        for place, info in enumerate(self.infos):
            if not info.is_dir():
                yield place, _zip_name(info), info.file_size, ""

    def open(self, member: Member) -> IO[bytes]:
        archive, info = self._opened(), self.infos[member.place]
        if info.flag_bits & 1:
            raise Damaged(f"`{member.name}` is encrypted", "unpack the archive with its password first")
        if info.compress_type not in (0, 8, 12, 14):
            method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
            raise Damaged(f"`{member.name}` is packed with {method}, which is not read", "pack it anew with Deflate, or unpack it first")
        try:
            return archive.open(info)
        except _ERRORS as error:
            raise self.bad(error, member.inside) from None

    def packed(self, member: Member) -> int:
        return self.infos[member.place].compress_size

    def close(self) -> None:
        if self.zip is not None:
            self.zip.close()
            self.zip = None


def _zip_name(info: zipfile.ZipInfo) -> str:
    """A member's name. Where it is not said to be UTF-8, most programs wrote it in the encoding of their machine."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        raw = name.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/").encode("utf-8", "replace").decode()


class Tar(Archive):
    """Members one after another; a compressed one is read from its start again when an earlier member is asked for."""

    def __init__(self, file: ArchiveFile) -> None:
        super().__init__(file)
        found = TAR.search(self.name)
        assert found is not None
        suffix = found[0].lower()
        self.suffix = _SHORT.get(suffix, suffix.removeprefix(".tar"))
        self.source: Input | None = None
        self.tar: tarfile.TarFile | None = None
        self.next = 0
        self.stopped = False
        """A look that ended before the archive did."""

    def _start(self) -> tarfile.TarFile:
        self.close()
        self.source = Input(SourceFile(self.path, self.name), suffix=self.suffix)
        try:
            start = self.source.read(512)
            if start and (len(start) < 512 or (start[257:262] != b"ustar" and not _old_header(start))):
                raise DataError(f"`{self.name}` is not a tar archive: it begins with {start[:4].hex(' ')}", "is it what its name says?")
            if not start:
                raise DataError(f"`{self.name}` is empty", "was it fetched whole?")
            stream = cast("IO[bytes]", _Forward(start, self.source))
            self.tar = tarfile.open(fileobj=stream, mode="r|", errors="backslashreplace")  # noqa: SIM115 - closed by close()
        except tarfile.TarError as error:
            raise self.bad(error) from None
        self.next = 0
        return self.tar

    def _advance(self) -> tarfile.TarInfo | None:
        assert self.tar is not None
        try:
            info = self.tar.next()
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise self.bad(error) from None
        vars(self.tar)["members"] = []  # else every header stays in memory
        self.next += 1
        return info

    def entries(self, *, look: bool = False) -> Iterator[tuple[int, str, int, str]]:
        self._start()
        self.stopped = False
        while (info := self._advance()) is not None:
            if info.isreg() or info.islnk():
                name = info.name.removeprefix("./").encode("utf-8", "replace").decode()
                yield self.next - 1, name, info.size, "a sparse file" if info.issparse() else "a hard link" * info.islnk()
            assert self.source is not None
            if look and self.suffix and self.source.given > LOOK_BYTES:
                self.stopped = True
                return
        assert self.source is not None
        self.close()

    def open(self, member: Member) -> IO[bytes]:
        if self.tar is None or self.next > member.place:
            self._start()
        info: tarfile.TarInfo | None = None
        while self.next <= member.place and (info := self._advance()) is not None:
            pass
        assert self.tar is not None
        found = self.tar.extractfile(info) if info is not None else None
        if found is None:
            raise DataError(f"`{self.name}` has changed while it was read", "run again")
        return found

    def close(self) -> None:
        if self.tar is not None:
            self.tar.close()
            self.tar = None
        if self.source is not None:
            self.source.__exit__()
            self.source = None


def _old_header(start: bytes) -> bool:
    """A header of a tar before POSIX: without a magic, but its checksum is right."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


class _Forward(io.RawIOBase):
    """A file that can be read forwards only, the first bytes of which are there already."""

    def __init__(self, start: bytes, source: Input) -> None:
        super().__init__()
        self.start, self.source = start, source

    def read(self, size: int = -1) -> bytes:
        if self.start:
            data, self.start = self.start[:size], self.start[size:]
            return data + (self.source.read(size - len(data)) if len(data) < size else b"")
        return self.source.read(size)


class MemberStream(io.RawIOBase):
    """The bytes of a member, for decompressors too. What is wrong with them leaves as :class:`Damaged`."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member
        self.stream = member.archive.open(member)
        self.start = b""
        self.at = 0

    def peek(self, size: int) -> bytes:
        self.start = self._read(size)
        return self.start

    def read(self, size: int = -1) -> bytes:
        data, self.start = (self.start[:size], self.start[size:]) if size >= 0 else (self.start, b"")
        if size < 0 or len(data) < size:
            data += self._read(size - len(data) if size >= 0 else -1)
        self.at += len(data)
        return data

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    @property
    def packed(self) -> int:
        """How many bytes it takes in its archive, as far as that can be told."""
        return self.member.archive.packed(self.member)

    def _read(self, size: int) -> bytes:
        try:
            return self.stream.read(size)
        except _ERRORS as error:
            raise self.member.archive.bad(error, self.member.inside) from None

    def close(self) -> None:
        self.stream.close()
        super().close()


def opened(file: ArchiveFile) -> Archive:
    """The archive that a file is, by its name. Raises DataError for a kind that is not read."""
    name = file.name[: -len(file.pattern) - 1] if file.pattern else file.name
    match kind_of(name):
        case "zip":
            return Zip(file)
        case "tar":
            return Tar(file)
        case _:
            raise DataError(f"`{name}` is an archive of a kind that is not read", "unpack it first, or pack it as .zip or .tar.zst")


@contextmanager
def unpacked(reader: object, files: Sequence[SourceFile], folder: Path | None, *, look: bool = False) -> Iterator[tuple[SourceFile, ...]]:
    """See :func:`recipec.readers._archives.read_through`."""
    out: dict[str, SourceFile] = {}  # two patterns may mean one file
    with ExitStack() as stack:
        copied = getattr(reader, "archives", "") == "copied"
        if copied and folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="recipec-")))
        for number, file in enumerate(files):
            if not isinstance(file, ArchiveFile):
                out.setdefault(file.name, file)
                continue
            archive = opened(file)
            stack.callback(archive.close)
            for member in archive.members(look=look):
                if member.name not in out:
                    out[member.name] = _copied(member, folder / f"unpacked-{number}-{member.place}", look) if copied and folder else member
        yield tuple(out.values())


def _copied(member: Member, path: Path, look: bool) -> SourceFile:
    if look and member.size > LARGEST_COPY:
        raise DataError(
            f"`{member.name}` has {member.size / 1e9:,.1f} GB, too much to be copied out of its archive for a look at its columns",
            "unpack the archive, and name the file",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    stream = MemberStream(member)
    with path.open("wb") as out:
        while data := stream.read(1 << 20):
            left -= len(data)
            if left < 0:
                raise DataError(f"`{member.name}` is longer than its archive says", "do not trust it")
            out.write(data)
    stream.close()
    return SourceFile(path, member.name)
