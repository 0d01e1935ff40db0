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


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a server that speaks S3."""
    server = pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, behind a door that counts."""
    pytest.importorskip("s3fs")
    from s3_harness import Bucket

    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    made = Bucket(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.door.url)
    yield made
    made.door.close()
