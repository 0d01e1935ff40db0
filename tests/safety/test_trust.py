"""A run executes a recipe's own code only where the user trusts it, and says so first."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from recipec import trust
from recipec.api import DataError
from recipec.cli import main

RECIPE = """source x = csv("x.csv") { key: id  columns: { id: int, text: text } }
python ran from x { call: "own:run"  columns: { text: text } }
label voted from x { classes: ["a", "b"]  vote plugin("own:vote") as v  combine: majority()  unsure: keep }
clean plain from x { limit(1) }
"""
OWN = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\ndef run(batch):\n    return batch\n\n\ndef vote(batch):\n    return ['a'] * batch.num_rows\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe that has code of its own; nothing is trusted."""
    place = tmp_path / "somebody's"
    place.mkdir()
    (place / "t.recipe").write_text(RECIPE, encoding="utf-8")
    (place / "own.py").write_text(OWN, encoding="utf-8")
    (place / "x.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(place)
    return place


def test_refused_with_the_ways_to_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "t.recipe"]) == 2
    said = capsys.readouterr().err
    for word in ("`run` in own.py (step `ran`)", "`vote` in own.py (step `voted`)", "recipec trust", "--trust", trust.VARIABLE):
        assert word in said
    assert not (folder / "ran").exists()
    assert not (folder / ".recipec").exists(), "it is asked before anything is made"


def test_steps_without_code_need_no_trust(folder: Path) -> None:
    assert main(["run", "t.recipe", "--only", "plain"]) == 0
    assert not (folder / "ran").exists()


def test_for_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "t.recipe", "--trust"]) == 0
    said = capsys.readouterr().out
    assert said.index("runs code of the recipe's own: `run` in own.py") < said.index("ran ")
    assert (folder / "ran").exists()
    (folder / "x.csv").write_text("id,text\n1,a\n3,c\n", encoding="utf-8")
    assert main(["run", "t.recipe"]) == 2, "the next is asked again"


def test_by_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.VARIABLE, f"/nowhere{os.pathsep}{folder.parent}")
    assert main(["run", "t.recipe", "--only", "ran"]) == 0


def test_the_list(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["trust"]) == 0
    assert "no folder is trusted" in capsys.readouterr().err
    assert main(["trust", "."]) == 0
    kept = tmp_path / "config" / "recipec" / "trust.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == {"folders": [str(folder.resolve())]}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    capsys.readouterr()
    assert main(["trust"]) == 0
    assert capsys.readouterr().out == f"{folder.resolve()}\n"
    assert main(["run", "t.recipe", "--only", "ran"]) == 0
    assert main(["trust", "--remove", "."]) == 0
    assert main(["trust", "--remove", "."]) == 2
    assert main(["trust", "nowhere"]) == 2
    assert main(["trust", "--remove"]) == 2
    assert trust.listed() == []


def test_a_link_in_a_trusted_folder_is_where_it_leads(folder: Path, tmp_path: Path) -> None:
    inside = tmp_path / "mine"
    inside.mkdir()
    (inside / "own.py").symlink_to(folder / "own.py")
    with trust.trusting(inside):
        assert not trust.allowed(inside / "own.py")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"folders": ["relative"]}', '{"folders": 3}', "\x00", "[" * 100_000])
def test_a_list_that_is_none_trusts_nothing(folder: Path, text: str) -> None:
    path = trust.configuration()
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(DataError, match="trust"):
        trust.allowed(folder / "own.py")


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_list_that_others_can_write_trusts_nothing(folder: Path) -> None:
    trust.add(folder)
    trust.configuration().chmod(0o622)
    with pytest.raises(DataError, match="written by others"):
        trust.allowed(folder / "own.py")


def test_from_python(folder: Path) -> None:
    import recipec

    recipe = recipec.load("t.recipe")
    with pytest.raises(recipec.RecipecError, match="you have not said that you trust it"):
        recipe.run(only="ran", progress=False)
    assert not (folder / "ran").exists()
    assert len(recipe.run(only="ran", progress=False, trust=True)["ran"].rows()) == 2


def test_there_is_no_way_past_the_question(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What loads a module asks itself, whoever began the run."""
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(lab.folder / "config"))
    lab.write("own.py", OWN)
    lab.write("x.csv", "id,text\n1,a\n")
    ran = lab.run(RECIPE, good=False)
    assert "nobody has said" in ran.error("ran")
    assert "nobody has said" in ran.error("voted")
    assert not (lab.folder / "ran").exists()
