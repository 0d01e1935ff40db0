"""Completion: what is offered, and that the shells take it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_harness import GOOD, Run

from recipec.cli._offers import offers

ROOT = Path(__file__).resolve().parents[2]
RECIPE = f"param least: int = 3\n{GOOD}split parts from tidy {{ train: 80%  test: rest  seed: 4 }}\n".replace("  seed: 4", "")


@pytest.fixture
def home(good: Path) -> Path:
    """A folder with one recipe, and ``recipec`` on the path."""
    good.write_text(RECIPE, encoding="utf-8")
    (good.parent / "deep").mkdir()
    command = good.parent / "bin" / "recipec"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m recipec "$@"\n')
    command.chmod(0o755)
    return good.parent


def words(*line: str) -> list[str]:
    return [word for word, _ in offers(list(line[:-1]), line[-1])]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (["ru"], ["run"]),
        (["--d"], ["--debug"]),
        (["--color", "al"], ["always"]),
        (["help", "dif"], ["diff"]),
        (["run", "--thr"], ["--threads"]),
        (["run", "--format", ""], ["text", "json"]),
        (["run", "--format=j"], ["--format=json"]),
        (["run", "--format", "=", "j"], ["json"]),
        (["run", "--format", "="], ["text", "json"]),
        (["run", "--only", ""], ["rows", "tidy", "parts"]),
        (["run", "--set", ""], ["least="]),
        (["run", "--memory", ""], []),
        (["show", "parts"], ["parts", "parts.train", "parts.test"]),
        (["show", "good.recipe", "ti"], ["tidy"]),
        (["show", "good.recipe", "--dropped", "--lim"], ["--limit"]),
        (["explain", "ungrouped"], ["ungrouped-split"]),
        (["check", "--ignore", "unused-step,ungr"], ["unused-step,ungrouped-split"]),
        (["check", "g"], ["good.recipe"]),
        (["run", "d"], ["deep/"]),
        (["docs", "dedu"], ["dedupe"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["nonsense", ""], []),
    ],
    ids=" ".join,
)
def test_offers(line: list[str], wanted: list[str]) -> None:
    assert words(*line) == wanted


def test_several_recipes_or_none_offer_no_steps(home: Path) -> None:
    (home / "other.recipe").write_text("nonsense {", encoding="utf-8")
    assert words("show", "ti") == []
    assert words("show", "good.recipe", "ti") == ["tidy"]
    assert words("show", "gone.recipe", "ti") == []


def ask(shell: str, script: str, home: Path) -> list[str]:
    """The lines that a shell prints, in a folder with one recipe."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    env = {**os.environ, "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    done = subprocess.run([path, *options, "-c", script], cwd=home, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("recipec ru", ["run"]),
        ("recipec show parts.", ["parts.train", "parts.test"]),
        ("recipec run --format j", ["json"]),
        ("recipec run --set ", ["least="]),
    ],
)
def test_bash(home: Path, line: str, wanted: list[str]) -> None:
    typed = line.split(" ")
    listed = " ".join(shlex.quote(w) for w in typed)
    script = (
        'eval "$(recipec completion bash)"\ncomplete -p recipec > /dev/null || exit 3\n'
        f"COMP_WORDS=({listed})\nCOMP_CWORD={len(typed) - 1}\ncompopt() {{ :; }}\n_recipec\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    assert ask("bash", script, home) == wanted


def test_fish(home: Path) -> None:
    script = "recipec completion fish | source\ncomplete -C 'recipec show parts.' | string split -f 1 \\t"
    assert ask("fish", script, home) == ["parts.test", "parts.train"]


def test_zsh_reads_the_script(home: Path) -> None:
    script = (
        "recipec completion zsh > bin/_recipec\nfpath=($PWD/bin $fpath)\nautoload -Uz compinit\ncompinit -u -D\nprint -- $_comps[recipec]"
    )
    assert ask("zsh", script, home) == ["_recipec"]
    assert ask("zsh", "zsh -n bin/_recipec && print ok", home) == ["ok"]


def test_scripts(recipec: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        done = recipec("completion", shell)
        assert (done.status, done.err) == (0, "")
        assert "recipec completion offer" in done.out
    assert recipec("completion", "csh").status == 2
