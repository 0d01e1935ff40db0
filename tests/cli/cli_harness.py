"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Done:
    status: int
    out: str
    err: str


Run = Callable[..., Done]

ROWS = "id,text,n\na,Hello there,1\nb,你好,2\n"
GOOD = """\
source rows = csv("rows.csv") { key: id }

clean tidy from rows {
  length = length(text)
  keep where n > 1 as "small"
}
"""
