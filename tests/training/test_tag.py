"""Tags: words aligned to tokens, sentences too long, entities."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from training_harness import spec_of

from recipec.api import DataError
from recipec.training._base import Encoded, LoraParams, Rows
from recipec.training._fit import fit, prepare
from recipec.training._predict import Predictor
from recipec.training._scores import entity_f1, spans
from recipec.training.tag import firsts, whole

SPEC = spec_of("tag", "tags", "tokens", "tags", epochs=6, batch_size=8, learning_rate=3e-3)
PEOPLE, PLACES = ["Anna", "Boris", "Carla", "王芳"], ["Paris", "Oslo", "Berlin", "北京"]


def sentences(n: int, seed: int = 1) -> tuple[list[list[str]], list[list[str]]]:
    rng = random.Random(seed)
    words, tags = [], []
    for _ in range(n):
        words.append([rng.choice(PEOPLE), "Smith", "went", "to", rng.choice(PLACES), "."])
        tags.append(["B-PER", "I-PER", "O", "O", "B-LOC", "O"])
    return words, tags


def tag_rows(n: int, seed: int = 1) -> Rows:
    words, tags = sentences(n, seed)
    return Rows.of({"tokens": words, "tags": tags})


def test_it_learns_entities(place: Path) -> None:
    made = fit(SPEC, tag_rows(120), place / "m", validation=tag_rows(30, 2))
    assert made.classes == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert made.metrics["f1"] == 1.0
    model = Predictor(place / "m")
    tags, sure = model.tag([["Anna", "Smith", "went", "to", "北京", "."], [], ["Oslo"]])
    assert tags[0] == ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]
    assert [len(t) for t in tags] == [6, 0, 1] == [len(s) for s in sure]
    assert all(0 < s <= 1 for s in sure[0])


def test_long_sentences_are_counted_in_training_and_tagged_whole(place: Path) -> None:
    words, tags = sentences(60)
    long_words, long_tags = [w for s in words[:20] for w in s], [t for s in tags[:20] for t in s]
    made = fit(replace(SPEC, epochs=15), Rows.of({"tokens": [*words, long_words], "tags": [*tags, long_tags]}), place / "m")
    assert made.ledger.json() == {"rows": 61, "kept": 61, "truncated": 1, "dropped": {}}
    said, sure = Predictor(place / "m").tag([long_words])
    assert len(said[0]) == 120
    assert min(sure[0]) > 0
    assert entity_f1([long_tags], said) > 0.9


def test_the_first_piece_of_a_word_carries_its_tag(place: Path) -> None:
    rows = Rows.of({"tokens": [["Zyxwvut", "went"], ["went", "Oslo"]], "tags": [["B-PER", "O"], ["O", None]]})
    env, train, _ = prepare(SPEC, rows, None, place, place, lambda _: None)
    row = train[0]
    pieces = env.fast().encode(["Zyxwvut", "went"], is_pretokenized=True)
    expected = []
    for before, word in zip([None, *pieces.word_ids], pieces.word_ids, strict=False):
        expected.append(-100 if word is None or word == before else env.classes.index(("B-PER", "O")[word]))
    assert row["labels"].tolist() == expected
    assert expected.count(-100) == len(expected) - 2
    assert [x for x in train[1]["labels"].tolist() if x != -100] == [env.classes.index("O")]


def test_rows_that_cannot_be_learned(place: Path) -> None:
    words, tags = sentences(20)
    rows = Rows.of({"tokens": [*words, [], None, ["a"], ["a"]], "tags": [*tags, [], ["O"], None, ["O", "O"]]})
    made = fit(SPEC, rows, place / "m")
    assert made.ledger.dropped == {"no words": 2, "no tags": 1, "not as many tags as words": 1}
    with pytest.raises(DataError, match="every word of the training rows has the tag `O`"):
        fit(SPEC, Rows.of({"tokens": [["a"]], "tags": [["O"]]}), place / "n")
    with pytest.raises(DataError, match="validation has the tag `B-ORG`"):
        fit(SPEC, rows, place / "n", validation=Rows.of({"tokens": [["Acme"]], "tags": [["B-ORG"]]}))


def test_an_adapter(place: Path) -> None:
    spec = spec_of("tag", "tags", "tokens", "tags", epochs=6, batch_size=8, learning_rate=1e-2, adapter=LoraParams(rank=4))
    made = fit(spec, tag_rows(120), place / "m", validation=tag_rows(30, 2))
    assert made.metrics["f1"] > 0.9
    tags, _ = Predictor(place / "m").tag(sentences(30, 2)[0])
    assert entity_f1(sentences(30, 2)[1], tags) == pytest.approx(made.metrics["f1"])


def test_entities_are_those_of_seqeval() -> None:
    metrics = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    rng = random.Random(3)
    options = ["O", "B-A", "I-A", "B-B", "I-B"]
    gold = [[rng.choice(options) for _ in range(rng.randint(1, 9))] for _ in range(200)]
    said = [[rng.choice(options) if rng.random() < 0.4 else t for t in s] for s in gold]
    assert entity_f1(gold, said) == pytest.approx(metrics.f1_score(gold, said))
    assert spans(["PER", "PER", "O", "LOC"]) == {("PER", 0, 2), ("LOC", 3, 4)}


def test_tags_of_a_type_come_together() -> None:
    assert whole({"I-PER", "O", "X"}) == ["O", "B-PER", "I-PER", "X"]
    assert list(firsts([None, 0, 0, 1, None])) == [None, 0, None, 1, None]


def test_encode_gives_a_result_a_row(place: Path) -> None:
    env, *_ = prepare(SPEC, tag_rows(10), None, place, place, lambda _: None)
    batch = pa.RecordBatch.from_pydict({"tokens": [["Oslo"], []], "tags": [["B-LOC"], []]})
    assert [isinstance(r, Encoded) for r in env.task.encode(env, batch)] == [True, False]
