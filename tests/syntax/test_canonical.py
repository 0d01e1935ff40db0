"""Canonical texts of fingerprints, written as recipes write them (:mod:`recipec.plan.wording`)."""

from __future__ import annotations

import pytest
from grow import Grower
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.plan.planner import Change, change, paired
from recipec.plan.wording import as_written, contrast, two
from recipec.resolve.expand import canonical
from recipec.source import Source
from recipec.syntax.parse import parse
from recipec.syntax.tree import Def


def meaning(text: str) -> str:
    file, diagnostics = parse(Source("x.recipe", f"def f() = {text}"))
    assert not diagnostics, (text, [d.message for d in diagnostics])
    (item,) = file.items
    assert isinstance(item, Def)
    return canonical(item.body)


@pytest.mark.parametrize(
    "text",
    [
        "words(text) < 3",
        "a and (b or c) and not (d or e)",
        "(a or b) == c",
        "-x ** 2 + (-x) ** 2",
        "a - (b - c) - d",
        "a / (b * c)",
        "(a < b) == (c < d)",
        "not a == b",
        "x not in [1, 2] or y is not null and z is null",
        "n not between 1 and 5",
        r"text not matches r/\b(foo|bar)\b/i",
        'case when a == 1 then "x" when b then f(c) else g(d) end',
        "case a when 1 then 2 when b then 3 end",
        "cast(x as float) + try_cast(y as int)",
        "cast(x as [text]) == cast(y as timestamp)",
        "list_transform(xs, lambda x, i: x + i)",
        "`odd column`.field[1] || xs[2:3][0]",
        "{a: 1, b: [text, null, true]}",
        'replace(text, "\\"\\\\", "")',
        "文本 |> trim",
        "random()",
        "f(n: 1, text)",
    ],
)
def test_a_canonical_text_reads_as_it_was_written(text: str) -> None:
    written = as_written(meaning(text))
    assert "(" not in written[:1] or text.startswith("(")
    assert meaning(written) == meaning(text), written
    if "|>" not in text:
        assert written == text


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_whatever_is_written_means_the_same(seed: int) -> None:
    text = " ".join(Grower(seed, 30).expr()).replace("odd column", "in")
    try:
        known = meaning(text)
    except AssertionError:
        return  # what the grammar takes and the builder refuses
    written = as_written(known)
    assert written == known or meaning(written) == known, (text, known, written)


@pytest.mark.parametrize("text", ["(draft)", "(", "en", "a b c", "(< (words", "[1, 2]", '{"a": 1}', ""])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert as_written(text) == text


def test_of_two_conditions_what_differs_is_told() -> None:
    old, new = meaning("words(text) >= 3 and length(text) > 5"), meaning("words(text) >= 4 and length(text) > 5")
    assert two(old, new) == ("words(text) >= 3", "words(text) >= 4")
    assert two([old, '"web"'], [new, '"web"']) == ("words(text) >= 3", "words(text) >= 4")
    assert two(["dedupe@1", {"near": 0.8, "by": "words"}], ["dedupe@1", {"near": 0.9, "by": "words"}]) == ("near: 0.8", "near: 0.9")


def test_of_long_texts_what_differs_is_told() -> None:
    old = 'when section == "games" and text matches r/(player|puzzle|arcade|joystick)/i => "games" as by_section'
    left, right = contrast(old, old.replace("|joystick", ""))
    assert left == '…er|puzzle|arcade|joystick)/i => "games" a…'
    assert right == '…er|puzzle|arcade)/i => "games" a…'
    assert contrast("short", "shorter") == ("short", "shorter")
    assert contrast("a" * 200, "b" * 200) == ("a" * 59 + "…", "b" * 59 + "…")


def test_filters_are_called_by_what_they_say() -> None:
    known = {"drop: too short": meaning("words(text) < 3")}
    now = {"drop: too short": meaning("words(text) < 4")}
    same = dict.fromkeys(known, "words(text) < least")
    assert str(change("drop: too short", known, now, same, same)) == 'drop "too short": words(text) < 3 -> words(text) < 4'
    assert str(Change("drop: drop where n > 1", None, "n > 1")) == "drop where n > 1 added"


def test_filters_that_are_alike_are_one_that_changed() -> None:
    found = [
        Change("drop: drop where length(text) > 20", None, "length(text) > 20"),
        Change("drop: drop where a is null", None, "a is null"),
        Change("drop: drop where length(text) > 10", "length(text) > 10", None),
    ]
    assert [str(c) for c in paired(found)] == ["drop where a is null added", "drop where: length(text) > 10 -> length(text) > 20"]
