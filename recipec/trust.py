"""Whose code a run may execute: the user says so, for folders, outside of every repository.

A recipe is data, but its ``python`` steps and plug-ins are programs that run with all the rights of who runs them. They are executed only from
folders that the user trusts: in ``trust.json`` of the user's own configuration folder (``$XDG_CONFIG_HOME/recipec``, or ``~/.config/recipec``),
in the environment variable ``RECIPEC_TRUST`` (folders parted by ``:``, for CI), or for one run alone (``recipec run --trust``). A folder
stands for all that lies below it. Places are compared as they really are, links followed. Nothing in a repository can say that it is trusted.

:func:`allowed` is asked by what loads such a file, right before it is executed; there is no other way to one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recipec.api import DataError
from recipec.record import record

VARIABLE = "RECIPEC_TRUST"
NAME = "trust.json"
_for_now: list[Path] = []
"""Folders trusted while :func:`trusting` lasts."""


@record(frozen=True)
class OwnCode:
    """A function of the recipe's own: ``shown`` is its file as the recipe's folder has it, ``step`` what calls it."""

    step: str
    file: Path
    shown: str
    function: str

    def __str__(self) -> str:
        return f"`{self.function}` in {self.shown} (step `{self.step}`)"


def configuration() -> Path:
    """The user's list of trusted folders. Raises DataError where there is no home for it."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "recipec" / NAME
    except RuntimeError:
        raise DataError("there is no home folder to keep the list of trusted folders in", f"set XDG_CONFIG_HOME, or {VARIABLE}") from None


def listed() -> list[Path]:
    """The folders of the user's list. Raises DataError for a list that cannot be read, or that somebody else could have written."""
    path = configuration()
    try:
        status = path.stat()
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", "mend it, or remove it and trust anew"
        ) from None
    if os.name == "posix" and (status.st_uid not in (os.getuid(), 0) or status.st_mode & 0o022):
        raise DataError(f"{path} can be written by others: nothing in it is trusted", f"chmod go-w {path}, and look what it says")
    try:
        found = json.loads(text)
        folders = found["folders"]
        if not isinstance(folders, list) or not all(isinstance(f, str) and os.path.isabs(f) for f in folders):
            raise ValueError("`folders` is no list of absolute paths")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no list of trusted folders: {error}", "mend it, or remove it and trust anew") from None
    return [Path(f) for f in folders]


def write(folders: Iterable[Path]) -> None:
    """Put the list in place whole or not at all, readable and writable by the user alone. Raises DataError."""
    path = configuration()
    temporary = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        import tempfile

        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{NAME}-")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps({"folders": sorted({str(f) for f in folders})}, ensure_ascii=False, indent=2) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise DataError(f"cannot write {path}: {error.strerror}", f"set XDG_CONFIG_HOME to a folder of yours, or {VARIABLE}") from None


def real(folder: str | Path) -> Path:
    """A folder as it really is."""
    return Path(os.path.realpath(folder))


def add(folder: str | Path) -> Path:
    """Trust a folder from now on; gives it as it really is. Raises DataError for what is none."""
    place = real(folder)
    if not place.is_dir():
        raise DataError(f"there is no folder `{folder}`", "trust is given to the folder of a recipe, or one above it")
    write([*listed(), place])
    return place


def remove(folder: str | Path) -> list[Path]:
    """Take a folder's trust back; gives the folders on the list that it still lies in. Raises DataError where it is not on the list."""
    place, known = real(folder), listed()
    if place not in known:
        raise DataError(f"`{place}` is not on the list", "recipec trust shows it")
    left = [f for f in known if f != place]
    write(left)
    return [f for f in left if place.is_relative_to(f)]


@contextmanager
def trusting(folder: str | Path) -> Iterator[None]:
    """Trust a folder for as long as this lasts, in this process."""
    place = real(folder)
    _for_now.append(place)
    try:
        yield
    finally:
        _for_now.remove(place)


def allowed(file: Path) -> bool:
    """Whether a file may be executed. Raises DataError for a list that cannot be read."""
    place = real(file)
    folders = [*_for_now, *(real(f) for f in os.environ.get(VARIABLE, "").split(os.pathsep) if f)]
    return any(place.is_relative_to(f) for f in folders) or any(place.is_relative_to(f) for f in listed())


@contextmanager
def consented(codes: Sequence[OwnCode], given: bool, folder: Path, recipe: str) -> Iterator[None]:
    """For as long as this lasts those functions may be executed, ``given`` or because the user trusts their folders. Raises DataError
    where neither is so."""
    if not given and (unknown := untrusted(codes)):
        raise refusal(unknown, folder, recipe)
    with ExitStack() as stack:
        for place in sorted({c.file.parent for c in codes}) if given else ():
            stack.enter_context(trusting(place))
        yield


def untrusted(codes: Sequence[OwnCode]) -> list[OwnCode]:
    """Those of a recipe's functions that may not be executed."""
    known: dict[Path, bool] = {}
    for code in codes:
        if code.file not in known:
            known[code.file] = allowed(code.file)
    return [c for c in codes if not known[c.file]]


def refusal(codes: Sequence[OwnCode], folder: Path, recipe: str) -> DataError:
    """What is told where code may not be executed: what it is, and every way to allow it."""
    some = ", ".join(map(str, codes[:3])) + (f" and {len(codes) - 3} more" if len(codes) > 3 else "")
    return DataError(
        f"this recipe runs code that lies beside it, and you have not said that you trust it: {some}",
        f"it can do all that you can. Read it; then: recipec trust {real(folder)} (for good), recipec run {recipe} --trust (this run), or {VARIABLE} in CI",
    )


def check(file: Path, function: str) -> None:
    """Raises DataError for a file that may not be executed."""
    if not allowed(file):
        raise DataError(
            f"`{function}` in {file.name} is not run: nobody has said that {real(file.parent)} is trusted",
            f"read it; then: recipec trust {real(file.parent)}, or recipec run --trust for one run",
        )
