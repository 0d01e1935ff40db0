from __future__ import annotations

import json

import pyarrow as pa
import pytest
from functions_harness import DATA, Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast.lang import WHOLE, detect, language, sample


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How do I top up my card?", "en"),
        ("THIS IS ALL IN CAPITALS", "en"),
        ("Guten Tag, wie geht es Ihnen?", "de"),
        ("ПРИВЕТ, КАК ДЕЛА?", "ru"),
        ("用 iPhone 手机拍照", "zh"),
        ("軟體與資訊", "zh"),
        ("GPT-4 and 大模型 are cool", "zh"),
        ("今日はいい天気ですね", "ja"),
        ("カタカナ", "ja"),
        ("한국어 텍스트", "ko"),
        ("สวัสดีครับ", "th"),
        ("line one of English text\r\n\n\tand line two\x00 of it", "en"),
        ("https://example.org/und/der/die/das", None),
        ("½ ，。 ①", None),
        ("🙂 123", None),
        ("", None),
    ],
)
def test_language(text: str, code: str | None) -> None:
    found = detect(text)
    assert (found[0][0] if found else None) == code
    assert all(0 <= score <= 1 for _, score in detect(text, 176))


def test_what_no_filter_for_a_language_should_keep(calculator: Calculator) -> None:
    query = f"SELECT t FROM (SELECT unnest(['plain English text', '1234', '']) AS t) WHERE {calculator.call('language', 't')} != 'en'"
    assert calculator.rows(query) == [("1234",), ("",)]


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(max_size=10) | st.text(alphabet="abc de，。12½你か🙂\n", max_size=10), min_size=20, max_size=40))
def test_the_guard_changes_nothing(calculator: Calculator, texts: list[str]) -> None:
    texts = [t.replace("\0", "") for t in texts]
    query = f"SELECT {calculator.call('language', 't')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    assert [r[0] for r in calculator.rows(query, [texts])] == language(pa.array(texts, pa.string())).to_pylist()


def test_long_texts_are_sampled() -> None:
    assert sample("a" * WHOLE) == "a" * WHOLE
    assert len(sample("abc " * 10_000)) == WHOLE + 2
    assert detect("这是中文。" * 1000)[0] == ("zh", 1.0)


def test_score_of_a_language(calculator: Calculator) -> None:
    english = calculator.value("language_score('the cat sat on the mat and looked at us', 'en')")
    french = calculator.value("language_score('the cat sat on the mat and looked at us', 'fr')")
    assert english > 0.8 > 0.1 > french >= 0
    assert calculator.value("language_score('the cat sat on the mat and looked at us')") == pytest.approx(english, abs=0.01)


def test_chinese_reading_passages_are_chinese() -> None:
    path = DATA / "cmrc2018" / "trial.json"
    if not path.exists():
        pytest.skip("the shared data are not here")
    passages = [p["context_text"] for p in json.loads(path.read_text(encoding="utf-8"))]
    assert {detect(p)[0][0] for p in passages} == {"zh"}
