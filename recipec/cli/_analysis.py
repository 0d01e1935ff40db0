"""Everything that can be found in a recipe without running it. Imports the compiler; see ``_cache`` for how to avoid it."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.source import Source

if TYPE_CHECKING:
    from recipec.resolve.program import Program


def analyse(source: Source, sets: Mapping[str, str], *, offline: bool, workspace: Path | None = None) -> Program:
    """The resolved program of a recipe; its ``findings`` hold what every stage found. Raises CannotRun where ``pyproject.toml`` is wrong."""
    # pydantic looks for plug-ins in the metadata of every installed package, which takes as long as a small check.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    try:
        from recipec.cli._config import config_for
        from recipec.cli._known import Known
        from recipec.resolve.loading import load

        program = load(source, sets, offline=offline)
        program.workspace = workspace
        program.prices = config_for(source.path).prices
        known = Known(source)
        known.lend(program)
        program.resolve()
        known.keep(program)
    finally:
        gc.enable()
    return program


def add_lints(program: Program) -> None:
    """Look a program over for mistakes of data science; what is found goes to its ``findings``."""
    gc.disable()
    try:
        from recipec.lints._run import lint

        program.findings.extend(lint(program))
    finally:
        gc.enable()
