"""Pages of the words of the language: their recipes check."""

from __future__ import annotations

import re

import pytest

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
