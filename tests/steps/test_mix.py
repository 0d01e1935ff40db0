"""``mix``: all rows, or a mixture by weight."""

from __future__ import annotations

from typing import Any

ROWS = '''
recipe "r" { seed: 2 }
sql a """select 'a' || i as id, i as n, 10 as tokens from range(100) r(i)""" { key: id }
sql b """select 'b' || i as id, i + 0.5::double as n, 20 as tokens from range(300) r(i)""" { key: id }
'''


def counts(ran: Any, table: str = "k") -> dict[str, int]:
    return dict(ran.rows(f"select left(id, 1), count(*) from {table} group by 1"))


def test_all_rows(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix k from a, b
      mix named from a, b {{ origin: "source" }}
      mix again from a, b, a
    """)
    assert counts(ran) == {"a": 100, "b": 300}
    assert ran.rows("select source, count(*) from named group by 1 order by 1") == [("a", 100), ("b", 300)]
    assert ran.rows("select typeof(n) from k limit 1") == [("DOUBLE",)]
    assert ran.rows("select count(*) from k join a using (_key)") == [(100,)], "rows keep their keys"
    assert ran.rows("select count(*), count(distinct _key) from again") == [(500, 500)]


def test_weights(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix k from a, b {{ weights: {{ a: 50%  b: 50% }} }}
      mix few from a, b {{ weights: {{ a: 1  b: 3 }}  take: 40 }}
      mix more from a, b {{ weights: {{ a: 50%  b: 50% }}  take: 500  epochs: {{ a: 2.5 }} }}
      mix short from a, b {{ weights: {{ a: 90%  b: 10% }}  take: 600 }}
      mix capped from a, b {{ take: 200  cap: {{ b: 120 }} }}
      mix by_tokens from a, b {{ weights: {{ a: 50%  b: 50% }}  take: 800 tokens  count: tokens }}
    """)
    assert counts(ran) == {"a": 100, "b": 100}
    assert counts(ran, "few") == {"a": 10, "b": 30}
    assert counts(ran, "more") == {"a": 250, "b": 250}
    assert ran.rows("select count(*), count(_parent) from more where id like 'a%'") == [(250, 150)]
    assert ran.rows("select count(*) from more m join a on m._parent = a._key and m.id = a.id") == [(150,)]
    assert counts(ran, "short") == {"a": 100, "b": 300}
    assert any("not 600" in n for n in ran["short"].built.notes)
    assert counts(ran, "capped") == {"a": 100, "b": 100}
    assert ran.rows("select left(id, 1), sum(tokens) from by_tokens group by 1 order by 1") == [("a", 400), ("b", 400)]
    assert {m["name"]: m["units"] for m in ran["few"].built.extra["mixture"]} == {"a": 10, "b": 30}


def test_what_each_input_gave_is_told(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix k from a, b {{ weights: {{ a: 1  b: 1 }}  take: 6_000 tokens  count: tokens  epochs: {{ a: 2.5 }}  cap: {{ b: 3_200 }} }}
    """)
    first, second = ran["k"].built.extra["mixture"]
    assert first == {
        "name": "a", "holds": 1000, "rows": 250, "units": 2500, "epochs": 2.5, "share": 0.438596, "wanted": 0.5, "cut": "2.5 times over",
    }  # fmt: skip
    assert (second["rows"], second["units"], second["cut"]) == (160, 3200, None)
    assert ran["k"].built.notes == [
        "the inputs have 5,700 tokens to give, not 6,000: raise `epochs` or `cap`",
        "`a` gives 2,500 tokens in 250 rows, 43.9% of the mixture: 2.5 times its 1,000; 50.0% was wanted, and 2.5 times over is all that it may give",
    ]
    assert ran["k"].built.extra["told"] == ["`b` gives 3,200 tokens in 160 rows, 56.1% of the mixture: 0.5333 times its 6,000"]
    assert ran["k"].built.extra["units"] == 5700
    ran = lab.run(f"{ROWS} mix k from a, b {{ weights: {{ a: 10%  b: 90% }}  take: 300  cap: {{ b: 120 }} }}")
    assert [(m["rows"], m["cut"]) for m in ran["k"].built.extra["mixture"]] == [(100, None), (120, "its cap of 120")]
    ran = lab.run(f"{ROWS} mix k from a, b")
    assert [m["rows"] for m in ran["k"].built.extra["mixture"]] == [100, 300]


def test_temperature(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix one from a, b {{ temperature: 1  take: 80 }}
      mix two from a, b {{ temperature: 2  take: 136 }}
      mix alike from a, b {{ temperature: 100  take: 100 }}
      mix given from a, b {{ weights: {{ a: 1  b: 16 }}  temperature: 4  take: 99 }}
      mix held from a, b {{ temperature: 1  cap: {{ b: 100 }}  take: 100 }}
      mix counted from a, b {{ temperature: 1  count: tokens  take: 700 tokens }}
    """)
    assert counts(ran, "one") == {"a": 20, "b": 60}
    assert counts(ran, "two") == {"a": 50, "b": 86}
    assert counts(ran, "alike") == {"a": 50, "b": 50}
    assert counts(ran, "given") == {"a": 33, "b": 66}
    assert counts(ran, "held") == {"a": 50, "b": 50}, "what a cap cuts off counts for no weight"
    assert counts(ran, "counted") == {"a": 10, "b": 30}


def test_rows_used_again_have_keys_and_parents(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix k from a {{ epochs: 3 }}
      mix same from a, a, a
      mix thrice from a, b, a {{ epochs: 2 }}
    """)
    assert ran.rows("select count(*), count(distinct _key), count(_parent) from k") == [(300, 300, 200)]
    for table in ("k", "same", "thrice"):
        assert ran.rows(f"select count(*) from {table} where _parent is null and id like 'a%'") == [(100,)]
        assert ran.rows(f"select count(*) from {table} k join a on k._parent = a._key where k.id <> a.id or a._key = k._key") == [(0,)]
    assert ran.rows("select count(*), count(distinct _key), count(_parent) from same") == [(300, 300, 200)]
    assert counts(ran, "thrice") == {"a": 400, "b": 200}
    passes = ran.rows("select id, count(*) from (select id, (_order - 1) // 100 as p from k) group by id, p")
    assert {n for _, n in passes} == {1}, "every row once before any comes twice"
    orders = [[i for (i,) in ran.rows(f"select id from k where (_order - 1) // 100 = {p} order by _order")] for p in range(3)]
    assert len({tuple(o) for o in orders}) == 3, "in another order in each pass"


def test_order_and_threads_change_nothing(lab: Any) -> None:
    def made(order: str, threads: int, seed: int = 1) -> list[Any]:
        text = f'''
          recipe "r" {{ seed: {seed} }}
          sql 中文 """select '文' || i as 编号, '今天天气很好' || i as 文本 from range(3000) r(i) order by {order}""" {{ key: 编号 }}
          sql english """select 'e' || i as 编号, 'the weather is fine ' || i as 文本 from range(500) r(i) order by {order}""" {{ key: 编号 }}
          mix 混合 from 中文, english {{ weights: {{ 中文: 75%  english: 25% }}  take: 20_000 tokens  count: words(文本)  epochs: {{ english: 4 }}  origin: "来源" }}
          mix rows from 中文, english {{ temperature: 3  take: 2_000  epochs: {{ english: 4 }} }}
        '''
        ran = lab.run(text, threads=threads)
        assert ran.rows(
            "select 来源, sum(n) from (select 来源, length(regexp_replace(文本, '[0-9]+$', '')) as n from 混合) group by 1 order by 1"
        )
        return [ran.rows("select * from 混合 order by _order"), ran.rows("select * from rows order by _order")]

    one = made("编号", 1)
    assert len(one[1]) == 2_000
    assert one == made("md5(编号)", 2)
    assert one != made("编号", 2, seed=2)


def test_totals_of_tokens_end_at_the_nearest_row(lab: Any) -> None:
    text = '''
      recipe "r" { seed: 4 }
      sql a """select i as id, repeat('w ', (i % 7 + 1)::int) as text from range(500) r(i)""" { key: id }
      sql b """select i as id, repeat('w ', (i % 3 + 1)::int) as text from range(500, 1000) r(i)""" { key: id }
      mix k from a, b { weights: { a: 2  b: 1 }  take: 1_500 tokens  count: words(text) }
      mix broken from a, b { take: 100 tokens  count: case when id % 2 == 0 then null else 5.0 - id % 3 end }
    '''
    ran = lab.run(text)
    (got,) = ran.rows("select sum(len(string_split(text, 'w')) - 1)::int from k")[0]
    assert abs(got - 1_500) <= 5
    assert abs(ran["broken"].built.extra["units"] - 100) <= 5


def test_a_mixture_is_interleaved_and_exported_in_its_order(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix k from a, b {{ weights: {{ a: 25%  b: 75% }}  take: 80 }}
      clean later from k {{ x = n + 1 }}
      export out from later {{ to: "k.jsonl"  format: jsonl()  columns: [id] }}
    """)
    order = [r[0] for r in ran.rows("select left(id, 1) from k order by _order")]
    assert all(order[i : i + 8].count("a") == 2 for i in range(0, 80, 8))
    lines = (lab.folder / "k.jsonl").read_text(encoding="utf-8").splitlines()
    assert [line[7] for line in lines] == order


def test_missing_columns_are_null_when_asked(lab: Any) -> None:
    ran = lab.run(f'{ROWS}sql c """select \'c\' as id, \'x\' as extra""" {{ key: id }}\nmix k from a, c {{ missing: null }}')
    assert ran.rows("select id, n, extra from k where id = 'c'") == [("c", None, "x")]
    assert ran.rows("select count(*) from k where extra is null") == [(100,)]


def test_an_input_without_rows(lab: Any) -> None:
    ran = lab.run(f"{ROWS}clean none from a {{ keep where false }}\nmix k from none, b\nmix w from none, b {{ take: 5 }}", good=False)
    assert counts(ran) == {"b": 300}
    assert ran.error("w") == "`none` has no rows: there is nothing to mix"
    zero = 'case when id like "a%" then 0 else 1 end'
    ran = lab.run(f"{ROWS}mix w from a, b {{ take: 5 tokens  count: {zero} }}", good=False)
    assert ran.error("w") == "`a` has no tokens: there is nothing to mix"
    ran = lab.run(f"{ROWS}clean none from a {{ keep where false }}\nmix w from none, b {{ temperature: 2 }}", good=False)
    assert ran.error("w") == "`none` has no rows: there is nothing to mix"
