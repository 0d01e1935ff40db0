"""Operators that choose, order, multiply and merge rows."""

from __future__ import annotations

from typing import Any

import pytest

TABLE = '''
sql t """
  select * from (values
    (1, 'b', 30, ['x', 'y']), (2, 'a', 10, []), (3, null, 20, null), (4, 'a', null, ['中', '😀', null]), (5, 'B', 10, ['z'])
  ) v(id, s, n, l)
""" { key: id }
'''


def ids(ran: Any, table: str = "k", order: str = "id") -> list[int]:
    return [r[0] for r in ran.rows(f"select id from {table} order by {order}")]


def test_select_and_rename(lab: Any) -> None:
    ran = lab.run(f"""{TABLE}
      clean k from t {{ select(n, id)  m = n }}
      clean r from t {{ rename(id => number, n => id)  rename(s => 文本) }}
      clean swap from t {{ rename(s => n, n => s)  keep where n == "a" }}
    """)
    assert [r[0] for r in ran.rows("describe k")] == ["_key", "_parent", "n", "id", "m"]
    assert [r[0] for r in ran.rows("describe r")] == ["_key", "_parent", "number", "文本", "id", "l"]
    assert ran.rows("select number, id from r order by number")[:2] == [(1, 30), (2, 10)]
    assert ran.rows("select id, s from swap order by id") == [(2, 10), (4, None)]


def test_sort_orders_what_limit_and_export_take(lab: Any) -> None:
    ran = lab.run(f"""{TABLE}
      clean k from t {{ sort(n, s)  limit(3) }}
      clean d from t {{ sort(n, descending: true) }}
      clean two from d {{ limit(2) }}
      clean none from t {{ limit(0) }}
      clean many from t {{ limit(100) }}
      clean again from t {{ sort(id, descending: true)  limit(4)  sort(s)  limit(1) }}
      clean later from t {{ sort(n)  drop where n is null  n = n + 1 }}
      export out from d {{ to: "out/d.jsonl"  format: jsonl()  columns: [id] }}
    """)
    assert ids(ran, order="_order") == [5, 2, 3]
    assert [r[0] for r in ran.rows("select n from d order by _order")] == [30, 20, 10, 10, None]
    assert ids(ran, "two", "_order") == [1, 3]
    assert ran.dropped("two") == {"beyond the limit": 3}
    assert ids(ran, "none") == []
    assert len(ids(ran, "many")) == 5
    assert ids(ran, "again") == [5]
    assert ids(ran, "later", "_order") in ([2, 5, 3, 1], [5, 2, 3, 1])
    lines = (lab.folder / "out/d.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"id":1}'
    assert lines[-1] == '{"id":4}'


def test_without_sort_limit_takes_the_smallest_keys(lab: Any) -> None:
    ran = lab.run(f"{TABLE}clean k from t {{ limit(2) }}")
    wanted = [r[0] for r in ran.rows("select id from t order by _key limit 2")]
    assert sorted(wanted) == ids(ran)


def test_explode(lab: Any) -> None:
    ran = lab.run(f"""{TABLE}
      clean k from t {{ explode(l)  m = l || "!" }}
      clean deep from k {{ l = [l, l]  explode(l) }}
    """)
    assert ran.rows("select id, l from k order by id, _key") == [(1, "x"), (1, "y"), (4, "中"), (4, "😀"), (4, None), (5, "z")]
    assert ran.dropped("k") == {"nothing to explode": 2}
    assert ran.rows("select count(*) from k join t on k._parent = t._key where k.id = t.id") == [(6,)]
    # Children stand where their parent stood.
    families = [r[0] for r in ran.rows("select id from k order by _key")]
    parents = [r[0] for r in ran.rows("select id from t order by _key") if r[0] in (1, 4, 5)]
    assert list(dict.fromkeys(families)) == parents
    assert ran.rows("select count(*), count(distinct _key) from deep") == [(12, 12)]
    assert ran.rows("select count(*) from deep join k on deep._parent = k._key") == [(12,)]
    assert ran.rows("select count(*) from recipec.lineage where step = 'deep'") == [(12,)]


def test_explode_structs_and_large_lists(lab: Any) -> None:
    ran = lab.run('''
      sql t """select 1 as id, [{'q': 'a', 'n': 1}, {'q': 'b', 'n': 2}] as l, range(3000) as big""" { key: id }
      clean k from t { explode(l)  q = l.q  select(q) }
      clean b from t { explode(big)  select(big) }
    ''')
    assert ran.rows("select q from k order by _key") == [("a",), ("b",)]
    assert [r[0] for r in ran.rows("select big from b order by _key")] == list(range(3000))


def test_chunk(lab: Any) -> None:
    ran = lab.run('''
      sql t """select * from (values (1, 'a b c d e'), (2, ''), (3, null), (4, '中文字很多 ok'), (5, 'one')) v(id, s)""" { key: id }
      clean k from t { chunk(s, words: 2) }
      clean o from t { chunk(s, words: 3, overlap: 1) }
      clean c from t { chunk(s, characters: 3) }
    ''')
    assert [r[0].strip() for r in ran.rows("select s from k where id = 1 order by _key")] == ["a b", "c d", "e"]
    assert "".join(r[0] for r in ran.rows("select s from k where id = 4 order by _key")).replace(" ", "") == "中文字很多ok"
    assert ran.dropped("k") == {"nothing to chunk": 2}
    assert [r[0].strip() for r in ran.rows("select s from o where id = 1 order by _key")] == ["a b c", "c d e"]
    assert max(len(r[0]) for r in ran.rows("select s from c")) == 3
    assert ran.rows("select count(*) from k join t on k._parent = t._key and k.id = t.id where k._parent is not null")[0][0] >= 7


def test_sample(lab: Any) -> None:
    rows = 'recipe "r" { seed: 3 }\nsql t """select i as id from range(4000) r(i)""" { key: id }\n'
    ran = lab.run(f"""{rows}
      clean k from t {{ sample(10%) }}
      clean wider from t {{ sample(20%) }}
      clean exact from t {{ sample(100) }}
      clean fewer from t {{ sample(50) }}
      clean every from t {{ sample(100%) }}
      clean none from t {{ sample(0%) }}
      clean one from t {{ sample(1) }}
      clean more from t {{ sample(10000) }}
      clean other from t {{ sample(10%, seed: 9) }}
      clean twice from t {{ sample(50%)  sample(50%) }}
    """)
    got = {s: set(ids(ran, s)) for s in ("k", "wider", "exact", "fewer", "every", "none", "one", "more", "other", "twice")}
    assert 330 < len(got["k"]) < 470
    assert got["k"] < got["wider"]
    assert len(got["exact"]) == 100
    assert got["fewer"] < got["exact"]
    assert (len(got["every"]), len(got["none"]), len(got["one"]), len(got["more"])) == (4000, 0, 1, 4000)
    assert got["other"] != got["k"]
    assert 850 < len(got["twice"]) < 1150, "the second choice is not the first again"
    assert ran.dropped("exact") == {"not sampled": 3900}
    # Rows added later move nobody out.
    more = rows.replace("range(4000)", "range(4400)")
    assert got["k"] <= set(ids(lab.run(f"{more}clean k from t {{ sample(10%) }}")))


def test_dedupe_exact(lab: Any) -> None:
    ran = lab.run(f"""{TABLE}
      clean k from t {{ dedupe(s) }}
      clean pair from t {{ dedupe(s, n) }}
      clean whole from t {{ select(s, n)  n = 1  dedupe() }}
      clean longest from t {{ x = s || n  dedupe(s, keep: longest) }}
      clean best from t {{ dedupe(s, keep: best(n)) }}
      clean sorted from t {{ sort(id, descending: true)  dedupe(s) }}
      clean dropped_first from t {{ drop where id == 2 as "gone"  dedupe(s) }}
    """)
    first = next(r[0] for r in ran.rows("select id from t where s = 'a' order by _key limit 1"))
    assert set(ids(ran)) == {1, 3, 5, first}
    assert ran.dropped("k") == {"duplicate": 1}
    (because,) = ran.rows("select because from recipec.dropped where step = 'k'")
    assert because[0] == f"the same as {ran.rows(f'select _key from t where id = {first}')[0][0]}"
    assert len(ids(ran, "pair")) == 5
    assert ran.rows("select count(*) from whole") == [(4,)]
    assert ids(ran, "best") == [1, 2, 3, 5], "a null is never the best"
    assert ids(ran, "sorted") == [1, 3, 4, 5]
    assert set(ids(ran, "dropped_first")) == {1, 3, 4, 5}
    assert ran.dropped("dropped_first") == {"gone": 1}


def test_dedupe_near(lab: Any) -> None:
    text = "the quick brown fox jumps over the lazy dog while the cat sleeps near the old stone wall in the sun"
    ran = lab.run(f'''
      sql t """select * from (values
        (1, '{text}'), (2, '{text} today'), (3, '{text.upper()}!'), (4, 'something else entirely, with other words in it'), (5, null), (6, ''),
        (7, '我们在公园里散步，看到了很多花和树，还有一些小鸟在唱歌。'), (8, '我们在公园里散步，看到了很多花和树，还有一些小鸟在唱歌！')
      ) v(id, s)""" {{ key: id }}
      clean k from t {{ dedupe(s, near: 80%) }}
      clean best from t {{ dedupe(s, near: 80%, keep: longest) }}
      clean strict from t {{ dedupe(s, near: 100%) }}
    ''')
    kept = set(ids(ran))
    assert len(kept & {1, 2, 3}) == 1
    assert len(kept & {7, 8}) == 1
    assert {4, 5, 6} <= kept
    assert ran.dropped("k") == {"near-duplicate": 3}
    assert 2 in ids(ran, "best")
    because = [r[0] for r in ran.rows("select because from recipec.dropped where step = 'k'")]
    assert all(b.startswith("near-duplicate of ") and "(Jaccard " in b and ", kept " in b for b in because)
    assert {1, 2, 4, 5, 6} - set(ids(ran, "strict")) <= {1}, "equal after normalisation only"


def test_dedupe_across_tables(lab: Any) -> None:
    ran = lab.run(f'''{TABLE}
      sql bench """select 'B' as s, 9 as id""" {{ key: id }}
      clean k from t {{ dedupe(s, across: [bench]) }}
    ''')
    assert 5 not in ids(ran)
    assert ran.dropped("k") == {"duplicate": 1, "duplicate of bench": 1}


def test_columns_with_the_names_that_operators_use_inside(lab: Any) -> None:
    names = [
        "_i",
        "_list",
        "_same",
        "_kept",
        "_n",
        "_c",
        "_from",
        "_copy",
        "_input",
        "_text",
        "_cluster",
        "_rank",
        "_units",
        "i",
        "d",
        "m",
        "t",
        "h",
        "part",
        "g",
    ]
    columns = ", ".join(f"{i} as {n}" for i, n in enumerate(names))
    ran = lab.run(
        f'''
      sql t """select 1 as id, 'a b' as s, [1, 2] as l, {columns} union all select 2, 'c', [3], {", ".join("0" for _ in names)}""" {{ key: id }}
      clean k from t {{ x = _i + 1  dedupe(s)  explode(l)  sort(_same)  sample(100%)  chunk(s, words: 5)  dedupe(s, l, near: 90%)  limit(9) }}
      split parts from k {{ a: 1  b: rest  stratify: _cluster  group: _key }}
      mix both from parts.a, parts.b {{ weights: {{ "parts.a": 1  "parts.b": 1 }}  count: l }}
      expect fine from both {{ expect rows(both) > 0  expect drift(both._n, both._c) >= 0 }}
    '''.replace("dedupe(s, l, near: 90%)", "dedupe(s, l)")
    )
    assert ran.rows("select count(*) from k") == [(3,)]


@pytest.mark.parametrize("column", ["_key", "_why", "__x", "_because", "_part", "_order"])
def test_names_that_are_kept(lab: Any, column: str) -> None:
    found = lab.check(f"{TABLE}clean k from t {{ {column} = 1 }}\nclean r from t {{ rename(s => {column}) }}")
    assert [d.name for d in found] == ["reserved-column", "reserved-column"]
