"""Every function of the registry on texts that break others: no crash, a null for a null, the same answer whatever stands in the
rows around it, and time in proportion to the text."""

from __future__ import annotations

import time
from typing import Any

import pytest
from functions_harness import Calculator

from recipec.api import REQUIRED, find_function
from recipec.registry import names

TEXTS: list[str | None] = [
    None,
    "",
    " \t\u3000",
    "\n\n\n",
    "\r\n\r\u2028\u2029\x85\x0b\x0c",
    "a",
    "...",
    "😀",
    "👩‍👩‍👧‍👦🏳️‍🌈 👍🏽" * 3,
    "مرحبا بالعالم هذا نص عربي قصير للاختبار فقط",
    "שלום עולם \u202eabc\u202c \u200f",
    "e\u0301" * 20,
    "\u200b\u200d\ufeff",
    "今天天气很好。我们去公园散步。",
    "ภาษาไทยไม่มีช่องว่าง",
    "ＦＵＬＬ　ｗｉｄｔｈ　１２３",
    "ﬁ ﬂ ǆ ẞ ıİ K",
    "\x01\x7f\U0010ffff\ufffe",
    "<p>a &amp; b</p><script>x</script>",
    "# head\n\n* one `two` [three](http://a.b/c)",
    "mail a@b.cd, call +1 202 555 0172, from 8.8.8.8 with 4111 1111 1111 1111",
    "ab1 " * 50,
    "word " * 2_000,
    "x" * 5_000,
]
CONSTANTS: dict[str, dict[str, Any]] = {"flagged_ratio": {"flagged": ["cat", "笨"]}}
ELSEWHERE = {"tokens": "it needs a tokenizer's folder: test_tokens.py", "dialogue": "it takes a list: test_chat.py"}
EVERY = sorted(set(names("function")) - set(ELSEWHERE))


def call(calculator: Calculator, name: str) -> str:
    """SQL of a function whose texts are all the column ``t``."""
    own = find_function(name)
    assert own is not None
    texts = [p.name for p in own.parameters if not p.constant and (p.default is REQUIRED or p.default is None) and p.type == "VARCHAR"]
    return calculator.call(name, **{p: "t" for p in texts}, **CONSTANTS.get(name, {}))


def answers(calculator: Calculator, sql: str, texts: list[str | None]) -> list[Any]:
    numbered = "SELECT unnest(?::VARCHAR[]) AS t, generate_subscripts(?::VARCHAR[], 1) AS i"
    return [r[0] for r in calculator.rows(f"SELECT {sql} FROM ({numbered}) ORDER BY i", [texts, texts])]


def test_no_function_is_forgotten() -> None:
    assert set(ELSEWHERE) <= set(names("function"))


@pytest.mark.parametrize("name", EVERY)
def test_every_text(calculator: Calculator, name: str) -> None:
    sql = call(calculator, name)
    together = answers(calculator, sql, TEXTS)
    assert together[0] is None
    assert all(a is not None for a in together[5:6])
    backwards = answers(calculator, sql, TEXTS[::-1])
    assert repr(backwards[::-1]) == repr(together)
    alone = [answers(calculator, sql, [text])[0] for text in TEXTS]
    assert repr(alone) == repr(together)


@pytest.mark.parametrize("name", EVERY)
def test_a_column_of_one_value(calculator: Calculator, name: str) -> None:
    sql = call(calculator, name)
    for text in (None, "", "the same text in every row", "每一行都是同样的文字"):
        (alone,) = answers(calculator, sql, [text])
        assert {repr(a) for a in answers(calculator, sql, [text] * 3_000)} == {repr(alone)}


GROWING = {
    "words": "ab1 ",
    "one word": "x",
    "Chinese": "今天",
    "right to left": "שלום עולם. ",
    "lines": "a\n",
    "signs": "<[({*_`#@:/.",
    "emoji": "👩‍👩‍👧",
}
GROWS_WITH_THE_SQUARE = {"rouge_l": 1 / 20}
"""Functions whose definition compares each word with each: on texts of so small a share of the others' length."""


@pytest.mark.parametrize("name", EVERY)
def test_no_quadratic_time(calculator: Calculator, name: str) -> None:
    """A text eight times as long takes no more than some twelve times as long, and half a second that a busy machine takes."""
    sql = call(calculator, name)
    size = int(25_000 * GROWS_WITH_THE_SQUARE.get(name, 1))
    for kind, unit in GROWING.items():
        spent = []
        for length in (size, 8 * size):
            text = unit * (length // len(unit))
            started = time.process_time()
            answers(calculator, sql, [text])
            spent.append(time.process_time() - started)
        assert spent[1] <= 12 * spent[0] + 0.5, f"{kind}: {spent[0]:.3f} s, then {spent[1]:.3f} s"
