"""``dedupe(text)`` and ``dedupe(text, near: 85%)`` in an augment step"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from recipec.api import Alike, ColumnName, DataError, Schema, Settings, augmenter, model_validator, named
from recipec.augmenters._base import Augmenter, Change, Refusal, need_text
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class DedupeParams(Settings):
    rest: tuple[ColumnName, ...] = ()
    near: float | None = named(None, gt=0, le=1)
    by: Literal["auto", "words", "characters"] = named("auto")
    ngram: int | None = named(None, ge=1, le=50)

    @model_validator(mode="after")
    def how_needs_near(self) -> DedupeParams:
        if self.near is None and (self.ngram is not None or self.by != "auto"):
            raise ValueError("`ngram` and `by` say how near-duplicates are compared: they need `near: 85%`")
        return self


@augmenter("dedupe")
class Dedupe(Augmenter):
    """Drop copies that say what an original or another copy says: only the first by key stays.

    ```recipe
    augment more from train { copies: 4  delete_words(text)  dedupe(text) }
    augment varied from train { copies: 8  synonyms(text, from: thesaurus)  dedupe(text, near: 80%, ngram: 2) }
    ```

    Copies are compared in the columns named (all that the augmenters change, where none is named), after all augmenters and
    filters, with all originals and with each other; dropped ones are counted under "duplicate". Originals are never dropped.

    With ``near: 80%`` copies go, as "near-duplicate", that share at least that part of their word n-grams (Jaccard; ``ngram: 5`` words by default,
    characters in Chinese and its like or with ``by: characters``) with an original, their own too, or with a copy that stays. It is what
    ``dedupe(near:)`` does in a ``clean`` step. A copy that differs by a word keeps most of its n-grams: in short texts take a small ``ngram``.
    """

    Params = DedupeParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: DedupeParams = self.params
        if len({c.name for c in p.rest}) < len(p.rest):
            bind.report(WrongArguments(span=call.call.span, message="a column is named twice"))
        if p.near is None:
            return Change({}, distinct=tuple(c.name for c in p.rest))
        if len(p.rest) != 1:
            help = ("dedupe(text, near: 85%)",)
            bind.report(WrongArguments(span=call.call.span, message="near-duplicates are found in one column of text", help=help))
            return Change({})
        column, near = p.rest[0], p.near
        need_text(bind, schema, column, self.name)

        def find(ctx: RunContext, copies: str, originals: str, out: str) -> list[str]:
            from recipec.fast.minhash import near_duplicates

            t = column.sql
            rows = f"SELECT _key, {t} AS _text, 0 AS _own FROM {originals} UNION ALL SELECT _key, {t}, 1 FROM {copies}"
            tools = ctx.tools_for(f"{ctx.scratch}near_")
            try:
                near_duplicates(
                    tools.con, rows, text="_text", threshold=near, by=p.by, ngram=p.ngram, order="_own", out=out.strip(chr(34)), scratch=tools.folder,
                    progress=tools.progress,
                )  # fmt: skip
            except ValueError as error:
                raise DataError(str(error)) from None
            return []

        alike = Alike(f"SELECT _key, {column.sql} AS _text FROM {{input}}", {}, "_own", near, p.by, p.ngram, "")
        return Change({}, refusal=Refusal("near-duplicate", find, alike))
