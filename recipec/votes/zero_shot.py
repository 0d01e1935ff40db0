"""``vote zero_shot``"""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import Asking, ColumnName, Json, ModelRef, Schema, Settings, named, quote, vote
from recipec.models._base import spending
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree
from recipec.votes._arguments import check_keys
from recipec.votes._ballot import Ballot
from recipec.votes._base import Vote, Voted, Voting
from recipec.votes._rows import agree, asking, texts
from recipec.votes._text import check_text


class ZeroShotParams(Settings):
    model: ModelRef
    text: ColumnName | None = named(None)
    describe: dict[str, str] = named({})
    temperature: float = named(0.05, gt=0)


@vote("zero_shot")
class ZeroShot(Vote):
    """The class whose name, or description, is most alike to the text, by the vectors of a model: no example is needed.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      vote zero_shot(minilm, describe: {games: "a computer game", sound: "audio and music software"})
    }
    ```

    The confidence is the softmax of the cosines over ``temperature``; it says which class is nearer, not that any is near: calibrate it on
    gold before trusting it.
    """

    Params = ZeroShotParams
    params: ZeroShotParams

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        self.column = check_text(bind, schema, self.params.text, call)
        if not self.params.model.can("embed"):
            help = ('model e = embedding("models/minilm")',)
            bind.report(BadValue(span=call.call.args[0].span, message=f"`{self.params.model}` does not embed texts", help=help))
        if classes is None:
            bind.report(BadValue(span=call.call.span, message="`zero_shot` needs `classes`", help=('classes: ["spam", "ham"]',)))
        check_keys(bind, call.call, "describe", self.params.describe, classes)

    def meaning(self) -> Json:
        return self.column

    def asking(self, name: str, classes: Sequence[str] | None) -> Asking | None:
        return asking(self.params.model, name, quote(self.column), lambda look: self.names(classes or ()))

    def names(self, classes: Sequence[str]) -> list[str]:
        """What stands for each class."""
        return [self.params.describe.get(c, c) for c in classes]

    def run(self, voting: Voting) -> Voted:
        import numpy as np

        model = voting.ctx.model(self.params.model)
        before = dict(model.spent())
        named = self.names(voting.classes)
        agree(voting, model, quote(self.column), named)
        named_vectors = model.embed(named)
        ballot = Ballot(voting)
        for block in texts(voting, quote(self.column)):
            similar = np.round((model.embed([t for _, t in block]) @ named_vectors.T).astype(np.float64), 6)
            scaled = np.exp((similar - similar.max(axis=1, keepdims=True)) / self.params.temperature)
            sure = scaled / scaled.sum(axis=1, keepdims=True)
            for (key, _), row in zip(block, sure, strict=True):
                ballot.add(key, int(row.argmax()), [float(p) for p in row])
            ballot.flush()
        ballot.write()
        return Voted(soft=True, spent=spending(before, model.spent()), facts={"model": str(self.params.model)})
