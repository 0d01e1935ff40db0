"""Model calls and money, as lines for people and as data: what a plan expects, what a run spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipec.models.budget import dollars as sum_of

if TYPE_CHECKING:
    from recipec.api import Estimate
    from recipec.workspace.database import Built

UNKNOWN = "unknown"


def dollars(value: float | None) -> str:
    """``$0.31``; ``$0.0042`` where two digits would say nothing; "unknown" for what is not known, which is not $0.00."""
    if value is None:
        return UNKNOWN
    return sum_of(value)


def tokens(count: int | None) -> str:
    """``812``, ``10 k``, ``0.41 M``"""
    if count is None:
        return UNKNOWN
    if count < 1000:
        return f"{count:,}"
    return f"{count / 1000:,.0f} k" if count < 100_000 else f"{count / 1e6:,.2f} M"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


# Plans


def calls_head(found: Sequence[Estimate]) -> list[str]:
    """``model calls: 1,204 new of 9,880   cost: $0.31 expected, $0.52 at most``"""
    if not found:
        return []
    from recipec.engines.estimate import totals

    total = totals(found)
    new, kept = total.calls or 0, total.in_ledger or 0
    if all(e.unknown for e in found):
        return [f"model calls: {total.unknown}   cost: {UNKNOWN}"]
    calls = f"model calls: {new:,} new of {new + kept:,}" + (", and more that are not known" if total.unknown else "")
    return [f"{calls}   cost: {cost_words(total)}"]


def cost_words(e: Estimate) -> str:
    if e.usd is None and e.usd_at_most is None:
        return UNKNOWN
    if e.usd == e.usd_at_most == 0:
        return dollars(0.0)
    if e.usd is not None and e.usd_at_most is not None and e.usd > e.usd_at_most:
        return f"{dollars(e.usd)} expected, and a budget stops it at {dollars(e.usd_at_most)}"
    return f"{dollars(e.usd)} expected, {dollars(e.usd_at_most)} at most"


def calls_line(e: Estimate) -> str:
    """``llm qwen: 1,204 calls (8,676 in the ledger), 0.41 M tokens in, 10 k out, $0.31 expected, $0.52 at most``"""
    name = f"{e.name} {e.model}".strip() if e.name != e.model else e.model
    if e.unknown:
        return (
            f"{name}: calls and cost {e.unknown}" if e.unknown.startswith("not known") else f"{name}: calls and cost not known: {e.unknown}"
        )
    assert e.calls is not None
    about = f", as {e.sampled:,} rows tell" if e.sampled is not None else ""
    head = f"{name}: {plural(e.calls, 'call')} ({e.in_ledger:,} in the ledger{about})"
    if not e.calls:
        return head
    why = f": {e.why}" if e.why and e.usd_at_most is None else ""
    return f"{head}, {tokens(e.tokens_in)} tokens in, {tokens(e.tokens_out)} out, cost {cost_words(e)}{why}"


def calls_data(e: Estimate) -> dict[str, Any]:
    """An estimate for ``--format json``; null is unknown."""
    out: dict[str, Any] = {
        "name": e.name,
        "model": e.model,
        "calls": e.calls,
        "in_ledger": e.in_ledger,
        "tokens_in": e.tokens_in,
        "tokens_out": e.tokens_out,
        "usd": e.usd,
        "usd_at_most": e.usd_at_most,
    }
    if e.unknown:
        out["unknown"] = e.unknown
    if e.why:
        out["why"] = e.why
    if e.sampled is not None:
        out["sampled"] = e.sampled
    return out


def total_data(found: Sequence[Estimate]) -> dict[str, Any]:
    from recipec.engines.estimate import totals

    total = totals(found)
    made = calls_data(total)
    if total.unknown:
        made["calls"] = made["in_ledger"] = None
    return {k: v for k, v in made.items() if k not in ("name", "model")}


# Runs


def spent_data(built: Built) -> list[dict[str, Any]]:
    """What the calls of a result cost when it was made: one entry a voter, or one for the step itself."""
    listed = [(str(v["name"]), v.get("model"), v["spent"]) for v in built.extra.get("voters") or () if v.get("spent")]
    if built.extra.get("spent"):
        listed.append(("", built.extra.get("model"), built.extra["spent"]))
    names = ("calls", "reused", "failed", "tokens_in", "tokens_out", "usd")
    return [{"name": name, "model": model, **{n: spent.get(n) for n in names}} for name, model, spent in listed]


def spent_words(built: Built) -> str:
    """``1,204 calls · 8,676 reused · 3 failed · $0.31``, of one step."""
    return spent_sum(spent_data(built))


def spent_sum(given: Iterable[Mapping[str, Any]]) -> str:
    """``1,204 calls · 8,676 reused · 3 failed · $0.31``; empty where nothing was asked."""
    listed = [s for s in given if any(s.get(n) for n in ("calls", "reused", "failed"))]
    if not listed:
        return ""
    sums = {n: sum(int(s.get(n) or 0) for s in listed) for n in ("calls", "reused", "failed")}
    said = [plural(sums["calls"], "call"), *(f"{sums[n]:,} {n}" for n in ("reused", "failed") if sums[n])]
    # A model of this machine counts no answers of a ledger, and costs nothing.
    served = [s for s in listed if s.get("reused") is not None]
    if served:
        unknown = any(s["usd"] is None and s["calls"] for s in served)
        said.append(f"cost {UNKNOWN}" if unknown else dollars(sum(float(s["usd"] or 0) for s in served)))
    return " · ".join(said)
