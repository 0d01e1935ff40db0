"""Work of several threads, and what check may load."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from recipec.mirror._threads import each

REPOSITORY = Path(__file__).resolve().parents[2]


def test_all_are_done_several_at_a_time() -> None:
    meeting = threading.Barrier(4, timeout=10)

    def work(item: int) -> int | None:
        if item < 4:
            meeting.wait()
        return None if item == 7 else item

    assert sorted(each(range(10), work, 4, lambda: None), key=str) == sorted([0, 1, 2, 3, 4, 5, 6, None, 8, 9], key=str)
    assert list(each([], work, 0, lambda: None)) == []


def test_an_error_ends_it_and_the_rest_is_not_begun() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError("two")
        return item

    with pytest.raises(ValueError, match="two"):
        list(each(range(1000), work, 1, lambda: None))
    assert begun == [0, 1, 2]


def test_who_ticks_may_stop_it() -> None:
    stopped = threading.Event()

    def tick() -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(each(range(3), lambda item: stopped.wait(30), 2, tick, stopped.set))
    assert time.monotonic() - began < 5


CHECK = """
import socket, sys
def closed(*a, **k): raise AssertionError("a connection was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = closed
from recipec.cli import main
status = main(["check", "a.recipe"]) or main(["plan", "a.recipe"])
heavy = {"fsspec", "s3fs", "huggingface_hub", "botocore", "pyarrow", "requests", "aiohttp"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else status)
"""


def test_check_and_plan_load_nothing_heavy_and_open_nothing(tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    pytest.importorskip("huggingface_hub")
    (tmp_path / "a.recipe").write_text(
        """source a = csv("https://example.org/a.csv") { key: id  columns: { id: int, text: text } }
source b = parquet("s3://bucket/*.parquet") { key: id  columns: { id: int, text: text } }
source c = hf("owner/name", split: "train") { key: id  columns: { id: int, text: text } }
export d from a { to: "s3://bucket/out"  format: jsonl() }
export e from b { to: "hf://datasets/owner/out"  format: huggingface() }
export f from c { to: "out"  format: webdataset()  index: true }
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "s3://bucket/*.parquet is not copied yet" in done.stdout
