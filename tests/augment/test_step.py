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
    assert ran["k"].built.notes == []
    assert ran["k"].built.extra["told"][0] == "the 42 originals are left out"


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


EVERY = [
    "swap_words(zh, rate: 30%, words: th)", "delete_words(text)", "typos(text, rate: 10%)", "noise(text)", "ocr_errors(text)", "homoglyphs(text)",
    "change_case(text)", "change_punctuation(text)", "shape_errors(zh)", "pinyin_errors(zh, fuzzy: true)", "synonyms(text, from: th)",
    "insert_words(zh, from: th)", "eda(text, from: th)", "mix_sentences(text, within: topic)", "swap_entities(tokens, tags)", "typos(tokens)",
]  # fmt: skip


def test_chance_depends_on_seed_key_and_copy_alone(lab: Any) -> None:
    def made(order: str, threads: int, seed: int = 2, limit: int = 2500) -> list[list[Any]]:
        steps = " ".join(f"augment k{i} from a {{ copies: 2  {e} }}" for i, e in enumerate(EVERY))
        text = f'''
          recipe "r" {{ seed: {seed} }}
          sql th """select unnest(['words', 'little', '今天']) as word, unnest([['terms', 'tokens'], ['bit'], ['今日']]) as synonym"""
          sql a """select i as id, 'Some words of row ' || i || '. They go on a little! Do they?' as text, '今天天气很好，第' || i || '行己经有了。' as zh,
            i % 3 as topic, ['A', 'name' || i % 7] as tokens, ['O', 'B-X'] as tags from range({limit}) r(i) order by {order}""" {{ key: id }}
          {steps}
        '''
        ran = lab.run(text, threads=threads)
        return [ran.rows(f"select * from k{i} where id < 300 order by _key") for i in range(len(EVERY))]

    one = made("id", 1)

    def same(other: list[list[Any]]) -> list[str]:
        return [e for e, a, b in zip(EVERY, one, other, strict=True) if a == b]

    assert same(made("md5(id::varchar)", 2)) == EVERY
    assert same(made("id", 1, seed=3)) == []
    alone = [e for e in EVERY if "within" not in e and "entities" not in e]
    assert same(made("id", 1, limit=1000)) == alone, "other rows change only what draws from them"


def test_an_augmenter_added_leaves_the_chance_of_others(lab: Any) -> None:
    one = lab.run(f"{ROWS} augment k from a {{ typos(text) }}").rows("select _key, text from k order by 1")
    two = lab.run(f"{ROWS} augment k from a {{ swap_words(topic)  typos(text) }}").rows("select _key, text from k order by 1")
    assert one == two


def test_lists_of_words_keep_their_length(lab: Any) -> None:
    rows = """select unnest([1, 2, 3, 4]) as id, unnest([['John', 'Smith', 'went', '今天', 'e' || chr(769)], [], ['a', null], ['', 'bb']]) as tokens"""
    steps = "typos(tokens, rate: 50%)  noise(tokens)  ocr_errors(tokens)  homoglyphs(tokens)  change_case(tokens)  pinyin_errors(tokens)"
    ran = lab.run(f'recipe "r" {{ seed: 1 }} sql a """{rows}""" {{ key: id }} augment k from a {{ copies: 5  {steps} }}')
    assert sorted(ran.rows("select distinct id, len(tokens) from k")) == [(1, 5), (2, 0), (3, 2), (4, 2)]
    assert ran.rows("select count(*) from k where id = 1") == [(6,)]
    assert ran.dropped("k") == {"unchanged": 15}


LABELLED = '''
recipe "r" { seed: 2 }
sql a """select i as id, 'One here. Two of ' || i || ' here! Three.' as text, case when i % 2 = 0 then 'x' else 'y' end as topic from range(30) r(i)""" { key: id }
'''


def test_labels_are_kept_by_what_keeps_meaning(lab: Any) -> None:
    found = lab.check(f"{LABELLED} augment k from a {{ label: topic  mix_sentences(text) }}")
    assert [d.message for d in found] == ["`mix_sentences` may change what a row means, and the copies would keep their `topic`"]
    assert found[0].help[0] == "mix within a class: `within: topic`"
    ran = lab.run(f"{LABELLED} augment k from a {{ label: topic  labels: null  mix_sentences(text) }}")
    assert ran.rows("select count(topic), count(*) from k where _parent is not null") == [(0, 30)]
    ran = lab.run(f"{LABELLED} augment k from a {{ label: topic  labels: keep  mix_sentences(text) }}")
    assert ran.rows("select count(topic) from k where _parent is not null") == [(30,)]
    ran = lab.run(f"{LABELLED} augment k from a {{ label: topic  copies: 3  mix_sentences(text, within: topic) }}")
    numbers = "list_transform(regexp_extract_all(text, '[0-9]+'), lambda x: x::int)"
    wrong = f"select count(*) from k where list_bool_or(list_transform({numbers}, lambda x: x % 2 <> (topic = 'y')::int))"
    assert ran.rows(wrong) == [(0,)], "sentences come from the row's own class"


def test_synonyms_from_a_step(lab: Any) -> None:
    th = "sql th \"\"\"select 'quick' as word, 'fast' as synonym union all select 'lazy', 'idle'\"\"\""
    ran = lab.run(f"{ROWS} {th} augment k from a {{ originals: false  synonyms(text, from: th, rate: 100%) }}")
    assert ran.rows("select distinct regexp_replace(text, '[0-9]+', 'N') from k") == [
        ("The fast brown fox number N jumps over the idle dog",)
    ]
    changed = th.replace("fast", "rapid")
    ran = lab.run(f"{ROWS} {changed} augment k from a {{ originals: false  synonyms(text, from: th, rate: 100%) }}")
    assert ran.statuses["k"] == "run", "other words make another result"


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
        ("swap_words(text, words: a)", "no column `word`"),
        ("synonyms(text)", "needs `from`"),
        ("synonyms(text, from: a)", "no column `word`"),
        ("synonyms(text, from: wordnett())", "no source of words `wordnett`"),
        ("swap_entities(text, topic)", "needs lists of texts"),
        ("noise(text, kinds: [])", "kinds"),
    ],
)
def test_what_cannot_be(lab: Any, block: str, message: str) -> None:
    found = lab.check(f"{ROWS} augment k from a {{ {block} }}")
    assert [message in d.message + " ".join(d.help) for d in found] in ([True], [True, True]), [(d.message, d.help) for d in found]


def test_explain_shows_the_life_of_a_copy(lab: Any) -> None:
    from recipec.plan.explain import explain

    text = f'{ROWS} augment k from a {{ copies: 3  swap_words(text)  typos(topic) as slips  drop where id == 5 as "fifth" }}'
    ran = lab.run(text)
    keys = dict(ran.rows("select id, _key::varchar from k where _parent is null"))

    def life(id: int) -> Any:
        with lab.open() as workspace:
            [one] = explain(lab.sound(text), workspace, "k", keys[id])
            return [e for e in one.events if e.step == "k" and e.parent is not None]

    assert [(c.column, c.by) for e in life(7) for c in e.changes] == [("text", ("swap_words",)), ("topic", ("slips",))] * 3
    assert [(c.column, c.by) for e in life(100) for c in e.changes] == [("topic", ("slips",))] * 3, "one word cannot be exchanged"
    assert [e.reason for e in life(5)] == ["fifth"] * 3
