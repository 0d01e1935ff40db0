"""An offer to write something, and how names are written in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recipec.lsp.names import CannotRename, spelled
from recipec.resolve.types import shown


@dataclass(frozen=True)
class Offer:
    """A thing to write. ``what`` is one of LSP's kinds of completion items, in lower case; ``snippet`` is inserted instead of
    ``label``; ``rank`` sorts, least first."""

    label: str
    what: str
    detail: str = ""
    doc: str = ""
    snippet: str = ""
    rank: int = 5


def typed(type: str) -> str:
    return shown(type) if type != "?" else ""


def spell(name: str) -> str:
    try:
        return spelled(name)
    except CannotRename:
        return name


def escape(text: str) -> str:
    """A text that a snippet takes as it is."""
    return re.sub(r"([$}\\])", r"\\\1", text)
