"""``eval-contamination``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import Use, lint
from recipec.diagnostics import Label
from recipec.lints._answers import measured, same_rows
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep


@lint("eval-contamination")
class EvalContamination(Lint):
    """Rows that a model is measured on come into its training.

    One part of a split is put together with rows from before the split, which hold the other parts too; or a model is
    trained on rows, with their answers, that it is then measured on, and on no others.

    ``mix more from final.train, variants``, where ``variants`` was made from the table that ``final`` divides: the rows of
    ``final.test`` come back into training through it. Make the variants from ``final.train``.

    When GPT-3 was trained, a bug in the filter against test sets left some overlaps in, and the training was too expensive
    to repeat (Brown and others, Language Models are Few-Shot Learners, 2020, sections 2.2 and 4).

    Bad: rows of ``final.test`` come back through ``variants``.

    ```recipe
    recipe "mail" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    clean variants from rows { text = lower(text) }
    split final from rows { train: 80%  test: 20% }
    mix more from final.train, variants
    export out from more, final.test { to: "out"  format: parquet() }
    ```

    Good:

    ```recipe
    recipe "mail" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    split final from rows { train: 80%  test: 20% }
    clean variants from final.train { text = lower(text) }
    mix more from final.train, variants
    export out from more, final.test { to: "out"  format: parquet() }
    ```

    Silence: ``# allow: eval-contamination because the other part is never tested on``.
    """

    name = "eval-contamination"
    code = "W306"

    @classmethod
    def find(cls, view: View) -> Iterator[EvalContamination]:
        yield from cls.taught(view)
        if view.splits:
            yield from cls.mixed(view)

    @classmethod
    def taught(cls, view: View) -> Iterator[EvalContamination]:
        """Models that are measured on nothing but rows that they were trained on."""
        seen: dict[str, list[tuple[ResolvedStep, Use | None]]] = {}
        for step in view.steps:
            gold = next((u for u in step.bound.uses if u.role == "gold"), None)
            for model in {m.step for m in measured(view, step)} if gold is not None and step.entry.repeat is None else ():
                trained = view.by_name.get(model)
                if gold is None or trained is None or not trained.bound.traits.trains:
                    continue
                wanted = view.tables.used(gold, step)
                lessons = [u for u in trained.bound.uses if u.role == "answers" and view.tables.used(u, trained) == wanted]
                seen.setdefault(model, []).append((step, next((u for u in lessons if same_rows(view, gold, u)), None)))
        for model, found in seen.items():
            for step, use in found if all(u is not None for _, u in found) else ():
                assert use is not None
                name = view.by_name[model].entry.node.name.id
                yield cls(
                    span=step.entry.node.inputs[0].span,
                    message=f"`{name}` is measured on rows that it was trained on, and on no others",
                    label=f"has rows of `{use.table}`",
                    also=(Label(use.table.span or view.by_name[model].entry.node.head, "trained on here"),),
                    help=("train on one part of a split, and measure on another",),
                )

    @classmethod
    def mixed(cls, view: View) -> Iterator[EvalContamination]:
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
