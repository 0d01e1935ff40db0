"""``gopher_repetition(text)``"""

from __future__ import annotations

from recipec.api import ColumnName, Field, Settings, operator
from recipec.operators._quality import REPETITION, Preset, Rule


class GopherRepetitionParams(Settings):
    text: ColumnName
    tokens: ColumnName | None = None
    max_duplicate_lines: float | None = Field(0.30, ge=0, le=1)
    max_duplicate_paragraphs: float | None = Field(0.30, ge=0, le=1)
    max_duplicate_line_chars: float | None = Field(0.20, ge=0, le=1)
    max_duplicate_paragraph_chars: float | None = Field(0.20, ge=0, le=1)
    max_top_2gram: float | None = Field(0.20, ge=0)
    max_top_3gram: float | None = Field(0.18, ge=0)
    max_top_4gram: float | None = Field(0.16, ge=0)
    max_duplicate_5gram: float | None = Field(0.15, ge=0, le=1)
    max_duplicate_6gram: float | None = Field(0.14, ge=0, le=1)
    max_duplicate_7gram: float | None = Field(0.13, ge=0, le=1)
    max_duplicate_8gram: float | None = Field(0.12, ge=0, le=1)
    max_duplicate_9gram: float | None = Field(0.11, ge=0, le=1)
    max_duplicate_10gram: float | None = Field(0.10, ge=0, le=1)


@operator("gopher_repetition")
class GopherRepetition(Preset):
    """Drop texts that repeat themselves, by the repetition rules of Gopher.

    ```recipe
    clean tidy from packages { gopher_repetition(description, max_top_2gram: null) }
    ```

    A row is dropped under the first rule that it breaks, with its measure beside. ``null`` turns a rule off; to move a bound
    measures nothing again. An empty text, and null, is dropped as "empty".

    * paragraphs (parted by two line feeds or more) that came before in the text: at most 30 % of them, 20 % of the characters;
    * lines (parted by line feeds) that came before: at most 30 %, and 20 % of the characters;
    * the most frequent 2-gram of words, its length (with its blanks) times its count, over the text's length: at most 0.20;
      3-gram 0.18, 4-gram 0.16. In a very short text one that occurs once can be over the bound;
    * characters of 5-grams that came before, found from left to right without overlap: at most 15 %; 6-grams 14 %, and so on to
      10-grams 10 %.

    Words are split as in ``gopher_quality``; ``tokens: column`` takes them from a list column. Chinese, Japanese and Thai count
    by letters, so that an n-gram is n characters: repeated phrases are found, and the bounds mean about the same share.

    Source: Rae et al. 2021 (arXiv:2112.11446), table A1, as DataTrove reads it, with its decisions: given its tokens they are
    the same to the row; with words split here they differ in 0.01 % of 63,440 English descriptions.
    """

    Params = GopherRepetitionParams
    family = REPETITION
    prefix = "gopher"
    first = (("m.length = 0", "empty"),)
    rules = (
        Rule("duplicate_paragraphs", "max", "max_duplicate_paragraphs", "repeated paragraphs"),
        Rule("duplicate_paragraph_chars", "max", "max_duplicate_paragraph_chars", "characters in repeated paragraphs"),
        Rule("duplicate_lines", "max", "max_duplicate_lines", "repeated lines"),
        Rule("duplicate_line_chars", "max", "max_duplicate_line_chars", "characters in repeated lines"),
        *(Rule(f"top_{n}gram", "max", f"max_top_{n}gram", f"most frequent {n}-gram") for n in range(2, 5)),
        *(Rule(f"duplicate_{n}gram", "max", f"max_duplicate_{n}gram", f"repeated {n}-grams") for n in range(5, 11)),
    )
