"""DSIR: weights against the plain way, what is chosen, Chinese, and chance."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import duckdb
import pyarrow as pa

from recipec.fast.select_ngrams import BUCKETS, SMOOTH, buckets, counted, log_weights
from recipec.fast.tokens import tokenise


def plain(text: str) -> list[int]:
    """A text's buckets, alone in its array."""
    return [b for t in tokenise(pa.array([text]), "auto") for b in buckets(t)[0].tolist()]


def test_weights_are_the_plain_ones(tmp_path: Any) -> None:
    pool = ["one two three", "", "two two", "今天天气好", "three", None, "One, Two!", "a b c d e f"] * 3
    target = ["one two", "three two one", "天气"]
    con = duckdb.connect()
    con.execute("create table p as select unnest(range(?)) as n, unnest(?) as t", [len(pool), pool])
    con.execute("create table g as select unnest(?) as t", [target])
    made = log_weights(con, "select n, t from p", counted(con, "select t from g"), len(pool), tmp_path, lambda share: None)
    inside = Counter(b for t in target for b in plain(t))
    outside = Counter(b for t in pool if t for b in plain(t))

    def weight(b: int) -> float:
        return math.log(inside[b] / inside.total() + SMOOTH) - math.log(outside[b] / outside.total() + SMOOTH)

    for text, found in zip(pool, made.tolist(), strict=True):
        if text:
            assert abs(found - sum(map(weight, plain(text)))) < 1e-9, text
        else:
            assert math.isnan(found)
    assert len(plain("One, two!")) == 3, "two words and a pair"
    assert plain("One, two!") == plain("one two")
    assert len(plain("今天天气好")) == 9, "five characters, four pairs"
    assert max(plain("some words")) < BUCKETS


STEP = '''
recipe "r" {{ seed: 3 }}
sql web """select i as id, case when i % 4 = 0 then 'the player plays a game number ' || i when i % 4 = 1 then '今天天气很好' || i
  when i = 7 then null when i = 11 then '!!' else 'invoice for order ' || i || ' is paid' end as text from range(2000) r(i) order by {order}""" {{ key: id }}
sql docs """select i as id, 'a game for a player' as text from range(20) r(i)""" {{ key: id }}
sql zh """select 1 as id, '天气好' as text""" {{ key: id }}
select k from web {{ take: 400  by: dsir(text, target: docs.text) }}
select z from web {{ take: 10%  by: dsir(target: zh.text, noise: false) }}
'''


def test_step(lab: Any) -> None:
    def made(order: str, threads: int) -> list[Any]:
        ran = lab.run(STEP.format(order=order), threads=threads)
        assert ran.rows("select count(*) from k where text like '%game%'") == [(400,)]
        assert ran.rows("select count(*) from z where text like '%天气%'") == [(200,)]
        assert ran.dropped("k") == {"not selected": 1598, "no score": 2}
        return [ran.rows(f"select * from {n} order by _key") for n in "kz"]

    assert made("id", 1) == made("md5(id::varchar)", 2)


def test_gumbel_draws_in_proportion(lab: Any) -> None:
    """Of two kinds of texts that differ in weight by a known factor, the first kind is drawn about as often as its weight says."""
    ran = lab.run('''
      recipe "r" { seed: 1 }
      sql pool """select i as id, case when i % 2 = 0 then 'x' else 'y' end as text from range(20000) r(i)""" { key: id }
      sql goal """select i as id, case when i % 4 = 0 then 'y' else 'x' end as text from range(400) r(i)""" { key: id }
      select k from pool { take: 1000  by: dsir(text, target: goal.text, pairs: false) }
    ''')
    drawn = dict(ran.rows("select text, count(*) from k group by 1"))
    # Without replacement the share falls a little below 3/4, as the likelier run out.
    assert 690 <= drawn["x"] <= 790, drawn


def test_wrong(lab: Any) -> None:
    start = 'recipe "r" { seed: 1 }  sql p """select 1 as id, \'a\' as text""" { key: id }  sql none """select 1 as id, null::varchar as text""" { key: id }'
    found = [d.message for d in lab.check(f"{start} select k from p {{ take: 1  by: dsir(text, target: p.id) }}")]
    assert any("`target` is a column of text" in m for m in found), found
    found = [d.message for d in lab.check(f"{start} select k from p {{ take: 1  by: dsir(text, target: p.txt) }}")]
    assert any("no column `txt` in `p`" in m for m in found), found
    ran = lab.run(f"{start} select k from p {{ take: 1  by: dsir(text, target: none.text) }}", good=False)
    assert ran.error("k") == "the target `none.text` has no text"
