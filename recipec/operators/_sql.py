"""SQL that operators share."""

from __future__ import annotations

from collections.abc import Mapping

from recipec.api import HIDDEN, ORDER, Schema, quote


def projection(
    schema: Schema, changes: Mapping[str, str] | None = None, *, why: str = "_why", because: str = "_because", prefix: str = ""
) -> str:
    """The select list of a rewrite: hidden columns, those of ``schema``, and the reason for dropping.

    ``changes`` gives other SQL for some columns, hidden ones too.
    """
    other = changes or {}
    hidden = [h for h in HIDDEN if h != ORDER or schema.ordered]
    columns = [f"{other[c]} AS {quote(c)}" if c in other else f"{prefix}{quote(c)}" for c in (*hidden, *schema.names)]
    return ", ".join([*columns, f"{why} AS _why", f"{because} AS _because"])


def order_by(schema: Schema) -> str:
    """The order of a table's rows: the one that ``sort`` gave it, else its keys'."""
    return f"{ORDER}, _key" if schema.ordered else "_key"
