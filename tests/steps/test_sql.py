"""``sql``: keys, parts, what is in the fingerprint."""

from __future__ import annotations

from typing import Any

import pytest

from recipec.resolve.query import canonical

ROWS = 'sql t """select i as id, i % 3 as c, \'中\' || i as s from range(10) r(i)""" { key: id }\n'


def test_keys(lab: Any) -> None:
    ran = lab.run(f'''{ROWS}
      sql keyed from t """select id, s from t where id < 5 -- the first
      """ {{ key: id }}
      sql kept from t """select * from t where id < 5"""
      sql plus from t """select _key, id + 1 as next from t"""
      sql values from t """select c, count(*) as n from t group by c"""
      sql pair from t """select id, c, null as nothing from t""" {{ key: [id, c] }}
      sql nulls from t """select case when c = 0 then null else c end as x, count(*) as n from t group by 1"""
      clean k from kept {{ explode_me = [1, 2]  explode(explode_me) }}
      sql children from k """select * from k"""
    ''')
    assert ran.rows("select count(*) from kept join t using (_key)") == [(5,)]
    assert ran.rows("select count(*) from plus join t using (_key) where next = t.id + 1") == [(10,)]
    assert ran.rows("select n from values order by c".replace("values", '"values"')) == [(4,), (3,), (3,)]
    assert ran.rows("select count(*) from pair") == [(10,)]
    assert ran.rows("select count(*) from nulls") == [(3,)]
    assert ran.rows("select count(*) from children where _parent is not null") == [(10,)]
    assert ran.rows("select count(distinct _key) from keyed") == [(5,)]
    # The key of a row is that of its key's values, whatever the query is called or does besides.
    again = lab.run(f'{ROWS}sql keyed from t """select id from t where id < 5""" {{ key: id }}', only=["keyed"])
    assert again.rows("select count(*) from keyed") == [(5,)]


def test_keys_that_are_none(lab: Any) -> None:
    ran = lab.run(f'''{ROWS}
      sql twice from t """select c from t"""
      sql nothing from t """select case when id = 3 then null else id end as id from t""" {{ key: id }}
      sql repeated from t """select c, id from t""" {{ key: c }}
      sql double from t """select * from t union all select * from t"""
    ''', good=False)  # fmt: skip
    assert ran.error("twice") == "the key (all columns) is not unique: 7 rows repeat a key that another row has"
    assert ran.error("nothing") == "the key (id) is null in 1 row"
    assert "7 rows repeat" in ran.error("repeated")
    assert "the key (_key) is not unique: 10 rows" in ran.error("double")


def test_a_query_that_gives_keys_of_its_own_kind(lab: Any) -> None:
    found = lab.check(f'{ROWS}sql k from t """select id as _key, s from t"""')
    assert [(d.name, d.message) for d in found] == [("bad-sql", "`_key` is integer, and no row's key")] or found[0].name == "bad-sql"


def test_parts_and_imports_under_their_names(lab: Any) -> None:
    lab.write("lib/common.recipe", 'sql shared """select 1 as id, 4 as x""" { key: id }\n')
    ran = lab.run(f'''
      import "lib/common.recipe" as common
      {ROWS}
      split final from t {{ train: 50%  test: rest }}
      sql k from final.train, final.test, common.shared """
        select 'train' as part, count(*) + (select x from common.shared) as n from final.train union all select 'test', count(*) from final.test
      """ {{ key: part }}
    ''')
    assert ran.rows("select part, n from k order by part") == [("test", 5), ("train", 9)]


def test_tests_run_on_the_result(lab: Any) -> None:
    ran = lab.run(f'''{ROWS}
      sql k from t """select c, count(*) as n from t group by c""" {{ key: c  expect n > 3  expect unique(c) }}
      clean below from k {{ x = n }}
    ''', good=False)  # fmt: skip
    assert ran.error("k") == "expect n > 3: 2 rows break it"
    assert ran["below"].status == "skipped"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("select a, b from t", "select a,\n  b -- why\nfrom t;"),
        ("select 'a  b' from t", "select /* x */ 'a  b'\tfrom t"),
        ("select a+b from t where x = '--'", "select a + b from t where x='--'"),
        ('select "a  b" from t', 'select  "a  b"  from t'),
    ],
)
def test_layout_and_comments_are_not_what_a_query_means(a: str, b: str) -> None:
    assert canonical(a) == canonical(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("select 'a  b' from t", "select 'a b' from t"),
        ("select '-- a' from t", "select '-- b' from t"),
        ("select $$a  b$$", "select $$a b$$"),
        ("select ab", "select a b"),
        ("select '/* a */'", "select ''"),
        ('select "x" from t', "select 'x' from t"),
    ],
)
def test_what_stands_in_quotes_is(a: str, b: str) -> None:
    assert canonical(a) != canonical(b)


def test_a_query_calls_its_inputs_as_its_own_file_does(lab: Any) -> None:
    """In an import, in a loop, and where the query has tables of its own under such names."""
    lab.write("lib/c.recipe", f'''{ROWS}
      split final from t {{ train: 50%  test: rest }}
      sql half from final.train, t """select f.id from final.train as f join t using (id)""" {{ key: id }}
    ''')  # fmt: skip
    ran = lab.run(f'''
      import "lib/c.recipe" as c
      {ROWS}
      split final from t {{ train: 20%  test: rest }}
      sql k from final.train, c.half, c.final.train """
        with t as (select id from final . "train"), other as (select count(*) as n from c.half)
        select 'train' as part, count(*) as n from t union all select 'half', n from other
        union all select 'deep', count(train.id) from c.final.train
      """ {{ key: part }}
      sql own from t """with t as (select * from t where id < 3) select id from t""" {{ key: id }}
    ''')
    assert ran.rows("select part, n from k order by part") == [("deep", 5), ("half", 5), ("train", 2)]
    assert ran.rows("select count(*) from own") == [(3,)]
