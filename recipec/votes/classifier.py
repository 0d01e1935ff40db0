"""``vote classifier``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import ColumnName, DataError, Json, ModelRef, Schema, Settings, quote, vote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree
from recipec.votes._ballot import Ballot
from recipec.votes._base import Tagging, Vote, Voted, Voting
from recipec.votes._rows import BLOCK, texts
from recipec.votes._tally import Lists, Spans, Tally
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

    In a step of several classes it votes yes for those with a probability above one half and no for the others. In a step with ``tags`` the
    model is a ``train`` step with the task ``tag``, and its tags are its vote on every token; where it votes alone, the confidence is the
    probability of the row's least sure tag.
    """

    Params = ClassifierParams
    params: ClassifierParams
    modes = frozenset({"class", "many", "tags"})

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        model = self.params.model
        if self.mode == "tags":
            self.column = self.tokens
            if not model.can("tag"):
                help = ("a `train` step with the task `tag`",)
                bind.report(BadValue(span=call.call.args[0].span, message=f"`{model}` does not tag tokens", help=help))
            return
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
        if isinstance(voting, Tagging):
            return self.tag(voting)
        if voting.mode == "many":
            return self.several(voting)
        model = voting.ctx.model(self.params.model)
        ballot = Ballot(voting)
        for block in texts(voting, quote(self.column)):
            names, found = model.classify([t for _, t in block])
            codes = self.codes(voting, names)
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

    def codes(self, voting: Voting, names: Sequence[str]) -> list[int | None]:
        """The step's classes for the model's, None for a stranger; DataError where all are."""
        codes = [voting.code(n) for n in names]
        if all(c is None for c in codes):
            what = "tags" if voting.mode == "tags" else "classes"
            raise DataError(
                f"`{self.params.model}` knows none of the {what}: it was trained on {', '.join(names[:6])}",
                f"the names in `{what}` must be those that the model was trained on",
            )
        return codes

    def several(self, voting: Voting) -> Voted:
        """Every class of a probability above one half."""
        model = voting.ctx.model(self.params.model)
        lists = Lists(voting)
        for block in texts(voting, quote(self.column)):
            names, found = model.classify([t for _, t in block])
            codes = self.codes(voting, names)
            # Rounded: the last bits of a product of matrices depend on what else is in the batch.
            for (key, _), row in zip(block, found.round(6).tolist(), strict=True):
                sure = [0.0] * len(voting.classes)
                for c, p in zip(codes, row, strict=True):
                    if c is not None:
                        sure[c] = p
                lists.add(key, [c for c, p in enumerate(sure) if p > 0.5], sure)
            lists.flush()
        lists.write()
        return Voted(soft=True, whole=True)

    def tag(self, voting: Tagging) -> Voted:
        """The entities that a tagger finds. On those of another type than the step's it abstains."""
        import pyarrow as pa

        from recipec.labels.spans import spans

        model = voting.ctx.model(self.params.model)
        made = Spans(voting)
        least, certainty = Tally(), voting.temp("certainty")
        count = int(voting.ctx.one(f"SELECT count(*) FROM {voting.rows}")[0])
        for start in range(0, count, BLOCK):
            voting.progress(start, count)
            rows = voting.ctx.con.execute(
                f"SELECT n, tokens FROM {voting.rows} WHERE n BETWEEN {start} AND {start + BLOCK - 1} ORDER BY n"
            ).fetchall()
            said, sure = model.tag_surely([t for _, t in rows])
            if sure is not None:
                # Rounded: the last bits of a product of matrices depend on what else is in the batch.
                columns = {"n": pa.array([n for n, _ in rows], pa.int64()), "p": pa.array([round(min(p), 6) for p in sure], pa.float64())}
                least.put(voting.ctx.con, certainty, columns, "n, p")
            for (n, _), tags in zip(rows, said, strict=True):
                found = []
                for a, b, kind in spans(tags):
                    code = voting.code(kind)
                    if code is None:
                        made.odd(kind)
                    found.append((a, b, -1 if code is None else code))
                made.add(n, found)
            made.flush()
        made.write()
        return Voted(soft=least.made, whole=True, strange=made.strange, certainty=certainty if least.made else "")
