"""``class-missing-from-split``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import TableRef, Use, lint
from recipec.diagnostics import Label
from recipec.lints._answers import said
from recipec.lints._base import Lint
from recipec.lints._facts import Fact
from recipec.lints._tables import setting
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep


@lint("class-missing-from-split")
class ClassMissingFromSplit(Lint):
    """A part of a split cannot have rows of every class that it is used for.

    - A part is asked to have fewer rows than there are classes (``test: 3`` of four classes).
    - The split is grouped by what decides the class (``group: topic``): all rows of a class fall into one part, and the others have none.
    - A filter after the split takes a class out of training, and the model is measured on rows that may be of it.

    A model cannot learn a class that it never sees, and a class without rows has no recall: its F1 is undefined, and an average
    over the classes is wrong. Only classes that the recipe declares, or names in its filters, are known.

    Forman and Scholz (Apples-to-apples in cross-validation studies, SIGKDD Explorations 12, 2010) show how parts in which a class is rare or missing bias
    F1 and AUC, unnoticed, because only averages are looked at.

    Bad: all rows of a class fall into one part.

    ```recipe
    recipe "packages" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    label named from rows {
      classes: ["games", "sound"]
      when text matches r/player|puzzle/ => "games"
      when text matches r/audio|midi/ => "sound"
    }
    split final from named { train: 80%  test: 20%  group: named }
    train clf from final.train {
      task: classify(text => named)
      base: "models/minilm"
    }
    evaluate scores from final.test { model: clf }
    ```

    Good: as many of each class in every part.

    ```recipe
    recipe "packages" { seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    label named from rows {
      classes: ["games", "sound"]
      when text matches r/player|puzzle/ => "games"
      when text matches r/audio|midi/ => "sound"
    }
    split final from named { train: 80%  test: 20%  stratify: named }
    train clf from final.train {
      task: classify(text => named)
      base: "models/minilm"
    }
    evaluate scores from final.test { model: clf }
    ```

    Silence: ``# allow: class-missing-from-split because the test part is for classes never seen``.
    """

    name = "class-missing-from-split"
    code = "W322"

    @classmethod
    def find(cls, view: View) -> Iterator[ClassMissingFromSplit]:
        uses = [(s, u) for s in view.steps for u in s.bound.uses if u.role in ("answers", "gold")]
        told: set[object] = set()
        for found in (cls.parts(view, uses), cls.filtered(view, uses)):
            for finding in found:
                if finding.span.order not in told:
                    told.add(finding.span.order)
                    yield finding

    @classmethod
    def parts(cls, view: View, uses: list[tuple[ResolvedStep, Use]]) -> Iterator[ClassMissingFromSplit]:
        for step, use in uses:
            part = only_from(view, use.table)
            if part is None or part.part is None:
                continue
            split = view.by_name[part.step]
            value = view.tables.used(use, step)
            if view.tables.values.type(value) not in (None, "VARCHAR"):
                continue
            asked, count = setting(split, part.part), split.bound.meaning.get(f"part {part.part}")
            fact = (view.tables.table(part).facts or {}).get(value)
            classes = [c for c in declared(view, value) if fact is None or may(fact, c)]
            if asked is not None and isinstance(count, int) and not isinstance(count, bool) and count < len(classes):
                yield cls(
                    span=asked.span,
                    message=f"{count:,} row{'s' * (count != 1)} cannot be of all {len(classes)} classes of `{said(use, step)}`",
                    label=f"`{part.part}` lacks a class at least",
                    also=(Label(step.entry.node.head, "used for all classes here"),),
                    help=(f"{part.part}: {max(10 * len(classes), 100)}, or a share, with stratify",),
                )
            group = setting(split, "group")
            kept = [v for v, how in view.kept_together(split) or () if how == "group"]
            if group is not None and any(view.tables.values.follows(v, value) for v in kept):
                yield cls(
                    span=group.span,
                    message=f"all rows of one `{said(use, step)}` fall into one part: the others have no row of that class",
                    label="keeps every class together",
                    also=(Label(step.entry.node.head, f"needs the classes in `{part}`"),),
                    help=(f"keep the classes' shares in every part instead: stratify: {said(use, step)}",),
                )

    @classmethod
    def filtered(cls, view: View, uses: list[tuple[ResolvedStep, Use]]) -> Iterator[ClassMissingFromSplit]:
        for step, use in uses:
            if use.role != "gold":
                continue
            value, facts = view.tables.used(use, step), view.tables.table(use.table).facts
            for read in step.bound.uses:
                trained = view.by_name.get(read.model.step) if read.model is not None else None
                if facts is None or trained is None or not trained.bound.traits.trains:
                    continue
                lessons = [u for u in trained.bound.uses if u.role == "answers"]
                known = [view.tables.table(u.table).facts for u in lessons]
                if not lessons or any(view.tables.used(u, trained) != value for u in lessons) or any(f is None for f in known):
                    continue
                taught = [fact for f in known if f is not None and (fact := f.get(value)) is not None]
                if len(taught) < len(lessons):
                    continue
                here = facts.get(value)
                names = declared(view, value) or tuple(sorted(frozenset.intersection(*(t.never for t in taught))))
                gone = [n for n in names if not any(may(t, n) for t in taught) and (here is None or may(here, n))]
                why = next((t.why for t in taught if t.why is not None), None)
                if gone and why is not None:
                    yield cls(
                        span=why,
                        message=f'no row of "{gone[0]}" reaches the training of `{trained.entry.node.name.id}`, which is measured on such rows too',
                        label="taken out after the split",
                        also=(Label(step.entry.node.head, f'rows of "{gone[0]}" may be here'),),
                        help=("filter before the split, or both parts alike",),
                    )


def only_from(view: View, ref: TableRef) -> TableRef | None:
    """The part of a split that all rows of a table come from, where no others were put beside them."""
    while ref.part is None:
        step = view.by_name[ref.step]
        if len(step.inputs) != 1 or view.tables.made[step.name].walled:
            return None
        ref = step.inputs[0]
    return ref


def declared(view: View, value: int) -> tuple[str, ...]:
    """The classes that a label can have, where the recipe lists them."""
    shape = view.tables.values.shape[value]
    if shape[0] != "column":
        return ()
    origin = view.tables.origins.get((shape[1], shape[2]))
    return origin[1].classes or () if origin is not None else ()


def may(fact: Fact, name: str) -> bool:
    """Whether a text can still be ``name``."""
    return (fact.only is None or name in fact.only) and name not in fact.never
