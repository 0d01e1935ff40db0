"""Docstrings as pages, and the reference made from the registry."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from recipec.registry import names
from recipec.report import reference, reference_text, rules
from recipec.report.cells import width
from recipec.report.pages import first_sentence, page
from recipec.report.terminal import Terminal

Make = Callable[..., Terminal]
DOC = """Of rows that say the same, keep ``one``. More.

A paragraph that is long enough to be broken over two lines when the terminal is a narrow one, with `code in it`.

```recipe
clean tidy from packages {
  dedupe(text)
}
```

- an item that goes on
  in a second line
- 另一项

| argument | meaning | default |
|---|---|---|
| `near` | how alike two texts must be, as a share of their n-grams, to be the same | `none` |

>>> words("a b")
2
"""


def test_golden(terminal: Make, golden: Callable[[str, str], None]) -> None:
    golden("page.txt", page(DOC, terminal(60)))


def test_first_sentence() -> None:
    assert first_sentence(DOC) == "Of rows that say the same, keep ``one``"
    assert first_sentence("One paragraph.") == "One paragraph"


@pytest.mark.parametrize("group", list(reference.TITLES))
def test_every_entry_of_the_registry_has_a_page(group: reference.Group, terminal: Make) -> None:
    found = list(reference.entries(group))
    assert [e.name for e in found] == names(group)
    for e in found:
        assert e.doc, f"{e.group} {e.name} has no documentation"
        assert e.summary
        shown = reference_text.entry_page(e, terminal(100))
        assert e.name in shown
        assert json.dumps(reference_text.data(e))
    assert all(width(line) <= 80 for line in reference_text.overview([(group, found)], terminal(80)).splitlines())


def test_markdown_of_the_reference_has_a_heading_a_thing() -> None:
    groups = [(g, list(reference.entries(g))) for g in reference.TITLES]
    text = reference_text.markdown(groups)
    for _, entries in groups:
        for e in entries:
            assert f"### `{e.name}`" in text
    assert text.count("```") % 2 == 0


def test_arguments_in_words() -> None:
    e = reference.entry("operator", "dedupe")
    assert e is not None
    near = next(p for p in e.params if p.name == "near")
    assert near.type == "number, more than 0, at most 1"
    assert e.signature.startswith("dedupe(column, ...")


@pytest.mark.parametrize("name", rules.names())
def test_every_rule_has_a_page_and_a_code_of_its_own(name: str) -> None:
    rule = rules.find_rule(name)
    assert rule is not None
    assert rule.title, f"{name} has no page"
    assert rules.resolve_name(rule.code.lower()) == name
    assert sum(code == rule.code for code, _ in rules.index().values()) == 1


def test_rules_that_do_not_exist() -> None:
    assert rules.find_rule("no-such-rule") is None
    assert rules.suggestion("unknown-colum") == "unknown-column"
