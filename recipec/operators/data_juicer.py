"""``data_juicer(text)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import ColumnName, Field, Json, Settings, operator
from recipec.operators._quality import JUICER, Preset, Rule


class DataJuicerParams(Settings):
    text: ColumnName
    tokens: ColumnName | None = None
    min_length: int | None = Field(10, ge=0)
    max_length: int | None = Field(None, ge=0)
    min_words: int | None = Field(10, ge=0)
    max_words: int | None = Field(10_000, ge=0)
    min_alnum_ratio: float | None = Field(0.25, ge=0, le=1)
    max_alnum_ratio: float | None = Field(None, ge=0, le=1)
    max_special_ratio: float | None = Field(0.25, ge=0, le=1)
    max_digit_ratio: float | None = Field(None, ge=0, le=1)
    min_mean_line_length: float | None = Field(10, ge=0)
    max_mean_line_length: float | None = Field(None, ge=0)
    min_max_line_length: int | None = Field(10, ge=0)
    max_max_line_length: int | None = Field(None, ge=0)
    max_char_repetition: float | None = Field(0.5, ge=0, le=1)
    char_ngram: int = Field(10, ge=1, le=100)
    max_word_repetition: float | None = Field(0.5, ge=0, le=1)
    word_ngram: int = Field(10, ge=1, le=100)
    min_stopword_ratio: float | None = Field(0.3, ge=0, le=1)
    lang: Literal["en", "zh", "de", "fr", "es"] = "en"
    max_flagged_ratio: float | None = Field(0.045, ge=0, le=1)
    flagged: list[str] = Field([])


@operator("data_juicer")
class DataJuicer(Preset):
    """Drop texts by Data-Juicer's single measures and their usual bounds, all in one pass.

    ```recipe
    clean tidy from packages { data_juicer(description, max_special_ratio: 35%, min_stopword_ratio: null) }
    ```

    A row is dropped under the first rule that it breaks, ``data_juicer: words`` and so on, with its measure beside. ``null`` turns
    a rule off; to move a bound measures nothing again. Bounds without a default are off until given. Null counts as the empty text.

    * characters: at least 10; words: 10 to 10,000; letters and numbers: at least 25 % of the characters; what is no letter: at most
      25 % (see ``special_ratio``: plain English has about 20 %);
    * mean and greatest length of a line: at least 10;
    * repetition (``char_rep_ratio``, ``word_rep_ratio``) of 10-grams (``char_ngram``, ``word_ngram``): at most 0.5;
    * stopwords of a language (``lang``): at least 30 % of the words; words of your own list ``flagged``: at most 4.5 %.

    Words are split as in ``gopher_quality``, without mere marks, in small letters; ``tokens: column`` takes them from a list
    column. In Chinese, Japanese and Thai each letter is a word: for Chinese give ``lang: "zh"`` and a lower ``min_stopword_ratio``
    (0.1 or so).

    Source: Chen et al. 2024 (Data-Juicer, arXiv:2309.02033); its language and perplexity filters need models: see ``language_score``.
    """

    Params = DataJuicerParams
    family = JUICER
    prefix = "data_juicer"
    rules = (
        Rule("length", "min", "min_length", "length"),
        Rule("length", "max", "max_length", "length"),
        Rule("words", "min", "min_words", "words"),
        Rule("words", "max", "max_words", "words"),
        Rule("alnum_ratio", "min", "min_alnum_ratio", "letters and numbers"),
        Rule("alnum_ratio", "max", "max_alnum_ratio", "letters and numbers"),
        Rule("special_ratio", "max", "max_special_ratio", "special characters"),
        Rule("digit_ratio", "max", "max_digit_ratio", "digits"),
        Rule("mean_line_length", "min", "min_mean_line_length", "mean line length"),
        Rule("mean_line_length", "max", "max_mean_line_length", "mean line length"),
        Rule("max_line_length", "min", "min_max_line_length", "greatest line length"),
        Rule("max_line_length", "max", "max_max_line_length", "greatest line length"),
        Rule("char_repetition", "max", "max_char_repetition", "repetition of characters"),
        Rule("word_repetition", "max", "max_word_repetition", "repetition of words"),
        Rule("stopword_ratio", "min", "min_stopword_ratio", "stopwords"),
        Rule("flagged_ratio", "max", "max_flagged_ratio", "flagged words"),
    )

    def options(self) -> dict[str, Json]:
        p = self.params
        return {"lang": p.lang, "flagged": sorted(set(p.flagged)), "char_ngram": p.char_ngram, "word_ngram": p.word_ngram}
