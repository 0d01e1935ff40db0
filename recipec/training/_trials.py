"""Several trainings for one model: the trials of a search, and the members of an ensemble.

The score of a finished trial is kept under a key of all that decides it, so that a search that was stopped, or that gets more values, makes only
the trials that are new; one that was stopped in the middle goes on from its checkpoint. Weights are kept of the best trial
alone, while the search lasts: a best trial of an earlier run is trained again, to the same weights.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recipec.api import DataError, Json
from recipec.training import _bases
from recipec.training._artifact import disk, hash_of
from recipec.training._base import Rows, TrainSpec
from recipec.training._cores import threads
from recipec.training._fit import fit, precise, require
from recipec.training._run import TrainResult, let_go, versions
from recipec.training._search import Search, changes, shown_value
from recipec.training._share import processes
from recipec.training._store import key_of
from recipec.training._together import Crew
from recipec.training._trainer import Moment

Tell = Callable[[int, int, str, Moment], None]
"""(number from 0, how many, what they are, how far this one is)"""


@dataclass
class Several:
    """The model's own training (the first member's), and what was tried for it."""

    result: TrainResult
    trials: list[dict[str, Json]] = field(default_factory=list)
    """One a trial: its settings as text, ``scores``, ``steps``, ``chosen``; ``kept`` where it was known from an earlier run."""
    members: list[dict[str, float]] = field(default_factory=list)
    """The scores of an ensemble's members."""
    notes: list[str] = field(default_factory=list)
    caches: dict[str, list[str]] = field(default_factory=dict)
    """What of the workspace's caches it rests on, by folder (``tokens``, ``trials``): `recipec gc` leaves these."""


@dataclass(frozen=True)
class Place:
    """Where several trainings lie: the result, the checkpoints, rows as numbers, scores of trials, and what is tracked in files."""

    folder: Path
    work: Path
    cache: Path
    known: Path
    logs: Path | None = None


def train(
    spec: TrainSpec,
    rows: Rows,
    validation: Rows | None,
    place: Place,
    tell: Tell,
    *,
    search: Search | None,
    members: int,
    lineage: str | None,
    interrupted: Callable[[], bool] | None = None,
) -> Several:
    """The best of the trials, and of its settings so many members with seeds one after another. Raises what :func:`fit` raises."""

    crew = Crew()

    def run(n: int, count: int, what: str, wanted: TrainSpec, folder: Path, work: Path) -> TrainResult:
        told: Callable[[Moment], None] = lambda moment: tell(n, count, what, moment)  # noqa: E731
        # Every trial is a run of its own for those who watch.
        logs = None if place.logs is None else place.logs / f"{what}-{n + 1}" if what else place.logs
        made = fit(
            wanted, rows, folder, validation=validation, cache=place.cache, work=work, progress=told, lineage=lineage, track=logs, crew=crew,
            interrupted=interrupted,
        )  # fmt: skip
        stores.update(made.stores)
        return made

    stores: set[str] = set()
    with crew:
        if search is None and members == 1:
            result = run(0, 1, "", spec, place.folder, place.work)
            return Several(result, caches={"tokens": sorted(stores)})
        require()
        first: TrainResult | None = None
        table: list[dict[str, Json]] = []
        notes: list[str] = []
        if search is not None:
            assert validation is not None
            spec, first, table, notes = searched(spec, rows, validation, place, search, run)
        if members > 1:
            first, scores = ensemble(spec, place, members, first, run)
        else:
            scores = []
            if first is None:
                first = run(len(table) - 1, len(table), "trial", spec, place.folder, place.work / "final")
            else:
                put(first.folder, place.folder)
                first = replace(first, folder=place.folder)
    let_go(place.work)
    known = [str(t.pop("record")) for t in table]
    return Several(first, table, scores, notes, {"tokens": sorted(stores), "trials": sorted(known)})


Run = Callable[[int, int, str, TrainSpec, Path, Path], TrainResult]


def searched(
    spec: TrainSpec, rows: Rows, validation: Rows, place: Place, search: Search, run: Run
) -> tuple[TrainSpec, TrainResult | None, list[dict[str, Json]], list[str]]:
    """(the best trial's settings, its training where this process made it, the table, notes)"""
    shared = decides(spec, rows, validation)
    table: list[dict[str, Json]] = []
    best, best_value = 0, float("inf")
    first: TrainResult | None = None
    place.known.mkdir(parents=True, exist_ok=True)
    count = len(search.trials)
    for n, trial in enumerate(search.trials):
        wanted = replace(spec, **changes(trial))
        key = key_of([shared, {k: v for k, v in wanted.json().items() if k not in IDLE}])
        record = place.known / f"{key}.json"
        result: TrainResult | None = None
        known = read(record)
        if known is None:
            # What another process had not finished is gone on from: its folder bears the trial's own key.
            result = run(n, count, "trial", wanted, place.work / f"{key}.model", place.work / f"{key}.work")
            known = {"scores": {**result.metrics}, "steps": result.steps, "seconds": round(result.seconds, 3)}
            written(record, known)
            known["kept"] = False
        scores = known["scores"]
        if search.on not in scores:
            raise DataError(f"the trials have no `{search.on}` on validation", f"they have {', '.join(sorted(scores))}")
        value = search.sign * float(scores[search.on])
        # Of equal ones the first: the table's order decides, not the time.
        if n == 0 or value < best_value:
            if first is not None:
                shutil.rmtree(first.folder, ignore_errors=True)
            best, best_value, first = n, value, result
        elif result is not None:
            shutil.rmtree(result.folder, ignore_errors=True)
        settings: dict[str, Json] = {name: shown_value(v) for name, v in trial}
        table.append({"settings": settings, **known, "chosen": False, "record": record.name})
    table[best]["chosen"] = True
    again = sum(bool(t["kept"]) for t in table)
    drawn = f" of {search.grid:,} combinations" if search.grid > count else ""
    notes = [f"{count} trials{drawn}, the best by {search.on} on validation" + (f"; {again} known from before" if again else "")]
    notes += [line(t, search.on) for t in table]
    return replace(spec, **changes(search.trials[best])), first, table, notes


def line(trial: Mapping[str, Any], on: str) -> str:
    """A trial as one line: its settings, its scores (the deciding one first), and whether it is the one."""
    settings = "  ".join(f"{k} {v}" for k, v in trial["settings"].items())
    scores = sorted(trial["scores"].items(), key=lambda s: (s[0] != on, s[0]))
    return f"{settings}: " + " · ".join(f"{k} {v:.4g}" for k, v in scores) + (" (chosen)" if trial["chosen"] else "")


IDLE = {"checkpoint_every", "track", "base", "devices"}


def decides(spec: TrainSpec, rows: Rows, validation: Rows) -> Json:
    """What decides the scores of a trial, beside its settings."""
    import torch

    base = _bases.find(spec.base)
    used = {k: v for k, v in versions().items() if k not in ("recipec", "python")}
    count = processes(spec.devices, threads())
    return {
        "rows": rows.content(), "validation": validation.content(), "base": _bases.digest(base) if base is not None else spec.json()["base"],
        "versions": dict(used), "threads": spec.threads or threads(), "precision": precise(spec.precision),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu", **({"devices": count} if count > 1 else {}),
    }  # fmt: skip


def read(record: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return {**found, "kept": True}


def written(record: Path, facts: Mapping[str, Json]) -> None:
    """The file appears whole or not at all."""
    making = record.with_suffix(".making")
    with disk(record.parent):
        making.write_text(json.dumps(facts, sort_keys=True), encoding="utf-8")
        os.replace(making, record)


def put(folder: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(to, ignore_errors=True)
    folder.rename(to)


# Ensembles ------------------------------------------------------------------------------------------------------------


def ensemble(
    spec: TrainSpec, place: Place, members: int, first: TrainResult | None, run: Run
) -> tuple[TrainResult, list[dict[str, float]]]:
    """(the first member's training, with the mean of all scores; the scores of each)

    Members side by side in ``member-1``, ``member-2``; the folder's own ``recipec.json`` names them. A member that was finished before
    the run was stopped is not trained again."""
    making = place.work / "members"
    making.mkdir(parents=True, exist_ok=True)
    results: list[TrainResult | None] = []
    for n in range(members):
        folder = making / f"member-{n + 1}"
        result: TrainResult | None = None
        if n == 0 and first is not None:
            put(first.folder, folder)
            result = first
        elif _bases.facts(folder) is None or n == 0:
            # The first is trained again where it was finished in an earlier run: what is told of the model is told of it.
            result = run(n, members, "member", replace(spec, seed=spec.seed + n), folder, place.work / f"member-{n + 1}.work")
        results.append(result)
    every = [_bases.facts(making / f"member-{n + 1}") or {} for n in range(members)]
    odd = next((n for n, facts in enumerate(every) if facts.get("classes") != every[0].get("classes")), None)
    if odd is not None:
        raise DataError("the members of the ensemble know different classes", "name them: classes: [...]")
    facts = {**every[0], "members": [f"member-{n + 1}" for n in range(members)]}
    with disk(making):
        (making / _bases.FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    put(making, place.folder)
    told = results[0]
    assert told is not None
    scores = [dict(facts["metrics"]) for facts in every]
    mean = {k: sum(s[k] for s in scores) / members for k in scores[0]}
    return replace(told, folder=place.folder, hash=hash_of(place.folder), metrics=mean), scores
