"""Clusters of vectors against comparing all of them in 64 bits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from recipec.fast import semantic
from recipec.fast.components import Components
from recipec.fast.semantic import SemanticStats, semantic_clusters, semantic_duplicates


def connect(vectors: list[Any]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    rows = pa.table({"n": pa.array(range(len(vectors)), pa.int64()), "vector": pa.array(vectors, pa.list_(pa.float32()))})
    con.register("given", rows)
    con.execute("create table t as select md5(n::varchar)::uuid as _key, n, vector from given")
    return con


def run(vectors: list[Any], threshold: float) -> tuple[SemanticStats, list[tuple[Any, ...]]]:
    con = connect(vectors)
    stats = semantic_duplicates(con, "from t", threshold=threshold, out="found", order="n")
    query = """select t.n, k.n, f.similarity, o.n, f.kept_similarity from found f join t using (_key)
               join t k on k._key = f.kept join t o on o._key = f.neighbour order by 1"""
    return stats, con.execute(query).fetchall()


def near(count: int, width: int) -> np.ndarray[Any, Any]:
    chance = np.random.default_rng(4)
    made = chance.standard_normal((count, width)).astype(np.float32)
    some = count // 5
    made[-some:] = (
        made[:some] * chance.uniform(0.1, 9, (some, 1)) + chance.standard_normal((some, width)) * np.linspace(0, 0.9, some)[:, None]
    )
    made[count // 2] = made[3]
    return made.astype(np.float32)


@pytest.mark.parametrize("threshold", [0.7, 0.9, 0.95, 1.0])
def test_against_all_pairs(threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "BLOCK", 64)
    vectors = near(500, 33)
    stats, found = run(vectors.tolist(), threshold)
    unit = vectors.astype(np.float64)
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = np.minimum(unit @ unit.T, 1)
    components = Components(len(vectors))
    components.join(*np.nonzero(cosine >= threshold if threshold < 1 else cosine >= 1 - 1e-15))
    components.join(np.array([3]), np.array([250]))
    roots = components.find(np.arange(len(vectors)))
    assert [(r[0], r[1]) for r in found if threshold < 1] == [(i, int(roots[i])) for i in range(500) if roots[i] != i and threshold < 1]
    assert (stats.rows, stats.blank, stats.width) == (500, 0, 33)
    assert stats.duplicates == len(found) >= 1
    for row, kept, similarity, neighbour, to_kept in found:
        assert similarity == pytest.approx(cosine[row, neighbour], abs=1e-6)
        assert similarity >= threshold
        assert to_kept == pytest.approx(cosine[row, kept], abs=1e-6)


def test_nothing_and_equal() -> None:
    stats, found = run([None, [0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [], [-1.0, -2.0], [0.0, -0.0]], 0.9)
    assert [(r[0], r[1], r[2]) for r in found] == [(3, 2, 1.0)]
    assert (stats.blank, stats.vectors) == (4, 2)
    assert run([], 0.9)[0].rows == 0
    assert run([None], 0.9)[0].blank == 1


def test_clusters_name_their_least_key() -> None:
    con = connect([[1.0, 0.0], [0.0, 1.0], [1.0, 0.01], None])
    semantic_clusters(con, "from t", threshold=0.99, out="grouped")
    found = dict(con.execute("select t.n, g.cluster from grouped g join t using (_key)").fetchall())
    keys = dict(con.execute("select n, _key from t").fetchall())
    assert found[0] == found[2] == min(keys[0], keys[2])
    assert found[1] == keys[1]
    assert isinstance(found[3], UUID)


def test_one_vector_many_times() -> None:
    stats, found = run([[0.5, 0.25, 1.0]] * 30_000, 0.95)
    assert (stats.vectors, stats.duplicates, len(found)) == (1, 29_999, 29_999)


@pytest.mark.parametrize(("vectors", "threshold", "said"), [
    ([[1.0], [1.0, 2.0]], 0.9, "cannot be compared"),
    ([[1.0, None]], 0.9, "null"),
    ([[1.0, float("nan")]], 0.9, "finite"),
    ([[1.0]], 0.0, "threshold"),
    ([[1.0]], 1.1, "threshold"),
])  # fmt: skip
def test_what_cannot_be_compared(vectors: list[Any], threshold: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(vectors, threshold)
