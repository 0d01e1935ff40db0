"""``vote classifier``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import ColumnName, DataError, Json, ModelRef, Schema, Settings, quote, vote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree
from recipec.votes._ballot import Ballot
from recipec.votes._base import Vote, Voted, Voting
from recipec.votes._rows import texts
from recipec.votes._text import check_text

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class ClassifierParams(Settings):
    model: ModelRef
    text: ColumnName | None = None


@vote("classifier")
class Classifier(Vote):
    """The class that a trained classifier finds most probable, with its probability as the confidence.

    ```recipe
    label pseudo from wide { vote classifier(clf)  accept: confidence >= 90%  into: label }
    ```

    ``clf`` is a ``train`` step with the task ``classify``, or a ``model`` step whose folder holds a classifier. The text is the column
    that the model was trained on, where the rows have one of that name; else ``text``, or the only column of text. A label step without
    ``classes`` takes the model's. A class of the model that is none of the step's makes the vote abstain, and is counted.
    """

    Params = ClassifierParams
    params: ClassifierParams

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        model = self.params.model
        if not model.can("classify"):
            help = ("a `train` step with the task `classify`, or a folder with a classifier",)
            bind.report(BadValue(span=call.call.args[0].span, message=f"`{model}` does not classify", help=help))
        self.column = check_text(bind, schema, self.params.text, call, model.facts.reads if model.facts is not None else ())

    def meaning(self) -> Json:
        return self.column

    def known(self) -> tuple[str, ...] | None:
        return self.params.model.facts.classes if self.params.model.facts is not None else None

    def brings(self, ctx: RunContext) -> tuple[str, ...] | None:
        model = ctx.model(self.params.model)
        found: tuple[str, ...] | None = getattr(model, "classes", None)
        return found if found is not None else tuple(model.classify([])[0])

    def run(self, voting: Voting) -> Voted:
        model = voting.ctx.model(self.params.model)
        ballot = Ballot(voting)
        for block in texts(voting, quote(self.column)):
            names, found = model.classify([t for _, t in block])
            codes = [voting.code(n) for n in names]
            if all(c is None for c in codes):
                raise DataError(
                    f"`{self.params.model}` knows none of the classes: it was trained on {', '.join(names[:6])}",
                    "the names in `classes` must be those that the model was trained on",
                )
            for (key, _), row in zip(block, found, strict=True):
                best = int(row.argmax())
                code = codes[best]
                if code is None:
                    ballot.odd(names[best])
                    continue
                sure = [0.0] * len(voting.classes)
                for c, p in zip(codes, row, strict=True):
                    if c is not None:
                        sure[c] += float(p)
                ballot.add(key, code, sure)
            ballot.flush()
        ballot.write()
        return Voted(soft=True, strange=ballot.strange)
