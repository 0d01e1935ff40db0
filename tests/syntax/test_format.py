"""The formatter: layouts as they should read, and what must hold of every recipe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from grow import Grower
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.source import Source
from recipec.syntax.format import COLUMNS, NotFormatted, format_source
from recipec.syntax.layout import width
from recipec.syntax.parse import parse, tokens
from recipec.syntax.tree import File, Header, Node, Op, Repeat, Step, walk

PAGE = Path(__file__).with_name("layout.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"```recipe\n(.*?)```\n\n```recipe\n(.*?)```", PAGE, re.DOTALL)
RECIPES = re.findall(r"```recipe\n(.*?)```", Path(__file__).with_name("good.md").read_text(encoding="utf-8"), re.DOTALL)
QUICK = settings(max_examples=80, deadline=None, derandomize=True)


def formatted(text: str) -> str:
    return format_source(Source("x.recipe", text))


def tree(text: str) -> File:
    file, diagnostics = parse(Source("x.recipe", text))
    assert not diagnostics, [(d.span.place, d.message) for d in diagnostics]
    return file


def check(text: str) -> str:
    """What must hold of every recipe; the canonical layout."""
    result = formatted(text)
    before, after = tree(text), tree(result)
    assert after.items == before.items
    assert sorted(c.text for c in after.comments) == sorted(c.text.rstrip() for c in before.comments)
    assert formatted(result) == result
    assert result == "" or (result.endswith("\n") and not result.endswith("\n\n"))
    outside = "".join("block" if token.kind == "BLOCK" else token.text for token in tokens(Source("x", result)))
    assert not re.search(r"[ \t]\n|\n\n\n|\r|\t", outside)
    return result


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_pages(before: str, after: str) -> None:
    assert check(before) == after
    assert check(after) == after


@pytest.mark.parametrize("recipe", RECIPES)
def test_good_recipes(recipe: str) -> None:
    check(recipe)


@QUICK
@given(st.integers(0, 10**9))
def test_grown_recipes(seed: int) -> None:
    grower = Grower(seed, size=25)
    check(grower.laid(grower.file()))


@QUICK
@given(st.integers(0, 10**9))
def test_layout_does_not_matter(seed: int) -> None:
    """The same tokens come out the same, however they were laid out (but for empty lines, which are kept)."""
    grower = Grower(seed, size=25)
    file = grower.file()

    def laid(again: int) -> str:
        text = Grower(again).laid(file, comments=False)
        return formatted(re.sub(r"\n\s*\n", "\n", text)) if '"""' not in text else formatted(" ".join(file))

    assert laid(seed + 1) == laid(seed + 2) == formatted(" ".join(file))


@QUICK
@given(st.integers(0, 10**9), st.sampled_from(RECIPES))
def test_damaged_recipes(seed: int, recipe: str) -> None:
    """What still parses is formatted; what does not is refused, with the reasons."""
    text = Grower(seed).damaged(recipe)
    _, diagnostics = parse(Source("x", text))
    if diagnostics:
        with pytest.raises(NotFormatted) as refused:
            formatted(text)
        assert [d.message for d in refused.value.diagnostics] == [d.message for d in diagnostics]
    else:
        check(text)


def leaves(file: File) -> list[Node]:
    """The statements and items that have no others inside, in the order of the file."""
    found: list[Node] = []
    for item in file.items:
        for node in walk(item):
            if isinstance(node, Step | Header | Repeat) or (isinstance(node, Op) and node.body is not None):
                continue
            if type(node).__name__ in ("Setting", "Assign", "Filter", "When", "Expect", "Op", "Import", "Param", "Def", "Template"):
                found.append(node)
    return found


@QUICK
@given(st.integers(0, 10**9))
def test_comments_stay_with_their_statements(seed: int) -> None:
    """One inside a statement stays inside or goes right before it; one at its end stays on its last line."""
    grower = Grower(seed, size=25)
    file = grower.file()
    text = grower.laid(file)
    number = iter(range(10_000))
    text = "".join(f"# {next(number)}" if token.kind == "COMMENT" else token.text for token in tokens(Source("x", text)))
    result = formatted(text)
    before, after = leaves(tree(text)), leaves(tree(result))
    places = {comment.text: comment.span.start for comment in tree(result).comments}
    for comment in tree(text).comments:
        start = comment.span.start
        for position, statement in enumerate(before):
            new = after[position]
            previous = after[position - 1].span.end if position else -1
            if statement.span.start < start < statement.span.end:
                assert previous < places[comment.text] < new.span.end
            elif statement.span.end <= start and re.fullmatch(r"[ \t]*", text[statement.span.end : start]):
                assert "\n" not in result[new.span.end : places[comment.text]]


def test_blank_lines() -> None:
    """Kept between statements and items, as one; not at the edges of a block."""
    before = "\n\nparam a: int\n\n\n\nparam b: int\nclean c from d {\n\n  a = 1\n\n\n  b = 2\n  # x\n\n  # y\n\n}\n\n"
    after = "param a: int\n\nparam b: int\nclean c from d {\n  a = 1\n\n  b = 2\n  # x\n\n  # y\n}\n"
    assert check(before) == after


@pytest.mark.parametrize("block", ['"""\n    a\n\tb  \n  """', '"""  x\n\n\n y"""', '"""one"""', '"""\r\n  a\r\n"""'])
def test_blocks_are_left_alone(block: str) -> None:
    text = f"sql a from b {block} {{ x: f({block}, 1) }}"
    assert check(text).count(block.replace("\r\n", "\n")) == 2


def test_width() -> None:
    """Lines keep to the width; Chinese counts double."""
    text = "clean 清洗 from 原始数据 { 文本 = " + " |> ".join(["文本", *["去除空白"] * 20]) + " }"
    assert all(width(line) <= COLUMNS for line in check(text).splitlines())
    short = "clean a from b { 文本 = f(" + ", ".join(["文本文本"] * 8) + ") }"
    assert check(short).count("\n") == 3


def test_refusal() -> None:
    with pytest.raises(NotFormatted, match="where"):
        formatted("clean a from b { keep n }")


def test_empty() -> None:
    assert formatted("") == formatted("\n\n") == ""
    assert formatted("  # only a comment  ") == "# only a comment\n"
