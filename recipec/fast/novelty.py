"""Which texts are too like those before them, by ROUGE-L."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from recipec.api import RunTools, quote
from recipec.fast.subsequence import common_with, places

_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\u0e00-\u0eff\U00020000-\U0003ffff"
"""Scripts in which no space stands between words: Chinese, Japanese, Korean, Thai and Lao."""
_WORDS = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")


def words(text: str) -> list[str]:
    """Runs of letters and digits in small letters; each letter of a script without spaces."""
    return _WORDS.findall(text.lower())


class Kept:
    """The texts kept so far, to hold the next one against. For every word, and every occurrence of it in a text, the kept texts that have it are
    listed, so that how many words two texts share, in any order, is counted for all kept texts at once."""

    def __init__(self, bound: float) -> None:
        self.bound = bound
        self.ids: dict[str, int] = {}
        self.names: list[str] = []
        self.sizes = array("i")
        self.masks: list[dict[int, int]] = []
        self.places: dict[tuple[int, int], array[int]] = {}

    def numbered(self, text: str) -> list[int]:
        return [self.ids.setdefault(w, len(self.ids)) for w in words(text)]

    @staticmethod
    def occurrences(found: list[int]) -> Iterator[tuple[int, int]]:
        seen: dict[int, int] = {}
        for word in found:
            seen[word] = seen.get(word, 0) + 1
            yield word, seen[word]

    def add(self, name: str, found: list[int]) -> None:
        number = len(self.names)
        self.names.append(name)
        self.sizes.append(len(found))
        self.masks.append(places(found))
        for occurrence in self.occurrences(found):
            self.places.setdefault(occurrence, array("i")).append(number)

    def nearest(self, found: list[int]) -> tuple[str, float] | None:
        """The first kept text that is too like this one, and how like it is."""
        import numpy as np

        listed = [np.frombuffer(at, np.int32) for o in self.occurrences(found) if (at := self.places.get(o)) is not None]
        if not listed:
            return None
        size = len(found)
        shared = np.bincount(np.concatenate(listed), minlength=len(self.names))
        del listed
        # F = 2 * common / (both lengths), and no more words are common in order than in any order.
        for number in np.flatnonzero(2 * shared > self.bound * (size + np.frombuffer(self.sizes, np.int32))).tolist():
            other = self.sizes[number]
            f = 2 * common_with(found, self.masks[number], other) / (size + other)
            if f > self.bound:
                return self.names[number], f
        return None


def repeated(tools: RunTools, table: str, text: str, against: Sequence[tuple[str, str]], bound: float) -> None:
    """Make ``{scratch}repeated``: ``_key`` and ``because`` of the rows that are too like one before them, in key order."""
    con = tools.con
    known = [
        found
        for relation, column in against
        for (found,) in con.execute(f"SELECT {column} FROM {relation} WHERE {column} IS NOT NULL ORDER BY _key").fetchall()
    ]
    rows = con.execute(f"SELECT _key::VARCHAR, {text} FROM {table} WHERE _why IS NULL AND {text} IS NOT NULL ORDER BY _key").fetchall()
    kept = Kept(bound)
    for value in known:
        kept.add(f'"{" ".join(value.split())[:60]}"', kept.numbered(value))
    refused: list[tuple[str, str]] = []
    for done, (key, value) in enumerate(rows):
        found = kept.numbered(value)
        like = kept.nearest(found)
        if like is not None:
            refused.append((key, f"ROUGE-L {like[1]:.2f} with {like[0]}"))
        else:
            kept.add(f'"{" ".join(value.split())[:60]}"', found)
        if done % 256 == 0:
            tools.progress(done / len(rows))
    import pyarrow as pa

    columns: dict[str, Any] = {
        "k": pa.array([k for k, _ in refused], pa.string()),
        "because": pa.array([b for _, b in refused], pa.string()),
    }
    con.register("__repeated", pa.table(columns))
    con.execute(f"CREATE TEMP TABLE {quote(f'{tools.scratch}repeated')} AS SELECT k::UUID AS _key, because FROM __repeated")
    con.unregister("__repeated")
