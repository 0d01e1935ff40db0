"""Everything that can be found in a recipe without running it. Imports the compiler; see ``_cache`` for how to avoid it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recipec.source import Source

if TYPE_CHECKING:
    from recipec.resolve.program import Program


def analyse(source: Source, sets: Mapping[str, str], *, offline: bool) -> Program:
    """The resolved program of a recipe; its ``findings`` hold what every stage found."""
    from recipec.resolve.loading import load

    program = load(source, sets, offline=offline)
    program.resolve()
    return program
