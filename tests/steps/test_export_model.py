"""An exported model is read by what people read models with, and answers as it does in the recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from taught import ROWS, SCRATCH, TAUGHT

MORE = f"""
evaluate scores from parts.test {{ model: clf  metrics: [accuracy, f1] }}
train low from parts.train {{ task: classify(text => label)  base: clf  adapter: lora(rank: 4)  steps: 4  batch_size: 8 }}
train soft from parts.train {{ task: classify(text => label)  {SCRATCH}  adapter: prompt(tokens: 4)  steps: 4  batch_size: 8 }}
train two from parts.train {{ task: classify(text => label)  {SCRATCH}  steps: 8  batch_size: 8  ensemble: 2 }}
predict guess from parts.test {{ model: clf }}
predict lower from parts.test {{ model: low }}
predict softly from parts.test {{ model: soft }}
predict pair from parts.test {{ model: two }}
predict marks from parts.test {{ model: ner }}
predict said from parts.test {{ model: lm  prompt: ask(prompt) }}
predict number from parts.test {{ model: reg }}
predict vector from parts.test {{ model: emb }}
export e_clf  from clf, scores {{ to: "out/clf"  format: transformers() }}
export e_low  from low  {{ to: "out/low"  format: transformers() }}
export e_apart from low {{ to: "out/apart"  format: transformers(adapter: apart) }}
export e_soft from soft {{ to: "out/soft"  format: transformers() }}
export e_two  from two  {{ to: "out/two"  format: transformers() }}
export e_ner  from ner  {{ to: "out/ner"  format: transformers() }}
export e_lm   from lm   {{ to: "out/lm"  format: transformers() }}
export e_reg  from reg  {{ to: "out/reg"  format: transformers() }}
export e_emb  from emb  {{ to: "out/emb"  format: transformers() }}
"""


@pytest.fixture(scope="module")
def ran() -> dict[str, Any]:
    return {}


@pytest.fixture
def out(taught: Any, ran: dict[str, Any]) -> Any:
    """What a run of all exports left; run once."""
    if "ran" not in ran:
        ran["ran"] = taught.run(TAUGHT + MORE)
    return ran["ran"]


def rows(out: Any, query: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = out.rows(query)
    return found


def probabilities(folder: Path, texts: list[str], model: Any = None) -> list[dict[str, float]]:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = model or transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    model.eval()
    with torch.inference_mode():
        found = [model(**tokenizer(t, truncation=True, return_tensors="pt")).logits.softmax(-1)[0].tolist() for t in texts]
    names = ["animal", "money"] if model.config.id2label == {0: "LABEL_0", 1: "LABEL_1"} else list(model.config.id2label.values())
    return [dict(zip(names, p, strict=True)) for p in found]


def alike(a: list[dict[str, float]], b: list[dict[str, float]]) -> None:
    assert len(a) == len(b) > 0
    for x, y in zip(a, b, strict=True):
        assert x == pytest.approx(dict(y), abs=2e-4)


def test_a_pipeline_reads_a_classifier(taught: Any, out: Any) -> None:
    import transformers

    said = rows(out, "select text, guess, guess_confidence from guess order by _key")
    ask = transformers.pipeline("text-classification", model=str(taught.folder / "out/clf"))
    for (_, label, sure), answer in zip(said, ask([t for t, _, _ in said], truncation=True), strict=True):
        assert answer["label"] == label
        assert answer["score"] == pytest.approx(sure, abs=2e-4)


def test_an_adapter_is_merged_or_stands_apart(taught: Any, out: Any) -> None:
    import transformers
    from peft import PeftModel

    said = rows(out, "select text, lower_probabilities from lower order by _key")
    texts, wanted = [t for t, _ in said], [p for _, p in said]
    folder = taught.folder / "out"
    alike(probabilities(folder / "low", texts), wanted)
    assert not (folder / "low/adapter_config.json").exists()
    base = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "apart/base")
    alike(probabilities(folder / "apart", texts, PeftModel.from_pretrained(base, str(folder / "apart"))), wanted)
    said = rows(out, "select text, softly_probabilities from softly order by _key")
    base = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "soft/base", num_labels=2)
    alike(probabilities(folder / "soft", [t for t, _ in said], PeftModel.from_pretrained(base, str(folder / "soft"))), [p for _, p in said])


def test_an_ensemble_is_a_folder_a_member(taught: Any, out: Any) -> None:
    said = rows(out, "select text, pair_probabilities from pair order by _key")
    texts = [t for t, _ in said]
    one, other = (probabilities(taught.folder / "out/two" / f"member-{n}", texts) for n in (1, 2))
    alike([{k: (a[k] + b[k]) / 2 for k in a} for a, b in zip(one, other, strict=True)], [p for _, p in said])


def test_a_tagger_a_regression_and_vectors(taught: Any, out: Any) -> None:
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer

    folder = taught.folder / "out"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "ner")
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder / "ner").eval()
    for tokens, marks in rows(out, "select tokens, marks from marks order by _key limit 5"):
        given = tokenizer(tokens, is_split_into_words=True, return_tensors="pt")
        best = model(**given).logits.argmax(-1)[0].tolist()
        first = [given.word_ids().index(n) for n in range(len(tokens))]
        assert [model.config.id2label[best[i]] for i in first] == marks
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "reg")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "reg").eval()
    for text, number in rows(out, "select text, number from number order by _key limit 5"):
        with torch.inference_mode():
            assert model(**tokenizer(text, return_tensors="pt")).logits[0, 0].item() == pytest.approx(number, abs=1e-2)
    said = rows(out, "select text, vector from vector order by _key limit 5")
    made = SentenceTransformer(str(folder / "emb"), device="cpu").encode([t for t, _ in said])
    for a, (_, b) in zip(made, said, strict=True):
        assert a.tolist() == pytest.approx(list(b), abs=1e-3)


def test_a_chat_model_takes_the_template_that_it_was_trained_with(taught: Any, out: Any) -> None:
    import transformers

    folder = taught.folder / "out/lm"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    for prompt, said in rows(out, "select prompt, said from said order by _key limit 3"):
        chat = [{"role": "user", "content": prompt}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        made = model.generate(**ids, max_new_tokens=8, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert tokenizer.decode(made, skip_special_tokens=True) == said, "and stops where it was taught to"


def test_the_card_says_where_it_comes_from_and_how_good_it_is(taught: Any, out: Any) -> None:
    from huggingface_hub import ModelCard

    text = (taught.folder / "out/clf/README.md").read_text(encoding="utf-8")
    card = ModelCard.load(taught.folder / "out/clf/README.md")
    results = {r.metric_type: (r.dataset_name, r.metric_value) for r in card.data.eval_results}
    ((accuracy, low, high),) = rows(out, "select accuracy, accuracy_low, accuracy_high from scores")
    assert results["accuracy"] == ("parts.test", pytest.approx(accuracy))
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "text-classification")
    assert f"| scores | parts.test | 24 | accuracy | {accuracy:.4f} | {low:.4f} to {high:.4f} |" in text
    assert "| clf | train | 72 | 72 |  |" in text
    assert "Its classes: `animal`, `money`." in text
    assert "this export's fingerprint is `" in text
    for path in (p for p in (taught.folder / "out").rglob("*") if p.suffix in (".md", ".json", ".jinja")):
        assert str(taught.folder) not in path.read_text(encoding="utf-8"), path
    config = json.loads((taught.folder / "out/apart/adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "base"


def test_the_same_bytes_again_and_only_what_changed(taught: Any, out: Any) -> None:
    folder = taught.folder / "out/low"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    (folder / "config.json").unlink()
    again = taught.run(TAUGHT + MORE)
    assert again.statuses["e_low"] == "run"
    assert again.statuses["e_clf"] == "reused"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ('export x from clf { to: "o"  format: jsonl() }', "`clf` is a model, and `jsonl` writes tables"),
        ('export x from parts { to: "o"  format: transformers() }', "`transformers` writes a model, and none is among the inputs"),
        ('export x from clf, weak { to: "o"  format: transformers() }', "an export writes one model"),
        ('export x from clf, parts.test { to: "o"  format: transformers() }', "`parts.test` is no evaluation"),
        ('export x from clf { to: "o"  format: transformers()  keys: true }', "a model has no `keys`"),
        (
            'model lm = openai("m", base_url: "http://localhost:1")  export x from lm { to: "o"  format: transformers() }',
            "`lm` is no `train` step",
        ),
        ('export x { to: "o"  format: transformers() }', "`export` needs at least 1 input"),
    ],
)
def test_what_does_not_check(lab: Any, step: str, message: str) -> None:
    models = "\n".join(f"train {n} from parts.train {{ task: classify(text => label)  {SCRATCH} }}" for n in ("clf", "weak"))
    found = [d.message for d in lab.check(ROWS + models + "\n" + step) if d.severity == "error"]
    assert any(m.startswith(message) for m in found), found


def test_an_adapter_that_cannot_be_merged(taught: Any, out: Any) -> None:
    ran = taught.run(
        TAUGHT + MORE.replace('"out/soft"  format: transformers()', '"out/soft"  format: transformers(adapter: merged)'), good=False
    )
    assert ran.error("e_soft") == "a prompt stands before the text: it cannot be merged into the base"
    assert taught.run(TAUGHT + MORE).statuses["e_clf"] == "reused"
