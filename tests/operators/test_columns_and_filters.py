"""Columns and filters: what they compute, whom they drop and why."""

from __future__ import annotations

import math
from typing import Any

TABLE = '''
sql t """
  select * from (values
    (1, 'ten', 10, ['a', 'b'], {'x': 1, 'y': 'p'}),
    (2, '20',  20, [], null),
    (3, null,  null, null, {'x': null, 'y': 'q'}),
    (4, '中文 😀', -4, ['ü'], {'x': 4, 'y': null})
  ) v(id, s, n, l, r)
""" { key: id }
'''


def values(lab: Any, statements: str, what: str = "x", extra: str = "") -> list[Any]:
    """The values of a column of ``clean k from t { statements }``, in the order of ``id``."""
    ran = lab.run(f"{TABLE}{extra}\nclean k from t {{ {statements} }}")
    return [row[0] for row in ran.rows(f"select {what} from k order by id")]


EXPRESSIONS: list[tuple[str, list[Any]]] = [
    ("n + 1", [11, 21, None, -3]),
    ("n / 4", [2.5, 5.0, None, -1.0]),
    ("n // 3", [3, 6, None, -1]),
    ("n % 3", [1, 2, None, -1]),
    ("2 ** 3", [8.0] * 4),
    ("-n", [-10, -20, None, 4]),
    ("n > 5 and s != \"ten\"", [False, True, None, False]),
    ("n > 5 or s is null", [True, True, True, False]),
    ("not (n > 5)", [False, False, None, True]),
    ("n between 10 and 15", [True, False, None, False]),
    ("n not between 10 and 15", [False, True, None, True]),
    ("n in [10, -4]", [True, False, None, True]),
    ("n not in [10, -4]", [False, True, None, False]),
    ("n in []", [False, False, False, False]),
    ("n not in []", [True, True, True, True]),
    ('"a" in l', [True, False, None, False]),
    ('"a" not in l', [False, True, None, True]),
    ('s like "t%"', [True, False, None, False]),
    ('s not like "t%"', [False, True, None, True]),
    ('s ilike "T%"', [True, False, None, False]),
    ("s matches r/^\\d+$/", [False, True, None, False]),
    ("s not matches r/^\\d+$/", [True, False, None, True]),
    ("s matches r/T/i", [True, False, None, False]),
    ("s matches r/\\p{Han}/", [False, False, None, True]),
    ("s is null", [False, False, True, False]),
    ("s is not null", [True, True, False, True]),
    ('case when n > 15 then "big" when n > 0 then "small" end', ["small", "big", None, None]),
    ('case s when "ten" then 1 when "20" then 2 else 0 end', [1, 2, 0, 0]),
    ("try_cast(s as int)", [None, 20, None, None]),
    ("cast(n as text)", ["10", "20", None, "-4"]),
    ("l[1]", ["a", None, None, "ü"]),
    ("l[1:1]", [["a"], [], None, ["ü"]]),
    ("r.x", [1, None, None, 4]),
    ("r.y || s", ["pten", None, None, None]),
    ("s || \"!\"", ["ten!", "20!", None, "中文 😀!"]),
    ("{a: n, b: [s]}.b[1]", ["ten", "20", None, "中文 😀"]),
    ("list_transform(l, lambda q, i: q || i)", [["a1", "b2"], [], None, ["ü1"]]),
    ("list_filter(l, lambda q: q != \"a\")", [["b"], [], None, ["ü"]]),
    ("list_reduce([1, 2, 3], lambda a, b: a + b)", [6] * 4),
    ("s |> upper |> length", [3, 2, None, 4]),
    ("words(s)", [1, 1, None, 2]),
    ("coalesce(s, \"none\")", ["ten", "20", "none", "中文 😀"]),
    ("80%", [0.8] * 4),
    ("1_000", [1000] * 4),
    ('"{input} {why[0]} {scratch} {table t}"', ["{input} {why[0]} {scratch} {table t}"] * 4),
    ('"it\'s \\"so\\" \\\\ \\n"', ["it's \"so\" \\ \n"] * 4),
    ("null", [None] * 4),
    ("`n`", [10, 20, None, -4]),
]  # fmt: skip


def test_expressions(lab: Any) -> None:
    ran = lab.run(f"{TABLE}clean k from t {{\n{chr(10).join(f'x{i} = {e}' for i, (e, _) in enumerate(EXPRESSIONS))}\n}}")
    for i, (expression, wanted) in enumerate(EXPRESSIONS):
        found = [row[0] for row in ran.rows(f"select x{i} from k order by id")]
        assert [round(f, 9) if isinstance(f, float) else f for f in found] == wanted, expression


def test_columns_see_those_before_them_and_may_be_replaced(lab: Any) -> None:
    ran = lab.run(f"{TABLE}clean k from t {{ n = n + 1  m = n * 2  n = m + n  select(id, n, m) }}")
    assert ran.rows("select n, m from k order by id") == [(33, 22), (63, 42), (None, None), (-9, -6)]
    assert [r[0] for r in ran.rows("describe k")] == ["_key", "_parent", "id", "n", "m"]


def test_a_text_with_a_quote_in_it_does_not_hide_what_follows(lab: Any) -> None:
    assert values(lab, 'a = n + 1  x = case when s == "\\"" then 0 else a + n end') == [21, 41, None, -7]


def test_a_column_made_of_null_has_the_type_that_the_check_gave_it(lab: Any) -> None:
    ran = lab.run(f'{TABLE}clean k from t {{ x = null  l2 = [] }}\nclean m from k {{ y = coalesce(x, "a")  z = length(x) }}')
    assert ran.rows("select distinct x, y, z from m") == [(None, "a", None)]


def test_dropped_rows_are_counted_under_the_first_reason_and_kept(lab: Any) -> None:
    ran = lab.run(f"""{TABLE}clean k from t {{
      drop where n is null as "no number"
      keep where n > 0
      drop where n > 15 as "too big"
      drop where s == "20" as "never reached"
    }}""")
    assert ran.dropped("k") == {"no number": 1, "keep where n > 0": 1, "too big": 1}
    built = ran["k"].built
    assert (built.rows_in, built.rows_out) == (4, 1)
    reasons = ran.rows("select t.id, d.reason, d.step from recipec.dropped d join t on t._key = d._key order by t.id")
    assert reasons == [(2, "too big", "k"), (3, "no number", "k"), (4, "keep where n > 0", "k")]


def test_null_is_neither_kept_nor_dropped(lab: Any) -> None:
    assert values(lab, "keep where n > 0", "id") == [1, 2]
    assert values(lab, "drop where n > 0", "id") == [3, 4]


def test_a_filter_protects_what_follows_it(lab: Any) -> None:
    assert values(lab, 'drop where try_cast(s as int) is null as "no number"  x = cast(s as int) * 2') == [40]
    assert values(lab, "keep where s matches r/^\\d+$/  drop where cast(s as int) > 100  x = cast(s as int)") == [20]
    assert values(lab, "drop where n == 0 or s is null  x = n  dedupe(s)  drop where try_cast(s as int) is null  x = cast(s as int)") == [
        20
    ]


def test_a_filter_protects_kernels_and_values_used_twice(lab: Any) -> None:
    assert values(lab, "drop where s is null  w = words(s)  keep where w > 0 and w < 9  drop where w == 2  x = w + words(s)") == [2, 2]


def test_what_does_not_convert_says_so(lab: Any) -> None:
    ran = lab.run(f"{TABLE}clean k from t {{ x = cast(s as int) }}", good=False)
    assert "does not convert" in ran.error("k")
    assert "ten" in ran.error("k")


def test_all_rows_dropped_and_no_row_at_all(lab: Any) -> None:
    ran = lab.run(f"""{TABLE}
      clean none from t {{ keep where false as "nothing" }}
      clean more from none {{ x = words(s)  drop where x > 1 as "a"  dedupe(s)  dedupe(s, near: 80%)  explode(l)  sample(50%)  sort(x)  limit(3) }}
      split parts from more {{ train: 80%  test: rest  stratify: s }}
      export out from parts {{ to: "out"  format: jsonl() }}
    """)
    assert ran.dropped("none") == {"nothing": 4}
    assert ran.rows("select count(*) from more") == [(0,)]
    assert ran.rows("select count(*) from parts.train") == [(0,)]
    assert (lab.folder / "out/train.jsonl").read_bytes() == b""


def test_names_in_any_script_and_odd_ones(lab: Any) -> None:
    ran = lab.run('''
      sql 资料 """select 1 as "编号", '正文' as "文本", 5 as "odd 'name'", 7 as "select" """ { key: `编号` }
      clean 整理 from 资料 {
        长度 = length(文本)  `a b` = `odd 'name'` + `select`
        keep where 长度 > 1 as "太短😀"
        drop where `a b` < 0 as "it's \\"odd\\""
      }
      split 分 from 整理 { 训练: 50%  测试: rest }
    ''')
    assert ran.rows('select "长度", "a b" from "整理"') == [(2, 12)]
    assert ran["整理"].built.dropped == {"太短😀": 0, 'it\'s "odd"': 0}
    assert sum(ran.rows('select count(*) from "分"."训练" union all select count(*) from "分"."测试"')[i][0] for i in (0, 1)) == 1


def test_random_is_a_function_of_seed_place_and_row(lab: Any) -> None:
    rows = 'sql t """select i as id from range(2000) r(i)""" { key: id }\n'

    def draw(recipe: str, seed: int, what: str) -> list[Any]:
        return [r[0] for r in lab.run(f'recipe "r" {{ seed: {seed} }}\n{rows}{recipe}').rows(f"select {what} from k order by id")]

    one = draw("clean k from t { x = random()  y = random() }", 1, "x")
    assert draw("clean k from t { x = random()  y = random() }", 1, "x") == one
    assert draw("clean k from t { x = random()  y = random() }", 2, "x") != one
    assert draw("clean k from t { x = random()  y = random() }", 1, "y") != one
    assert draw("clean other from t { x = random() }\nclean k from t { x = random() }", 1, "x") == one
    assert math.isclose(sum(one) / len(one), 0.5, abs_tol=0.03)
    assert len(set(one)) == len(one)


def test_macros_are_what_they_say_wherever_they_stand(lab: Any) -> None:
    defs = """
      def twice(x) = x * 2
      def add(x, y) = list_transform([1, 2], lambda i: i + x + y)
      def pick(n) = case when n > 15 then n else twice(n) end
    """
    assert values(lab, "x = twice(n + 1)", extra=defs) == [22, 42, None, -6]
    assert values(lab, "x = pick(n)", extra=defs) == [20, 20, None, -8]
    # The lambda's `i` inside the macro is not the column `i` of the caller.
    assert values(lab, "i = n * 100  x = add(i, 1)", extra=defs) == [[1002, 1003], [2002, 2003], [None, None], [-398, -397]]
    assert values(lab, "x = list_transform(add(n, 0), lambda x: twice(x))", extra=defs)[0] == [22, 24]


def test_parameters_have_their_declared_types(lab: Any) -> None:
    params = """
      param from: date = "2026-01-31"
      param share: float = 1
      param tags: [text] = []
      param p: { a: int, b: text } = { a: 3, b: "c" }
      param nothing: text = null
    """.replace("param from", "param since")
    assert values(lab, 'x = date_part("year", since) + share / 2 + p.a', extra=params) == [2029.5] * 4
    assert values(lab, "x = coalesce(nothing, p.b) || length(tags)", extra=params) == ["c0"] * 4


def test_long_chains(lab: Any) -> None:
    statements = "  ".join(f"c{i} = {'n' if i == 0 else f'c{i - 1}'} + {i}" for i in range(120))
    assert values(lab, statements, "c119") == [10 + 7140, 20 + 7140, None, -4 + 7140]
    filters = "  ".join(f'drop where n == {1000 + i} as "r{i}"' for i in range(300))
    assert values(lab, filters, "id") == [1, 2, 3, 4]
