"""``fineweb(text)``"""

from __future__ import annotations

from recipec.api import ColumnName, Field, Json, Settings, operator
from recipec.operators._quality import FINEWEB, Preset, Rule


class FinewebParams(Settings):
    text: ColumnName
    tokens: ColumnName | None = None
    min_ended_lines: float | None = Field(0.12, ge=0, le=1)
    max_short_lines: float | None = Field(0.67, ge=0, le=1)
    short_line: int = Field(30, ge=0)
    max_duplicate_line_chars: float | None = Field(0.01, ge=0, le=1)
    max_newlines: float | None = Field(0.3, ge=0)


@operator("fineweb")
class Fineweb(Preset):
    """Drop texts that look like lists, menus or templates, by the rules that FineWeb adds to Gopher's and C4's.

    ```recipe
    clean tidy from packages {
      gopher_repetition(description)
      gopher_quality(description)
      c4(description, terminal_punctuation: false)
      fineweb(description)
    }
    ```

    These four are FineWeb's chain. A row is dropped under the first rule that it breaks, with its measure beside; ``null`` turns
    a rule off; to move a bound (not ``short_line``, which is part of a measure) measures nothing again. Of the lines
    that are not blank,

    * those that end in a mark that ends sentences in any script (Unicode's Sentence_Terminal; ``。`` and ``！`` too): at least 12 %;
    * those of 30 characters (``short_line``) or fewer: at most 67 %. Chinese says more in 30 characters: give 12 or so;
    * characters in lines that came before: at most 1 % of all;
    * line feeds for each word (split as in ``gopher_quality``, or ``tokens: column``): at most 0.3.

    A text of blank lines alone, an empty one, and null are dropped as "empty".

    Source: Penedo et al. 2024 (FineWeb, arXiv:2406.17557), as DataTrove has it, with its decisions.
    """

    Params = FinewebParams
    family = FINEWEB
    prefix = "fineweb"
    first = (("m.lines = 0", "empty"),)
    rules = (
        Rule("ended_lines", "min", "min_ended_lines", "lines with an end mark"),
        Rule("short_lines", "max", "max_short_lines", "short lines"),
        Rule("duplicate_line_chars", "max", "max_duplicate_line_chars", "characters in repeated lines"),
        Rule("newlines", "max", "max_newlines", "line feeds for each word"),
    )

    def options(self) -> dict[str, Json]:
        return {"short_line": self.params.short_line}
