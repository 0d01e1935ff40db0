"""Running the tests (``expect``) of a step on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recipec.api import HIDDEN, Outcome
from recipec.engines.context import RunContext, StepFailed
from recipec.resolve.chain import Test
from recipec.resolve.segment import BECAUSE, WHY
from recipec.workspace.database import Built, Workspace

SHOWN = 5


def run_tests(ctx: RunContext, tests: Sequence[Test], table: str, outcome: Outcome) -> None:
    """Run every test; one that fails and is no warning becomes ``outcome.failure``. Results go into ``outcome.extra["tests"]``."""
    results: list[dict[str, Any]] = []
    failed: list[tuple[Test, str, list[dict[str, Any]]]] = []
    for test in tests:
        ok, found, rows = run_test(ctx, test, table)
        results.append({"name": test.name, "ok": ok, "warn": test.warn, "found": found})
        if not ok:
            if test.warn:
                outcome.notes.append(f"expect {test.name}: {found}")
            else:
                failed.append((test, found, rows))
    if results:
        outcome.extra["tests"] = results
    if failed and outcome.failure is None:
        test, found, rows = failed[0]
        more = "".join(f"; expect {t.name}: {f}" for t, f, _ in failed[1:])
        outcome.failure = StepFailed(f"expect {test.name}: {found}{more}", "mend the rows above, or the test", rows)


def test_again(ctx: RunContext, built: Built) -> Outcome:
    """Test a finished result anew, after its tests or limits were edited: the rows are what they were."""
    extra = {k: v for k, v in built.extra.items() if k != "tests"}
    outcome = Outcome(built.rows_in, built.rows_out, dict(built.dropped), [], extra)
    plan = ctx.step.bound.plan
    if "bad" in extra:
        outcome.failure = plan.too_many_bad(ctx, built.run_key, built.rows_in, outcome)
    run_tests(ctx, ctx.step.bound.tests, Workspace.view(built.run_key), outcome)
    return outcome


def run_test(ctx: RunContext, test: Test, table: str) -> tuple[bool, str, list[dict[str, Any]]]:
    """(whether it holds, what was found, examples)."""
    if test.scalar is not None:
        holds = ctx.one(test.scalar.replace("{table}", table))[0]
        if holds:
            return True, "holds", []
        shown = [str(ctx.one(f"SELECT {s} FROM {table}" if "(SELECT" not in s else f"SELECT {s}")[0]) for s in test.shown]
        return False, "does not hold" + (f": {', '.join(shown)}" if shown else ""), []
    assert test.offending is not None
    query = test.offending.replace("{table}", table)
    count = int(ctx.one(f"SELECT count(*) FROM ({query})")[0])
    if not count:
        return True, "holds", []
    result = ctx.con.execute(f"SELECT * FROM ({query}) ORDER BY _key LIMIT {SHOWN}")
    names = [d[0] for d in result.description]
    rows = [{n: v for n, v in zip(names, r, strict=True) if n not in (*HIDDEN, WHY, BECAUSE)} for r in result.fetchall()]
    return False, f"{count:,} row{'s' * (count != 1)} break{'s' * (count == 1)} it", rows
