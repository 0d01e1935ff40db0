"""What DuckDB said of a recipe, kept so that after an edit only what changed is asked again.

Two kinds of answers are kept, for each recipe those that its last analysis used: the types of lasting queries
(:meth:`recipec.resolve.typing.Typing.types`), which follow from their text; and the headers of source files, which follow from the
reader's settings and the files, known by size, time and inode. Where nothing new must be asked, DuckDB is not loaded. The entry lies in
the user's own cache folder as those of :mod:`recipec.cli._cache` do, and is of no use to another version of recipec or of DuckDB, or
once a package is installed.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli._cache import cache_folder, code_stamp, digest, save, saved, stamp
from recipec.resolve.typing import Types

if TYPE_CHECKING:
    from recipec.resolve.program import Program
    from recipec.source import Source

MOST = 4_000
"""Answers kept for one recipe."""


class Known:
    """The answers kept for a recipe; none where nothing is kept."""

    def __init__(self, source: Source) -> None:
        folder = cache_folder()
        self.path = None if folder is None or source.path == "-" else folder / f"known-{digest(os.getcwd(), source.path)}.json"
        self.types: Types = {}
        self.headers: Types = {}
        if self.path is not None:
            self.types, self.headers = read(self.path)

    def lend(self, program: Program) -> None:
        """Let a program that is not resolved yet have them."""
        program.typing.known, program.reading.known = self.types, self.headers

    def keep(self, program: Program) -> None:
        """Keep what the program, now resolved, used. A cache that cannot be written only costs time."""
        types, headers = program.typing.lasting, program.reading.lasting
        if self.path is None or (types.keys() == self.types.keys() and headers.keys() == self.headers.keys()):
            return
        if len(types) + len(headers) > MOST:
            return
        entry = {"for": stamps(), "types": types, "headers": headers}
        try:
            save(self.path, json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        except OSError:
            return


def read(path: Path) -> tuple[Types, Types]:
    """What an entry holds; nothing where it is of no use."""
    try:
        body = saved(path)
        entry = json.loads(body) if body is not None else {}
        if entry and entry["for"] == stamps():
            return checked(entry["types"]), checked(entry["headers"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    return {}, {}


def checked(answers: Types) -> Types:
    """Raises TypeError for what this version cannot have written."""
    for answer in answers.values():
        if not answer or not all(isinstance(text, str) for text in answer.values()):
            raise TypeError
    return answers


@cache
def stamps() -> list[object]:
    """What all answers depend on: recipec's code, and the engine's file."""
    found = find_spec("_duckdb") or find_spec("duckdb")
    return [code_stamp(), found.origin if found is not None else None, stamp(found.origin) if found is not None and found.origin else None]
