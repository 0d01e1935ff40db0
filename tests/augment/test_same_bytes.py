"""Every augmenter, every selector, `generate` and `mix`, by the registry: on hostile texts they end, give the same bytes whatever the threads
and the order of the file, and name the right parents."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipec.registry import names
from tests.augment.masked import classifier_model, masked_model
from tests.models.server import serving

TEXTS = [
    "", "hello hello hello", "👨‍👩‍👧 🇩🇪 👍🏽", "ภาษาไทยง่ายมาก ดี", "a", "好", " ", "\u202eabc\u202c \x1b[0m", "今天天气很好。我们去公园玩！", "İstanbul ışık ß",
    "The lazy dog runs. It jumps over the fox!", "from {city} to {city}", "e\u0301 \u0301", "مرحبا بالعالم", None,
]  # fmt: skip
LONG = "quick words 今天 hello. "
AUGMENTERS = {
    "back_translate": 'back_translate(text, forward: lm, back: lm, through: "fr")',
    "change_case": "change_case(text)",
    "change_punctuation": "change_punctuation(text, rate: 50%)",
    "dedupe": "swap_words(text, rate: 50%)  dedupe(text)",
    "delete_words": "delete_words(text, rate: 30%)",
    "eda": "eda(text, from: words)",
    "fill_slots": "fill_slots(text, from: cities)",
    "homoglyphs": "homoglyphs(text)",
    "insert_words": "insert_words(text, from: words)",
    "keeps_label": "swap_words(text, rate: 50%)  keeps_label(text, label: topic, with: clf)",
    "keeps_meaning": "swap_words(text, rate: 50%)  keeps_meaning(text, with: bert, at_least: 1%)",
    "mask_words": "mask_words(text, with: bert)",
    "mix_sentences": "mix_sentences(text, within: topic)",
    "noise": "noise(text)",
    "ocr_errors": "ocr_errors(text, rate: 50%)",
    "paraphrase": "paraphrase(text, with: lm, prompt: reword(text))",
    "pinyin_errors": "pinyin_errors(text, rate: 50%)",
    "shape_errors": "shape_errors(text, rate: 50%)",
    "swap_entities": "swap_entities(tokens, tags)",
    "swap_words": "swap_words(text)",
    "synonyms": "synonyms(text, from: words)",
    "typos": "typos(text, rate: 20%)",
}
SELECTORS = {
    "above": "above(clf, 34%)",
    "bald": "bald(clf, passes: 2)",
    "committee": "committee([clf, other])",
    "deita": "deita(x, id, vectors: v)",
    "dsir": "dsir(text, target: cities.value)",
    "entropy": "entropy(clf)",
    "facility": "facility(vectors: v)",
    "ifd": "ifd(tiny, question, text)",
    "k_center": "k_center(vectors: v)",
    "least_confidence": "least_confidence(clf)",
    "margin": "margin(clf)",
    "perplexity": "perplexity(tiny, text)",
    "random": "random()",
    "suspect_labels": "suspect_labels(clf, topic)",
    "top": "top(x)",
}


def asked(request: Mapping[str, Any]) -> tuple[str, str]:
    """A server that says a text backwards."""
    return str(request["messages"][-1]["content"])[::-1][:2000], "stop"


def recipe(clf: Path, other: Path, bert: Path, tiny: Path) -> str:
    # The longest text is too long to send: of models behind a server the others are asked about.
    made = [
        f"augment a_{n} from {'short' if 'lm' in call else 'rows'} {{ copies: 2  labels: keep  {call} }}" for n, call in AUGMENTERS.items()
    ]
    made += [f"select s_{n} from whole {{ take: 5  by: {call} }}" for n, call in SELECTORS.items()]
    return f"""
      recipe "r" {{ seed: 11 }}
      source rows = jsonl("rows.jsonl") {{ key: id  columns: {{ id: int, text: text, topic: text, tokens: [text], tags: [text], x: float, v: [float], question: text }} }}
      source words = jsonl("words.jsonl") {{ key: word  columns: {{ word: text, synonym: text }} }}
      source cities = jsonl("cities.jsonl") {{ key: value  columns: {{ slot: text, value: text }} }}
      clean short from rows {{ keep where length(text) < 1000 }}
      clean whole from rows {{ keep where text is not null }}
      model clf = transformers("{clf}")
      model other = transformers("{other}")
      model bert = transformers("{bert}")
      model tiny = transformers("{tiny}", precision: "fp32")
      model lm = openai("m", base_url: env("LLM_URL")) {{ retries: 0 }}
      template reword(text) {{ user \"\"\"Say {{{{ text }}}}\"\"\" }}
      {chr(10).join(made)}
      generate g_one from short {{ with: lm  prompt: reword(text)  into: said }}
      generate g_many from short {{ with: lm  prompt: reword(text)  into: said  samples: 2  numbered: n }}
      mix m_weights from rows, a_typos {{ weights: {{ rows: 1  a_typos: 1 }}  take: 40  epochs: 3 }}
      mix m_tokens from whole, a_noise {{ weights: {{ whole: 1  a_noise: 2 }}  take: 500 tokens  count: words(text)  epochs: {{ whole: 2 }} }}
      mix m_plain from rows, a_typos
    """


def write(lab: Any, seed: int, long: int) -> None:
    """The tables, each row in an order of its own."""
    rows = [
        {
            "id": i, "text": text, "topic": "ab"[i % 2], "tokens": (text or "")[:60].split(), "tags": ["B-LOC" if j == 0 else "O" for j in range(len((text or "")[:60].split()))],
            "x": i * 7 % 11 + 1.0, "v": [float(i % 3), float(i % 5), 1.0], "question": "say",
        }
        for i, text in enumerate([*TEXTS, LONG * long])
    ]  # fmt: skip
    words = [
        {"word": a, "synonym": b} for a, b in (("lazy", "idle"), ("dog", "hound"), ("hello", "hi"), ("今天", "今日"), ("quick", "fast"))
    ]
    cities = [{"slot": "city", "value": v} for v in ("Oslo", "上海", "the lazy dog")]
    for name, listed in (("rows", rows), ("words", words), ("cities", cities)):
        mixed = list(listed)
        if seed:
            random.Random(seed).shuffle(mixed)
        lab.write(f"{name}.jsonl", "\n".join(json.dumps(r, ensure_ascii=False) for r in mixed))


@pytest.mark.parametrize("long", [1_000, pytest.param(40_000, marks=pytest.mark.slow)])
def test_same_bytes_whatever_threads_and_order(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: int) -> None:
    pytest.importorskip("transformers", reason="models are an extra")
    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    from tiny_models import write_transformers

    assert set(AUGMENTERS) == set(names("augmenter")), "a new augmenter is tried here too"
    assert set(SELECTORS) == set(names("selector")), "and a new selector"
    clf, other = (classifier_model(tmp_path / n, ["a", "b"]) for n in ("one", "two"))
    bert = masked_model(tmp_path / "bert")
    write_transformers(tmp_path / "tiny")
    text = recipe(clf, other, bert, tmp_path / "tiny")
    again = type(lab)(tmp_path / "again")
    with serving(says=asked) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        write(lab, 0, long)
        first = lab.run(text, threads=2)
        write(again, 5, long)
        second = again.run(text, threads=1)
    steps = [s.name for s in first.result.steps if s.name[1:2] == "_"]
    assert len(steps) == len(AUGMENTERS) + len(SELECTORS) + 5
    for name in steps:
        assert first.rows(f"select * from {name} order by _key") == second.rows(f"select * from {name} order by _key"), name
        if name.startswith(("a_", "g_many")):
            origin = "short" if name.startswith("g_") or "lm" in AUGMENTERS[name[2:]] else "rows"
            wrong = f"select count(*) from {name} c left join {origin} o on c._parent = o._key where c._parent is not null and (o._key is null or c.id <> o.id)"
            assert first.rows(wrong) == [(0,)], name
            copies = first.rows(f"select count(*) from {name} where _parent is not null")[0][0]
            assert copies > 0, name
        if name.startswith(("s_", "g_one")):
            kept = f"select count(*) from {name} anti join {'whole' if name[0] == 's' else 'short'} using (_key)"
            assert first.rows(kept) == [(0,)], name
