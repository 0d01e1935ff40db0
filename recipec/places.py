"""Where a recipe's files may lie, and how much is looked through to find them.

A recipe that somebody else wrote can be checked without harm: what it names is looked at only where its text says so. A path that is
written as one inside the recipe's repository and leads out of it by a symbolic link says something else than it does, and is refused;
a pipe or a device, which may never end, is no file of a recipe; and a glob stops after :data:`MOST_ENTRIES` entries of folders.
"""

from __future__ import annotations

import io
import os
import re
import stat
from fnmatch import translate
from functools import cache
from pathlib import Path

from recipec.api import DataError

MOST_ENTRIES = 5_000_000
"""Entries of folders that a glob looks at, which takes some ten seconds: more are no data set's, but a whole disk."""
MOST_MATCHES = 2_000_000
"""Files that one glob may match."""
MOST_TEXT = 4_000_000
"""Bytes of a file of text that is read whole: a recipe, a module, a list of prices."""


def boundary(folder: Path) -> Path:
    """The git repository that a folder lies in, or where there is none the folder: nothing outside is read unasked."""
    folder = folder.resolve()
    return next((p for p in (folder, *folder.parents) if (p / ".git").exists()), folder)


class Places:
    """The files of one recipe: which of them may be opened. ``folder`` is the recipe's; what was found of a folder is remembered."""

    def __init__(self, folder: Path) -> None:
        self.given, self.folder = folder, folder.resolve()
        self.top = boundary(folder)
        self.out: dict[str, bool] = {}

    def unfit(self, path: Path, name: str) -> DataError | None:
        """Why a file or folder that is there is not opened; None where it may be."""
        try:
            found = os.lstat(path)
            kind = os.stat(path).st_mode if stat.S_ISLNK(found.st_mode) else found.st_mode
        except (OSError, ValueError):
            return None  # whoever opens it says it better
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            return DataError(f"`{name}` is no file but a pipe, a socket or a device", "save what comes out of it as a file")
        place = os.path.dirname(path)
        if stat.S_ISLNK(found.st_mode) or stat.S_ISDIR(kind):
            led = self.led_out(path)
        else:
            if place not in self.out:
                self.out[place] = self.led_out(Path(place))
            led = self.out[place]
        if led:
            help = "write the place itself, so that who reads the recipe sees it, or put the file there"
            return DataError(f"`{name}` leads out of the recipe's repository by a link", help)
        return None

    def led_out(self, path: Path) -> bool:
        """Whether a path is written as one inside the recipe's repository and, by a link, is not."""
        # Only the folder of the recipe is taken as it really is; from there on the path counts as it is written.
        below = path.relative_to(self.given) if path.is_relative_to(self.given) else path
        written = os.path.normpath(os.path.join(self.folder, below))
        return Path(written).is_relative_to(self.top) and not Path(os.path.realpath(path)).is_relative_to(self.top)


def bytes_at(path: Path) -> bytes:
    """A file, read whole. Raises OSError, and DataError for what is no file or too long."""
    kind = os.stat(path).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise DataError("it is a pipe, a socket or a device")
    with open(path, "rb") as stream:
        data = stream.read(MOST_TEXT + 1)
    if len(data) > MOST_TEXT:
        raise DataError(f"it has more than {MOST_TEXT:,} bytes")
    return data


def text_at(path: Path) -> str:
    """A file of text, as :func:`bytes_at`; raises UnicodeDecodeError where it is not UTF-8."""
    return io.TextIOWrapper(io.BytesIO(bytes_at(path)), encoding="utf-8").read()


def matches(pattern: str, folder: Path) -> list[Path]:
    """The files that a glob matches, sorted; as ``glob`` has it: ``*``, ``?`` and ``[...]`` within a name, ``**`` for any folders, and names
    that begin with a dot only where the pattern says so. Links to folders are followed where the pattern names them, not by ``**``.

    Raises DataError where it would look through too much.
    """
    whole = os.path.join(folder, pattern)
    parts = [p for n, p in enumerate(whole.split("/")) if p != "" or n == 0]
    root = "/" if whole.startswith("/") else ""
    parts = parts[1:] if root else parts
    # `**/**` is `**`: each more of them would look through everything again.
    parts = [p for n, p in enumerate(parts) if not (p == "**" and n and parts[n - 1] == "**")]
    left = MOST_ENTRIES
    found: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    waiting = [(root, 0)]
    while waiting:
        place, at = waiting.pop()
        if (place, at) in seen:
            continue
        seen.add((place, at))
        if at == len(parts):
            if os.path.isfile(place):
                found[place] = None
                if len(found) > MOST_MATCHES:
                    raise DataError(f"`{pattern}` matches more than {MOST_MATCHES:,} files", "put them together, or into several sources")
            continue
        part = parts[at]
        if not any(c in part for c in "*?["):
            waiting.append((os.path.join(place, part), at + 1))
            continue
        if part == "**":
            waiting.append((place, at + 1))
        final = at + 1 == len(parts)
        fits = re.compile("") if part == "**" else named(part)
        try:
            with os.scandir(place or ".") as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        help = "name the folder that holds the data, or fewer levels of it"
                        raise DataError(f"`{pattern}` looks through more than {MOST_ENTRIES:,} files and folders", help)
                    name = entry.name
                    if name.startswith(".") and not part.startswith("."):
                        continue
                    if part == "**" and entry.is_dir(follow_symlinks=False):
                        waiting.append((os.path.join(place, name), at))
                    elif (part == "**" and not final) or not fits.match(name):
                        continue
                    elif not final:
                        waiting.append((os.path.join(place, name), at + 1))
                    elif entry.is_file():  # the folder says so already, which saves a call for each file
                        found[os.path.join(place, name)] = None
                        if len(found) > MOST_MATCHES:
                            help = "put them together, or into several sources"
                            raise DataError(f"`{pattern}` matches more than {MOST_MATCHES:,} files", help)
        except (OSError, ValueError):
            continue  # as glob has it: what cannot be listed holds no match
    return [Path(f) for f in sorted(found)]


@cache
def named(part: str) -> re.Pattern[str]:
    """The names that a part of a glob matches. Python makes them so that no name takes long to be refused."""
    return re.compile(translate(part))
