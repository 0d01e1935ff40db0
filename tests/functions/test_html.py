from __future__ import annotations

import time
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from functions_harness import Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast.text_html import strip_html, text_of
from recipec.fast.text_markdown import strip_markdown
from recipec.fast.text_markdown import text_of as markdown_text

PIECES = [
    *(
        "<p>",
        "</p>",
        "<br>",
        "<b>",
        "</b>",
        "<B class='x'>",
        '<a href="u>v">',
        "</a>",
        "<foo>",
        "</foo>",
        "<script>",
        "</script>",
        "<!--",
        "-->",
    ),
    *(
        "<td>",
        "<li>",
        "a",
        "b ",
        " ",
        "\n",
        "<",
        ">",
        "&",
        "&amp;",
        "&lt;",
        "&#65;",
        "&nbsp;",
        "&nosuch;",
        "x<y",
        "你好",
        "<![CDATA[",
        "]]>",
        "=",
        '"',
    ),
]
MARKS = [*"*_`~#>-=|[]()!\\<:@.ab1 \n", "](", "```\n", "**", "__", "\n\n", "| - |", "你"]


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), min_size=30, max_size=60))
def test_the_guard_of_strip_html_changes_nothing(calculator: Calculator, texts: list[str]) -> None:
    query = f"SELECT {calculator.call('strip_html', 't')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    assert [r[0] for r in calculator.rows(query, [texts])] == strip_html(pa.array(texts, pa.string())).to_pylist()


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(MARKS), max_size=10).map("".join), min_size=30, max_size=60))
def test_the_guard_of_strip_markdown_changes_nothing(calculator: Calculator, texts: list[str]) -> None:
    query = f"SELECT {calculator.call('strip_markdown', 't')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    assert [r[0] for r in calculator.rows(query, [texts])] == strip_markdown(pa.array(texts, pa.string())).to_pylist()


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("if a<b then c>d", "if a<b then c>d"),
        ("if a<b>c", "if a<b>c"),
        ("I <3 you & R&D; AT&T", "I <3 you & R&D; AT&T"),
        ("vector<int> v; map<string, int>", "vector<int> v; map<string, int>"),
        ("cp <file> <dir>, <joe@example.org>, <http://x.org>", "cp <file> <dir>, <joe@example.org>, <http://x.org>"),
        ("<b>bold</b> move<br/>next<br><br>para", "bold move\nnext\n\npara"),
        ("<ul><li>a</li><li>b</li></ul>after", "a\nb\n\nafter"),
        ("<div><div>x</div></div>\n<div>y</div>", "x\ny"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<a href='x>y' title=\"a'b\">link</a>", "link"),
        ("<INPUT type=checkbox checked disabled>ok", "ok"),
        ("<!DOCTYPE html><html><head><title>T</title></head><body>B</body></html>", "B"),
        ("<SCRIPT>if (a<b) x='</p>'</script >text", "text"),
        ("put <script> into the <head>", "put <script> into the <head>"),
        ("<script src=x>never closed", "never closed"),
        ("the <span> and <div> elements<br>of <html>", "the <span> and <div> elements\nof <html>"),
        ("<!DOCTYPE html><html><body><div>cut off", "cut off"),
        ("<!-- c <b> -->x<!-- y", "x<!-- y"),
        ("<foo>xml</foo> <bar>", "xml <bar>"),
        ("&lt;b&gt; &amp;amp; &#20320;&#x597d; &copy; &copy", "<b> &amp; 你好 © &copy"),
        ("a&nbsp;b", "a b"),
        ("中文<br>换行<p>段落", "中文\n换行\n\n段落"),
        ("plain\n  text \n", "plain\n  text \n"),
        ("", ""),
    ],
)
def test_strip_html(markup: str, text: str) -> None:
    assert text_of(markup) == text


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["<p>", "</p>", "<div class='x'>", "</div>", "<em class=y>", "</em>", "one", " two", "&lt;", "&amp;", "<br/>"]),
        max_size=12,
    )
)
def test_keeps_the_text_that_a_parser_finds(pieces: list[str]) -> None:
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed("".join(pieces))
    parser.close()
    assert "".join(text_of("".join(pieces)).split()) == "".join("".join(found).split())


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("2 * 3 * 4, a*b*c, snake_case_name, __init__.py", "2 * 3 * 4, a*b*c, snake_case_name, __init__.py"),
        ("_it_ __b__ ***bi*** ~~del~~ **bold *it* x**", "it b bi del bold it x"),
        ("Head\n====\ntext\n---\nmore", "Head\ntext\nmore"),
        ("- a\n- b *c*\n1. d", "- a\n- b c\n1. d"),
        ("| a | b |\n|---|---|\n| 1 | **2** |\n\nx | y", "a b\n1 2\n\nx | y"),
        ("a | b\n--|--\n1 | 2", "a b\n1 2"),
        ("[![b](c)](d) [ref][1]\n\n[1]: http://x.org \"T\"\n", "b ref\n\n"),
        ("这是**重点**内容*斜*体", "这是重点内容斜体"),
        ("\\*not\\* <http://a.b> `a*b*c`", "*not* http://a.b a*b*c"),
        ("## A ##\n#hashtag", "A\n#hashtag"),
        ("~~~\n*code*\n~~~\n```\nunclosed", "*code*\nunclosed"),
        ("**a\nb**\n\n**c\n\nd**", "a\nb\n\n**c\n\nd**"),
        ("$a_1$ and $b_2$", "$a_1$ and $b_2$"),
    ],
)  # fmt: skip
def test_strip_markdown(markdown: str, text: str) -> None:
    assert markdown_text(markdown) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        '<a b="',
        "<!--",
        "<",
        "&",
        "<p x=1 ",
        "<script>",
        "</",
        "<x>",
        "<br> ",
        "*a ",
        "**a",
        "`a",
        "[a](",
        "[[a](b)",
        "_a",
        "\\[",
        "- ",
        "```\n",
    ],
)
def test_hostile_text_takes_time_in_proportion(piece: str) -> None:
    start = time.process_time()
    text_of(piece * 20_000)
    markdown_text(piece * 20_000)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(https://a.org/x_(y)) z", "() z"),
        ("https://a.org/?q=1&r=2#f。后", "。后"),
        ("HTTP://A.ORG www.a.org: ftp://x.y/z!", " : !"),
        ("e.g. awww.no and http:// alone", "e.g. awww.no and http:// alone"),
        ('<a href="https://a.org">', '<a href="">'),
    ],
)
def test_strip_urls(calculator: Calculator, text: str, expected: str) -> None:
    assert calculator.rows(f"SELECT {calculator.call('strip_urls', '$1::VARCHAR')}", [text]) == [(expected,)]
