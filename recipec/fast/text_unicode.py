"""Unicode repair and normal forms."""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recipec.fast.text_arrow import Column, each, flat


@cache
def _repair() -> Any:
    from ftfy import TextFixerConfig, fix_text

    # Typographic quotes and full-width forms are how Chinese and good English are written, and entities are HTML's: not damage.
    config = TextFixerConfig(unescape_html=False, uncurl_quotes=False, fix_character_width=False, explain=False)
    return lambda text: fix_text(text, config)


def fix_unicode(text: Column) -> pa.Array:
    return each(text, _repair(), pa.string())


def nfkc(text: Column) -> pa.Array:
    return pc.utf8_normalize(flat(text), "NFKC")
