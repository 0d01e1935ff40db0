"""A statement's own words, whatever its layout: filters without a reason, and tests without a name, are called by them.

They are part of what a step means (rows are dropped under them), so neither layout nor comments may change them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from recipec.source import Source, Span

_ODD = re.compile(
    r"[#\n\r\t]|  |[(\[{] | [)\]},.:]|\. |(?<!\bin)(?<!\band)(?<!\bor)(?<!\bnot)(?<!\bwhere)(?<![-+*/%=<>|,:]) [(\[]"
    r"|,\S|:\S|[^\s(\[<>=!|/*][-<>=!|+*/%]|[<>=|+*/%][^\s<>=|/*]"
)
"""What a statement has that ``fmt`` may lay out otherwise; more is suspected than is so."""


def written(span: Span, before: str = "") -> str:
    """The text of a statement, or behind ``before`` of an expression, on one line, as ``fmt`` writes it and without comments."""
    text = span.text
    return " ".join(text.split()) if _ODD.search(text) is None else _laid_out(text, before)


@lru_cache(1024)
def _laid_out(text: str, before: str) -> str:
    from recipec.syntax.format import NotFormatted, format_source
    from recipec.syntax.lexer import scan

    try:
        whole = format_source(Source("", f"clean a from b {{\n{before}{text}\n}}\n"))
    except NotFormatted:
        return " ".join(text.split())
    kept = "".join(t.text for t in scan(Source("", whole)).tokens if t.kind != "COMMENT")
    inside = kept[kept.index("{") + 1 : kept.rindex("}")]
    return " ".join(inside.split()).removeprefix(before)
