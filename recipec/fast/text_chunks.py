"""Cutting texts into pieces: the kernel of ``chunk``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# A word of a script written without spaces is a character, as recipec counts words; elsewhere a run between spaces.
_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\\s\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def word_spans(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in _WORD.finditer(text)]


def character_spans(text: str) -> list[tuple[int, int]]:
    """Characters with the marks that belong to them; blanks at the ends of the text do not count."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    starts = [i for i in range(start, end) if not unicodedata.combining(text[i]) or i == start]
    return list(zip(starts, [*starts[1:], end], strict=True)) if starts else []


@cache
def tokenizer_spans(folder: str) -> Callable[[str], list[tuple[int, int]]]:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ImportError("`tokens` needs the tokenizers library: pip install 'recipec[text]'") from None
    path = Path(folder)
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"no tokenizer.json in {folder}")
    loaded = Tokenizer.from_file(str(file))

    def spans(text: str) -> list[tuple[int, int]]:
        offsets: list[tuple[int, int]] = loaded.encode(text, add_special_tokens=False).offsets
        return [(a, b) for a, b in offsets if b > a]

    return spans


def cut(text: str, spans: list[tuple[int, int]], size: int, overlap: int) -> list[str]:
    """Pieces of ``size`` spans, each starting ``overlap`` before the end of the one before."""
    pieces = []
    for first in range(0, len(spans), size - overlap):
        last = min(first + size, len(spans))
        pieces.append(text[spans[first][0] : spans[last - 1][1]])
        if last == len(spans):
            break
    return pieces


def chunks(texts: Any, sizes: Any, overlaps: Any, units: Any, tokenizers: Any) -> Any:
    """The pieces of each text; null for a null text, an empty list for one without words."""
    import pyarrow as pa

    if not len(texts):
        return pa.array([], pa.list_(pa.string()))
    size, overlap, unit, folder = sizes[0].as_py(), overlaps[0].as_py(), units[0].as_py(), tokenizers[0].as_py()
    find = {"words": word_spans, "characters": character_spans}.get(unit) or tokenizer_spans(folder)
    out = [None if t is None else cut(t, find(t), size, overlap) for t in texts.to_pylist()]
    return pa.array(out, pa.list_(pa.string()))
