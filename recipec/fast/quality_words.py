"""Words as the quality presets count them, found on whole blocks.

The rules of Gopher and FineWeb were set with a tokenizer that parts words from the marks around them, so that is how words are split
here, by rules of recipec's own that need no model:

* white space parts; marks at the front or the back of a piece are parted from it, one by one (``"(yes)."`` is ``( yes ) .``);
  runs of dots stay together; the dot of an abbreviation or of a single letter stays with it;
* inside a piece, hyphens, slashes and their kind part what they join when a letter follows (``non-free``, ``GNU/Linux``), a comma
  when it stands between letters, a dot when a capital follows a small letter; web and e-mail addresses stay whole;
* English clitics are words of their own (``do n't``, ``it 's``), and so is a unit behind a number (``10 MB``);
* every letter of a script without spaces (Chinese, Japanese, Thai, ...) is a word of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from recipec.fast.quality_letters import (
    ALONE_LETTER,
    ALPHA,
    BEFORE,
    BEHIND,
    DIGIT,
    ICON,
    INSIDE,
    LOWER,
    MONEY,
    QUOTE,
    UPPER,
    Block,
    is_address,
)
from recipec.fast.text_arrow import Flags, Places

_DOT: Final = ord(".")
_ABBREVIATIONS: Final = (
    *("e.g", "E.g", "E.G", "i.e", "I.e", "I.E", "a.m", "p.m", "v.s", "vs", "Mr", "Mrs", "Ms", "Dr", "Prof", "Jr", "Sr", "St", "Inc", "Ltd"),
    *("Co", "co", "Corp", "Bros", "Gen", "Gov", "Rep", "Rev", "Sen", "Ph.D", "D.C", "Mt", "Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug"),
    *("Sep", "Sept", "Oct", "Nov", "Dec", "Adm", "Ave", "Messrs"),
)
_UNITS: Final = (
    *("km", "m", "dm", "cm", "mm", "nm", "ha", "yd", "in", "ft", "kg", "g", "mg", "t", "lb", "oz", "mph", "hPa", "Pa", "mbar", "mb", "MB"),
    *("kb", "KB", "gb", "GB", "tb", "TB", "T", "G", "M", "K"),
)
_CANNOT: Final = re.compile(rb"[Cc]annot(?![A-Za-z])")


@dataclass(frozen=True)
class Words:
    """The words of a block: where each begins and ends, in order, and where each row's begin among them."""

    block: Block
    starts: Places
    ends: Places
    offsets: Places

    @property
    def counts(self) -> Places:
        return np.diff(self.offsets)


def words_of(block: Block) -> Words:
    if not len(block.values):
        nothing = np.zeros(0, np.int64)
        return Words(block, nothing, nothing, np.zeros(block.rows + 1, np.int64))
    opens = _opens(block)
    closes = block.tails.copy()
    closes[:-1] |= opens[1:]
    closes &= ~block.space
    starts, ends = np.flatnonzero(opens), np.flatnonzero(closes) + 1
    return Words(block, starts, ends, np.searchsorted(starts, block.starts))


def _opens(block: Block) -> Flags:
    """True where a word begins."""
    classes, size = block.classes, len(block.values)
    made = np.zeros(size + 1, np.bool_)
    made[:size] = block.heads
    dots, dot_starts, dot_ends = _dots(block)
    made[dot_starts] = made[dot_ends] = True
    front = _front(block, dots)
    made[front] = made[front + 1] = True
    back, inner, units = _back(block, dots, front)
    made[back] = made[back + 1] = True
    made[units] = True
    edge = np.zeros(size + 1, np.bool_)
    edge[front] = edge[back] = True
    _clitics(block, made, edge)
    inside = _inside(block, edge, front, back)
    made[inside] = made[inside + 1] = True
    if block.values.dtype != np.uint8:
        alone = np.flatnonzero(classes & ALONE_LETTER)
        made[alone] = made[alone + 1] = True
    hyphens = inside[block.bytes[inside] == ord("-")]
    if hyphens.size > 1:
        # The place before the first is the mask's last, beyond the text, where no hyphen is.
        made[hyphens[block.mask(hyphens)[hyphens - 1]]] = False
    made[inner] = False
    if dots.size:
        opened = made[dot_starts]
        made[dots] = False
        made[dot_starts] = opened
    found: Flags = made[:size]
    found &= ~block.space
    return found


def _dots(block: Block) -> tuple[Places, Places, Places]:
    """Dots in runs of two or more; where these runs start, and end."""
    found = block.signs(".")
    if found.size < 2:
        nothing = found[:0]
        return nothing, nothing, nothing
    fresh = np.ones(len(found), np.bool_)
    fresh[1:] = (found[1:] != found[:-1] + 1) | block.heads[found[1:]]
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(found)) - 1
    several = last > first
    dots = found[several[np.cumsum(fresh) - 1]]
    return dots, found[first[several]], found[last[several]] + 1


def _runs(places: Places, heads: Flags) -> tuple[Flags, npt.NDArray[np.int64]]:
    """Of sorted places: which start a run of neighbours within a piece, and each one's run."""
    fresh = np.ones(len(places), np.bool_)
    fresh[1:] = (places[1:] != places[:-1] + 1) | heads[places[1:]]
    return fresh, np.cumsum(fresh) - 1


def _front(block: Block, dots: Places) -> Places:
    """Marks parted from the word behind them: those in a run that begins its piece."""
    places = block.marked(BEFORE)
    places = places[~((block.bytes[places] == ord("+")) & _at(block, places + 1, DIGIT))]
    if dots.size:
        mask = block.mask(places)
        mask[dots] = True
        places = np.flatnonzero(mask)
    if not places.size:
        return places
    fresh, run = _runs(places, block.heads)
    return places[block.heads[places[fresh]][run]]


def _at(block: Block, places: Places, kinds: int) -> Flags:
    """Whether there is a character of one of these kinds at each place (which may lie beyond the end)."""
    inside = places < len(block.values)
    found: Flags = (block.classes.take(np.minimum(places, len(block.values) - 1)) & kinds).astype(np.bool_)
    return found & inside


def _back(block: Block, dots: Places, front: Places) -> tuple[Places, Places, Places]:
    """Marks, single dots and possessives parted from the word before them: those in a run that ends its piece.

    With them, the second letters of possessives, and where units begin."""
    classes, letters, heads = block.classes, block.bytes, block.heads
    mask = np.zeros(len(classes), np.bool_)
    mask[block.marked(BEHIND)] = True
    single = block.signs(".")
    single = single[~heads[single]]
    if single.size:
        before = classes[single - 1]
        sign = letters[single - 1]
        ends = (before & (LOWER | DIGIT | BEHIND | QUOTE)).astype(np.bool_) | (sign == ord("%")) | (sign == ord("-")) | (sign == ord("+"))
        two = (before & UPPER).astype(np.bool_) & ~heads[single - 1]
        two[two] = (classes[single[two] - 2] & UPPER).astype(np.bool_)
        mask[single[ends | two]] = True
    after = np.concatenate([block.marked(MONEY), block.signs("%"), block.signs("+")])
    after = after[~heads[after]]
    mask[after] = (classes[after - 1] & DIGIT).astype(np.bool_)
    mask[dots] = True
    inner = _possessive(block, mask)
    places = np.flatnonzero(mask)
    if not places.size:
        return places, inner, _units(block, places)
    fresh, run = _runs(places, heads)
    last = places[np.append(np.flatnonzero(fresh)[1:], len(places)) - 1]
    found = places[block.tails[last][run]]
    found = found[~_abbreviated(block, found, front)]
    return found, inner, _units(block, found)


def _quotes(block: Block) -> Places:
    """Apostrophes, straight and curled."""
    at = block.values[block.marks]
    found: Places = block.marks[(at == ord("'")) | (at == 0x2019)] if block.values.dtype != np.uint8 else block.marks[at == ord("'")]
    return found


def _possessive(block: Block, mask: Flags) -> Places:
    """Marks ``'s`` behind a letter; returns the places of the ``s``, which is no word of its own."""
    small = _quotes(block) + 1
    small = small[small < len(mask)]
    small = small[(block.bytes[small] | 32 == ord("s")) & ~block.heads[small] & ~block.heads[small - 1]]
    if small.size:
        ending = block.tails[small]
        nxt = np.minimum(small + 1, len(mask) - 1)
        ending |= mask[nxt] & ~block.heads[nxt]
        small = small[ending]
        mask[small] = True
    found: Places = small
    return found


@cache
def _packed(words: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """Short words as numbers, little end first, sorted."""
    return np.sort(np.array([int.from_bytes(word.encode(), "little") for word in words], np.uint64))


def _pack(letters: npt.NDArray[np.uint8], starts: Places, lengths: Places) -> npt.NDArray[np.uint64]:
    """Spans of up to 7 bytes as numbers; longer ones as 0."""
    made = np.zeros(len(starts), np.uint64)
    for i in range(7):
        more = lengths > i
        byte = letters.take(np.minimum(starts + i, len(letters) - 1)).astype(np.uint64) << np.uint64(8 * i)
        made |= np.where(more, byte, np.uint64(0))
    made[lengths > 7] = 0
    return made


def _among(values: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]) -> Flags:
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    found: Flags = wanted[at] == values
    return found


def _abbreviated(block: Block, places: Places, front: Places) -> Flags:
    """Which of the places are the dot of an abbreviation, or of a single small letter, that nothing but marks stands around."""
    made = np.zeros(len(places), np.bool_)
    which = np.flatnonzero(block.bytes[places] == _DOT)
    dots = places[which]
    before = np.flatnonzero(~block.mask(places)[dots - 1]) if len(which) else which
    which, dots = which[before], dots[before]
    if not which.size:
        return made
    heads, _ = block.pieces
    start = heads[np.searchsorted(heads, dots, "right") - 1]
    if front.size:
        # Marks in front are not part of the abbreviation.
        at = np.searchsorted(front, dots) - 1
        start = np.maximum(start, np.where(at >= 0, front[np.maximum(at, 0)] + 1, 0))
    lengths = dots - start
    short = np.flatnonzero((lengths > 0) & (lengths < 8))
    which, dots, start, lengths = which[short], dots[short], start[short], lengths[short]
    letter = (lengths == 1) & (block.classes[start] & LOWER).astype(np.bool_)
    made[which] = letter | _among(_pack(block.bytes, start, lengths), _packed(_ABBREVIATIONS))
    return made


def _units(block: Block, back: Places) -> Places:
    """First letters of units behind a number at the end of a piece, or before its marks."""
    classes = block.classes
    digits = np.flatnonzero(classes & DIGIT)
    begin = digits[_at(block, digits + 1, ALPHA)] + 1
    begin = begin[~block.heads[begin]]
    if not begin.size:
        return begin
    marked = np.zeros(len(classes) + 1, np.bool_)
    marked[back] = True
    length = np.zeros(len(begin), np.int64)
    going = np.arange(len(begin))
    for step in range(1, 6):
        at = begin[going] + step
        stop = (at >= len(classes)) | marked[np.minimum(at, len(classes))]
        inside = np.minimum(at, len(classes) - 1)
        stop |= block.space[inside] | block.heads[inside]
        length[going[stop]] = step
        going = going[~stop]
        if not going.size:
            break
    found = np.flatnonzero((length > 0) & (length < 5))
    begin, length = begin[found], length[found]
    unit = _among(_pack(block.bytes, begin, length), _packed(_UNITS))
    return begin[unit]


def _clitics(block: Block, opens: Flags, edge: Flags) -> None:
    """Part ``n't``, ``'ll``, ``'ve``, ``'re``, ``'d``, ``'m`` and the ``not`` of ``cannot``; the slash of ``and/or`` parts nothing."""
    letters, heads = block.bytes, block.heads
    quotes = _quotes(block)
    quotes = quotes[~heads[quotes] & ~edge[quotes]]
    if quotes.size:
        quotes = quotes[(block.classes[quotes - 1] & ALPHA).astype(np.bool_)]
        first = _letter(block, quotes + 1, edge)
        second = _letter(block, quotes + 2, edge)
        third = _letter(block, quotes + 3, edge)
        n = letters[quotes - 1] | 32 == ord("n")
        not_ = n & (first == ord("t")) & (second == 0) & ~heads[quotes - 1]
        opens[quotes[not_] - 1] = True
        two = first.astype(np.int64) * 256 + second
        other = (third == 0) & np.isin(two, [int.from_bytes(w, "big") for w in (b"ll", b"ve", b"re", b"d\0", b"m\0")])
        opens[quotes[other & ~not_]] = True
    raw, at = letters.tobytes(), -1
    while (at := raw.find(b"annot", at + 1)) > 0:
        if _CANNOT.match(raw, at - 1) and not (at > 1 and raw[at - 2 : at - 1].isalpha()):
            opens[at + 2] = True
    while (at := raw.find(b"and/or", at + 1)) >= 0:
        if opens[at] and (at + 6 == len(raw) or opens[at + 6] or block.space[at + 6]):
            edge[at + 3] = True


def _letter(block: Block, places: Places, edge: Flags) -> npt.NDArray[np.uint8]:
    """The small letter at each place; 0 where the piece has ended, or its marks begun."""
    size = len(block.values)
    inside = np.minimum(places, size - 1)
    gone = (places >= size) | block.space[inside] | block.heads[inside] | edge[inside]
    made: npt.NDArray[np.uint8] = np.where(gone, np.uint8(0), block.bytes[inside] | np.uint8(32))
    return made


def _inside(block: Block, edge: Flags, front: Places, back: Places) -> Places:
    """Marks inside a piece that part what they join."""
    classes, letters, heads, size = block.classes, block.bytes, block.heads, len(block.values)
    places = block.marked(INSIDE)
    places = places[~edge[places]]
    if not places.size:
        return places
    icon = (classes[places] & ICON).astype(np.bool_) | (block.values[places] == 0x2026)
    inner = ~heads[places] & ~block.tails[places]
    icons: Places = places[icon]
    places = places[inner & ~icon]
    sign = letters[places]
    dash = (sign == ord("-")) | (sign == ord("~"))
    if block.values.dtype != np.uint8:
        dash |= (block.values[places] == 0x2013) | (block.values[places] == 0x2014)
    # Two or three hyphens join as one does: their neighbours are looked for beyond them.
    run_start, run_end = places.copy(), places.copy()
    doubled = np.flatnonzero(sign == ord("-"))
    for _ in range(2):
        back_one = np.maximum(run_start[doubled] - 1, 0)
        run_start[doubled] = np.where((letters[back_one] == ord("-")) & ~heads[run_start[doubled]], back_one, run_start[doubled])
        on_one = np.minimum(run_end[doubled] + 1, size - 1)
        run_end[doubled] = np.where((letters[on_one] == ord("-")) & ~heads[on_one], on_one, run_end[doubled])
    before = classes[np.maximum(run_start - 1, 0)]
    behind = classes[np.minimum(run_end + 1, size - 1)]
    letter_behind = (behind & ALPHA).astype(np.bool_)
    word_before = (before & (ALPHA | DIGIT)).astype(np.bool_)
    joins = dash | (sign == ord(":")) | (sign == ord("<")) | (sign == ord(">")) | (sign == ord("=")) | (sign == ord("/"))
    parts = joins & word_before & letter_behind
    parts |= (sign == ord(",")) & (before & ALPHA).astype(np.bool_) & letter_behind
    parts |= (sign == _DOT) & (before & (LOWER | QUOTE)).astype(np.bool_) & (behind & (UPPER | QUOTE)).astype(np.bool_)
    sums = (sign == ord("-")) | (sign == ord("+")) | (sign == ord("*")) | (sign == ord("^"))
    next_hyphen = letters[np.minimum(places + 1, size - 1)] == ord("-")
    parts |= sums & (before & DIGIT).astype(np.bool_) & ((behind & DIGIT).astype(np.bool_) | next_hyphen)
    places = places[parts]
    if not places.size:
        return icons
    found: Places = np.concatenate([icons, places[~_in_addresses(block, places, front, back)]])
    return found


def _in_addresses(block: Block, places: Places, front: Places, back: Places) -> Flags:
    """Which of the places lie in web or e-mail addresses."""
    heads, tails = block.pieces
    piece = np.searchsorted(heads, places, "right") - 1
    made = np.zeros(len(places), np.bool_)
    dots = block.signs(".")
    if not dots.size:
        return made
    fresh = np.ones(len(piece), np.bool_)
    np.not_equal(piece[1:], piece[:-1], out=fresh[1:])
    numbers = piece[fresh]
    starts, ends = heads[numbers], tails[numbers]
    dotted = np.searchsorted(dots, starts) < np.searchsorted(dots, ends)
    if not dotted.any():
        return made
    begins = starts + np.searchsorted(front, ends) - np.searchsorted(front, starts)
    first = np.searchsorted(back, starts)
    if back.size:
        rear = back[np.minimum(first, len(back) - 1)]
        cut = (first < len(back)) & (rear < ends) & (rear > begins)
        ends = np.where(cut, rear, ends)
    text = block.text(0, len(block.values))
    found = np.zeros(len(numbers), np.bool_)
    for at in np.flatnonzero(dotted).tolist():
        found[at] = is_address(text[begins[at] : ends[at]])
    made[:] = found[np.cumsum(fresh) - 1]
    return made
