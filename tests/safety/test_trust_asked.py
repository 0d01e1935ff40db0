"""The question whether code beside a recipe may run, at a terminal: what is said before it, each answer, and nobody there to answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.safety.test_trust import OWN, RECIPE

pty = pytest.importorskip("pty", reason="there are no terminals of this kind here")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
ASKED = "[N]o: "
DRIVER = """
import os, shutil, sys
from recipec.cli import main
for line in sys.argv[1:]:
    for made in ("ran", ".recipec"):
        shutil.rmtree(made, ignore_errors=True) if os.path.isdir(made) else os.path.exists(made) and os.unlink(made)
    try:
        status = main(line.split())
    except KeyboardInterrupt:
        status = "interrupted"
    print(f"== {status} {os.path.exists('ran')} {os.path.exists('.recipec')}", flush=True)
"""


class Person:
    """Somebody at a terminal, in front of a process that carries out commands one after the other."""

    def __init__(self, folder: Path, *commands: str) -> None:
        self.mine, theirs = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if k not in ("RECIPEC_TRUST", "NO_COLOR", "CI")}
        environment |= {"XDG_CONFIG_HOME": str(folder.parent / "config"), "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"}
        words = [sys.executable, "-P", "-c", DRIVER, *commands]
        # In a session of its own, so that the terminal is its terminal, and Ctrl-C reaches it.
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import os, sys, fcntl, termios\nos.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)\nos.execv(sys.argv[1], sys.argv[1:])", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment,
        )  # fmt: skip
        os.close(theirs)
        self.said = ""

    def sees(self, words: str) -> str:
        """Wait for these words; what stood before them."""
        end = time.monotonic() + PATIENCE
        while words not in self.said:
            assert time.monotonic() < end, self.said
            try:
                more = os.read(self.mine, 65536)
            except OSError:
                more = b""
            assert more, f"it is gone: {self.said}"
            self.said += more.decode("utf-8", "replace")
        before, _, self.said = self.said.partition(words)
        return before

    def types(self, text: str) -> None:
        os.write(self.mine, text.encode())

    def leaves(self) -> int:
        status = self.process.wait(timeout=PATIENCE)
        os.close(self.mine)
        return status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "somebody's"
    place.mkdir()
    (place / "t.recipe").write_text(RECIPE, encoding="utf-8")
    (place / "own.py").write_text(OWN, encoding="utf-8")
    (place / "x.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    return place


def test_every_answer(folder: Path) -> None:
    answers = ["\n", "n\n", "maybe\n", "yes please\n", "\x04", "y\n", "YES\n"]
    run = "run t.recipe --only ran"
    person = Person(folder, *[run] * len(answers), run, run)
    for answer in answers:
        before = person.sees(ASKED)
        assert "It can do all that you can" in before
        assert f"{folder / 'own.py'}: `run` in own.py (step `ran`)" in before, "the whole path, and what calls it"
        assert "ran  " not in before
        person.types(answer)
        after = person.sees("== ")
        if answer.strip().casefold() in ("y", "yes"):
            assert after.index("runs code of the recipe's own: `run` in own.py") < after.rindex("2 rows")
            person.sees("0 True True")
        else:
            assert "you have not said that you trust it" in after
            assert "recipec trust" in after
            person.sees("2 False False")
    assert not (folder.parent / "config").exists(), "a yes is for one run"
    person.sees(ASKED)
    person.types("a\n")
    person.sees("== 0 True True")
    assert str(folder) in (folder.parent / "config" / "recipec" / "trust.json").read_text(encoding="utf-8")
    # From then on it is said, and not asked.
    after = person.sees("== 0 True True")
    assert ASKED not in after
    assert "runs code of the recipe's own" in after
    assert person.leaves() == 0


def test_ctrl_c_at_the_question(folder: Path) -> None:
    person = Person(folder, "run t.recipe")
    person.sees(ASKED)
    person.types("\x03")
    after = person.sees("== ")
    assert "Traceback" not in after
    assert "bug" not in after
    person.sees("False False")
    assert person.leaves() in (0, -signal.SIGINT)


def test_nobody_is_asked_who_is_not_there(folder: Path) -> None:
    """With input from a pipe there is no question: the run is refused."""
    environment = {k: v for k, v in os.environ.items() if k != "RECIPEC_TRUST"} | {
        "XDG_CONFIG_HOME": str(folder.parent / "config"),
        "PYTHONPATH": str(ROOT),
    }
    words = [sys.executable, "-P", "-m", "recipec", "run", "t.recipe"]
    done = subprocess.run(words, cwd=folder, env=environment, input="y\n", capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2
    assert ASKED not in done.stdout + done.stderr
    assert not (folder / "ran").exists()
