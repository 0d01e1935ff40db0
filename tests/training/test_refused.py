"""What makes a training worthless, as the user of a recipe sees it: before the first step, with what to do, and nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from training_harness import spec_of, topic_rows, topics

from recipec.cli import main
from recipec.training._fit import fit

TABLE = "columns: { id: int, text: text, label: text, chat: [{ role: text, content: text }] }"
BASE = "base: scratch(layers: 1, width: 32, heads: 2, vocab: 400, max_length: 64)  batch_size: 8"
CLASSIFY = f"task: classify(text => label)  {BASE}"


def write(lab: Any, name: str, rows: list[tuple[str, str | None]]) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    lines = [json.dumps({"id": i, "text": t, "label": c, "chat": chat}) for i, (t, c) in enumerate(rows)]
    lab.write(f"{name}.jsonl", "\n".join(lines))


def refused(
    lab: Any,
    capsys: pytest.CaptureFixture[str],
    settings: str,
    rows: list[tuple[str, str | None]],
    validation: list[tuple[str, str | None]] | None = None,
) -> tuple[str, str]:
    """What `recipec run` prints of the step `clf`, in one line, and its help; what was built before stands, and no model."""
    write(lab, "rows", rows)
    write(lab, "held", validation or [("", None)])
    text = f'source rows = jsonl("rows.jsonl") {{ key: id  {TABLE} }}\nsource held = jsonl("held.jsonl") {{ key: id  {TABLE} }}\n'
    text += 'clean none from held { keep where text == "nowhere" }\n'
    lab.write("test.recipe", f"{text}train clf from rows {{ {settings} }}")
    capsys.readouterr()
    assert main(["run", str(lab.folder / "test.recipe"), "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    steps = {s["name"]: s for s in json.loads(captured.out)["steps"]}
    assert steps["rows"]["status"] == "run"
    assert steps["clf"]["status"] == "failed"
    assert not list((lab.workspace / "artifacts").glob("*/config.json"))
    return steps["clf"]["error"]["message"], steps["clf"]["error"]["help"]


def pairs(n: int = 40) -> list[tuple[str, str | None]]:
    return [(t, c) for t, c in zip(*topics(n), strict=True)]


@pytest.mark.parametrize(
    ("settings", "rows", "held", "message", "help"),
    [
        (
            f"{CLASSIFY}  classes: [animal, money, war]", pairs(), None,
            "no training row has the class `war`",
            "a model cannot learn a class that it never sees: take it out of `classes`, or split with `stratify`",
        ),
        (
            f"{CLASSIFY}  validation: held", pairs(), [*pairs(8), ("tanks roll", "war")],
            "validation has the class `war`, which no training row has", "split with `stratify: label`, so that every part has every class",
        ),
        (
            CLASSIFY, [(t, "money") for t, _ in pairs()], None,
            "the training rows have only the class `money`: there is nothing to tell apart", "a classifier needs two classes",
        ),
        (CLASSIFY, [("", None)] * 3, None, "no row is left to train on", "all were dropped: no text 3"),
        (f"{CLASSIFY}  validation: none", pairs(), None, "no row is left to validate on", "the table is empty"),
        (f"{CLASSIFY}  validation: held", pairs(), None, "no row is left to validate on", "all were dropped: no text 1"),
        (
            f"{CLASSIFY}  max_length: 4  long: drop", pairs(), None, "no row is left to train on", "all were dropped: longer than 4 tokens 40",
        ),
        (
            f"{CLASSIFY}  max_length: 100", pairs(), None, "max_length is 100, and the base takes 64 tokens", "max_length: 64, or another base",
        ),
        (
            f"{CLASSIFY}  learning_rate: 1e30  max_norm: 1e30  warmup: 0", pairs(), None, "the loss is not a number at step ",
            "lower learning_rate (it is 1e+30) or max_norm, or raise warmup",
        ),
        (
            'task: generate(chat)  base: "plain"', pairs(), None, "the base has no chat template: it does not say how messages become text",
            'take a base that was trained to chat, or give a template: `template: "plain"`',
        ),
    ],
)  # fmt: skip
def test_refused(lab: Any, capsys: pytest.CaptureFixture[str], settings: str, rows: Any, held: Any, message: str, help: str) -> None:
    if '"plain"' in settings:
        fit(spec_of("classify", "single", "text", "label", steps=1), topic_rows(20), lab.folder / "plain")
    said, cure = refused(lab, capsys, settings, rows, held)
    assert said.startswith(message)
    assert cure == help
    # What is seen before the run says the same, unless only the loss can tell.
    if not message.startswith("the loss") and "none" not in settings:
        assert main(["show", str(lab.folder / "test.recipe"), "clf"]) == 2
        assert message in capsys.readouterr().err


def test_rows_longer_than_the_model_are_counted_and_said(lab: Any) -> None:
    write(lab, "rows", [(f"{t} {t} {t} {t}" if i < 5 else t, c) for i, (t, c) in enumerate(pairs())])
    source = f'source rows = jsonl("rows.jsonl") {{ key: id  {TABLE} }}\n'
    ran = lab.run(f"{source}train clf from rows {{ {CLASSIFY}  steps: 2  max_length: 24 }}")
    assert any("rows are longer than 24 tokens, and were cut" in n for n in ran["clf"].built.notes), ran["clf"].built.notes
    ran = lab.run(f"{source}train clf from rows {{ {CLASSIFY}  steps: 2  max_length: 24  long: drop }}")
    assert ran.dropped("clf") == {"longer than 24 tokens": 5}


def test_a_full_disk_is_said_and_the_next_run_goes_on(
    lab: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import errno

    import transformers

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    settings = f"{CLASSIFY}  steps: 9  checkpoint_every: 4"
    with monkeypatch.context() as patch:
        patch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", full)
        said, cure = refused(lab, capsys, settings, pairs())
    assert said.startswith("the disk is full: ")
    assert cure == "make room and run again: the training goes on from its last checkpoint"
    write(lab, "rows", pairs())
    ran = lab.run(f'source rows = jsonl("rows.jsonl") {{ key: id  {TABLE} }}\ntrain clf from rows {{ {settings} }}')
    assert ran.statuses["clf"] == "run"


def test_validation_rows_that_are_trained_on_are_refused(lab: Any) -> None:
    write(lab, "rows", pairs())
    source = f'source rows = jsonl("rows.jsonl") {{ key: id  {TABLE} }}\nsplit parts from rows {{ train: 80%  dev: 20% }}\n'
    more = "augment wide from parts.dev { copies: 1  swap_words(text, rate: 50%) }\n"
    for trained in ("rows", "wide"):
        ran = lab.run(f"{source}{more}train clf from parts.train, {trained} {{ {CLASSIFY}  steps: 2  validation: parts.dev }}", good=False)
        error = ran["clf"].error
        assert error is not None
        assert error.message.startswith("8 of the 8 rows of `parts.dev` are trained on too, or are copies of rows that are"), error.message
    ran = lab.run(f"{source}train clf from parts.train {{ {CLASSIFY}  steps: 2  validation: parts.dev }}")
    assert ran["clf"].built.extra["memory"] > 0


def test_validation_texts_that_are_trained_on_are_told(lab: Any) -> None:
    write(lab, "rows", pairs())
    write(lab, "held", pairs()[:6])
    text = f'source rows = jsonl("rows.jsonl") {{ key: id  {TABLE} }}\nsource held = jsonl("held.jsonl") {{ {TABLE} }}\n'
    ran = lab.run(f"{text}train clf from rows {{ {CLASSIFY}  steps: 2  validation: held }}")
    assert "6 of 6 validation rows have the very text of a training row: dedupe before the split" in ran["clf"].built.notes


def test_what_is_trained_is_seen_before_the_run(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    write(lab, "rows", [*pairs(12), ("", "money"), ("cat " * 90, "animal")])
    lab.write(
        "test.recipe",
        f"""source rows = jsonl("rows.jsonl") {{ key: id  {TABLE} }}
        train clf from rows {{ {CLASSIFY} }}
        train lm from rows {{ task: generate(text => label)  {BASE}  loss_on: completion }}
        """,
    )
    recipe = str(lab.folder / "test.recipe")
    assert main(["show", recipe, "lm"]) == 2, "nothing is built yet"
    assert main(["run", recipe, "--only", "rows"]) == 0
    capsys.readouterr()
    assert main(["show", recipe, "lm", "--limit", "2"]) == 0
    said = capsys.readouterr().out
    assert "[[animal" in said or "[[money" in said, "the answer is what is trained"
    assert "of 14 rows: 12 kept, 1 dropped: " in said
    assert "weights trained; about " in said
    assert main(["show", recipe, "clf", "--limit", "0", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["looked_at"] == {"rows": 14, "kept": 13, "truncated": 1, "dropped": {"no text": 1}}
    assert {row["answer"] for row in facts["shown"]} == {"animal", "money", ""}
    assert facts["parameters"] == facts["trained"] > 1000
    assert not (lab.workspace / "artifacts").exists() or not list((lab.workspace / "artifacts").iterdir())
