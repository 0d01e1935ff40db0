"""``diff``, ``lock`` and ``run --locked``: a recipe against what it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli_harness import GOOD, ROWS, Run


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(good: Path) -> Path:
    """``good.recipe`` committed."""
    git(good.parent, "init", "-q", "-b", "main")
    git(good.parent, "add", ".")
    git(good.parent, "commit", "-qm", "first")
    return good


def test_diff_against_the_last_commit(recipec: Run, repository: Path) -> None:
    assert recipec("diff").out == "the two mean the same\n"
    repository.write_text("# a comment\n" + GOOD, encoding="utf-8")
    assert recipec("diff", "good.recipe").out == "the two mean the same\n"
    repository.write_text(GOOD.replace("n > 1", "n > 0"), encoding="utf-8")
    done = recipec("diff", "main", "good.recipe")
    assert done.status == 0
    assert done.out.splitlines()[0].startswith('tidy  ROWS  keep "small": n > 1 -> n > 0')
    assert done.out.splitlines()[-1] == "level ROWS. Reused: rows."


def test_diff_of_rows_where_both_are_built(recipec: Run, repository: Path) -> None:
    recipec("run")
    repository.write_text(GOOD.replace("n > 1", "n > 0"), encoding="utf-8")
    recipec("run")
    done = recipec("diff")
    assert "1 → 2 rows   1 came" in done.out
    assert "+ id=a" in done.out
    step = next(s for s in json.loads(recipec("diff", "--format", "json").out)["steps"] if s["name"] == "tidy")
    assert (step["rows"]["came"], step["rows"]["went"], step["level"]) == (1, 0, "rows")


def test_diff_shows_rows_that_changed_their_part(recipec: Run, repository: Path) -> None:
    parts = GOOD + "split parts from rows { PART: 100% }\n"
    repository.write_text(parts.replace("PART", "train"), encoding="utf-8")
    recipec("run")
    repository.with_name("old.recipe").write_text(repository.read_text(encoding="utf-8"), encoding="utf-8")
    repository.write_text(parts.replace("PART", "test"), encoding="utf-8")
    recipec("run", "good.recipe")
    assert "~ train → test: id=" in recipec("diff", "old.recipe", "good.recipe").out


def test_diff_of_two_files(recipec: Run, good: Path) -> None:
    good.with_name("new.recipe").write_text(GOOD.replace("clean tidy", "clean neat"), encoding="utf-8")
    done = recipec("diff", "good.recipe", "new.recipe")
    assert "tidy → neat" in done.out
    assert "level METADATA" in done.out


def test_diff_of_what_cannot_be_compared(recipec: Run, repository: Path) -> None:
    done = recipec("diff", "no-such-branch", "good.recipe")
    assert (done.status, "no-such-branch" in done.err) == (2, True)
    repository.write_text(GOOD.replace("n > 1", "m > 1"), encoding="utf-8")
    done = recipec("diff")
    assert done.status == 1
    assert "only recipes without errors can be compared" in done.err
    assert recipec("diff", "a", "b", "c").status == 2


def test_lock(recipec: Run, good: Path) -> None:
    done = recipec("lock", "--check")
    assert (done.status, "there is no lock" in done.err) == (2, True)
    assert recipec("run", "--locked").status == 2
    assert recipec("lock").out == "wrote good.lock\n"
    assert recipec("lock", "--check").out == "everything is as good.lock has it\n"
    assert recipec("run", "--locked").status == 0
    (good.parent / "rows.csv").write_text(ROWS + "c,again,3\n", encoding="utf-8")
    done = recipec("lock", "--check")
    assert done.status == 1
    assert "rows.csv has other contents" in done.out
    assert json.loads(recipec("lock", "--check", "--format", "json").out)[0]["name"] == "rows.csv"
    done = recipec("run", "--locked")
    assert done.status == 1
    assert "if that is meant: recipec lock" in done.err
    assert "done in" not in done.out


def test_a_lock_names_what_drifted(recipec: Run, good: Path) -> None:
    assert recipec("lock").status == 0
    text = good.read_text(encoding="utf-8")
    good.write_text(text.replace("n > 1", "n > 2"), encoding="utf-8")
    (line, _) = recipec("lock", "--check").out.splitlines()
    assert line.startswith("~ step tidy: ")
    assert "n > 1" in line
    assert "n > 2" in line
    done = recipec("run", "--locked")
    assert (done.status, line in done.err) == (1, True)
    good.write_text(
        text.replace("clean tidy from rows {", "clean tidy from rows { extra = 文(text) ")
        + '\ndef 文(t) = trim(t)\nsource 行 = csv("rows.csv") {}\n',
        encoding="utf-8",
    )
    assert [line for line in recipec("lock", "--check").out.splitlines() if "extra" in line or "行" in line] == [
        "~ source 行 is new",
        "~ step 行 is new",
        "~ step tidy: column extra is new: 文(text)",
    ]
    assert recipec("lock").status == 0
    assert recipec("lock", "--check").status == 0
    good.write_text(good.read_text(encoding="utf-8").replace("= trim(t)", "= upper(t)"), encoding="utf-8")
    assert "`文(text)` means something else" in recipec("lock", "--check").out


@pytest.mark.parametrize("text", ["", "[recipe", "recipe = 3", "[steps]\ntidy = 3\n", "<<<<<<< ours\n", "\x00"])
def test_what_is_no_lock(recipec: Run, good: Path, text: str) -> None:
    good.with_suffix(".lock").write_text(text, encoding="utf-8")
    done = recipec("lock", "--check")
    assert done.status == 2
    assert "recipec lock" in done.err
    assert recipec("run", "--locked").status == 2
    assert recipec("lock").status == 0


def test_branches_that_change_two_steps_merge(recipec: Run, repository: Path) -> None:
    more = "\nclean short from tidy { keep where n < 9 }\n\n\n\nclean long from tidy { keep where n > 5 }\n"
    repository.write_text(repository.read_text(encoding="utf-8") + more, encoding="utf-8")
    recipec("lock")
    git(repository.parent, "add", ".")
    git(repository.parent, "commit", "-qm", "base")
    git(repository.parent, "checkout", "-qb", "other")
    for old, new, branch in (("n < 9", "n < 8", "other"), ("n > 5", "n > 6", "-")):
        git(repository.parent, "checkout", "-q", branch)
        repository.write_text(repository.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        assert recipec("lock").status == 0
        git(repository.parent, "commit", "-qam", new)
    git(repository.parent, "merge", "-q", "-m", "both", "other")
    done = recipec("lock", "--check")
    assert (done.status, done.out) == (0, f"everything is as {repository.stem}.lock has it\n")


def test_a_changed_row_says_which_it_is(recipec: Run, repository: Path) -> None:
    assert recipec("run").status == 0
    repository.write_text(GOOD.replace("length(text)", "length(text) + 1"), encoding="utf-8")
    assert recipec("run").status == 0
    lines = [line for line in recipec("diff", "HEAD", "good.recipe").out.splitlines() if "~ length: " in line]
    assert lines
    assert all("   id=" in line for line in lines)
