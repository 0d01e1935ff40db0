"""A new operator is linted with no edit: its traits say what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

import pytest

from recipec import registry
from recipec.api import ColumnName, ModelFacts, ModelRef, Operator, Rewrite, Schema, Settings, Traits, operator, provider, vote
from recipec.lints._run import lint
from recipec.models._base import ModelSettings, Provider
from recipec.resolve.binder import StepBinder
from recipec.resolve.loading import load
from recipec.source import Source
from recipec.syntax import tree
from recipec.votes._base import Vote

SOURCE = 'recipe "r" { seed: 1 }\nsource rows = csv("r.csv") { key: id  columns: { id: text, text: text, n: int } }\n'


class Params(Settings):
    column: ColumnName


@pytest.fixture
def new(request: pytest.FixtureRequest) -> Iterator[None]:
    """An operator ``unheard`` with the traits of the test's parameter, whose author never heard of lints."""

    class Novel(Operator):
        traits = request.param

        def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
            return Rewrite("SELECT * FROM {input}", schema)

    Novel.Params = Params
    operator("unheard")(Novel)
    yield
    registry._found.pop(("operator", "unheard"))


def found(text: str) -> list[tuple[int, str]]:
    program = load(Source("test.recipe", SOURCE + text), offline=True)
    program.resolve()
    assert not program.findings.items
    return [(d.span.place[0], d.name) for d in lint(program)]


@pytest.mark.parametrize("new", [Traits(copies_rows=True, changes_rows=True)], indirect=True)
def test_one_that_copies_rows(new: None) -> None:
    steps = "clean wide from rows { unheard(text) }\nclean tidy from wide { n = n + 1 }\n"
    assert found(f"{steps}split final from tidy {{ train: 80%  test: 20% }}\n") == [(5, "augment-before-split")]
    assert found(f"{steps}split final from tidy {{ train: 80%  test: 20%  group: id }}\n") == []
    assert found(f"{steps}split final from tidy {{ train: 80%  test: 20%  group: text }}\n") == [(5, "augment-before-split")]


@pytest.mark.parametrize("new", [Traits(scope="global", fits_on_data=True)], indirect=True)
def test_one_that_learns_from_the_rows(new: None) -> None:
    split = "split final from {} {{ train: 80%  test: 20% }}\n"
    assert found(split.format("rows") + "clean train from final.train { unheard(n) }\nsplit folds from train { folds: 3 }\n") == []
    fit = "clean fit from rows { unheard(n) }\nclean tidy from fit { n = n + 1 }\n"
    assert found(fit + split.format("tidy")) == [(3, "fit-before-split")]


@pytest.mark.parametrize("new", [Traits(scope="global", changes_rows=True, removes_duplicates=True)], indirect=True)
def test_one_that_removes_duplicates(new: None) -> None:
    split = "split final from rows { train: 80%  test: 20% }\n"
    assert found(f"{split}clean train from final.train {{ unheard(text) }}\n") == [(4, "dedupe-after-split")]
    once = split.replace("rows", "once")
    assert found(f"clean once from rows {{ unheard(text) }}\n{once}clean train from final.train {{ unheard(text) }}\n") == []


@pytest.mark.parametrize("new", [Traits()], indirect=True)
def test_one_that_may_change_what_it_names_leaves_no_facts_of_it(new: None) -> None:
    assert found("clean tidy from rows { keep where n > 5  unheard(n)  drop where n < 3 }\n") == []
    assert found("clean tidy from rows { keep where n > 5  unheard(text)  drop where n < 3 }\n") == [(3, "rule-never-fires")]


class ProviderParams(Settings):
    model: str


class VoteParams(Settings):
    text: ColumnName
    model: ModelRef


@pytest.fixture
def strange() -> Iterator[None]:
    """A provider ``oracle`` on a server outside, and a vote ``likes`` for "a" alone, whose authors never heard of lints."""

    class Oracle(Provider):
        Params = ProviderParams

        def facts(self, settings: ModelSettings) -> ModelFacts:
            return ModelFacts("oracle", self.params.model, frozenset({"complete"}), True, pinned=False, host="oracle.example.org")

        def meaning(self) -> dict[str, str]:
            return {"model": self.params.model}

        def open(self, opening: object) -> NoReturn:
            raise NotImplementedError

    class Likes(Vote):
        Params = VoteParams

        def polarity(self, classes: Sequence[str]) -> Sequence[str]:
            return ["a"]

        def run(self, voting: object) -> NoReturn:
            raise NotImplementedError

    provider("oracle")(Oracle)
    vote("likes")(Likes)
    yield
    registry._found.pop(("provider", "oracle"))
    registry._found.pop(("vote", "likes"))


def test_new_models_and_votes(strange: None) -> None:
    recipe = (
        'source people = csv("p.csv") { key: id  columns: { id: text, email: text, truth: text } }\n'
        'model m = oracle("anything")\n'
        'label topic from people { classes: ["a", "b"]  gold: truth\n'
        "  vote likes(email, m)\n"
        "}\n"
        'label other from people { classes: ["a", "b"]  gold: truth\n'
        "  vote likes(truth, m)\n"
        "}\n"
    )
    missing = "unreachable-class"
    assert sorted(found(recipe)) == [
        (4, "unpinned-model"),
        (5, missing),
        (6, "personal-data-to-external-model"),
        (8, missing),
        (9, "label-in-features"),
    ]
