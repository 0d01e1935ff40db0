"""What is small in a recipe and large when it is looked at: each has a bound, and a finding at its place, within seconds."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Any

import pytest

HEAD = 'source x = csv("x.csv") { columns: { id: text, text: text, n: int } }\n'
MOST_SECONDS = 15.0
"""Of processor time; each takes below one on a quiet machine."""


def chain(first: str, each: str, times: int = 45) -> str:
    return "\n".join([first, *(each.format(i=i, p=i - 1) for i in range(1, times))]) + "\n"


def doubled(first: str, each: str) -> str:
    return first + "".join(f"{{% set a{i} = {each.replace('@', f'a{i - 1}')} %}}" for i in range(1, 45)) + "{{ a44 }}{{ text }}"


BOMBS = {
    "texts in parameters": (chain('param p0: text = "xxxxxxxxxxxx"', "param p{i}: text = p{p} || p{p}"), "too-large"),
    "numbers in parameters": (chain("param p0: int = 999999999999", "param p{i}: int = p{p} * p{p}"), "too-large"),
    "lists in parameters": (chain('param p0: [text] = ["a"]', "param p{i}: [text] = [p{p}, p{p}]"), "bad-param"),
    "defs": (chain("def m0(x) = x + x", "def m{i}(x) = m{p}(m{p}(x))") + HEAD + "clean c from x { y = m44(n) }", "too-large"),
    "brackets": (HEAD + f"clean c from x {{ y = {'(' * 5000}n{')' * 5000} }}", "too-deeply-nested"),
    "lists in lists": (HEAD + f"clean c from x {{ y = {'[' * 5000}n{']' * 5000} }}", "too-deeply-nested"),
    "rounds": (HEAD + "repeat 99999999999 as r { clean c from x { y = n } }", "bad-value"),
    "rounds of many steps": (
        HEAD + "repeat 1000 as r { " + "".join(f"clean c{i} from x {{ y = n }}\n" for i in range(11)) + "}",
        "too-large",
    ),
    "a constant": (HEAD + 'clean c from x { y = md5(repeat("x", 2000000000)) }', "too-large"),
    "a constant list": (HEAD + "clean c from x { y = range(3000000000) }", "too-large"),
    "constants in constants": (
        HEAD + f"clean c from x {{ y = {'hex(' * 40}text || 'a'{')' * 40} }}".replace("text || 'a'", '"a"'),
        "too-large",
    ),
    "a constant in sql": (HEAD + 'sql c from x """select id, length(repeat(\'x\', 3000000000)) as l from x"""', "bad-sql"),
    "unions": (HEAD + 'sql c from x """' + " union all ".join(["select id from x"] * 3000) + '"""', "bad-sql"),
    "dots": (HEAD + 'sql c from x """select ' + "a." * 9000 + 'a from x"""', "bad-sql"),
    "a large file": ("#" * 1_100_000, "file-too-large"),
    "many words": ("a " * 200_000, "file-too-large"),
    "a template nested": (f'template t(text) """{"{% if text %}" * 400}{"{% endif %}" * 400}"""', "too-large"),
    "loops in a template": (f'template t(text) """{"{% for i in text %}" * 25}{"{% endfor %}" * 25}"""', "too-large"),
    "a number in a template": ('template t(text) """{{ text }}{{ 1e999 }}"""', "too-large"),
    "a long template": (f'template t(text) """{"x" * 70_000}{{{{ text }}}}"""', "too-large"),
    "a pipe": ('source y = csv("pipe")', "unreadable"),
    "an endless file": ('source y = csv("/dev/zero")', "unreadable"),
    "an import that is a pipe": ('import "pipe" as p', "unreadable"),
    "an import without end": ('import "sparse" as p', "unreadable"),
    "a module without end": (HEAD + 'python p from x { call: "big:f"  columns: { a: text } }', "unreadable"),
    "a deep module": (HEAD + 'python p from x { call: "deep:f"  columns: { a: text } }', "unreadable"),
    "imports that double": ('import "i0.recipe" as a', "too-large"),
    "imports in a circle": ('import "round.recipe" as a', "cycle"),
    "stars without end": ('source y = csv("**/a*a*a*a*a*a*a*a*/**/b*b*b*b*b*/**/*.csv")', "missing-file"),
    "NUL": ('import "a\x00b" as a\nsource y = csv("\x00")\nsource z = csv("*\x00")', "missing-file"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bombs")
    (place / "x.csv").write_text("id,text,n\n1,a,2\n", encoding="utf-8")
    os.mkfifo(place / "pipe")
    for name in ("sparse", "big.py"):
        with (place / name).open("wb") as stream:
            stream.truncate(8 << 30)
    (place / "deep.py").write_text("x = " + "-" * 500_000 + "1\n", encoding="utf-8")
    for i in range(31):
        (place / f"i{i}.recipe").write_text(f'import "i{i + 1}.recipe" as a\nimport "i{i + 1}.recipe" as b\n', encoding="utf-8")
    (place / "i31.recipe").write_text("param z: int = 1\n", encoding="utf-8")
    (place / "round.recipe").write_text('import "round.recipe" as a\n', encoding="utf-8")
    inner = place
    for name in ("aaaaaaaaaaaaaaaaaaaaaaaaaaac", "bbbbbbbbbbbbbbbbbbbbbbc", "loop"):
        inner = inner / name
        inner.mkdir()
    (inner / "self").symlink_to(place)
    return place


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_a_finding(folder: Path, what: str) -> None:
    from recipec.resolve.loading import load
    from recipec.source import Source

    text, name = BOMBS[what]
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    program = load(Source(str(folder / "t.recipe"), text))
    program.resolve()
    found = program.findings.errors
    assert name in {d.name for d in found}, [(d.name, d.message) for d in found]
    assert all(d.message and 0 <= d.span.start <= d.span.end <= len(d.span.source.text) for d in found)
    assert time.process_time() - began < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000, "kilobytes"


def test_a_glob_over_the_disk_stops(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is a matter of half a minute, so a smaller one stands for it."""
    from recipec import places
    from recipec.resolve.loading import load
    from recipec.source import Source

    monkeypatch.setattr(places, "MOST_ENTRIES", 3_000)
    program = load(Source(str(folder / "t.recipe"), 'source y = csv("/**/**/*.nosuch")'))
    program.resolve()
    (found,) = program.findings.errors
    assert found.name == "bad-value"
    assert "looks through more than 3,000" in found.message


def test_what_a_constant_may_be() -> None:
    from recipec.resolve.folding import folded
    from recipec.resolve.typing import Typing

    con = Typing().con
    fine = ("repeat('-', 80)", "lpad('7', 8, '0')", "range(10000)", "replace('a b', ' ', '_')", "format('{:08d}', 7)", "hex('abc')",
            "range(date '2020-01-01', date '2021-01-01', interval 1 day)", "list_transform(range(10), a -> a + 1)")  # fmt: skip
    for text in fine:
        assert folded(con, f"SELECT {text}") is None, text
    large = ("repeat(repeat(repeat('x', 1000), 1000), 1000)", "unnest(range(1000000000))", "format('{:999999999d}', 7)", "repeat('x', 99999 * 99999)",
             "list_transform(range(9999), a -> range(9999))", "replace(" * 30 + "'aaaaaaaaa'" + ", 'a', 'aa')" * 30)  # fmt: skip
    for text in large:
        assert folded(con, f"SELECT {text}") is not None, text


TEMPLATES: dict[str, str] = {
    "rounds": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "a range": "{% for i in range(10**9) %}{% endfor %}",
    "text times": "{{ 'x' * 10**10 }}", "lists times": "{% set a = [1] * 100000 %}{% set b = a * 100000 %}", "powers": "{{ 10 ** (10 ** 10) }}",
    "lists in lists": doubled("{% set a0 = 'text' %}", "[@, @]"), "tuples in tuples": doubled("{% set a0 = 'text' %}", "(@, @)"),
    "structs in structs": doubled("{% set a0 = 'text' %}", "{'a': @, 'b': @}"), "center": "{{ text|center(10**9) }}", "indent": "{{ text|indent(10**9) }}",
    "round": "{{ 1.5|round(10**8, 'ceil') }}", "a macro": "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "a macro of a macro": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "replace": "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}", "join": "{{ (['a' * 1000000] * 1000)|join }}", "batch": "{{ [1]|batch(10**9, 'x')|list }}",
    "equal": "{% set a = range(99999)|list %}{% set b = range(99999)|list %}{% for i in range(90000) %}{{ a == b }}{% endfor %}",
    "in": "{% set a = range(99999)|list %}{% for i in range(90000) %}{{ -1 in a }}{% endfor %}",
    "a test": "{% set a = range(99999)|list %}{{ range(99999)|select('in', a)|list|length }}{{ range(99999)|reject('in', a[1:])|list|length }}",
    "slices": "{% set a = range(99999)|list %}{% for i in range(90000) %}{% set b = a[1:] %}{% endfor %}", "sum": "{{ ([[1] * 1000] * 1000)|sum(start=[]) }}",
}  # fmt: skip


@pytest.mark.parametrize("what", TEMPLATES)
def test_a_template_ends(what: str) -> None:
    import json

    from recipec.api import DataError
    from recipec.templates.render import Renderer

    state = {"name": "t", "params": [("text", "json")], "roles": None, "sources": {"0": TEMPLATES[what]}, "includes": {"0": {}}}
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="template `t`"):
        Renderer(json.dumps(state)).text({"text": "hello"})
    assert time.process_time() - began < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"


def test_numbers_of_many_digits_are_told(lab: Any) -> None:
    assert [d.name for d in lab.check(f"param a: int = {'9' * 100_000}\n")][:1] == ["number-too-large"]


def test_secrets_are_not_in_messages(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPEC_SECRET", "s3cret")
    found = lab.check('param a: int = env("RECIPEC_SECRET") * 2\nparam b: int = env("RECIPEC_SECRET")\n')
    assert found
    assert not any("s3cret" in f"{d.message} {d.label} {d.help}" for d in found)
