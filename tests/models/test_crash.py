"""A process that is killed, again and again, in the middle of asking a server that misbehaves.

What holds: an answer that is in the ledger is never asked again. An answer that was on its way, or come but not yet synced,
when the process was killed, cannot be known and is asked again: at most as many as were under way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from recipec.models.client import Call, Ledger, Request
from recipec.models.requests import Keys, Message
from tests.models.server import answer_of

HERE = Path(__file__).parent
CONCURRENCY = 32


@contextmanager
def server_process(**told: Any) -> Iterator[str]:
    """The test server in a process of its own, so that it goes on counting."""
    with subprocess.Popen([sys.executable, str(HERE / "server.py"), json.dumps(told)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def counts(url: str) -> dict[str, Any]:
    with urlopen(url) as reply:
        made: dict[str, Any] = json.load(reply)
        return made


def prompt(row: int | str) -> str:
    return json.dumps([{"role": "user", "content": f"row {row}"}])


def child(url: str, folder: Path, rows: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    return subprocess.Popen(
        [sys.executable, str(HERE / "crash_child.py"), url, str(folder / "ledger"), str(folder / "out"), str(rows)], env=environment
    )


def kept_calls(folder: Path, url: str, rows: int, calls: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """How often each row that is in the ledger was asked for; those that were there ``before`` were not asked again."""
    assert {p: calls[p] for p in before} == before, "an answer in the ledger is never asked again"
    keys = Keys(Call("openai", url, "m", {"max_tokens": 20}))
    with Ledger(folder / "ledger") as ledger:
        assert ledger.damaged == 0
        return {prompt(row): calls[prompt(row)] for row in range(rows) if ledger.has(keys(Request("", (Message("user", f"row {row}"),))))}


def killed_and_finished(folder: Path, rows: int, kills: int, seed: int, **told: Any) -> tuple[Counter[str], int]:
    """Kill a child ``kills`` times while it asks for ``rows`` rows, let the last finish; deliveries by prompt, and calls for ten rows more."""
    rng = random.Random(seed)
    kept: dict[str, int] = {}
    with server_process(latency=0.01, **told) as url:
        for _ in range(kills):
            process = child(url, folder, rows)
            # Killed after so many requests more than there were, wherever it then is.
            until = counts(url)["number"] + rng.randint(1, rows // (kills + 5))
            while counts(url)["number"] < until and process.poll() is None:
                time.sleep(0.002)
            assert process.poll() is None, "it ended before it could be killed"
            process.send_signal(signal.SIGKILL)
            process.wait()
            kept = kept_calls(folder, url, rows, counts(url)["calls"], kept)
        assert child(url, folder, rows).wait() == 0
        before = counts(url)
        kept = kept_calls(folder, url, rows, before["calls"], kept)
        assert len(kept) == rows
        assert child(url, folder, rows + 10).wait() == 0
        after = counts(url)
        kept_calls(folder, url, rows, after["calls"], kept)
        assert sum(after["delivered"].values()) == sum(before["delivered"].values()) + 10
        return Counter(before["delivered"]), after["number"] - before["number"]


def check(folder: Path, rows: int, kills: int, delivered: Counter[str]) -> None:
    assert set(delivered) == {prompt(row) for row in range(rows)}
    twice = sum(delivered.values()) - rows
    assert twice <= kills * CONCURRENCY, "only what was on its way at a kill"
    given: dict[str, set[str]] = {}
    for line in (folder / "out").read_text().splitlines():
        id, _, text = line.split("\t")
        given.setdefault(id, set()).add(text)
    assert given == {str(row): {answer_of(prompt(row))} for row in range(rows + 10)}, "every row answered, always with the same answer"
    with Ledger(folder / "ledger") as ledger:
        assert len(ledger) == rows + 10
    print(f"{rows} rows, {kills} kills: {twice} answers were on their way at a kill and came twice")


def test_killed_twice(tmp_path: Path) -> None:
    delivered, ten_more = killed_and_finished(tmp_path, 300, 2, seed=1)
    assert ten_more == 10
    check(tmp_path, 300, 2, delivered)


def test_ctrl_c_keeps_what_is_on_its_way(tmp_path: Path) -> None:
    with server_process(latency=0.04) as url:
        process = child(url, tmp_path, 500)
        while counts(url)["number"] < 60:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert process.wait() != 0
        kept = counts(url)
        with Ledger(tmp_path / "ledger") as ledger:
            assert len(ledger) == kept["number"] == sum(kept["delivered"].values()) < 500
        assert child(url, tmp_path, 500).wait() == 0
        assert set(counts(url)["calls"].values()) == {1}


@pytest.mark.slow
def test_five_thousand_rows_and_twenty_kills(tmp_path: Path) -> None:
    told = {"cut": 0.02, "broken": 0.02, "empty": 0.01, "fail": 0.03, "limited": 0.02, "truncated": 0.0}
    delivered, ten_more = killed_and_finished(tmp_path, 5000, 20, seed=2, **told)
    assert 10 <= ten_more <= 20, "ten, and those that the server failed"
    check(tmp_path, 5000, 20, delivered)
