"""Chinese script: simplified and traditional, by OpenCC (its dictionaries come inside its wheel)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa

from recipec.fast.text_arrow import Column, constant_of, each


@cache
def _converter(config: str) -> Any:
    from recipec.api import DataError

    try:
        from opencc import OpenCC
    except ImportError:
        raise DataError("to_simplified() and to_traditional() need the package opencc", "pip install 'recipec[text]'") from None
    return OpenCC(config).convert


def convert(text: Column, config: Column) -> pa.Array:
    return each(text, _converter(constant_of(config, "t2s")), pa.string())
