"""One recipe on one machine and on clusters of 1, 2 and 4 simulated nodes: is the output equal, what does it cost, what does a plan say of it.

    python tests/benchmarks/cluster.py 1000000 --recipe near                 # near-dedupe and split of a million rows: DuckDB, 1 and 2 nodes
    python tests/benchmarks/cluster.py 1000000 --recipe one                  # recipe 1's data part
    python tests/benchmarks/cluster.py 1000000 --on duckdb 2 kill            # with one of two nodes killed in the middle
    python tests/benchmarks/cluster.py 100000 --on duckdb 1 2 4              # the plan's numbers beside the measured ones

The rows are the descriptions of ``../shared/data/packages`` in editions (16 of them make a million): in each, every word is spelt anew, so
that families of near-copies stay as large as they are in the data. A node is a process group of Ray's with one processor; the head has
none, and the run's own process has one thread. ``duckdb`` runs with one thread for each of ``--threads`` (1 and 2). Needs Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / ".." / "shared" / "data" / "packages" / "packages.parquet"
PART = 62_500

NEAR = """recipe "near" { seed: 7 }
source rows = parquet("rows/*.parquet") { key: id  columns: { id: int, section: text, description: text } }
clean tidy from rows {
  description = description |> squeeze_space
  drop where words(description) < 5 as "too short"
  dedupe(description)
  dedupe(description, near: 85%)
}
split final from tidy { train: 90%  validation: 5%  test: 5%  stratify: section }
"""
ONE = """recipe "packages" { version: "1.0.0"  seed: 7  language: ["en"] }
source packages = parquet("rows/*.parquet") { key: id  columns: { id: int, section: text, description: text } }
clean four from packages { keep where section in ["games", "science", "sound", "web"] }
clean tidy from four {
  description = description |> fix_unicode |> strip_html |> squeeze_space
  drop where words(description) < 5            as "too short"
  drop where language(description) != "en"     as "not English"
  dedupe(description)
  dedupe(description, near: 85%)
}
label topic from tidy {
  classes: ["games", "science", "sound", "web"]
  when section == "games"   => "games"   as games_section
  when section == "science" => "science" as science_section
  when section == "sound"   => "sound"   as sound_section
  when section == "web"     => "web"     as web_section
  when description matches r/\\b(player|puzzle|arcade)\\b/i      => "games"   as game_words
  when description matches r/\\b(audio|midi|synthesi[sz]er)\\b/i => "sound"   as sound_words
  combine: dawid_skene()
  accept: confidence >= 80%
  gold: section
}
split final from topic { train: 80%  validation: 10%  test: 10%  stratify: topic  group: near_duplicates(description) }
"""
RECIPES = {"near": NEAR, "one": ONE}
SPELT = "('', 'q', 'x', 'z', 'j', 'k', 'v', 'w', 'y', 'f', 'b', 'qx', 'zj', 'kv', 'wy', 'fb')"


def make(folder: Path, rows: int) -> None:
    """The rows as Parquet files."""
    import duckdb

    (folder / "rows").mkdir(parents=True)
    con = duckdb.connect()
    con.execute("SET threads = 2; SET memory_limit = '2GB'; SET preserve_insertion_order = true")
    con.execute(
        "CREATE TABLE words AS SELECT row_number() OVER (ORDER BY package, description) - 1 AS i, section, string_split(description, ' ') AS w "
        f"FROM read_parquet('{DATA}')"
    )
    ((size,),) = con.execute("SELECT count(*) FROM words").fetchall()
    edition = f"list_extract({SPELT.replace('(', '[').replace(')', ']')}, (k // {size})::INT + 1)"
    for number, low in enumerate(range(0, rows, PART)):
        con.execute(
            f"COPY (SELECT k AS id, section, array_to_string(list_transform(w, lambda x: x || {edition}), ' ') AS description "
            f"FROM range({low}, {min(rows, low + PART)}) r(k) JOIN words ON words.i = k % {size} ORDER BY k) "
            f"TO '{folder}/rows/{number:04}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def nodes(count: int) -> Any:
    """A cluster of so many nodes of one processor, and a head without any."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from importlib import import_module

    Cluster = import_module("ray.cluster_utils").Cluster

    quiet = {"include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20, **quiet})
    made = [cluster.add_node(num_cpus=1, object_store_memory=200 << 20) for _ in range(count)]
    cluster.wait_for_nodes()
    return cluster, made


def killed(cluster: Any, node: Any, workspace: Path, told: list[float]) -> None:
    """Kill a node once a few tasks of the near-dedupe have left their results."""
    started = time.monotonic()
    while len([p for p in workspace.glob("tmp/*/near*/sketches/[0-9]*")]) < 4:
        time.sleep(0.2)
        if time.monotonic() - started > 500:
            return
    cluster.remove_node(node, allow_graceful=False)
    told.append(time.monotonic() - started)


def run(folder: Path, recipe: str, on: str, threads: int) -> dict[str, Any]:
    """One run in a workspace of its own: seconds by step, what tasks did, and the digest of every table."""
    import duckdb

    workspace = folder / f"{recipe}-{on}-{threads}"
    shutil.rmtree(workspace, ignore_errors=True)
    words = [
        sys.executable,
        "-m",
        "recipec",
        "run",
        f"{recipe}.recipe",
        "--workspace",
        str(workspace),
        "--threads",
        str(threads),
        "--format",
        "json",
    ]
    environment = dict(os.environ)
    cluster: Any = None
    told: list[float] = []
    if on != "duckdb":
        cluster, made = nodes(2 if on == "kill" else int(on))
        environment["RAY_ADDRESS"] = cluster.address
        words += ["--engine", "ray"]
        if on == "kill":
            threading.Thread(target=killed, args=(cluster, made[-1], workspace, told), daemon=True).start()
    started = time.monotonic()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if cluster is not None:
        for node in cluster.list_all_nodes():
            cluster.remove_node(node, allow_graceful=False)
    if done.returncode:
        sys.exit(f"{on}: {done.stderr}")
    facts: dict[str, Any] = {"on": on, "threads": threads, "seconds": round(seconds, 1), "killed_after": [round(t, 1) for t in told]}
    with duckdb.connect(str(workspace / "work.duckdb"), read_only=True) as con:
        con.execute("SET memory_limit = '3GB'")
        steps = con.execute("SELECT step, run_key, seconds, rows_out, json_extract(extra, '$.ray') FROM recipec.steps").fetchall()
        facts["steps"] = {s: {"seconds": t, "rows": n, "ray": json.loads(r) if r else None} for s, _, t, n, r in steps}
        facts["digests"] = {
            s: con.execute(
                f"SELECT md5(string_agg(d, '' ORDER BY k)) FROM (SELECT _key AS k, md5(t::VARCHAR) AS d FROM store.r_{key} AS t)"
            ).fetchall()[0][0]
            for s, key, *_ in steps
        }
    return facts


def planned(folder: Path, recipe: str, count: int) -> dict[str, Any]:
    """What ``plan --engine ray`` says, by step."""
    words = [sys.executable, "-m", "recipec", "plan", f"{recipe}.recipe", "--workspace", str(folder / "none"), "--engine", "ray"]
    words += ["--nodes", str(count), "--memory", "8GB", "--format", "json"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return {s["name"]: s["ray"] for s in json.loads(done.stdout)["steps"] if "ray" in s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("--recipe", choices=RECIPES, default="near")
    parser.add_argument(
        "--on", nargs="+", default=["duckdb", "1", "2"], help="duckdb, a number of nodes, or kill: one of two nodes, killed"
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="of the database, where no cluster is")
    parser.add_argument("--folder", type=Path, help="where to work, and to keep what was made (default: a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if not (folder / "rows").is_dir():
            make(folder, args.rows)
        (folder / f"{args.recipe}.recipe").write_text(RECIPES[args.recipe], encoding="utf-8")
        results = folder / f"{args.recipe}.json"
        found: list[dict[str, Any]] = json.loads(results.read_text()) if results.exists() else []
        for on in args.on:
            for threads in args.threads if on == "duckdb" else [1]:
                facts = run(folder, args.recipe, on, threads)
                found = [f for f in found if (f["on"], f["threads"]) != (on, threads)] + [facts]
                results.write_text(json.dumps(found))
                tell(facts, planned(folder, args.recipe, int(on)) if on.isdigit() else {})
        first = found[0]["digests"]
        print("\nevery table equal:", all(f["digests"] == first for f in found))
        plain = next((f["seconds"] for f in found if f["on"] == "duckdb" and f["threads"] == 1), None)
        if plain:
            print(
                "seconds over those of DuckDB with one thread:",
                {f"{f['on']}/{f['threads']}": round(f["seconds"] / plain, 2) for f in found},
            )


def tell(facts: dict[str, Any], plan: dict[str, Any]) -> None:
    after = f", a node killed after {facts['killed_after'][0]} s" if facts["killed_after"] else ""
    print(f"\n{facts['on']} ({facts['threads']} thread{'s' * (facts['threads'] > 1)}): {facts['seconds']} s{after}", flush=True)
    for name, step in facts["steps"].items():
        line = f"  {name:12} {step['seconds']:8.1f} s {step['rows']:>10,} rows"
        if step["ray"]:
            r = step["ray"]
            line += (
                f"   {r['way']:7} {r['tasks']:4} tasks, {r['shuffled'] / 1e6:7.1f} MB shuffled, {r['peak'] / 1e6:5.0f} MB at most in a task"
            )
            if (p := plan.get(name)) is not None:
                line += f"   (plan: {p['tasks']} tasks, {p['shuffled'] / 1e6:.1f} MB, {p['memory'] / 1e6:.0f} MB)"
        print(line, flush=True)


if __name__ == "__main__":
    main()
