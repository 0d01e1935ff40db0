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
      mix few from a, b {{ weights: {{ a: 1  b: 3 }}  total: 40 }}
      mix more from a, b {{ weights: {{ a: 50%  b: 50% }}  total: 500  epochs: {{ a: 2.5 }} }}
      mix short from a, b {{ weights: {{ a: 90%  b: 10% }}  total: 600 }}
      mix capped from a, b {{ total: 200  cap: {{ b: 120 }} }}
      mix by_tokens from a, b {{ weights: {{ a: 50%  b: 50% }}  total: 800  by: tokens }}
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


def test_a_mixture_is_interleaved_and_exported_in_its_order(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      mix k from a, b {{ weights: {{ a: 25%  b: 75% }}  total: 80 }}
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
    ran = lab.run(f"{ROWS}clean none from a {{ keep where false }}\nmix k from none, b\nmix w from none, b {{ total: 5 }}", good=False)
    assert counts(ran) == {"b": 300}
    assert "nothing to mix" in ran.error("w")
