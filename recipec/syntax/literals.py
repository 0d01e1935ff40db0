"""What literals stand for: escapes of strings, dedenting of blocks, numbers."""

from __future__ import annotations

import re

SIMPLE = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\\": "\\", '"': '"', "'": "'", "/": "/",
}  # fmt: skip
"""Escapes of one letter: JSON's, and those of Python that are not octal."""

_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_PAIR = re.compile(r"\\u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})")

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

MAX_DIGITS = 38
"""Digits of the largest integers that the database can hold (DuckDB's HUGEINT)."""


def string_value(written: str) -> tuple[str, list[tuple[int, int]]]:
    """The value of a string as written with its quotes, and (offset, length) of every escape that means nothing.

    Beside the letters of ``SIMPLE``: ``\\xHH``, ``\\uHHHH`` (JSON's surrogate pairs too), ``\\u{H...}``, ``\\UHHHHHHHH``.
    An escape that means nothing stays in the value as written.
    """
    inner = written[1:-1]
    if "\\" not in inner:
        return inner, []
    bad: list[tuple[int, int]] = []

    def resolve(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3] or match[4]
        if digits is None:
            value = SIMPLE.get(match[5])
        else:
            code = int(digits, 16)
            value = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else None
        if value is None or value == "\0":
            bad.append((1 + match.start(), match.end() - match.start()))
            return match[0]
        return value

    if "\\u" in inner:
        # Pairs are looked for escape by escape: a backslash that is itself escaped begins none.
        parts: list[str] = []
        position = 0
        while position < len(inner):
            pair = _PAIR.match(inner, position)
            if pair is not None:
                high, low = int(pair[1], 16), int(pair[2], 16)
                parts.append(chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)))
                position = pair.end()
                continue
            escape = _ESCAPE.match(inner, position)
            if escape is not None:
                parts.append(resolve(escape))
                position = escape.end()
                continue
            following = inner.find("\\", position + 1)
            following = len(inner) if following < 0 else following
            parts.append(inner[position:following])
            position = following
        return "".join(parts), bad
    return _ESCAPE.sub(resolve, inner), bad


def block_value(written: str) -> str:
    r"""The value of a block as written with its quotes.

    What stands between the quotes, without the first line if that is blank, and without the indentation that all lines
    share. Text beside the opening quotes counts as a line that is not indented, so nothing is removed then. Lines of
    blanks alone become empty; line ends become ``\n``; ``\"""`` stands for three quotes, and no other escape means anything.
    """
    inner = written[3:-3].replace("\r\n", "\n").replace("\r", "\n").replace('\\"""', '"""')
    lines = inner.split("\n")
    if len(lines) > 1 and not lines[0].strip(" \t"):
        del lines[0]
    full = [line for line in lines if line.strip(" \t")]
    margin = None
    for line in full:
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        if margin is None or margin.startswith(indent):
            margin = indent
        elif not indent.startswith(margin):
            common = 0
            while common < min(len(margin), len(indent)) and margin[common] == indent[common]:
                common += 1
            margin = margin[:common]
    width = len(margin or "")
    return "\n".join(line[width:] if line.strip(" \t") else "" for line in lines)


def number_value(written: str) -> int | float | None:
    """The value of ``1_000``, ``0.5``, ``1e-5``, ``80%`` (0.8) or ``5 tokens``; None when it is larger than the database can hold.

    A percentage is rounded once: ``0.7%`` is the float nearest to 0.007. What the lexer reported as no number at all is 0.
    """
    digits = written.split()[0].replace("_", "")
    percent = digits.endswith("%")
    digits = digits.rstrip("%")
    if not _NUMBER.fullmatch(digits):
        return 0
    if not percent and digits.isdigit():
        return int(digits) if len(digits.lstrip("0")) <= MAX_DIGITS else None
    mantissa, _, exponent = digits.lower().partition("e")
    if len(exponent) > 6:
        return None
    value = float(f"{mantissa}e{int(exponent or 0) - 2 * percent}")
    return value if value != float("inf") else None
