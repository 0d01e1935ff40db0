"""Columns on their way through a Parquet file, so that what comes out is what went in.

Tried with DuckDB 2.0: it writes HUGEINT as DOUBLE, cuts INTERVAL to milliseconds, moves times with a zone to UTC, and makes a struct of a union.
"""

from __future__ import annotations

import re

from recipec.api import quote

LOSSY = re.compile(r"\b(U?HUGEINT|INTERVAL|TIME WITH TIME ZONE|UNION|ENUM|BIT|BIGNUM|VARIANT|GEOMETRY|TIMESTAMP_\w+)\b|\[\d+\]")
"""Types that Parquet does not hold as they are."""


def carried(name: str, type: str) -> str:
    """SQL for a column as it is written: as text where Parquet would change it."""
    return f"{quote(name)}::VARCHAR AS {quote(name)}" if LOSSY.search(type) else quote(name)


def restored(name: str, type: str) -> str:
    """SQL for a column as it was."""
    return f"{quote(name)}::{type} AS {quote(name)}"
