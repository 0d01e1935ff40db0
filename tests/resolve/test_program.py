"""Programs as a whole: order, depth, imports at large, and the SQL that chains become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipec.resolve.chain import ChainBuilder, compose, entry
from recipec.resolve.loading import load
from recipec.resolve.segment import Segment
from recipec.source import Source

ROWS = 'sql t """select i as id, \'word \' || i as s from range(5) r(i)""" { key: id }\n'


def chain_sql(lab: Any, statements: str) -> str:
    step = lab.sound(f"{ROWS}clean k from t {{ {statements} }}").resolved["k"]
    return compose(step.bound.plan.chain.stages, entry("t"))


def test_a_value_read_often_is_computed_once(lab: Any) -> None:
    text = chain_sql(
        lab,
        'drop where words(s) < 2 as "a"  drop where words(s) > 9 as "b"  n = words(s)  m = words(s) * words(s)  keep where words(s) != 5',
    )
    once = chain_sql(lab, "n = words(s)")
    per_use = once.count("__word")
    assert per_use >= 1
    # One for the rows not yet dropped, and one more behind each run of filters at most.
    assert text.count("__word") <= 3 * per_use
    twice = chain_sql(lab, "n = words(trim(s)) + words(trim(s))")
    assert twice.count("__word") == per_use


def test_functions_inside_a_case_are_not_computed_ahead(lab: Any) -> None:
    text = chain_sql(lab, "n = case when id > 3 then words(s) else 0 end")
    assert text.index("CASE WHEN") < text.index("__word")


def test_a_chain_of_columns_and_filters_is_one_select(lab: Any) -> None:
    step = lab.sound(
        f"{ROWS}clean k from t {{ x = id + 1  drop where x > 3  y = x * 2  keep where y > 0  rename(y => z)  select(z)  sort(z)  limit(2) }}"
    ).resolved["k"]
    assert all(s.prepare is None for s in step.bound.plan.chain.stages)


def test_steps_in_any_order_and_long_chains(lab: Any) -> None:
    steps = [f"clean c{i} from {'t' if i == 0 else f'c{i - 1}'} {{ x = {i} }}" for i in range(250)]
    for text in ("\n".join([ROWS, *steps]), "\n".join([*reversed(steps), ROWS])):
        program = lab.sound(text)
        assert len(program.steps) == 251
        assert [s.name for s in program.steps][:3] == ["t", "c0", "c1"]


def test_a_long_chain_in_an_import(lab: Any) -> None:
    steps = [f"clean c{i} from {'t' if i == 0 else f'c{i - 1}'} {{ x = {i} }}" for i in range(250)]
    lab.write("lib/long.recipe", "\n".join([*reversed(steps), ROWS]))
    program = lab.sound('import "lib/long.recipe" as l\nclean k from l.c249 { y = x }')
    assert len(program.steps) == 252


def test_imports_far_down_and_far_too_far(lab: Any) -> None:
    for i in range(40):
        lab.write(f"i{i}.recipe", f'import "i{i + 1}.recipe" as n\n' if i < 39 else ROWS)
    found = lab.check('import "i0.recipe" as n')
    assert [d.name for d in found] == ["too-large"]
    found = lab.check('import "i20.recipe" as n\nclean k from n' + ".n" * 19 + ".t { keep where id > 1 }")
    assert found == []


def test_set_reaches_into_imports(lab: Any) -> None:
    lab.write("lib/p.recipe", f"param least: int = 1\n{ROWS}clean k from t {{ keep where id >= least }}")
    recipe = 'import "lib/p.recipe" as p\nclean m from p.k { x = p.least }'
    assert lab.run(recipe).rows("select count(*), max(x) from m") == [(4, 1)]
    assert lab.run(recipe, sets={"p.least": "3"}).rows("select count(*), max(x) from m") == [(2, 3)]


def test_paths_are_relative_to_the_file_they_stand_in(lab: Any) -> None:
    lab.write("lib/data.csv", "id\n1\n2\n")
    lab.write("lib/f.py", "def f(batch):\n    return batch\n")
    lab.write(
        "lib/p.recipe",
        'source a = csv("data.csv") { key: id }\npython b from a { call: "f:f"  columns: { id: int } }\nexport out from b { to: "out.jsonl"  format: jsonl() }',
    )
    ran = lab.run('import "lib/p.recipe" as p\nclean k from p.b { x = 1 }')
    assert ran.rows("select count(*) from k") == [(2,)]


def test_reading_a_mistake_in_a_macro_says_who_uses_it(lab: Any) -> None:
    (found,) = lab.check(f"{ROWS}def f(a) = a + nope\nclean k from t {{ x = f(id) }}\nclean m from t {{ x = f(id) }}")
    assert found.span.text == "nope"
    assert [(a.span.text, a.text) for a in found.also] == [("k", "used in this step")]


def test_a_thousand_steps_and_rounds(lab: Any) -> None:
    found = lab.check("repeat 1000 {\n" + "\n".join(f"clean c{i} from t {{ }}" for i in range(20)) + "\n}\n" + ROWS)
    assert [d.name for d in found] == ["too-large"]


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_line_ends(lab: Any, eol: str) -> None:
    found = lab.check(
        f'{ROWS}sql k from t """{eol}  select id,{eol}         nope{eol}  from t{eol}"""{eol}clean m from t {{{eol}  keep where gone == 1{eol}}}'.replace(
            "\n", eol
        ).replace("\r\r", "\r")
    )
    assert [(d.name, d.span.text, d.span.place[0]) for d in found] == [("unknown-column", "nope", 4), ("unknown-column", "gone", 8)]


def test_a_checked_recipe_leaves_nothing_behind(lab: Any) -> None:
    """An editor checks at every key: no check may keep its typing database alive."""
    import gc
    import weakref

    seen = []
    for _ in range(3):
        program = lab.program(f"{ROWS}clean k from t {{ x = lenght(s)  y = nope + 1  keep where s }}")
        assert program.findings.errors
        seen.append(weakref.ref(program.typing))
        del program
    gc.collect()
    assert [r() for r in seen] == [None, None, None]


def test_what_is_typed_has_the_types_of_what_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The binder is asked for the types of a chain without its guards; those of the SELECT that a run computes are the same."""
    seen = 0
    finish = ChainBuilder.finish

    def compared(self: ChainBuilder, segment: Segment, types: dict[str, str]) -> None:
        nonlocal seen
        seen += 1
        query = segment.query(entry(self.bind.typing.table(self.schema))).text
        real = self.bind.typing.types(query)
        assert {c: types[c] for c in segment.columns} == {c: real[c] for c in segment.columns}, query
        finish(self, segment, types)

    monkeypatch.setattr(ChainBuilder, "finish", compared)
    for path in sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.recipe")):
        program = load(Source(str(path), path.read_text(encoding="utf-8")))
        program.resolve()
    assert seen > 20


def test_filters_alone_are_typed(lab: Any) -> None:
    found = lab.check(f'{ROWS}clean k from t {{ drop where length(s) > 3 as "a"  keep where s as "b"  n = 1  drop where n as "c" }}')
    assert [(d.name, d.span.text) for d in found] == [("wrong-type", "s"), ("wrong-type", "n")]
