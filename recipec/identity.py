"""The identity of a row: a 128-bit key, stored as UUID, that neither order nor threads can change.

The upper 64 bits say which row of a source a row comes from, the lower 64 how it was derived, so that sorting by key keeps
the rows of one family together:

* declared ``key:`` columns: MD5 of their values;
* no declared key: 24 bits of the file's name and 40 of the record's place in it, so that key order is file order;
* a derived row (a chunk, an exploded element, a copy): its parent's upper half, then its 20-bit number and 44 bits of an
  MD5 over parent, operator and number, so that chunks of a text stay in order beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import literal

UNIT = "chr(31)"


def text_of(column_sql: str) -> str:
    return f"({column_sql})::VARCHAR"


def source_key(columns_sql: Sequence[str]) -> str:
    """SQL for the key of a source row from its declared key columns; null where one of them is null."""
    joined = f" || {UNIT} || ".join(text_of(c) for c in columns_sql)
    return f"md5_number({joined})::UUID"


def position_key(file_sql: str, row_sql: str) -> str:
    """SQL for the key of a source row from its file's name and its place in it."""
    name = f"md5_number({file_sql})"
    return f"(((((({name} & 16777215) << 40) + ({row_sql})::UHUGEINT) << 64) + ({name} >> 64)))::UUID"


def derived_key(parent_sql: str, tag: str, index_sql: str) -> str:
    """SQL for the key of the row number ``index_sql`` (from 0 or 1) that an operator named ``tag`` made from a parent."""
    digest = f"(md5_number(({parent_sql})::VARCHAR || {literal(':' + tag + ':')} || ({index_sql})) & 17592186044415)"
    number = f"((({index_sql})::UHUGEINT & 1048575) << 44)"
    return f"(((({parent_sql})::UHUGEINT >> 64) << 64) + {number} + {digest})::UUID"
