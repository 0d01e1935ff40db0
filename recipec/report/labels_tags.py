"""What the voters of a label step did that gives tags or several classes, for the terminal: what each named, by voter and tag or class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipec.report.cells import clean
from recipec.report.terminal import Terminal


def head(facts: Mapping[str, Any]) -> list[str]:
    named = ["tag", "entities"] if facts.get("tags") else ["class", "rows"]
    return ["voter", *named, "precision", "recall", "f1", "estimated", "cost"]


def found(facts: Mapping[str, Any]) -> Any:
    """What is known of a step of either kind; None for a step that gives one class."""
    return facts.get("tags") or facts.get("many")


def scores(fact: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F1 of a voter's entities of a type against gold; None where nothing is known."""
    right, judged, gold = fact["right"], fact["judged"], fact["gold"]
    precision = right / judged if judged else None
    recall = right / gold if gold else None
    f1 = 2 * right / (judged + gold) if judged + gold else None
    return precision, recall, f1


def lines(facts: Mapping[str, Any], cost: Mapping[str, str]) -> list[list[str]]:
    """A line for every voter and type, then the combined tags and their sum."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    believed = {v["name"]: v["estimated"] for v in (facts.get("analysis") or {}).get("voters", ())}
    out: list[list[str]] = []
    seen: set[str] = set()
    combined = [f for f in found(facts)["voters"] if not f["name"]]
    for fact in [f for f in found(facts)["voters"] if f["name"]] + combined:
        name = fact["name"]
        # What is said of the voter as a whole stands in its first line.
        once = bool(name) and name not in seen
        seen.add(name)
        precision, recall, f1 = scores(fact)
        out.append(
            [clean(name) or "(combined)", clean(fact["tag"]), f"{fact['entities']:,}", number(precision), number(recall), number(f1),
             number(believed.get(name)) if once else "", cost.get(name, "") if once else ""]
        )  # fmt: skip
    if len(combined) > 1:
        whole = {k: sum(f[k] for f in combined) for k in ("entities", "judged", "right", "gold")}
        precision, recall, f1 = scores(whole)
        out.append(["(combined)", "all", f"{whole['entities']:,}", number(precision), number(recall), number(f1), "", ""])
    return out


def below(facts: Mapping[str, Any], out: Terminal) -> None:
    """What stands under the table."""
    gold = sum(f["gold"] for f in found(facts)["voters"] if not f["name"])
    out.line()
    if not facts.get("tags"):
        rows = facts["many"]["rows"]
        out.line(f"{rows:,} rows" + (f", {gold:,} classes of gold" if gold else ""))
        return
    tokens = facts["tags"]["tokens"]
    out.line(f"{tokens:,} tokens" + (f", {gold:,} entities of gold: right are those of the same tokens and tag" if gold else ""))
