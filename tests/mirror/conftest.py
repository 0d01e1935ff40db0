"""Command lines in a folder of their own, and a place elsewhere that is a folder: ``fake://NAME``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recipec.cli import main
from recipec.mirror._base import OPENERS

sys.path.insert(0, str(Path(__file__).parent))
from mirror_harness import Done, Elsewhere, FakeMirror

Run = Callable[..., Any]


@pytest.fixture(autouse=True, scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    old = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if old is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = old


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "RECIPEC_DEBUG", "RECIPEC_NO_CACHE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "110")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def recipec(capsys: pytest.CaptureFixture[str]) -> Run:
    """``recipec("check", "a.recipe")`` -> its status, standard output and standard error."""

    def run(*argv: str) -> Done:
        capsys.readouterr()
        status = main(argv)
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Elsewhere:
    """The place behind ``fake://``; put files into its folder."""
    monkeypatch.setitem(OPENERS, "fake", ("mirror_harness", "FakeMirror"))
    place = Elsewhere(tmp_path / "elsewhere")
    monkeypatch.setattr(FakeMirror, "place", place, raising=False)
    return place
