"""What is not rows: reuse between engines, failures in words, Ctrl-C's leavings, plans, and machines that go away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from recipec.engines.ray.bands import bands
from recipec.engines.ray.runner import Cutting
from recipec.engines.ray.runner import run as run_there
from recipec.engines.runner import RunResult
from recipec.engines.runner import run as run_here
from recipec.plan.planner import make_plan
from recipec.resolve.loading import load
from recipec.source import Source
from recipec.workspace.database import open_workspace

TEXT = """recipe "runs" { seed: 1 }
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, text: text, n: text } }
clean tidy from rows { text = upper(text)  dedupe(text) }
split final from tidy { train: 80%  test: 20% }
"""
EXPORT = 'export out from rows { to: "build/out"  format: jsonl()  shards: 3 }\n'
LONG = os.environ.get("RECIPEC_RAY_ALL") == "1"


def write(folder: Path, rows: int = 200) -> None:
    lines = [json.dumps({"id": i, "text": f"text {i % 150}", "n": "x" if i == 77 else str(i)}) for i in range(rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")


def run(folder: Path, text: str, cluster: Any = None, **options: Any) -> RunResult:
    program = load(Source(str(folder / "runs.recipe"), text))
    program.resolve()
    assert not program.findings.errors, program.findings.errors
    with open_workspace(folder / ".recipec", doing="test", threads=1) as workspace:
        plan = make_plan(program, workspace)
        if cluster is None:
            return run_here(plan, workspace)
        return run_there(plan, workspace, cluster, cutting=Cutting(shard_bytes=2000, shard_rows=20, **options))


def statuses(result: RunResult) -> dict[str, str]:
    return {s.name: s.status for s in result.steps}


def test_what_one_engine_built_the_other_reuses(cluster: Any, tmp_path: Path) -> None:
    write(tmp_path)
    assert set(statuses(run(tmp_path, TEXT)).values()) == {"run"}
    assert set(statuses(run(tmp_path, TEXT, cluster)).values()) == {"reused"}
    longer = TEXT.replace("upper(text)", "lower(text)")
    assert statuses(run(tmp_path, longer, cluster)) == {"rows": "reused", "tidy": "run", "final": "run"}
    assert set(statuses(run(tmp_path, longer)).values()) == {"reused"}
    # DuckDB goes on from what the cluster made, and the cluster from that.
    more = longer + "clean short from final.test { keep where length(text) < 7 }\nclean shorter from short { n = id + 1 }\n"
    first = run(tmp_path, more)
    assert statuses(first)["short"] == "run"
    assert statuses(run(tmp_path, more.replace("id + 1", "id + 2"), cluster))["shorter"] == "run"


def test_a_result_that_goes_takes_its_files_along(cluster: Any, tmp_path: Path) -> None:
    from recipec.engines.runner import prune

    write(tmp_path)
    run(tmp_path, TEXT, cluster)
    assert len(list((tmp_path / ".recipec" / "artifacts").glob("*/rows"))) == 3
    run(tmp_path, TEXT.replace("upper", "lower"), cluster)
    with open_workspace(tmp_path / ".recipec", doing="test") as workspace:
        prune(workspace)
    assert len(list((tmp_path / ".recipec" / "artifacts").glob("*/rows"))) == 3
    assert not list((tmp_path / ".recipec" / "artifacts").glob("*/rows/.*")), "nothing half-written stays"


def test_a_workspace_that_moves_takes_its_rows_along(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    write(tmp_path / "old")
    run(tmp_path / "old", TEXT, cluster)
    (tmp_path / "old").rename(tmp_path / "new")
    with open_workspace(tmp_path / "new" / ".recipec", doing="test") as workspace:
        assert workspace.con.execute("SELECT count(*) FROM tidy").fetchall() == [(150,)]
    assert set(statuses(run(tmp_path / "new", TEXT)).values()) == {"reused"}


def test_a_shuffle_in_two_rounds(cluster: Any, tmp_path: Path) -> None:
    """Where tasks times buckets would be too many files, buckets are cut twice; rows are the same."""
    for name in ("here", "once", "twice"):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    text = TEXT.replace("dedupe(text)", "dedupe(text)  m = n  dedupe(m)")
    run(tmp_path / "here", text)
    run(tmp_path / "once", text, cluster)
    result = run(tmp_path / "twice", text, cluster, most_files=3)
    assert not result.failed
    found = []
    for name in ("here", "once", "twice"):
        with open_workspace(tmp_path / name / ".recipec", doing="test") as workspace:
            found.append(workspace.con.execute("SELECT t::VARCHAR FROM tidy AS t ORDER BY _key").fetchall())
            tasks = next((b.extra["ray"]["tasks"] for b in workspace.built.values() if b.step == "tidy" and "ray" in b.extra), 0)
    assert found[0] == found[1] == found[2]
    assert tasks > 10, "buckets were cut twice"


def test_a_plan_says_what_a_run_does(cluster: Any, tmp_path: Path) -> None:
    """Ways and numbers of tasks are those of the run; how near bytes are, tests/benchmarks/cluster.py measures."""
    from recipec.engines.ray.cost import model_of, text

    write(tmp_path, rows=3000)
    program = load(Source(str(tmp_path / "runs.recipe"), TEXT.replace("dedupe(text)", "dedupe(text)  dedupe(text, near: 80%)") + EXPORT))
    program.resolve()
    with open_workspace(tmp_path / ".recipec", doing="test") as workspace:
        plan = make_plan(program, workspace)
        model = model_of(plan, workspace, nodes=4, memory=8 << 30)
        assert model.at_once()
        assert not model.limits()
        assert any("bands (dedupe)" in line for line in text(model, 8))
        result = run_there(plan, workspace, cluster)
        for step in result.steps:
            assert step.built is not None
            did, said = step.built.extra["ray"], model.costs[step.name]
            assert (did["way"], did["tasks"]) == (said.way, said.tasks), step.name
        small = model_of(make_plan(program, workspace), workspace, nodes=1, memory=1 << 20)
        assert small.costs == {}, "nothing is to run"


POISON = (
    ("a value that does not convert", TEXT.replace("text = upper(text)", "n = cast(n as int)")),
    ("a join that would make two rows of one", TEXT + "clean more from tidy { select(text)  join(rows, on: text) }"),
    ("a split by one", TEXT.replace("test: 20%", "test: 20%  group: cast(n as int)")),
    ("a rule that votes by one", TEXT + 'label said from tidy { classes: ["a", "1"]  when cast(n as int) > 3 => "a" as a }'),
    ("a voter that fails", TEXT + 'label said from tidy { classes: ["a", "1"]  vote plugin("poison:vote") as a }'),
    ("copies kept by one", TEXT + "augment more from tidy { typos(text, rate: 20%)  keep where cast(n as int) > 3 }"),
    ("a choice by one", TEXT + "select some from tidy { take: 5  by: top(cast(n as int)) }"),
    ("a function that fails", TEXT + 'python more from tidy { call: "poison:change"  columns: { id: int } }'),
)
FAILS = """
def vote(batch):
    return [str(1 // (n != "x")) for n in batch["n"].to_pylist()]


def change(batch):
    return batch.select([str(1 // (n != "x")) and "id" for n in batch["n"].to_pylist()][:1])
"""


@pytest.mark.parametrize(("what", "text"), POISON, ids=[w for w, _ in POISON])
def test_a_poisoned_row_fails_in_the_same_words(cluster: Any, tmp_path: Path, what: str, text: str) -> None:
    """What failed, why, and what was kept aside, by every step."""
    found = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder)
        (folder / "poison.py").write_text(FAILS, encoding="utf-8")
        result = run(folder, text, cluster if name == "there" else None)
        assert result.failed
        with open_workspace(folder / ".recipec", doing="test") as workspace:
            aside = workspace.con.execute("SELECT file, row, reason, text FROM recipec.bad ORDER BY ALL").fetchall()
        found.append((statuses(result), [(s.error.message, s.error.help) for s in result.failed if s.error], aside))
    assert found[0] == found[1]


def test_a_worker_that_dies_is_told_in_words(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.engines.ray import cluster as module
    from recipec.engines.ray.tasks import Done

    def dies(unit: int) -> Done:
        os._exit(9)

    def fails(unit: int) -> Done:
        raise ZeroDivisionError("no such number")

    monkeypatch.setattr(module, "RETRIES", 0)
    from recipec.api import DataError

    with pytest.raises(DataError, match="a worker process died"):
        cluster.map(dies, [], [1], lambda share, text: None)
    with pytest.raises(DataError, match="a task failed: ZeroDivisionError: no such number"):
        cluster.map(fails, [], [1, 2], lambda share, text: None)


def test_no_cluster_where_one_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "runs.recipe").write_text(TEXT, encoding="utf-8")
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:9"}
    words = [sys.executable, "-m", "recipec", "run", "runs.recipe", "--engine", "ray"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no Ray cluster at 127.0.0.1:9: nobody answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_bands_of_a_plan_are_those_of_a_run() -> None:
    from recipec.fast.bands import Bands

    for threshold in (0.1, 0.5, 0.7, 0.8, 0.85, 0.9, 0.99, 1.0):
        assert bands(threshold) == Bands.for_threshold(threshold).bands


@pytest.mark.skipif(not LONG, reason="a minute: RECIPEC_RAY_ALL=1")
def test_a_node_that_is_killed(tmp_path: Path) -> None:
    """Two nodes, of which one is killed while tasks run: the run finishes, with the same rows. The nodes are another cluster's than the
    other tests', so the run is a process of its own."""
    import duckdb

    cluster = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20, "include_dashboard": False}
    )
    node = [cluster.add_node(num_cpus=1, object_store_memory=100 << 20) for _ in range(2)][-1]
    found = []
    try:
        cluster.wait_for_nodes()
        text = TEXT.replace('jsonl("rows.jsonl")', 'jsonl("rows-*.jsonl")').replace("dedupe(text)", "dedupe(text)  dedupe(text, near: 80%)")
        (tmp_path / "runs.recipe").write_text(text, encoding="utf-8")
        for file in range(40):
            lines = [
                json.dumps({"id": file * 500 + i, "text": f"a text of {i * 7919 % 977} and of {file} {i % 13} " * 20, "n": ""})
                for i in range(500)
            ]
            (tmp_path / f"rows-{file:02}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        for name in ("there", "here"):
            words = [sys.executable, "-m", "recipec", "run", "runs.recipe", "--workspace", name, "--threads", "1"]
            words += ["--engine", "ray"] if name == "there" else []
            environment = {**os.environ, "RAY_ADDRESS": cluster.address}
            process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if name == "there":
                while process.poll() is None and len(list((tmp_path / name).glob("artifacts/*/rows/0*"))) < 5:
                    time.sleep(0.05)
                cluster.remove_node(node, allow_graceful=False)
                assert process.poll() is None, "the node was killed in the middle"
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, out + err
            assert "Traceback" not in err
            with duckdb.connect(str(tmp_path / name / "work.duckdb"), read_only=True) as con:
                found.append([con.execute(f"SELECT t::VARCHAR FROM {t} AS t ORDER BY _key").fetchall() for t in ("rows", "tidy", "final")])
    finally:
        for left in cluster.list_all_nodes():
            cluster.remove_node(left, allow_graceful=False)
    assert found[0] == found[1]
