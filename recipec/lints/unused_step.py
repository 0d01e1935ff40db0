"""``unused-step``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.syntax import tree


@lint("unused-step")
class UnusedStep(Lint):
    """A step of a recipe that exports, whose table nothing reads, exports or tests.

    Most often an edit went past it: the export still reads the step before, and the cleaning that somebody added has no
    effect. In a recipe without an export every table is there to be looked at, and nothing is said; nor of steps that hold
    tests of their own, or of what a file only offers to those that import it.

    Sculley and others (Hidden Technical Debt in Machine Learning Systems, NIPS 2015) call such leftovers dead experimental
    codepaths, and recall Knight Capital, which lost 465 million dollars in 45 minutes, apparently through obsolete ones.

    Bad: the export reads the step before the last.

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows { dedupe(text) }
    clean tidier from tidy { drop where words(text) < 5 }
    export out from tidy { to: "build/out"  format: parquet() }
    ```

    Good:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows { dedupe(text) }
    clean tidier from tidy { drop where words(text) < 5 }
    export out from tidier { to: "build/out"  format: parquet() }
    ```

    Silence: ``# allow: unused-step because we look at it with recipec show``.
    """

    name = "unused-step"
    code = "W312"

    @classmethod
    def find(cls, view: View) -> Iterator[UnusedStep]:
        if not any(not w.entry.module.prefix for w in view.writers):
            return
        used = {id(view.by_name[name].entry.node) for name, readers in view.readers.items() if readers}
        untils = [r.node.until for r in view.program.repeats if r.node.until is not None]
        asked = {n.id for until in untils for n in tree.walk(until) if isinstance(n, tree.Name)}
        told: set[int] = set()
        for step in view.steps:
            node = step.entry.node
            if (
                step.entry.module.prefix
                or not (step.kind.table or step.kind.model)
                # Scores and trained models are wanted for themselves.
                or step.kind.level == "metadata"
                or step.bound.traits.trains
                or id(node) in used
                or id(node) in told
                or node.name.id in asked
            ):
                continue
            if any(isinstance(s, tree.Expect) for s in node.body):
                continue
            told.add(id(node))
            alone = [r.step for r in step.parents if all(reader is step for reader, _ in view.readers[r.step])]
            more = f"; with it `{alone[0]}` has no use" if alone else ""
            yield cls(
                span=node.name.span,
                message=f"nothing reads `{node.name.id}`{more}",
                label="has no effect on what is exported",
                help=("export it or what reads it, or remove it",),
            )
