"""Rows of tokens as texts, and the places of tokens in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from recipec.diagnostics import nearest
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree
from recipec.votes._base import Tagging

Space = Literal["auto", "always", "never"]
WIDE = r"[\x{2E80}-\x{A4CF}\x{F900}-\x{FAFF}\x{FE30}-\x{FE4F}\x{FF00}-\x{FFEF}\x{20000}-\x{3FFFF}]"
"""Characters of scripts that put no space between words, and their punctuation."""


def check_tag(bind: StepBinder, tag: str, tags: Sequence[str] | None, call: tree.Op) -> None:
    """Report a tag that is none of the step's."""
    if not tags or tag in tags:
        return
    span = next((a.value.span for a in call.call.args if a.name is not None and a.name.id == "tag"), call.call.span)
    problem = BadValue(span=span, message=f'"{tag}" is none of the tags', help=(f"tags: {', '.join(tags)}",))
    guess = nearest(tag, tags)
    if guess:
        problem.put(label=f'did you mean "{guess}"?')
    bind.report(problem)


def joined(voting: Tagging, space: Space) -> tuple[str, str]:
    """(texts, places): tables of ``n, text`` and of ``n, i, a, b``, a token's characters from ``a``, 0 for the first, up to but without
    ``b``. Between tokens stands a space, but none beside a wide character. Made once a step."""
    ctx = voting.ctx
    texts, places = ctx.temp(f"texts_{space}"), ctx.temp(f"places_{space}")
    made: set[str] = ctx.shared.setdefault("texts of tokens", set())
    if places in made:
        return texts, places
    made.add(places)
    # Marks of matches are put into the texts: no token may hold one.
    word = r"translate(w, chr(1) || chr(2), '  ')"
    over = "OVER (PARTITION BY n ORDER BY i)"
    gap = {
        "always": "' '", "never": "''",
        "auto": f"CASE WHEN regexp_matches(w, '^{WIDE}') OR regexp_matches(lag(w) {over}, '{WIDE}$') THEN '' ELSE ' ' END",
    }[space]  # fmt: skip
    ctx.execute(
        f"CREATE TEMP TABLE {places} AS SELECT n, i, (sum(length(piece)) {over} - length(w))::INTEGER AS a, (sum(length(piece)) {over})::INTEGER AS b, "
        f"piece FROM (SELECT n, i, {word} AS w, CASE WHEN i = 0 THEN '' ELSE {gap} END || {word} AS piece FROM {voting.words})"
    )
    ctx.execute(f"CREATE TEMP TABLE {texts} AS SELECT n, string_agg(piece, '' ORDER BY i) AS text FROM {places} GROUP BY n")
    return texts, places
