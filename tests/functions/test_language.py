from __future__ import annotations

import json

import pyarrow as pa
import pytest
from functions_harness import DATA, Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast.lang import WHOLE, best, detect, language, sample


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


def test_the_quick_look_goes_on_where_it_is_not_clear() -> None:
    head, foot = "Copyright notice: all rights reserved by their owners. ", " Click here to read more about our terms."
    german = "Der Vogel sitzt auf dem Dach und singt ein Lied, das niemand kennt, weil es noch keiner aufgeschrieben hat. "
    assert best(head + german * 3 + foot) == "de"
    chinese = "《卡美拉大怪兽空中决战》（原名：ガメラ大怪獣空中決戦）是一部日本电影，讲述了怪鸟来袭的故事。"
    assert (
        best(chinese + "保险公司派遣人员前往调查，发现环礁上面有大量勾玉与石版。" * 6 + "最后の希望・ガメラ、時の揺りかごに托す。") == "zh"
    )
    assert best("これは日本語の文です。" * 40) == "ja"
    assert best("1234 " * 100) == "und"
    assert best("") == "und"


def test_the_quick_look_says_what_the_long_one_does() -> None:
    path = DATA / "packages" / "packages.parquet"
    if not path.exists():
        pytest.skip("the shared data are not here")
    import pyarrow.parquet as pq

    texts = pq.read_table(path, columns=["description"])["description"].slice(0, 2000).to_pylist()
    assert sum(best(t) != detect(t)[0][0] for t in texts) <= 2
