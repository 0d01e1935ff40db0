"""Tables with columns that Parquet would change go the ways that others go, and come out equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECIPE = """recipe "types" { seed: 3 }
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, n: int, text: text } }
sql odd from rows \"\"\"
  select _key, _parent, id, text, (n::hugeint << 80) as wide, to_months(n) + to_days(-n) + to_microseconds(n) as span,
    (['low', 'high'])[n % 2 + 1]::enum('low', 'high') as level, n::integer::bit as bits, [to_days(n), null] as spans,
    map {n::hugeint: {'at': '12:00:00+01'::timetz}} as places,
    case when n % 3 = 0 then union_value(num := n)::union(num bigint, str varchar) else union_value(str := text)::union(num bigint, str varchar)
    end as either, case when n % 5 = 0 then 'nan'::double when n % 5 = 1 then '-inf'::double end as real
  from rows
\"\"\"
sql other from odd \"\"\" select wide, min(span) as shortest, max(level) as lowest from odd group by wide \"\"\" { key: wide }
clean once from odd { dedupe(wide)  spans = list_reverse(spans)  drop where level == "low" and wide > 10000000000000000000000000000 as "low" }
clean near from odd { dedupe(text, near: 80%)  dedupe(span, keep: best(wide)) }
clean joined from once { join(other, on: wide) }
clean sorted from odd { sort(wide, descending: true)  limit(40)  more = wide + 1 }
mix both from once, near { origin: "from" }
split parts from near { train: 60%  test: 40%  stratify: level  group: wide }
"""


def test_odd_types(both: Any, tmp_path: Path) -> None:
    lines = [
        json.dumps({"id": i, "n": i * 31 % 70, "text": f"a text of {i * 31 % 70} and of {i % 7}, no more {i % 2}"}) for i in range(130)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    ways = both(tmp_path / "types.recipe", RECIPE, tmp_path)
    taken = {name: facts["way"] if facts else None for name, facts in ways.items() if name not in ("rows", "odd", "other")}
    assert taken == {"once": "keys", "near": "bands", "joined": "keys", "sorted": "one", "both": "rows", "parts": "narrow"}
