"""The command line as a whole: verbs, usage, exit statuses, and what happens when recipec itself is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Run

import recipec as package
from recipec import cli
from recipec.cli import all_verbs, load

FOLDER = Path(cli.__file__).parent


def test_every_verb_has_its_file_and_every_file_its_verb() -> None:
    assert sorted(all_verbs()) == sorted(p.stem for p in FOLDER.glob("[a-z]*.py"))


def test_version(recipec: Run) -> None:
    done = recipec("--version")
    assert (done.status, done.out) == (0, f"recipec {package.__version__}\n")


def test_help_lists_the_verbs(recipec: Run) -> None:
    done = recipec("--help")
    assert done.status == 0
    assert all(re.search(rf"^  {verb} +\S", done.out, re.M) for verb in all_verbs())
    assert max(map(len, done.out.splitlines())) <= 80


def test_without_a_verb_the_help_and_status_2(recipec: Run) -> None:
    assert recipec().status == 2


@pytest.mark.parametrize("verb", all_verbs())
def test_help_of_each_verb_has_examples_and_every_option(verb: str, recipec: Run) -> None:
    done = recipec(verb, "--help")
    assert done.status == 0
    assert f"  recipec {verb}" in done.out
    assert "usage: recipec" in done.out
    assert done.out == recipec("help", verb).out
    assert (load(verb).__doc__ or "").startswith(done.out.split("\n\n")[1].split("\n")[0])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["chekc"], "no verb `chekc`; did you mean `check`?"),
        (["zzz"], "no verb `zzz`"),
        (["a.recipe"], "`a.recipe` is a file, not a verb"),
        (["--fast"], "unknown option --fast"),
        (["check", "--fromat", "json"], "unknown option --fromat; did you mean --format?"),
        (["check", "--format", "jsno"], "`jsno` is none of text, concise, json, github, gitlab, junit, sarif; did you mean json?"),
        (["check", "nothere.recipe"], "no file `nothere.recipe`"),
        (["check", "."], "no .recipe file in `.`"),
        (["check", "--color", "red"], "`red` is none of auto, always, never"),
        (["check", "--set", "x"], "--set x: write it as NAME=VALUE"),
        (["check", "--set", "x=1", "--set", "x=2"], "--set x is given twice"),
        (["docs", "a", "b"], "`b` is one argument too many"),
        (["run", "--threads", "0"], "0 is out of range"),
        (["run", "--threads", "two"], "`two` is not a whole number"),
        (["run", "--memory", "4"], "`4` is not a size"),
        (["run"], "no .recipe file in this folder"),
        (["show"], "too few arguments"),
        (["show", "tidy"], "nothing is built yet"),
    ],
)
def test_wrong_usage_is_one_clear_line_and_status_2(argv: list[str], words: str, recipec: Run) -> None:
    done = recipec(*argv)
    assert done.status == 2
    assert done.out == ""
    assert words in done.err.splitlines()[0]
    assert len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err


def test_options_may_stand_before_the_verb(recipec: Run, good: Path) -> None:
    assert "\033[" in recipec("--color", "always", "check", "--format", "concise", make_bad(good)).out
    assert "\033[" in recipec("--color=always", "check", "--format", "concise", make_bad(good)).out


def make_bad(good: Path) -> str:
    bad = good.with_name("bad.recipe")
    bad.write_text(good.read_text(encoding="utf-8").replace("n > 1", "m > 1"), encoding="utf-8")
    return str(bad)


class Broken:
    """A verb that fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.__doc__ = "Broken."

    def options(self, parser: Any) -> None:
        pass

    def run(self, args: Any, out: Any, err: Any) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyError("x"), 2, "this is a bug in recipec, not in your recipe: KeyError: 'x' at"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("Query interrupted"), 130, "interrupted"),
        (MemoryError(), 2, "out of memory"),
        (OSError(28, "No space left on device", "a.csv"), 2, "a.csv: No space left on device"),
        (BrokenPipeError(), 2, ""),
        (SystemExit(3), 3, ""),
    ],
)
def test_nothing_ends_in_a_traceback(error: BaseException, status: int, words: str, recipec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "load", lambda verb: Broken(error))
    done = recipec("check")
    assert done.status == status
    assert words in done.err
    assert "Traceback" not in done.err


def test_errors_of_data_are_messages(recipec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.api import DataError

    monkeypatch.setattr(cli, "load", lambda verb: Broken(DataError("the file is gone", "bring it back")))
    done = recipec("check")
    assert (done.status, done.err) == (2, "recipec: the file is gone\n  bring it back\n")


@pytest.mark.parametrize("by", ["option", "variable"])
def test_debug_shows_the_traceback_of_a_bug(by: str, recipec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "load", lambda verb: Broken(ValueError("inside")))
    if by == "variable":
        monkeypatch.setenv("RECIPEC_DEBUG", "1")
    done = recipec("check", *(["--debug"] if by == "option" else []))
    assert "Traceback" in done.err
    assert "ValueError: inside" in done.err
    assert "--debug" not in done.err.splitlines()[-1]


def test_as_a_process(good: Path) -> None:
    """The module runs, its status reaches the shell, and what a shell cannot encode is escaped."""
    bad = make_bad(good)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "recipec", "check", bad], capture_output=True, env=environment, check=False)
    assert done.returncode == 1, done.stderr
    assert b"error[unknown-column]" in done.stdout
    assert b"^" in done.stdout
    assert done.stdout.isascii()


def test_the_light_verbs_import_nothing_heavy() -> None:
    code = (
        "import sys; from recipec.cli import main; main(['--version']); main(['--help'])\n"
        "heavy = {'duckdb', 'pydantic', 'lark', 'rich', 'pyarrow', 'numpy', 'jinja2', 'torch', 'asyncio', 'logging'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_looking_at_a_recipe_imports_nothing_that_only_running_needs(good: Path) -> None:
    code = """
import os, sys
os.environ["RECIPEC_NO_CACHE"] = "1"
from recipec.cli import main
file = sys.argv[1]
statuses = [main(argv) for argv in (["check", file], ["fmt", "--check", file], ["plan", file], ["diff", file, file])]
heavy = {"pyarrow", "numpy", "pandas", "torch", "transformers", "datasets", "ray", "rich", "ftfy", "jinja2", "multiprocessing"}
print(statuses, sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code, str(good)], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[0, 0, 0, 0] []"
