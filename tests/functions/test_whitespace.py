from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

import pytest
from functions_harness import Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = st.lists(st.text(alphabet="ab你，  \n\t\r\x0b\x1c\x85\xa0\u3000\u2028", max_size=14), min_size=40, max_size=80)
HAN = r"[\u3001-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff01-\uff9f]"


def newlines(text: str) -> str:
    return re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)


def squeezed(text: str) -> str:
    lines = [re.sub(r"\s+", " ", line).strip() for line in newlines(text).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(rf"(?<={HAN})\s*\n\s*(?={HAN})", "", text)).strip()


def stripped(text: str) -> str:
    return "\n".join(line.strip() for line in newlines(text).split("\n"))


def without_blank(text: str) -> str:
    return "\n".join(line for line in newlines(text).split("\n") if line.strip())


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("squeeze_space", squeezed),
        ("one_line", on_one_line),
        ("strip_lines", stripped),
        ("drop_blank_lines", without_blank),
        ("unix_lines", newlines),
        ("dedent", textwrap.dedent),
    ],
)
@settings(max_examples=40, deadline=None)
@given(texts=TEXTS)
def test_as_python_would(calculator: Calculator, name: str, reference: Callable[[str], str], texts: list[str]) -> None:
    query = f"SELECT {calculator.call(name, 't')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    got = [r[0] for r in calculator.rows(query, [texts])]
    for text, answer in zip(texts, got, strict=True):
        assert answer == reference(text), ascii(text)
