"""``augment``: copies, their keys and parents, filters, balance, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = '''
recipe "r" { seed: 2 }
sql a """
  select i as id, 'The quick brown fox number ' || i || ' jumps over the lazy dog' as text, case when i % 4 = 0 then 'x' else 'y' end as topic
  from range(40) r(i) union all select 100, 'one', 'x' union all select 101, null, 'y'
""" { key: id }
'''


def test_originals_and_copies(lab: Any) -> None:
    ran = lab.run(f"{ROWS} augment k from a {{ copies: 2  swap_words(text, rate: 10%)  typos(text, rate: 2%) as slips }}")
    assert ran.rows("select count(*) from k where _parent is null") == [(42,)]
    assert ran.rows("select count(*) from k join a using (_key) where k.text is not distinct from a.text") == [(42,)], "originals stay"
    # Of 84 copies, those of the null have nothing to change; the single word gets its slip.
    assert ran.dropped("k") == {"unchanged": 2}
    assert ran.rows("select count(*) from k c join a on c._parent = a._key and c.id = a.id and c.topic = a.topic and c.text <> a.text") == [
        (82,)
    ]
    assert ran["k"].built.extra["changed"] == {"swap_words": 80, "slips": 82}
    assert ran["k"].built.rows_in == 42
    assert ran["k"].built.rows_out == 42 + 82
    ran = lab.run(f"{ROWS} augment k from a {{ originals: false  swap_words(text) }}")
    assert ran.rows("select count(*), count(_parent) from k") == [(40, 40)]
    assert ran["k"].built.notes == ["the 42 originals are left out"]


def test_copies_of_copies_have_keys_of_their_own(lab: Any) -> None:
    ran = lab.run(f"{ROWS} augment k from a {{ swap_words(text) }} augment again from k {{ copies: 3  delete_words(text) }}")
    assert ran.rows("select count(*) = count(distinct _key) from again") == [(True,)]


def test_filters_see_the_original(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      augment k from a {{
        copies: 4
        delete_words(text, rate: 30%)
        drop where id == 3
        keep where length(text) > length(original.text) - 12 as "too short"
        expect text is not null or id == 101
      }}
    """)
    assert ran.rows("select count(*) from k where _parent is null") == [(42,)], "filters look at copies alone"
    assert ran.rows(
        "select min(length(a.text) - length(k.text)) < 12 and max(length(a.text) - length(k.text)) < 12 from k join a on k._parent = a._key"
    ) == [(True,)]
    assert ran.rows("select count(*) from k where id = 3") == [(1,)]
    dropped = ran.dropped("k")
    assert set(dropped) == {"unchanged", "too short", "drop where id == 3"}
    assert ran["k"].built.rows_out - 42 + sum(dropped.values()) == 42 * 4
    assert ran.rows("select count(*) from recipec.dropped where step = 'k'") == [(sum(dropped.values()),)]


def test_equal_copies_are_dropped(lab: Any) -> None:
    ran = lab.run(f"{ROWS} augment k from a {{ copies: 30  delete_words(text, rate: 1%)  dedupe(text) }}")
    assert ran.dropped("k")["duplicate"] > 500
    assert ran.rows("select count(*) - count(distinct text) from k where text is not null") == [(0,)]
    assert ran.rows("select count(*) from k semi join a using (_key)") == [(42,)]


def test_balance(lab: Any) -> None:
    ran = lab.run(f"{ROWS} augment k from a {{ balance: topic  typos(text) }}")
    counts = dict(ran.rows("select topic, count(*) from k group by 1"))
    assert counts == {"x": 31, "y": 31}
    most = ran.rows("select max(c) - min(c) from (select count(*) as c from k where _parent is not null group by _parent)")
    assert most == [(1,)], "spread evenly"
    ran = lab.run(f"{ROWS} augment k from a {{ balance: topic  at_most: 1  typos(text) }}")
    assert dict(ran.rows("select topic, count(*) from k group by 1")) == {"x": 22, "y": 31}


def test_as_many_copies_as_eda_says(lab: Any) -> None:
    ran = lab.run(f"{ROWS} augment k from a {{ copies: auto  swap_words(text) }}")
    assert ran.rows("select count(*) from k where id = 5") == [(17,)]


@pytest.mark.parametrize("augmenter", ["swap_words(text, rate: 30%)", "delete_words(text)", "typos(text, rate: 10%)"])
def test_chance_depends_on_seed_key_and_copy_alone(lab: Any, augmenter: str) -> None:
    def made(order: str, threads: int, seed: int = 2, limit: int = 3000) -> list[Any]:
        text = f'''
          recipe "r" {{ seed: {seed} }}
          sql a """select i as id, 'some words of row ' || i || ' that go on a little' as text from range({limit}) r(i) order by {order}""" {{ key: id }}
          augment k from a {{ copies: 2  {augmenter} }}
        '''
        rows: list[Any] = lab.run(text, threads=threads).rows("select _key, _parent, id, text from k where id < 1000 order by _key")
        return rows

    one = made("id", 1)
    assert one == made("md5(id::varchar)", 2)
    assert one == made("id", 1, limit=1000), "rows added change no other"
    assert one != made("id", 1, seed=3)


def test_an_augmenter_added_leaves_the_chance_of_others(lab: Any) -> None:
    one = lab.run(f"{ROWS} augment k from a {{ typos(text) }}").rows("select _key, text from k order by 1")
    two = lab.run(f"{ROWS} augment k from a {{ swap_words(topic)  typos(text) }}").rows("select _key, text from k order by 1")
    assert one == two


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("copies: 2", "needs an augmenter"),
        ("swop_words(text)", "no augmenter `swop_words`"),
        ("swap_words(id)", "changes text; `id` is"),
        ("swap_words(text, rate: 0)", "more than 0"),
        ("copies: 0  swap_words(text)", "1 to 1,000"),
        ("copies: 2  balance: topic  swap_words(text)", "`balance` decides"),
        ("at_most: 2  swap_words(text)", "goes with `balance`"),
        ("swap_words(text) { keep where true }", "takes no block"),
        ("swap_words(text)  keep where original.txt == text", "txt"),
        ("swap_words(text)  keep where length(text)", "condition"),
        ("typos(text, layout: qwerty)", "`layout` must be"),
    ],
)
def test_what_cannot_be(lab: Any, block: str, message: str) -> None:
    found = lab.check(f"{ROWS} augment k from a {{ {block} }}")
    assert [message in d.message + " ".join(d.help) for d in found] == [True], [(d.message, d.help) for d in found]
