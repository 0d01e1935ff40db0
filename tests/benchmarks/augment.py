"""Measure augmentation: rows a second of the whole step (keys, chance, augmenter, table), nlpaug beside it in the same run.

Seconds are of the clock, and of all processors (CPU): the latter say more on a busy machine, and it is by them that nlpaug is compared.

    python tests/benchmarks/augment.py                                   # 1,000,000 rows, two threads
    python tests/benchmarks/augment.py --rows 100000 --only noise typos
    python tests/benchmarks/augment.py --peer /path/to/python            # an interpreter that has nlpaug; skipped without one
    python tests/benchmarks/augment.py --textattack /path/to/python      # one that has TextAttack (and NLTK's `stopwords`)

The texts are the descriptions of `packages`, cut to 200 characters, again and again. A copy is a row.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

DATA = Path(__file__).resolve().parents[2] / "../shared/data/packages/packages.parquet"

CASES = {
    "eda": "eda(text, from: th)",
    "synonyms": "synonyms(text, from: th)",
    "insert_words": "insert_words(text, from: th)",
    "swap_words": "swap_words(text, rate: 10%)",
    "delete_words": "delete_words(text, rate: 10%)",
    "noise": "noise(text)",
    "typos": "typos(text, rate: 2%)",
    "ocr_errors": "ocr_errors(text, rate: 2%)",
    "change_case": "change_case(text)",
    "homoglyphs": "homoglyphs(text)",
    "nothing": "shape_errors(text)",  # no Chinese is there: what keys, chance and the table cost
    "change_punctuation": "change_punctuation(text)",
}
PEER = {
    "swap_words": "naw.RandomWordAug(action='swap', aug_p=0.1)",
    "delete_words": "naw.RandomWordAug(action='delete', aug_p=0.1)",
    "noise": "nac.RandomCharAug(aug_char_p=0.3, aug_word_p=0.3)",
    "typos": "nac.KeyboardAug(aug_char_p=0.1, aug_word_p=0.2)",
    "ocr_errors": "nac.OcrAug(aug_char_p=0.1, aug_word_p=0.2)",
}


TEXTATTACK = {
    "swap_words": "WordInnerSwapRandom()",
    "delete_words": "WordDeletion()",
    "noise": "WordSwapRandomCharacterSubstitution()",
    "typos": "WordSwapQWERTY()",
}
ATTACK = """
import json, sys, time, types
try:
    import flair.data, flair.models
except Exception:
    # It reads parts of speech, which none of these ask for, and does not load beside a newer transformers.
    for name in ("flair", "flair.data", "flair.models"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["flair"].data, sys.modules["flair"].models, sys.modules["flair"].device = sys.modules["flair.data"], sys.modules["flair.models"], "cpu"
    sys.modules["flair.data"].Sentence = sys.modules["flair.data"].Tokenizer = sys.modules["flair.models"].SequenceTagger = object
from textattack.augmentation import Augmenter
from textattack.constraints.pre_transformation import RepeatModification
from textattack.transformations import *
texts = json.load(open(sys.argv[1], encoding="utf-8"))[:200]
out = {}
for name, made in json.loads(sys.argv[2]).items():
    a = Augmenter(transformation=eval(made), constraints=[RepeatModification()], pct_words_to_swap=0.1, transformations_per_example=1)
    start = time.process_time()
    for text in texts:
        a.augment(text)
    out[name] = len(texts) / (time.process_time() - start)
print(json.dumps(out))
"""


def attack(python: str, texts: Path, cases: list[str]) -> None:
    """TextAttack's rows a second, on 200 rows."""
    wanted = json.dumps({c: TEXTATTACK[c] for c in cases if c in TEXTATTACK})
    done = subprocess.run([python, "-c", ATTACK, str(texts), wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"TextAttack: skipped ({done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no answer'})")
        return
    print("TextAttack, rows/s:", ", ".join(f"{c} {v:,.0f}" for c, v in json.loads(done.stdout.splitlines()[-1]).items()), flush=True)


def peer(python: str, texts: Path, rows: int, cases: list[str]) -> dict[str, float]:
    """nlpaug's rows a second, on the first rows."""
    script = "\n".join(
        [
            "import json, sys, time",
            "import nlpaug.augmenter.char as nac, nlpaug.augmenter.word as naw",
            f"texts = json.load(open({str(texts)!r}, encoding='utf-8'))[:{rows}]",
            "out = {}",
            *[
                f"a = {PEER[c]}; start = time.process_time(); a.augment(texts); out[{c!r}] = len(texts) / (time.process_time() - start)"
                for c in cases
            ],
            "print(json.dumps(out))",
        ]
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"nlpaug: skipped ({done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no answer'})")
        return {}
    speeds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--textattack", default=sys.executable)
    parser.add_argument("--peer-rows", type=int, default=3_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    args = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"no data at {DATA}")
    import duckdb
    from conftest import Lab

    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        con = duckdb.connect()
        text = "replace(left(description, 200), chr(10), ' ')"
        con.execute(f"CREATE TABLE t AS SELECT {text} AS text, row_number() OVER () AS n FROM '{DATA}' WHERE length(description) >= 40")
        con.execute(
            f"COPY (SELECT text, (n + 100000 * k)::bigint AS id FROM t, range(40) r(k) LIMIT {args.rows}) TO '{folder}/texts.parquet'"
        )
        # A thesaurus of the 20,000 commonest words, each with two others.
        con.execute(f"""
            COPY (SELECT word, ['x' || word, reverse(word)] AS synonym FROM
              (SELECT lower(unnest(regexp_extract_all(text, '[a-zA-Z]+'))) AS word FROM t) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 20000)
            TO '{folder}/th.parquet'""")
        size = con.execute(f"SELECT avg(length(text)) FROM '{folder}/texts.parquet'").fetchone()
        sample = [r[0] for r in con.execute("SELECT text FROM t ORDER BY n LIMIT 20000").fetchall()]
        (Path(folder) / "texts.json").write_text(json.dumps(sample), encoding="utf-8")
        con.close()
        print(f"{args.rows:,} rows of {size[0] if size else 0:.0f} characters, {args.threads} threads")
        theirs = peer(args.peer, Path(folder) / "texts.json", args.peer_rows, [c for c in args.only if c in PEER])
        attack(args.textattack, Path(folder) / "texts.json", args.only)
        head = 'recipe "b" { seed: 1 } source a = parquet("texts.parquet") { key: id } source th = parquet("th.parquet") '
        lab.run(head, threads=args.threads)
        print(f"{'augmenter':20}{'seconds':>9}{'CPU':>7}{'rows/s':>10}{'per CPU s':>11}{'nlpaug':>9}{'by clock':>10}{'by CPU':>8}")
        for case in args.only:
            before = time.process_time()
            ran = lab.run(head + f"augment k from a {{ originals: false  {CASES[case]} }}", threads=args.threads)
            built = ran["k"].built
            assert built is not None
            speed = args.rows / built.seconds
            other = theirs.get(case)
            spent = time.process_time() - before
            beside = f"{other:>9,.0f}{speed / other:>10.1f}{args.rows / spent / other:>8.1f}" if other else ""
            print(f"{case:20}{built.seconds:>9.2f}{spent:>7.1f}{speed:>10,.0f}{args.rows / spent:>11,.0f}{beside}", flush=True)


if __name__ == "__main__":
    main()
