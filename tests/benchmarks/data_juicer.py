"""A chain of eleven operators against Data-Juicer on the same texts, cold start included on both sides.

    python tests/benchmarks/data_juicer.py [ROWS] [--peer PYTHON]

ROWS of the descriptions of ``../shared/data/packages`` (all 63,440 where none is given). The operators: Unicode repair, white space, and nine
filters (length, words, letters and numbers, special characters, mean and greatest length of a line, repetition of characters and of words,
stopwords) with the same bounds. Ours is ``recipec run`` in a process of its own with two threads; the peer is ``dj-process`` with two
processes, its cache off, from JSON lines to JSON lines, with our list of English stopwords, since its own is downloaded, after a run on ten
rows that is not timed. ``--peer`` names a Python that has py-data-juicer, where this one has not; without either it says that the peer is skipped. Prints times, the ratio, and on how
many rows the two differ: they do where words are split (Data-Juicer's are what white space parts, with marks stripped off).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / ".." / "shared" / "data" / "packages" / "packages.parquet"
sys.path.insert(0, str(REPOSITORY))

RECIPE = """recipe "j" { seed: 7 }
source rows = jsonl("rows.jsonl") { columns: { id: int, text: text } }
clean out from rows {
  text = text |> fix_unicode |> squeeze_space
  data_juicer(text, max_special_ratio: 40%, min_stopword_ratio: 5%, max_flagged_ratio: null)
}
export written from out { to: "ours.jsonl"  format: jsonl() }
"""
PROCESS = """
project_name: chain
dataset_path: rows.jsonl
export_path: theirs/out.jsonl
np: 2
use_cache: false
open_tracer: false
text_keys: text
process:
  - fix_unicode_mapper:
  - whitespace_normalization_mapper:
  - text_length_filter: {min_len: 10, max_len: 1000000000}
  - words_num_filter: {lang: en, tokenization: false, min_num: 10, max_num: 10000}
  - alphanumeric_filter: {tokenization: false, min_ratio: 0.25, max_ratio: 1.0}
  - special_characters_filter: {min_ratio: 0.0, max_ratio: 0.4}
  - average_line_length_filter: {min_len: 10, max_len: 1000000000}
  - maximum_line_length_filter: {min_len: 10, max_len: 1000000000}
  - character_repetition_filter: {rep_len: 10, min_ratio: 0.0, max_ratio: 0.5}
  - word_repetition_filter: {lang: en, tokenization: false, rep_len: 10, min_ratio: 0.0, max_ratio: 0.5}
  - stopwords_filter: {lang: en, tokenization: false, min_ratio: 0.05, stopwords_dir: words}
"""


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the clock, and of processor of the process and its children."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    seconds, after = time.perf_counter() - started, os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def ids(path: Path) -> set[int]:
    with path.open(encoding="utf-8") as lines:
        return {json.loads(line)["id"] for line in lines}


def peer_python() -> str | None:
    if "--peer" in sys.argv:
        return sys.argv[sys.argv.index("--peer") + 1]
    # By the name of its distribution: a module of its name is this very file.
    try:
        importlib.metadata.version("py-data-juicer")
    except importlib.metadata.PackageNotFoundError:
        return None
    return sys.executable


def main() -> None:
    import duckdb

    from recipec.fast.text_stopwords import STOPWORDS

    if not DATA.is_file():
        print("skipped: the packages data is not at hand")
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 63_440
    # Compiled modules are kept, as everywhere that a package is installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        query = f"SELECT row_number() OVER () AS id, description AS text FROM read_parquet('{DATA}') LIMIT {rows}"
        duckdb.connect().execute(f"COPY ({query}) TO '{folder / 'rows.jsonl'}' (FORMAT json)")
        (folder / "j.recipe").write_text(RECIPE, encoding="utf-8")
        (folder / "chain.yaml").write_text(PROCESS, encoding="utf-8")
        (folder / "words").mkdir()
        (folder / "words" / "stopwords.json").write_text(json.dumps({"en": sorted(STOPWORDS["en"])}), encoding="utf-8")
        mine = {**environment, "PYTHONPATH": str(REPOSITORY)}
        run = [sys.executable, "-m", "recipec", "run", "j.recipe", "--threads", "2"]
        times = []
        for _ in range(2):
            shutil.rmtree(folder / ".recipec", ignore_errors=True)
            (folder / "ours.jsonl").unlink(missing_ok=True)
            times.append(timed(run, folder, mine))
        ours = min(times)
        print(
            f"ours         {ours[0]:7.2f} s  {ours[1]:7.2f} s of processor  {rows / ours[0]:9,.0f} rows/s  kept {len(ids(folder / 'ours.jsonl')):,}"
        )
        python = peer_python()
        if python is None:
            print("Data-Juicer is not installed: skipped (--peer PYTHON names one that has it)")
            return
        version = subprocess.run(
            [python, "-c", "import importlib.metadata as m; print(m.version('py-data-juicer'))"], capture_output=True, text=True, check=True
        ).stdout.strip()
        main_of = "from data_juicer.core import DefaultExecutor; from data_juicer.config import init_configs; "
        call = main_of + "DefaultExecutor(init_configs(['--config', 'chain.yaml'])).run()"
        # Once on a few rows, not timed: it installs what its operators need when they are first used.
        every = (folder / "rows.jsonl").read_text(encoding="utf-8")
        (folder / "rows.jsonl").write_text("".join(every.splitlines(keepends=True)[:10]), encoding="utf-8")
        timed([python, "-c", call], folder, environment)
        shutil.rmtree(folder / "theirs")
        (folder / "rows.jsonl").write_text(every, encoding="utf-8")
        theirs = timed([python, "-c", call], folder, environment)
        kept, other = ids(folder / "ours.jsonl"), ids(folder / "theirs" / "out.jsonl")
        label = f"Data-Juicer {version}"
        print(f"{label:12} {theirs[0]:7.2f} s  {theirs[1]:7.2f} s of processor  {rows / theirs[0]:9,.0f} rows/s  kept {len(other):,}")
        print(
            f"ratio {theirs[0] / ours[0]:.1f} by the clock, {theirs[1] / ours[1]:.1f} by processor; they differ on {len(kept ^ other):,} rows"
        )


if __name__ == "__main__":
    main()
