"""Killed, interrupted, out of disk, damaged: nothing half is ever seen, and the next run ends where an undisturbed one would."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Lab

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

RECIPE = '''\
recipe "shop" { seed: 7 }
param least: int = 3

source rows = csv("rows.csv") { key: id }
clean tidy from rows {
  drop where text is null as "no text"
  drop where words(text) < least as "short"
  lang = language(text)
  dedupe(text, near: 80%)
}
clean pieces from tidy { chunk(text, words: 8) }
# allow: unused-step because the test looks at it
sql counts from tidy, pieces """
  select t.section, count(*) as n from tidy t join pieces p on p._parent = t._key group by 1
""" { key: section }
split parts from tidy { train: 80%  test: 20%  stratify: section }
export a from parts { to: "build/hub"  format: huggingface() }
export b from parts { to: "build/studio"  format: label_studio(label: section) }
export c from pieces { to: "build/pieces.jsonl"  format: jsonl()  keys: true }
'''
STEPS = 8
WAYS = ("3", "6")
"""Two values of ``least``: each kill meets a workspace that holds the other one's results, or none."""


class Shop:
    """A folder to run the recipe in, in processes of their own, and what undisturbed runs leave."""

    def __init__(self, folder: Path, views: Any, files: Any) -> None:
        self.folder, self.views, self.files = folder, views, files
        self.wanted: dict[str, tuple[Any, Any]] = {}

    def start(self, least: str, **options: Any) -> subprocess.Popen[str]:
        words = [sys.executable, "-u", "-m", "recipec", "run", "shop.recipe", "--set", f"least={least}", "--threads", "2"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(words, cwd=self.folder, text=True, start_new_session=True, **pipes, **options)

    def finish(self, least: str) -> None:
        process = self.start(least)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        assert "Traceback" not in err

    def state(self) -> tuple[Any, Any]:
        return self.views(self.folder), self.files(self.folder)

    def fresh(self) -> None:
        for made in (".recipec", "build"):
            shutil.rmtree(self.folder / made, ignore_errors=True)

    def whole(self) -> None:
        """Every table and every export that can be seen now is one that an undisturbed run makes."""
        if (self.folder / ".recipec" / "work.duckdb").exists():
            for name, rows in self.views(self.folder).items():
                if not name.startswith("recipec."):
                    assert any(rows == tables.get(name) for tables, _ in self.wanted.values()), f"half of {name}"
        seen = self.files(self.folder)
        for place in ("build/hub", "build/studio", "build/pieces.jsonl"):
            found = {p: b for p, b in seen.items() if p.startswith(place)}
            if found:
                assert any(found == {p: b for p, b in files.items() if p.startswith(place)} for _, files in self.wanted.values()), place


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, rows: Any, as_csv: Any, views: Any, built_files: Any) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"), views, built_files)
    (shop.folder / "rows.csv").write_text(as_csv(rows(400)), encoding="utf-8")
    (shop.folder / "shop.recipe").write_text(RECIPE, encoding="utf-8")
    for least in WAYS:
        shop.fresh()
        shop.finish(least)
        shop.wanted[least] = shop.state()
    assert shop.wanted["3"] != shop.wanted["6"]
    return shop


def family(session: int) -> list[int]:
    """The processes of a session that are alive."""
    alive = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            alive.append(int(entry.parent.name))
    return alive


def kill_in_the_middle(shop: Shop, least: str, chance: random.Random) -> None:
    """``kill -9`` once a random number of steps is done, and a random moment later."""
    process = shop.start(least)
    try:
        assert process.stdout is not None
        lines = chance.randint(0, STEPS)
        for _ in range(lines):
            process.stdout.readline()
        time.sleep(chance.random() * (0.1 if lines else 0.8))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
    if Path("/proc").is_dir():
        end = time.monotonic() + 20
        while (left := family(process.pid)) and time.monotonic() < end:
            time.sleep(0.02)
        assert left == [], "worker processes outlive a killed run"


def survive(shop: Shop, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(kills):
        least = WAYS[number % 2]
        if chance.random() < 0.4:
            shop.fresh()
        kill_in_the_middle(shop, least, chance)
        shop.whole()
        shop.finish(least)
        tables, files = shop.state()
        wanted_tables, wanted_files = shop.wanted[least]
        assert tables.keys() == wanted_tables.keys(), f"kill {number}"
        assert [n for n in tables if tables[n] != wanted_tables[n]] == [], f"kill {number}"
        assert files == wanted_files, f"kill {number}"
    left = [p.name for p in (shop.folder / "build").iterdir() if p.name.startswith(".")]
    assert left == []


def test_killed_at_random_moments(shop: Shop) -> None:
    survive(shop, 4, seed=1)


@pytest.mark.slow
def test_killed_at_twenty_random_moments(shop: Shop) -> None:
    survive(shop, 20, seed=2)


def test_interrupted_and_gone_on(shop: Shop) -> None:
    shop.fresh()
    process = shop.start("3")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    # In the last moment there is nothing left to interrupt.
    assert process.returncode in (130, 0), err
    assert err == ""
    if process.returncode == 130:
        assert "to go on: recipec run shop.recipe" in out
    shop.whole()
    shop.finish("3")
    assert shop.state() == shop.wanted["3"]


WAITING = """
source rows = csv("rows.csv") { key: id }
python slow from rows { call: "slow:wait"  columns: { id: text } }
"""
WAIT = """
import pathlib, time

def wait(batch):
    here = pathlib.Path(__file__).parent
    (here / "waiting").touch()
    while not (here / "go").exists():
        time.sleep(0.01)
    return batch.select(["id"])
"""


@pytest.fixture
def waiting(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """A run that is in the middle of a step until the file ``go`` is there."""
    lab.write("rows.csv", "id\na\nb\n")
    lab.write("slow.py", WAIT)
    lab.write("slow.recipe", WAITING)
    words = [sys.executable, "-m", "recipec", "run", "slow.recipe"]
    process = subprocess.Popen(words, cwd=lab.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (lab.folder / "waiting").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate(timeout=60)


def test_a_second_run_says_who_is_at_work(lab: Lab, waiting: subprocess.Popen[str], recipec: Any) -> None:
    for words in (["run", "slow.recipe"], ["plan", "slow.recipe"], ["gc"]):
        second = recipec(lab.folder, *words)
        assert second.returncode == 2, words
        assert f"in use by process {waiting.pid} (run)" in second.stderr
        assert "Traceback" not in second.stderr
    assert recipec(lab.folder, "check", "slow.recipe").returncode == 0
    (lab.folder / "go").touch()
    _, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, "")
    assert lab.rows("select id from slow order by id") == [("a",), ("b",)]
    # The lock's file is still there, and is nobody's.
    assert recipec(lab.folder, "run", "slow.recipe").returncode == 0


def test_a_function_that_does_not_come_back_ends_at_the_second_ctrl_c(lab: Lab, waiting: subprocess.Popen[str], recipec: Any) -> None:
    end = time.monotonic() + 60
    while waiting.poll() is None and time.monotonic() < end:
        waiting.send_signal(signal.SIGINT)
        time.sleep(0.6)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "Traceback" not in err
    (lab.folder / "go").touch()
    assert recipec(lab.folder, "run", "slow.recipe").returncode == 0


SMALL = 'source rows = csv("rows.csv") { key: id }\nexport out from rows { to: "build/out"  format: csv() }\n'


@pytest.fixture
def small(lab: Lab) -> Lab:
    lab.write("rows.csv", "id,text\na,one\nb,two\n")
    lab.write("small.recipe", SMALL)
    return lab


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Status 2 and a message with these words."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in recipec" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("version", [99, 1])
def test_a_workspace_of_another_format_is_refused(small: Lab, recipec: Any, version: int) -> None:
    import duckdb

    small.run(SMALL, name="small.recipe")
    with duckdb.connect(str(small.workspace / "work.duckdb")) as con:
        con.execute("UPDATE recipec.format SET version = ?", [version])
    for verb in ("run", "plan"):
        refused(recipec(small.folder, verb, "small.recipe"), f"written in format {version}", "remove .recipec/work.duckdb*")


@pytest.mark.parametrize("damage", ["nonsense", "header", "cut", "log"])
def test_a_damaged_database_is_named(small: Lab, recipec: Any, damage: str) -> None:
    small.run(SMALL, name="small.recipe")
    path = small.workspace / "work.duckdb"
    data = path.read_bytes()
    if damage == "nonsense":
        path.write_bytes(b"this is no database" * 1000)
    elif damage == "header":
        path.write_bytes(data[:64] + bytes(8192) + data[8256:])
    elif damage == "cut":
        path.write_bytes(data[:20_000])
    else:
        (small.workspace / "work.duckdb.wal").write_bytes(b"nonsense" * 500)
    done = recipec(small.folder, "run", "small.recipe")
    if damage == "log" and done.returncode == 0:
        return  # a log that belongs to no checkpoint is passed over
    refused(done, "work.duckdb")
    assert "remove" in done.stderr
    shutil.rmtree(small.workspace)
    assert recipec(small.folder, "run", "small.recipe").returncode == 0


@pytest.mark.parametrize("size", [0, 5000])
def test_killed_while_the_database_was_made(small: Lab, recipec: Any, size: int) -> None:
    small.workspace.mkdir()
    (small.workspace / "work.duckdb").write_bytes(b"x" * size)
    assert recipec(small.folder, "run", "small.recipe").returncode == 0


def test_a_target_that_cannot_be_written(small: Lab, recipec: Any) -> None:
    small.write("small.recipe", SMALL.replace("build/out", "rows.csv/out"))
    done = recipec(small.folder, "run", "small.recipe")
    assert done.returncode == 1
    assert "rows.csv" in done.stderr
    assert "Traceback" not in done.stderr
    small.write("small.recipe", SMALL)
    assert recipec(small.folder, "run", "small.recipe").returncode == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folders_that_may_not_be_written(small: Lab, recipec: Any) -> None:
    (small.folder / "build").mkdir(mode=0o555)
    done = recipec(small.folder, "run", "small.recipe")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    shutil.rmtree(small.workspace)
    small.folder.chmod(0o555)
    try:
        refused(recipec(small.folder, "run", "small.recipe"), "Permission denied")
    finally:
        small.folder.chmod(0o755)


def test_a_full_disk(lab: Lab, recipec: Any) -> None:
    """A limit on the size of files stands for a disk without room."""
    query = "select i as id, md5(i::varchar) as a, md5((-i)::varchar) as b from range(200000) r(i)"
    lab.write("big.recipe", f'sql big """{query}""" {{ key: id }}\n')

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    done = recipec(lab.folder, "run", "big.recipe", preexec_fn=limit)
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert "bug in recipec" not in done.stderr
    assert done.stderr.strip()
    again = recipec(lab.folder, "run", "big.recipe")
    assert again.returncode == 0, again.stderr
    assert lab.rows("select count(*) from big") == [(200_000,)]
