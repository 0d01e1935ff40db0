"""Faults injected into real runs: a few of every kind; all of them with ``RECIPEC_FAULTS=all`` (some thousands, hours), or so many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import shim
from tests.faults.faults import AROUND, BY_CALL, CALLS, EVERY, MEANWHILE, STATEMENTS, WORKERS, WRITES, meanwhile
from tests.faults.lanes import ROOT
from tests.faults.run import chosen, family_of, table
from tests.faults.scene import Fault, Outcome, Scene, scene

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes that are left in /proc"),
    pytest.mark.xdist_group("faults"),
]
WANTED = os.environ.get("RECIPEC_FAULTS", "")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return shim.build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def shop(library: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene("shop", library, tmp_path_factory.mktemp("shop") / "s") as made:
        made.undisturbed()
        yield made


def holds(outcome: Outcome) -> None:
    assert outcome.problems == [], f"{outcome.fault}, which {outcome.way}:\n{outcome.said[-2000:]}"


def test_one_in_every_place(shop: Scene) -> None:
    """A statement, a worker, a call of the model, and what comes between two runs."""
    points = shop.points
    statements, calls = points["statement old"], points["call old"]
    for fault in (
        Fault("kill after", "statement", hook={"place": "statement", "at": statements * 2 // 3, "do": "kill after"}),
        Fault("database gone", "statement", hook={"place": "statement", "at": statements // 2, "do": "database gone"}),
        Fault("worker killed soon", "worker", hook={"place": "worker", "at": 1, "do": "worker killed soon"}),
        Fault("refused", "call", server={"at": calls // 2, "do": "refused"}),
        Fault("truncated database", "to 50%", damage="database 0.5"),
    ):
        outcome = shop.suffer(fault)
        assert outcome.met
        holds(outcome)


def test_the_disk_refuses(shop: Scene) -> None:
    if shop.library is None:
        pytest.skip("no C compiler: faults at system calls need one")
    places = [i for i, (kind, path) in enumerate(call for call in shop.listed if call[0] == "write") if "ledger/answers" in path]
    full = {"kinds": ("write",), "target": places[0] + 1, **WRITES["disk full"]}
    outcome = shop.suffer(Fault("disk full", "the ledger", plan=full))
    assert outcome.met
    # Which of several writes that moment's is depends on who is quicker, the ledger or the database; each says it in its words.
    assert "disk is full" in outcome.said or "is the disk full" in outcome.said
    holds(outcome)
    renames = [i for i, (kind, path) in enumerate(call for call in shop.listed if call[0] == "rename") if path.endswith("hub")]
    killed = {"kinds": ("rename",), "target": renames[0] + 1, "action": "kill"}
    outcome = shop.suffer(Fault("kill", "the export's rename", plan=killed))
    assert outcome.status == -9
    holds(outcome)


def test_answers_of_people(library: Path | None, tmp_path: Path) -> None:
    """Every fault while ``annotate`` writes: all of them, for they are quick."""
    if library is None:
        pytest.skip("no C compiler: faults at system calls need one")
    environment = os.environ | {"LD_PRELOAD": str(library)}
    words = [sys.executable, "-m", "tests.faults.people", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) > 100
    assert {o["way"] for o in outcomes} == {"went on", "message", "killed"}
    assert [o for o in outcomes if o["problems"]] == []


@pytest.mark.skipif(not WANTED, reason="takes long: RECIPEC_FAULTS=all, or a number")
@pytest.mark.parametrize("name", ["shop", "shelf", "model"])
def test_everywhere(name: str, library: Path | None, tmp_path: Path) -> None:
    import random

    with scene(name, library, tmp_path / name) as made:
        made.undisturbed()
        faults = chosen(made, "")
        random.Random(1).shuffle(faults)
        outcomes = [made.suffer(f) for f in (faults if WANTED == "all" else faults[: int(WANTED)])]
    print(table(outcomes))
    for outcome in outcomes:
        holds(outcome)


def test_there_is_a_fault_of_every_kind() -> None:
    """What the list goes through is not less than what is promised."""
    kinds = {*STATEMENTS, *WORKERS, *CALLS, *(kind for kinds in BY_CALL.values() for kind in kinds), *(f.kind for f in AROUND), *MEANWHILE}
    assert {
        "kill", "disk full", "EIO", "out of memory", "worker killed", "worker memory", "permission denied", "clock jumps back", "second process",
        "truncated database", "corrupt source", "source changes",
    } <= kinds  # fmt: skip
    assert {"write", "fsync", "rename", "statement", "worker", "call"} <= {*EVERY}
    points = {"statement old": 100, "statement fresh": 100, "worker old": 8, "call old": 20, "worker fresh": 8, "call fresh": 20}
    moments = {(family_of(f.place), f.kind) for f in meanwhile(points)}
    assert moments == {(place, kind) for place in ("statement", "worker", "call") for kind in MEANWHILE}
    assert family_of("statement 7") == "statement"
    assert family_of("to 50%") == "around"
