"""``mask_words(text, with: bert, rate: 10%)``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.api import ColumnName, ModelRef, Schema, Settings, augmenter, named
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._models import write
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class MaskWordsParams(Settings):
    text: ColumnName
    with_: ModelRef
    rate: float = named(0.1, gt=0, le=1)
    top: int = named(10, ge=1, le=1_000)


@augmenter("mask_words")
class MaskWords(Augmenter):
    """Put words that a masked language model finds fitting in the place of ``rate`` of the words, at least one.

    ```recipe
    model bert = transformers("models/bert-base-multilingual-cased")
    augment more from train {
      label: topic
      mask_words(text, with: bert, rate: 15%, top: 10)
      keeps_label(text, label: topic, with: clf)
    }
    ```

    The words are masked together, so the model sees what stays of the text, and each place gets one of the ``top`` words that fit best,
    as likely as the model says, never the word that stood there. Only whole words of the model's vocabulary are put in: a word for a
    word, and in Chinese and its like a character for a character. Numbers stay, and case is that of the word replaced. A text longer than the model
    takes is read in pieces.

    A word that fits is not one that means the same (``good`` for ``bad``): where there are labels let a classifier judge
    the copies (``keeps_label``), or say ``labels: keep``. Wu et al., 2019, "Conditional BERT contextual augmentation"; Kobayashi, NAACL 2018.
    """

    Params = MaskWordsParams

    def keeps(self, label: str) -> bool:
        return False

    def instead(self, label: str) -> tuple[str, ...]:
        p: MaskWordsParams = self.params
        return (f"let a classifier judge the copies: `keeps_label({p.text.name}, label: {label}, with: MODEL)`",)

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: MaskWordsParams = self.params
        need_text(bind, schema, p.text, self.name)
        if not p.with_.can("fill"):
            span = p.with_.span or bind.node.head
            help = ('use a masked language model: model bert = transformers("models/bert")',)
            bind.report(BadValue(span=span, message=f"`{p.with_}` does not fill masks", help=help))

        def fill(ctx: RunContext, relation: str, out: str) -> list[str]:
            from recipec.augmenters._masked import BLOCK, Filler, gaps_of

            t = p.text.sql
            rows = f"SELECT _key::VARCHAR, __seed, {t}, row_number() OVER (ORDER BY _key) AS n FROM {relation} WHERE trim({t}) <> ''"
            listed = ctx.temp(f"masked_{call.span.start}")
            ctx.execute(f"CREATE TEMP TABLE {listed} AS {rows}")
            count = int(ctx.one(f"SELECT count(*) FROM {listed}")[0])
            filler = Filler(ctx.model(p.with_), str(p.with_), p.top)
            said: dict[str, str] = {}
            for start in range(0, count, BLOCK):
                found = ctx.con.execute(
                    f"SELECT * EXCLUDE (n) FROM {listed} WHERE n > {start} AND n <= {start + BLOCK} ORDER BY n"
                ).fetchall()
                texts = [r[2] for r in found]

                def progress(share: float, before: int = start, size: int = len(found)) -> None:
                    ctx.progress((before + share * size) / count, str(p.with_))

                made = filler.fill(texts, gaps_of(texts, [r[1] for r in found], p.rate), progress)
                said.update((r[0], new) for r, new in zip(found, made, strict=True) if new != r[2])
            ctx.con.execute(f"DROP TABLE {listed}")
            write(ctx, said, out)
            return []

        return Change({p.text.name: f"coalesce({{made}}, {p.text.sql})"}, fill=fill)
