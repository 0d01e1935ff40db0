"""``back_translate(text, forward: m, back: m)``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.api import ColumnName, ModelRef, Schema, Settings, Word, augmenter, named
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._models import ask, check_model, user, write
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

ASKED = "Translate the following text into {}. Answer with the translation alone.\n\n"


class BackTranslateParams(Settings):
    text: ColumnName
    forward: ModelRef
    back: ModelRef
    through: Word = named(Word("German"))
    language: Word = named(Word("English"))


@augmenter("back_translate")
class BackTranslate(Augmenter):
    """Have the text translated into another language and back again (Sennrich, Haddow and Birch, ACL 2016).

    ```recipe
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"))
    augment wide from seeds { back_translate(text, forward: lm, back: lm, through: "German", language: "English") }
    ```

    ``forward`` and ``back`` are language models, two or the same; ``through`` is the language in between and ``language`` that of the text.
    Both answers are kept in the ledger. A copy for which one does not come stays as it is, and so is dropped as "unchanged" where
    nothing else changes it.
    """

    Params = BackTranslateParams

    @property
    def external(self) -> bool:
        given: BackTranslateParams = self.params
        return any(m.facts is None or m.facts.external for m in (given.forward, given.back))

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: BackTranslateParams = self.params
        need_text(bind, schema, p.text, self.name)
        for model in dict.fromkeys((p.forward, p.back)):
            check_model(bind, model)

        def fill(ctx: RunContext, relation: str, out: str) -> list[str]:
            t = p.text.sql
            rows = ctx.con.execute(f"SELECT _key::VARCHAR, __copy, {t} FROM {relation} WHERE trim({t}) <> '' ORDER BY _key").fetchall()
            abroad, notes = ask(ctx, p.forward, [(key, copy - 1, user(ASKED.format(p.through) + text)) for key, copy, text in rows])
            home = [(key, copy - 1, user(ASKED.format(p.language) + abroad[key])) for key, copy, _ in rows if key in abroad]
            said, more = ask(ctx, p.back, home)
            write(ctx, said, out)
            return [*notes, *(n for n in more if n not in notes)]

        return Change({p.text.name: f"coalesce({{made}}, {p.text.sql})"}, fill=fill)
