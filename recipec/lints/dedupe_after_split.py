"""``dedupe-after-split``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._tables import Table, nearly
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.syntax import tree


@lint("dedupe-after-split")
class DedupeAfterSplit(Lint):
    """Duplicates are removed inside one part of a split, after the table was divided.

    The recipe knows that there are duplicates, but those of a row in one part that fell into another stay there: the model
    is tested on what it was trained on. Remove them before dividing, or from one part against the others (``across``), or
    keep them together (``group``).

    Lee and others (Deduplicating Training Data Makes Language Models Better, ACL 2022) found more than 4 % of the validation
    sets of standard corpora in their training sets; Barz and Denzler (Journal of Imaging 6, 2020) found near-duplicates of
    3.3 % and 10 % of the test images of CIFAR-10 and CIFAR-100.

    Bad:

    ```recipe
    recipe "mail" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    split final from rows { train: 80%  test: 20% }
    clean train from final.train { dedupe(text) }
    ```

    Good:

    ```recipe
    recipe "mail" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows { dedupe(text) }
    split final from tidy { train: 80%  test: 20% }
    ```

    Silence: ``# allow: dedupe-after-split because the test part is judged as it comes``.
    """

    name = "dedupe-after-split"
    code = "W303"

    @classmethod
    def find(cls, view: View) -> Iterator[DedupeAfterSplit]:
        if not view.splits:
            return
        for step, op, compared, table in view.tables.dedupes:
            near = nearly(op)
            if table.walled or any(u.values <= compared and (u.near or not near) for u in table.unique):
                continue
            for split in view.splits:
                own = {part for name, part in table.parts if name == split.name}
                rest = [p for p in split.bound.outputs if p and p not in own]
                if not own or not rest or against(view, step, op, split) or together(view, split, compared, near):
                    continue
                name = split.entry.node.name.id
                yield cls(
                    span=op.span,
                    message=f"duplicates are removed inside `{name}.{min(own)}`, and stay between it and `{name}.{rest[0]}`",
                    label="only looks at its own part",
                    also=(Label(view.head(split), "the table was divided here"),),
                    help=(
                        f"remove duplicates before `{name}`",
                        f"or from this part against the other: {op.call.func.span.text}(..., across: [{name}.{rest[0]}])",
                    ),
                )


def against(view: View, step: ResolvedStep, op: tree.Op, split: ResolvedStep) -> bool:
    """Whether the operator also looks at another table that descends from the split."""
    for node in tree.walk(op.call):
        ref = view.ref(node, step) if isinstance(node, (tree.Name, tree.Field)) else None
        if ref is not None and split.name in table_of(view, ref).holds:
            return True
    return False


def table_of(view: View, ref: object) -> Table:
    return view.tables.made.get(str(ref), Table({}))


def together(view: View, split: ResolvedStep, compared: frozenset[int], near: bool) -> bool:
    """Whether the split keeps rows that the operator takes for the same in one part."""
    kept = view.kept_together(split)
    if kept is None:
        return True
    values = view.tables.values
    for value, asked in kept:
        if asked == "near" and value in compared:
            return True
        if not near and (value in compared or any(values.follows(value, c) for c in compared)):
            return True
    return False
