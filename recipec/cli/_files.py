"""The recipes that a command is about."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from recipec.cli._errors import CannotRun
from recipec.source import Source

STDIN = "-"
MOST_BYTES = 16_000_000
"""Of a file that is said to be a recipe."""


def collect(arguments: Iterable[str]) -> list[str]:
    """The files that arguments name, folders replaced by the ``*.recipe`` files below them; each once, in order.

    Hidden folders are not entered. Raises CannotRun for what does not exist, and when a folder holds no recipe.
    """
    out: dict[str, None] = {}
    for argument in arguments:
        if argument == STDIN or not os.path.isdir(argument):
            if argument != STDIN and not os.path.exists(argument):
                raise CannotRun(f"no file `{argument}`" + near(argument))
            out[argument] = None
            continue
        found = list(below(argument))
        if not found:
            raise CannotRun(f"no .recipe file in `{argument}`", "recipec init writes one to start from")
        out.update(dict.fromkeys(found))
    return list(out)


def below(folder: str) -> Iterator[str]:
    top = os.path.join(os.path.realpath(folder), "")
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            if name.endswith(".recipe"):
                path = os.path.join(place, name)
                # What a folder holds nobody has named: a link out of it, or a pipe, is none of its recipes.
                if not (os.path.isfile(path) and os.path.realpath(path).startswith(top)):
                    continue
                yield path.removeprefix(f".{os.sep}") if folder == "." else path


def near(path: str) -> str:
    """``; did you mean ...?`` for a file that is not there."""
    from recipec.diagnostics import nearest

    folder, name = os.path.split(path)
    try:
        names = [n for n in os.listdir(folder or ".") if n.endswith(".recipe")]
    except OSError:
        return ""
    guess = nearest(name, names)
    return f"; did you mean `{os.path.join(folder, guess)}`?" if guess else ""


def read(path: str, shown: str | None = None) -> Source:
    """A recipe as text, its line ends as they are. ``shown`` is the name for standard input. Raises CannotRun."""
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as stream:
                data = stream.read(MOST_BYTES + 1)
                if len(data) > MOST_BYTES:
                    raise CannotRun(f"`{path}` is too large for a recipe: more than {MOST_BYTES:,} bytes", "data are files of their own")
    except OSError as error:
        raise CannotRun(f"cannot read `{path}`: {error.strerror}") from None
    return Source(shown or path, decode(data, shown or path))


def decode(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise CannotRun(f"{path}:{line}:{column}: not UTF-8 text (byte 0x{data[error.start]:02x})", "save the file as UTF-8") from None


def write(path: str, text: str) -> None:
    """Put a file in place whole or not at all, with the permissions it had (a new one: 0644). Raises CannotRun."""
    import tempfile

    target = os.path.realpath(path)
    temporary = ""
    try:
        mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else 0o644
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=f".{os.path.basename(target)}-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise CannotRun(f"cannot write `{path}`: {error.strerror}") from None
