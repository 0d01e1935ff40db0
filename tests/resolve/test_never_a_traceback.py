"""No recipe, however broken, gives a traceback: worked recipes and the corpus of mistakes, damaged at random."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipec.diagnostics import Findings
from recipec.resolve.loading import load
from recipec.source import Source

ROOT = Path(__file__).resolve().parents[2]
RECIPES = [p for folder in ("recipes", "tests/recipes", "tests/bad") for p in sorted((ROOT / folder).glob("*.recipe"))]
SNIPPETS = [
    (f"{path.parent}/{path.stem}.recipe", body)
    for path in sorted(Path(__file__).parent.glob("*.md"))
    for body in re.findall(r"^```recipe(?: offline)?\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
]
TEXTS = [(str(p), p.read_text(encoding="utf-8")) for p in RECIPES] + SNIPPETS
PIECES = re.compile(r'"""|"(?:[^"\\\n]|\\.)*"|`[^`\n]*`|r/[^/\n]*/|[\w.]+|\s+|[^\w\s]')
WORDS = sorted({w for _, text in TEXTS for w in PIECES.findall(text) if not w.isspace()})
ODD = [
    "\x00",
    "\ud800",
    "\u200b",
    "。",
    "😀",
    "𝒳",
    "9" * 400,
    "`" * 3,
    '"' * 3,
    "{" * 60,
    "(" * 150,
    "a." * 90 + "b",
    "0x",
    "1e999",
    "\\",
    "$$",
    "--",
    "/*",
]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str]:
    """A recipe's path and its text with some pieces gone, doubled, swapped, or others in their place."""
    path, text = draw(st.sampled_from(TEXTS))
    pieces = PIECES.findall(text)
    solid = [i for i, p in enumerate(pieces) if not p.isspace()]
    if not solid:
        return path, text
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.sampled_from(solid))
        match draw(st.integers(0, 5)):
            case 0:
                pieces[at] = ""
            case 1:
                pieces[at] = f"{pieces[at]} {pieces[at]}"
            case 2:
                other = draw(st.sampled_from(solid))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 3 | 4:
                pieces[at] = draw(st.sampled_from(WORDS))
            case _:
                pieces[at] = draw(st.sampled_from(ODD))
    return path, "".join(pieces)


def look(path: str, text: str, *, offline: bool) -> Findings:
    program = load(Source(path, text), {"n": "x"}, offline=offline)
    program.resolve()
    for finding in program.findings.sorted:
        assert finding.message
        assert 0 <= finding.span.start <= finding.span.end <= len(finding.span.source.text)
    return program.findings


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(damaged(), st.booleans())
def test_damaged_recipes(case: tuple[str, str], offline: bool) -> None:
    look(*case, offline=offline)


EXPRESSIONS = st.recursive(
    st.sampled_from(
        [
            "id",
            "s",
            "l",
            "r",
            "nope",
            "1",
            "-2.5",
            '"a"',
            "null",
            "true",
            "80%",
            "r/a(b/",
            "r/[a-z]+/i",
            "t",
            "t.id",
            "_key",
            "`s`",
            "[]",
            "n",
            '"{input}"',
            '"中\\"文"',
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "||", "==", "!=", "<", "in", "like", "matches", "and", "or"]),
            inner,
        ).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(
            st.sampled_from(
                ["words", "length", "upper", "not_there", "count", "f", "g", "cast", "random", "coalesce", "if", "regexp_extract"]
            ),
            st.lists(inner, max_size=3),
        ).map(lambda x: f"{x[0]}({', '.join(x[1])})"),
        inner.map(lambda x: f"{x}.a"),
        inner.map(lambda x: f"{x}[1]"),
        inner.map(lambda x: f"{x} |> trim"),
        inner.map(lambda x: f"not {x}"),
        inner.map(lambda x: f"({x} is null)"),
        inner.map(lambda x: f"try_cast({x} as int)"),
        inner.map(lambda x: f"list_transform(l, lambda q: {x})"),
        st.tuples(inner, inner, inner).map(lambda x: f"case when {x[0]} then {x[1]} else {x[2]} end"),
        st.tuples(inner, inner).map(lambda x: f"{{a: {x[0]}, b: [{x[1]}]}}"),
        st.tuples(inner, inner, inner).map(lambda x: f"({x[0]} between {x[1]} and {x[2]})"),
    ),
    max_leaves=12,
)
STATEMENTS = st.one_of(
    st.tuples(st.sampled_from(["x", "y", "s", "文"]), EXPRESSIONS).map(lambda x: f"{x[0]} = {x[1]}"),
    EXPRESSIONS.map(lambda e: f"keep where {e}"),
    EXPRESSIONS.map(lambda e: f'drop where {e} as "why"'),
    EXPRESSIONS.map(lambda e: f"expect {e}"),
    EXPRESSIONS.map(lambda e: f"sort({e})"),
    st.sampled_from(
        [
            "dedupe(s)",
            "explode(l)",
            "rename(s => x)",
            "select(id, s)",
            "sample(50%)",
            "limit(3)",
            "chunk(s, words: 2)",
            "dedupe(s, near: 80%)",
        ]
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(STATEMENTS, min_size=1, max_size=6))
def test_generated_steps(statements: list[str]) -> None:
    text = (
        "param n: int = 2\ndef f(a) = a + n\ndef g(a) = f(a) || s\n"
        'sql t """select 1 as id, \'a\' as s, [1] as l, {a: 1} as r""" { key: id }\n'
        f"clean k from t {{\n  {chr(10).join(statements)}\n}}\n"
        "split parts from k { train: 50%  test: rest }\nclean after from parts.train { keep where id > 1 }\n"
    )
    look("generated.recipe", text, offline=False)
