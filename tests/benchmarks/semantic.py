"""Duplicates by meaning on plain vectors: time against rows, memory, and the answer against all pairs in 64 bits.

    python tests/benchmarks/semantic.py               # 10,000 and 30,000 vectors of 384 numbers
    python tests/benchmarks/semantic.py 100000

The vectors are random, a tenth of them a vector there already with noise of any strength, so that cosines lie on both sides of the
threshold (0.9). Up to 20,000 rows the components are compared with those of all pairs computed in 64 bits. DuckDB has 500 MB.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recipec.fast.components import Components
from recipec.fast.semantic import semantic_duplicates

WIDTH, THRESHOLD = 384, 0.9


def make(con: duckdb.DuckDBPyConnection, rows: int) -> None:
    con.execute("create or replace table t (_key uuid, vector float[])")
    chance = np.random.default_rng(0)
    others = chance.standard_normal((rows // 10, WIDTH)).astype(np.float32)
    noise = np.linspace(0, 0.6, len(others))[:, None].astype(np.float32)
    for low in range(0, rows, 10_000):
        part = chance.standard_normal((min(10_000, rows - low), WIDTH)).astype(np.float32)
        # The first and the last tenth are each other's.
        for first, made in ((0, others), (rows - len(others), others + noise * chance.standard_normal(others.shape).astype(np.float32))):
            inside = np.arange(max(first, low), min(first + len(others), low + len(part)))
            part[inside - low] = made[inside - first]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), WIDTH)
        con.register("part", pa.table({"i": np.arange(low, low + len(part)), "v": lists}))
        con.execute("insert into t select md5(i::varchar)::uuid, v::float[] from part")
        con.unregister("part")


def true_duplicates(con: duckdb.DuckDBPyConnection) -> int:
    found = np.stack(con.execute("select vector::float[384] as v from t order by _key").fetchnumpy()["v"]).astype(np.float64)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    components = Components(len(found))
    for low in range(0, len(found), 1000):
        left, right = np.nonzero(found[low : low + 1000] @ found.T >= THRESHOLD)
        components.join(left + low, right)
    return int((components.find(np.arange(len(found))) != np.arange(len(found))).sum())


def main() -> None:
    sizes = [int(a) for a in sys.argv[1:]] or [10_000, 30_000]
    last: tuple[int, float] | None = None
    print("     rows   seconds (processor)   exponent   duplicates     true   peak RSS, MB")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            con = duckdb.connect(f"{folder}/v.duckdb")
            con.execute("set threads = 2; set memory_limit = '500MB'")
            make(con, rows)
            wall, processor = time.perf_counter(), time.process_time()
            stats = semantic_duplicates(con, "from t", threshold=THRESHOLD, out="found")
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            true = f"{true_duplicates(con):8,}" if rows <= 20_000 else "       -"
            con.close()
        grown = "" if last is None else f"{math.log(processor / last[1]) / math.log(rows / last[0]):.2f}"
        print(f"{rows:9,} {wall:9.2f} ({processor:9.2f}) {grown:>10} {stats.duplicates:12,} {true} {peak:14,}", flush=True)
        last = rows, processor


if __name__ == "__main__":
    main()
