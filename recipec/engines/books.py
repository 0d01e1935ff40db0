"""The views of the schema ``recipec`` that tell of votes and of model calls, over the results that stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recipec.api import literal, quote
from recipec.workspace.database import Built, Workspace

NO_VOTES = "SELECT NULL::VARCHAR AS step, NULL::UUID AS _key, NULL::VARCHAR AS voter, NULL::VARCHAR AS vote WHERE false"
NUMBERS = {"calls": "BIGINT", "reused": "BIGINT", "failed": "BIGINT", "tokens_in": "BIGINT", "tokens_out": "BIGINT", "usd": "DOUBLE"}


def votes(workspace: Workspace, results: Iterable[tuple[str, str]]) -> str:
    """One row a vote, of rows that were dropped too: ``step, _key, voter, vote``. ``results`` are steps with their run keys. A vote that
    is a list (tags, several classes) is its text."""
    known = {
        (t, c)
        for t, c in workspace.con.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'store' AND data_type LIKE 'MAP(%'"
        ).fetchall()
    }
    parts: list[str] = []
    for step, key in results:
        built = workspace.built[key]
        column = f"{built.meaning.get('column')}_votes"
        if "analysis" in built.extra and (f"r_{key}", column) in known:
            named = quote(column)
            parts.append(
                f"SELECT {literal(step)} AS step, _key, e.key AS voter, e.value::VARCHAR AS vote "
                f"FROM (SELECT _key, unnest(map_entries({named})) AS e FROM {workspace.table(key)})"
            )
    return " UNION ALL ".join(parts) or NO_VOTES


def calls(workspace: Workspace, results: Iterable[tuple[str, str]]) -> str:
    """One row a voter, or a step that asks a model itself: what its answers took when the result was made. ``usd`` is null where no price
    is known; what earlier runs paid for answers that were ``reused`` is not in it."""
    rows: list[str] = []
    for step, key in results:
        for name, model, spent in spendings(workspace.built[key]):
            numbers = [f"{literal(spent.get(n))}::{type}" for n, type in NUMBERS.items()]
            rows.append(f"({', '.join([literal(step), literal(name), literal(model), *numbers])})")
    if not rows:
        listed = ", ".join(f"NULL::{type} AS {n}" for n, type in NUMBERS.items())
        return f"SELECT NULL::VARCHAR AS step, NULL::VARCHAR AS voter, NULL::VARCHAR AS model, {listed} WHERE false"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS t(step, voter, model, {', '.join(NUMBERS)})"


def spendings(built: Built) -> list[tuple[str | None, str | None, dict[str, Any]]]:
    """(voter, model, what was spent) of a result."""
    out: list[tuple[str | None, str | None, dict[str, Any]]] = []
    for voter in built.extra.get("voters") or ():
        if voter.get("spent"):
            out.append((str(voter["name"]), voter.get("model"), voter["spent"]))
    if built.extra.get("spent"):
        out.append((None, built.extra.get("model"), built.extra["spent"]))
    return out
