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


def stem_of(file: SourceFile) -> str:
    """A file's own name without its suffix, and without the one that says how it is compressed: ``wa`` of ``wa.txt.zst``."""
    path = inner_path(file)
    return Path(path.stem).stem if path.suffix.lower() in (".gz", ".zst", ".bz2", ".xz") else path.stem


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


class Glob:
    """A glob over names in an archive or a store: ``*`` and ``?`` stay within a folder, ``**`` is any folders, ``[ab]`` is one of them.

    Names that begin with a dot match only where the pattern says so, as on disk. Whoever wrote the pattern: a name is matched in time that grows with
    its length times the pattern's, never with a power of it.
    """

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        # `**/**` is `**`.
        self.parts = [p for n, p in enumerate(parts) if not (p == "**" and n and parts[n - 1] == "**")]
        self.each = [None if p == "**" else part_of(p) for p in self.parts]

    def fits(self, name: str) -> bool:
        """Whether the whole of a name is as the pattern says."""
        last = len(self.each) - 1
        at = self.further({0})
        for inside in name.split("/"):
            after: set[int] = set()
            for n in at:
                if n > last:
                    continue
                fit = self.each[n]
                if fit is not None:
                    if fit.fullmatch(inside) is not None:
                        after.add(n + 1)
                elif inside and not inside.startswith("."):
                    after.add(n)
                    if n == last:
                        after.add(n + 1)
            at = self.further(after)
        return last + 1 in at

    def further(self, at: set[int]) -> set[int]:
        """The places in the pattern that are reached without a folder: ``**`` may be none, unless it is the last."""
        return at | {n + 1 for n in at if n < len(self.each) - 1 and self.each[n] is None}


def part_of(part: str) -> re.Pattern[str]:
    """The names that a part of a glob, between two slashes, matches. What stands between two stars is looked for once, from the left: its first
    place is as good as any, so the pattern need not go back to it."""
    fixed = [""]
    at = 0
    while at < len(part):
        char = part[at]
        if char == "*":
            fixed.append("")
        elif char == "?":
            fixed[-1] += "."
        elif char == "[" and (close := part.find("]", at + 2)) > 0:
            body = part[at + 1 : close].replace("\\", "\\\\")
            fixed[-1] += f"[{'^' + body[1:] if body[0] == '!' else body.replace('^', chr(92) + '^')}]"
            at = close
        else:
            fixed[-1] += re.escape(char)
        at += 1
    first, *rest = fixed
    between = "".join(f"(?>.*?{f})" for f in rest[:-1] if f)
    out = first + between + (f".*{rest[-1]}" if rest else "")
    try:
        return re.compile(r"(?!\.)" * (part[:1] in ("*", "?", "[")) + out, re.S)
    except re.error:
        return re.compile(re.escape(part))


@cache
def matcher(pattern: str) -> Glob:
    return Glob(pattern)


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
