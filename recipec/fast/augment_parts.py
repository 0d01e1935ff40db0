"""Sentences and entities exchanged between rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from recipec.fast.augment import Seeds, below, choose, draw, seeds_of
from recipec.fast.text_arrow import Column, constant_of, flat
from recipec.fast.text_words import sentences_of

# Sentences ------------------------------------------------------------------------------------------------------------


def mix_sentences(text: Column, partner: Column, seeds: Column, rate: Column, append: Column) -> pa.Array:
    share, behind = constant_of(rate, 0.3), bool(constant_of(append, False))
    pairs = zip(flat(text).to_pylist(), flat(partner).to_pylist(), seeds_of(seeds), strict=True)
    return pa.array([mixed(t, p, np.array([s]), share, behind) for t, p, s in pairs], pa.string())


def mixed(text: str | None, partner: str | None, seed: Seeds, rate: float, append: bool) -> str | None:
    """A text with some sentences of its partner's."""
    if text is None or partner is None:
        return text
    own = spans(text)
    known = {text[begin:end] for begin, end in own}
    other = [sentence for sentence in sentences_of(partner) if sentence not in known]
    if not own or not other:
        return text
    wanted = max(1, int(rate * len(own)))
    given = chosen(len(other), min(wanted, len(other)), seed, 1)
    if append or len(own) == 1:
        gap = "" if wide(text.rstrip()[-1]) else " "
        return text.rstrip() + "".join(gap + other[i] for i in given) + text[len(text.rstrip()) :]
    out, at = [], 0
    for place, i in zip(chosen(len(own), len(given), seed, 0), given, strict=False):
        begin, end = own[place]
        out += [text[at:begin], other[i]]
        at = end
    return "".join([*out, text[at:]])


def chosen(count: int, wanted: int, seed: Seeds, lane: int) -> list[int]:
    """Different places below ``count``, ascending."""
    places: list[int] = choose(np.array([count]), np.array([min(wanted, count)]), seed, lane).place.tolist()
    return places


def spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text are; one that is not found as it was read (marks between) is left out."""
    out, at = [], 0
    for sentence in sentences_of(text):
        begin = text.find(sentence, at)
        if begin >= 0:
            at = begin + len(sentence)
            out.append((begin, at))
    return out


def wide(character: str) -> bool:
    """Whether a character is of a script that puts no space behind it."""
    return "\u2e80" <= character <= "\uffef"


# Entities -------------------------------------------------------------------------------------------------------------

_BEGIN: Final = "BSU"
_LAST: Final = "ELSU"
Mention = tuple[int, int, str]
"""First token, the one behind the last, and the type."""


def mentions(tags: Sequence[str | None]) -> list[Mention]:
    """The entities of a sentence, read as seqeval's default mode reads tags of any of the usual schemes."""
    out: list[Mention] = []
    start, kind, open_ = 0, "", False
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = (tag or "O").partition("-")
        inside = prefix in ("B", "I", "E", "S", "L", "U") and bool(name)
        if open_ and (not inside or prefix in _BEGIN or name != kind):
            out.append((start, i, kind))
            open_ = False
        if inside and not open_:
            start, kind, open_ = i, name, True
        if inside and open_ and prefix in _LAST:
            out.append((start, i + 1, kind))
            open_ = False
    return out


def gather_entities(batches: Iterable[pa.RecordBatch], path: str) -> None:
    """Write every entity of the sentences, and the letters that the tags begin with, for :func:`swap_entities`."""
    import pyarrow.parquet as pq

    kinds: list[str] = []
    names: list[list[str]] = []
    letters: set[str] = set()
    for batch in batches:
        for tokens, tags in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            if any(t is None for t in tokens):
                continue
            for begin, end, kind in mentions(tags):
                kinds.append(kind)
                names.append(tokens[begin:end])
            letters |= {t[0] for t in tags if t and t[1:2] == "-"}
    table = pa.table({"kind": pa.array(kinds, pa.string()), "name": pa.array(names, pa.list_(pa.string()))})
    pq.write_table(table.replace_schema_metadata({"letters": "".join(sorted(letters))}), path)


@lru_cache(4)
def _pool(path: str, changed: int) -> tuple[dict[str, list[list[str]]], str]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    pool: dict[str, list[list[str]]] = {}
    for kind, name in zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True):
        pool.setdefault(kind, []).append(name)
    return pool, (table.schema.metadata or {}).get(b"letters", b"").decode()


_TRIES: Final = 8


def swap_entities(tokens: Column, tags: Column, seeds: Column, rate: Column, path: Column) -> pa.Array:
    kind = pa.struct([("tokens", pa.list_(pa.string())), ("tags", pa.list_(pa.string()))])
    if not len(tokens):
        return pa.array([], kind)
    file, share = Path(constant_of(path, "")), constant_of(rate, 1.0)
    pool, letters = _pool(str(file), file.stat().st_mtime_ns)
    rows = zip(tokens.to_pylist(), tags.to_pylist(), seeds_of(seeds), strict=True)
    return pa.array(
        [dict(zip(("tokens", "tags"), swapped(t, g, np.array([s]), share, pool, letters), strict=True)) for t, g, s in rows], kind
    )


def swapped(tokens: Any, tags: Any, seed: Seeds, rate: float, pool: dict[str, list[list[str]]], letters: str) -> tuple[Any, Any]:
    """One sentence with other entities."""
    if not tokens or not tags or len(tokens) != len(tags) or None in tokens:
        return tokens, tags
    found = mentions(tags)
    if not found:
        return tokens, tags
    new_tokens, new_tags, at = [], [], 0
    for n in chosen(len(found), max(1, int(rate * len(found))), seed, 0):
        begin, end, kind = found[n]
        old = tokens[begin:end]
        for attempt in range(_TRIES):
            others = pool.get(kind, [old])
            name = others[int(below(draw(seed, 1 + attempt, n), len(others))[0])]
            if name != old:
                break
        if name == old:
            continue
        new_tokens += [*tokens[at:begin], *name]
        new_tags += [*tags[at:begin], *written(len(name), kind, letters)]
        at = end
    return [*new_tokens, *tokens[at:]], [*new_tags, *tags[at:]]


def written(size: int, kind: str, letters: str) -> list[str]:
    """The tags of an entity in the scheme whose tags begin with ``letters``."""
    single = next((c for c in "SU" if c in letters), "B" if "B" in letters else "I")
    last = next((c for c in "EL" if c in letters), "I")
    if size == 1:
        return [f"{single}-{kind}"]
    first = "B" if "B" in letters else "I"
    return [f"{first}-{kind}", *[f"I-{kind}"] * (size - 2), f"{last}-{kind}"]
