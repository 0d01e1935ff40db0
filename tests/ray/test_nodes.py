"""Clusters of two nodes, of which one is killed in the middle: models are asked, and trained, to the same results as without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.ray.test_calls import lines

RECIPE = '''recipe "nodes" { seed: 3 }
sql rows """
  select i as id, case when i % 2 = 0 then 'animal' else 'money' end as label,
    case when i % 2 = 0 then 'the cat sat on a mat and purred ' || (i % 7) else 'stocks fell as banks lost money early ' || (i % 7) end as text
  from range(240) r(i)
""" { key: id }
split parts from rows { train: 60%  dev: 20%  test: 20%  stratify: label }
'''
TRAINING = (
    RECIPE
    + """
train clf from parts.train {
  task: classify(text => label)  base: scratch(layers: 2, width: 64, heads: 2, vocab: 300, max_length: 48)
  steps: 80  batch_size: 16  validation: parts.dev  checkpoint_every: 5
}
predict guess from parts.test { model: clf }
"""
)
WRITING = (
    RECIPE
    + '''
model lm = transformers("tiny", precision: "fp32", max_tokens: 24, batch_tokens: 150, temperature: 0.8)
template ask(x) """Say {{ x }}: """
generate said from parts.test { with: lm  prompt: ask(text)  into: said  max_bad: 100%  cut_off: keep }
'''
)


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Callable[..., None]]]:
    """(a cluster of two nodes beside its head, what kills the one that works on most)"""
    cluster = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20, "include_dashboard": False}
    )
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=100 << 20) for _ in range(2)]
        cluster.wait_for_nodes()

        def kill(number: int = 1) -> None:
            cluster.remove_node(nodes[number], allow_graceful=False)

        yield cluster, kill
    finally:
        for left in cluster.list_all_nodes():
            cluster.remove_node(left, allow_graceful=False)


def ran(folder: Path, engine: str, address: str = "", during: Callable[[subprocess.Popen[str]], None] = lambda process: None) -> None:
    """Run the folder's recipe into a workspace of the engine's name."""
    words = [sys.executable, "-m", "recipec", "run", "nodes.recipe", "--workspace", engine, "--engine", engine]
    environment = {**os.environ, "RAY_ADDRESS": address, "RECIPEC_TRUST": os.sep, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    during(process)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err


def asked(folder: Path, query: str, engine: str) -> list[Any]:
    import duckdb

    with duckdb.connect(str(folder / engine / "work.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def waited(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while process.poll() is None and not ready() and time.monotonic() < end:
        time.sleep(0.05)
    assert process.poll() is None, "the node was killed in the middle"


@pytest.mark.slow
def test_a_node_that_trains_is_killed(tmp_path: Path) -> None:
    (tmp_path / "nodes.recipe").write_text(TRAINING, encoding="utf-8")
    with two_nodes() as (cluster, kill):
        # Which of the two trains is told by its processes alone: both are killed, one after the other has taken over.
        def during(process: subprocess.Popen[str]) -> None:
            def marks() -> list[Path]:
                return sorted((tmp_path / "ray" / "checkpoints").glob("*/**/run.json"))

            waited(process, lambda: bool(marks()))
            before = {m.stat().st_mtime_ns for m in marks()}
            kill(1)
            waited(process, lambda: bool({m.stat().st_mtime_ns for m in marks()} - before))
            cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
            kill(0)

        ran(tmp_path, "ray", cluster.address, during)
    ran(tmp_path, "duckdb")
    for query in (
        "select extra->>'identity', extra->'metrics', extra->'steps' from recipec.steps where step = 'clf'",
        "select g::varchar from guess as g order by _key",
    ):
        assert asked(tmp_path, query, "ray") == asked(tmp_path, query, "duckdb")


@pytest.mark.slow
def test_a_node_whose_model_writes_is_killed(tmp_path: Path) -> None:
    """What was written is in the ledger once, and no row differs, although chance has its part in each batch."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    from tiny_models import write_transformers

    write_transformers(tmp_path / "tiny")
    (tmp_path / "nodes.recipe").write_text(WRITING, encoding="utf-8")
    with two_nodes() as (cluster, kill):

        def during(process: subprocess.Popen[str]) -> None:
            waited(process, lambda: sum(lines(tmp_path / "ray" / "ledger").values()) > 8)
            kill()

        ran(tmp_path, "ray", cluster.address, during)
    ran(tmp_path, "duckdb")
    there, here = (lines(tmp_path / engine / "ledger") for engine in ("ray", "duckdb"))
    assert there == here
    assert set(there.values()) == {1}
    query = "select s::varchar from said as s order by _key"
    assert asked(tmp_path, query, "ray") == asked(tmp_path, query, "duckdb")
    extra = json.loads(asked(tmp_path, "select extra::varchar from recipec.steps where step = 'said'", "ray")[0][0])
    assert sum(extra["ray"]["asked"].values()) > 5
