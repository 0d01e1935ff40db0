"""Archives read through: what is in a ZIP or a tar is read where it lies, and nothing is unpacked to disk.

In a recipe ``data/dump.zip`` is the one file in that archive, and ``data/all.tar.zst!docs/**/*.md`` those of its files that the
pattern after the ``!`` matches. Until rows are read an archive is one :class:`ArchiveFile`; :func:`recipec.readers._unpack.unpacked` makes of it a
:class:`Member` for each of the files meant. Members keep the archive's own order, so that a compressed tar, which can only be
read from its start, is gone through once to list it and once to read it.

Names of members are names and nothing else: no path on this machine is made from them.

Sources of the formats: PKWARE APPNOTE 6.3.10 (ZIP), POSIX.1-2001 pax and GNU tar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recipec.api import DataError, SourceFile

if TYPE_CHECKING:
    from recipec.readers._unpack import Archive

MARK = "!"
"""Between an archive and what is meant in it."""

TAR = re.compile(r"\.(?:tar(?:\.(?:gz|zst|bz2|xz))?|tgz|tzst|tbz2?|txz)$", re.I)
_OTHER = re.compile(r"\.(?:7z|rar|cab|lha|arj|iso)$", re.I)


class Damaged(DataError):
    """One file's contents cannot be unpacked. What else there is can still be read."""


@dataclass(frozen=True, slots=True)
class ArchiveFile(SourceFile):
    """``path`` is the archive, ``pattern`` what is meant in it (empty: its one file); ``name`` is both, joined by ``!``."""

    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Member(SourceFile):
    """A file in an archive. ``path`` is the archive's, ``name`` the archive's name, ``!`` and the member's."""

    archive: Archive
    place: int
    """Its number among the archive's entries."""
    size: int
    """In bytes, unpacked from the archive; itself it may be compressed still."""

    @property
    def inside(self) -> str:
        return self.name[len(self.archive.name) + 1 :]


def inner_path(file: SourceFile) -> Path:
    """A file's own name, for its suffix: within its archive, if it is in one."""
    return Path(file.inside) if isinstance(file, Member) else file.path


# Names in a recipe ----------------------------------------------------------------------------------------------------


def kind_of(path: str) -> Literal["zip", "tar", ""]:
    """Which kind of archive a path names, by its suffix."""
    if path.lower().endswith(".zip"):
        return "zip"
    return "tar" if TAR.search(path) else ""


def divided(pattern: str, folder: Path) -> tuple[str, str]:
    """The archive's path or glob, and the pattern inside; empty where nothing inside is named.

    Only what stands behind an archive's suffix is inside, and a file that really has such a name is itself.
    """
    for found in re.finditer(re.escape(MARK) + "/?", pattern):
        outside, inside = pattern[: found.start()], pattern[found.end() :]
        if inside and (kind_of(outside) or _OTHER.search(outside)) and not (folder / pattern).exists():
            return outside, inside
    return pattern, ""


def as_found(path: Path, name: str, inside: str) -> SourceFile:
    """The file that a recipe's path led to."""
    if inside:
        return ArchiveFile(path, f"{name}{MARK}{inside}", inside)
    return ArchiveFile(path, name) if kind_of(name) else SourceFile(path, name)


@cache
def matcher(pattern: str) -> re.Pattern[str]:
    """A glob over names in an archive: ``*`` and ``?`` stay within a folder, ``**`` is any folders, ``[ab]`` is one of them.

    Names that begin with a dot match only where the pattern says so, as on disk.
    """
    out = ""
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            out += r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if last else "")
            continue
        if part[:1] in ("*", "?", "["):
            out += r"(?!\.)"
        at = 0
        while at < len(part):
            char = part[at]
            if char == "*":
                out += "[^/]*"
            elif char == "?":
                out += "[^/]"
            elif char == "[" and (close := part.find("]", at + 2)) > 0:
                body = part[at + 1 : close].replace("\\", "\\\\")
                out += f"(?!/)[{'^' + body[1:] if body[0] == '!' else body.replace('^', chr(92) + '^')}]"
                at = close
            else:
                out += re.escape(char)
            at += 1
        out += "" if last else "/"
    try:
        return re.compile(out)
    except re.error:
        return re.compile(re.escape(pattern))


def hidden(name: str) -> bool:
    """What programs leave in archives beside the files that people put there."""
    return name.startswith("__MACOSX/") or any(p.startswith(".") for p in name.split("/"))


@contextmanager
def read_through(
    reader: object, files: Sequence[SourceFile], folder: Path | None = None, *, look: bool = False
) -> Iterator[tuple[SourceFile, ...]]:
    """The files that rows come from: those given, and of archives the members that are meant.

    ``look`` is for a header: a few members are enough. ``folder`` takes copies for readers that read files in place
    (``archives = "copied"``); without one they are gone at the end. Raises DataError for what cannot be read.
    """
    if not any(isinstance(f, ArchiveFile) for f in files):
        yield tuple(files)
        return
    from recipec.readers._unpack import unpacked

    with unpacked(reader, files, folder, look=look) as found:
        yield found
