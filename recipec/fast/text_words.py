"""Words, sentences, lines and paragraphs, counted and split."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.text_arrow import Column, Flags, Places, Rows, by_script, bytes_of, each, numbers, per_row, row_counts, row_sums
from recipec.fast.text_classes import ALNUM, ALONE, ALONE_CLASS, BREAK, BREAK_CLASS, SPACE, flags, marks

# Words ----------------------------------------------------------------------------------------------------------------


def words(text: Column) -> pa.Array:
    """How many words each text has; see the function ``words``."""
    return by_script(text, _ascii_words, _all_words)


def ascii_parting(values: npt.NDArray[Any]) -> Flags:
    """Where bytes are ASCII white space, as ``str.isspace`` has it."""
    mask: Flags = ((values - np.uint8(9)) < 5) | ((values - np.uint8(28)) < 5)
    return mask


def ascii_letters(values: npt.NDArray[Any]) -> Flags:
    """Where bytes are ASCII letters or digits."""
    mask: Flags = (((values | np.uint8(32)) - np.uint8(97)) < 26) | ((values - np.uint8(48)) < 10)
    return mask


def _ascii_words(rows: Rows) -> Places:
    return _count(rows.starts, ascii_parting(rows.values), ascii_letters(rows.values))


def _all_words(rows: Rows) -> Places:
    kinds = flags(rows.values)
    alone = kinds & ALONE > 0
    letters = kinds & ALNUM > 0
    parting = (kinds & (SPACE | BREAK) > 0) | alone
    return _count(rows.starts, parting, letters & ~alone) + row_sums(letters & alone, rows.starts)


_STEPS: Final = 8


def _count(bounds: Places, parting: Flags, letters: Flags) -> Places:
    """Pieces between ``parting`` characters that hold a letter, per row. Most start with one: only the others are looked into."""
    size = len(parting)
    if not size:
        return np.zeros(len(bounds) - 1, np.int64)
    first = np.empty(size, np.bool_)
    first[0] = True
    np.logical_not(parting[1:] | ~parting[:-1], out=first[1:])
    begin = bounds[:-1][bounds[:-1] < size]
    first[begin] = ~parting[begin]
    counts = row_sums(first, bounds)
    doubtful = np.flatnonzero(first & ~letters)
    if doubtful.size:
        counts -= row_counts(doubtful[_mere(doubtful, bounds, parting, letters)], bounds)
    return counts


def _mere(starts: Places, bounds: Places, parting: Flags, letters: Flags) -> Flags:
    """Which of the pieces that begin at ``starts``, not with a letter, hold none."""
    ends = bounds[np.searchsorted(bounds, starts, "right")]
    mere = np.zeros(len(starts), np.bool_)
    left, at = np.arange(len(starts)), starts
    for _ in range(_STEPS):
        at = at + 1
        over = at >= ends[left]
        over |= parting[np.minimum(at, len(parting) - 1)]
        mere[left[over]] = True
        going = ~over
        going[going] = ~letters[at[going]]
        left, at = left[going], at[going]
        if not left.size:
            return mere
    size = len(parting)
    stop = np.minimum(_next(np.flatnonzero(parting), at, size), ends[left])
    mere[left] = _next(np.flatnonzero(letters), at, size) >= stop
    return mere


def _next(places: Places, after: Places, end: int) -> Places:
    """For each of ``after``, the first of the sorted ``places`` at or behind it, or ``end``."""
    at = np.searchsorted(places, after)
    return np.append(places, end)[at]


_ASCII_SYMBOLS: Final = "".join(c for c in map(chr, range(128)) if not c.isalnum())


@cache
def _word() -> re.Pattern[str]:
    mark, tail = marks(), rf"[^\s{ALONE_CLASS}{BREAK_CLASS}]*(?<=[^\W_]|[{marks()}])"
    return re.compile(rf"(?=[^\W_])[{ALONE_CLASS}][{mark}]*+|[^\W_](?:{tail})?")


def words_of(text: str) -> list[str]:
    """The words of one text, from the first to the last letter or digit of each."""
    if text.isascii():
        return [word for piece in text.split() if (word := piece.strip(_ASCII_SYMBOLS))]
    return _word().findall(text)


def split_words(text: Column) -> pa.Array:
    return each(text, words_of, pa.list_(pa.string()))


# Sentences ------------------------------------------------------------------------------------------------------------

_ABBREVIATIONS: Final = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "hon", "gov", "sen", "rep", "gen", "col", "capt", "lt", "sgt", "rev"),
        *("vs", "cf", "al", "fig", "figs", "vol", "pp", "ed", "eds", "approx", "dept", "est", "inc", "ltd", "co", "corp", "univ"),
        *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "e.g", "i.e", "eg", "ie"),
    )
)
_CLOSERS: Final = "\"'”’」』）)】》〉\\]"
_END: Final = re.compile(
    rf"(?P<wide>[。！？｡][。！？｡!?….]*+[{_CLOSERS}]*+)"
    rf"|(?P<mark>[.!?…]++)(?:[{_CLOSERS}]*+(?=\s|\Z)|(?<=[!?])[{_CLOSERS}]*+(?=[^\x00-\u2e7f]))"
    r"|(?P<blank>\n[^\S\n]*+\n\s*+)"
)
_DOTTED: Final = re.compile(r"(?:[a-z]\.)+[a-z]")
_LETTER: Final = re.compile(r"[^\W_]")


def sentences_of(text: str) -> list[str]:
    """The sentences of one text, stripped; see the function ``sentences``."""
    pieces: list[str] = []
    start = 0
    for found in _END.finditer(text):
        if found["mark"] and not _ends(text, found):
            continue
        _add(pieces, text[start : found.end()])
        start = found.end()
    _add(pieces, text[start:])
    return pieces


def _add(pieces: list[str], piece: str) -> None:
    piece = piece.strip()
    if _LETTER.search(piece):
        pieces.append(piece)
    elif piece and pieces:
        pieces[-1] = f"{pieces[-1]} {piece}"


def _ends(text: str, found: re.Match[str]) -> bool:
    """Whether ``.``, ``!``, ``?`` or dots before white space end a sentence: not after an abbreviation, an initial or a list's number."""
    mark = found["mark"]
    rest = text[found.end() : found.end() + 20].lstrip()
    following = rest[:1]
    if mark != ".":
        return not (mark.strip(".…") == "" and following.islower())
    at = found.start()
    begin = at
    while begin > 0 and at - begin < 14 and not text[begin - 1].isspace():
        begin -= 1
    token = text[begin:at].lstrip("(\"'“‘[")
    small = token.lower()
    if small in _ABBREVIATIONS:
        return not rest
    if small in ("etc", "a.m", "p.m"):
        return not following.islower()
    if small == "no":
        return not following.isdigit()
    if len(token) == 1 and token.isupper() and token.isascii() and token != "I":
        return not following.isupper()
    if token.isdigit():
        return begin > 0 and text[begin - 1] not in "\r\n"
    return not rest or _DOTTED.fullmatch(small) is None


def sentences(text: Column) -> pa.Array:
    return each(text, lambda one: len(sentences_of(one)), pa.int64())


def split_sentences(text: Column) -> pa.Array:
    return each(text, sentences_of, pa.list_(pa.string()))


# Lines ----------------------------------------------------------------------------------------------------------------


def lines_count(text: Column) -> pa.Array:
    """Lines of each text: one per ``\\n``, ``\\r\\n`` or ``\\r``, and one for what follows the last of them."""
    rows = bytes_of(text)
    return numbers(per_row(rows, _lines), rows.null)


def _lines(rows: Rows) -> Places:
    ends = _line_ends(rows)
    return row_counts(ends, rows.starts) + _open(rows, ends)


def _line_ends(rows: Rows) -> Places:
    """Places of the last byte of each line break."""
    values = rows.values
    ends = values == 10
    returns = np.flatnonzero(values == 13)
    if returns.size:
        # A carriage return counts when no line feed of the same row follows it.
        last = np.isin(returns, rows.starts[1:] - 1)
        after = values[np.minimum(returns + 1, len(values) - 1)]
        ends[returns[last | (after != 10)]] = True
    return np.flatnonzero(ends)


def _open(rows: Rows, ends: Places) -> npt.NDArray[np.int64]:
    """1 for rows whose last line has no line break behind it."""
    last = rows.starts[1:] - 1
    return ((rows.lengths > 0) & ~np.isin(last, ends)).astype(np.int64)


_BLANK_LINES: Final = re.compile(r"(?:\r\n|\n|\r)(?:[^\S\r\n]*+(?:\r\n|\n|\r))+")


def paragraphs_of(text: str) -> list[str]:
    """The parts of a text between blank lines, stripped, without empty ones."""
    return [part.strip() for part in _BLANK_LINES.split(text) if part.strip()]


def paragraphs(text: Column) -> pa.Array:
    return each(text, lambda one: len(paragraphs_of(one)), pa.int64())


def split_paragraphs(text: Column) -> pa.Array:
    return each(text, paragraphs_of, pa.list_(pa.string()))
