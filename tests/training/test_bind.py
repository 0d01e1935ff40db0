"""Tasks at check: columns of the right type, said at their place."""

from __future__ import annotations

from typing import Any

import pytest

TABLE = """
source rows = jsonl("rows.jsonl") {
  columns: { text: text, label: text, n: int, x: float, yes: bool, tokens: [text], tags: [text], many: [text],
             chat: [{ role: text, content: text }], shares: map(text, float) }
}
"""


def findings(lab: Any, task: str) -> list[str]:
    lab.write("rows.jsonl", "")
    text = f"{TABLE}train m from rows {{ task: {task}  base: scratch(layers: 1, width: 32) }}\n"
    return [d.message for d in lab.check(text, offline=True) if d.severity == "error"]


def plan(lab: Any, task: str) -> Any:
    lab.write("rows.jsonl", "")
    text = f"{TABLE}train m from rows {{ task: {task}  base: scratch(layers: 1, width: 32) }}\n"
    made = lab.sound(text, offline=True).resolved["m"]
    assert made is not None
    return made.bound.plan.spec


@pytest.mark.parametrize(
    ("task", "form", "roles"),
    [
        ("classify(text => label)", "single", ("text", "label")),
        ("classify(text || label => n)", "single", ("text", "label")),
        ("classify(text => yes)", "single", ("text", "label")),
        ("classify(text => many)", "multi", ("text", "label")),
        ("classify(text => label, confidence: x)", "soft", ("text", "label", "confidence")),
        ("classify(text => label, probabilities: shares)", "soft", ("text", "label", "probabilities")),
        ("classify(text => label, weight: n)", "single", ("text", "label", "weight")),
        ("tag(tokens => tags)", "tags", ("tokens", "tags")),
        ("regress(text => x)", "number", ("text", "label")),
        ("generate(chat)", "messages", ("messages",)),
        ("generate(text => label)", "pair", ("prompt", "answer")),
        ("generate(text => label, system: text)", "pair", ("prompt", "answer", "system")),
        ("embed(text, label)", "pairs", ("a", "b")),
        ("embed(text, label, negative: label)", "triples", ("a", "b", "negative")),
        ("prefer(text, label, label)", "dpo", ("prompt", "chosen", "rejected")),
        ("prefer(chat, label, label, method: orpo)", "orpo", ("prompt", "chosen", "rejected")),
        ("prefer(text, label, good: yes)", "kto", ("prompt", "chosen", "good")),
    ],
)
def test_forms(lab: Any, task: str, form: str, roles: tuple[str, ...]) -> None:
    spec = plan(lab, task)
    assert (spec.form, spec.roles) == (form, roles)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("classify(n => label)", "this must be text, and is int"),
        ("classify(text => x)", "this must be a class (text, int or bool) or a list of texts, and is float"),
        ("classify(text)", "this must be pairs"),
        ("classify()", "this task wants one `input => answer`"),
        ("classify(text => label, confidence: text)", "this must be a number from 0 to 1, and is text"),
        ("classify(text => many, confidence: x)", "this must be one class, where there are confidences"),
        ("tag(text => tags)", "this must be a list of words, and is text"),
        ("regress(text => label)", "this must be a number, and is text"),
        ("generate()", "`generate` wants messages, or one `prompt => answer`"),
        ("generate(text)", "`text` is text, not a list of messages"),
        ("generate(chat, system: text)", "`system` goes with `prompt => answer`"),
        ("embed(text, n)", "this must be text, and is int"),
        ("prefer(text, label)", "`dpo` wants `rejected` and no `good`"),
        ("prefer(text, label, label, method: kto)", "`kto` wants `good` and no `rejected`"),
        ("prefer(text, label, good: n)", "this must be true or false, and is int"),
    ],
)
def test_what_is_wrong_is_said(lab: Any, task: str, words: str) -> None:
    found = findings(lab, task)
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize("name", ["classify", "tag", "generate", "regress", "embed", "prefer"])
def test_the_examples_parse_and_every_argument_is_explained(name: str) -> None:
    import re

    from recipec.registry import find, names
    from recipec.source import Source
    from recipec.syntax.parse import parse

    assert name in names("task")
    cls: Any = find("task", name)
    (example,) = re.findall(r"```recipe\n(.*?)```", cls.__doc__, re.S)
    assert parse(Source(name, example))[1] == []
    assert f"task: {name}(" in example
    for argument in cls.Params.model_fields:
        assert argument == "pairs" or re.search(rf"\b{argument}\b", cls.__doc__), argument
