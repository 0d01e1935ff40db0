"""``eval-contamination``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._view import View


@lint("eval-contamination")
class EvalContamination(Lint):
    """One part of a split is put together with rows from before the split, which hold the other parts too.

    ``mix more from final.train, variants``, where ``variants`` was made from the table that ``final`` divides: the rows of
    ``final.test`` come back into training through it. Make the variants from ``final.train``.

    When GPT-3 was trained, a bug in the filter against test sets left some overlaps in, and the training was too expensive
    to repeat (Brown and others, Language Models are Few-Shot Learners, 2020, sections 2.2 and 4).

    Bad:

    ```recipe
    clean variants from tidy { text = lower(text) }
    split final from tidy { train: 80%  test: 20% }
    mix more from final.train, variants
    ```

    Good: ``clean variants from final.train { text = lower(text) }``.

    Silence: ``# allow: eval-contamination because the other part is never tested on``.
    """

    name = "eval-contamination"
    code = "W306"

    @classmethod
    def find(cls, view: View) -> Iterator[EvalContamination]:
        if not view.splits:
            return
        for step in view.steps:
            if len(step.inputs) < 2 or not step.kind.table or step.kind.text != "no":
                continue
            tables = [(ref, view.tables.table(ref)) for ref in step.inputs]
            for split in view.splits:
                before = view.tables.table(split.inputs[0]).holds
                own = sorted({p for _, t in tables for n, p in t.parts if n == split.name})
                others = [p for p in split.bound.outputs if p and p not in own]
                if not own or not others or not any(r.part not in own for _, r in view.readers[split.name]):
                    continue
                for number, (ref, table) in enumerate(tables):
                    if split.name in table.holds:
                        continue
                    common = next((n for n in reversed(list(table.holds)) if n in before and (table.holds[n] or before[n])), None)
                    if common is None:
                        continue
                    name = split.entry.node.name.id
                    yield cls(
                        span=step.entry.node.inputs[number].span,
                        message=f"`{ref}` brings rows of `{name}.{others[0]}` back to those of `{name}.{own[0]}`",
                        label=f"has its rows from `{common}`, as `{name}` has",
                        also=(Label(view.head(split), "divided here"),),
                        help=(f"make it from `{name}.{own[0]}` instead",),
                    )
                    break
