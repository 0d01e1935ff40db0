"""What older and newer versions have written is read, or refused with the way forward; and the way forward leads there."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.models.server import serving

if TYPE_CHECKING:
    from tests.conftest import Lab

RECIPE = '''\
model lm = openai("m", base_url: "URL", max_tokens: 8)
template ask(text) """Which one is it: {{ text }}"""
source rows = csv("rows.csv") { key: id }
label topic from rows { classes: ["games", "sound"]  vote llm(lm, ask(text)) }
export out from topic { to: "build/out.jsonl"  format: jsonl() }
'''


def says(request: dict[str, Any]) -> tuple[str, str]:
    return ("games", "sound")[len(str(request["messages"])) % 2], "stop"


@pytest.fixture
def asked(lab: Lab) -> Any:
    """A workspace with answers of a model; and the server, which counts."""
    lab.write("rows.csv", "id,text\n" + "".join(f"{i},{'a game' if i % 3 else 'the sound of it'} {i}\n" for i in range(12)))
    with serving(says=says) as server:
        text = RECIPE.replace("URL", server.url)
        lab.write("r.recipe", text)
        lab.run(text, name="r.recipe")
        assert server.number == 12
        yield lab, server, text


def command(folder: Path, *words: str) -> tuple[int, str]:
    """(status, what is said) of the command in this process."""
    import contextlib
    import io

    from recipec.cli import main

    out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(list(words))
    finally:
        os.chdir(before)
    said = re.sub(r" in [\d.]+ s$", "", " ".join((out.getvalue() + err.getvalue()).split()))
    assert "bug in recipec" not in said, said
    assert "Traceback" not in said, said
    return status, said


def set_format(folder: Path, version: int | None) -> None:
    import duckdb

    with duckdb.connect(str(folder / ".recipec" / "work.duckdb")) as con:
        con.execute("DELETE FROM recipec.format")
        if version is not None:
            con.execute("INSERT INTO recipec.format VALUES (?)", [version])


def storage_version(folder: Path) -> None:
    """A database as a DuckDB of years to come writes it."""
    path = folder / ".recipec" / "work.duckdb"
    data = bytearray(path.read_bytes())
    assert data[8:12] == b"DUCK"
    data[12:20] = struct.pack("<Q", 9999)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda f: set_format(f, 1), "in format 1, by an older recipec"),
        (lambda f: set_format(f, 99), "in format 99, by a newer recipec"),
        (lambda f: set_format(f, None), "in format None"),
        (storage_version, "cannot open .recipec/work.duckdb"),
    ],
)
def test_a_database_of_another_version(asked: Any, forge: Callable[[Path], None], words: str) -> None:
    """It is refused; what is then to be removed holds no answer that was paid for."""
    lab, server, _ = asked
    before = (lab.folder / "build" / "out.jsonl").read_bytes()
    forge(lab.folder)
    for verb in (["run", "--yes"], ["plan"], ["show", "topic"], ["gc"]):
        status, said = command(lab.folder, *verb)
        assert status == 2, said
        assert words in said
        assert "remove .recipec/work.duckdb* and run again" in said
        assert "answers that were paid for are kept" in said
    for path in (lab.folder / ".recipec").glob("work.duckdb*"):
        path.unlink()
    status, said = command(lab.folder, "run", "--yes")
    assert status == 0, said
    assert server.number == 12, "nothing is paid for twice"
    assert (lab.folder / "build" / "out.jsonl").read_bytes() == before


@pytest.mark.parametrize("version", [0, 2])
def test_a_ledger_of_another_version(asked: Any, version: int) -> None:
    """It is refused before anything is asked, and nothing is added to it."""
    lab, server, text = asked
    path = lab.folder / ".recipec" / "ledger" / "answers-0001.jsonl"
    right = path.read_bytes()
    path.write_bytes(right.replace(b'"version":1', b'"version":%d' % version, 1))
    lab.write("r.recipe", text.replace("Which one is it", "Which is it"))
    status, said = command(lab.folder, "run", "--yes")
    assert status in (1, 2), said
    assert f"has version {version}" in said
    assert "run the recipec that wrote it, or move the folder away" in said
    assert server.number == 12
    path.write_bytes(right)
    assert command(lab.folder, "run", "--yes")[0] == 0
    assert server.number == 24


def test_a_lock_of_another_version(asked: Any) -> None:
    """Fields that this version does not know, or that another did not write, are drift like any other."""
    lab, _, _ = asked
    assert command(lab.folder, "lock", "r.recipe")[0] == 0
    path = lab.folder / "r.lock"
    right = path.read_text(encoding="utf-8")
    assert command(lab.folder, "run", "--locked", "--yes")[0] == 0
    for forged in (
        right + "\n[tomorrow]\nnew = 1\n",
        right.replace("[recipe]", "[recipe]\nformat = 7"),
        right.partition("[versions]")[0],
        "\n".join(line for line in right.splitlines() if "fingerprint" not in line),
    ):
        path.write_text(forged, encoding="utf-8")
        status, said = command(lab.folder, "run", "--locked", "--yes")
        assert status in (0, 1), said
        assert status == 0 or "lock" in said
    path.write_text("<<<<<<< ours\n" + right, encoding="utf-8")
    status, said = command(lab.folder, "run", "--locked", "--yes")
    assert status == 2
    assert "write it anew: recipec lock" in said


def test_findings_kept_by_another_version_are_not_read(
    asked: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _, _ = asked
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("RECIPEC_NO_CACHE", raising=False)
    lab.write("r.recipe", RECIPE.replace("URL", "http://localhost:1/v1").replace("text)) }", "txt)) }"))
    first = command(lab.folder, "check", "r.recipe")
    kept = list(cache.rglob("check-*.json"))
    for path in kept:
        _, _, body = path.read_bytes().partition(b"\n")
        entry = json.loads(body)
        entry["code"] = "another"
        entry["findings"] = "of another shape"
        from hashlib import blake2b

        forged = json.dumps(entry).encode()
        path.write_bytes(blake2b(forged, digest_size=16).hexdigest().encode() + b"\n" + forged)
    assert kept
    assert command(lab.folder, "check", "r.recipe") == first
