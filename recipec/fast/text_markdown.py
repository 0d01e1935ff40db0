"""Markdown to text: blocks line by line, then what stands inside them, by the rules of CommonMark that matter when only text is wanted."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import pyarrow as pa

from recipec.fast.text_arrow import Column, each

_FENCE: Final = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_QUOTE: Final = re.compile(r"(?: {0,3}> ?)+")
_HEADING: Final = re.compile(r" {0,3}#{1,6}(?:[ \t]+|$)")
_HEADING_END: Final = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_UNDERLINE: Final = re.compile(r" {0,3}(?:=+|-{2,})[ \t]*")
_RULE: Final = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
_TABLE_RULE: Final = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_DEFINITION: Final = re.compile(r" {0,3}\[[^\]]+\]:[ \t]*\S+(?:[ \t]+(?:\"[^\"]*\"|'[^']*'|\([^)]*\)))?[ \t]*")
_CELLS: Final = re.compile(r"(?<!\\)\|")

_LABEL: Final = r"(?:[^\[\]`\\]|\\.|!?\[[^\[\]]*\](?:\([^()\s]*\))?)*"
_ADDRESS: Final = r"\(\s*+(?:<[^<>\n]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
_SPECIAL: Final = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n\s*\n)[\s\S]){1,2000}?)(?<!`)(?P=ticks)(?!`)"
    rf"|!?\[(?P<label>{_LABEL})\](?:{_ADDRESS}|\[[^\[\]\n]*\])"
    r"|<(?P<link>[a-zA-Z][a-zA-Z0-9+.-]{1,31}:[^\s<>]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>"
)
_KEPT: Final = "\ud800"
"""Stands for text that is finished, while emphasis is looked for around it: a lone surrogate, which no UTF-8 text can hold."""
_EMPHASIS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![*0-9A-Za-z])\*(?=[^\s*])([^*]+)(?<=[^\s*])\*(?![*0-9A-Za-z])",
        r"(?<!\*)\*\*(?=[^\s*])([^*]+)(?<=[^\s*])\*\*(?!\*)",
        r"(?<!\*)\*\*\*(?=[^\s*])([^*]+)(?<=[^\s*])\*\*\*(?!\*)",
        r"(?<!\w)_(?=[^\s_])([^_]+(?:(?<=\w)_+(?=\w)[^_]+)*)(?<=[^\s_])_(?!\w|\.\w)",
        r"(?<!\w)__(?=[^\s_])([^_]+(?:(?<=\w)_+(?=\w)[^_]+)*)(?<=[^\s_])__(?!\w|\.\w)",
        r"(?<!\w)___(?=[^\s_])([^_]+)(?<=[^\s_])___(?!\w|\.\w)",
        r"(?<!~)~~(?=[^\s~])([^~]+)(?<=\S)~~(?!~)",
    )
)


def text_of(markdown: str) -> str:
    """The text of one piece of Markdown; see the function ``strip_markdown``."""
    parts: list[str] = []
    block: list[str] = []
    fence, in_table = "", False

    def finish() -> None:
        if block:
            parts.append(_inside("\n".join(block)))
            block.clear()

    lines = [*markdown.split("\n"), ""]
    for raw, under in pairwise(lines):
        quote = _QUOTE.match(raw)
        line = raw[quote.end() :] if quote else raw
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
            else:
                parts.append(line)
        elif mark:
            finish()
            fence = mark[1]
        elif not line.strip():
            finish()
            parts.append(line)
            in_table = False
        elif block and _UNDERLINE.fullmatch(line):
            continue
        elif _RULE.fullmatch(line) or _DEFINITION.fullmatch(line):
            finish()
        elif in_table and _TABLE_RULE.fullmatch(line):
            continue
        elif "|" in line and (in_table := in_table or _is_row(line, under)):
            block.append(" ".join(cell.strip() for cell in _CELLS.split(line.strip().strip("|"))))
        elif heading := _HEADING.match(line):
            finish()
            parts.append(_inside(_HEADING_END.sub("", line[heading.end() :])))
        else:
            block.append(line)
    finish()
    return "\n".join(parts)


def _is_row(line: str, under: str) -> bool:
    """Whether a line begins a table: it has a rule under it, or bars at both ends."""
    line = line.strip()
    return ("|" in under and _TABLE_RULE.fullmatch(under) is not None) or (len(line) > 1 and line[0] == line[-1] == "|")


def _inside(text: str) -> str:
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        if found["label"] is not None:
            kept.append(_inside(found["label"]))
        elif found["code"] is not None:
            code = found["code"]
            kept.append(code[1:-1] if code[0] == code[-1] == " " and code.strip() else code)
        else:
            kept.append(found["escaped"] or found["link"])
        return _KEPT

    text = _SPECIAL.sub(keep, text)
    for pattern in _EMPHASIS:
        text = pattern.sub(r"\1", text)
    if not kept:
        return text
    pieces = text.split(_KEPT)
    return pieces[0] + "".join(k + p for k, p in zip(kept, pieces[1:], strict=True))


def strip_markdown(text: Column) -> pa.Array:
    return each(text, text_of, pa.string())
