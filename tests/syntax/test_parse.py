"""What the parser makes of recipes: trees, spans, literals, comments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from grow import Grower
from hostile import hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.diagnostics import Diagnostic
from recipec.source import Source
from recipec.syntax import errors, token_errors
from recipec.syntax import parse as parse_module
from recipec.syntax.machine import MAX_DEPTH, Token
from recipec.syntax.parse import parse, tokens
from recipec.syntax.tree import (
    Arg,
    Arrow,
    Assign,
    Between,
    Binary,
    Bool,
    Call,
    Case,
    Cast,
    Def,
    Expect,
    Field,
    File,
    Filter,
    Header,
    Import,
    Index,
    IsNull,
    Lambda,
    ListExpr,
    Name,
    Node,
    Null,
    Number,
    Op,
    Param,
    Regex,
    Repeat,
    Round,
    Setting,
    Step,
    String,
    StructExpr,
    Template,
    Unary,
    When,
    children,
    walk,
)

PAGE = Path(__file__).with_name("good.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```recipe\n(.*?)```", PAGE, re.DOTALL)
QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def good(text: str) -> File:
    file, diagnostics = parse(Source("x.recipe", text))
    assert not diagnostics, [(d.span.place, d.message) for d in diagnostics]
    return file


def step(body: str) -> Step:
    (item,) = good(f"clean tidy from raw {{ {body} }}").items
    assert isinstance(item, Step)
    return item


def value(text: str) -> Node:
    (statement,) = step(f"x = {text}").body
    assert isinstance(statement, Assign)
    return statement.value


def sketch(node: Node | None) -> str:
    """An expression with all its brackets."""
    match node:
        case None:
            return ""
        case String():
            return repr(node.value)
        case Number():
            return f"{node.value}{' ' + node.unit if node.unit else ''}"
        case Bool():
            return str(node.value).lower()
        case Null():
            return "null"
        case Regex():
            return f"/{node.pattern}/{node.flags}"
        case Name():
            return f"`{node.id}`" if node.quoted else node.id
        case Field():
            return f"{sketch(node.base)}.{sketch(node.name)}"
        case Round():
            return f"{sketch(node.base)}@{node.number}"
        case Index():
            return f"{sketch(node.base)}[{sketch(node.start)}{':' if node.slice else ''}{sketch(node.stop)}]"
        case Call():
            args = ", ".join((f"{a.name.id}: " if a.name else "") + sketch(a.value) for a in node.args)
            return f"{sketch(node.func)}{'|' if node.piped else ''}({args})"
        case Arrow():
            return f"{sketch(node.left)} => {sketch(node.right)}"
        case Lambda():
            return f"lambda {' '.join(p.id for p in node.params)}: {sketch(node.body)}"
        case Unary():
            return f"({node.op} {sketch(node.operand)})"
        case Binary():
            return f"({sketch(node.left)} {node.op} {sketch(node.right)})"
        case Between():
            return f"({sketch(node.value)} {'not ' if node.negated else ''}between {sketch(node.low)} and {sketch(node.high)})"
        case IsNull():
            return f"({sketch(node.value)} is {'not ' if node.negated else ''}null)"
        case Case():
            branches = " ".join(f"when {sketch(a)} then {sketch(b)}" for a, b in node.branches)
            return f"case {sketch(node.subject)} {branches} else {sketch(node.default)} end"
        case Cast():
            return f"{'try_' if node.attempt else ''}cast({sketch(node.value)} as {sketch(node.type)})"
        case ListExpr():
            return "[" + ", ".join(map(sketch, node.items)) + "]"
        case StructExpr():
            return "{" + ", ".join(f"{sketch(k)}: {sketch(v)}" for k, v in node.items) + "}"
        case _:
            raise AssertionError(node)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_five_recipes(recipe: str) -> None:
    assert len(good(recipe).items) >= 2


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a or b and not c == d", "(a or (b and (not (c == d))))"),
        ("not a in [1, 2,] and b", "((not (a in [1, 2])) and b)"),
        ("a not in xs", "(a not in xs)"),
        ('a not like "x%"', "(a not like 'x%')"),
        ("a ilike b and a not matches r/x/i", "((a ilike b) and (a not matches /x/i))"),
        ("n between 1 and 5 and m", "((n between 1 and 5) and m)"),
        ("n not between a + 1 and b", "(n not between (a + 1) and b)"),
        ("a is null or b is not null", "((a is null) or (b is not null))"),
        ("a + b * c - d // e % f", "((a + (b * c)) - ((d // e) % f))"),
        ("-a ** -b ** c", "(- (a ** (- (b ** c))))"),
        ("- -1", "(- (- 1))"),
        ("a || b || c + 1", "((a || b) || (c + 1))"),
        ("words(x |> trim) < 5", "(words(trim|(x)) < 5)"),
        ("a |> f == b |> g", "(f|(a) == g|(b))"),
        ("a || b |> f(1, x: 2) |> common.g", "common.g|(f|((a || b), 1, x: 2))"),
        ("a.b.c[1][2:3].d", "a.b.c[1][2:3].d"),
        ("xs[:3] || xs[2:] || xs[:]", "((xs[:3] || xs[2:]) || xs[:])"),
        ("roles[-1]", "roles[(- 1)]"),
        ("f(lambda x, i: x + i, y)", "f(lambda x i: (x + i), y)"),
        ("rename(a => b, [c, d] => e)", "rename(a => b, [c, d] => e)"),
        ("case when a then 1 when b then 2 end", "case  when a then 1 when b then 2 else  end"),
        ("case x when 1 then end else end end", "case x when 1 then end else end end"),
        ("cast(x as decimal(10, 2))", "cast(x as decimal(10, 2))"),
        ("try_cast(x as [{a: int}])", "try_cast(x as [{a: int}])"),
        ('{a: 1, "odd key": 2, in: 3 not: 4,}', "{a: 1, `odd key`: 2, in: 3, not: 4}"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("clf@2.labels", "clf@2.labels"),
        ("`odd ``column```", "`odd `column``"),
        ("文本 |> 去空白", "去空白|(文本)"),
        ("हिन्दी", "हिन्दी"),
        ("text.upper()", "text.upper()"),
        ("cast + 1", "(cast + 1)"),
        ("end - start + when", "((end - start) + when)"),
        ("f(in: 1, not: 2, case: 3, from: 4)", "f(in: 1, not: 2, case: 3, from: 4)"),
        ("s.in.not", "s.in.not"),
        ("r / 2", "(r / 2)"),
        ("10 % 3 + 10%3 + 80%", "(((10 % 3) + (10 % 3)) + 0.8)"),
        ("(10%) + (1)", "(0.1 + 1)"),
    ],
)
def test_expressions(text: str, meant: str) -> None:
    assert sketch(value(text)) == meant


def test_long_chains_are_balanced_and_mean_the_same() -> None:
    """A thousand alternatives are no deeper than a person writes, and stand in the same order."""
    node = value(" or ".join(f"a{n}" for n in range(1000)))
    assert [n.id for n in walk(node) if isinstance(n, Name)] == [f"a{n}" for n in range(1000)]
    assert depth(node) < 15


def depth(node: Node) -> int:
    return 1 + max((depth(child) for child in children(node)), default=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1_000", 1000),
        ("0.5", 0.5),
        ("1e-5", 1e-5),
        ("1E3", 1000.0),
        ("80%", 0.8),
        ("0.7%", 0.007),
        ("12.5%", 0.125),
        ("99999999999999999999999999999999999999", 10**38 - 1),
    ],
)
def test_numbers(text: str, expected: float) -> None:
    node = value(text)
    assert isinstance(node, Number)
    assert node.value == expected
    assert type(node.value) is type(expected)
    assert node.percent == text.endswith("%")


@pytest.mark.parametrize(
    ("text", "unit"),
    [("2_000_000 tokens", "tokens"), ("100  rows", "rows"), ("1.5 tokens keep: x", "tokens")],
)
def test_units(text: str, unit: str) -> None:
    first = step(f"take: {text}").body[0]
    assert isinstance(first, Setting)
    assert isinstance(first.value, Number)
    assert first.value.unit == unit


@pytest.mark.parametrize("text", ["tokens: 3", "tokens = 3", "rows(3)", "rows {}", "tokens.f(x)"])
def test_no_units(text: str) -> None:
    """A statement that begins with the word behind a number is no unit."""
    first, second = step(f"take: 5 {text}").body
    assert isinstance(first, Setting)
    assert isinstance(first.value, Number)
    assert first.value.unit is None
    assert second.span.text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('""', ""),
        (r'"a\"b\\c\/d\n\t\r\b\f\'"', "a\"b\\c/d\n\t\r\b\f'"),
        (r'"\u4e2d\u{1F600}\x41\U0001F600"', "中😀A😀"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud83d"', r"\ud83d"),
        ('"# no comment { ("', "# no comment { ("),
        ('"中文，标点：“”"', "中文，标点：“”"),
    ],
)
def test_strings(text: str, expected: str) -> None:
    node = value(text)
    assert isinstance(node, String)
    assert node.value == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('""""""', ""),
        ('"""one line"""', "one line"),
        ('"""\n    a\n      b\n\n    c"""', "a\n  b\n\nc"),
        ('"""\n    a\n    b\n    """', "a\nb\n"),
        ('"""a\n    b"""', "a\n    b"),
        ('"""\n\ta\n\tb"""', "a\nb"),
        ('"""\n  \ta\n  b"""', "\ta\nb"),
        ('"""  \n  a"""', "a"),
        ('"""\r\n  a\r\n  b"""', "a\nb"),
        ('"""say "hi""""', 'say "hi"'),
        (r'"""three: \""" and \d \n"""', '''three: """ and \\d \\n'''),
        ('"""\n   \n  a"""', "\na"),
    ],
)
def test_blocks(text: str, expected: str) -> None:
    node = value(text)
    assert isinstance(node, String)
    assert node.block
    assert node.value == expected


@pytest.mark.parametrize(
    ("text", "pattern", "flags"),
    [(r"r/\bfoo\b/i", r"\bfoo\b", "i"), (r"r/a\/b[/]\\/", r"a/b[/]\\", ""), ("r/#{}()/gm", "#{}()", "gm")],
)
def test_regexes(text: str, pattern: str, flags: str) -> None:
    node = value(text)
    assert isinstance(node, Regex)
    assert (node.pattern, node.flags) == (pattern, flags)


def test_statements() -> None:
    body = step(
        """
        key: 1, when: 2  as: 3
        text = trim(text)
        end = 4
        keep where a as "kept"
        drop where b
        when c => "x" as rule
        when d => "y"
        expect unique(a)
        expect warn e as "test"
        dedupe(a)
        lines(text) { keep where f }
        vote llm(m) as asked
        common.own(a)
        search { rate: [1, 2] }
        `odd one`: 5
        """
    ).body
    assert [type(s) for s in body] == [
        Setting, Setting, Setting, Assign, Assign, Filter, Filter, When, When, Expect, Expect, Op, Op, Op, Op, Op, Setting,
    ]  # fmt: skip
    assert isinstance(body[5], Filter)
    assert (body[5].action, body[5].reason and body[5].reason.value) == ("keep", "kept")
    assert isinstance(body[6], Filter)
    assert (body[6].action, body[6].reason) == ("drop", None)
    assert isinstance(body[7], When)
    assert (sketch(body[7].label), body[7].name and body[7].name.id) == ("'x'", "rule")
    assert isinstance(body[10], Expect)
    assert (body[10].warn, body[10].name and body[10].name.value) == (True, "test")
    ops = [s for s in body if isinstance(s, Op)]
    assert [sketch(op.call) for op in ops] == ["dedupe(a)", "lines(text)", "llm(m)", "common.own(a)", "search()"]
    assert [op.vote for op in ops] == [False, False, True, False, False]
    assert [op.body is not None for op in ops] == [False, True, False, False, True]
    assert ops[2].name == Name("asked", span=ops[2].span)


def test_items() -> None:
    file = good(
        '''
        import "common.recipe" as common
        recipe "name" { version: "1" }
        param least: int = 5
        param path: text
        def shouting(t, u) = upper(t) == t
        def always() = true
        template plain(text, n: int) """Say {{ text }}"""
        template chat() { system """S""" user "U" }
        sql joined from a, final.train, clf@2, common.tidy """select 1""" { key: id }
        source rows = csv("a.csv", header: true)
        expect sound from rows {}
        mix template {}
        repeat 3 as round { clean a from b {} train c } until gain(a.f1) < 1%
        repeat n { }
        '''
    )
    kinds = [Import, Header, Param, Param, Def, Def, Template, Template, Step, Step, Step, Step, Repeat, Repeat]
    assert [type(item) for item in file.items] == kinds
    assert file.header is file.items[1]
    macro, empty, plain, chat, sql, source, expect = file.items[4:11]
    assert isinstance(macro, Def)
    assert [p.id for p in macro.params] == ["t", "u"]
    assert isinstance(empty, Def)
    assert empty.params == ()
    assert isinstance(plain, Template)
    assert [(p.name.id, sketch(p.type)) for p in plain.params] == [("text", ""), ("n", "int")]
    assert plain.parts[0][0] is None
    assert isinstance(chat, Template)
    assert [(role and role.id, text.value) for role, text in chat.parts] == [("system", "S"), ("user", "U")]
    assert isinstance(sql, Step)
    assert [sketch(i) for i in sql.inputs] == ["a", "final.train", "clf@2", "common.tidy"]
    assert sql.text is not None
    assert sql.head.text == "sql joined from a, final.train, clf@2, common.tidy"
    assert isinstance(source, Step)
    assert source.head.text == 'source rows = csv("a.csv", header: true)'
    assert isinstance(expect, Step)
    assert expect.kind.id == "expect"
    first, second = file.items[12:]
    assert isinstance(first, Repeat)
    assert (first.variable and first.variable.id, len(first.items), sketch(first.until)) == ("round", 2, "(gain(a.f1) < 0.01)")
    assert isinstance(second, Repeat)
    assert (second.variable, second.items, second.until) == (None, (), None)


@pytest.mark.parametrize("word", ["template", "recipe", "model", "end", "until", "keep", "when", "from", "warn", "where"])
def test_words_that_are_not_reserved(word: str) -> None:
    """Usable as columns anywhere, behind other statements too."""
    _, second, third = step(f"a = b {word}: x {word} = a.{word} + [{word}]").body
    assert isinstance(second, Setting)
    assert isinstance(third, Assign)
    assert third.column.id == word


@pytest.mark.parametrize(
    "word", ["and", "or", "not", "in", "is", "like", "ilike", "matches", "between", "as", "case", "true", "false", "null", "lambda"]
)
def test_reserved_words(word: str) -> None:
    """The same in whatever order the statements stand; in backticks they are names; before a colon and behind a point too."""
    for text in (f"{word} = 1", f"a: b {word} = 1"):
        _, diagnostics = parse(Source("x", f"clean tidy from raw {{ {text} }}"))
        assert [d.name for d in diagnostics] in (["reserved-word"], ["loose-lambda"])
    step(f"`{word}` = `{word}`  {word}: a.{word}  f({word}: 1)  s = {{{word}: 1}}")


def test_empty_files() -> None:
    for text in ("", "\n", "# nothing\n", "\ufeff"):
        assert good(text).items == ()
    assert good("\ufeffclean a from b {}").items


def test_comments() -> None:
    file = good('# one\nclean a from b {  # two\n  # three\n  x: "# no"  #four\r\n}\n  # five')
    assert [(c.text, c.own_line, c.span.text) for c in file.comments] == [
        ("# one", True, "# one"),
        ("# two", False, "# two"),
        ("# three", True, "# three"),
        ("#four", False, "#four"),
        ("# five", True, "# five"),
    ]


# Spans


def expressions(node: Node) -> Iterator[Node]:
    for part in walk(node):
        if isinstance(part, Assign | Setting | Filter | When | Expect | Def):
            yield from children(part)


@QUICK
@given(st.integers(0, 10**9))
def test_spans(seed: int) -> None:
    """Children lie inside their parents, in order, and the text of an expression's span is that expression."""
    grower = Grower(seed, size=25)
    file = good(grower.laid(grower.file()))
    for item in file.items:
        for node in walk(item):
            assert node.span.text == node.span.text.strip()
            assert node.span.start < node.span.end
            inner = list(children(node))
            assert all(node.span.start <= child.span.start <= child.span.end <= node.span.end for child in inner)
            if not isinstance(node, Arg | Call):  # there the fields are in another order
                assert all(a.span.end <= b.span.start for a, b in pairwise(inner))
            if isinstance(node, Binary):
                assert node.left.span.end <= node.op_span.start < node.op_span.end <= node.right.span.start
                assert node.op_span.text.split("#")[0].split()[0] == node.op.split()[0]
            if isinstance(node, Assign | Setting):
                assert value(node.value.span.text) == node.value


# Any text at all


def check(text: str) -> list[Diagnostic]:
    """What must hold of every text."""
    source = Source("x.recipe", text)
    file, diagnostics = parse(source)
    assert "".join(token.text for token in tokens(source)) == text
    for diagnostic in diagnostics:
        assert diagnostic.message
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert diagnostic.name != "error"
        for fix in diagnostic.fixes:
            assert fix.edits
    assert len(diagnostics) <= 101
    for item in file.items:
        assert depth_of(item) <= 2 * MAX_DEPTH + 20
    return diagnostics


def depth_of(node: Node) -> int:
    """Depth, counted without recursion."""
    deepest, stack = 0, [(node, 1)]
    while stack:
        top, level = stack.pop()
        deepest = max(deepest, level)
        stack.extend((child, level + 1) for child in children(top))
    return deepest


@QUICK
@given(st.integers(0, 10**9))
def test_damaged_recipes(seed: int) -> None:
    grower = Grower(seed, size=25)
    check(grower.damaged(grower.laid(grower.file())))


@QUICK
@given(st.integers(0, 10**9), st.sampled_from(RECIPES))
def test_damaged_good_recipes(seed: int, recipe: str) -> None:
    grower = Grower(seed)
    check(grower.damaged(recipe))


@QUICK
@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_any_text(text: str) -> None:
    check(text)


@QUICK
@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    check(data.decode("utf-8", "surrogateescape"))
    check("clean a from b { x: " + data.decode("latin-1") + " }")


@QUICK
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_tokens_deleted_doubled_and_swapped(seed: int, place: int) -> None:
    grower = Grower(seed, size=20)
    parts: list[Token] = tokens(Source("x", grower.laid(grower.file())))
    texts = [token.text for token in parts]
    one, two = place % len(texts), (place // 7) % len(texts)
    check("".join(texts[:one] + texts[one + 1 :]))
    check("".join(texts[: one + 1] + texts[one:]))
    texts[one], texts[two] = texts[two], texts[one]
    check("".join(texts))


@pytest.mark.parametrize("text", hostile(0.2), ids=lambda text: text[:30].replace("\n", " ") + f" x{len(text)}")
def test_hostile_text(text: str) -> None:
    """Never a traceback, and always an answer: ``benchmarks/syntax.py`` says how soon."""
    assert check(text) or text.startswith(("#", "\n"))


def test_bounds() -> None:
    for text in ("x" * 1_000_001, "a b {} " * 15_000):
        (diagnostic,) = check(text)
        assert diagnostic.name == "file-too-large"
    assert (parse_module.MAX_CHARACTERS, parse_module.MAX_TOKENS) == (1_000_000, 100_000)  # the page of `explain` says so


# Names that did not parse


def test_broken_items_keep_their_names() -> None:
    file, diagnostics = parse(
        Source("x", "clean a from b { keep }\nclean c from d {}\nrepeat 2 {\n  clean e from f {}\n  clean g from }\n")
    )
    assert [name.id for name in file.broken] == ["a", "e", "g"]
    assert [item.name.id for item in file.items if isinstance(item, Step)] == ["c"]
    assert len(diagnostics) == 2


# Pages of `explain`


def classes() -> list[type[Diagnostic]]:
    found = [c for m in (errors, token_errors) for _, c in inspect.getmembers(m, inspect.isclass) if issubclass(c, Diagnostic)]
    return [c for c in dict.fromkeys(found) if c.__module__.startswith("recipec.syntax")]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.name)
def test_pages(kind: type[Diagnostic]) -> None:
    """Every kind of mistake has its own name, code, and a page that says what, why, and shows both ways."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.name)
    assert re.fullmatch(r"E1\d\d", kind.code)
    page = inspect.getdoc(kind) or ""
    assert len(page.split()) >= 12
    if kind not in (errors.TooDeeplyNested, errors.FileTooLarge, errors.TooManyErrors):
        assert "Bad: " in page
        assert "Good: " in page


def test_names_and_codes_are_unique() -> None:
    assert len({kind.name for kind in classes()}) == len({kind.code for kind in classes()}) == len(classes())
