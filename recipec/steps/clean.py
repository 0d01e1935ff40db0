"""``clean``: columns, filters and operators over one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import ORDER, Bound, Kind, Outcome, Schema, Settings, step
from recipec.record import record
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Chain, ChainBuilder

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class CleanSettings(Settings):
    description: str = ""


@record(frozen=True)
class CleanPlan:
    chain: Chain
    schema: Schema


@step("clean")
class Clean(Kind):
    """Columns, filters and operators, in the order written; each sees the columns as the ones before it left them.

    ```recipe
    clean tidy from packages {
      description = description |> fix_unicode |> strip_html |> squeeze_space
      drop where words(description) < 5 as "too short"
      dedupe(description)
      expect not_null(description)
    }
    ```

    ``column = expr`` adds or replaces a column. ``keep where`` keeps the rows for which the condition is true, ``drop
    where`` drops those for which it is; a null is neither true nor false. Every dropped row is counted under its reason
    (the text after ``as``, or the statement itself) and can be shown: ``recipec show tidy --dropped "too short"``. What
    comes after a filter is not computed for the rows it dropped, so a filter protects what follows it.

    The whole chain runs as one SELECT, unless an operator needs a table in between. ``expect`` tests the result.
    """

    Settings = CleanSettings
    gaps = True
    takes = frozenset({"assign", "filter", "op", "expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        settings = bind.settings()
        builder = ChainBuilder(bind, bind.schema)
        chain = builder.chain(bind.node.body)
        bind.guess[""] = builder.schema
        if settings is None or chain is None:
            return None
        meaning: dict[str, Any] = {}
        shown: dict[str, str] = {}
        for field_name, value, text in chain.meaning:
            name, n = field_name, 2
            while name in meaning:
                name, n = f"{field_name} ({n})", n + 1
            meaning[name], shown[name] = value, text
        meaning["order"] = list(meaning)
        return bind.bound(
            outputs={"": chain.schema},
            meaning=meaning,
            shown=shown,
            plan=CleanPlan(chain, bind.schema),
            traits=chain.traits,
            tests=chain.tests,
        )

    @classmethod
    def sql(cls, plan: CleanPlan, table: str, inputs: Sequence[str]) -> list[str]:
        return plan.chain.statements(table, inputs[0])

    def run(self, plan: CleanPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.chain import run_chain
        from recipec.engines.tests import run_tests

        source = ctx.relation(ctx.step.inputs[0])
        hidden = ["_key", "_parent", *([ORDER] if plan.chain.schema.ordered else [])]
        outcome = run_chain(ctx, plan.chain, source, hidden)
        outcome.rows_in = ctx.rows(ctx.step.inputs[0])
        run_tests(ctx, plan.chain.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
        return outcome
