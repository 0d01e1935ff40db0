"""Answers that came when the disk under the ledger had failed for good: kept elsewhere, found by the next run, and moved back."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from recipec.models import rescue
from recipec.models.ledger import HEADER, Ledger, LedgerError
from tests.models.test_ledger import answer, fill, key


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "ledger", range(1))
    return tmp_path / "ledger"


def broken(monkeypatch: pytest.MonkeyPatch, below: Path) -> None:
    """From now on nothing below a folder is written."""
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(below):
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)


def lose(folder: Path, monkeypatch: pytest.MonkeyPatch, numbers: range) -> LedgerError:
    with Ledger(folder) as ledger, monkeypatch.context() as patched:
        ledger.ready()
        broken(patched, folder)
        with pytest.raises(LedgerError) as told:
            ledger.append([(key(n), answer(n)) for n in numbers])
    return told.value


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks up files in /proc")


def test_what_a_broken_disk_refuses_is_found_by_the_next_run(folder: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = lose(folder, monkeypatch, range(1, 4))
    assert "Input/output error" in str(error)
    assert "the next run takes it from there" in str(error)
    assert error.lost == 0
    lose(folder, monkeypatch, range(4, 6))
    path = rescue.place(folder)
    assert path is not None
    assert path.is_relative_to(state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Looking moves nothing.
    with Ledger(folder) as ledger:
        assert [ledger.get(key(n)) for n in range(6)] == [answer(n) for n in range(6)]
    assert path.exists()
    with Ledger(folder) as ledger:
        ledger.ready()
        assert not path.exists()
        ledger.append([(key(6), answer(6))])
        assert [ledger.get(key(n)) for n in range(7)] == [answer(n) for n in range(7)]
    with Ledger(folder) as ledger:
        assert [ledger.get(key(n)) for n in range(7)] == [answer(n) for n in range(7)]
        assert ledger.damaged == 0


def test_a_disk_that_is_still_broken_is_told_before_anything_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(folder, monkeypatch, range(1, 3))
    with Ledger(folder) as ledger, monkeypatch.context() as patched:
        broken(patched, folder)
        with pytest.raises(LedgerError, match="Input/output"):
            ledger.ready()
        assert ledger.get(key(2)) == answer(2)
    with Ledger(folder) as ledger:
        ledger.ready()
        assert ledger.get(key(2)) == answer(2)


def test_where_nothing_takes_them_they_are_counted(folder: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.write_text("no folder", encoding="utf-8")
    error = lose(folder, monkeypatch, range(1, 4))
    assert error.lost == 3
    assert "kept in" not in str(error)


@pytest.mark.parametrize("before", [b"", b'{"form', HEADER, HEADER + b'{"sum":"00', b"nonsense\n"])
def test_what_stood_there_torn_is_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    path = rescue.place(folder)
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_bytes(before)
    if before != b"nonsense\n":
        lose(folder, monkeypatch, range(1, 3))
        with Ledger(folder) as ledger:
            ledger.ready()
            assert [ledger.get(key(n)) for n in range(3)] == [answer(n) for n in range(3)]
    else:
        with pytest.raises(LedgerError, match="is no ledger"):
            Ledger(folder)


def test_folders_have_files_of_their_own_and_links_are_followed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert rescue.place(tmp_path / "link") == rescue.place(folder) != rescue.place(tmp_path / "other")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = rescue.place(folder)
    assert path is not None
    assert path.parent == tmp_path / "home" / ".local" / "state" / "recipec" / "rescued"


def test_a_planted_link_is_not_written_through(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rescue.place(folder)
    assert path is not None
    path.parent.mkdir(parents=True)
    (tmp_path / "precious").write_text("x", encoding="utf-8")
    path.symlink_to(tmp_path / "precious")
    monkeypatch.setattr(Ledger, "_see_rescued", lambda self: None)
    monkeypatch.setattr(os, "access", lambda *a: False)
    assert lose(folder, monkeypatch, range(1, 2)).lost == 1
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "x"
