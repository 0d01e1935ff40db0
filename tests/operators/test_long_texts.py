"""A text that is measured part by part has the measures of one that is measured whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recipec.fast import quality_c4, quality_c4_long, quality_decontaminate, quality_juicer, quality_parts, quality_rules, quality_runs

CHINESE = "中文，没有空格的长文章。今天天气很好A1B2！"
TEXTS = {
    "prose": "\n\n".join(
        f"It's line {i % 40} of it, isn't it?\n- Prof. Smith said: \"no.\" See http://a.b/c?d={i % 9}..." for i in range(300)
    ),
    "repetition": "the cat sat on the mat. " * 900,
    "letters": "a " * 9000,
    "no spaces": "x" * 20000,
    "digits": "1234567890" * 1500,
    "Chinese": CHINESE * 500,
    "emoji": "😀😁" * 4000,
    "right to left": "שלום עולם. " * 1200,
    "line feeds": "\n" * 9000,
    "blank ends": " " * 9000 + "hello " + "\n\n \n" * 3000,
    "bullets": "- item one\r\n* two...\r\n\r\n" * 600,
    "one long line": "- " + "word " * 4000 + "...",
    "Cyrillic": "приветмир" * 1500,
    "blank": " \u3000" * 4000,
    "javascript": "So it is.\n" * 700 + "we use javascript [12] here.\nthe terms of use.\n" * 3 + "And so on it goes.\n" * 700,
    "brace": "So it is said.\n" * 700 + "a { b c d.\n" + "And so on it goes.\n" * 700,
}
C4 = {"max_word_length": 1000, "citations": True, "javascript": True, "lorem_ipsum": True, "curly_bracket": True, "policy": True}
FAMILIES: list[tuple[Any, dict[str, Any]]] = [
    (quality_rules.quality, {"stopwords": ["the", "be", "to"]}),
    (quality_rules.repetition, {}),
    (quality_rules.fineweb, {"short_line": 30}),
    (quality_juicer.juicer, {"lang": "en", "flagged": ["cat"], "char_ngram": 10, "word_ngram": 10}),
    (quality_c4.c4, C4 | {"terminal_punctuation": True, "min_line_words": 3}),
    (quality_c4.c4, C4 | {"terminal_punctuation": False, "min_line_words": None}),
]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is long, and parts are of 3,000 bytes."""
    monkeypatch.setattr(quality_rules, "LONG_TEXT", 1)
    monkeypatch.setattr(quality_parts.parts, "__defaults__", (3000,))
    monkeypatch.setattr(quality_c4_long.whole_lines, "__defaults__", (1500,))
    monkeypatch.setattr(quality_c4_long, "PART", 1500)
    monkeypatch.setattr(quality_runs, "_HELD", 500)


def measured(text: str) -> list[dict[str, list[Any]]]:
    made = []
    for family, options in FAMILIES:
        found = family(pa.array([text]), None, options)
        made.append({name: [pa.array(values).to_pylist()[0]] for name, values in found.items()})
    return made


@pytest.mark.parametrize("name", TEXTS)
def test_parts_and_the_whole_agree(name: str, request: pytest.FixtureRequest) -> None:
    whole = measured(TEXTS[name])
    request.getfixturevalue("small_parts")
    for in_parts, at_once in zip(measured(TEXTS[name]), whole, strict=True):
        for measure, values in at_once.items():
            assert in_parts[measure] == pytest.approx(values, nan_ok=True) if measure != "text" else in_parts[measure] == values, measure


@pytest.mark.parametrize("name", TEXTS)
def test_shared_words_are_found_in_parts(name: str, request: pytest.FixtureRequest) -> None:
    """The first run of words that is shared, wherever the parts are cut."""
    middle = "now is the time for all good men to come to the aid of the party"
    texts = pa.array([TEXTS[name], TEXTS[name] + " " + middle + " " + TEXTS[name], "x"])
    keys = pa.array(["a", "b", "c"])

    def found() -> list[dict[str, Any]]:
        rows = [(pa.array([1, 2]).to_numpy(), pa.array([middle, "X"])), (pa.array([3]).to_numpy(), pa.array([TEXTS[name]]))]
        several = quality_decontaminate.Reference(iter(rows[:1]), 5).find(keys, texts).to_pylist()
        return sorted(several + quality_decontaminate.Reference(iter(rows), 5).find(keys, texts).to_pylist(), key=str)

    whole = found()
    request.getfixturevalue("small_parts")
    in_parts = found()
    assert [(f["_key"], f["place"], f["owner"]) for f in in_parts] == [(f["_key"], f["place"], f["owner"]) for f in whole]
    for one, other in zip(in_parts, whole, strict=True):
        assert one["words"] in (other["words"], "…", "")


def test_white_space_at_both_ends_goes_whatever_its_length() -> None:
    for text in ("", " ", "\u3000" * 999, " \u2003 a b\u00a0" * 300 + "\u3000" * 999, "—", "\u2003—\u2003", "x" + " " * 700):
        assert quality_parts.stripped(np.frombuffer(text.encode(), np.uint8)).tobytes().decode() == text.strip()
