"""The command itself, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from typing import Any

import pytest

from recipec.cli import annotate, main
from recipec.cli._errors import CannotRun


def test_it_serves_until_ctrl_c_and_says_what_was_done(begin: Any, lab: Any, mail: str) -> None:
    begin(mail, "topic")
    command = [sys.executable, "-m", "recipec", "annotate", str(lab.folder / "test.recipe"), "topic", "--no-browser", "--as", "ann"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("http"):
                break
        assert "topic: 3 rows to label (1 unsure, 2 nobody voted)" in lines[0]
        address, _, token = lines[-1].strip().partition("#")
        port = int(address.rstrip("/").rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"X-Recipec-Token": token, "Content-Type": "application/json"}
        connection.request("POST", "/api/answer", '{"n": 0, "answers": ["ham"]}', headers)
        assert connection.getresponse().status == 200
        # The workspace is free meanwhile: the recipe can be run while people label.
        with lab.open():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert "1 answered now, 1 of 3 in all" in out
    assert 'people_said = annotations("labels/topic.jsonl")' in out


def test_errors_of_the_recipe_are_shown(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = lab.write("test.recipe", "label topic from nothing { classes: [a, b] }\n")
    assert main(["annotate", str(path), "topic"]) == 1
    assert "no step `nothing`" in capsys.readouterr().err
    assert main(["annotate"]) == 2
    assert "too few arguments" in capsys.readouterr().err
    good = lab.write("good.recipe", 'source pool = csv("pool.csv") { key: id }\n')
    lab.write("pool.csv", "id\n1\n")
    assert main(["annotate", str(good), "pool", "--classes", "a,b"]) == 2
    assert "nothing is built yet" in capsys.readouterr().err


def test_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert annotate.who("  王 小明\n\x1b[1m ") == "王 小明 [1m"
    with pytest.raises(CannotRun, match="needs a name"):
        annotate.who(" \n")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LOGNAME", "login")
    assert annotate.who(None) == "login"


def test_a_port_that_is_taken_is_said(begin: Any, lab: Any, mail: str, serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(begin(mail, "topic")) as server:
        # Another listener: SO_REUSEADDR does not share a port that is listened on.
        assert main(["annotate", str(lab.folder / "test.recipe"), "topic", "--no-browser", "--port", str(server.port)]) == 2
    assert "cannot listen on port" in capsys.readouterr().err


def test_a_check_does_not_load_the_page_or_numpy() -> None:
    script = "import sys, recipec.cli.annotate; print(*sorted(m for m in sys.modules if m.split('.')[0] in ('numpy', 'duckdb', 'pydantic', 'http', 'sqlite3')))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.strip() == ""
