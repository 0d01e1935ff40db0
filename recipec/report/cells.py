"""How many cells of a terminal a text takes: two for East Asian wide letters, none for combining marks.

Widths are those of Unicode's East Asian Width property, with ambiguous letters narrow, as terminals do outside legacy
Chinese, Japanese and Korean encodings.
"""

from __future__ import annotations

TAB = 4
CLOSING = "、，。；：？！）】」』》〉”’…"
"""Wide marks that do not begin a line."""
DANGEROUS = ((0x80, 0x9F), (0x2028, 0x202E), (0x2066, 0x2069), (0xD800, 0xDFFF))
"""Beyond ASCII: control characters, line ends and marks of direction, halves of surrogate pairs."""


def is_simple(text: str) -> bool:
    """Whether every character is one cell wide and safe to print."""
    return text.isascii() and text.isprintable()


def width_of(char: str) -> int:
    """Cells of one printable character."""
    from unicodedata import category, east_asian_width

    point = ord(char)
    if point < 0x300:
        return 0 if point == 0xAD else 1
    if category(char) in ("Mn", "Me", "Cf") or 0x1160 <= point <= 0x11FF:
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def visible(char: str, unicode: bool = True) -> str:
    """What to print for a character: itself, or for one that would move the cursor, reorder or hide text, its name.

    Control characters of ASCII become their pictures (``␛``), or ``?`` where those cannot be printed; others, and the
    marks that change the direction of writing, become their number (``\\u202e``): a recipe cannot play tricks on the
    terminal that shows it.
    """
    point = ord(char)
    if 0x20 <= point < 0x7F:
        return char
    if point < 0x20 or point == 0x7F:
        return ("␡" if point == 0x7F else chr(0x2400 + point)) if unicode else "?"
    if any(low <= point <= high for low, high in DANGEROUS):
        return f"\\u{point:04x}"
    return char


def cells(text: str, unicode: bool = True) -> list[tuple[str, int]]:
    """For each character of a line, what to print and its cells; tabs go to the next multiple of four."""
    if is_simple(text):
        return [(c, 1) for c in text]
    out: list[tuple[str, int]] = []
    at = 0
    for char in text:
        if char == "\t":
            shown = " " * (TAB - at % TAB)
            size = len(shown)
        else:
            shown = visible(char, unicode)
            size = len(shown) if len(shown) > 1 else width_of(shown)
        out.append((shown, size))
        at += size
    return out


def width(text: str) -> int:
    """Cells of a text without tabs or control characters."""
    return len(text) if is_simple(text) else sum(size for _, size in cells(text))


def clean(text: str, unicode: bool = True) -> str:
    """A text on one line that is safe to print: control characters shown, tabs and line ends as blanks."""
    if is_simple(text):
        return text
    return "".join(" " if c in "\t\n" else visible(c, unicode) for c in text.replace("\r\n", "\n"))


def safe(text: str, unicode: bool = True) -> str:
    """A text that is safe to print, its line ends kept."""
    return "\n".join(clean(part, unicode) for part in text.split("\n"))


def clip(text: str, room: int, more: str = "…") -> str:
    """At most ``room`` cells of a text, ending in ``more`` when some of it is left out."""
    if width(text) <= room:
        return text
    out, used = [], 0
    for shown, size in cells(text):
        if used + size > room - len(more):
            break
        out.append(shown)
        used += size
    return "".join(out) + more


def pad(text: str, room: int, *, right: bool = False) -> str:
    """A text filled with blanks to ``room`` cells."""
    blanks = " " * (room - width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, room: int) -> list[str]:
    """A text in lines of at most ``room`` cells, broken at blanks, and between wide letters where there are none.

    Its own line ends are kept, and the blanks inside a line too.
    """
    lines: list[str] = []
    for part in text.split("\n"):
        lines.extend(_wrap_line(part.rstrip(), room))
    return lines or [""]


def _wrap_line(text: str, room: int) -> list[str]:
    if width(text) <= room:
        return [text]
    lines, line, used = [], "", 0
    for word, size in _words(text):
        if used and used + width(word.rstrip()) > room:
            lines.append(line.rstrip())
            line, used = "", 0
            if word.isspace():
                continue
        while size > room and not used:
            cut, taken = 0, 0
            for shown, cell in cells(word):
                if taken + cell > room:
                    break
                cut, taken = cut + len(shown), taken + cell
            cut = max(cut, 1)
            lines.append(word[:cut])
            word = word[cut:]
            size = width(word)
        line += word
        used += size
    return [*lines, line.rstrip()] if line.strip() else lines


OPENING = frozenset("`([{\"'“‘（《〈「『【")
"""Signs that may not end a line before a wide letter."""


def _words(text: str) -> list[tuple[str, int]]:
    """Pieces that may not be broken: words with the blanks behind them, and single wide letters with the marks that may
    not begin a line."""
    out: list[tuple[str, int]] = []
    word = ""
    for char in text:
        wide = not char.isascii() and width_of(char) == 2
        if char in CLOSING and out and not word:
            held = out.pop()[0] + char
            out.append((held, width(held)))
            continue
        if word and ((word[-1] == " " and char != " ") or (wide and not OPENING.issuperset(word))):
            out.append((word, width(word)))
            word = ""
        word += char
        if wide:
            out.append((word, width(word)))
            word = ""
    if word:
        out.append((word, width(word)))
    return out
