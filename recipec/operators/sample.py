"""``sample(10%)``, ``sample(1000)``"""

from __future__ import annotations

from recipec.api import Json, Operator, Rewrite, Schema, Settings, Traits, operator
from recipec.operators._sql import projection
from recipec.rand import rank64, unit
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree


class SampleParams(Settings):
    share: float | int
    seed: int | None = None


@operator("sample")
class Sample(Operator):
    """A random share of the rows (``sample(10%)``), or so many of them (``sample(1000)``).

    ```recipe
    clean some from packages { sample(10%) }
    ```

    A share keeps each row by its own chance, so the number of rows is near it, not exact; a number is exact (all rows,
    where there are fewer). Which rows depends on the recipe's seed (or ``seed``) and their keys, never on their order. Two
    samples of one table with one seed are the same rows; give one of them another ``seed`` where that is not wanted.
    """

    Params = SampleParams
    traits = Traits(changes_rows=True, random=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        share, salt = self.params.share, bind.salt("sample")
        seed = bind.seed if self.params.seed is None else self.params.seed
        whole = isinstance(share, int) and not written_as_share(call)
        if share < 0 or (share > 1 and not whole):
            message = f"`sample` takes a share from 0% to 100%, or a number of rows, not {given(call).span.text}"
            bind.report(BadValue(span=given(call).span, message=message))
        if not whole:
            condition = f"{unit(seed, salt, '_key')} >= {share!r}::DOUBLE"
        else:
            condition = f"row_number() OVER (PARTITION BY _why IS NULL ORDER BY {rank64(seed, salt, '_key')}, _key) > {share}"
        why = f"CASE WHEN _why IS NULL AND {condition} THEN {{why[0]}} ELSE _why END"
        return Rewrite(f"SELECT {projection(schema, why=why)} FROM {{input}}", schema, ("not sampled",), scope="global" if whole else "row")

    def meaning(self, bind: StepBinder, call: tree.Op) -> Json:
        return "share" if written_as_share(call) else "rows"


def written_as_share(call: tree.Op) -> bool:
    """``sample(100%)`` is everything, ``sample(1)`` one row."""
    share = given(call)
    return isinstance(share, tree.Number) and (share.percent or isinstance(share.value, float))


def given(call: tree.Op) -> tree.Expr:
    """The argument ``share``, by its name or by position."""
    args = call.call.args
    return next((a.value for a in args if a.name is not None and a.name.id == "share"), args[0].value)
