"""Answers: masks exactly right, stops learned, packing that isolates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_harness import SCRATCH, spec_of

from recipec.api import DataError
from recipec.training._base import LoraParams, Rows
from recipec.training._fit import fit, prepare
from recipec.training._predict import Predictor

SPEC = spec_of("generate", "messages", "messages", epochs=30, batch_size=8, learning_rate=1e-2)
PAIRS = {"2 + 2": "four", "3 + 3": "six", "1 + 1": "two", "猫": "cat 猫"}


def say(*turns: str, system: str | None = None) -> list[dict[str, str]]:
    said = [{"role": "system", "content": system}] if system else []
    return said + [{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(turns)]


def chat_rows(copies: int = 8) -> Rows:
    return Rows.of({"messages": [say(q, a) for q, a in PAIRS.items()] * copies})


def trained(spec: Any, messages: Any, place: Path, at: int = 0) -> tuple[str, str]:
    """(the whole row, what is trained of it) as texts."""
    env, store, _ = prepare(spec, Rows.of({"messages": messages}), None, place, place, lambda _: None)
    row = store[at]
    labels = row["labels"]
    assert all(label in (-100, token) for label, token in zip(labels, row["input_ids"], strict=True))
    return env.tokenizer.decode(row["input_ids"]), env.tokenizer.decode(labels[labels != -100])


def test_it_learns_to_answer_and_to_stop(place: Path) -> None:
    made = fit(SPEC, chat_rows(), place / "m", validation=chat_rows(1))
    assert made.metrics["accuracy"] == 1.0
    assert made.metrics["perplexity"] < 1.2
    model = Predictor(place / "m")
    answers = model.generate([*PAIRS, say("2 + 2")], max_tokens=8)
    assert [a.text for a in answers] == [*PAIRS.values(), "four"]
    assert all(a.finished for a in answers)
    right, wrong = model.logprobs({"messages": [say("2 + 2", "four"), say("2 + 2", "six")]})
    assert right is not None
    assert wrong is not None
    assert right[0] > wrong[0]
    assert right[1] > 1
    assert model.logprobs({"messages": [say("2 + 2")]}) == [None]


@pytest.mark.parametrize(
    ("loss_on", "learned"),
    [("assistant", "four<|end|>six<|end|>"), ("completion", "six<|end|>"), ("all", None)],
)
def test_what_is_trained(place: Path, loss_on: Any, learned: str | None) -> None:
    messages = say("2 + 2", "four", "3 + 3", "six", system="Add.")
    whole, part = trained(replace(SPEC, loss_on=loss_on), [messages], place)
    assert whole == ("<|system|>Add.<|end|><|user|>2 + 2<|end|><|assistant|>four<|end|><|user|>3 + 3<|end|><|assistant|>six<|end|>")
    assert part == (learned or whole)


def test_the_prompt_is_a_prefix_in_tokens(place: Path) -> None:
    env, store, _ = prepare(SPEC, Rows.of({"messages": [say("2 + 2", "four")]}), None, place, place, lambda _: None)
    prompt = Predictor._prompt(type("P", (), {"env": env})(), "2 + 2", 8)  # type: ignore[arg-type]
    row = store[0]
    assert row["input_ids"][: len(prompt)].tolist() == prompt
    assert (row["labels"][: len(prompt)] == -100).all()
    assert (row["labels"][len(prompt) :] != -100).all()


def test_what_follows_the_last_answer_is_no_part(place: Path) -> None:
    whole, part = trained(SPEC, [say("2 + 2", "four", "and then")], place)
    assert whole.endswith("four<|end|>")
    assert part == "four<|end|>"


def test_another_template(place: Path) -> None:
    whole, part = trained(replace(SPEC, template="plain"), [say("2 + 2", "four")], place)
    assert whole == "User: 2 + 2<|end|>\nAssistant: four<|end|>\n"
    assert part == " four<|end|>"


def test_a_template_without_an_end_gets_one(place: Path) -> None:
    open_ended = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    whole, part = trained(replace(SPEC, template=open_ended), [say("2 + 2", "four")], place)
    assert whole == "[user] 2 + 2\n[assistant] four<|end|>"
    assert part == " four<|end|>"


def test_a_token_across_prompt_and_answer_is_cut(place: Path) -> None:
    """The opening ends within what would be one token of the whole: `[assistant]f` + `our`."""
    rows = [say("ab", "abab")] * 20
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    env, store, _ = prepare(replace(SPEC, template=template), Rows.of({"messages": rows}), None, place, place, lambda _: None)
    row = store[0]
    prompt = env.fast().encode("ab").ids
    assert row["input_ids"][: len(prompt)].tolist() == prompt
    assert (row["labels"][: len(prompt)] == -100).all()
    assert (row["labels"][len(prompt) :] != -100).all()


@pytest.mark.parametrize(
    ("messages", "values", "words"),
    [
        ([{"role": "human", "content": "hi"}], {}, "row 1 has a message of the role `human`"),
        (say("a", "b", "c", "d"), {"template": "{{ messages | length }}{{ messages[-1].content }}"}, "no prefix of the whole"),
        (say("a", "b"), {"template": "{% if %}"}, "chat template is not right"),
        (say("a"), {}, "all were dropped: no answer of the assistant's 1"),
    ],
)
def test_what_would_teach_the_wrong_thing_is_an_error(place: Path, messages: Any, values: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        fit(replace(SPEC, **values), Rows.of({"messages": [messages]}), place / "m")
    assert words in f"{caught.value.message} {caught.value.help}"


def test_a_base_without_a_chat_template(place: Path) -> None:
    fit(replace(SPEC, epochs=1), chat_rows(1), place / "base")
    (place / "base" / "chat_template.jinja").unlink()
    from recipec.training._base import Folder

    with pytest.raises(DataError, match="the base has no chat template"):
        fit(replace(SPEC, base=Folder(str(place / "base"))), chat_rows(1), place / "m")
    pair = Rows.of({"prompt": ["2 + 2 = "] * 8, "answer": ["four"] * 8})
    spec = replace(SPEC, form="pair", roles=("prompt", "answer"), base=Folder(str(place / "base")), epochs=20)
    env, store, _ = prepare(spec, pair, None, place, place, lambda _: None)
    assert env.tokenizer.decode(store[0]["input_ids"]) == "2 + 2 = four<|end|>"
    fit(spec, pair, place / "m")
    assert Predictor(place / "m").generate(["2 + 2 = "], max_tokens=8)[0].text == "four"


def test_rows_too_long(place: Path) -> None:
    rows = Rows.of({"messages": [say("2 + 2", "four"), say("x " * 100, "y"), say("x", "y " * 100), say("x", None)]})  # type: ignore[arg-type]
    made = fit(replace(SPEC, epochs=1), rows, place / "m")
    assert made.ledger.json() == {
        "rows": 4, "kept": 1, "truncated": 0, "dropped": {"longer than 64 tokens": 2, "a message without role or content": 1},
    }  # fmt: skip
    made = fit(replace(SPEC, epochs=1, long="truncate"), rows, place / "m")
    assert made.ledger.json() == {
        "rows": 4, "kept": 2, "truncated": 1,
        "dropped": {"nothing to learn within 64 tokens": 1, "a message without role or content": 1},
    }  # fmt: skip


def test_packed_rows_do_not_see_each_other(place: Path) -> None:
    """The loss of packed rows is that of the rows one by one."""
    import torch

    rows = Rows.of({"messages": [say(q, a) for q, a in PAIRS.items()] + [say("3 + 3 " * 4, "six " * 3)]})
    spec = replace(SPEC, packing=True)
    env, store, _ = prepare(spec, rows, None, place, place, lambda _: None)
    torch.manual_seed(0)
    model = env.task.model(env).eval()
    packs, lengths = env.task.arranged(env, store)
    assert sum(len(line) for line in packs.lines) == 5
    assert max(lengths) <= 64
    assert len(packs) < 5
    with torch.no_grad():
        together = env.task.loss(env, model, env.task.collate(env, [packs[i] for i in range(len(packs))]), torch.tensor(1))[0]
        alone = sum(env.task.loss(env, model, env.task.collate(env, [store[i]]), torch.tensor(1))[0] for i in range(5))
    assert float(together) == pytest.approx(float(alone), rel=1e-4)
    made = fit(spec, chat_rows(), place / "m", validation=chat_rows(1))
    assert made.metrics["accuracy"] > 0.9


def test_an_adapter_on_scratch_keeps_its_base(place: Path) -> None:
    spec = replace(SPEC, adapter=LoraParams(rank=8), learning_rate=2e-2)
    made = fit(spec, chat_rows(), place / "m", validation=chat_rows(1))
    assert (place / "m" / "base" / "config.json").exists()
    assert made.trained_parameters < made.total_parameters
    first = Predictor(place / "m").logprobs({"messages": [say("2 + 2", "four")]})[0]
    assert first is not None
    assert np.isfinite(first[0])


def test_scratch_of_impossible_shape(place: Path) -> None:
    with pytest.raises(DataError, match="a width of 32 cannot be shared by 3 heads"):
        fit(replace(SPEC, base=type(SCRATCH)(layers=1, width=32, heads=3, vocab=400, max_length=64)), chat_rows(1), place / "m")
