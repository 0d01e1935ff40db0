"""Measure near-duplicate detection: time, recall against comparing all pairs, growth with the rows, hard cases, DataTrove beside it.

    python tests/benchmarks/near_dedupe.py                    # all of it, up to 316,000 rows
    python tests/benchmarks/near_dedupe.py --rows 1000000     # growth up to a million rows
    python tests/benchmarks/near_dedupe.py --only speed recall
    python tests/benchmarks/near_dedupe.py --only datatrove --peer PYTHON

Times are wall seconds and, where two threads work, seconds of processor in brackets: the latter say more on a busy machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recipec.fast.components import Components
from recipec.fast.minhash import Stats, near_clusters, near_duplicates

DATA = Path(__file__).resolve().parents[2] / "../shared/data/packages/packages.parquet"
KEY = "md5(file_row_number::varchar)::uuid as _key"


def timed(work: Callable[[], Stats]) -> tuple[Stats, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    stats = work()
    return stats, time.perf_counter() - wall, time.process_time() - processor


def connect(memory: str = "1GB") -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"set threads = 2; set memory_limit = '{memory}'")
    return con


def packages(con: duckdb.DuckDBPyConnection, limit: int | None = None) -> None:
    source = f"select {KEY}, description as text from read_parquet('{DATA}', file_row_number = true)"
    con.execute(f"create or replace table docs as {source} order by _key {'' if limit is None else f'limit {limit}'}")


def speed() -> None:
    print("\nSpeed: package descriptions, 2 threads\n threshold  bands     rows    kept  compared   seconds")
    con = connect()
    packages(con)
    for threshold in (0.95, 0.85, 0.72, 0.5):
        runs = [timed(lambda t=threshold: near_duplicates(con, "from docs", text="text", threshold=t, out="found")) for _ in range(3)]  # type: ignore[misc]
        stats, wall, processor = min(runs, key=lambda run: run[1])
        cut = f"{stats.bands} x {stats.rows_per_band}"
        kept = stats.rows - stats.duplicates
        print(f"{threshold:10} {cut:>7} {stats.rows:8,} {kept:7,} {stats.compared:9,}   {wall:.2f} ({processor:.2f})")


def shingles(text: str) -> set[str]:
    """The definition of words' 5-grams in plain Python, for Latin text."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = re.sub(r"\d", "0", " ".join(re.findall(r"[^\W_]+", plain))).split()
    words = [word[i : i + 64] for word in words for i in range(0, len(word), 64)]
    return {" ".join(words[i : i + 5]) for i in range(len(words) - 4)} if len(words) > 4 else {"whole: " + " ".join(words)}


def exhaustive(con: duckdb.DuckDBPyConnection, least: float) -> tuple[int, Any]:
    """All pairs of ``docs`` with a similarity of ``least`` or more, by joining an inverted index with itself."""
    texts = con.execute("select text from docs order by _key").fetchall()
    names: dict[str, int] = {}
    index = [(row, names.setdefault(shingle, len(names))) for row, (text,) in enumerate(texts) for shingle in shingles(text)]
    pairs = np.array(index, np.int32)
    con.register("index_rows", pa.table({"row": pairs[:, 0], "shingle": pairs[:, 1]}))
    con.execute("create or replace temp table inverted as from index_rows")
    con.execute("create or replace temp table sizes as select row, count(*) as size from inverted group by row")
    found = con.execute(
        """select i, j, shared / (a.size + b.size - shared)::double as similarity
           from (select x.row as i, y.row as j, count(*) as shared
                 from inverted x join inverted y using (shingle) where x.row < y.row group by all)
           join sizes a on a.row = i join sizes b on b.row = j where shared / (a.size + b.size - shared)::double >= ?""",
        [least],
    ).fetchnumpy()
    return len(texts), found


def recall() -> None:
    con = connect("4GB")
    packages(con, 20_000)
    count, pairs = exhaustive(con, 0.3)
    print("\nRecall: 20,000 package descriptions against all pairs (a pair is found when both are in one component)")
    print(" threshold    pairs   found   at threshold..+0.03   duplicates   of     components only of true pairs")
    for threshold in (0.95, 0.85, 0.72, 0.5, 0.3):
        near_clusters(con, "from docs", text="text", threshold=threshold, out="grouped")
        numbered = "(select _key, row_number() over (order by _key) - 1 as row from docs)"
        rows = con.execute(f"select r.row from grouped g join {numbered} r on r._key = g.cluster order by g._key").fetchnumpy()
        ours = rows["row"].astype(np.int64)
        over = pairs["similarity"] >= threshold
        left, right = pairs["i"][over].astype(np.int64), pairs["j"][over].astype(np.int64)
        components = Components(count)
        components.join(left, right)
        true = components.find(np.arange(count))
        found = ours[left] == ours[right]
        near = found[pairs["similarity"][over] < threshold + 0.03]
        removed = int((ours != np.arange(count)).sum())
        exact = int((true != np.arange(count)).sum())
        pure = "yes" if (true[ours] == true).all() else "NO"
        print(f"{threshold:10} {len(found):8,}  {found.mean():.4f}  {near.mean():19.4f} {removed:12,} {exact:6,}   {pure}")


def synthetic(con: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Descriptions in editions: in each, every word is spelt anew, so families stay as large as they are in the data."""
    con.execute(
        f"""create or replace temp table words as
            select row_number() over () - 1 as i, string_split(description, ' ') as w
            from read_parquet('{DATA}') where length(description) < 3000"""
    )
    (size,) = con.execute("select count(*) from words").fetchall()[0]
    con.execute("create or replace table docs (_key uuid, text varchar)")
    edition = f"translate((k // {size})::varchar, '0123456789', 'qxzjkvwyfb')"
    # In steps, because a recipe of a million rows as one query would need more memory than the measured work.
    for low in range(0, rows, 500_000):
        con.execute(
            f"""insert into docs select md5(k::varchar)::uuid,
                    list_aggregate(list_transform(w, lambda x: x || {edition}), 'string_agg', ' ')
                from range({low}, {min(rows, low + 500_000)}) r(k) join words on words.i = k % {size}"""
        )


def growth(most: int) -> None:
    print("\nGrowth: threshold 0.72, the database in a file with 512 MB\n      rows   seconds            exponent   peak RSS, MB")
    sizes = [n for n in (10_000, 31_600, 100_000, 316_000, 1_000_000, 3_160_000, 10_000_000) if n <= most]
    last: tuple[int, float] | None = None
    first: tuple[int, float] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            con = duckdb.connect(f"{folder}/{size}.duckdb")
            con.execute("set threads = 2; set memory_limit = '512MB'; set preserve_insertion_order = false")
            synthetic(con, size)
            _, wall, processor = timed(lambda c=con: near_duplicates(c, "from docs", text="text", threshold=0.72, out="found"))  # type: ignore[misc]
            con.close()
            Path(f"{folder}/{size}.duckdb").unlink()
            grown = "" if last is None else f"{math.log(processor / last[1]) / math.log(size / last[0]):.2f}"
            print(f"{size:10,}   {wall:7.2f} ({processor:7.2f}) {grown:>8} {peak():14}", flush=True)
            last = size, processor
            first = first or last
    if first and last and last != first:
        print(f"   overall exponent {math.log(last[1] / first[1]) / math.log(last[0] / first[0]):.2f}")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


LETTER = "chr(97 + (hash(i, {0}) % 26)::int)"
SHARED = "list_aggregate([ 'b' || chr(97 + x::int % 26) || chr(97 + x::int // 26) for x in range(60)], 'string_agg', ' ')"
HARD = {
    "100,000 rows, one value": (100_000, "repeat('the same text again and again ', 20)"),
    "100,000 rows, one word different": (100_000, SHARED + " || ' x' || " + " || ".join(LETTER.format(n) for n in range(5))),
    "100,000 rows, 60 of 80 words shared": (
        100_000,
        SHARED + " || " + " || ' ' || ".join("''" if n == 0 else LETTER.format(n) + " || " + LETTER.format(-n) for n in range(21)),
    ),
    "1,000,000 rows of two words": (1_000_000, " || ".join((LETTER.format(1), LETTER.format(2), "' '", LETTER.format(3)))),
    "1,000,000 blank rows": (1_000_000, "case i % 3 when 0 then null when 1 then '' else '!?' end"),
    "2 texts of 50 MB": (
        2,
        "list_aggregate([ translate(hash(x)::varchar, '0123456789', 'abcdefghij') for x in range(2500000)], 'string_agg', ' ')"
        " || chr(97 + i::int)",
    ),
    "2 texts of 50 MB without a space": (2, "repeat('abcdefghijk', 4545454) || repeat(chr(97 + i::int), 100)"),
}


def hard() -> None:
    print("\nHard cases: threshold 0.72\n case                                   seconds        compared  duplicates   peak RSS, MB")
    con = connect()
    for name, (rows, text) in HARD.items():
        con.execute(f"create or replace table docs as select md5(i::varchar)::uuid as _key, {text} as text from range({rows}) r(i)")
        stats, wall, processor = timed(lambda: near_duplicates(con, "from docs", text="text", threshold=0.72, out="found"))
        print(f" {name:37} {wall:6.2f} ({processor:6.2f}) {stats.compared:10,} {stats.duplicates:11,} {peak():15}", flush=True)


# Its releases name neither tokenizers, which its module imports, nor that its hashes need an xxhash that takes text.
PEER_NEEDS = "datatrove[io,processing] spacy tokenizers orjson 'xxhash<3.6'"
PEER = r"""
import json, sys, time
from pathlib import Path
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
folder = sys.argv[1]
stages = [
    ([JsonlReader(f"{folder}/in"), MinhashDedupSignature(output_folder=f"{folder}/signatures")], 2),
    ([MinhashDedupBuckets(input_folder=f"{folder}/signatures", output_folder=f"{folder}/buckets")], 14),
    ([MinhashDedupCluster(input_folder=f"{folder}/buckets", output_folder=f"{folder}/remove")], 1),
    ([JsonlReader(f"{folder}/in"), MinhashDedupFilter(input_folder=f"{folder}/remove"), JsonlWriter(f"{folder}/out", compression=None)], 2),
]
if __name__ == "__main__":
    begin = time.perf_counter()
    for number, (pipeline, tasks) in enumerate(stages):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=min(tasks, 2), logging_dir=f"{folder}/log{number}").run()
    seconds = time.perf_counter() - begin
    kept = sum(1 for file in (Path(folder) / "out").iterdir() for _ in file.open())
    print(json.dumps({"seconds": seconds, "kept": kept}))
"""


def datatrove(peer: str | None) -> None:
    if peer is None and importlib.util.find_spec("datatrove") is None:
        print(f"\nDataTrove: skipped, it is not installed beside this Python (--peer PYTHON names one that has {PEER_NEEDS})")
        return
    con = connect()
    packages(con)
    rows = con.execute("select _key::text, text from docs").fetchall()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").mkdir()
        for part in range(2):
            lines = (json.dumps({"id": key, "text": text}) + "\n" for key, text in rows[part::2])
            (Path(folder) / "in" / f"{part}.jsonl").write_text("".join(lines))
        # A file, since its workers start by reading it again.
        (Path(folder) / "peer.py").write_text(PEER)
        command = [peer or sys.executable, f"{folder}/peer.py", folder]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            said = [line for line in answer.stderr.splitlines() if line.strip()]
            print(f"\nDataTrove: skipped, it did not run ({said[-1] if said else answer.returncode}); it needs {PEER_NEEDS}")
            return
        theirs = json.loads(answer.stdout.splitlines()[-1])
    runs = [timed(lambda: near_duplicates(con, "from docs", text="text", threshold=0.72, out="found")) for _ in range(3)]
    stats, wall, _ = min(runs, key=lambda run: run[1])
    used = min(run[2] for run in runs)
    print("\nDataTrove, 14 x 8 (no verification), 2 workers, and ours at 0.72 (best of three), same rows")
    print(f"  DataTrove {theirs['seconds']:7.2f} s             kept {theirs['kept']:,}")
    print(f"  ours      {wall:7.2f} s ({used:7.2f})   kept {stats.rows - stats.duplicates:,}")
    print(f"  ratio {theirs['seconds'] / wall:.0f} by the clock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=316_000, help="the most rows of the growth table")
    parser.add_argument("--only", nargs="+", choices=["speed", "recall", "growth", "hard", "datatrove"], help="which tables")
    parser.add_argument("--peer", metavar="PYTHON", help="a Python that has DataTrove, where this one has not")
    arguments = parser.parse_args()
    parts = {
        "speed": speed,
        "recall": recall,
        "growth": lambda: growth(arguments.rows),
        "hard": hard,
        "datatrove": lambda: datatrove(arguments.peer),
    }
    if not DATA.exists():
        sys.exit(f"the package descriptions are not at {DATA}")
    for name, part in parts.items():
        if arguments.only is None or name in arguments.only:
            part()


if __name__ == "__main__":
    main()
