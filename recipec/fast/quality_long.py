"""The quality measures of one very long text, part by part: the same numbers as the measures of whole blocks give.

Of a text of :data:`recipec.fast.quality_parts.LONG_TEXT` bytes or more. Lines and paragraphs that several parts share are put together from
their hashes and lengths; n-grams of words are linked in :mod:`.quality_runs`, n-grams of characters counted in a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.quality_letters import ALPHA, END, SOLID, Block, scatter, word_hash
from recipec.fast.quality_parts import Hashes, Speech, parts, speech, stripped, together
from recipec.fast.quality_repeat import Spans, split_at
from recipec.fast.quality_runs import long_ngrams
from recipec.fast.quality_tally import Tally
from recipec.fast.text_arrow import Bytes
from recipec.fast.text_classes import ALNUM, DIGIT, LETTER, flags

Numbers = npt.NDArray[Any]
_NEXT: Final = np.uint64(0xFF51AFD7ED558CCD)


def share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


# Lines ----------------------------------------------------------------------------------------------------------------


@dataclass
class Lines:
    """Lines, or paragraphs, over parts: what each has is given as arrays; the last one of a part goes on in the next."""

    filled_only: bool = False
    count: int = 0
    chars: int = 0
    ended: int = 0
    short: int = 0
    longest: int = 0
    limit: int = 0
    last: int = 0
    """Characters of the last one of all."""
    _open: tuple[int, int, bool, bool] | None = None
    _known: list[tuple[Hashes, Numbers]] = field(default_factory=list)

    def add(self, block: Block, spans: Spans) -> None:
        sizes = spans.ends - spans.starts
        hashes = block.hashes(spans.starts, spans.ends)
        filled = _filled(block, spans)
        ended = np.zeros(len(sizes), np.bool_)
        some = np.flatnonzero(sizes)
        ended[some] = (block.classes[spans.ends[some] - 1] & END).astype(np.bool_)
        if self._open is not None:
            before, size, had, end = self._open
            hashes[0] = together(before, size, int(hashes[0]))
            ended[0] = ended[0] if sizes[0] else end
            sizes[0] += size
            filled[0] |= had
        self._take(hashes[:-1], sizes[:-1], filled[:-1], ended[:-1])
        self._open = int(hashes[-1]), int(sizes[-1]), bool(filled[-1]), bool(ended[-1])

    def close(self) -> None:
        if self._open is not None:
            before, size, had, end = self._open
            self._take(np.array([before], np.uint64), np.array([size]), np.array([had]), np.array([end]))
            self.last, self._open = size, None

    def _take(self, hashes: Hashes, sizes: Numbers, filled: Numbers, ended: Numbers) -> None:
        if self.filled_only:
            hashes, sizes, ended = hashes[filled], sizes[filled], ended[filled]
        if not len(sizes):
            return
        self.count += len(sizes)
        self.chars += int(sizes.sum())
        self.ended += int(ended.sum())
        self.short += int((sizes <= self.limit).sum())
        self.longest = max(self.longest, int(sizes.max()))
        different, at = np.unique(hashes, return_index=True)
        self._known.append((different, sizes[at]))

    def again(self) -> tuple[int, int]:
        """How many came before, and their characters."""
        if not self._known:
            return 0, 0
        different, at = np.unique(np.concatenate([h for h, _ in self._known]), return_index=True)
        sizes = np.concatenate([s for _, s in self._known])[at]
        return self.count - len(different), self.chars - int(sizes.sum())


def _filled(block: Block, spans: Spans) -> npt.NDArray[np.bool_]:
    """Which spans have something beside white space."""
    solid = np.zeros(len(block.values) + 1, np.int32)
    np.cumsum(~block.space, out=solid[1:])
    found: npt.NDArray[np.bool_] = solid[spans.ends] > solid[spans.starts]
    return found


# Families -------------------------------------------------------------------------------------------------------------


def long_quality(values: Bytes, options: Mapping[str, Any]) -> dict[str, float]:
    from recipec.fast.quality_rules import line_marks, lines_of, sign_counts

    wanted = np.array(sorted({word_hash(word) for word in options["stopwords"]}), np.uint64)
    said = Speech()
    met: set[int] = set()
    total = solid = solid_chars = alpha = hashes_seen = ellipses = bulleted = trailing = lines = 0
    filled = bullet = dotted = False
    going = False

    def spoken(words: tuple[Hashes, Numbers, Numbers]) -> None:
        nonlocal total, solid, solid_chars, alpha
        hashes, lengths, kinds = words
        more = (kinds & SOLID).astype(np.bool_)
        total += len(hashes)
        solid += int(more.sum())
        solid_chars += int(lengths[more].sum(dtype=np.int64))
        alpha += int((kinds & ALPHA).astype(np.bool_).sum())
        if len(wanted) and len(hashes):
            met.update(hashes[wanted[np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)] == hashes].tolist())

    for part in parts(values):
        spoken(said.of(part))
        signs, dots, third = sign_counts(part.block)
        hashes_seen += int(signs[0])
        ellipses += int(dots[0])
        spans = lines_of(part.block)
        has, begins, ends = line_marks(part.block, spans, third)
        if going and len(has):
            # The line that the part before left open was counted there.
            bulleted, trailing, lines = bulleted - bullet, trailing - dotted, lines - 1
            begins[0] = bullet if filled else begins[0]
            ends[0] = ends[0] if has[0] else dotted
            has[0] |= filled
        bulleted, trailing, lines = bulleted + int(begins.sum()), trailing + int(ends.sum()), lines + len(has)
        if len(has):
            filled, bullet, dotted, going = bool(has[-1]), bool(begins[-1]), bool(ends[-1]), int(spans.ends[-1]) == len(part.block.values)
    spoken(said.last())
    return {
        "words": solid,
        "mean_word_length": share(solid_chars, solid),
        "hash_ratio": share(hashes_seen, total),
        "ellipsis_ratio": share(ellipses, total),
        "bullet_lines": share(bulleted, lines),
        "ellipsis_lines": share(trailing, lines),
        "alpha_words": share(alpha, total),
        "stopwords": len(met),
    }


def long_repetition(values: Bytes) -> dict[str, float]:
    from recipec.fast.quality_rules import DUPLICATE, TOP

    lines, paragraphs = Lines(), Lines()
    size = 0
    for part in parts(values):
        size += len(part.block.values)
        lines.add(part.block, split_at(part.block, 1, runs=True))
    for part in parts(stripped(values)):
        paragraphs.add(part.block, split_at(part.block, 2, runs=True))
    lines.close()
    paragraphs.close()
    line_count, line_chars = lines.again()
    part_count, part_chars = paragraphs.again()
    made = {
        "length": size,
        "duplicate_lines": share(line_count, lines.count),
        "duplicate_paragraphs": share(part_count, max(paragraphs.count, 1)),
        "duplicate_line_chars": share(line_chars, size),
        "duplicate_paragraph_chars": share(part_chars, size),
    }
    for n, chars in long_ngrams(((hashes, lengths) for hashes, lengths, _ in speech(values)), TOP, DUPLICATE).items():
        made[f"{'top' if n in TOP else 'duplicate'}_{n}gram"] = share(chars, size)
    return made


def long_fineweb(values: Bytes, short: int) -> dict[str, float]:
    lines = Lines(filled_only=True, limit=short)
    said = Speech()
    words = feeds = size = 0
    for part in parts(values):
        words += len(said.of(part)[0])
        spans = split_at(part.block, 1, runs=False)
        feeds += len(spans.starts) - 1
        size += len(part.block.values)
        lines.add(part.block, spans)
    lines.close()
    words += len(said.last()[0])
    _, chars = lines.again()
    return {
        "lines": lines.count,
        "ended_lines": share(lines.ended, lines.count),
        "short_lines": share(lines.short, lines.count),
        "duplicate_line_chars": share(chars, size - feeds),
        "newlines": feeds / words if words else float("inf") if feeds else float("nan"),
    }


def long_shares(values: Bytes) -> dict[str, float]:
    """Shares of letters and digits, of what are no letters, and of digits."""
    size = alnum = letters = digits = 0
    for part in parts(values):
        kinds = flags(part.block.values)
        size += len(kinds)
        alnum += int(np.count_nonzero(kinds & ALNUM))
        letters += int(np.count_nonzero(kinds & LETTER))
        digits += int(np.count_nonzero(kinds & DIGIT))
    return {
        "length": size,
        "alnum_ratio": alnum / size if size else 0.0,
        "special_ratio": (size - letters) / size if size else 0.0,
        "digit_ratio": digits / size if size else 0.0,
    }


def long_juicer(values: Bytes, stopwords: Hashes, flagged: Hashes, chars: int, run: int) -> dict[str, float]:
    """Of a text in small letters; with the measures of :func:`long_shares` these are all of Data-Juicer's."""
    lines, said = Lines(), Speech()
    letters, phrases = Tally(), Tally()
    ahead, before = np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    feeds = size = count = stops = flags_met = 0
    try:
        for part in parts(values):
            block = part.block
            spans = split_at(block, 1, runs=False)
            feeds += len(spans.starts) - 1
            size += len(block.values)
            lines.add(block, spans)
            ahead, counted, found, bad = _phrases(said.of(part), ahead, phrases, run, stopwords, flagged)
            count, stops, flags_met = count + counted, stops + found, flags_met + bad
            for windows in _windows(before, block, chars):
                letters.add(windows)
            before = np.concatenate([before, block.values.astype(np.uint32)])[-(chars - 1) :] if chars > 1 else before
        _, counted, found, bad = _phrases(said.last(), ahead, phrases, run, stopwords, flagged)
        count, stops, flags_met = count + counted, stops + found, flags_met + bad
        lines.close()
        listed = lines.count - (lines.last == 0)
        return {
            "words": count,
            "mean_line_length": share(size - feeds, listed),
            "max_line_length": lines.longest,
            "char_repetition": _most(letters),
            "word_repetition": _repeated(phrases),
            "stopword_ratio": share(stops, count),
            "flagged_ratio": share(flags_met, count),
        }
    finally:
        letters.close()
        phrases.close()


def _windows(before: npt.NDArray[np.uint32], block: Block, n: int) -> Iterator[Hashes]:
    if len(before):
        head = np.concatenate([before, block.values[: n - 1].astype(np.uint32)])
        yield Block(head, np.array([0, len(head)])).windows(0, len(head), n)
    yield block.windows(0, len(block.values), n)


def _phrases(
    words: tuple[Hashes, Numbers, Numbers], ahead: Hashes, tally: Tally, n: int, stopwords: Hashes, flagged: Hashes
) -> tuple[Hashes, int, int, int]:
    """Count what is solid of the words; returns the last n - 1 of them for the next, and how many there are, and of which kinds."""
    from recipec.fast.quality_juicer import among

    hashes = words[0][(words[2] & SOLID).astype(np.bool_)]
    whole = np.concatenate([ahead, scatter(hashes)])
    if len(whole) >= n:
        rolled = whole[: len(whole) - n + 1].copy()
        for step in range(1, n):
            rolled *= _NEXT
            rolled += whole[step : step + len(rolled)]
        tally.add(rolled)
    left = whole[max(len(whole) - n + 1, 0) :]
    return left, len(hashes), int(among(hashes, stopwords).sum()), int(among(hashes, flagged).sum())


def _most(tally: Tally) -> float:
    """As many of the most frequent n-grams as the root of the number of different ones, but only such as occur twice: their share."""
    different, times = 0, np.zeros(0, np.int64)
    for counts in tally.counts():
        different += len(counts)
        times = np.concatenate([times, counts[counts > 1]])
        # More than the root of all there can be are never used.
        most = int(np.sqrt(tally.total))
        if len(times) > most:
            times = np.sort(np.partition(times, len(times) - most)[-most:] if most else times[:0])
    used = np.sort(times)[::-1][: int(np.sqrt(different))]
    return float(used.sum() / tally.total) if tally.total else 0.0


def _repeated(tally: Tally) -> float:
    """The share of n-grams that occur more than once."""
    several = sum(int(counts[counts > 1].sum()) for counts in tally.counts())
    return several / tally.total if tally.total else 0.0


__all__ = ["long_fineweb", "long_juicer", "long_quality", "long_repetition", "long_shares"]
