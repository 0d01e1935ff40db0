"""Everything on a cluster: every recipe of the repository, and every kind, voter, combiner, augmenter, selector, task and metric."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipec.registry import names
from tests.models.server import serving
from tests.ray import every_kind
from tests.ray.test_equal import OPERATORS
from tests.recipes.answering import Model

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
REAL = Path(__file__).resolve().parents[1] / "recipes"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
QUICK = ("hash_split", "prompts")
"""Those that every run of the tests looks at; the others want ``--slow``."""


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that answers as a function of the request alone: each engine's workspace has a ledger of its own."""
    with serving(says=Model()) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        yield


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in sorted(p.stem for p in RECIPES.glob("*.recipe"))]
)
def test_recipes(both: Any, answering: None, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "recipes"
    shutil.copytree(RECIPES, folder, ignore=shutil.ignore_patterns("build", ".recipec", "__pycache__"))
    path = folder / f"{name}.recipe"
    both(path, path.read_text(encoding="utf-8"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not beside the repository")
@pytest.mark.parametrize("name", sorted(p.stem for p in REAL.glob("*.recipe")))
def test_recipes_of_real_data(both: Any, answering: None, tmp_path: Path, name: str) -> None:
    path = REAL / f"{name}.recipe"
    both(path, path.read_text(encoding="utf-8"), tmp_path, cutting=None)


def test_kinds_that_ask_no_model(both: Any, tmp_path: Path) -> None:
    every_kind.write(tmp_path, models=False)
    both(tmp_path / "kinds.recipe", every_kind.PLAIN, tmp_path)


@pytest.mark.slow
def test_kinds_that_ask_models(both: Any, tmp_path: Path) -> None:
    """Weights are trained to the same bytes, and answers are the same, whoever gives them."""
    every_kind.write(tmp_path, models=True)
    ways = both(tmp_path / "kinds.recipe", every_kind.ASKING, tmp_path)
    asked = {name: facts["asked"] for name, facts in ways.items() if facts and "asked" in facts}
    for name in (
        "zeroed",
        "neared",
        "voted",
        "said",
        "masked",
        "there",
        "unsure",
        "argued",
        "fluent",
        "guess",
        "classes",
    ):
        assert sum(asked[name].values()) > 0, f"{name} asked no actor"
    assert "doubted" not in asked, "neurons are left out by chance that one process draws"


@pytest.mark.parametrize("group", ["step", "operator", "vote", "combiner", "augmenter", "selector", "task", "metric"])
def test_nothing_is_left_out(group: str) -> None:
    every = " ".join([every_kind.PLAIN, every_kind.ASKING, OPERATORS, *(p.read_text(encoding="utf-8") for p in RECIPES.glob("*.recipe"))])
    words = set(every.replace("(", " ").replace(",", " ").replace("[", " ").replace("]", " ").split())
    assert not set(names(group)) - words
