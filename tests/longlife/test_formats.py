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


@pytest.mark.parametrize(
    "header",
    [{"version": 0}, {"version": 2}, {"version": None}, {"dimensions": 0}, {"dimensions": "3"}, {"format": "tomorrow's vectors"}, None],
)
def test_vectors_of_another_version(tmp_path: Path, header: dict[str, Any] | None) -> None:
    from recipec.models.ledger import LedgerError
    from recipec.models.vectors import HEADER, Store

    store = Store(tmp_path, "m")
    store.add([(bytes(16), bytes(12))])
    path = store.path(1)
    store.close()
    whole = path.read_bytes()
    about = json.loads(whole[:HEADER])
    forged = b"\x07" * HEADER if header is None else json.dumps(about | header).encode().ljust(HEADER - 1) + b"\n"
    path.write_bytes(forged + whole[HEADER:])
    with pytest.raises(LedgerError, match=r"(move the file|Move it) away"):
        Store(tmp_path, "m")
    path.write_bytes(whole)
    assert Store(tmp_path, "m").has(bytes(16))


@pytest.mark.parametrize("version", [0, 2])
def test_rescued_answers_of_another_version(asked: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int) -> None:
    """What was kept elsewhere for a ledger has the ledger's format."""
    from recipec.models import rescue
    from recipec.models.ledger import HEADER

    lab, server, _ = asked
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = rescue.place(lab.folder / ".recipec" / "ledger")
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_bytes(HEADER.replace(b'"version":1', b'"version":%d' % version))
    lab.write("rows.csv", "id,text\n1,a new game\n")
    status, said = command(lab.folder, "run", "--yes")
    assert status in (1, 2), said
    assert f"has version {version}" in said
    assert server.number == 12


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", "{", '{"files": 3}', '{"mark": 1, "files": [{"path": "../../x", "name": "x", "size": 1}], "facts": {}}', '{"files": [{}]}'],
)
def test_a_copy_of_another_version_is_copied_again(tmp_path: Path, manifest: str) -> None:
    """A manifest that this version does not read is none."""
    from types import SimpleNamespace

    from recipec.mirror.catalog import MANIFEST, Catalog

    (tmp_path / "k").mkdir()
    (tmp_path / "k" / MANIFEST).write_text(manifest, encoding="utf-8")
    assert Catalog(tmp_path).snapshot(SimpleNamespace(key="k")) is None  # type: ignore[arg-type]


def facts(folder: Path) -> Any:
    from recipec.training._bases import facts

    return facts(folder)


def test_a_model_of_another_version(tmp_path: Path) -> None:
    from recipec.api import DataError

    right: dict[str, Any] = {
        "task": "classify", "form": "single", "classes": ["a"], "task_facts": {},
        "spec": {"task": "classify", "form": "single", "roles": {}, "max_length": 8},
    }  # fmt: skip
    path = tmp_path / "recipec.json"
    path.write_text(json.dumps(right | {"tomorrow": 1}), encoding="utf-8")
    assert facts(tmp_path) == right | {"tomorrow": 1}
    wrong = [{k: v for k, v in right.items() if k != name} for name in right] + [
        right | {"spec": {"task": "classify"}},
        right | {"spec": None},
    ]
    for text in (*map(json.dumps, wrong), "", "[]", "3", "{", "[" * 100_000):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="not as this version of recipec writes it") as told:
            facts(tmp_path)
        assert "train the model again" in told.value.help
