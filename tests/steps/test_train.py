"""``train`` as a user runs it: models of this recipe and on one another, reuse, counts, and what does not check."""

from __future__ import annotations

from typing import Any

import pytest
from taught import ROWS, SMALL, TAUGHT


def test_what_a_run_keeps(taught: Any) -> None:
    ran = taught.run(TAUGHT)
    assert set(ran.statuses.values()) <= {"run", "reused"}
    built = ran["clf"].built
    assert built.rows_in == built.rows_out == 72
    assert built.extra["classes"] == ["animal", "money"]
    assert built.extra["metrics"]["accuracy"] == 1.0
    assert built.extra["validation"] == {"rows": 24, "kept": 24, "truncated": 0, "dropped": {}}
    assert built.extra["trained"] == built.extra["parameters"] > 1000
    assert [h for h in built.extra["history"] if "eval_loss" in h], "the learning curve"
    assert "weights trained" in built.extra["told"][0]
    assert taught.run(TAUGHT).statuses["clf"] == "reused"


def test_what_changes_no_weight_trains_nothing_again(taught: Any) -> None:
    taught.run(TAUGHT)
    renamed = TAUGHT.replace("train emb from", "train vectors from").replace(
        "validation: parts.dev", 'validation: parts.dev  description: "x"'
    )
    ran = taught.run("# a comment\n" + renamed)
    assert ran.statuses["clf"] == "reused"
    assert ran.statuses["vectors"] == "reused"
    assert (
        taught.plan(TAUGHT.replace("steps: 1", "steps: 2")).steps[[s.name for s in taught.plan(TAUGHT).steps].index("weak")].status == "run"
    )


def test_on_top_of_another_model_and_with_an_adapter(taught: Any) -> None:
    pytest.importorskip("peft", reason="adapters are an extra")
    ran = taught.run(
        TAUGHT
        + f"""
        train more from parts.train {{ task: classify(text => label)  base: clf  steps: 2  batch_size: 8 }}
        train low from parts.train {{ task: classify(text => label)  base: clf  adapter: lora(rank: 2)  steps: 2  batch_size: 8 }}
        train both from parts.train, parts.dev {{ task: classify(text => label)  {SMALL.replace("epochs: 6", "steps: 2")} }}
        evaluate s from parts.test {{ model: low }}
        """
    )
    assert ran["low"].built.extra["trained"] < ran["low"].built.extra["parameters"]
    assert "of all" in ran["low"].built.extra["told"][0]
    assert ran["both"].built.rows_in == 96
    assert ran.rows("select accuracy from s") == [(1.0,)], "it begins with what the base knows"


def test_rows_that_cannot_be_trained_on_are_counted(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + f"""
        clean holes from parts.train {{ text = case when id % 9 == 0 then null else text end  label = case when id % 11 == 0 then null else label end }}
        train part from holes {{ task: classify(text => label)  {SMALL.replace("epochs: 6", "steps: 2")}  max_length: 6 }}
        """
    )
    built = ran["part"].built
    assert set(built.dropped) == {"no text", "no label"}
    assert built.rows_in == built.rows_out + sum(built.dropped.values()) == 72
    assert built.extra["truncated"] == built.rows_out
    assert any("longer than 6 tokens" in n for n in built.notes)


def test_what_would_be_worthless_stops_before_the_first_step(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + f"""
        clean one from parts.train {{ keep where label == "animal" }}
        train same from one {{ task: classify(text => label)  {SMALL} }}
        clean none from parts.train {{ keep where id < 0 }}
        train nothing from none {{ task: classify(text => label)  {SMALL} }}
        train unseen from one, none {{ task: classify(text => label)  {SMALL}  classes: ["animal", "money"] }}
        """,
        good=False,
    )
    assert "only the class `animal`" in ran.error("same")
    assert ran.error("nothing")
    assert "money" in ran.error("unseen")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("task: classify(text => label)", "base"),
        ('task: classify(text => label)  base: "models/gone"', "no model at `models/gone`"),
        ("task: classify(text => label)  base: parts", "`parts` is a split, not a model"),
        ("base: scratch()", "task"),
        ("task: clasify(text => label)  base: scratch()", "no task `clasify`"),
        ("task: classify(text => lable)  base: scratch()", "no column `lable`"),
        ("task: classify(amount => label)  base: scratch()", "text"),
        ("task: classify(text => amount)  base: scratch()", "class"),
        ("task: tag(text => tags)  base: scratch()", "text"),
        ("task: regress(text => label)  base: scratch()", "number"),
        ("task: generate(tokens)  base: scratch()", "`tokens` is [text], not a list of messages"),
        ("task: classify(text => label)  base: scratch()  stop: early(patience: 2)", "early stopping needs `validation`"),
        ("task: classify(text => label)  base: scratch()  epochs: 2  steps: 5", "a training has `epochs` or `steps`, not both"),
        ("task: classify(text => label)  base: scratch()  batch_size: 2  batch_tokens: 5", "not both"),
        ("task: classify(text => label)  base: scratch()  packing: true", "only `generate` packs rows together"),
        ('task: classify(text => label)  base: scratch()  revision: "abc"', "`revision` is of a model on the hub"),
        ("task: classify(text => label)  base: scratch()  epochs: 0", "epochs"),
        ("task: classify(text => label)  base: scratch(width: 96, heads: 5)", "a width of 96 cannot be shared by 5 heads"),
        ("task: generate(text => label)  base: scratch(width: 12, heads: 4)", "12 / 4 dimensions a head is odd"),
        ("task: classify(text => label)  base: scratch()  adapter: lorra()", "no adapter `lorra`"),
        ("task: classify(text => label)  base: scratch()  validation: other", "no column `label` in"),
    ],
)
def test_what_does_not_check(lab: Any, settings: str, message: str) -> None:
    text = ROWS + f"clean other from parts.dev {{ select(text) }}\ntrain clf from parts.train {{ {settings} }}"
    found = [d for d in lab.check(text) if d.severity == "error"]
    assert len(found) == 1, [d.message for d in found]
    assert message in found[0].message, f"{found[0].message} {found[0].help}"
