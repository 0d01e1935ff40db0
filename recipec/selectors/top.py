"""``by: top(expr)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import Expression, Schema, Settings, named, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import is_number, shown
from recipec.selectors._base import Selecting, Selector
from recipec.syntax import tree


class TopParams(Settings):
    value: Expression
    order: Literal["greatest", "least"] = named("greatest")


@selector("top")
class Top(Selector):
    """The rows with the greatest value of an expression, or the least with ``order: least``.

    ```recipe
    select longest from pool { take: 10%  by: top(words(text)) }
    select best from pool { take: 3  by: top(votes - complaints)  per: author }
    ```

    Of rows of one value, chance decides (by seed and key). A row whose value is null is never chosen.
    """

    Params = TopParams
    params: TopParams
    what = "value"

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        value = self.params.value
        if not is_number(value.type) and value.type != "BOOLEAN" and not schema.unknown:
            message = f"`top` needs a number; this is {shown(value.type)}"
            bind.report(WrongType(span=value.node.span, message=message, help=("for the latest: top(epoch(date))",)))

    def score(self, given: Selecting) -> list[str]:
        sign = "-" if self.params.order == "least" else ""
        given.ctx.execute(
            f"CREATE TEMP TABLE {given.out} AS SELECT _key, CASE WHEN NOT isnan(v) THEN v END AS score, {sign}score AS sort "
            f"FROM (SELECT _key, ({self.params.value.sql})::DOUBLE AS v FROM {given.rows})"
        )
        return []
