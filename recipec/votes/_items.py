"""Which rows people's answers are about."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import quote
from recipec.identity import source_key

ROW = "__row"


def answered(relation: str, item: Sequence[str]) -> str:
    """SQL for the answers of a table with one more column, ``__row``: the ``_key`` of the row that an answer's item means.

    The columns ``item`` hold the row's key in its source, or the first of them the ``_key`` itself, for rows whose source declares no key and for
    rows made from others. An answer comes twice where its item reads as both; only one of the two can be a row's.
    """
    keyed = source_key([quote(i) for i in item])
    own = f"TRY_CAST({quote(item[0])}::VARCHAR AS UUID)"
    return (
        f"(SELECT *, {keyed} AS {ROW} FROM {relation} AS a UNION ALL "
        f"SELECT *, {own} AS {ROW} FROM {relation} AS a WHERE {own} IS NOT NULL AND {own} IS DISTINCT FROM {keyed})"
    )
