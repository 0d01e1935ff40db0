"""A new operator is linted with no edit: its traits say what it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recipec import registry
from recipec.api import ColumnName, Operator, Rewrite, Schema, Settings, Traits, operator
from recipec.lints._run import lint
from recipec.resolve.binder import StepBinder
from recipec.resolve.loading import load
from recipec.source import Source
from recipec.syntax import tree

SOURCE = 'recipe "r" { seed: 1 }\nsource rows = csv("r.csv") { key: id  columns: { id: text, text: text, n: int } }\n'


class Params(Settings):
    column: ColumnName


@pytest.fixture
def new(request: pytest.FixtureRequest) -> Iterator[None]:
    """An operator ``novel`` with the traits of the test's parameter, whose author never heard of lints."""

    class Novel(Operator):
        traits = request.param

        def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
            return Rewrite("SELECT * FROM {input}", schema)

    Novel.Params = Params
    operator("novel")(Novel)
    yield
    registry._found.pop(("operator", "novel"))


def found(text: str) -> list[tuple[int, str]]:
    program = load(Source("test.recipe", SOURCE + text), offline=True)
    program.resolve()
    assert not program.findings.items
    return [(d.span.place[0], d.name) for d in lint(program)]


@pytest.mark.parametrize("new", [Traits(copies_rows=True, changes_rows=True)], indirect=True)
def test_one_that_copies_rows(new: None) -> None:
    steps = "clean wide from rows { novel(text) }\nclean tidy from wide { n = n + 1 }\n"
    assert found(f"{steps}split final from tidy {{ train: 80%  test: 20% }}\n") == [(5, "augment-before-split")]
    assert found(f"{steps}split final from tidy {{ train: 80%  test: 20%  group: id }}\n") == []
    assert found(f"{steps}split final from tidy {{ train: 80%  test: 20%  group: text }}\n") == [(5, "augment-before-split")]


@pytest.mark.parametrize("new", [Traits(scope="global", fits_on_data=True)], indirect=True)
def test_one_that_learns_from_the_rows(new: None) -> None:
    split = "split final from {} {{ train: 80%  test: 20% }}\n"
    assert found(split.format("rows") + "clean train from final.train { novel(n) }\nsplit folds from train { folds: 3 }\n") == []
    fit = "clean fit from rows { novel(n) }\nclean tidy from fit { n = n + 1 }\n"
    assert found(fit + split.format("tidy")) == [(3, "fit-before-split")]


@pytest.mark.parametrize("new", [Traits(scope="global", changes_rows=True, removes_duplicates=True)], indirect=True)
def test_one_that_removes_duplicates(new: None) -> None:
    split = "split final from rows { train: 80%  test: 20% }\n"
    assert found(f"{split}clean train from final.train {{ novel(text) }}\n") == [(4, "dedupe-after-split")]
    once = split.replace("rows", "once")
    assert found(f"clean once from rows {{ novel(text) }}\n{once}clean train from final.train {{ novel(text) }}\n") == []


@pytest.mark.parametrize("new", [Traits()], indirect=True)
def test_one_that_may_change_what_it_names_leaves_no_facts_of_it(new: None) -> None:
    assert found("clean tidy from rows { keep where n > 5  novel(n)  drop where n < 3 }\n") == []
    assert found("clean tidy from rows { keep where n > 5  novel(text)  drop where n < 3 }\n") == [(3, "rule-never-fires")]
