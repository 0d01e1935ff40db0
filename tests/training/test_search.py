"""Searches and ensembles, as a recipe has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from training_harness import topics

RECIPE = """
source rows = jsonl("rows.jsonl") {{ key: id  columns: {{ id: int, text: text, label: text }} }}
split parts from rows {{ train: 60%  validation: 20%  test: 20%  stratify: label }}
train clf from parts.train {{
  task: classify(text => label)
  base: scratch(layers: 1, width: 32, heads: 2, vocab: 400, max_length: 64)
  {settings}
}}
evaluate scores from parts.test {{ model: clf }}
"""
PLAIN = "validation: parts.validation  batch_size: 16"


def rows(lab: Any, n: int = 100) -> None:
    lines = [json.dumps({"id": i, "text": t, "label": c}) for i, (t, c) in enumerate(zip(*topics(n), strict=True))]
    lab.write("rows.jsonl", "\n".join(lines))


def messages(lab: Any, settings: str, head: str = "classify(text => label)") -> list[str]:
    rows(lab, 4)
    text = RECIPE.format(settings=settings).replace("classify(text => label)", head)
    return [d.message for d in lab.check(text.partition("evaluate")[0]) if d.severity == "error"]


def extra(ran: Any, name: str = "clf") -> dict[str, Any]:
    found: dict[str, Any] = ran[name].built.extra
    return found


def test_the_best_trial_is_the_model_and_all_are_told(lab: Any) -> None:
    rows(lab)
    ran = lab.run(RECIPE.format(settings=f"{PLAIN}  search {{ learning_rate: [1e-7, 1e-2]  epochs: [1, 4] }}"))
    trials = extra(ran)["trials"]
    assert [t["settings"] for t in trials] == [
        {"learning_rate": "1e-07", "epochs": "1"},
        {"learning_rate": "1e-07", "epochs": "4"},
        {"learning_rate": "0.01", "epochs": "1"},
        {"learning_rate": "0.01", "epochs": "4"},
    ]
    (best,) = [t for t in trials if t["chosen"]]
    assert best["scores"]["f1"] == max(t["scores"]["f1"] for t in trials) == extra(ran)["metrics"]["f1"] == 1.0
    assert best["settings"]["learning_rate"] == "0.01"
    notes = ran["clf"].built.extra["told"]
    assert "4 trials, the best by f1 on validation" in notes
    assert any(n.startswith("learning_rate 0.01  epochs 4: f1 1 ·") for n in notes)
    assert not list((lab.workspace / "checkpoints").glob("*"))
    # The same settings without a search give the same weights.
    settings = "  ".join(f"{k}: {v}" for k, v in best["settings"].items())
    assert extra(lab.run(RECIPE.format(settings=f"{PLAIN}  {settings}")))["identity"] == extra(ran)["identity"]


def test_a_search_with_more_values_makes_only_the_new_trials(lab: Any) -> None:
    rows(lab)
    first = lab.run(RECIPE.format(settings=f"{PLAIN}  epochs: 4  search {{ learning_rate: [1e-2, 1e-7] }}"))
    more = lab.run(RECIPE.format(settings=f"{PLAIN}  epochs: 4  search {{ learning_rate: [1e-7, 1e-6, 1e-2] }}"))
    assert [t["kept"] for t in extra(more)["trials"]] == [True, False, True]
    assert [t["kept"] for t in extra(first)["trials"]] == [False, False]
    # The best is known from before: its weights are made again, and are the same.
    assert extra(more)["identity"] == extra(first)["identity"]


def test_no_more_trials_than_said_drawn_by_the_seed(lab: Any) -> None:
    def trials(text: str) -> list[Any]:
        rows(lab, 4)
        made = lab.sound(RECIPE.format(settings=f"{PLAIN}  {text}"), offline=True).resolved["clf"]
        return [dict(t) for t in made.bound.plan.search.trials]

    drawn = trials("search { learning_rate: [1e-5, 1e-4, 1e-3]  epochs: [1, 2, 3]  trials: 4 }")
    assert len(drawn) == 4
    turned = trials("search { trials: 4  epochs: [3, 1, 2]  learning_rate: [1e-3, 1e-4, 1e-5] }")
    assert sorted(map(sorted, (t.items() for t in turned))) == sorted(map(sorted, (t.items() for t in drawn)))
    other = trials("seed: 3  search { learning_rate: [1e-5, 1e-4, 1e-3]  epochs: [1, 2, 3]  trials: 4 }")
    assert other != drawn
    assert len(trials("search { epochs: [1, 2]  trials: 4 }")) == 2


def test_adapters_are_values_too(lab: Any) -> None:
    pytest.importorskip("peft")
    rows(lab)
    ran = lab.run(RECIPE.format(settings=f"{PLAIN}  steps: 4  search {{ adapter: [full(), lora(rank: 2)]  on: loss }}"))
    assert [t["settings"]["adapter"] for t in extra(ran)["trials"]] == ["full()", "lora(rank: 2)"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("search { epochs: [1, 2] }", "`search` chooses on validation rows, and there are none"),
        (f"{PLAIN} search {{ }}", "`search` needs a setting to try values of"),
        (f"{PLAIN} search {{ trials: 3 }}", "`search` needs a setting to try values of"),
        (f"{PLAIN} search {{ epoch: [1, 2] }}", "`search` has no setting `epoch`"),
        (f"{PLAIN} search {{ epochs: [1, 0] }}", "`epochs` must be more than 0"),
        (f"{PLAIN} search {{ dropout: [0.1, 1] }}", "`dropout` must be less than 1"),
        (f"{PLAIN} search {{ epochs: [] }}", "`epochs` has no value to try"),
        (f"{PLAIN} search {{ epochs: [1, 1] }}", "this value is there twice"),
        (f"{PLAIN} epochs: 3 search {{ epochs: [1, 2] }}", "`epochs` is searched for, and set here"),
        (f"{PLAIN} steps: 3 search {{ epochs: [1, 2] }}", "a training has `epochs` or `steps`, not both"),
        (f"{PLAIN} search {{ label_smoothing: [0, 0.1]  on: loss }}", "`label_smoothing` changes what the loss counts: trials cannot"),
        (f"{PLAIN} search {{ epochs: [1, 2] }} search {{ steps: [1, 2] }}", "a training has one `search`"),
        (f"{PLAIN} search(3) {{ epochs: [1, 2] }}", "`search` takes a block, and nothing in brackets"),
        (f"{PLAIN} search {{ epochs: [1, 2]  keep where true }}", "`search` takes settings with the values to try"),
        (
            f"{PLAIN} search {{ epochs: [1, 2, 3, 4]  dropout: [0, 0.1, 0.2]  learning_rate: [1e-5, 1e-4, 1e-3] }}",
            "these are 36 trainings: say how many to make at most",
        ),
        (f"{PLAIN} serch {{ epochs: [1, 2] }}", "`train` takes no operators"),
        (f"{PLAIN} search {{ epochs: [1, 2]  on: recall }}", "`on`"),
    ],
)
def test_what_is_wrong_is_said(lab: Any, settings: str, words: str) -> None:
    found = messages(lab, settings)
    assert len(found) == 1, found
    assert words in found[0]


def test_scores_that_a_task_does_not_have(lab: Any) -> None:
    found = messages(lab, f"{PLAIN} stop: early(on: f1)", "generate(text => label)")
    assert found == ["`generate` is not measured by `f1`"]
    found = messages(lab, f"{PLAIN} search {{ epochs: [1, 2]  on: f1 }}", "generate(text => label)")
    assert found == ["`generate` is not measured by `f1`"]
    assert messages(lab, "ensemble: 2", "generate(text => label)") == [
        "`generate` models have no mean: an ensemble is of classify, tag, regress"
    ]


def test_an_ensemble_answers_with_the_mean(lab: Any) -> None:
    import numpy as np

    from recipec.training._predict import Predictor

    rows(lab)
    text = RECIPE.format(settings=f"{PLAIN}  epochs: 1  learning_rate: 1e-3  ensemble: 3")
    ran = lab.run(text)
    (folder,) = (lab.workspace / "artifacts").iterdir()
    whole = Predictor(folder).classify(["the cat sat", "banks lost money"])
    each = [Predictor(folder / f"member-{n}").classify(["the cat sat", "banks lost money"]) for n in (1, 2, 3)]
    np.testing.assert_allclose(whole, np.mean(each, axis=0), rtol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 1e-4
    assert len(extra(ran)["members"]) == 3
    assert any(n.startswith("an ensemble of 3, f1 of each: ") for n in ran["clf"].built.extra["told"])
    assert lab.run(text)["clf"].status == "reused"
    single = lab.run(RECIPE.format(settings=f"{PLAIN}  epochs: 1  learning_rate: 1e-3"))
    alone = next(f for f in (lab.workspace / "artifacts").iterdir() if not (f / "member-1").exists())
    assert single["clf"].built.extra["identity"]
    np.testing.assert_array_equal(Predictor(alone).classify(["the cat sat"]), Predictor(folder / "member-1").classify(["the cat sat"]))


def test_nobody_trains_an_ensemble_further(lab: Any) -> None:
    rows(lab)
    more = "train more from parts.train { task: classify(text => label)  base: clf }"
    ran = lab.run(RECIPE.format(settings=f"{PLAIN}  steps: 2  ensemble: 2") + more, good=False)
    assert ran.error("more") == "the base is an ensemble: there is no one model to go on from"


def test_an_ensemble_tags_with_the_mean(place: Path) -> None:
    from training_harness import spec_of

    from recipec.training._base import Rows
    from recipec.training._predict import Predictor
    from recipec.training._trials import Place, train

    table = Rows.of({"tokens": [["Ann", "sat"], ["the", "Bob"]] * 20, "tags": [["B-PER", "O"], ["O", "B-PER"]] * 20})
    spec = spec_of("tag", "tags", "tokens", "tags", epochs=4, batch_size=8, learning_rate=1e-2)
    where = Place(place / "m", place / "work", place / "cache", place / "known")
    made = train(spec, table, None, where, lambda *_: None, search=None, members=2, lineage=None)
    assert made.members == [{}, {}]
    tags, sure = Predictor(place / "m").tag([["the", "Ann"]])
    each = [Predictor(place / "m" / f"member-{n}").tag([["the", "Ann"]])[1][0] for n in (1, 2)]
    assert tags == [["O", "B-PER"]]
    assert sure[0] == pytest.approx([sum(s) / 2 for s in zip(*each, strict=True)], abs=1e-6)
    assert made.result.folder == place / "m"
