"""Measure Dawid-Skene and the label model beside crowd-kit and snorkel on the same votes.

    python tests/benchmarks/labels.py [ROWS] [--peer PYTHON] [--only dawid_skene label_model] [--classes K]

Votes of ten voters that are right 60 to 95 % of the time and vote on 20 to 70 % of the rows (1,000,000, of 2 classes). Ours is timed twice: from
a table in DuckDB to a table of each row's label, confidence and probabilities, on two threads (finding the patterns, learning, and joining back, each
shown), and from the matrix of votes in memory to probabilities in memory. The peers start from arrays in memory (crowd-kit: its table of task, worker, label; snorkel: its matrix), made before the clock starts, and end
with probabilities in memory. ``--peer`` names a Python that has them, where this one has not; a peer that is missing is skipped and said to be. Prints
seconds, the ratio, the accuracy of each, and how far their probabilities are from ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recipec.labels.combined import Combined
from recipec.labels.learned import dawid_skene, label_model
from recipec.labels.patterns import back, from_votes, patterns

VOTERS = 10
OURS: dict[str, Callable[..., Combined]] = {"dawid_skene": dawid_skene, "label_model": label_model}
PEERS = {
    "dawid_skene": ("crowdkit", "crowd-kit"),
    "label_model": ("snorkel", "snorkel"),
}
PEER = """
import json, sys, time
import numpy as np
folder, method = sys.argv[1:3]
votes = np.load(folder + "/votes.npy")
classes = int(votes.max()) + 1
if method == "dawid_skene":
    import pandas as pd
    from crowdkit.aggregation import DawidSkene
    row, voter = np.nonzero(votes >= 0)
    table = pd.DataFrame({"task": row, "worker": voter, "label": votes[row, voter]})
    start = time.perf_counter()
    model = DawidSkene(n_iter=100, tol=1e-5).fit(table)
    seconds = time.perf_counter() - start
    got = model.probas_.sort_index()[list(range(classes))]
    out = np.full((len(votes), classes), np.nan)
    out[got.index] = got.to_numpy()
    rounds = len(model.loss_history_)
else:
    from snorkel.labeling.model import LabelModel
    votes = votes.astype(np.int64)
    start = time.perf_counter()
    model = LabelModel(cardinality=classes, verbose=False)
    model.fit(votes, n_epochs=500, seed=0, progress_bar=False)
    out = model.predict_proba(votes)
    seconds = time.perf_counter() - start
    rounds = 500
np.save(folder + "/peer.npy", out)
print(json.dumps({"seconds": seconds, "rounds": rounds}))
"""


def simulated(rows: int, classes: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, rows)
    votes = np.full((rows, VOTERS), -1, np.int16)
    for j in range(VOTERS):
        cast, right = rng.random(rows) < rng.uniform(0.2, 0.7), rng.random(rows) < rng.uniform(0.6, 0.95)
        votes[:, j] = np.where(cast, np.where(right, truth, rng.integers(0, classes, rows)), -1)
    return votes, truth


def ours(method: str, con: duckdb.DuckDBPyConnection, classes: int) -> tuple[dict[str, float], npt.NDArray[np.float64], Combined, int]:
    names = [f"v{j}" for j in range(VOTERS)]
    clock = [time.perf_counter()]
    found = patterns(con, "votes", names, classes)
    clock.append(time.perf_counter())
    made = OURS[method](found, [str(k) for k in range(classes)])
    clock.append(time.perf_counter())
    con.execute(f"CREATE OR REPLACE TEMP TABLE labelled AS {back(con, found, made)}")
    clock.append(time.perf_counter())
    listed = ", ".join(f"_probabilities[{k + 1}] AS p{k}" for k in range(classes))
    got = con.execute(f"SELECT {listed} FROM labelled ORDER BY _key").fetchnumpy()
    parts = dict(zip(("patterns", "learn", "join"), np.diff(clock).tolist(), strict=True))
    return parts, np.stack([got[f"p{k}"] for k in range(classes)], axis=1), made, len(found)


def in_memory(method: str, votes: npt.NDArray[np.int16], classes: int) -> tuple[float, npt.NDArray[np.float64]]:
    """From the same matrix as the peers to probabilities in memory."""
    start = time.perf_counter()
    found = from_votes(votes, classes)
    made = OURS[method](found, [str(k) for k in range(classes)])
    assert found.place is not None
    out = made.probabilities.take(found.place, axis=0)
    return time.perf_counter() - start, out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("rows", nargs="?", type=int, default=1_000_000)
    options.add_argument("--classes", type=int, default=2)
    options.add_argument("--peer")
    options.add_argument("--only", nargs="+", choices=list(OURS), default=list(OURS))
    asked = options.parse_args()
    votes, truth = simulated(asked.rows, asked.classes)
    con = duckdb.connect(config={"threads": 2})
    con.register("given", {"_key": np.arange(asked.rows), **{f"v{j}": np.ascontiguousarray(votes[:, j]) for j in range(VOTERS)}})
    con.execute("CREATE TABLE votes AS SELECT _key, " + ", ".join(f"nullif(v{j}, -1) AS v{j}" for j in range(VOTERS)) + " FROM given")
    covered = (votes >= 0).any(axis=1)
    print(f"{asked.rows:,} rows, {VOTERS} voters, {asked.classes} classes, {(votes >= 0).sum():,} votes")
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/votes.npy", votes)
        for method in asked.only:
            runs = [ours(method, con, asked.classes) for _ in range(3)]
            parts, mine, made, distinct = min(runs, key=lambda r: sum(r[0].values()))
            seconds = sum(parts.values())
            right = (mine.argmax(axis=1) == truth)[covered].mean()
            told = " + ".join(f"{n} {s:.2f}" for n, s in parts.items())
            print(
                f"{method:12} recipec    {seconds:8.2f} s ({told}), {distinct:,} patterns, {made.iterations} rounds, accuracy {right:.4f}"
            )
            arrays, also = min((in_memory(method, votes, asked.classes) for _ in range(3)), key=lambda r: r[0])
            print(
                f"{method:12} recipec    {arrays:8.2f} s from arrays in memory to arrays; differs by {np.abs(also - mine).max():.1e} at most"
            )
            module, name = PEERS[method]
            python = asked.peer or (sys.executable if importlib.util.find_spec(module) else None)
            if python is None:
                print(f"{method:12} {name} is not installed: skipped (--peer PYTHON names one that has it)")
                continue
            done = subprocess.run([python, "-W", "ignore", "-c", PEER, folder, method], capture_output=True, text=True)
            if done.returncode:
                print(f"{method:12} {name} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")
                continue
            answer = json.loads(done.stdout.strip().splitlines()[-1])
            theirs = np.load(f"{folder}/peer.npy")
            right = (theirs.argmax(axis=1) == truth)[covered].mean()
            apart = np.abs(theirs - mine)[covered]
            print(f"{method:12} {name:10} {answer['seconds']:8.2f} s, {answer['rounds']} rounds, accuracy {right:.4f}")
            same = (theirs.argmax(axis=1) == mine.argmax(axis=1))[covered].mean()
            print(
                f"{method:12} {answer['seconds'] / arrays:.0f} times as fast from arrays to arrays, {answer['seconds'] / seconds:.0f} times from table to table; "
                f"probabilities differ by {apart.mean():.5f} on average, {apart.max():.4f} at most; the same class on {same:.3%}"
            )


if __name__ == "__main__":
    main()
