"""Texts as vectors without a model: TF-IDF over their words, hashed to a fixed number of places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]

DIMENSIONS = 1 << 14


class Lexical:
    """TF-IDF over words, and over pairs of characters for scripts without spaces. ``texts`` are what it learns rarity from."""

    def __init__(self, texts: Sequence[str], dimensions: int = DIMENSIONS) -> None:
        import numpy as np

        self.dimensions = dimensions
        seen = np.zeros(dimensions)
        for text in texts:
            seen[list({p for p in places(text, dimensions)})] += 1
        self.idf = (np.log((1 + len(texts)) / (1 + seen)) + 1).astype(np.float32)

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """[texts, dimensions] of length 1; all zeros for a text without a word."""
        import numpy as np

        out = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            found, counts = np.unique(places(text, self.dimensions), return_counts=True) if text else (np.zeros(0, int), np.zeros(0, int))
            out[row, found.astype(int)] = (1 + np.log(np.maximum(counts, 1))) * self.idf[found.astype(int)]
        norm = np.linalg.norm(out, axis=1, keepdims=True)
        return np.asarray(out / np.where(norm > 0, norm, 1), np.float32)


def places(text: str, dimensions: int = DIMENSIONS) -> list[int]:
    """Hashed features of a text: its words, and the pairs of neighbouring characters of words in wide scripts."""
    out: list[int] = []
    for word in re.findall(r"\w+", text.casefold()):
        if word.isascii() or word[0] < "\u2e80":
            out.append(crc32(word.encode()) % dimensions)
        else:
            out += [crc32(word[i : i + 2].encode("utf-8", "surrogatepass")) % dimensions for i in range(max(1, len(word) - 1))]
    return out
