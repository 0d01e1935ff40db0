"""The quality presets against DataTrove's FineWeb filters on the same texts, and the rows that each keeps.

    python tests/benchmarks/quality.py [ROWS] [--peer PYTHON]

ROWS of the descriptions of ``../shared/data/packages`` (all 63,440 where none is given). Ours is ``recipec run`` in a process of its own,
start, reading, checking and writing included, with two threads; the peer is DataTrove's four filters on the same texts in one process
(they hold the interpreter lock), its imports and the tokenizer's loading included; ours is the best of three runs, each from an empty
workspace. ``--peer`` names a Python that has datatrove and
spacy, where this one has not; without either it says that the peer is skipped. Prints the times, the ratio of rows per second, the
rows on whose fate they differ, and the times of a re-run with another bound and of the single presets.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / ".." / "shared" / "data" / "packages" / "packages.parquet"

sys.path.insert(0, str(REPOSITORY))

HEAD = 'recipe "q" { seed: 7 }\nsource rows = parquet("rows.parquet") { columns: { id: int, description: text } }\n'
CHAIN = "gopher_repetition(description)  gopher_quality(description%s)  c4(description, terminal_punctuation: false)  fineweb(description)"
JUICER = (
    "description = description |> fix_unicode |> squeeze_space  data_juicer(description, max_special_ratio: 40%, min_stopword_ratio: 5%)"
)

PEER = r"""
import json, sys, time
started = time.perf_counter()
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
filters = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]
table = pq.read_table(sys.argv[1]).to_pydict()
kept = []
for number, text in zip(table["id"], table["description"]):
    document = Document(text=text, id=str(number))
    if all(f.filter(document) is True for f in filters):
        kept.append(number)
print(json.dumps({"seconds": time.perf_counter() - started, "processor": time.process_time(), "kept": kept}))
"""


def ours(folder: Path, body: str) -> tuple[float, float]:
    """Seconds on the clock and of processor time of ``recipec run``."""
    (folder / "q.recipe").write_text(f"{HEAD}clean out from rows {{ {body} }}\n", encoding="utf-8")
    # Compiled modules are kept, as everywhere that recipec is installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": str(REPOSITORY)}
    before, started = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "recipec", "run", "q.recipe", "--threads", "2"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, used


def kernels(rows: int) -> None:
    """Documents a second of the bare measures on two threads, best of three: what a larger table runs at."""
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow.parquet as pq

    from recipec.fast.quality_juicer import juicer
    from recipec.fast.quality_rules import quality, repetition
    from recipec.operators.data_juicer import DataJuicer
    from recipec.operators.gopher_quality import GopherQuality

    column = pq.read_table(DATA, columns=["description"])["description"].slice(0, rows).combine_chunks()
    parts = [column.slice(low, 4096) for low in range(0, len(column), 4096)]
    stopwords = {"stopwords": GopherQuality.Params.model_fields["stopwords"].get_default()}
    fields = DataJuicer.Params.model_fields
    juice = {name: fields[name].get_default() for name in ("lang", "flagged", "char_ngram", "word_ngram")}
    cases: dict[str, Callable[[Any], object]] = {
        "English heuristics: gopher quality": lambda part: quality(part, None, stopwords),
        "English heuristics: data_juicer": lambda part: juicer(part, None, juice),
        "gopher repetition": lambda part: repetition(part, None, {}),
    }
    with ThreadPoolExecutor(2) as pool:
        for name, work in cases.items():
            times = []
            for _ in range(3):
                used, started = time.process_time(), time.perf_counter()
                list(pool.map(work, parts))
                times.append((time.perf_counter() - started, time.process_time() - used))
            print(
                f"{name:38} {rows / min(times)[0]:9,.0f} documents/s on two threads; {rows / min(u for _, u in times):9,.0f} a second of processor"
            )


def languages(rows: int) -> None:
    """Texts a second of ``language`` in two worker processes, as a step calls it, once these have started: best of three."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from recipec.engines.batches import Pool

    column = pq.read_table(DATA, columns=["description"])["description"].slice(0, rows).combine_chunks()
    pool = Pool(2)

    def all_of(column: Any) -> None:
        for low in range(0, len(column), 2048):
            pool.call("recipec.fast.lang:language", (), pa.record_batch([column.slice(low, 2048)], names=["text"]))

    all_of(column.slice(0, 2048))
    times = []
    for _ in range(3):
        started = time.perf_counter()
        all_of(column)
        times.append(time.perf_counter() - started)
    pool.stop()
    print(f"{'language':38} {rows / min(times):9,.0f} documents/s in two processes")


def kept(folder: Path) -> set[int]:
    import duckdb

    with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
        return {row[0] for row in con.execute("SELECT id FROM out").fetchall()}


def peer_python() -> str | None:
    if "--peer" in sys.argv:
        return sys.argv[sys.argv.index("--peer") + 1]
    return sys.executable if importlib.util.find_spec("datatrove") and importlib.util.find_spec("spacy") else None


def main() -> None:
    import duckdb

    if not DATA.is_file():
        print("skipped: the packages data is not at hand")
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 63_440
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        query = f"SELECT row_number() OVER () AS id, description FROM read_parquet('{DATA}') LIMIT {rows}"
        duckdb.connect().execute(f"COPY ({query}) TO '{folder / 'rows.parquet'}' (FORMAT parquet)")

        kernels(rows)
        languages(rows)

        def line(what: str, seconds: tuple[float, float]) -> None:
            print(f"{what:34} {seconds[0]:7.2f} s  {seconds[1]:6.2f} s of processor  {rows / seconds[0]:9,.0f} rows/s")

        runs = []
        for _ in range(3):
            subprocess.run(["rm", "-rf", str(folder / ".recipec")], check=True)
            runs.append(ours(folder, CHAIN % ""))
        chain = min(runs)
        mine = kept(folder)
        line("the FineWeb chain", chain)
        line("again, min_words: 20", ours(folder, CHAIN % ", min_words: 20"))
        for one in ("gopher_quality", "gopher_repetition", "c4", "fineweb"):
            subprocess.run(["rm", "-rf", str(folder / ".recipec")], check=True)
            line(one, ours(folder, f"{one}(description)"))
        line("unicode, space, data_juicer", ours(folder, JUICER))
        line("lang = language(description)", ours(folder, "lang = language(description)"))
        python = peer_python()
        if python is None:
            print("DataTrove is not installed: skipped (--peer PYTHON names one that has it)")
            return
        answer = subprocess.run([python, "-c", PEER, str(folder / "rows.parquet")], check=True, capture_output=True, text=True).stdout
        theirs = json.loads(answer.splitlines()[-1])
        other = set(theirs["kept"])
        line("DataTrove, the same chain", (theirs["seconds"], theirs["processor"]))
        by_processor = theirs["processor"] / min(used for _, used in runs)
        print(f"ratio {theirs['seconds'] / chain[0]:.1f} by the clock, {by_processor:.1f} by processor   kept {len(mine):,} and {len(other):,}, differing in {len(mine ^ other):,} rows "
              f"({100 * len(mine ^ other) / rows:.3f} %)")  # fmt: skip


if __name__ == "__main__":
    main()
