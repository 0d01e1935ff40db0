"""``kill -9`` at any moment of a run: the next run ends as an undisturbed one does, byte for byte."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from recipec.engines.runner import run
from recipec.plan.planner import make_plan
from recipec.resolve.loading import load
from recipec.source import Source
from recipec.workspace.database import open_workspace

# Killed at the n-th call of something that touches the disk, before or after it.
calls, at = 0, int(sys.argv[2])
WATCHED = {{"execute", "executemany", "rename", "replace", "rmdir", "unlink", "mkdir", "fsync", "open", "close"}}

def count(frame, event, function):
    global calls
    if event in ("c_call", "c_return") and function.__name__ in WATCHED:
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
program = load(Source(str(folder / "test.recipe"), (folder / "test.recipe").read_text()))
program.resolve()
assert not program.findings.errors, [d.message for d in program.findings]
sys.setprofile(count)
with open_workspace(folder / ".recipec", doing="run", threads=2) as workspace:
    result = run(make_plan(program, workspace), workspace)
sys.setprofile(None)
assert not result.failed, [s.error.message for s in result.failed]
print(calls)
"""
RECIPE = '''
recipe "crash" { seed: 5 }
source a = csv("a.csv") { key: id }
clean tidy from a { drop where n % 5 == 0 as "fives"  dedupe(name)  x = random() }
split parts from tidy { train: 80%  test: rest  stratify: n % 3 }
sql counted from parts.train """select n % 3 as c, count(*) as rows from parts.train group by 1""" { key: c }
expect sound from parts { expect rows(parts.train) > 10 }
export folder from parts { to: "out"  format: jsonl() }
export single from counted { to: "counts.csv"  format: csv() }
'''


def prepare(folder: Path, rows: int = 300) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.csv").write_text("id,name,n\n" + "".join(f"{i},name {i % 90},{i}\n" for i in range(rows)), encoding="utf-8")
    (folder / "test.recipe").write_text(RECIPE, encoding="utf-8")


def child(folder: Path, at: int = 0) -> subprocess.Popen[str]:
    script = CHILD.format(root=str(ROOT))
    return subprocess.Popen([sys.executable, "-c", script, str(folder), str(at)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, problem = process.communicate(timeout=120)
    assert process.returncode == 0, problem
    return out


def state(lab: Any, folder: Path) -> dict[str, Any]:
    """Everything that a user can see: tables, books, files."""
    here = type(lab)(folder)
    tables = {
        n: here.rows(f"select * from {n} order by all")
        for n in ("a", "tidy", "parts.train", "parts.test", "counted", "recipec.dropped", "recipec.lineage")
    }
    steps = here.rows("select step, rows_in, rows_out, dropped from recipec.steps order by all")
    current = here.rows("select step, run_key from recipec.current order by all")
    stray = here.rows(
        "select count(*) from information_schema.tables where table_schema = 'main' and table_name not in ('a', 'tidy', 'parts', 'counted')"
    )
    files = {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".recipec/" not in p.as_posix()
    }
    assert not [p for p in folder.rglob("*") if ".recipec-" in p.name]
    return {**tables, "steps": steps, "current": current, "stray": stray, "files": files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("undisturbed") / "r"
    prepare(folder)
    return folder, int(finish(child(folder)))


def kill_and_run_again(lab: Any, undisturbed: tuple[Path, int], moments: list[int], here: Path) -> None:
    folder, _ = undisturbed
    wanted = state(lab, folder)
    prepare(here)
    for moment in moments:
        process = child(here, moment)
        process.communicate(timeout=120)
        assert process.returncode in (-9, 0)
    finish(child(here))
    assert state(lab, here) == wanted
    assert not (here / ".recipec/tmp").exists()


def test_killed_at_some_moments(lab: Any, tmp_path: Path, undisturbed: tuple[Path, int]) -> None:
    total = undisturbed[1]
    assert total > 150
    # One killed run after another in one workspace, ever later.
    kill_and_run_again(lab, undisturbed, [total // 10, total // 3, total // 2], tmp_path / "a")


def test_killed_at_the_end(lab: Any, tmp_path: Path, undisturbed: tuple[Path, int]) -> None:
    total = undisturbed[1]
    kill_and_run_again(lab, undisturbed, [total - 12], tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_any_moment(lab: Any, tmp_path: Path, undisturbed: tuple[Path, int], seed: int) -> None:
    kill_and_run_again(lab, undisturbed, [random.Random(seed).randrange(1, undisturbed[1])], tmp_path / "a")


@pytest.mark.slow
def test_killed_by_the_clock(lab: Any, tmp_path: Path, undisturbed: tuple[Path, int]) -> None:
    wanted = state(lab, undisturbed[0])
    rng = random.Random(7)
    for number in range(12):
        here = tmp_path / str(number)
        prepare(here)
        process = child(here)
        time.sleep(rng.uniform(0.3, 1.5))
        process.kill()
        process.communicate()
        finish(child(here))
        assert state(lab, here) == wanted


def test_interrupted_by_the_user_and_resumed(lab: Any) -> None:
    """Ctrl-C between steps keeps what is finished; the run is written down as interrupted, and the next goes on from there."""
    from recipec.engines.runner import Silent, run
    from recipec.plan.planner import make_plan

    prepare(lab.folder)

    class Impatient(Silent):
        def done(self, result: Any) -> None:
            if result.name == "parts":
                raise KeyboardInterrupt

    program = lab.sound(RECIPE)
    with lab.open() as workspace, pytest.raises(KeyboardInterrupt):
        run(make_plan(program, workspace), workspace, Impatient())
    assert lab.rows("select status from recipec.runs") == [("interrupted",)]
    assert lab.rows("select count(*) from tidy")[0][0] > 0
    ran = lab.run(RECIPE)
    assert [s for s, status in ran.statuses.items() if status == "reused"] == ["a", "tidy", "parts"]


def test_what_a_killed_step_left_is_swept_up(lab: Any) -> None:
    """A table without its row of the journal cannot be, but files in tmp and a half-written export can."""
    prepare(lab.folder)
    lab.write(".recipec/tmp/abc/part.arrow", "rest")
    lab.write(".out.recipec-new/train.jsonl", "half")
    lab.write(".out.recipec-old/train.jsonl", "old")
    lab.run(RECIPE)
    assert not (lab.folder / ".recipec/tmp").exists()
    assert not list(lab.folder.glob(".out.recipec-*"))
