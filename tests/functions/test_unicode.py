from __future__ import annotations

import unicodedata

import ftfy
import pyarrow as pa
import pytest
from functions_harness import Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast.text_unicode import fix_unicode

SOUND = "aZ 0.,!?\"'()[]{}&;<>\n\t你好，。「」（）“”‘’…—–•→✓✅👍が한Ａー"
HARMED = "ÃâäåçèéêëìíîïðñòóôõöøùúûüýþÿÂ€™œžšŸ¥½\xa0\x80\x93\x9d\x85\r\x0b\x0c\x1b\ufeff\u200bﬁ\u0301\u3099\u1161\u11a8а¦БДЖ┬√≈"
TEXTS = st.text(alphabet=SOUND, max_size=16) | st.text(alphabet=SOUND + HARMED, max_size=16) | st.text(max_size=16)
BROKEN = st.builds(
    lambda text, wrong: text.encode("utf-8").decode(wrong, "replace"),
    st.text(alphabet=SOUND + "éüñßøœ", max_size=12),
    st.sampled_from(["latin-1", "cp1252", "cp1251", "cp437", "macroman", "cp1250"]),
)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS | BROKEN, min_size=40, max_size=80))
def test_the_guard_changes_nothing(calculator: Calculator, texts: list[str]) -> None:
    texts = [t.replace("\0", "") for t in texts]
    expected = fix_unicode(pa.array(texts, pa.string())).to_pylist()
    query = f"SELECT {calculator.call('fix_unicode', 't')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    assert [r[0] for r in calculator.rows(query, [texts])] == expected


@pytest.mark.parametrize(
    ("broken", "sound"),
    [
        ("âœ” No problems", "✔ No problems"),
        ("l’humanitÃ©", "l’humanité"),
        ("Ã perturber la rÃ©flexion", "à perturber la réflexion"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("e\u0301", "é"),
        ("\x1b[36;44mblue\x1b[0m", "blue"),
        ("&lt;b&gt;", "&lt;b&gt;"),
        ("“quoted” — 全角，ＡＢ", "“quoted” — 全角，ＡＢ"),
        ("", ""),
    ],
)
def test_repairs(calculator: Calculator, broken: str, sound: str) -> None:
    assert calculator.rows(f"SELECT {calculator.call('fix_unicode', '?::VARCHAR')}".replace("?", "$1"), [broken]) == [(sound,)]


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet=SOUND, max_size=30))
def test_sound_text_stays(text: str) -> None:
    config = ftfy.TextFixerConfig(unescape_html=False, uncurl_quotes=False, fix_character_width=False)
    assert ftfy.fix_text(text, config) == text


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=8), min_size=20, max_size=40))
def test_normal_forms_are_pythons(calculator: Calculator, texts: list[str]) -> None:
    texts = [t.replace("\0", "") for t in texts]
    query = f"SELECT {calculator.call('nfc', 't')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    assigned = [t for t in texts if all(unicodedata.category(c) != "Cn" for c in t)]
    assert [r[0] for r in calculator.rows(query, [assigned])] == [unicodedata.normalize("NFC", t) for t in assigned]
    query = query.replace(calculator.call("nfc", "t"), calculator.call("nfkc", "t"))
    assert [r[0] for r in calculator.rows(query, [assigned])] == [unicodedata.normalize("NFKC", t) for t in assigned]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1️⃣ one ❤️ two ☺️", " one  two "),
        ("🇨🇳中国🏴󠁧󠁢󠁥󠁮󠁧󠁿", "中国"),
        ("👨‍👩‍👧‍👦 家", " 家"),
        ("©️ ™️ © ™ ♥ #1 *", "  © ™ ♥ #1 *"),
        ("می‌خواهم", "می‌خواهم"),
    ],
)
def test_strip_emoji(calculator: Calculator, text: str, expected: str) -> None:
    assert calculator.rows(f"SELECT {calculator.call('strip_emoji', '$1::VARCHAR')}", [text]) == [(expected,)]


def test_strip_control_keeps_line_breaks_and_joiners(calculator: Calculator) -> None:
    query = f"SELECT {calculator.call('strip_control', '$1::VARCHAR')}"
    assert calculator.rows(query, ["a\tb\r\nc\u200dd\u200ce\x85\u202e"]) == [("a\tb\r\nc\u200dd\u200ce",)]
