"""``by: deita(complexity, quality, with: minilm)``"""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import Expression, Json, ModelRef, Schema, Settings, named, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import MissingSetting, WrongType
from recipec.resolve.types import is_number, shown
from recipec.selectors._base import Selecting, Selector, need, text_of
from recipec.selectors._vectors import by_group, vectors
from recipec.syntax import tree


class DeitaParams(Settings):
    complexity: Expression
    quality: Expression
    with_: ModelRef | None = named(None)
    text: Expression | None = named(None)
    vectors: Expression | None = named(None)
    most_alike: float = named(0.9, gt=-1, le=1)


@selector("deita")
class Deita(Selector):
    """The best rows that are not alike: by complexity x quality, each kept only if it is unlike all kept before.

    ```recipe
    select tuned from answers { take: 6_000  by: deita(complexity, quality, with: minilm, text: question) }
    ```

    ``complexity`` and ``quality`` are expressions, usually columns that a ``generate`` step's judge gave. A row whose greatest cosine to the
    rows kept so far is above ``most_alike`` (0.9) is dropped as "too like a chosen row"; vectors come from an embedding model or a
    column (``vectors:``). The score is the product. Liu et al., 2024, "What makes good data for alignment?".
    """

    Params = DeitaParams
    params: DeitaParams
    greedy = True
    what = "complexity x quality"
    refusal = "too like a chosen row"

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        given = self.params
        for value in (given.complexity, given.quality):
            if not is_number(value.type) and not schema.unknown:
                bind.report(WrongType(span=value.node.span, message=f"`deita` needs a number here; this is {shown(value.type)}"))
        model = given.with_
        self.text: Expression | None = None
        if model is not None:
            need(bind, model, "embed", call)
            self.text = text_of(bind, schema, given.text, call, model)
        elif given.vectors is None:
            help = ("with: minilm, or vectors: COLUMN",)
            bind.report(MissingSetting(span=call.span, message="`deita` needs vectors, to tell which rows are alike", help=help))

    def meaning(self) -> Json:
        return self.text.meaning if self.text is not None else None

    def embeds(self) -> Sequence[tuple[ModelRef, str]]:
        return [(self.params.with_, self.text.sql)] if self.text is not None and self.params.with_ is not None else []

    def pick(self, given: Selecting) -> list[str]:
        import numpy as np
        import pyarrow as pa

        from recipec.fast.select_cover import novel

        value = self.text or self.params.vectors
        assert value is not None
        places, found = vectors(given, self.params.with_, value)
        product = f"(({self.params.complexity.sql})::DOUBLE * ({self.params.quality.sql})::DOUBLE)"
        every = np.full(given.count, np.nan)
        for rows, values in given.blocks(product):
            every[rows] = values
        score = every[places]
        scored = ~np.isnan(score)
        place, passes = np.zeros(len(places), np.int64), np.ones(len(places), np.bool_)
        notes: list[str | None] = [None] * len(places)
        for members, chance, budget in by_group(given, places):
            order = np.lexsort((chance, -np.nan_to_num(score[members], nan=-np.inf)))
            order = order[scored[members][order]]
            made = novel(found if len(members) == len(found) else found[members], order, self.params.most_alike, budget, given.progress)
            place[members[made.picked]] = np.arange(1, len(made.picked) + 1)
            alike = np.flatnonzero(made.seen & (made.likeness > self.params.most_alike))
            passes[members[alike]] = False
            for i in alike.tolist():
                notes[int(members[i])] = f"cosine {made.likeness[i]:.4f} to a chosen row"
        given.write(
            n=places[scored], score=score[scored], place=pa.array(place[scored], mask=place[scored] == 0), passes=passes[scored],
            note=pa.array([n for n, s in zip(notes, scored.tolist(), strict=True) if s], pa.string()),
        )  # fmt: skip
        return []
