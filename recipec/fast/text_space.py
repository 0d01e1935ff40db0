"""White space that takes more than a regular expression."""

from __future__ import annotations

import textwrap

import pyarrow as pa

from recipec.fast.text_arrow import Column, each


def dedent(text: Column) -> pa.Array:
    return each(text, textwrap.dedent, pa.string())
