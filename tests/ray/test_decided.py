"""Steps that are decided in one place and carried out in tasks: whole tables, what is told of them and what is kept aside are DuckDB's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.ray.test_equal import write_rows

SOURCE = """recipe "decided" { seed: 11 }
source rows = jsonl("rows-*.jsonl") {
  key: id
  columns: { id: text, text: text, section: text, n: int, day: date, customer: text }
  max_bad: 5%
}
clean known from rows { drop where text is null as "no text"  keep where section is not null }
"""

MIXES = """
clean web from known { keep where section == "web" }
clean games from known { keep where section == "games" }
clean some from known { keep where n < 30 }
mix weighed from web, games { weights: { web: 70%  games: 30% } }
mix taken from web, games { weights: { web: 2  games: 1 }  take: 40  origin: "from" }
mix again from web, games { epochs: { web: 2.5  games: 1 }  take: 120 }
mix warm from web, games { temperature: 3  cap: { web: 20 } }
mix counted from web, games { count: words(text)  take: 400 tokens  epochs: 3 }
mix shared from web, some, known { weights: { web: 1  some: 2  known: 1 }  take: 90 }
mix short from web, games { take: 100_000 }
expect some_order from shared { expect rows(shared) > 10 }
"""


def test_mixtures(both: Any, tmp_path: Path) -> None:
    write_rows(tmp_path)
    ways = both(tmp_path / "decided.recipe", SOURCE + MIXES, tmp_path)
    for name in ("weighed", "taken", "again", "warm", "counted", "shared", "short"):
        assert ways[name]["way"] == "narrow", name
        assert ways[name]["tasks"] >= 12, name
