"""``ungrouped-split``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._asked import called, conditions, is_number, pair
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.syntax import tree


@lint("ungrouped-split")
class UngroupedSplit(Lint):
    """A test demands that two parts share no value of a column, and the split does nothing to keep these apart.

    ``expect overlap(final.train.customer, final.test.customer) == 0`` says that customers are what the model must be new
    to. A split row by row puts a customer's rows into several parts: the test fails when it runs, or, on a small table,
    passes by luck until there are more rows. Group the split by the column.

    Saeb and others (The need to approximate the use-case in clinical machine learning, GigaScience 6, 2017) compared splits
    by record with splits by subject: by record, with a subject's records in both parts, the error is underestimated greatly;
    nearly half of the studies that they reviewed did so.

    Bad:

    ```recipe
    recipe "mail" { seed: 7 }
    source mail = csv("mail.csv") { columns: { text: text, customer: text } }
    split final from mail { train: 80%  test: 20% }
    expect apart from final.train, final.test {
      expect overlap(final.train.customer, final.test.customer) == 0
    }
    ```

    Good: ``group: customer``, or a table where no customer comes twice (``dedupe(customer)``).

    ```recipe
    recipe "mail" { seed: 7 }
    source mail = csv("mail.csv") { columns: { text: text, customer: text } }
    split final from mail { train: 80%  test: 20%  group: customer }
    expect apart from final.train, final.test {
      expect overlap(final.train.customer, final.test.customer) == 0
    }
    ```

    Silence: ``# allow: ungrouped-split because every customer wrote once``; better ``expect unique(customer)`` in the step before.
    """

    name = "ungrouped-split"
    code = "W302"

    @classmethod
    def find(cls, view: View) -> Iterator[UngroupedSplit]:
        if not view.splits:
            return
        told: set[tuple[str, int]] = set()
        for step, test, node in conditions(view):
            for left, right, op in ((node.left, node.right, node.op), (node.right, node.left, flipped(node))):
                args = called(left, "overlap", 2)
                if args is None or not ((op in ("==", "<=") and is_number(right, 0)) or (op == "<" and is_number(right, 1))):
                    continue
                asked = pair(view, step, test, args[0], args[1])
                if asked is None or (asked.split.name, asked.value) in told:
                    continue
                split, value = asked.split, asked.value
                kept = view.kept_together(split)
                before = view.tables.table(split.inputs[0])
                follows = view.tables.values.follows
                if kept is None or before.walled or any(value == v or (how != "near" and follows(v, value)) for v, how in kept):
                    continue
                if any(all(follows(v, value) for v in u.values) for u in before.unique):
                    continue
                told.add((split.name, value))
                name = next((c for c, v in before.columns.items() if v == value), None)
                yield cls(
                    span=view.head(split),
                    message=f"rows of one `{asked.column}` may fall into both `{asked.parts[0]}` and `{asked.parts[1]}`",
                    label="nothing keeps them together",
                    also=(Label(test.span, "this test forbids it"),),
                    help=(f"group: {name}",) if name is not None else ("group the split by it",),
                )


def flipped(node: tree.Binary) -> str:
    return {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(node.op, node.op)
