"""Which language a text is in."""

from __future__ import annotations

from recipec.api import SQL, Float, Kernel, Text, function, literal

_LANGUAGE = Kernel("language", "recipec.fast.lang:language", ("VARCHAR",), "VARCHAR", version=2)
_SCORE = Kernel("language_score", "recipec.fast.lang:language_score", ("VARCHAR", "VARCHAR"), "DOUBLE")


@function("language")
def language(text: Text) -> Text:
    r"""The language of a text as its ISO 639-1 code (`en`, `zh`, `de`), or the model's own for the few that have none (`ceb`).

    Text that Han or kana carry is Chinese, or Japanese from one kana in ten on. For all else fastText's model of 176 languages
    (lid.176, compressed) says the most probable, on lower-cased text without punctuation and addresses. It needs no network. Of
    texts of more than 360 characters the start, middle and end are judged, 120 characters each; and where 150 characters of these make
    one language twelve times as probable as the next, no more is looked at. Cantonese and Wu count as `zh`.

    `und` (undetermined) where there is nothing to go by: no letters, or a script that the model does not know; so `!= "en"` is true of
    it. A word or two is a guess: `language_score(text)` says how good.

    >>> language("The quick brown fox jumps over the lazy dog.")
    'en'
    >>> language("今天天气很好")
    'zh'
    >>> language("これは日本語の文です")
    'ja'
    >>> language("Je ne sais pas encore.\nOn verra demain.")
    'fr'
    >>> language("1234!")
    'und'
    """
    return SQL(f"CASE WHEN regexp_matches({text}, '\\pL') THEN {_LANGUAGE(text)} WHEN {text} IS NOT NULL THEN 'und' END")


@function("language_score")
def language_score(text: Text, lang: str = "") -> Float:
    r"""How sure `language(text)` is, from 0 to 1; or, given `lang`, how probable that language is.

    It is the model's probability for the text (of more than 360 characters: for 120 each of its start, middle and end), and for text
    in Han or kana the share of letters that are (each of them weighing two). 0 where there is nothing to go by. Usual bounds: 0.8
    (Data-Juicer), 0.65 (DataTrove).

    >>> language_score("今天天气很好")
    1.0
    >>> language_score("今天天气很好", "en")
    0.0
    >>> language_score("")
    0.0
    """
    return SQL(f"CASE WHEN regexp_matches({text}, '\\pL') THEN {_SCORE(text, literal(lang))} WHEN {text} IS NOT NULL THEN 0.0::DOUBLE END")
