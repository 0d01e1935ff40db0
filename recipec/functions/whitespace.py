"""White space: squeezed, stripped, unwrapped. White space is what Unicode calls so, the ideographic space (U+3000) among it.

Each function tests first whether there is anything to do: a test costs a tenth of a replacement, and most texts need none.
"""

from __future__ import annotations

from recipec.api import SQL, Kernel, Text, function

_DEDENT = Kernel("dedent", "recipec.fast.text_space:dedent", ("VARCHAR",), "VARCHAR")

_ODD = r"\t\x1C-\x1F\x{A0}\x{1680}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}"  # spaces other than the plain one
_ODD_BREAKS = r"\x0B\x0C\x{85}\x{2028}\x{2029}"
_ANY = rf"\n\r {_ODD}{_ODD_BREAKS}"
_HAN = r"[\x{3001}-\x{30FF}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{FF01}-\x{FF9F}\x{20000}-\x{323AF}]"


def _replace(text: str, pattern: str, by: str) -> SQL:
    return SQL(f"regexp_replace({text}, '{pattern}', '{by}', 'g')")


def _when(text: str, pattern: str, changed: str) -> SQL:
    return SQL(f"CASE WHEN regexp_matches({text}, '{pattern}') THEN {changed} ELSE {text} END")


def _newlines(text: str) -> SQL:
    return _replace(text, rf"\r\n?|[{_ODD_BREAKS}]", "\n")


@function("squeeze_space")
def squeeze_space(text: Text) -> Text:
    r"""White space made regular: one space for every run of spaces and tabs, none at the ends of lines or of the text, one blank
    line at most between paragraphs, and `\n` as the only line break.

    Line breaks stay (see `one_line`). Indentation goes, so this is not for program text.

    >>> squeeze_space("  a \t b  \r\n\n\n\n  c ")
    'a b\n\nc'
    >>> squeeze_space("　　你好，　世界。")
    '你好， 世界。'
    """
    lines = _replace(_newlines(text), rf"[{_ODD}][ {_ODD}]*| [ {_ODD}]+", " ")
    tidy = _replace(_replace(lines, r" \n ?|\n ", "\n"), r"\n{3,}", "\n\n")
    needed = rf"[{_ODD}\r{_ODD_BREAKS}]|  | \n|\n |\n\n\n|^[ \n]|[ \n]$"
    return _when(text, needed, f"trim({tidy}, ' \n')")


@function("one_line")
def one_line(text: Text) -> Text:
    r"""The text on one line: every run of white space, line breaks included, becomes one space, and none stays at the ends.

    A line break between two Chinese or Japanese characters goes without a space in its place.

    >>> one_line("  one\n  two\tthree ")
    'one two three'
    >>> one_line("今天天气\n很好")
    '今天天气很好'
    """
    join = rf"({_HAN})[{_ANY}]*\n[{_ANY}]*({_HAN})"
    # Twice, because a character between two breaks takes part in two matches, which may not overlap.
    joined = _when(text, rf"{_HAN}[{_ANY}]*\n", _replace(_replace(text, join, r"\1\2"), join, r"\1\2"))
    flat = _replace(f"({joined})", rf"[{_ODD}\n\r{_ODD_BREAKS}][{_ANY}]*| [{_ANY}]+", " ")
    return _when(text, rf"[{_ODD}\n\r{_ODD_BREAKS}]|  |^ | $", f"trim({flat}, ' ')")


@function("strip_lines")
def strip_lines(text: Text) -> Text:
    r"""Every line without white space at its start and end. Blank lines stay, empty; line breaks become `\n`.

    >>> strip_lines("  a  b \r\n\t\n c")
    'a  b\n\nc'
    """
    space = rf"[ {_ODD}]"
    needed = rf"[\r{_ODD_BREAKS}]|{space}\n|\n{space}|^{space}|{space}$"
    inner = _replace(_newlines(text), rf"{space}*\n{space}*", "\n")
    return _when(text, needed, _replace(inner, rf"^{space}+|{space}+$", ""))


@function("drop_blank_lines")
def drop_blank_lines(text: Text) -> Text:
    r"""The text without lines that are empty or hold white space alone. Line breaks become `\n`.

    >>> drop_blank_lines("a\n\n  \n b\n")
    'a\n b'
    """
    lines = _replace(_newlines(text), rf"\n(?:[ {_ODD}]*\n)+", "\n")
    ends = _replace(lines, rf"^[ {_ODD}]*\n|\n[ {_ODD}]*$", "")
    return _when(
        text,
        rf"[\r{_ODD_BREAKS}]|\n[ {_ODD}]*\n|^[ {_ODD}]*\n|\n[ {_ODD}]*$|^[ {_ODD}]+$",
        f"CASE WHEN regexp_matches({text}, '^[{_ANY}]*$') THEN '' ELSE {ends} END",
    )


@function("dedent")
def dedent(text: Text) -> Text:
    r"""The text without the indentation that all its lines share. Lines of white space alone become empty.

    As Python's `textwrap.dedent`: tabs and spaces are not the same.

    >>> dedent("    if x:\n      y\n")
    'if x:\n  y\n'
    """
    return _when(text, r"(?:^|\n)[ \t]", _DEDENT(text))


@function("unix_lines")
def unix_lines(text: Text) -> Text:
    r"""The text with `\n` as its only line break, in place of `\r\n`, `\r` and the rarer Unicode ones.

    >>> unix_lines("a\r\nb\rc")
    'a\nb\nc'
    """
    return _when(text, rf"[\r{_ODD_BREAKS}]", _newlines(text))
