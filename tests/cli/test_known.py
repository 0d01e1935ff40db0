"""What DuckDB said of a recipe is kept: after an edit only what changed is asked, and the findings are those of a check that asks all."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipec.cli import _cache, _known
from recipec.cli._analysis import add_lints, analyse
from recipec.resolve.typing import Typing
from recipec.source import Source

ROOT = Path(__file__).resolve().parents[2]
CORPUS = [*sorted((ROOT / "tests" / "bad").glob("*.recipe")), *sorted((ROOT / "recipes").glob("*.recipe"))]

ROWS = "id,text,n\n1,one,1\n2,two,2\n"
GOOD = """source rows = csv("rows.csv") { key: id  columns: { id: int, text: text, n: int } }
clean a from rows { long = length(text) + n  drop where n > 5 as "many" }
clean b from a { text = upper(text) |> replace("A", "B")  keep where long >= 1 as "short" }
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("own") / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setattr(_cache, "code_stamp", lambda: "this code")
    monkeypatch.setattr(_known, "code_stamp", lambda: "this code")
    _known.stamps.cache_clear()
    return folder / "recipec"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that the binder was really asked."""
    seen: list[str] = []
    real = Typing.asked

    def note(self: Typing, query: str) -> dict[str, str]:
        seen.append(query)
        return real(self, query)

    monkeypatch.setattr(Typing, "asked", note)
    return seen


def found(path: Path, text: str) -> list[Any]:
    program = analyse(Source(str(path), text), {}, offline=False)
    add_lints(program)
    numbers = {name: n for n, name in enumerate(program.sources)}
    schemas = [(s.name, dict(o.types), o.unsure) for s in program.steps for o in s.bound.outputs.values()]
    return [[_cache.pack(d, numbers) for d in program.findings.sorted], schemas]


def edited(text: str, chance: random.Random) -> str:
    """A line left out, a number or a word that is another, or an operator."""
    lines = text.split("\n")
    n = chance.randrange(len(lines))
    changes = [
        lambda s: "",
        lambda s: re.sub(r"\d+", "3", s),
        lambda s: re.sub(r"[<>]=?", "==", s),
        lambda s: re.sub(r"\b(text|lower|upper|description)\b", "length", s),
        lambda s: s + "\n" + s,
    ]
    lines[n] = chance.choice(changes)(lines[n])
    return "\n".join(lines)


@pytest.mark.parametrize("share", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))])
def test_with_what_is_known_the_findings_are_the_same(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(share)
    for path in CORPUS[share::12]:
        text = path.read_text(encoding="utf-8")
        first = found(path, text)
        assert found(path, text) == first, path
        changed = edited(text, chance)
        with_known = found(path, changed)
        with monkeypatch.context() as without:
            without.setenv("RECIPEC_NO_CACHE", "1")
            assert found(path, changed) == with_known, (path, changed)


def test_only_what_changed_is_asked(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    path = tmp_path / "a.recipe"
    found(path, GOOD)
    everything = len(asked)
    assert everything == 2
    found(path, f"# a remark\n{GOOD}")
    assert len(asked) == everything
    found(path, GOOD.replace("n > 5", "n > 6"))
    assert len(asked) == everything + 1
    found(
        path, GOOD.replace("length(text) + n", "length(text) / n")
    )  # `long` is no whole number any more: the step below reads another table
    assert len(asked) == everything + 3


def test_duckdb_is_not_loaded_where_nothing_is_asked(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    code = "import sys; from recipec.cli import main; main(['check', 'a.recipe']); print('_duckdb' in sys.modules, 'duckdb' in sys.modules)"
    loaded = []
    for text in (GOOD, f"{GOOD}# a remark\n", GOOD.replace("n > 5", "n > 6")):
        (tmp_path / "a.recipe").write_text(text)
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), check=True)
        loaded.append(done.stdout.split("\n")[-2])
    assert loaded == ["True False", "False False", "True False"]


def test_a_header_is_that_of_the_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    path, text = tmp_path / "a.recipe", 'source rows = csv("rows.csv") { key: id }\nclean a from rows { m = n + 1 }\n'
    assert found(path, text) == found(path, text)
    assert found(path, text)[1][0][1]["n"] == "BIGINT"
    (tmp_path / "rows.csv").write_text("id,text,n\n1,one,x\n2,two,2\n")
    program = analyse(Source(str(path), text), {}, offline=False)
    assert [d.name for d in program.findings.sorted] == ["wrong-type"]
    (tmp_path / "rows.csv").write_text("id,text,m\n1,one,1\n2,two,2\n")
    assert [d.name for d in analyse(Source(str(path), text), {}, offline=False).findings.sorted] == ["unknown-column"]


@pytest.mark.parametrize("damage", ["cut", "forged", "empty", "other", "list"])
def test_an_entry_that_is_not_ours_is_ignored(damage: str, tmp_path: Path, own_cache: Path, asked: list[str]) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    path = tmp_path / "a.recipe"
    right = found(path, GOOD)
    (entry,) = own_cache.glob("known-*.json")
    body = entry.read_bytes().partition(b"\n")[2]
    kept = json.loads(body)
    match damage:
        case "cut":
            entry.write_bytes(entry.read_bytes()[:-5])
        case "forged":  # the digest is wrong
            entry.write_bytes(b"0" * 32 + b"\n" + body.replace(b"BIGINT", b"VARCHAR"))
        case "empty":
            entry.write_bytes(b"")
        case "other":
            _cache.save(entry, json.dumps(kept | {"for": ["another version"]}).encode())
        case "list":
            _cache.save(entry, json.dumps(kept | {"types": {k: ["BIGINT"] for k in kept["types"]}}).encode())
    before = len(asked)
    assert found(path, GOOD) == right
    assert len(asked) == 2 * before


@pytest.mark.skipif(os.name != "posix", reason="owners and modes are those of POSIX")
def test_what_another_could_have_written_is_not_believed(tmp_path: Path, own_cache: Path, asked: list[str]) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    path = tmp_path / "a.recipe"
    found(path, GOOD)
    before = len(asked)
    (entry,) = own_cache.glob("known-*.json")
    entry.chmod(0o666)
    found(path, GOOD)
    assert len(asked) == 2 * before


def test_what_is_asked_of_sql_is_asked_each_time(tmp_path: Path, asked: list[str]) -> None:
    """A query reads its inputs under names of its own, so its text alone does not say what its columns are."""
    (tmp_path / "rows.csv").write_text(ROWS)
    path, text = tmp_path / "a.recipe", GOOD + 'sql c from b """select id, n from b""" { key: id }\n'
    found(path, text)
    before = len(asked)
    found(path, f"{text}# a remark\n")
    assert [q for q in asked[before:] if not q.startswith("select id")] == []
    assert len(asked) > before
