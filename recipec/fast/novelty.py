"""Which texts are too like those before them, by ROUGE-L."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    """The texts kept so far, to hold the next one against."""

    def __init__(self, bound: float) -> None:
        self.bound = bound
        self.ids: dict[str, int] = {}
        self.names: list[str] = []
        self.words: list[list[int]] = []
        self.masks: list[dict[int, int]] = []
        self.places: dict[int, list[int]] = {}
        """By word, the kept texts that it stands in, once for each of its first occurrences."""

    def numbered(self, text: str) -> list[int]:
        return [self.ids.setdefault(w, len(self.ids)) for w in words(text)]

    def add(self, name: str, found: list[int]) -> None:
        number = len(self.names)
        masks = places(found)
        self.names.append(name)
        self.words.append(found)
        self.masks.append(masks)
        for word in masks:
            self.places.setdefault(word, []).append(number)

    def nearest(self, found: list[int]) -> tuple[str, float] | None:
        """The first kept text that is too like this one, and how like it is."""
        if not found:
            return None
        shared: dict[int, int] = {}
        counts: dict[int, int] = {}
        for word in found:
            counts[word] = counts.get(word, 0) + 1
        for word, count in counts.items():
            for number in self.places.get(word, ()):
                shared[number] = shared.get(number, 0) + min(count, self.masks[number][word].bit_count())
        size = len(found)
        for number in sorted(shared):
            other = len(self.words[number])
            # F = 2 * common / (both lengths), and no more words are common in order than in any order.
            if 2 * shared[number] <= self.bound * (size + other):
                continue
            f = 2 * common_with(found, self.masks[number], other) / (size + other)
            if f > self.bound:
                return self.names[number], f
        return None


def repeated(tools: RunTools, table: str, text: str, against: Sequence[tuple[str, str]], bound: float) -> None:
    """Make ``{scratch}repeated``: ``_key`` and ``because`` of the rows that are too like one before them, in key order."""
    con = tools.con
    kept = Kept(bound)
    for relation, column in against:
        for (known,) in con.execute(f"SELECT {column} FROM {relation} WHERE {column} IS NOT NULL ORDER BY _key").fetchall():
            kept.add(f'"{" ".join(known.split())[:60]}"', kept.numbered(known))
    rows = con.execute(f"SELECT _key::VARCHAR, {text} FROM {table} WHERE _why IS NULL AND {text} IS NOT NULL ORDER BY _key").fetchall()
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
