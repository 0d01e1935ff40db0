"""Classes: found in the rows, put in an order that people expect; tags of tokens as spans of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recipec.api import DataError, ExportContext, quote
from recipec.engines.order import source
from recipec.formats._types import Type, is_list

MOST_CLASSES = 10_000
"""More different values than this are no classes: the column was chosen by mistake."""
PREFIXES = ("B", "I", "E", "S", "L", "U")
"""Of BIO, BIOES and BILOU tags."""


def single(t: Type) -> Type:
    """The type of one label: the item's for lists."""
    return t.item if is_list(t) else t


def found_classes(ctx: ExportContext, name: str, t: Type, *, otherwise: str | None) -> tuple[str, ...]:
    """The classes of a column: an enumeration's own, else the different values of all parts, sorted.

    ``otherwise`` says what to do when they are none; None lets them be none.
    """
    one = single(t)
    if one.name == "ENUM":
        return one.values
    value = f"unnest({quote(name)})" if is_list(t) else quote(name)
    every = " UNION ALL ".join(f"(SELECT {value} AS v FROM ({source(ctx.con, p).table}) AS __rows)" for p in ctx.parts)
    rows = ctx.con.execute(f"SELECT DISTINCT v FROM ({every}) WHERE v IS NOT NULL LIMIT {MOST_CLASSES + 1}").fetchall()
    if len(rows) > MOST_CLASSES:
        raise DataError(f"`{name}` has over {MOST_CLASSES:,} different values: these are no classes", f"name another column than `{name}`")
    if not rows and otherwise is not None:
        raise DataError(f"`{name}` has no value in any row, so its classes are unknown", otherwise)
    values = sorted((r[0] for r in rows), key=_order)
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)


def _order(value: Any) -> tuple[Any, ...]:
    """Numbers by value; ``O`` before all tags; tags by entity, ``B`` before ``I``; other texts by code point."""
    if not isinstance(value, str):
        return (value,)
    if value == "O":
        return (0, "", "")
    prefix, entity = split_tag(value)
    return (1, entity, prefix)


def split_tag(tag: str) -> tuple[str, str]:
    """``B-PER`` as ``("B", "PER")``; a tag without a prefix of BIO, BIOES or BILOU has an empty one."""
    prefix, _, entity = tag.partition("-")
    return (prefix, entity) if entity and prefix in PREFIXES else ("", tag)


@dataclass(frozen=True, slots=True)
class Mention:
    """A labelled stretch of a text: ``[start, end)`` in code points."""

    start: int
    end: int
    label: str


def mentions(tokens: Sequence[str], tags: Sequence[str | None], joiner: str) -> list[Mention]:
    """The entities that tags mark in the tokens joined by ``joiner``. BIO, BIOES, BILOU and bare tags are understood.

    A tag that continues an entity which did not begin (``O`` then ``I-PER``) begins it, as seqeval reads it too.
    """
    out: list[Mention] = []
    place = 0
    before: str | None = None
    for token, tag in zip(tokens, tags, strict=True):
        start, end = place, place + len(token)
        place = end + len(joiner)
        if tag is None or tag == "O":
            before = None
            continue
        prefix, entity = split_tag(tag)
        if prefix not in ("B", "S", "U") and before == entity:
            out[-1] = Mention(out[-1].start, end, entity)
        else:
            out.append(Mention(start, end, entity))
        before = None if prefix in ("E", "L", "S", "U") else entity
    return out
