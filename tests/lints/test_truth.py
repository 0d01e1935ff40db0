"""What ``rule-never-fires`` claims of random filters, held against what a run of them drops."""

from __future__ import annotations

import random
from typing import Any

from recipec.diagnostics import Diagnostic
from recipec.lints._run import lint

STEPS, FILTERS = 60, 6
TEXTS = ['"en"', '"zh"', '"de"', '""']
KINDS = ["keep", "drop", "drop"]
LISTS = ['["en", "zh"]', '["en"]', '["", "de"]']


def condition(r: random.Random, depth: int = 2) -> str:
    """A condition over ``n`` (whole numbers and nulls), ``x`` (fractions), ``lang`` (texts and nulls) and ``ok``."""
    n, m = r.randint(-1, 6), r.randint(-1, 6)
    plain = [
        lambda: f"{r.choice(['n', 'x', 'length(lang)'])} {r.choice(['<', '<=', '>', '>=', '==', '!='])} {n}",
        lambda: f"{n} {r.choice(['<', '<=', '>', '>=', '==', '!='])} n",
        lambda: f"x {r.choice(['<', '>=', '!='])} {n}.5",
        lambda: f"n {r.choice(['between', 'not between'])} {min(n, m)} and {max(n, m)}",
        lambda: f"lang {r.choice(['==', '!='])} {r.choice(TEXTS)}",
        lambda: f"lang {r.choice(['in', 'not in'])} {r.choice(LISTS)}",
        lambda: f"{r.choice(['n', 'x', 'lang'])} is {r.choice(['null', 'not null'])}",
        lambda: "ok",
        lambda: "n != n",
    ]
    if depth and r.random() < 0.35:
        a, b = condition(r, depth - 1), condition(r, depth - 1)
        return r.choice([f"({a} and {b})", f"({a} or {b})", f"not ({a})"])
    return r.choice(plain)()


def test_claims_hold_on_data(lab: Any) -> None:
    r = random.Random(11)
    rows = [
        (n, x, lang, ok)
        for n in ("", *range(0, 6))
        for x in ("", "0.5", "3", "4.5")
        for lang in ("en", "zh", "de", "")
        for ok in ("true", "false", "")
    ]
    text = "\n".join(f"{i},{n},{x},{lang},{ok}" for i, (n, x, lang, ok) in enumerate(rows))
    lab.write("rows.csv", "id,n,x,lang,ok\n" + text + "\n")
    recipe = 'source rows = csv("rows.csv") { key: id  columns: { id: int, n: int, x: float, lang: text, ok: bool } }\n'
    for s in range(STEPS):
        filters = "".join(f'  {r.choice(KINDS)} where {condition(r)} as "{s}.{f}"\n' for f in range(FILTERS))
        recipe += f"clean s{s} from rows {{\n{filters}}}\n"
    claims: list[Diagnostic] = [d for d in lint(lab.sound(recipe)) if d.name == "rule-never-fires"]
    assert len(claims) > STEPS / 2
    ran = lab.run(recipe)
    lines = recipe.splitlines()
    for d in claims:
        line = lines[d.span.place[0] - 1]
        step, _, _ = line.rpartition('as "')[2].rstrip('"').partition(".")
        reason = line.rpartition('as "')[2].rstrip('"')
        if "drops nothing" in d.message:
            assert reason not in ran.dropped(f"s{step}"), (line, d.message)
        else:
            built = ran[f"s{step}"].built
            assert built is not None
            assert built.rows_out == 0, (line, d.message)
