"""``train-eval-template-skew``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._answers import place
from recipec.lints._base import Lint
from recipec.lints._values import Values
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.source import Span

OTHER = "of other columns"


@lint("train-eval-template-skew")
class TrainEvalTemplateSkew(Lint):
    """A model is trained on texts that were prepared in one way, and asked about texts prepared in another.

    The training rows went through ``lower`` or a template and those that the model is measured on, or labels, did not; or another
    template renders them. Both are followed to the columns that they come from, and compared as values: names and the
    order of steps do not matter. Only what comes from the same columns is compared, and templates with templates; where rows were changed
    in ways that cannot be followed (copies, queries), nothing is said.

    Sclar, Choi, Tsvetkov and Suhr (Quantifying language models' sensitivity to spurious features in prompt design, 2023) found differences
    of up to 76 points of accuracy between prompts that differ in nothing but spaces, case and signs.

    Bad:

    ```recipe
    recipe "mail" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text, label: text } }
    split final from rows { train: 80%  test: 20% }
    clean lessons from final.train { text = lower(text) }
    train clf from lessons {
      task: classify(text => label)
      base: "models/minilm"
    }
    evaluate scores from final.test { model: clf }
    ```

    Good: the same before the split, or through one ``def`` in both parts.

    ```recipe
    recipe "mail" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text, label: text } }
    clean plain from rows { text = lower(text) }
    split final from plain { train: 80%  test: 20% }
    train clf from final.train {
      task: classify(text => label)
      base: "models/minilm"
    }
    evaluate scores from final.test { model: clf }
    ```

    Silence: ``# allow: train-eval-template-skew because the run measures how much case matters``.
    """

    name = "train-eval-template-skew"
    code = "W318"

    @classmethod
    def find(cls, view: View) -> Iterator[TrainEvalTemplateSkew]:
        taught = {s.name: found for s in view.steps if s.bound.traits.trains and (found := lessons(view, s))}
        told: set[object] = set()
        for step in view.steps:
            for use in step.bound.uses:
                if use.role != "reads" or use.model is None or use.model.step not in taught:
                    continue
                given = view.tables.used(use, step)
                # Nothing, where one of them is the same or may be; what has nothing to do with it does not count.
                whys = [why for value, _ in taught[use.model.step] if (why := differs(view.tables.values, value, given)) != OTHER]
                span = place(use, step)
                if span.order in told or not whys or not all(whys):
                    continue
                told.add(span.order)
                yield cls(
                    span=span,
                    message=f"`{use.model}` was trained on texts prepared in another way: {whys[0]}",
                    label="given here",
                    also=(Label(taught[use.model.step][0][1], "trained on this"),),
                    help=("prepare both in one step before they part, or by one `def` or template",),
                )


def lessons(view: View, step: ResolvedStep) -> list[tuple[int, Span]]:
    """What a training reads of its tables."""
    return [(view.tables.used(u, step), place(u, step)) for u in step.bound.uses if u.role == "reads"]


def differs(values: Values, taught: int, given: int) -> str:
    """How two texts were prepared differently; empty where they were not, or where it is not certain; ``OTHER`` where they come from
    other columns."""
    a, b = values.shape[taught], values.shape[given]
    if taught == given:
        return ""
    if a[0] == b[0] == "prompt" and a[1] != b[1]:
        return f"by the template `{values.templates[a[1]]}`, not by `{values.templates[b[1]]}`"
    known = [all(values.shape[v][0] != "fresh" for v in values.below(x)) for x in (taught, given)]
    if not all(known):
        return ""
    if not values.roots[taught] or values.roots[taught] != values.roots[given]:
        return OTHER
    names = [calls(values, x) for x in (taught, given)]
    for here, there, said in ((names[0], names[1], "only then"), (names[1], names[0], "only here")):
        more = [n for n in here if n not in there]
        if more:
            return f"{', '.join(f'`{n}`' for n in more)} {said}"
    return "the same functions, but not in the same way"


def calls(values: Values, value: int) -> list[str]:
    """The names of functions and templates that a value was computed by."""
    found: dict[str, None] = {}
    for v in values.below(value):
        shape = values.shape[v]
        if shape[0] == "call":
            found[shape[1]] = None
        elif shape[0] == "prompt":
            found[values.templates[shape[1]]] = None
    return list(found)
