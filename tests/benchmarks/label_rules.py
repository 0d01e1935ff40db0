"""Measure label steps beside what a person would write: rules beside one query of SQL, lists of names beside a loop over the tokens.

    python tests/benchmarks/label_rules.py [ROWS] [--names N] [--runs R]

``rules``: ROWS texts of 20 words (1,000,000) and 50 rules, ten of them regular expressions, combined by the majority. The hand-written query
makes the same votes, counts them and keeps the class with most of them; both end in a table with label, confidence and votes. ``names``: ROWS
tokens in sentences of 20, and a list of N names (100,000) of one to three words, tagged by ``vote gazetteer``; the loop looks up the longest match in a set of
tuples, from Python lists to Python lists. Prints the median seconds of both, two threads, and the ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

WORDS = 5_000
CLASSES = ["a", "b", "c", "d"]


def word(i: int) -> str:
    """A word for a number: letters alone, none the start of another by chance alone."""
    return "".join(chr(97 + int(d)) for d in f"{i:05d}"[::-1]) + "x"


def rules() -> list[tuple[str, str, str]]:
    """(condition as a recipe writes it, as SQL writes it, class)."""
    out = []
    for i in range(50):
        name = CLASSES[i % 4]
        if i % 5 == 0:
            pattern = f"\\b{word(i)[:3]}[a-e]{word(i)[4:]}\\b"
            out.append((f"text matches r/{pattern}/i", f"regexp_matches(text, '(?i){pattern}')", name))
        else:
            out.append((f'contains(text, " {word(i)} ")', f"contains(text, ' {word(i)} ')", name))
    return out


def run_recipe(recipe: Path, step: str) -> float:
    """Seconds of one step of a recipe, the steps before it built already."""
    from recipec.engines.runner import run
    from recipec.plan.planner import make_plan
    from recipec.resolve.loading import load
    from recipec.source import Source
    from recipec.workspace.database import open_workspace

    program = load(Source(str(recipe), recipe.read_text(encoding="utf-8")))
    program.resolve()
    assert not program.findings.errors, [d.message for d in program.findings]
    with open_workspace(recipe.parent / ".recipec", doing="measure", threads=2) as workspace:
        result = run(make_plan(program, workspace, None), workspace)
        made = next(s for s in result.steps if s.name == step)
        assert made.status == "run", made.error
        assert made.built is not None
        return float(made.built.seconds)


def measure_rules(rows: int, runs: int, folder: Path) -> None:
    con = duckdb.connect(config={"threads": 2})
    con.execute(
        "CREATE MACRO word(i) AS list_aggregate(list_transform(list_reverse(string_split_regex(lpad(i::VARCHAR, 5, '0'), '')), lambda c: chr(97 + c::INT)), 'string_agg', '') || 'x'"
    )
    con.execute(f"CREATE TABLE words AS SELECT i, word(i) AS w FROM range({WORDS}) t(i)")
    con.execute(
        f"COPY (SELECT r AS id, ' ' || string_agg(w, ' ' ORDER BY k) || ' ' AS text FROM (SELECT r, k, (hash(r * 20 + k) % {WORDS})::BIGINT AS i "
        f"FROM range({rows}) a(r), range(20) b(k)) JOIN words USING (i) GROUP BY r ORDER BY r) TO '{folder}/texts.parquet'"
    )
    votes = "\n".join(f'  when {c} => "{name}" as r{i}' for i, (c, _, name) in enumerate(rules()))
    listed = ", ".join(f'"{c}"' for c in CLASSES)
    ours, theirs = [], []
    for n in range(runs):
        recipe = folder / f"run{n}" / "rules.recipe"
        recipe.parent.mkdir()
        recipe.write_text(
            f'source rows = parquet("{folder}/texts.parquet") {{ key: id  columns: {{ id: int, text: text }} }}\n'
            f"label t from rows {{ classes: [{listed}]\n{votes}\n}}\n", encoding="utf-8",
        )  # fmt: skip
        ours.append(run_recipe(recipe, "t"))
        con.execute(f"CREATE OR REPLACE TABLE rows AS FROM '{folder}/texts.parquet'")
        cast = ", ".join(f"CASE WHEN {sql} THEN {CLASSES.index(name)} END AS r{i}" for i, (_, sql, name) in enumerate(rules()))
        counts = ", ".join(
            " + ".join(f"(r{i} IS NOT NULL)::INT" for i, (_, _, c) in enumerate(rules()) if c == name) + f" AS n{k}"
            for k, name in enumerate(CLASSES)
        )
        best = "greatest(n0, n1, n2, n3)"
        label = " ".join(f"WHEN n{k} = {best} THEN '{name}'" for k, name in enumerate(CLASSES))
        said = ", ".join(f"{{'k': 'r{i}', 'v': {CLASSES}[r{i} + 1]}}" for i in range(50))
        start = time.perf_counter()
        con.execute(
            f"CREATE OR REPLACE TABLE made AS SELECT * EXCLUDE (n0, n1, n2, n3) FROM (SELECT id, text, n0, n1, n2, n3, CASE {label} END AS label, {best} / (n0 + n1 + n2 + n3) AS confidence, "
            f"map_from_entries(list_filter([{said}], lambda x: x.v IS NOT NULL)) AS votes FROM (SELECT *, {counts} FROM (SELECT id, text, {cast} FROM rows))) "
            f"WHERE (n0 = {best})::INT + (n1 = {best})::INT + (n2 = {best})::INT + (n3 = {best})::INT = 1"
        )
        theirs.append(time.perf_counter() - start)
        with duckdb.connect(str(recipe.parent / ".recipec" / "work.duckdb"), read_only=True) as made:
            mine = made.execute("SELECT count(*), sum(id), count(*) FILTER (t = 'a') FROM t").fetchall()
        assert mine == con.execute("SELECT count(*), sum(id), count(*) FILTER (label = 'a') FROM made").fetchall()
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"rules  {rows:,} rows x 50: step {a:.2f} s, hand-written query {b:.2f} s, ratio {a / b:.2f}")


def measure_names(tokens: int, names: int, runs: int, folder: Path) -> None:
    import random

    rng = random.Random(7)
    vocabulary = [word(i).capitalize() for i in range(50_000)]
    listed = {" ".join(rng.choices(vocabulary, k=rng.choice((1, 2, 2, 3)))) for _ in range(names)}
    (folder / "names.txt").write_text("\n".join(sorted(listed)), encoding="utf-8")
    known = [n.split() for n in sorted(listed)]
    sentences: list[list[str]] = []
    for _ in range(tokens // 20):
        sentence = rng.choices(vocabulary, k=16) + rng.choice(known)
        sentences.append((sentence + ["."] * 20)[:20])
    with (folder / "news.conll").open("w", encoding="utf-8") as file:
        for s in sentences:
            file.write("".join(f"{t}\tO\n" for t in s) + "\n")
    ours, theirs = [], []
    found: list[list[str]] = []
    for n in range(runs):
        recipe = folder / f"names{n}" / "names.recipe"
        recipe.parent.mkdir()
        recipe.write_text(
            f'source news = conll("{folder}/news.conll", columns: [tokens, _])\nsource people = lines("{folder}/names.txt")\n'
            'label e from news { tags: ["PER"]  vote gazetteer(people.line, tag: "PER") as p }\n', encoding="utf-8",
        )  # fmt: skip
        ours.append(run_recipe(recipe, "e"))
        start = time.perf_counter()
        keys = {tuple(n) for n in known}
        longest = max(map(len, keys))
        found = []
        for s in sentences:
            tags = ["O"] * len(s)
            i = 0
            while i < len(s):
                size = next((k for k in range(min(longest, len(s) - i), 0, -1) if tuple(s[i : i + k]) in keys), 0)
                for j in range(size):
                    tags[i + j] = "B-PER" if j == 0 else "I-PER"
                i += size or 1
            found.append(tags)
        theirs.append(time.perf_counter() - start)
        with duckdb.connect(str(recipe.parent / ".recipec" / "work.duckdb"), read_only=True) as made:
            mine = [r[0] for r in made.execute("SELECT e FROM e ORDER BY _key").fetchall()]
        assert mine == found
    a, b = statistics.median(ours), statistics.median(theirs)
    print(
        f"names  {tokens:,} tokens, {len(listed):,} names: step {a:.2f} s (with its table and counts), a loop in memory {b:.2f} s, ratio {a / b:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_rules(args.rows, args.runs, Path(folder))
        measure_names(args.rows, args.names, args.runs, Path(folder))


if __name__ == "__main__":
    main()
