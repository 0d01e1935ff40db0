"""``fit-before-split``"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipec.api import Use, lint
from recipec.diagnostics import Label
from recipec.lints._answers import place, same_rows
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.source import Span

_MOMENT = r"avg|mean|median|mad|stddev\w*|variance|var_pop|var_samp|quantile\w*|percentile_\w+|approx_quantile"
_INSIDE = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
"""What stands between brackets, with two levels of brackets in it."""
_FITTED = (
    rf"\b(?:{_MOMENT}|min|max)\s*\({_INSIDE}\)\s*over\s*\(\s*\)"
    rf"|\b(?:percent_rank|cume_dist|ntile)\s*\({_INSIDE}\)\s*over\s*\(\s*order\b{_INSIDE}\)"
    rf"|\(\s*select\s+(?:{_MOMENT})\s*\({_INSIDE}\){_INSIDE}\)"
)
_APART = r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/"


@lint("fit-before-split")
class FitBeforeSplit(Lint):
    """Something is learned from all rows (a mean, a scale, a vocabulary) before the table is divided.

    The numbers then carry what the test rows look like into training. Learn from the training part alone and apply to the
    others what was learned there. Found are operators with the trait ``fits_on_data``, and in queries statistics over the
    whole table: ``avg(x) over ()``, ``(select median(x) from rows)``, ``percent_rank() over (order by x)``.

    A label step that weighs voters by their votes alone learns no answer, and is no finding; one that learns from ``gold`` is, and
    so are the answers of a model that was trained on the rows before they are divided.

    Hastie, Tibshirani and Friedman (The Elements of Statistical Learning, 2nd edition, 2009, section 7.10.2) show on data without
    any signal how choosing features on all rows gives an error of 3 % where the true one is 50 %.

    Bad: the greatest value is one of all rows.

    ```recipe
    recipe "scores" { seed: 7 }
    source rows = csv("rows.csv") { columns: { id: text, x: int } }
    sql scaled from rows \"\"\"
      select *, x / max(x) over () as part from rows
    \"\"\"
    split final from scaled { train: 80%  test: 20% }
    ```

    Good: divide first, and take the greatest value of the training part for every part.

    ```recipe
    recipe "scores" { seed: 7 }
    source rows = csv("rows.csv") { columns: { id: text, x: int } }
    split final from rows { train: 80%  test: 20% }
    sql train from final.train \"\"\"
      select *, x / (select max(x) from final.train) as part
      from final.train
    \"\"\"
    sql test from final.train, final.test \"\"\"
      select *, x / (select max(x) from final.train) as part
      from final.test
    \"\"\"
    ```

    Silence: ``# allow: fit-before-split because the value is shown to people only``.
    """

    name = "fit-before-split"
    code = "W304"

    @classmethod
    def find(cls, view: View) -> Iterator[FitBeforeSplit]:
        told: set[object] = set()
        for split in view.splits:
            for step in view.ancestors(split.name):
                # What is learned inside a part of an earlier split is learned from that part alone.
                if view.tables.made.get(step.name) is None or view.tables.made[step.name].parts:
                    continue
                for span in fits(step):
                    if span.order in told:
                        continue
                    told.add(span.order)
                    yield cls(
                        span=span,
                        message=f"this is learned from all rows, those that `{split.entry.node.name.id}` tests on too",
                        label="looks at the whole table",
                        also=(Label(view.head(split), "divided only here"),),
                        help=("divide first, and learn from the training part",),
                    )
                for use, trained in taught(view, step, split):
                    span = place(use, step)
                    if span.order in told:
                        continue
                    told.add(span.order)
                    name = trained.entry.node.name.id
                    yield cls(
                        span=span,
                        message=f"`{name}` answers here, and learned from rows that `{split.entry.node.name.id}` tests on",
                        label="its answers are divided later",
                        also=(Label(trained.entry.node.head, "trained before the split"), Label(view.head(split), "divided only here")),
                        help=("divide first, and train on the training part",),
                    )


def taught(view: View, step: ResolvedStep, split: ResolvedStep) -> Iterator[tuple[Use, ResolvedStep]]:
    """The models that answer in a step and were trained on rows that are divided later."""
    divided = Use("reads", split.inputs[0])
    for use in step.bound.uses:
        trained = view.by_name.get(use.model.step) if use.role == "reads" and use.model is not None else None
        if trained is None or not trained.bound.traits.trains:
            continue
        if any(same_rows(view, Use("reads", ref), divided) for ref in trained.inputs):
            yield use, trained


def fits(step: ResolvedStep) -> Iterator[Span]:
    found = [node.span for _, traits, node in step.ops if traits.fits_on_data]
    text = step.entry.node.text
    traits = step.bound.traits
    # What votes add up to is learned from the votes: no answer is in it, unless rows of known class teach it.
    votes_alone = any(m.role == "label" for m in step.bound.made or ()) and not traits.reads_label
    if traits.fits_on_data and not found and not votes_alone:
        found.append(step.entry.node.head)
    if text is not None:
        raw = re.sub(_APART, lambda m: " " * len(m[0]), text.span.text, flags=re.S)
        start = text.span.start
        found += [Span(text.span.source, start + m.start(), start + m.end()) for m in re.finditer(_FITTED, raw, re.I)][:1]
    return iter(found)
