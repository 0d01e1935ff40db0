"""Every rule's page: what is wrong, what would be right. What it calls bad gives the finding, and what it calls good does not.

Pages show as much as the eye needs, a statement or a name; the contexts here make recipes of it. Pages of lints, which show
whole recipes, are held to more in ``tests/lints/test_pages.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipec.lints._run import names as lints
from recipec.report import rules
from recipec.resolve.loading import load
from recipec.source import Source

ROWS = 'source raw = csv("raw.csv") { columns: { id: int, text: text, label: text, n: int, a: bool, b: text, xs: [int] } }\n'
DESCRIBED = 'source raw = csv("raw.csv") { columns: { id: int, text: text, description: text, `odd column`: int, label: text, n: int } }\n'
CLASSES = 'classes: ["a", "b"]  when text matches r/a/ => "a"  when text matches r/b/ => "b"'
LM = 'model lm = openai("m", base_url: env("URL"))\ntemplate ask(text) """{{ text }}"""\n'
CONTEXTS = (
    "@@\n",
    ROWS + "@@\n",
    DESCRIBED + "clean tidy from raw { @@ }\n",
    ROWS + "clean tidy from raw { @@ }\n",
    ROWS + "clean tidy from raw { keep where @@ }\n",
    ROWS + "clean tidy from raw { extra = @@ }\n",
    ROWS.replace("raw ", "t ") + "clean tidy from t {}\n@@\n",
    ROWS + "clean tidy from raw {}\n@@\n",
    'source raw = csv("raw.csv") { @@ }\n',
    "source raw = @@ { columns: { id: int } }\n",
    'recipe "r" { @@ }\n',
    'template ask(text, examples: [{text: text}]) """@@"""\n',
    'template head() "h"\ntemplate ask(text) """@@"""\n',
    ROWS + LM + 'label topic from raw { classes: ["a", "b"]  @@ }\n',
    ROWS + "label topic from raw { " + CLASSES + "  @@ }\n",
    ROWS + "export out from raw { format: csv()  @@ }\n",
    ROWS.replace("raw ", "rows ") + "@@\n",
    ROWS
    + "repeat 2 as round { train clf from raw { task: classify(text => label)  base: scratch() } }\npredict p from raw { model: @@ }\n",
    ROWS.replace("raw ", "train ") + "split final from train { @@ }\n",
)
TOLD = {
    "ambiguous-name": "speaks of two places of a file",
    "duplicate-name": "speaks of two places of a file",
    "file-too-large": "takes a million characters",
    "missing-file": "takes a folder",
    "outside-folder": "takes two folders",
    "binder": "is what no other rule describes",
    "step-failed": "takes a run",
    "too-large": "takes twenty thousand pieces of an expression",
    "too-deeply-nested": "takes a hundred brackets",
    "too-many-errors": "takes a hundred errors",
    "unclosed-block": "says it in words",
    "unreadable": "takes a file",
    "unreadable-text": "takes a file",
    "allow-without-reason": "a comment, tested with the silences",
    "unknown-allow": "a comment, tested with the silences",
    "unused-allow": "a comment, tested with the silences",
}
"""Pages whose examples are no recipes, and why; their rules have tests of their own."""
_CODE = re.compile(r"``(.+?)``(?!`)|`([^`]+)`", re.S)


def sides(page: str) -> tuple[list[str], list[str]]:
    """The code that a page calls bad, and what it calls good."""
    text = page.replace("\\`", "`")
    _, bad, rest = text.partition("Bad:")
    wrong, good, right = rest.partition("Good")
    assert bad
    assert good
    right = right.split("\n\n")[0]
    return [a or b for a, b in _CODE.findall(wrong)], [a or b for a, b in _CODE.findall(right)]


def found(context: str, text: str) -> set[str]:
    program = load(Source("page.recipe", context.replace("@@", text.replace("{ ... }", "{}"))), offline=True)
    program.resolve()
    return {d.name for d in program.findings}


@pytest.mark.parametrize("name", rules.names())
def test_a_page_says_what_is_bad_and_what_is_good(name: str) -> None:
    rule = rules.find_rule(name)
    assert rule is not None
    assert rule.title
    bad, good = sides(rule.page)
    if name in lints() or name in TOLD:
        return
    assert bad
    assert good
    for context in CONTEXTS:
        if name in found(context, bad[0]) and name not in found(context, good[0]):
            return
    pytest.fail(f"{bad[0]!r} does not give {name} where {good[0]!r} does not: {[found(c, bad[0]) for c in CONTEXTS]}")


def test_what_is_not_shown_as_code_is_there() -> None:
    assert set(TOLD) <= set(rules.names())
    assert Path(__file__).parents[1].joinpath("lints", "test_pages.py").exists()
