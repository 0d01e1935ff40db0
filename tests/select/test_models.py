"""Selectors that ask models: classifiers trained on the spot, a tiny causal model, vectors of a column."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

CLASSIFIERS = '''
recipe "r" { seed: 3 }
sql train_set """select i as id, case when i % 2 = 0 then 'the cat sat on a mat and purred ' || i else 'stocks fell as banks lost money ' || i end as text,
  case when i % 2 = 0 then 'animal' else 'money' end as topic from range(80) r(i)""" { key: id }
sql pool """select i as id, case when i = 50 then null when i % 5 = 0 then 'the cat fell as banks sat' when i % 2 = 0 then 'a cat purred on the mat'
  else 'banks lost money' end as text, i % 3 as part from range(60) r(i) order by md5(i::varchar)""" { key: id }
train clf from train_set { task: classify(text => topic)  base: scratch(layers: 1, width: 32, heads: 2, vocab: 300, max_length: 32)  epochs: 6  batch_size: 8 }
train other from train_set { task: classify(text => topic)  base: scratch(layers: 1, width: 32, heads: 2, vocab: 300, max_length: 32)  epochs: 1  seed: 9 }
predict guess from pool { model: clf }
'''


def test_classifiers(lab: Any) -> None:
    pytest.importorskip("transformers")
    ran = lab.run(f"""{CLASSIFIERS}
      select a from pool {{ take: 8  by: entropy(clf) }}
      select b from pool {{ take: 8  by: margin(clf) }}
      select c from pool {{ take: 8  by: least_confidence(clf) }}
      select d from guess {{ take: 8  by: entropy(probabilities: guess_probabilities) }}
      select e from pool {{ take: 3  by: entropy(clf)  per: part }}
      select f from pool {{ take: 8  by: committee([clf, other]) }}
      select g from pool {{ take: 8  by: bald(clf, passes: 4) }}
      select h from guess {{ by: above(clf, 60%) }}
      select i from train_set {{ by: suspect_labels(clf, topic) }}
    """)
    ids = {n: [r[0] for r in ran.rows(f"select id from {n} order by id")] for n in "abcdefgh"}
    # With two classes the three are one order.
    assert ids["a"] == ids["b"] == ids["c"] == ids["d"]
    assert ran.dropped("a") == {"not selected": 51, "no score": 1}
    assert ran.rows("select min(a_score) > 0 and max(a_score) <= ln(2) + 0.000001 from a") == [(True,)]
    assert ran.rows("select part, count(*) from e group by 1 order by 1") == [(0, 3), (1, 3), (2, 3)]
    assert ran.rows("select min(g_score) >= 0 from g") == [(True,)]
    assert ran.rows("select count(*) from guess where guess_confidence > 0.6") == [(len(ids["h"]),)]
    assert any("trained on these rows" in n for n in ran["i"].built.notes)
    again = lab.run(
        f"{CLASSIFIERS}select g from pool {{ take: 8  by: bald(clf, passes: 4) }}".replace("order by md5(i::varchar)", "order by i"),
        threads=1,
    )
    assert [r[0] for r in again.rows("select id from g order by id")] == ids["g"], "chance of seed and keys, not of order or threads"


def test_causal(lab: Any, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    from tiny_models import write_transformers

    write_transformers(lab.folder / "tiny")
    ran = lab.run('''
      recipe "r" { seed: 3 }
      model lm = transformers("tiny", precision: "fp32")
      sql a """select i as id, case when i = 3 then '' when i = 4 then null else repeat('ab', i + 1) end as text, 'say ' || i as question from range(12) r(i)""" { key: id }
      select low from a { take: 4  by: perplexity(lm, text) }
      select high from a { take: 4  by: perplexity(lm, text, prefer: high) }
      select middle from a { take: 4  by: perplexity(lm, text, prefer: middle) }
      select cherry from a { take: 50%  by: ifd(lm, question, text) }
    ''')
    assert ran.dropped("low") == {"not selected": 6, "no score": 2}
    assert ran.rows("select (select max(low_score) from low) <= (select min(high_score) from high)") == [(True,)]
    assert ran.rows("select max(cherry_score) <= 1 and min(cherry_score) > 0 from cherry") == [(True,)]
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(lab.folder / "tiny"), AutoModelForCausalLM.from_pretrained(lab.folder / "tiny")
    text, said = ran.rows("select text, low_score from low order by id limit 1")[0]
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text)["input_ids"]]])
    with torch.inference_mode():
        loss = float(model(input_ids=ids, labels=ids).loss)
    assert said == pytest.approx(pow(2.718281828459045, loss), rel=1e-3)


VECTORS = '''
recipe "r" {{ seed: 3 }}
sql a """select i as id, case when i <> 7 then [cos(i * 0.03), sin(i * 0.03)]::double[] end as v, (i % 10)::double as c, 1 as q from range(200) r(i)
  order by {order}""" {{ key: id }}
select f from a {{ take: 6  by: facility(vectors: v) }}
select d from a {{ take: 20  by: deita(c, q, vectors: v, most_alike: 0.99) }}
'''


def test_vectors(lab: Any) -> None:
    def made(order: str, threads: int) -> list[Any]:
        ran = lab.run(VECTORS.format(order=order), threads=threads)
        assert ran.dropped("f") == {"not selected": 193, "no score": 1}
        assert ran.rows("select max(list_cosine_similarity(x.v, y.v)) <= 0.99 from d x join d y on x.id < y.id") == [(True,)]
        assert ran.dropped("d")["too like a chosen row"] > 0
        assert ran.rows("select max(d_score) from d") == [(9.0,)]
        return [ran.rows(f"select * from {n} order by _key") for n in "fd"]

    assert made("id", 1) == made("md5(id::varchar)", 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("k_center()", "`k_center` needs an embedding model"),
        ("k_center(vectors: text)", "vectors are lists of numbers; this is text"),
        ("facility(lm, text: text)", "`lm` cannot embed texts"),
        ("committee([minilm])", "a committee has two members or more"),
        ("perplexity(minilm, text)", "`minilm` cannot say how probable a text is"),
        ("ifd(lm, text, id)", "`ifd` reads texts; this is int"),
        ("deita(id, id)", "`deita` needs vectors"),
        ("deita(text, id, with: minilm)", "`deita` needs a number here; this is text"),
        ("bald(minilm)", "`minilm` cannot classify texts"),
        ("above(minilm, 100%)", "`threshold` is a share, less than 100%"),
    ],
)
def test_wrong(lab: Any, body: str, said: str) -> None:
    lab.write("m/config.json", '{"architectures": ["LlamaForCausalLM"]}')
    start = 'recipe "r" { seed: 1 }  sql p """select 1 as id, \'a\' as text""" { key: id }  model minilm = embedding("m")  model lm = transformers("m")'
    found = [d.message for d in lab.check(f"{start} select k from p {{ take: 1  by: {body} }}")]
    assert any(said in m for m in found), found
