"""HTML to text: tags that are tags, and nothing else.

Plain text has angle brackets too (``if a<b then``, ``usage: cp <file>``, ``<joe@example.org>``), so a tag must have the name of an HTML
element (or be closed by name somewhere in the text) and attributes that are well formed.
"""

from __future__ import annotations

import html
import re
from typing import Final

import pyarrow as pa

from recipec.fast.text_arrow import Column, each

_PARAGRAPHS: Final = frozenset(
    (
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "ul", "ol", "dl", "hr", "form", "fieldset", "figure"),
        *("section", "article", "aside", "header", "footer", "main", "nav", "body", "html", "details"),
    )
)
_LINES: Final = frozenset(
    (
        *("div", "li", "tr", "dt", "dd", "option", "caption", "figcaption", "legend", "summary", "address", "center", "title", "thead"),
        *("tbody", "tfoot", "optgroup", "textarea", "select", "menu", "dir", "hgroup", "dialog", "search"),
    )
)
_INLINE: Final = frozenset(
    (
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "button", "cite", "code", "data", "datalist", "del", "dfn", "em", "font"),
        *("i", "ins", "kbd", "label", "mark", "map", "meter", "nobr", "output", "progress", "q", "rp", "rt", "ruby", "s", "samp", "small"),
        *("span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "slot", "picture", "video", "audio", "math"),
        *("img", "image", "input", "link", "meta", "base", "area", "col", "colgroup", "embed", "source", "track", "param", "object"),
        *("iframe", "frame", "frameset", "noframes", "applet", "basefont", "canvas", "marquee"),
    )
)
_UNMISTAKABLE: Final = frozenset(("br", "hr", "wbr", "p", "li", "td", "th", "tr", "dt", "dd"))
"""Elements that need not be closed, and that nobody writes in angle brackets for another reason. Any other bare name may be a placeholder,
a comparison or the name of an element in prose: it is a tag where the text closes it, or where the text as a whole starts with a tag."""
_HIDDEN: Final = ("script", "style", "template", "noscript", "svg", "head")
"""Elements whose content is not text for a reader."""

_BREAK, _LINE, _PARAGRAPH = "\ud800", "\ud801", "\ud802"
"""Marks of ``<br>``, of the edges of a block, and of a paragraph: lone surrogates, which no UTF-8 text can hold."""

_NAMES: Final = dict.fromkeys(_INLINE, "") | dict.fromkeys(_LINES, _LINE) | dict.fromkeys(_PARAGRAPHS, _PARAGRAPH)
_NAMES.update({"br": _BREAK, "td": " ", "th": " "} | dict.fromkeys(_HIDDEN, ""))

_BARE: Final = (
    "allowfullscreen|async|autofocus|autoplay|checked|compact|contenteditable|controls|default|defer|disabled|download|draggable|hidden|inert|"
    "ismap|itemscope|loop|multiple|muted|nofollow|nohref|nomodule|noresize|noshade|novalidate|nowrap|open|playsinline|readonly|required|"
    r"reversed|scoped|seamless|selected|truespeed|[\w-]*-[\w-]+"
)
_ATTRIBUTE: Final = rf"\s++(?:[^\s\"'<>/=]++\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'=<>`]++)|(?:{_BARE})(?=[\s/>]))"
_TAG: Final = re.compile(
    rf"<(?P<close>/?)(?P<name>[a-zA-Z][\w:-]*+)(?P<attributes>(?:{_ATTRIBUTE})*+)\s*+/?>|<!DOCT[^<>]*+>|<\?[a-z][^<>]*+\?>", re.I
)
_OPENS_HIDDEN: Final = re.compile(rf"<(?P<name>{'|'.join(_HIDDEN)})(?:{_ATTRIBUTE})*+\s*+(?P<empty>/?)>", re.I)
_CLOSE: Final = re.compile(r"</([a-zA-Z][\w:-]*+)\s*+>")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SPACE_AT_MARK: Final = re.compile(rf"\s*[{_BREAK}-{_PARAGRAPH}][\s{_BREAK}-{_PARAGRAPH}]*")


def text_of(markup: str) -> str:
    """The text of one piece of HTML; see the function ``strip_html``."""
    text = markup
    if "<" in text:
        text = _without_hidden(_without_comments(text))
        text = _without_tags(text)
    return _ENTITY.sub(_decode, text) if "&" in text else text


def _decode(entity: re.Match[str]) -> str:
    decoded = html.unescape(entity[0])
    return " " if decoded == "\xa0" else decoded


def _without_comments(text: str) -> str:
    """Without ``<!-- ... -->`` and ``<![CDATA[ ]]>``'s brackets. A comment that never ends is no comment."""
    if "<!--" in text:
        parts, position = [], 0
        while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
            parts.append(text[position:start])
            position = end + 3
        text = "".join(parts) + text[position:]
    return text.replace("<![CDATA[", "").replace("]]>", "") if "<![CDATA[" in text else text


def _without_hidden(text: str) -> str:
    """Without elements that hold no text for a reader. One that is never closed hides nothing: prose speaks of ``<script>`` too."""
    found = _OPENS_HIDDEN.search(text)
    if found is None:
        return text
    parts, position, scan = [], 0, 0
    unclosed: set[str] = set()
    while found is not None:
        name, scan = found["name"].lower(), found.end()
        if not found["empty"] and name not in unclosed:
            close = re.compile(rf"</{name}\s*+>", re.I).search(text, scan)
            if close is None:
                unclosed.add(name)
            else:
                parts.append(text[position : found.start()])
                position = scan = close.end()
        found = _OPENS_HIDDEN.search(text, scan)
    return "".join((*parts, text[position:]))


def _without_tags(text: str) -> str:
    closed: set[str] | None = None
    marked = changed = False
    page = (first := _TAG.match(text.lstrip())) is not None and (first["name"] or "html").lower() in _NAMES

    def replace(tag: re.Match[str]) -> str:
        nonlocal closed, marked, changed
        name = tag["name"]
        if name is None:
            changed = True
            return ""
        name = name.lower()
        mark = _NAMES.get(name)
        if mark is None or not (page or name in _UNMISTAKABLE or tag["attributes"]):
            # Names that are not HTML's are XML or custom elements where the text closes them.
            if closed is None:
                closed = {found.lower() for found in _CLOSE.findall(text)}
            if name not in closed:
                return tag[0]
        changed = True
        if not mark or (mark == " " and tag["close"]):
            return ""
        marked |= mark != " "
        return mark

    bare = _TAG.sub(replace, text)
    if marked:
        bare = _SPACE_AT_MARK.sub(_line_breaks, bare)
    return bare.strip() if changed else bare


def _line_breaks(run: re.Match[str]) -> str:
    return "\n\n" if _PARAGRAPH in run[0] or run[0].count(_BREAK) > 1 else "\n"


def strip_html(text: Column) -> pa.Array:
    return each(text, text_of, pa.string())
