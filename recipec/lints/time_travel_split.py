"""``time-travel-split``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._asked import called, conditions, pair
from recipec.lints._base import Lint
from recipec.lints._tables import setting
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep

TRAINING = frozenset({"train", "training"})
TESTING = frozenset({"test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation", "holdout", "held_out"})


@lint("time-travel-split")
class TimeTravelSplit(Lint):
    """A model would be trained on what came after the rows that it is tested on.

    Either a test demands that one part is older than another (``max(final.train.day) < min(final.test.day)``) and the split
    does not divide by that time; or a split by ``time`` lists a test part before the training part: the first part gets the
    earliest rows. A model that has seen the future looks better than it will be.

    Kapoor and Narayanan (Leakage and the reproducibility crisis in machine-learning-based science, Patterns 4, 2023) list
    temporal leakage among the eight kinds of leakage that they found in papers of 17 fields.

    Bad:

    ```recipe
    source mail = csv("mail.csv") { columns: { text: text, received: date } }
    split final from mail { test: 20%  train: 80%  time: received }
    ```

    Good:

    ```recipe
    source mail = csv("mail.csv") { columns: { text: text, received: date } }
    split final from mail { train: 80%  test: 20%  time: received }
    ```

    Silence: ``# allow: time-travel-split because it dates old letters``.
    """

    name = "time-travel-split"
    code = "W305"

    @classmethod
    def find(cls, view: View) -> Iterator[TimeTravelSplit]:
        for split in view.splits:
            yield from cls.backwards(split)
        if view.splits:
            yield from cls.demanded(view)

    @classmethod
    def backwards(cls, split: ResolvedStep) -> Iterator[TimeTravelSplit]:
        time = setting(split, "time")
        if time is None:
            return
        parts = [p for p in split.bound.outputs if p]
        test = next((p for p in parts if p.lower() in TESTING), None)
        train = next((p for p in parts if p.lower() in TRAINING), None)
        if test is not None and train is not None and parts.index(test) < parts.index(train):
            places = {s.key.id: s.span for s in split.entry.node.body if hasattr(s, "key")}
            yield cls(
                span=time.span,
                message=f"`{test}` gets rows from before those of `{train}`: the model is trained on its future",
                label="the first part gets the earliest rows",
                also=(Label(places.get(test, split.entry.node.head), "the first"),),
                help=(f"list `{train}` before `{test}`",),
            )

    @classmethod
    def demanded(cls, view: View) -> Iterator[TimeTravelSplit]:
        told: set[tuple[str, int]] = set()
        for step, test, node in conditions(view):
            if node.op in ("<", "<="):
                earlier, later = called(node.left, "max", 1), called(node.right, "min", 1)
            elif node.op in (">", ">="):
                earlier, later = called(node.right, "max", 1), called(node.left, "min", 1)
            else:
                continue
            asked = pair(view, step, test, earlier[0], later[0]) if earlier and later else None
            if asked is None or (asked.split.name, asked.value) in told:
                continue
            kept = view.kept_together(asked.split)
            if kept is None or (asked.value, "time") in kept:
                continue
            told.add((asked.split.name, asked.value))
            before = view.tables.table(asked.split.inputs[0])
            name = next((c for c, v in before.columns.items() if v == asked.value), asked.column)
            yield cls(
                span=view.head(asked.split),
                message=f"`{asked.parts[0]}` may hold rows from after those of `{asked.parts[1]}`",
                label=f"does not divide by `{name}`",
                also=(Label(test.span, "this test forbids it"),),
                help=(f"time: {name}",),
            )
