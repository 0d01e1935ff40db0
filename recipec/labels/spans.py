"""Entities as stretches of tokens: what a model's answer means, which stretches stand where several overlap, tags as IOB2.

A span is (start, stop, tag): tokens from ``start`` up to but without ``stop``. Tags of tokens are ``O``, ``B-PER`` (an entity begins) and
``I-PER`` (it goes on), so that every list of tags is valid IOB2 (E. F. Tjong Kim Sang and J. Veenstra, "Representing text chunks", EACL
1999). Codes of tags are 0 for ``O``, ``2 * t + 1`` for the beginning and ``2 * t + 2`` for the inside of type ``t``, from 0.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
OUTSIDE: Final = "O"
PREFIXES: Final = "BIESLUM"
"""Of IOB, IOBES and BILOU: B, S and U begin an entity."""


def coded(tags: Sequence[str]) -> list[str]:
    """The tags in order of their codes."""
    return [OUTSIDE, *(f"{p}-{t}" for t in tags for p in "BI")]


def split(tag: str) -> tuple[str, str]:
    """(prefix, type) of a tag; a tag without prefix is inside, ``O`` has no type."""
    if tag in ("", OUTSIDE):
        return OUTSIDE, ""
    prefix, dash, kind = tag.partition("-")
    return (prefix, kind) if dash and len(prefix) == 1 and prefix in PREFIXES else ("I", tag)


def spans(tags: Iterable[str | None]) -> list[tuple[int, int, str]]:
    """The entities of a list of tags, of whatever scheme, well formed or not: where the type changes one begins. None ends one."""
    out: list[tuple[int, int, str]] = []
    start, kind, end = 0, "", 0
    for end, tag in enumerate([*tags, None]):
        prefix, now = split(tag or OUTSIDE)
        if kind and (now != kind or prefix in "BSU"):
            out.append((start, end, kind))
            kind = ""
        if now and not kind:
            start, kind = end, now
    return out


def apart(row: Ints, start: Ints, stop: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(order, which of these stand): of spans that overlap in a row the one that begins first stands, of those the longest.

    ``order`` sorts the spans by row and place. Only spans that overlap another are looked at one by one.
    """
    order: Ints = np.lexsort((-stop, start, row)).astype(np.int64)
    r, a, b = row[order], start[order], stop[order]
    keep = np.ones(len(order), bool)
    if len(order) < 2:
        return order, keep
    # How far the spans before reach, row by row: a row's places are shifted beyond those of the row before it.
    shift = int(b.max()) + 1
    place = np.cumsum(np.r_[0, r[1:] != r[:-1]]).astype(np.int64) * shift
    reach = np.maximum.accumulate(place + b)
    free = np.r_[True, place[1:] + a[1:] >= reach[:-1]]
    for first in np.flatnonzero(free & ~np.r_[free[1:], True]):
        end, i = int(b[first]), int(first) + 1
        while i < len(order) and not free[i]:
            if a[i] < end:
                keep[i] = False
            else:
                end = int(b[i])
            i += 1
    return order, keep


# What a model answers


def answered(text: str) -> list[tuple[str, str]] | None:
    """(text, tag) of the entities in an answer: a JSON list of objects with ``text`` and ``tag``, bare, fenced, with words around it, or in
    an object. None where there is no such list."""
    found = _json(text)
    if isinstance(found, dict):
        if isinstance(found.get("text"), str):
            found = [found]
        else:
            lists = [v for v in found.values() if isinstance(v, list)]
            if len(lists) == 1:
                found = lists[0]
            elif found and all(isinstance(v, list) for v in found.values()):
                # {"PER": ["Ada"], "LOC": []}
                found = [{"text": t, "tag": k} for k, v in found.items() for t in v]
            else:
                return None
    if not isinstance(found, list):
        return None
    out: list[tuple[str, str]] = []
    for item in found:
        if isinstance(item, Mapping):
            said = item.get("text", item.get("span", item.get("entity")))
            tag = item.get("tag", item.get("type", item.get("label")))
        elif isinstance(item, list) and len(item) == 2:
            said, tag = item
        else:
            return None
        if not isinstance(said, str) or not isinstance(tag, str):
            return None
        out.append((said, tag))
    return out


def listed(text: str) -> list[str] | None:
    """The names in an answer: a JSON list of texts, bare or in an object, else names parted by commas or lines. None where it is neither."""
    found = _json(text)
    if isinstance(found, dict):
        lists = [v for v in found.values() if isinstance(v, list)]
        if len(lists) == 1:
            found = lists[0]
        elif found and all(isinstance(v, bool) for v in found.values()):
            found = [k for k, v in found.items() if v]
        elif len(found) == 1 and isinstance(next(iter(found.values())), str):
            found = [next(iter(found.values()))]
    if isinstance(found, list):
        return [x for x in found] if all(isinstance(x, str) for x in found) else None
    if isinstance(found, dict) or not text.strip():
        return None
    return [p for p in (re.sub(r"^\s*(?:[-*•]|\d+[.)])\s*", "", p).strip(" \t.\"'`。") for p in re.split(r"[,;\n、，；]", text)) if p]


def _json(text: str) -> Any:
    """The JSON in a text: the whole of it, or its first list or object; None where there is none."""
    body = re.sub(r"^\s*```\w*\s*|\s*```\s*$", "", text.strip())
    decoder = json.JSONDecoder()
    for place in [0, *(m.start() for m in re.finditer(r"[\[{]", body))]:
        try:
            made = decoder.raw_decode(body, place)[0]
        except (ValueError, RecursionError):
            continue
        if isinstance(made, (list, dict)):
            return made
    return None


class Locator:
    """Finds texts among the tokens of one row: whole tokens, whatever space stands between them, first as written and then in any case."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.starts: dict[int, int] = {}
        self.stops: dict[int, int] = {}
        pieces: list[str] = []
        size = 0
        for i, token in enumerate(tokens):
            piece = bare(token)
            if piece:
                self.starts[size] = i
                size += len(piece)
                self.stops[size] = i + 1
                pieces.append(piece)
        self.text = "".join(pieces)
        # Folding case may lengthen a letter, which would move what follows.
        folded = self.text.lower()
        self.folded = folded if len(folded) == len(self.text) else self.text

    def all(self, text: str) -> list[tuple[int, int]]:
        """(start, stop) of every place, from the left, none overlapping another."""
        wanted = bare(text)
        return self._in(self.text, wanted) or self._in(self.folded, wanted.lower()) if wanted else []

    def _in(self, whole: str, wanted: str) -> list[tuple[int, int]]:
        out: list[tuple[int, int]] = []
        at = whole.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            if at in self.starts and end in self.stops:
                out.append((self.starts[at], self.stops[end]))
                at = whole.find(wanted, end)
            else:
                at = whole.find(wanted, at + 1)
        return out


def bare(text: str) -> str:
    """A text in NFC without its spaces."""
    return "".join(unicodedata.normalize("NFC", text).split())


def located(tokens: Sequence[str], said: Sequence[tuple[str, int]]) -> tuple[list[tuple[int, int, int]], list[str]]:
    """(spans, texts that are not there) of entities named by their text. A text named once is meant wherever it stands; named as often as
    it stands or with several tags, each naming is one place, in order."""
    locator = Locator(tokens)
    tags: dict[str, list[int]] = {}
    as_said: dict[str, str] = {}
    for text, tag in said:
        tags.setdefault(bare(text), []).append(tag)
        as_said.setdefault(bare(text), text)
    out: list[tuple[int, int, int]] = []
    lost: list[str] = []
    for text, named in tags.items():
        places = locator.all(text)
        if not places:
            lost += [as_said[text]] * len(named)
        elif len(set(named)) == 1:
            out += [(a, b, named[0]) for a, b in places]
        else:
            out += [(a, b, t) for (a, b), t in zip(places, named, strict=False)]
    return sorted(out), lost
