"""``test-used-for-selection``"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from recipec.api import TableRef, Use, lint
from recipec.diagnostics import Label
from recipec.lints._answers import measured, same_rows
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.source import Span


class Chosen(NamedTuple):
    """Rows that decided what became of a model, and where the recipe says so."""

    use: Use
    span: Span
    how: str


@lint("test-used-for-selection")
class TestUsedForSelection(Lint):
    """A model is measured only on rows that chose it.

    ``stop: early(...)`` keeps the weights that do best on the ``validation`` rows, and ``until gain(score.f1) < 0.2%`` the round that does
    best on ``dev``. A score on the same rows is the best of many, and too good; the recipe has no other. Keep rows that decide nothing:
    train on one part, choose on a second, measure once on a third. Nothing is said where the model is measured on other rows too.

    Cawley and Talbot (On over-fitting in model selection and subsequent selection bias in performance evaluation, JMLR 11, 2010) found the
    bias to be often as large as the differences between the learning algorithms that were compared.

    Bad:

    ```recipe
    recipe "topics" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text, topic: text } }
    split final from rows { train: 80%  test: 20% }
    train clf from final.train {
      task: classify(text => topic)
      base: "models/minilm"
      validation: final.test
      stop: early()
    }
    evaluate scores from final.test { model: clf }
    ```

    Good: a part that chooses, and one that only measures.

    ```recipe
    recipe "topics" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text, topic: text } }
    split final from rows { train: 80%  validation: 10%  test: 10% }
    train clf from final.train {
      task: classify(text => topic)
      base: "models/minilm"
      validation: final.validation
      stop: early()
    }
    evaluate scores from final.test { model: clf }
    ```

    Silence: ``# allow: test-used-for-selection because the test rows are somewhere else``.
    """

    name = "test-used-for-selection"
    code = "W317"

    @classmethod
    def find(cls, view: View) -> Iterator[TestUsedForSelection]:
        chosen = choices(view)
        if not chosen:
            return
        last: dict[str, list[ResolvedStep]] = {}
        for step in view.steps:
            if step.entry.repeat is None:
                for model in dict.fromkeys(m.step for m in measured(view, step)):
                    if model in chosen:
                        last.setdefault(model, []).append(step)
        told: set[str] = set()
        for model, steps in last.items():
            found = [(s, next((c for c in chosen[model] if same_rows(view, gold(s), c.use)), None)) for s in steps]
            if any(choice is None for _, choice in found):
                continue
            for step, choice in found:
                if choice is None or step.name in told:
                    continue
                told.add(step.name)
                name = view.by_name[model].entry.node.name.id
                yield cls(
                    span=step.entry.node.inputs[0].span,
                    message=f"`{name}` is measured on rows that chose it, and on no others",
                    label="the score is the best of many",
                    also=(Label(choice.span, choice.how),),
                    help=("measure on a part that decides nothing: train, validation and test",),
                )


def choices(view: View) -> dict[str, list[Chosen]]:
    """By model, the rows that chose it: by the end of its training, of that of its base, or of the loop that it is trained in."""
    found: dict[str, list[Chosen]] = {}
    for step in view.steps:
        if not step.bound.traits.trains:
            continue
        own = [
            Chosen(u, u.table.span or step.entry.node.head, "its training is chosen by these")
            for u in step.bound.uses
            if u.role == "chooses"
        ]
        inherited = [c for ref in step.bound.edges for c in found.get(ref.step, ())]
        if own or inherited:
            found[step.name] = own + inherited
    for repeat in view.program.repeats:
        if repeat.until is None or repeat.node.until is None:
            continue
        asked = {r.step for r in repeat.until.reads}
        steps = [view.by_name[n] for made in repeat.rounds for local, n in made.items() if local in asked and n in view.by_name]
        judges = [Chosen(gold(s), s.entry.node.inputs[0].span, "the loop ends by the score on these") for s in steps if measured(view, s)]
        for made in repeat.rounds if judges else ():
            for n in made.values():
                if n in view.by_name and view.by_name[n].bound.traits.trains:
                    found.setdefault(n, []).extend(judges)
    return found


def gold(step: ResolvedStep) -> Use:
    return next((u for u in step.bound.uses if u.role == "gold"), Use("gold", step.inputs[0] if step.inputs else TableRef("")))
