"""Google Cloud Storage and Azure Blob Storage, on emulators: what S3's tests look at closely, in short."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_harness import Cloud, emulator

REPOSITORY = str(Path(__file__).resolve().parents[2])
PACKAGES = {"gs": "gcsfs", "az": "adlfs"}


@pytest.fixture(scope="module", params=["gs", "az"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    pytest.importorskip(PACKAGES[request.param], reason="needs the extra `cloud`")
    for port in emulator(request.param, tmp_path_factory.mktemp(request.param)):
        yield request.param, port


@pytest.fixture
def cloud(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    made = Cloud(*server, monkeypatch)
    yield made
    made.line.close()


def source(cloud: Cloud, pattern: str) -> None:
    Path("a.recipe").write_text(f'source goods = csv("{cloud.kind}://bucket/{pattern}") {{ key: id }}\n', encoding="utf-8")


def export(cloud: Cloud, settings: str, rows: int, more: str = "") -> None:
    Path("rows.csv").write_text("id,text\n" + "".join(f"{i},文 {i}{more}\n" for i in range(rows)), encoding="utf-8")
    to = f'to: "{cloud.kind}://bucket/out"  format: jsonl()  {settings}'
    Path("a.recipe").write_text(f'source goods = csv("rows.csv") {{ key: id }}\nexport out from goods {{ {to} }}\n', encoding="utf-8")


def delivered(cloud: Cloud) -> list[int]:
    """The ids of what the index says is there."""
    files = json.loads(cloud.read("out/_index.json"))["files"]
    return sorted(json.loads(line)["id"] for f in files for line in cloud.read(f"out/{f['path']}").splitlines())


def killed(when: Callable[[], bool]) -> None:
    run = subprocess.Popen([sys.executable, "-m", "recipec", "run"], env={**os.environ, "PYTHONPATH": REPOSITORY}, stdout=-3, stderr=-3)
    end = time.monotonic() + 60
    while run.poll() is None and not when() and time.monotonic() < end:
        time.sleep(0.005)
    assert run.poll() is None, "it was done before it could be killed"
    run.send_signal(signal.SIGKILL)
    run.wait()


def test_a_glob_is_copied_and_what_changed_again(recipec: Any, cloud: Cloud) -> None:
    for i in range(5):
        cloud.put(f"data/{i}.csv", f"id,price\n{i},5\n")
    cloud.put("data/文 件/x.csv", "id,price\n10,6\n")
    cloud.put("other/y.csv", "id,price\n11,6\n")
    source(cloud, "data/**/*.csv")
    done = recipec("run")
    assert done.status == 0, done.err
    assert "6 files came" in done.out
    assert "6 rows" in done.out
    assert "6 files, unchanged" in recipec("run").out
    cloud.put("data/3.csv", "id,price\n3,77\n")
    cloud.delete("data/0.csv")
    assert "1 object changed, 1 gone" in recipec("plan", "--online").out
    assert "1 file came" in recipec("run").out


def test_what_is_wrong_is_told_in_words(recipec: Any, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for pattern, message in {"none.csv": f"there is no {cloud.kind}://bucket/none.csv", "x/*.csv": "x/*.csv"}.items():
        source(cloud, pattern)
        done = recipec("run")
        assert done.status == 1
        assert message in " ".join(done.err.split())
        assert "Traceback" not in done.err
    cloud.line.close()
    begun = time.monotonic()
    done = recipec("run")
    assert "cannot be reached: nothing listens at 127.0.0.1:" in " ".join(done.err.split())
    assert time.monotonic() - begun < 10


@pytest.mark.slow
def test_a_copy_that_is_killed_goes_on(recipec: Any, cloud: Cloud) -> None:
    for i in range(40):
        cloud.put(f"data/{i:02}.csv", f"id,price\n{2 * i},5\n{2 * i + 1},6\n")
    source(cloud, "data/*.csv")
    cloud.line.delay = 0.05

    def copies() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in Path(".recipec/mirror").rglob("*.csv")} if Path(".recipec/mirror").exists() else {}

    killed(lambda: len(copies()) >= 5)
    had = copies()
    assert 0 < len(had) < 40
    cloud.line.delay = 0.0
    done = recipec("run")
    assert done.status == 0, done.err
    assert "80 rows" in done.out
    now = copies()
    assert len(now) == 40
    assert {p: now[p] for p in had} == had


@pytest.mark.slow
def test_an_export_that_is_killed_is_seen_whole_or_not_at_all(recipec: Any, cloud: Cloud) -> None:
    export(cloud, "shards: 10", 100)
    done = recipec("run")
    assert done.status == 0, done.err
    assert delivered(cloud) == list(range(100))
    before = cloud.stored()
    assert len(before) == 11
    export(cloud, "shards: 10", 60)
    cloud.line.delay = 0.05
    killed(lambda: len(cloud.stored()) >= 13)
    had = cloud.stored()
    assert {k: v for k, v in had.items() if k in before} == before
    assert delivered(cloud) == list(range(100)), "who reads by the index has the old export, whole"
    cloud.line.delay = 0.0
    assert recipec("run").status == 0
    assert delivered(cloud) == list(range(60))
    now = cloud.stored()
    assert len(now) == 11
    assert {k: v for k, v in had.items() if k not in before}.items() <= now.items(), "what was there already is not sent again"


def test_appended_and_never_the_same_twice(recipec: Any, cloud: Cloud) -> None:
    export(cloud, "mode: append", 3)
    assert recipec("run").status == 0
    export(cloud, "mode: append", 2, more="!")
    assert recipec("run").status == 0
    assert recipec("run", "--workspace", "other").status == 0
    assert delivered(cloud) == [0, 0, 1, 1, 2]
