"""Pages of the words of the language: their recipes check."""

from __future__ import annotations

import json
import re

import pytest
from cli_harness import Run

from recipec.cli._words import PAGES, page
from recipec.source import Source
from recipec.syntax.parse import parse


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_there_and_its_recipe_parses(name: str) -> None:
    text = page(name)
    assert text is not None
    for block in re.findall(r"```recipe\n(.*?)```", text, re.S):
        assert parse(Source("page.recipe", block))[1] == []


def test_other_words_have_none() -> None:
    assert page("dedupe") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("many", "many   setting of label\n  takes true | false; default false\n\n  `many: true` gives a row every class that fits"),
        ("accept", "`accept` sees the columns"),
        ("calibrate", "takes temperature | isotonic; default none"),
        ("stratify", "stratify   setting of split"),
        ("layers", "argument of base: scratch(...) of train"),
        ("isotonic", "value of calibrate: of label"),
        ("lora", "choice for adapter: of train"),
        ("search", "block of train"),
        ("seed", "setting of the head, recipe: int; default 0"),
        ("text", "(+"),
    ],
)
def test_settings_and_their_values_are_found(recipec: Run, name: str, said: str) -> None:
    found = recipec("docs", name)
    assert found.status == 0
    assert said in found.out
    assert "says more" in found.out.splitlines()[-1]


def test_a_slip_in_a_setting_is_told(recipec: Run) -> None:
    assert "did you mean `accept`?" in recipec("docs", "acept").err
    assert json.loads(recipec("docs", "accept", "--format", "json").out)[0]["page"] == "label"
    assert recipec("docs", "accept", "--format", "md").out.startswith("### `accept`: setting of label")
