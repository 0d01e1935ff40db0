"""Preferences: the losses as their papers have them, learned, and every row accounted for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_harness import spec_of

from recipec.api import DataError
from recipec.training._base import Folder, LoraParams, Rows
from recipec.training._fit import fit, prepare
from recipec.training._predict import Predictor

PROMPTS = ["2 + 2", "3 + 3", "1 + 1", "猫"]
GOOD, BAD = ["four", "six", "two", "cat 猫"], ["five", "seven", "one", "dog 狗"]
SPEC = spec_of("prefer", "dpo", "prompt", "chosen", "rejected", epochs=6, batch_size=4, learning_rate=3e-3)


def pairs(copies: int = 8) -> Rows:
    return Rows.of({"prompt": PROMPTS * copies, "chosen": GOOD * copies, "rejected": BAD * copies})


@pytest.mark.parametrize("form", ["dpo", "orpo"])
def test_the_chosen_answer_becomes_likelier(form: str, place: Path) -> None:
    made = fit(replace(SPEC, form=form), pairs(), place / "m", validation=pairs(1))
    assert made.metrics["accuracy"] == 1.0
    assert made.metrics["margin"] > 0.5
    assert len(Predictor(place / "m").generate(["2 + 2"], max_tokens=4)) == 1


def test_good_and_bad_answers(place: Path) -> None:
    spec = spec_of("prefer", "kto", "prompt", "chosen", "good", epochs=6, batch_size=4, learning_rate=3e-3)
    columns: dict[str, list[Any]] = {"prompt": PROMPTS * 8, "chosen": (GOOD + BAD) * 4, "good": ([True] * 4 + [False] * 4) * 4}
    made = fit(spec, Rows.of(columns), place / "m", validation=Rows.of({k: v[:8] for k, v in columns.items()}))
    assert made.metrics["accuracy"] > 0.8
    with pytest.raises(DataError, match="every answer is good"):
        fit(spec, Rows.of({**columns, "good": [True] * 32}), place / "n")


def test_before_the_first_step_nothing_is_preferred(place: Path) -> None:
    """DPO's loss is ln 2 where the model has not moved."""
    made = fit(replace(SPEC, steps=1, learning_rate=1e-12, epochs=None), pairs(1), place / "m", validation=pairs(1))
    assert made.metrics["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert made.metrics["margin"] == pytest.approx(0, abs=1e-3)


def test_only_the_answer_counts(place: Path) -> None:
    env, store, _ = prepare(SPEC, pairs(1), None, place, place, lambda _: None)
    row = store[0]
    for name, text in (("chosen", "four"), ("rejected", "five")):
        labels = row[f"{name}_labels"]
        assert env.tokenizer.decode(labels[labels != -100]) == f"{text}<|end|>"
        assert env.tokenizer.decode(row[name]) == f"<|user|>2 + 2<|end|><|assistant|>{text}<|end|>"


def test_messages_and_rows_that_teach_nothing(place: Path) -> None:
    chat = [[{"role": "system", "content": "Add."}, {"role": "user", "content": p}] for p in PROMPTS]
    answer = [{"role": "assistant", "content": a} for a in GOOD]
    rows = Rows.of(
        {
            "prompt": [*chat, chat[0]],
            "chosen": [*answer, answer[0]],
            "rejected": [*({"role": "assistant", "content": b} for b in BAD), answer[0]],
        }
    )
    made = fit(replace(SPEC, epochs=1), rows, place / "m")
    assert made.ledger.json() == {"rows": 5, "kept": 4, "truncated": 0, "dropped": {"both answers are the same": 1}}
    texts = Rows.of({"prompt": ["a", None, "b c " * 60, "c"], "chosen": ["x", "x", "x", ""], "rejected": ["y"] * 4})
    made = fit(replace(SPEC, epochs=1), texts, place / "n")
    assert made.ledger.dropped == {"no prompt": 1, "longer than 64 tokens": 1, "no chosen answer": 1}


def test_after_an_earlier_training_with_an_adapter(place: Path) -> None:
    """SFT first, then DPO with LoRA on what came of it; and a rerun gives the same bytes."""
    said = [[{"role": "user", "content": p}, {"role": "assistant", "content": a}] for p, a in zip(PROMPTS, GOOD, strict=True)]
    fit(spec_of("generate", "messages", "messages", epochs=2), Rows.of({"messages": said * 4}), place / "sft")
    spec = replace(SPEC, base=Folder(str(place / "sft")), adapter=LoraParams(rank=4), learning_rate=1e-2)
    first = fit(spec, pairs(), place / "m", validation=pairs(1))
    assert first.metrics["accuracy"] == 1.0
    assert fit(spec, pairs(), place / "n", validation=pairs(1)).hash == first.hash
    again = fit(replace(SPEC, base=Folder(str(place / "m")), epochs=1), pairs(1), place / "o")
    assert again.ledger.kept == 4


def test_the_loss_is_that_of_trl(place: Path) -> None:
    """The same model, reference, and batch (padding and all) give TRL's loss and margin to rounding."""
    trl: Any = pytest.importorskip("trl", reason="TRL is not installed")
    import copy

    import torch
    from datasets import Dataset

    fit(replace(SPEC, epochs=2), pairs(), place / "m")
    spec = replace(SPEC, base=Folder(str(place / "m")), beta=0.3, precision="fp32")
    prompts, good, bad = [*PROMPTS, "one two three"], [*GOOD, "a longer answer than the others"], [*BAD, "no"]
    env, store, _ = prepare(spec, Rows.of({"prompt": prompts, "chosen": good, "rejected": bad}), None, place, place / "c", lambda _: None)
    model = env.task.model(env)
    env.task.begin(env, model, [store])
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("q_proj.weight"):
                weight.mul_(1.7)
    model.eval()

    # TRL takes the very same tokens: its own rendering is not what is compared.
    def ids(row: Any, name: str) -> tuple[list[int], list[int]]:
        learned = row[f"{name}_labels"] != -100
        return row[name][~learned].tolist(), row[name][learned].tolist()

    rows = [store[n] for n in range(len(store))]
    batch = env.task.collate(env, rows)
    with torch.no_grad():
        ours, margin = env.task.loss(env, model, batch, None)
    reference = env.task.model(env).eval()
    arguments = trl.DPOConfig(
        output_dir=str(place / "trl"), beta=0.3, report_to=[], use_cpu=True, bf16=False, per_device_train_batch_size=5, gradient_checkpointing=False,
        max_length=None,
    )  # fmt: skip
    table = Dataset.from_dict({"prompt": prompts, "chosen": good, "rejected": bad})
    trainer: Any = trl.DPOTrainer(
        model=copy.deepcopy(model), ref_model=reference, args=arguments, train_dataset=table, processing_class=env.tokenizer
    )
    made = trainer.data_collator(
        [{"prompt_ids": ids(r, "chosen")[0], "chosen_ids": ids(r, "chosen")[1], "rejected_ids": ids(r, "rejected")[1]} for r in rows]
    )
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model.eval(), made)
    assert float(ours) == pytest.approx(float(loss), rel=1e-5)
    assert float(margin.abs().max()) > 1e-3
