"""A chain of columns and filters against the same chain written by hand as DuckDB SQL.

    python tests/benchmarks/chain.py [ROWS] [RUNS]

Both read one Parquet file into a database and make the cleaned table from it, alternating, each in a process of its own
with two threads. Rows are the descriptions of ``../shared/data/packages`` repeated under other names where that data is at
hand, else texts made here. Prints the ratio of the medians, and checks that both keep the same rows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / ".." / "shared" / "data" / "packages" / "packages.parquet"

RECIPE = r"""
recipe "chain" { seed: 7 }
source big = parquet("big.parquet") {}
clean tidy from big {
  description = trim(regexp_replace(description, r/\s+/, " ", "g"))
  drop where length(description) < 40 as "short"
  drop where not (description matches r/[aeiou]/i) as "no vowels"
  summary = lower(summary)
  keep where section not in ["libdevel", "debug", "section7"] as "section"
  size = length(description) + length(summary)
  drop where size > 3000 as "long"
}
"""

# What a person writes: one statement with the filters in WHERE. DuckDB moves those below the projection and so computes
# `description` twice for each row.
PLAIN = r"""
CREATE TABLE tidy AS
SELECT id, section, lower(summary) AS summary, description, length(description) + length(lower(summary)) AS size
FROM (SELECT id, section, summary, trim(regexp_replace(description, '\s+', ' ', 'g')) AS description FROM big)
WHERE length(description) >= 40 AND regexp_matches(description, '(?i)[aeiou]')
  AND section NOT IN ('libdevel', 'debug', 'section7') AND length(description) + length(lower(summary)) <= 3000
"""

# What a person who knows that writes: every value once, the cheap filter first.
TUNED = r"""
CREATE TABLE tidy AS
WITH clean AS MATERIALIZED (
  SELECT id, section, lower(summary) AS summary, trim(regexp_replace(description, '\s+', ' ', 'g')) AS description
  FROM big WHERE section NOT IN ('libdevel', 'debug', 'section7'))
SELECT *, length(description) + length(summary) AS size FROM clean
WHERE length(description) >= 40 AND regexp_matches(description, '(?i)[aeiou]') AND length(description) + length(summary) <= 3000
"""


def make_data(folder: Path, rows: int) -> None:
    import duckdb

    con = duckdb.connect()
    if DATA.is_file():
        times = -(-rows // 63_440)
        texts = (
            f"SELECT package || '-' || r AS id, section, summary, description FROM read_parquet('{DATA}'), range({times}) t(r) LIMIT {rows}"
        )
    else:
        words = "list_aggregate(list_transform(range(40 + i % 60), lambda k: chr((97 + (i * 31 + k * k * 7) % 26)::INTEGER) || 'word'), 'string_agg', '  ')"
        texts = f"SELECT 'id' || i AS id, 'section' || (i % 50) AS section, 'Summary ' || i AS summary, {words} AS description FROM range({rows}) t(i)"
    con.execute(f"COPY ({texts}) TO '{folder / 'big.parquet'}' (FORMAT parquet)")


def by_hand(folder: Path, query: str) -> None:
    import duckdb

    con = duckdb.connect(str(folder / "hand.duckdb"), config={"threads": "2", "preserve_insertion_order": "false"})
    started = time.perf_counter()
    con.execute(f"CREATE TABLE big AS SELECT * FROM read_parquet('{folder / 'big.parquet'}')")
    source = time.perf_counter() - started
    started = time.perf_counter()
    con.execute(query)
    chain = time.perf_counter() - started
    row = con.execute("SELECT count(*) FROM tidy").fetchone()
    print(json.dumps({"source": source, "chain": chain, "rows": row[0] if row else 0}))


def by_recipe(folder: Path) -> None:
    from recipec.engines.runner import run
    from recipec.plan.planner import make_plan
    from recipec.resolve.loading import load
    from recipec.source import Source
    from recipec.workspace.database import open_workspace

    program = load(Source(str(folder / "chain.recipe"), RECIPE))
    program.resolve()
    with open_workspace(folder / "workspace", doing="benchmark", threads=2) as workspace:
        result = run(make_plan(program, workspace), workspace)
    source, tidy = result.steps
    print(json.dumps({"source": source.seconds, "chain": tidy.seconds, "rows": tidy.built.rows_out if tidy.built else 0}))


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] in ("plain", "tuned", "recipe"):
        folder = Path(sys.argv[2])
        if sys.argv[1] == "recipe":
            by_recipe(folder)
        else:
            by_hand(folder, PLAIN if sys.argv[1] == "plain" else TUNED)
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    times: dict[str, list[dict[str, float]]] = {"recipe": [], "plain": [], "tuned": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, rows)
        for _ in range(runs):
            for kind, found in times.items():
                subprocess.run(["rm", "-rf", str(folder / "workspace"), str(folder / "hand.duckdb")], check=True)
                answer = subprocess.run([sys.executable, __file__, kind, name], check=True, capture_output=True, text=True).stdout
                found.append(json.loads(answer))
    kept = {k: v[0]["rows"] for k, v in times.items()}
    assert len(set(kept.values())) == 1, kept
    print(f"{rows:,} rows, {kept['plain']:,.0f} kept by all; medians of {runs} alternating runs, 2 threads; ratios are recipe / by hand")
    print("            recipe   plain SQL  ratio   tuned SQL  ratio")

    def line(name: str, seconds: dict[str, float]) -> None:
        ratios = [seconds["recipe"] / seconds[k] for k in ("plain", "tuned")]
        print(f"{name:8} {seconds['recipe']:7.2f} s {seconds['plain']:9.2f} s {ratios[0]:6.2f} {seconds['tuned']:9.2f} s {ratios[1]:6.2f}")

    for part in ("source", "chain"):
        line(part, {k: statistics.median(r[part] for r in v) for k, v in times.items()})
    line("both", {k: statistics.median(r["source"] + r["chain"] for r in v) for k, v in times.items()})


if __name__ == "__main__":
    main()
