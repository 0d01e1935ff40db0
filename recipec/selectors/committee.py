"""``by: committee([clf, other])``"""

from __future__ import annotations

from recipec.api import Expression, Json, ModelRef, Schema, Settings, named, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments
from recipec.selectors._base import Selecting, Selector, need, rounded, text_of
from recipec.selectors._uncertain import entropies
from recipec.syntax import tree


class CommitteeParams(Settings):
    models: list[ModelRef]
    text: Expression | None = named(None)


@selector("committee")
class Committee(Selector):
    """What several classifiers disagree about: the entropy of their votes, in nats.

    ```recipe
    select ask_people from pool { take: 500  by: committee([clf, other, third]) }
    ```

    Each classifier votes for its most probable class; 0 where all agree. With few members many rows tie: then the one whose classes have
    the greatest entropy in the mean of the members' probabilities goes first. Dagan and Engelson, 1995, "Committee-based sampling".
    """

    Params = CommitteeParams
    params: CommitteeParams
    what = "vote entropy"

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        models = self.params.models
        if len({m.step for m in models}) < 2:
            bind.report(WrongArguments(span=call.span, message="a committee has two members or more", help=("committee([clf, other])",)))
        for model in models:
            need(bind, model, "classify", call)
        self.text = text_of(bind, schema, self.params.text, call, models[0] if models else None)

    def meaning(self) -> Json:
        return self.text.meaning

    def score(self, given: Selecting) -> list[str]:
        import numpy as np

        models = [given.ctx.model(m) for m in self.params.models]
        code: dict[str, int] = {}
        places: list[int] = []
        scores, means = [np.zeros(0)], [np.zeros(0)]
        for rows, texts in given.blocks(self.text.sql):
            answers = [m.classify(texts) for m in models]
            for names, _ in answers:
                for name in names:
                    code.setdefault(str(name), len(code))
            votes, mean = np.zeros((len(rows), len(code))), np.zeros((len(rows), len(code)))
            for names, found in answers:
                where = np.array([code[str(n)] for n in names], np.int64)
                p = rounded(found)
                if len(rows):
                    votes[np.arange(len(rows)), where[p.argmax(axis=1)]] += 1
                    mean[:, where] += p
            places += rows
            scores.append(rounded(entropies(votes / len(models))))
            means.append(rounded(entropies(mean / len(models))))
        score = np.concatenate(scores)
        # An entropy is less than 50 for any number of classes: the second key never outweighs the first's six decimals.
        given.write(n=np.array(places, np.int64), score=score, sort=score + np.concatenate(means) * 1e-9)
        return []
