"""Entities of tag sequences, as seqeval reads them, and their counts.

Two readings. The *lenient* one (seqeval's default, which is conlleval's: Tjong Kim Sang and Buchholz 2000) takes any sequence: ``I-PER`` after
``O`` begins an entity, a change of type ends one, ``E`` and ``S`` (of BIOES) are known, and a tag with another letter (``X-PER``, a bare ``PER``)
begins or ends one only where the type changes. The *strict* one takes the tags of a named scheme and counts what is well-formed:
in IOB2 an ``I`` that continues nothing is no entity at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recipec.api import DataError
from recipec.metrics._base import Average
from recipec.metrics._counts import Which, averaged
from recipec.metrics._data import Floats, TagData, rows_of
from recipec.metrics._statistic import Sums

SchemeName = Literal["auto", "iob1", "iob2", "ioe2", "iobes", "bilou"]
Entity = tuple[str, int, int]
"""Type, first token, last token."""


def lenient(sentences: Iterable[Sequence[str]], suffix: bool = False) -> list[list[Entity]]:
    """The entities of each sentence. Places count through all sentences, each followed by one token outside, since seqeval reads them in
    one go; an entity is listed with the sentence that it ends in."""
    known: dict[str, tuple[str, str]] = {}
    letter_before, type_before = "O", ""
    begin = at = 0
    out: list[list[Entity]] = []
    for sentence in sentences:
        found: list[Entity] = []
        for tag in (*sentence, "O"):
            parts = known.get(tag)
            if parts is None:
                parts = known[tag] = split(tag, suffix)
            letter, type_ = parts
            changes = type_before != type_
            if letter_before in "ES" or (letter_before in "BI" and letter in "BSO") or (letter_before not in "O." and changes):
                found.append((type_before, begin, at - 1))
            if letter in "BS" or (letter_before in "ESO" and letter in "EI") or (letter not in "O." and changes):
                begin = at
            letter_before, type_before = letter, type_
            at += 1
        out.append(found)
    return out


def split(tag: str, suffix: bool) -> tuple[str, str]:
    """A tag's letter and type: ``B-PER``, or with ``suffix`` ``PER-B``. Without a type it is ``_``."""
    if suffix:
        return tag[-1], tag[:-1].rsplit("-", maxsplit=1)[0] or "_"
    return tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"


@dataclass(frozen=True)
class Scheme:
    """How entities begin, go on and end. A rule is (letters before, letters now, whether the types are the same, or None for both)."""

    letters: str
    begins: tuple[tuple[str, str, bool | None], ...]
    goes_on: tuple[tuple[str, str, bool | None], ...]
    ends: tuple[tuple[str, str, bool | None], ...]


ANY = "BIOESUL"
SCHEMES: dict[str, Scheme] = {
    "iob1": Scheme(
        "IOB",
        (("OB", "I", None), ("I", "I", False), ("IB", "B", True)),
        (("BI", "I", True),),
        (("I", "OB", None), ("IB", "I", False), ("B", "O", None), ("B", "B", True)),
    ),
    "iob2": Scheme("IOB", ((ANY, "B", None),), (("BI", "I", True),), (("BI", "OB", None), ("BI", "I", False))),
    "ioe2": Scheme("IOE", (("OE", "IE", None), ("I", "IE", False)), (("I", "IE", True),), (("E", ANY, None),)),
    "iobes": Scheme("IOBES", ((ANY, "BS", None),), (("BI", "IE", True),), (("SE", ANY, None),)),
    "bilou": Scheme("BILOU", ((ANY, "BU", None),), (("BI", "IL", True),), (("UL", ANY, None),)),
}


def holds(rules: tuple[tuple[str, str, bool | None], ...], before: tuple[str, str], now: tuple[str, str]) -> bool:
    same = before[1] == now[1]
    return any(before[0] in a and now[0] in b and (s is None or s == same) for a, b, s in rules)


def strict(sentences: Iterable[Sequence[str]], scheme: Scheme, suffix: bool = False, start: int = 0) -> list[list[Entity]]:
    """The well-formed entities of each sentence, with places as :func:`lenient` counts them."""
    known: dict[str, tuple[str, str]] = {}
    outside = ("O", "_")
    out: list[list[Entity]] = []
    base = start
    for row, sentence in enumerate(sentences):
        tokens: list[tuple[str, str]] = []
        for tag in sentence:
            if tag not in known:
                letter = tag[-1] if suffix else tag[0]
                if letter not in scheme.letters:
                    raise DataError(
                        f"the tag {tag!r} (row {row + 1} of those measured) is none of the scheme {scheme.letters}",
                        "name the scheme that the tags follow, or leave `strict` out",
                    )
                known[tag] = letter, (tag[:-1] if suffix else tag[1:]).strip("-") or "_"
            tokens.append(known[tag])
        tokens.append(outside)
        found: list[Entity] = []
        at, before = 0, outside
        while at < len(tokens):
            now = tokens[at]
            if not holds(scheme.begins, before, now):
                at, before = at + 1, now
                continue
            end = at + 1
            while holds(scheme.goes_on, tokens[end - 1], tokens[end]):
                end += 1
            if holds(scheme.ends, tokens[end - 1], tokens[end]):
                found.append((now[1], base + at, base + end - 1))
            at, before = end, tokens[end - 1]
        out.append(found)
        base += len(tokens)
    return out


def detect(sentences: Iterable[Sequence[str]], suffix: bool = False) -> str:
    """The scheme that the letters of gold tags fit: IOB2, IOE2, IOBES or BILOU; ``I`` and ``O`` alone are read as IOB1."""
    tags = {tag for sentence in sentences for tag in sentence}
    letters = {tag[-1] if suffix else tag[0] for tag in tags}
    if letters <= {"O"} or (letters <= set("IOB") and "B" in letters):
        return "iob2"
    if letters <= set("IO"):
        return "iob1"
    if letters <= set("IOE"):
        return "ioe2"
    if letters <= set("IOBES"):
        return "iobes"
    if letters <= set("BILOU"):
        return "bilou"
    strange = sorted(t for t in tags if (t[-1] if suffix else t[0]) not in "IOBESUL")
    raise DataError(
        f"the gold tags follow no known scheme: {', '.join(map(repr, strange[:5] or sorted(letters)))}",
        "IOB1, IOB2, IOE2, IOBES and BILOU are known; without `strict` any tags are read",
    )


@dataclass(frozen=True)
class EntityCounts:
    """By row and type: entities right, predicted, gold, of the shape (rows, 3, types)."""

    types: tuple[str, ...]
    counts: Floats
    notes: tuple[str, ...]


def counts(data: TagData, strictly: bool = False, scheme: SchemeName = "auto", suffix: bool = False) -> EntityCounts:
    notes = list(data.notes)
    if strictly:
        name = detect(data.gold, suffix) if scheme == "auto" else scheme
        gold, predicted = strict(data.gold, SCHEMES[name], suffix), strict(data.predicted, SCHEMES[name], suffix)
        notes.append(f"strict {name.upper()}")
    else:
        gold, predicted = lenient(data.gold, suffix), lenient(data.predicted, suffix)
        notes += malformed(data, suffix)
    types = tuple(sorted({e[0] for row in gold for e in row} | {e[0] for row in predicted for e in row}))
    numbers = {t: i for i, t in enumerate(types)}
    table = np.zeros((data.rows, 3, len(types)))
    for i, (g, p) in enumerate(zip(gold, predicted, strict=True)):
        for entity in p:
            table[i, 1, numbers[entity[0]]] += 1
        for entity in g:
            table[i, 2, numbers[entity[0]]] += 1
        if g and p:
            for entity in set(g).intersection(p):
                table[i, 0, numbers[entity[0]]] += 1
    if not types:
        notes.append("no entities in gold or predictions: the score counts as 0")
    return EntityCounts(types, table, tuple(notes))


def malformed(data: TagData, suffix: bool) -> list[str]:
    """Notes on tags with a letter that is none of BIOES, and on predicted ``I`` tags that continue nothing."""
    notes = []
    for what, sentences in (("gold", data.gold), ("predicted", data.predicted)):
        tags = {t for s in sentences for t in s}
        strange = sorted(t for t in tags if t not in ("O", "B", "I", "E", "S") and not (t[-2:] if suffix else t[1::-1]).startswith("-"))
        strange += sorted(t for t in tags - set(strange) if (t[-1] if suffix else t[0]) not in "BIOES")
        if strange:
            listed = ", ".join(map(repr, strange[:5]))
            notes.append(f"{what} tags that are none of B-, I-, E-, S- and O: {listed}; they are read by their type alone")
    if not suffix and any(t.startswith("B") for s in data.gold for t in s):
        loose = 0
        for sentence in data.predicted:
            before = "O"
            for tag in sentence:
                loose += tag[0] == "I" and (before[0] not in "BI" or before[1:] != tag[1:])
                before = tag
        if loose:
            notes.append(f"{loose} predicted I- tags continue nothing: read as beginnings (strict: true does not count them)")
    return notes


def of_entities(
    data: TagData, which: Which, average: Average | None, positive: str | None, strictly: bool, scheme: SchemeName, suffix: bool
) -> Sums:
    found = counts(data, strictly, scheme, suffix)
    if average == "binary" and positive is None:
        raise DataError("`average: binary` of entities needs a type", f"positive: one of {', '.join(map(repr, found.types))}")
    if positive is not None and average not in (None, "binary"):
        raise DataError(f"`positive` asks for one type and `average: {average}` for all", "leave one of them out")
    k = len(found.types)
    how: Average = "binary" if positive is not None else average or "micro"
    notes = list(found.notes)
    if positive is not None and positive not in found.types:
        notes.append(f"no entity of type {positive!r} in gold or predictions: the score counts as 0")
    at = found.types.index(positive) if positive in found.types else None

    def formula(sums: Floats) -> Floats:
        if k == 0 or (positive is not None and at is None):
            return np.zeros(sums.shape[:-1])
        return averaged(which, how, sums[..., :k], sums[..., k : 2 * k], sums[..., 2 * k :], positive=at or 0, harmonic=True)

    return Sums(data.rows, tuple(notes), 3 * k, formula, rows_add=found.counts.reshape(data.rows, 3 * k))


def token_accuracy(data: TagData) -> Sums:
    """Right tags over all tags, ``O`` too."""
    right = np.array(
        [sum(a == b for a, b in zip(g, p, strict=True)) for g, p in zip(data.gold, data.predicted, strict=True)], dtype=np.float64
    )
    tokens = np.array([len(g) for g in data.gold], dtype=np.float64)
    notes = data.notes
    if (empty := int((tokens == 0).sum())) and empty == data.rows:
        notes = (*notes, f"{rows_of(empty)} without tokens")
    return Sums(data.rows, notes, 2, lambda s: s[..., 0] / s[..., 1], rows_add=np.column_stack((right, tokens)))
