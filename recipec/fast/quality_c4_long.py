"""C4's rules on one very long text: lines by the million characters, and a line longer than that by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from recipec.fast.quality_letters import END
from recipec.fast.quality_parts import PART, block_of, parts, stripped
from recipec.fast.quality_words import words_of
from recipec.fast.text_arrow import Bytes

_BREAKS: Final = (b"\n", b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")

_FLAGS: Final = {"lorem_ipsum": False, "curly_bracket": False, "text": None}


def whole_lines(values: Bytes, size: int = PART) -> Iterator[Bytes]:
    """A text in pieces of whole lines: as many as have about ``size`` bytes together, or one that is longer."""
    raw = memoryview(np.ascontiguousarray(values).data)
    begin = 0
    while begin < len(values):
        end = _line_end(raw, begin, size)
        yield values[begin:end]
        begin = end


def _line_end(raw: memoryview, begin: int, size: int) -> int:
    """Behind the last line break of the next ``size`` bytes; where there is none, behind the next."""
    total = len(raw)
    if begin + size >= total:
        return total
    window = bytes(raw[begin : begin + size])
    last = max(window.rfind(sign) + len(sign) if sign in window else 0 for sign in _BREAKS)
    at = begin + last
    while not last and at < total:
        # Three bytes again each time, so that a break that lies over the border is seen.
        low = max(at - 3, begin)
        window = bytes(raw[low : at + size])
        found = [place + len(sign) for sign in _BREAKS if (place := window.find(sign)) >= 0]
        last = min(found, default=0)
        at = low + last if last else at + size
    at = min(at, total)
    if raw[at - 1] == 13 and at < total and raw[at] == 10:
        at += 1
    return at


def pieces_of(line: Bytes) -> tuple[int, int]:
    """Of a very long line: how many runs without white space it has, and the characters of the longest."""
    count = longest = open_run = 0
    for part in parts(line):
        heads, tails = part.block.pieces
        if not len(heads):
            open_run = 0
            continue
        lengths = tails - heads
        goes_on = open_run > 0 and int(heads[0]) == 0
        if goes_on:
            lengths[0] += open_run
        count += len(heads) - goes_on
        longest = max(longest, int(lengths.max()))
        open_run = int(lengths[-1]) if int(tails[-1]) == len(part.block.values) else 0
    return count, longest


def long_sentences(values: Bytes) -> int:
    """Sentences of a text of one line or many, as :func:`recipec.fast.quality_c4.sentences` counts them."""
    from recipec.fast.quality_c4 import sentences_in

    total = 0
    for lines in whole_lines(values):
        inside, ended = 0, False
        for part in parts(lines):
            words = words_of(part.block)
            found = int(sentences_in(part.block, words)[0])
            # A part inside of a line begins no sentence of its own, unless the one before has ended.
            inside += max(found - (inside > 0 and not ended), 0)
            if len(words.starts):
                last = int(words.starts[-1])
                ended = bool(part.block.classes[last] & END) and int(words.ends[-1]) == last + 1
        total += inside
    return total


def long_c4(values: Bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """The measures, and the text that is left: None where that is all."""
    from recipec.fast.quality_c4 import Left

    left: list[str] = []
    lorem = curly = by_hand = False
    removed = 0
    for lines in whole_lines(values):
        if len(lines) > 2 * PART:
            text, lorem, curly = _giant(lines, options)
            kept = text is not None
            removed += not kept
        else:
            found = Left(block_of(lines), options, whole=False)
            lorem, curly = bool(found.lorem[0]), bool(found.curly[0])
            by_hand |= bool(len(found.by_hand))
            removed += int(found.removed[0])
            text = found.texts()[0].as_py()
            kept = bool(text) or int(found.removed[0]) < len(found.keep)
        if lorem or curly:
            # The document goes, as it came.
            return {**_FLAGS, "lorem_ipsum": lorem, "curly_bracket": curly, "lines_removed": removed, "sentences": long_sentences(values)}
        if kept:
            left.append(text or "")
    text = "\n".join(left)
    if by_hand:
        text = text.strip()
    raw = np.frombuffer(text.encode(), np.uint8)
    same = len(raw) == len(values) and bool((raw == values).all())
    return {**_FLAGS, "lines_removed": removed, "sentences": long_sentences(raw), "text": None if same else text}


def _giant(line: Bytes, options: Mapping[str, Any]) -> tuple[str | None, bool, bool]:
    """What is left of a line, if anything, and whether it has filler or a brace."""
    from recipec.fast.quality_c4 import CITATION, POLICY, TERMINAL

    line = stripped(line)
    words, longest = pieces_of(line)
    if options["max_word_length"] is not None and longest > options["max_word_length"]:
        return None, False, False
    text = line.tobytes().decode()
    if options["citations"] and "[" in text:
        text = CITATION.sub("", text)
    if options["terminal_punctuation"] and (not text.endswith(TERMINAL) or text.endswith("...")):
        return None, False, False
    if options["min_line_words"] is not None and words < options["min_line_words"]:
        return None, False, False
    small = text.lower()
    if options["lorem_ipsum"] and "lorem ipsum" in small:
        return text, True, False
    if options["javascript"] and "javascript" in small:
        return None, False, False
    if options["curly_bracket"] and "{" in text:
        return text, False, True
    if options["policy"] and any(phrase in small for phrase in POLICY):
        return None, False, False
    return text, False, False


__all__ = ["long_c4", "long_sentences"]
