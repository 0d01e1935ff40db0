"""``truncation-loss``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._answers import place
from recipec.lints._base import Lint
from recipec.lints._tables import setting
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.source import Span

DENSE = frozenset({"zh", "ja", "ko", "th", "yue", "lo", "km", "my"})
"""Languages of which a model may read several "words" as one token."""


@lint("truncation-loss")
class TruncationLoss(Lint):
    """Texts are longer than what a training reads of them, and their ends are cut off.

    ``chunk(text, tokens: 512)`` makes pieces of 512 tokens, and a classifier reads 256 unless ``max_length`` says more; or a filter keeps texts of
    more than a thousand tokens alone. Half of every piece is then never read, though its label speaks of the whole. Pieces and filters
    are followed through steps, splits and templates. A word is a token at least; where the recipe's ``language`` is not said, or is one like
    Chinese, two words may be one token. Trainings that drop long rows (``long: drop``) say so by themselves.

    Sun, Qiu, Xu and Huang (How to fine-tune BERT for text classification?, CCL 2019) compared what to cut: on IMDb and Sogou it was best to
    keep the first 128 tokens and the last 382, not the first 510. What a text is about does not always stand at its start.

    Bad:

    ```recipe
    recipe "pages" { language: ["en"] }
    source pages = csv("pages.csv") { columns: { text: text, label: text } }
    clean pieces from pages {
      chunk(text, tokens: 512, tokenizer: "models/minilm")
    }
    train clf from pieces {
      task: classify(text => label)
      base: "models/minilm"
      max_length: 256
    }
    ```

    Good: ``max_length: 512``, or pieces of 250 tokens.

    ```recipe
    recipe "pages" { language: ["en"] }
    source pages = csv("pages.csv") { columns: { text: text, label: text } }
    clean pieces from pages {
      chunk(text, tokens: 250, tokenizer: "models/minilm")
    }
    train clf from pieces {
      task: classify(text => label)
      base: "models/minilm"
      max_length: 256
    }
    ```

    Silence: ``# allow: truncation-loss because the first lines tell the class``.
    """

    name = "truncation-loss"
    code = "W321"

    @classmethod
    def find(cls, view: View) -> Iterator[TruncationLoss]:
        told: set[object] = set()
        for step in view.steps:
            for use in step.bound.uses:
                if use.limit is None:
                    continue
                found = longer(view, step, view.tables.used(use, step), str(use.table), use.limit)
                asked = setting(step, "max_length")
                span = asked.span if asked is not None else place(use, step)
                if found is None or span.order in told:
                    continue
                told.add(span.order)
                message, cause = found
                yield cls(
                    span=span,
                    message=f"{message}; this training reads {use.limit:,} of them" + ("" if asked else ", as it is not told otherwise"),
                    label="the rest is cut off",
                    also=(Label(cause, "the length is decided here"),),
                    help=("raise `max_length`", "or cut the texts to shorter pieces"),
                )


def longer(view: View, step: ResolvedStep, value: int, table: str, limit: int) -> tuple[str, Span] | None:
    """Why texts are longer than ``limit`` tokens, and what made them so."""
    tables, values = view.tables, view.tables.values
    languages = {x.split("-")[0].lower() for x in view.program.header.language}
    times = {"tokens": 1, "words": 2 if not languages or languages & DENSE else 1}
    facts = tables.made[table].facts or {}
    for part in values.within(value):
        piece = tables.pieces.get(part)
        if piece is not None and piece[1] > limit * times[piece[0]]:
            return f"its texts are pieces of {piece[1]:,} {piece[0]}", piece[2]
        for counted, fact in facts.items():
            shape = values.shape[counted]
            if (
                shape[0] == "call"
                and shape[1] in times
                and shape[2] == part
                and fact.why is not None
                and fact.low > limit * times[shape[1]]
            ):
                return f"its texts all have {fact.low:,.0f} {shape[1]} or more", fact.why
    return None
