"""``paraphrase(text, with: lm, prompt: reword(text))``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.api import ColumnName, ModelRef, PromptCall, Schema, Settings, augmenter, named
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._models import ask, check_model, user, write
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

ASKED = (
    "Rewrite the following text in other words. Keep its language and its meaning, add nothing and leave nothing out. "
    "Answer with the rewritten text alone.\n\n"
)


class ParaphraseParams(Settings):
    text: ColumnName
    with_: ModelRef
    prompt: PromptCall | None = named(None)
    copies: int | None = named(None, ge=1, le=1000)


@augmenter("paraphrase")
class Paraphrase(Augmenter):
    """Have a language model say the text in other words.

    ```recipe
    template reword(text) \"\"\"Say it otherwise: {{ text }}\"\"\"
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"), temperature: 0.8)
    augment wide from seeds { paraphrase(text, with: lm, prompt: reword(text), copies: 3) }
    ```

    ``prompt`` is a template of the recipe; without one the model is asked, in English, to rewrite the text in its own language. Each copy
    is an asking of its own, so give the model a temperature where there are several, or the copies will be alike (``dedupe(text)`` drops those).
    Answers are kept in the ledger: none is paid twice. A copy without an answer, or whose answer was cut off, stays as it is, and so
    is dropped as "unchanged" where nothing else changes it.
    """

    Params = ParaphraseParams

    @property
    def external(self) -> bool:
        given: ParaphraseParams = self.params
        return any(m.facts is None or m.facts.external for m in (given.with_,))

    @property
    def copies(self) -> int | None:
        given: ParaphraseParams = self.params
        return given.copies

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: ParaphraseParams = self.params
        need_text(bind, schema, p.text, self.name)
        check_model(bind, p.with_)
        if p.prompt is not None and p.prompt.open:
            message = f"`{p.prompt.prompt.name}` needs `{p.prompt.open[0]}`"
            bind.report(WrongArguments(span=p.prompt.span, message=message, help=(f"it is defined as: template {p.prompt.prompt.form}",)))
            return Change({})
        rendered = p.prompt.sql() if p.prompt is not None else "NULL"

        def fill(ctx: RunContext, relation: str, out: str) -> list[str]:
            t = p.text.sql
            rows = ctx.con.execute(
                f"SELECT _key::VARCHAR, __copy, {t}, {rendered} FROM {relation} WHERE trim({t}) <> '' ORDER BY _key"
            ).fetchall()
            said, notes = ask(ctx, p.with_, [(key, copy - 1, prompt or user(ASKED + text)) for key, copy, text, prompt in rows])
            write(ctx, said, out)
            return notes

        return Change({p.text.name: f"coalesce({{made}}, {p.text.sql})"}, fill=fill)
