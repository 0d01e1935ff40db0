"""``select``: what is taken, per group, by budget; what is counted and explained; what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = '''
recipe "r" { seed: 3 }
sql a """
  select i as id, i % 3 as topic, (i * 37) % 100 as x, 'row number ' || i as text, case when i % 10 = 0 then null else i end as y
  from range(100) r(i)
""" { key: id }
'''


def ids(ran: Any, name: str) -> list[int]:
    return [r[0] for r in ran.rows(f"select id from {name} order by id")]


def test_top(lab: Any) -> None:
    ran = lab.run(f"{ROWS} select k from a {{ take: 5  by: top(x) }} select low from a {{ take: 5  by: top(x, order: least) }}")
    assert ran.rows("select x, k_score from k order by x") == [(v, float(v)) for v in range(95, 100)]
    assert ran.rows("select x from low order by x") == [(v,) for v in range(5)]
    assert ran.dropped("k") == {"not selected": 95}
    assert ran["k"].built.rows_in == 100
    assert ran["k"].built.rows_out == 5
    assert ran.rows("select count(*) from recipec.dropped where step = 'k' and reason = 'not selected'") == [(95,)]
    assert ran.rows("select because from recipec.dropped where step = 'k' and because like 'rank 6 %'") == [("rank 6 of 100: value 94",)]


def test_nulls_have_no_score(lab: Any) -> None:
    ran = lab.run(f"{ROWS} select k from a {{ take: 95  by: top(y) }}")
    assert ran.dropped("k") == {"no score": 10}
    assert ran["k"].built.rows_out == 90


def test_shares_and_groups(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      select a1 from a {{ take: 20%  by: random() }}
      select a2 from a {{ take: 7  by: random()  per: topic }}
      select a3 from a {{ take: 20%  by: random()  per: topic }}
      select a4 from a {{ take: 50  by: random()  per: topic  divide: equally }}
      select a5 from a {{ take: 50  by: top(x)  per: topic  divide: proportionally }}
      select a6 from a {{ take: 2  by: top(x)  per: [topic, id % 2] }}
      select a7 from a {{ take: 60  by: random()  per: id < 10  divide: equally }}
    """)
    assert len(ids(ran, "a1")) == 20
    count = "select topic, count(*) from {} group by 1 order by 1"
    assert ran.rows(count.format("a2")) == [(0, 7), (1, 7), (2, 7)]
    assert [c for _, c in ran.rows(count.format("a3"))] == [7, 7, 6]
    assert sorted(c for _, c in ran.rows(count.format("a4"))) == [16, 17, 17]
    assert sorted(c for _, c in ran.rows(count.format("a5"))) == [16, 17, 17]
    assert len(ids(ran, "a6")) == 12
    assert ran.rows("select id < 10, count(*) from a7 group by 1 order by 1") == [(False, 50), (True, 10)], "what one lacks the other gives"
    assert "a1_score" not in [r[0] for r in ran.rows("describe a1")]


def test_a_smaller_sample_is_part_of_a_greater(lab: Any) -> None:
    ran = lab.run(f"{ROWS} select k from a {{ take: 10  by: random() }} select more from a {{ take: 30  by: random() }}")
    assert len(ids(ran, "more")) == 30
    assert set(ids(ran, "k")) < set(ids(ran, "more"))


def test_budget_of_tokens(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      select k from a {{ take: 30 tokens  count: words(text)  by: top(x) }}
      select share from a {{ take: 50%  count: x  by: top(x) }}
    """)
    assert ran.rows("select sum(words) from (select length(text) - length(replace(text, ' ', '')) + 1 as words from k)") == [(30,)]
    assert len(ids(ran, "k")) == 10
    assert ran["k"].built.extra["units"] == 30
    assert ran.rows("select sum(x) <= 2475 and sum(x) > 2375 from share") == [(True,)]


def test_more_than_there_is(lab: Any) -> None:
    ran = lab.run(f"{ROWS} select k from a {{ take: 500  by: random() }} select p from a {{ take: 34  by: random()  per: topic }}")
    assert len(ids(ran, "k")) == 100
    assert ran["k"].built.notes == ["there are 100 rows, not 500"]
    assert ran["p"].built.notes == ["2 of 3 groups have fewer rows than 34: all of theirs are taken"]


def test_an_empty_table(lab: Any) -> None:
    ran = lab.run(f"{ROWS} clean none from a {{ keep where id < 0 }} select k from none {{ take: 10  by: top(x)  per: topic }}")
    assert ids(ran, "k") == []
    assert ran["k"].built.notes == ["there is no row"]


def test_neither_order_nor_threads_decide(lab: Any) -> None:
    def made(order: str, threads: int) -> list[Any]:
        ran = lab.run(
            f'''
            recipe "r" {{ seed: 3 }}
            sql a """select i as id, i % 3 as topic, (i * 37) % 10 as x from range(5000) r(i) order by {order}""" {{ key: id }}
            select a1 from a {{ take: 500  by: random()  per: topic }}
            select a2 from a {{ take: 700  by: top(x) }}
            ''',
            threads=threads,
        )
        return [ran.rows(f"select * from {n} order by _key") for n in ("a1", "a2")]

    assert made("id", 1) == made("md5(id::varchar)", 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("by: random()", "how many rows is `random` to choose?"),
        ("take: 10", "`select` needs `by`"),
        ("take: 0  by: random()", "`take` must be at least 1, not 0"),
        ("take: 120%  by: random()", "a share lies between 0 % and 100 %, not 120 %"),
        ("take: 1.5  by: random()", "a share lies between 0 % and 100 %, not 150 %"),
        ("take: 100 tokens  by: random()", "how are tokens to be counted?"),
        ("take: 100  by: random()  count: words(text)", "`take: 100` counts rows, and `count` something else"),
        ("take: 100 tokens  by: random()  count: text", "`count` is a number for each row; this is text"),
        ("take: 10  by: randon()", "no selector `randon`"),
        ("take: 10  by: random()  per: topics", "no column `topics` in `a`"),
        ("take: 10  by: random()  divide: equally", "`divide` goes with `per`"),
        ("take: 10  by: top(text)", "`top` needs a number; this is text"),
        ("take: 10  by: random()  score: s", "`random` gives no score"),
        ("take: 10  by: entropy()", "`entropy` needs a model"),
        ("take: 10  by: entropy(probabilities: text)", "probabilities are a map from class to number; `text` is text"),
        ("take: 10  by: entropy(minilm, text: text)", "`minilm` cannot classify texts"),
    ],
)
def test_wrong(lab: Any, body: str, said: str) -> None:
    lab.write("models/minilm/config.json", "{}")
    found = [d.message for d in lab.check(f'{ROWS} model minilm = embedding("models/minilm")  select k from a {{ {body} }}')]
    assert any(said in m for m in found), found
