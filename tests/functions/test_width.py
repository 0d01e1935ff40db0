from __future__ import annotations

import sys
import unicodedata

import pyarrow as pa
import pytest
from functions_harness import Calculator

from recipec.api import DataError
from recipec.fast import text_chinese

FULL = "".join(map(chr, [*range(0xFF01, 0xFF5F), *range(0xFFE0, 0xFFE3), *range(0xFFE4, 0xFFE7), 0x3000]))


def test_halfwidth_is_nfkc_of_full_width(calculator: Calculator) -> None:
    query = calculator.call("to_halfwidth", "$1::VARCHAR")
    assert calculator.rows(f"SELECT {query}", [FULL + "中文ｱ。ａé"]) == [(unicodedata.normalize("NFKC", FULL) + "中文ｱ。aé",)]


def test_full_width_and_back(calculator: Calculator) -> None:
    ascii_text = "".join(map(chr, range(0x20, 0x7F)))
    there = calculator.call("to_fullwidth", "$1::VARCHAR")
    assert calculator.rows(f"SELECT {calculator.call('to_halfwidth', there)}", [ascii_text + "中"]) == [(ascii_text + "中",)]


@pytest.mark.parametrize(
    ("text", "ascii_style", "chinese"),
    [
        ("他说:“好,吧!”（1.5）", '他说:"好,吧!"(1.5)', "他说：“好，吧！”（1.5）"),
        ("文件.txt 好.是.对.", "文件.txt 好.是.对.", "文件.txt 好。是。对。"),
        ("He said – “it’s…”", 'He said - "it\'s..."', "He said – “it’s…”"),
        ("【注】《书》、『名』；", '[注]"书","名";', "【注】《书》、『名』；"),
        ("等等...", "等等...", "等等..."),
        ("", "", ""),
    ],
)
def test_punctuation(calculator: Calculator, text: str, ascii_style: str, chinese: str) -> None:
    for style, expected in (("ascii", ascii_style), ("chinese", chinese)):
        query = calculator.call("normalize_punctuation", "$1::VARCHAR", style=style)
        assert calculator.rows(f"SELECT {query}", [text]) == [(expected,)]


def test_text_without_han_never_meets_opencc(calculator: Calculator) -> None:
    assert calculator.value("to_traditional('plain, カタカナ')") == "plain, カタカナ"


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    text_chinese._converter.cache_clear()
    with pytest.raises(DataError) as caught:
        text_chinese.convert(pa.array(["漢"]), pa.array(["t2s"]))
    assert caught.value.help == "pip install 'recipec[text]'"
