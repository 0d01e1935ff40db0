"""Markup to plain text."""

from __future__ import annotations

from recipec.api import SQL, Kernel, Text, function, literal

_HTML = Kernel("strip_html", "recipec.fast.text_html:strip_html", ("VARCHAR",), "VARCHAR")
_MARKDOWN = Kernel("strip_markdown", "recipec.fast.text_markdown:strip_markdown", ("VARCHAR",), "VARCHAR")


@function("strip_html")
def strip_html(text: Text) -> Text:
    r"""The text of HTML: without tags and comments, without scripts, styles and heads, with entities decoded.

    Blocks become lines: `<br>`, list items, rows and `div` break the line; paragraphs, headings, lists and tables are set off by a
    blank line; cells are parted by a space. Where tags were taken away, white space at the ends goes too.

    What only looks like a tag stays: comparisons (`a<b`), placeholders (`<file>`), addresses (`<joe@example.org>`). A tag
    has well-formed attributes and the name of an HTML element (without attributes: one closed by name in the same text, or in a
    text that starts with a tag, or one such as `<p>` and `<br>`) or any other name that the text closes. A script, style or
    comment that never ends hides nothing.

    >>> strip_html("<p>One &amp; <b>two</b></p><p>three<br>four</p>")
    'One & two\n\nthree\nfour'
    >>> strip_html("if a<b then x &lt; y")
    'if a<b then x < y'
    >>> strip_html("<style>p {}</style>text<!-- note -->")
    'text'
    """
    return SQL(f"CASE WHEN regexp_matches({text}, '<[a-zA-Z/!?]|&[a-zA-Z#][a-zA-Z0-9]+;') THEN {_HTML(text)} ELSE {text} END")


@function("strip_markdown")
def strip_markdown(text: Text) -> Text:
    r"""The text of Markdown: without the marks of headings, emphasis, quotes, tables and code; links and images become their text.

    List marks and the content of code stay. HTML inside stays too: `strip_html` takes it away. Rules follow CommonMark and its tables;
    what is ambiguous stays as written (`2 * 3 * 4`, `snake_case_name`).

    >>> strip_markdown("# Title\n\nSome *very* **bold** [link](http://x.org).")
    'Title\n\nSome very bold link.'
    >>> strip_markdown("> quoted `code`\n\n```python\nx = 1\n```")
    'quoted code\n\nx = 1'
    """
    marks = r"[*_`~]|(?:^|\n) {0,3}(?:[#>]|[-=]|\|)|\]\(|\]\[|\]:|\\[!-/:-@\[-`{-~]|<[^\s<>]+[:@]|\|"
    return SQL(f"CASE WHEN regexp_matches({text}, '{marks}') THEN {_MARKDOWN(text)} ELSE {text} END")


# ASCII only, so that a link ends where Chinese goes on without a space. A full stop at its end belongs to the sentence, and a bracket
# that it does not open to what stands around it.
_BODY = r"[!#-'*-;=?-Z_a-z~\[\]]"
_END = r"[A-Z0-9/_=&#~$+-]"
_REST = rf"(?:{_BODY}|\({_BODY}*\))*(?:{_END}|\({_BODY}*\))"
URL = rf"(?i)\b(?:https?|ftp)://{_REST}|\bwww\.[A-Z0-9-]+(?:\.[A-Z0-9-]+)+(?:[:/?#]{_REST})?"
"""A web address, for RE2, and for Python's ``re`` with the flag ``ASCII``."""


@function("strip_urls")
def strip_urls(text: Text, replacement: str = "") -> Text:
    r"""The text with `replacement` in place of every web address: `http://`, `https://` and `ftp://`, and names that start with `www.`.

    Punctuation at the end of an address is not part of it. White space around it stays.

    >>> strip_urls("see https://example.org/a?b=1, or www.example.org.")
    'see , or .'
    >>> strip_urls("详见https://example.org/文档", "<url>")
    '详见<url>文档'
    """
    if "\\" in replacement:
        raise ValueError("the replacement cannot have a backslash")
    replaced = f"regexp_replace({text}, {literal(URL)}, {literal(replacement)}, 'g')"
    return SQL(f"CASE WHEN regexp_matches({text}, '://|(?i:www)\\.') THEN {replaced} ELSE {text} END")
