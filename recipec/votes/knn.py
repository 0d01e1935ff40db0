"""``vote knn``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import Asking, ColumnName, Json, ModelRef, Schema, Settings, TableRef, Word, named, quote, vote
from recipec.models._base import spending
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree
from recipec.votes._arguments import check_columns, written
from recipec.votes._ballot import Ballot
from recipec.votes._base import Vote, Voted, Voting
from recipec.votes._examples import likeness, pool
from recipec.votes._rows import agree, asking, texts
from recipec.votes._text import check_text

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

PIECE = 1024


class KNNParams(Settings):
    table: TableRef
    k: int = named(5, ge=1, le=1000)
    with_: ModelRef | None = named(None)
    text: ColumnName | None = named(None)
    # The columns of the labelled table.
    like: Word = named(Word("text"))
    label: Word = named(Word("label"))
    least: float = named(0.0, ge=0, le=1)


@vote("knn")
class KNN(Vote):
    """The class of the most alike labelled texts: the greatest sum of similarities among the ``k`` nearest.

    ```recipe
    label topic from pool { classes: ["a", "b"]  vote knn(seeds, k: 5, with: minilm)  accept: confidence >= 60% }
    ```

    ``seeds`` is a table with the columns ``text`` and ``label``, unless ``like:`` and ``label:`` name others. Likeness is the cosine of the
    vectors of the model ``with:``, or without one of the words that two texts share (TF-IDF; pairs of characters where a script puts no
    space between words). Neighbours less alike than ``least`` do not count; a row without any abstains. The confidence is the class's share of
    the similarity. A row is never its own neighbour: neither the row of its key nor one with the same text.
    """

    Params = KNNParams
    params: KNNParams

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        given = self.params
        self.column = check_text(bind, schema, given.text, call)
        check_columns(bind, given.table, {"like": [given.like], "label": [given.label]}, call.call)
        if given.with_ is not None and not given.with_.can("embed"):
            at = written(call.call, "with") or call.call.span
            help = ('model e = embedding("models/minilm")',)
            bind.report(BadValue(span=at, message=f"`{given.with_}` does not embed texts", help=help))

    def meaning(self) -> Json:
        return self.column

    def brings(self, ctx: RunContext) -> tuple[str, ...] | None:
        return tuple(sorted(set(pool(ctx, self.params.table, self.params.like, self.params.label).labels)))

    def asking(self, name: str, classes: Sequence[str] | None) -> Asking | None:
        given = self.params
        if given.with_ is None:
            return None
        return asking(given.with_, name, quote(self.column), lambda look: pool(look, given.table, given.like, given.label).texts)

    def run(self, voting: Voting) -> Voted:
        import numpy as np

        given = self.params
        found = pool(voting.ctx, given.table, given.like, given.label)
        model = voting.ctx.model(given.with_) if given.with_ is not None else None
        before = dict(model.spent()) if model is not None else {}
        if model is not None:
            agree(voting, model, quote(self.column), found.texts)
        embed = likeness(voting.ctx, given.with_, found.texts)
        known = embed(found.texts)
        codes = [voting.code(label) for label in found.labels]
        own: dict[str, list[int]] = {}
        for place, (key, text) in enumerate(zip(found.keys, found.texts, strict=True)):
            own.setdefault(key, []).append(place)
            own.setdefault(text, []).append(place)
        ballot = Ballot(voting)
        for label, code in sorted(set(zip(found.labels, codes, strict=True)), key=lambda pair: pair[0]):
            if code is None:
                ballot.odd(label, found.labels.count(label))
        for block in texts(voting, quote(self.column)):
            for start in range(0, len(block), PIECE):
                part = block[start : start + PIECE]
                # Rounded, so that the last bits of a product of matrices choose no neighbour.
                similar = np.round((embed([t for _, t in part]) @ known.T).astype(np.float64), 6)
                for (key, text), row in zip(part, similar, strict=True):
                    row[own.get(key, []) + own.get(text, [])] = -2.0
                    nearest = np.lexsort((np.arange(len(row)), -row))[: given.k]
                    sums = [0.0] * len(voting.classes)
                    for i in nearest:
                        code = codes[int(i)]
                        if code is not None and row[i] > max(given.least, 0.0):
                            sums[code] += float(row[i])
                    whole = sum(sums)
                    if whole > 0:
                        sure = [s / whole for s in sums]
                        top = max(sure)
                        if sum(s >= top - 1e-9 for s in sure) == 1:
                            ballot.add(key, sure.index(top), sure)
                        else:
                            ballot.tie(key, sure)
            ballot.flush()
        ballot.write()
        if model is None:
            return Voted(soft=True, strange=ballot.strange)
        return Voted(soft=True, strange=ballot.strange, spent=spending(before, model.spent()), facts={"model": str(given.with_)})
