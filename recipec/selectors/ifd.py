"""``by: ifd(lm, prompt, answer)``"""

from __future__ import annotations

from recipec.api import Expression, Json, ModelRef, Schema, Settings, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.selectors._base import Selecting, Selector, need
from recipec.selectors._losses import losses
from recipec.syntax import tree


class IFDParams(Settings):
    model: ModelRef
    prompt: Expression
    answer: Expression


@selector("ifd")
class IFD(Selector):
    """Instructions that teach most: by how little the question helps a model to its answer.

    ```recipe
    model lm = transformers("models/base")
    select cherry from chat { take: 10%  by: ifd(lm, question, answer) }
    ```

    The score, the instruction-following difficulty, is the mean -log p of the answer's tokens after the prompt, over that of the answer by
    itself. Above 1 the prompt makes the answer less likely: it does not belong to it, and the row is dropped as "answer does not follow".
    Of the others the greatest are taken. Rows with an empty answer, or too long for the model, have no score. Li et al., 2024, "From
    quantity to quality: boosting LLM performance with self-guided data selection for instruction tuning".
    """

    Params = IFDParams
    params: IFDParams
    what = "IFD"
    refusal = "answer does not follow"

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        need(bind, self.params.model, "score", call)
        for value in (self.params.prompt, self.params.answer):
            if value.type != "VARCHAR" and not schema.unknown:
                bind.report(WrongType(span=value.node.span, message=f"`ifd` reads texts; this is {shown(value.type)}"))

    def meaning(self) -> Json:
        return None

    def score(self, given: Selecting) -> list[str]:
        import numpy as np

        model, name = given.ctx.model(self.params.model), str(self.params.model)
        places: list[int] = []
        scores: list[float] = []
        p, a = self.params.prompt.sql, self.params.answer.sql
        both = f"CASE WHEN ({p}) IS NOT NULL AND ({a}) IS NOT NULL THEN [({p}), ({a})] END"
        for rows, pairs in given.blocks(both):
            # The two are put together as a model would read them: the answer on a line of its own.
            prompts, answers = [q.rstrip() + "\n" for q, _ in pairs], [r for _, r in pairs]
            after = losses(model, name, prompts, answers, lambda s: given.progress(s / 2))
            alone = losses(model, name, [""] * len(answers), answers, lambda s: given.progress(0.5 + s / 2))
            for row, one, other in zip(rows, after, alone, strict=True):
                if one is not None and other is not None and other[0] > 0:
                    places.append(row)
                    scores.append(round(one[0] / one[1] / (other[0] / other[1]), 5))
        score = np.array(scores)
        given.write(n=np.array(places, np.int64), score=score, passes=score <= 1.0)
        return []
