"""git: the diff driver and textconv in a real repository, `diff --fail-on`, and recipes from standard input."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_harness import Run

ROOT = Path(__file__).resolve().parents[2]
COMMAND = f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)} -m recipec"


@pytest.fixture
def repository(good: Path) -> Path:
    """A git repository with a committed recipe."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(good.parent, "init", "-q")
    git(good.parent, "add", "good.recipe", "rows.csv")
    git(good.parent, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "first")
    return good.parent


def git(folder: Path, *arguments: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}
    done = subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "good.recipe"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_documented_line_makes_git_diff_say_the_meaning(repository: Path) -> None:
    line = 'git config diff.recipe.command "recipec diff --driver" && echo "*.recipe diff=recipe" >> .gitattributes'
    assert line in (ROOT / "recipec/cli/diff.py").read_text(encoding="utf-8")
    own = line.replace('"recipec diff', f'"{COMMAND} diff').replace("'", '"') if "'" not in COMMAND else line
    subprocess.run(["sh", "-c", own], cwd=repository, check=True)
    edit(repository, "n > 1", "n > 2")
    out = git(repository, "diff")
    assert "recipec diff good.recipe" in out
    assert "level ROWS. Reused: rows." in out
    assert '+  keep where n > 2 as "small"' in out
    edit(repository, "n > 2", "n  >  1")
    out = git(repository, "diff")
    assert "the two mean the same" in out
    edit(repository, "n  >  1", "m > 1")
    out = git(repository, "diff")
    assert "the new version has 1 error: only its lines are compared" in out
    assert "+  keep where m > 1" in out
    git(repository, "rm", "-q", "--cached", "good.recipe")
    assert "-  keep where n > 1" in git(repository, "diff", "--cached")


def test_textconv(repository: Path) -> None:
    git(repository, "config", "diff.recipe.textconv", f"{COMMAND} fmt --stdout")
    (repository / ".gitattributes").write_text("*.recipe diff=recipe\n", encoding="utf-8")
    edit(repository, "keep where n > 1", "keep   where n>1")
    assert git(repository, "diff") == ""
    edit(repository, "n>1", "n>2")
    assert '+  keep where n > 2 as "small"' in git(repository, "diff")


def test_fail_on(recipec: Run, repository: Path) -> None:
    assert recipec("diff", "good.recipe", "--fail-on", "metadata").status == 0
    edit(repository, "n > 1", "n > 2")
    assert recipec("diff", "good.recipe").status == 0
    assert recipec("diff", "good.recipe", "--fail-on", "rows").status == 1
    edit(repository, "source rows", 'recipe "x" { license: "CC0-1.0" }\nsource rows')
    edit(repository, "n > 2", "n > 1")
    assert json.loads(recipec("diff", "good.recipe", "--format", "json").out)["level"] == "metadata"
    assert recipec("diff", "good.recipe", "--fail-on", "model").status == 0
    assert recipec("diff", "good.recipe", "--fail-on", "metadata").status == 1


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_standard_input_is_planned_and_run_where_you_are(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = good.read_text(encoding="utf-8")
    good.unlink()
    typed(monkeypatch, text)
    assert "2 to run" in recipec("plan", "-").out
    typed(monkeypatch, text)
    done = recipec("run", "-")
    assert done.status == 0
    assert "1 row" in done.out
    assert done.out.rstrip().endswith("recipec show tidy")
    typed(monkeypatch, text)
    assert "2 reused" in recipec("plan", "-").out
    assert "你好" in recipec("show", "tidy").out
    typed(monkeypatch, text.replace("n > 1", "m > 1"))
    done = recipec("run", "-")
    assert done.status == 1
    assert "-:5:14" in done.err
    assert recipec("run", "-", "--locked").status == 2
    assert recipec("lock", "-").status == 2


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_warnings_of_the_rules_are_counted(recipec: Run, good: Path, verb: str) -> None:
    text = good.read_text(encoding="utf-8")
    good.write_text(text + 'param unused: int = 3\nexport out from tidy { to: "out"  format: jsonl() }\n', encoding="utf-8")
    done = recipec(verb, "good.recipe")
    assert done.status == 0
    assert "1 warning: recipec check good.recipe" in done.err
    (good.parent / "pyproject.toml").write_text('[tool.recipec]\nignore = ["unused-name"]\n', encoding="utf-8")
    from recipec.cli import _config

    _config._in.cache_clear()
    assert "warning" not in recipec(verb, "good.recipe").err
