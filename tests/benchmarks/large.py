"""A table larger than memory through clean, near-dedupe and split: time, peak memory, spill, and the exponent of growth.

    python tests/benchmarks/large.py                          # one million rows (0.4 GB of text), with 2 GB
    python tests/benchmarks/large.py 10000000 --memory 2GB    # ten million rows (4 GB of text)
    python tests/benchmarks/large.py 100000 300000 1000000    # the exponent from size to size
    python tests/benchmarks/large.py 1000000 --folder DIR     # where to work (default: a temporary folder)

The rows are the descriptions of ``../shared/data/packages`` in editions: in each, every word is spelt anew, so that families of near-copies
stay as large as they are in the data; every tenth row of an edition has one word changed besides. The same ROWS give the same bytes.
Memory is the greatest sum of resident memory of the run's processes, sampled every tenth of a second, and, beside it, the main process's own
peak as the kernel counts it. Spill is the greatest size of its temporary files, with those that have no name.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / ".." / "shared" / "data" / "packages" / "packages.parquet"
PART = 250_000
"""Rows of a file. It decides nothing but how much memory making them takes."""

RECIPE = """recipe "large" { seed: 7 }
source rows = parquet("rows/*.parquet") { key: id  columns: { id: int, text: text } }
clean tidy from rows {
  text = text |> squeeze_space
  drop where words(text) < 5 as "too short"
  dedupe(text)
  dedupe(text, near: 85%)
}
split final from tidy { train: 90%  validation: 5%  test: 5% }
"""


@dataclass
class Measured:
    rows: int
    megabytes: float
    seconds: float
    processor: float
    peak: int
    main_peak: int
    spill: int
    steps: list[str]


def make(folder: Path, rows: int) -> float:
    """The rows as Parquet files; their text in MB."""
    import duckdb

    (folder / "rows").mkdir(parents=True)
    con = duckdb.connect()
    con.execute("set threads = 2; set memory_limit = '1GB'; set preserve_insertion_order = true")
    con.execute(
        f"""create table words as select row_number() over (order by package, description) - 1 as i, string_split(description, ' ') as w
            from read_parquet('{DATA}') where length(description) < 3000"""
    )
    (size,) = con.execute("select count(*) from words").fetchall()[0]
    edition = f"translate((k // {size})::varchar, '0123456789', 'qxzjkvwyfb')"
    place = f"CASE WHEN (k // {size}) % 10 = k % 10 THEN 1 + (k * 7919) % len(w) END"
    spelt = f"list_transform(w, lambda x, p: CASE WHEN p = {place} THEN 'changed' ELSE x || {edition} END)"
    total = 0.0
    for number, low in enumerate(range(0, rows, PART)):
        con.execute(
            f"""copy (select k as id, array_to_string({spelt}, ' ') as text
                from range({low}, {min(rows, low + PART)}) r(k) join words on words.i = k % {size} order by k)
                to '{folder}/rows/{number:04}.parquet' (format parquet, compression zstd)"""
        )
        (part,) = con.execute(f"select sum(strlen(text)) / 1e6 from '{folder}/rows/{number:04}.parquet'").fetchall()[0]
        total += part
    con.close()
    return total


def resident(pid: int) -> int:
    """Resident memory of a process and its descendants, in bytes."""
    total, queue = 0, [pid]
    while queue:
        one = queue.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, IndexError):
            continue
    return total


def unnamed(pid: int) -> int:
    """Bytes of the files that a process has open and that have no name any more."""
    total = 0
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(link).endswith("(deleted)"):
                total += link.stat().st_size
    except OSError:
        return total
    return total


def named(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def run(folder: Path, rows: int, memory: str, megabytes: float) -> Measured:
    (folder / "large.recipe").write_text(RECIPE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "recipec", "run", "large.recipe", "--memory", memory, "--threads", "2", "--format", "json"]
    before, started = os.times(), time.perf_counter()
    peak = main_peak = spill = 0
    with (folder / "out.json").open("wb") as out, (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=log)
        tick = 0
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            if tick % 10 == 0:
                spill = max(spill, unnamed(process.pid) + named(folder / ".recipec" / "tmp"))
                try:
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    main_peak = max(
                        main_peak, *(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0
                    )
                except OSError:
                    pass
            tick += 1
            time.sleep(0.1)
    seconds = time.perf_counter() - started
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    said = (folder / "out.json").read_text(encoding="utf-8")
    if process.returncode:
        sys.exit(f"the run failed ({process.returncode}): {said[-2000:]}\n{(folder / 'log.txt').read_text()[-2000:]}")
    steps = [
        f"{step['name']} {step.get('seconds', 0):.1f} s, {step.get('rows_out', 0):,} rows, dropped {step.get('dropped', {})}"
        for step in json.loads(said)["steps"]
    ]
    return Measured(rows, megabytes, seconds, used, peak, main_peak, spill, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--folder", type=Path, help="an empty folder, which is left there with its rows")
    given = parser.parse_args()
    if not DATA.is_file():
        sys.exit("skipped: the packages data is not at hand")
    if not Path("/proc/self/statm").exists():
        sys.exit("skipped: memory is read from /proc, which this system has not")
    last: Measured | None = None
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) if given.folder is None else given.folder / str(rows)
            if not (folder / "made").is_file():
                megabytes = make(folder, rows)
                (folder / "made").write_text(str(megabytes))
            shutil.rmtree(folder / ".recipec", ignore_errors=True)
            found = run(folder, rows, given.memory, float((folder / "made").read_text()))
        exponent = "" if last is None else f", exponent {math.log(found.processor / last.processor) / math.log(found.rows / last.rows):.2f}"
        print(
            f"{rows:,} rows, {found.megabytes:,.0f} MB of text, --memory {given.memory}: {found.seconds:.1f} s on the clock, "
            f"{found.processor:.1f} s of processor{exponent}; resident at most {found.peak / 1e6:,.0f} MB "
            f"(main process {found.main_peak / 1e6:,.0f}), spill {found.spill / 1e6:,.0f} MB",
            flush=True,
        )
        for step in found.steps:
            print(f"  {step}", flush=True)
        last = found


if __name__ == "__main__":
    main()
