"""``unseeded-randomness``"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from recipec.api import lint
from recipec.diagnostics import Severity
from recipec.lints._base import Lint
from recipec.lints._tables import setting
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.syntax import tree


@lint("unseeded-randomness")
class UnseededRandomness(Lint):
    """A recipe chooses rows at random and says no seed.

    The seed is then 0 and the result is the same at every run, but nobody who reads the recipe can tell, and nobody will
    try another. How much a figure owes to one lucky division shows only when the seed is turned.

    Bouthillier and others (Accounting for Variance in Machine Learning Benchmarks, MLSys 2021) found that which rows happen to be drawn,
    like the random start of a model, changes the results of benchmarks markedly.

    Bad:

    ```recipe
    recipe "reviews" { version: "1.0.0" }
    source rows = csv("rows.csv") { columns: { text: text } }
    split final from rows { train: 80%  test: 20% }
    ```

    Good:

    ```recipe
    recipe "reviews" { version: "1.0.0"  seed: 7 }
    source rows = csv("rows.csv") { columns: { text: text } }
    split final from rows { train: 80%  test: 20% }
    ```

    Silence: ``# allow: unseeded-randomness because 0 is the seed we publish``.
    """

    name = "unseeded-randomness"
    code = "W307"
    severity: ClassVar[Severity] = "note"

    @classmethod
    def find(cls, view: View) -> Iterator[UnseededRandomness]:
        header = view.program.root.file.header
        if header is not None and any(isinstance(s, tree.Setting) and s.key.id == "seed" for s in header.body):
            return
        first = next((s for s in view.steps if not s.entry.module.prefix and chooses(s)), None)
        if first is None:
            return
        help = "seed: 7, in the header" if header is not None else f'recipe "{view.program.recipe}" {{ seed: 7 }}'
        yield cls(
            span=view.head(first),
            message=f"`{first.entry.node.name.id}` chooses at random, and the recipe says no seed",
            label="the seed is 0",
            help=(help,),
        )


def chooses(step: ResolvedStep) -> bool:
    """Whether a random choice of the step depends on the recipe's seed."""
    if setting(step, "seed") is not None:
        return False
    ops = [node for _, traits, node in step.ops if traits.random]
    if ops:
        return any(all(a.name is None or a.name.id != "seed" for a in node.call.args) for node in ops)
    if step.bound.traits.divides:
        # A split by time has its rows in order already: chance decides only between rows of one moment.
        return step.bound.traits.random
    return step.bound.traits.random or "random choices above" in step.bound.meaning
