"""The column of text that a vote reads."""

from __future__ import annotations

from collections.abc import Iterable

from recipec.api import ColumnName, Schema, quote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import MissingSetting, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree


def check_text(bind: StepBinder, schema: Schema, given: ColumnName | None, call: tree.Op, hints: Iterable[str] = ()) -> str:
    """The name of the column: the one given, one of ``hints`` that is there, or the only one of text. Reports when there is none."""
    if given is not None:
        if given.type != "VARCHAR" and not schema.unknown:
            bind.report(WrongType(span=given.span, message=f"a vote reads text; `{given.name}` is {shown(given.type)}"))
        return given.name
    hinted = next((h for h in hints if schema.types.get(h) == "VARCHAR"), None)
    texts = [c.name for c in schema.columns if c.type == "VARCHAR"]
    if hinted is not None:
        return hinted
    if len(texts) == 1 or (texts and schema.unknown):
        return texts[0]
    if "text" in texts:
        return "text"
    if not schema.unknown:
        listed = ", ".join(f"`{t}`" for t in texts[:6]) or "no column of text"
        bind.report(MissingSetting(span=call.call.span, message="which column is the text?", help=(f"text: NAME; there is {listed}",)))
    return "text"


def text_column(name: str) -> str:
    """SQL for the text; an empty one for a null, so that nothing is found in it."""
    return f"coalesce({quote(name)}, '')"
