"""The cache of ``check``: an unchanged recipe is not analysed again, and a changed one always is."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_harness import GOOD, ROWS, Done, Run

from recipec.cli import _analysis, _cache

WRONG = GOOD.replace("n > 1", "m > 1")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("own") / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    # Somebody may be at work on recipec's own files while the tests run.
    monkeypatch.setattr(_cache, "code_stamp", lambda: "this code")
    return folder / "recipec"


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were really analysed."""
    seen: list[str] = []
    real = _analysis.analyse

    def analyse(source: Any, sets: Any, *, offline: bool) -> Any:
        seen.append(source.path)
        return real(source, sets, offline=offline)

    monkeypatch.setattr(_analysis, "analyse", analyse)
    return seen


@pytest.fixture
def twice(recipec: Run, analysed: list[str]) -> Any:
    """Check once, change something, check again: whether the second check was answered from the cache, and its result."""

    def check(*argv: str, change: Any = None) -> tuple[bool, Done, Done]:
        first = recipec("check", "--format", "json", *argv)
        before = len(analysed)
        if change is not None:
            change()
        second = recipec("check", "--format", "json", *argv)
        return len(analysed) == before, first, second

    return check


def test_a_hit_says_the_same(twice: Any, good: Path) -> None:
    good.write_text(WRONG.replace("length(text)", "lenght(文本)"), encoding="utf-8")
    hit, first, second = twice("good.recipe")
    assert hit
    assert first.status == 1
    assert first == second
    assert len(json.loads(first.out)) >= 2


def test_changes_of_the_text_are_seen(twice: Any, good: Path) -> None:
    hit, first, second = twice(change=lambda: good.write_text(WRONG, encoding="utf-8"))
    assert (hit, first.status, second.status) == (False, 0, 1)


def test_changes_of_the_header_of_a_source_are_seen(twice: Any, good: Path) -> None:
    rows = good.parent / "rows.csv"
    hit, first, second = twice(change=lambda: rows.write_text(ROWS.replace("n\n", "k\n", 1), encoding="utf-8"))
    assert (hit, first.status, second.status) == (False, 0, 1)


def test_a_source_that_vanishes_is_seen_and_seen_again(twice: Any, good: Path) -> None:
    rows = good.parent / "rows.csv"
    hit, first, second = twice(change=rows.unlink)
    assert (hit, first.status, second.status) == (False, 0, 1)
    hit, first, second = twice(change=lambda: rows.write_text(ROWS, encoding="utf-8"))
    assert (hit, first.status, second.status) == (False, 1, 0)


def test_a_new_file_that_a_glob_matches_is_seen(twice: Any, good: Path) -> None:
    good.write_text(GOOD.replace("rows.csv", "*.csv"), encoding="utf-8")
    other = good.parent / "a.csv"
    hit, _, _ = twice(change=lambda: other.write_text("x,y\n1,2\n", encoding="utf-8"))
    assert not hit


def test_changes_of_imports_are_seen(twice: Any, good: Path) -> None:
    common = good.parent / "common.recipe"
    common.write_text("def long(t) = length(t) > 3\n", encoding="utf-8")
    good.write_text('import "common.recipe" as common\n' + GOOD.replace("n > 1", "common.long(text)"), encoding="utf-8")
    hit, first, _ = twice("good.recipe")
    assert (hit, first.status) == (True, 0)
    hit, _, second = twice("good.recipe", change=lambda: common.write_text("def short(t) = length(t) > 3\n", encoding="utf-8"))
    assert (hit, second.status) == (False, 1)


def test_changes_of_the_environment_are_seen_and_values_are_not_kept(
    twice: Any, good: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECIPEC_TEST_PATH", "rows.csv")
    good.write_text(GOOD.replace('"rows.csv"', 'env("RECIPEC_TEST_PATH")'), encoding="utf-8")
    hit, first, _ = twice()
    assert (hit, first.status) == (True, 0)
    assert not any("rows.csv" in json.dumps(json.loads(p.read_text().partition("\n")[2])["environment"]) for p in own_cache.glob("check-*"))
    hit, _, second = twice(change=lambda: monkeypatch.setenv("RECIPEC_TEST_PATH", "other.csv"))
    assert (hit, second.status) == (False, 1)


def test_options_have_entries_of_their_own(recipec: Run, analysed: list[str], good: Path) -> None:
    recipec("check")
    recipec("check", "--offline")
    recipec("check", "--set", "x=1")
    assert len(analysed) == 3
    recipec("check", "--severity", "error", "--format", "sarif")
    assert len(analysed) == 3


def test_the_code_that_found_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert re.fullmatch("[0-9a-f]{32}", _cache.code_stamp())


def test_another_version_of_the_code_asks_again(twice: Any, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hit, _, _ = twice(change=lambda: monkeypatch.setattr(_cache, "code_stamp", lambda: "other"))
    assert not hit


@pytest.mark.parametrize("damage", ["cut", "text", "json", "foreign"])
def test_damaged_entries_are_ignored(damage: str, twice: Any, good: Path, own_cache: Path) -> None:
    def harm() -> None:
        (path,) = own_cache.glob("check-*")
        data = path.read_bytes()
        match damage:
            case "cut":
                path.write_bytes(data[:-20])
            case "text":
                path.write_bytes(b"no digest here")
            case "json":
                from hashlib import blake2b

                body = b'{"code": 1}'
                path.write_bytes(blake2b(body, digest_size=16).hexdigest().encode() + b"\n" + body)
            case _:
                path.chmod(0o666)

    hit, first, second = twice(change=harm)
    assert not hit
    assert first == second


def test_folder_and_entries_are_the_users_own(recipec: Run, good: Path, own_cache: Path) -> None:
    recipec("check")
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700
    assert all(not stat.S_IMODE(p.stat().st_mode) & 0o077 for p in own_cache.glob("check-*"))


def test_a_cache_that_cannot_be_used_only_costs_time(
    recipec: Run, analysed: list[str], good: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text("a file is in the way", encoding="utf-8")
    assert recipec("check").status == recipec("check").status == 0
    monkeypatch.setenv("RECIPEC_NO_CACHE", "1")
    assert recipec("check").status == 0
    assert len(analysed) == 3


def test_old_entries_go(recipec: Run, good: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cache, "MOST_ENTRIES", 3)
    for i in range(6):
        recipec("check", "--set", f"x{i}=1")
    assert len(list(own_cache.glob("check-*"))) == 3


def test_a_hit_imports_nothing_heavy(recipec: Run, good: Path) -> None:
    """Neither the compiler nor what it is made of, which is where the time of a check goes."""
    recipec("check", "good.recipe")
    code = (
        "import sys; from recipec.cli import main, _cache; _cache.code_stamp = lambda: 'this code'\n"
        "status = main(['check', 'good.recipe'])\n"
        "heavy = {'duckdb', 'pydantic', 'lark', 'rich', 'pyarrow', 'numpy', 'jinja2', 'recipec.api', 'recipec.syntax', 'asyncio'}\n"
        "print(status, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stderr.strip() == "0 []"
