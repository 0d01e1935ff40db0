"""Ctrl-C while the work is in a thread of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli_harness import GOOD, ROWS

from recipec.cli import _supervise
from recipec.cli._supervise import Supervised


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_outcome_comes_back() -> None:
    assert Supervised(lambda: 42, lambda: None).result() == 42


def test_what_the_work_raises_is_raised() -> None:
    def work() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        Supervised(work, lambda: None).result()


def test_ctrl_c_asks_the_work_to_stop_once_and_again_when_it_was_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_supervise, "ASK_AGAIN", 0.2)
    heard = threading.Event()
    asked: list[int] = []

    def work() -> None:
        press()
        press()  # a group's signal beside the process's own
        assert heard.wait(20)
        raise KeyboardInterrupt

    def stop() -> None:
        asked.append(1)
        if len(asked) == 2:
            heard.set()

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        Supervised(work, stop).result()
    assert len(asked) == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_work_that_ends_all_the_same_is_done() -> None:
    """Ctrl-C in the last moment: what is finished is finished."""

    def work() -> str:
        press()
        return "done"

    assert Supervised(work, lambda: None).result() == "done"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_run_is_interrupted_in_the_middle_of_a_query(tmp_path: Path) -> None:
    """A query that takes minutes: status 130, no traceback, and the steps before it are kept."""
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    endless = (
        'sql slow from tidy """select t.id, count(md5(i::varchar)) as n from tidy t, range(10000000000) r(i) group by 1""" { key: id }\n'
    )
    (tmp_path / "a.recipe").write_text(GOOD + endless, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "recipec", "run"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        assert "tidy" in lines[-1]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "to go on: recipec run a.recipe" in out
    assert err == ""
