"""Running command lines in this process, in a folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import GOOD, ROWS, Done, Run

from recipec.cli import main


@pytest.fixture(autouse=True, scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's own cache folder stays out of the tests."""
    old = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if old is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = old


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "RECIPEC_DEBUG", "RECIPEC_NO_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recipec(capsys: pytest.CaptureFixture[str]) -> Run:
    """``recipec("check", "a.recipe")`` -> its status, standard output and standard error."""

    def run(*argv: str) -> Done:
        capsys.readouterr()
        status = main(argv)
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe that ``init`` writes, built. Tests that look at results share it and change nothing."""
    folder = tmp_path_factory.mktemp("shop")
    here = os.getcwd()
    os.chdir(folder)
    try:
        assert main(["init"]) == 0
        os.rename(next(folder.glob("*.recipe")), folder / "shop.recipe")
        assert main(["run"]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def inside(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is the shop's."""
    monkeypatch.chdir(shop)
    return shop


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """``good.recipe`` without findings, and its data."""
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    path = tmp_path / "good.recipe"
    path.write_text(GOOD, encoding="utf-8")
    return path
