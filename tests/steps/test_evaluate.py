"""``evaluate`` as a user runs it: scores beside scikit-learn's, what is left out and said, and what does not check."""

from __future__ import annotations

from typing import Any

import pytest
from taught import ODD, ROWS, TAUGHT


def metrics(ran: Any, step: str) -> dict[str, float]:
    return {k: v["value"] for k, v in ran[step].built.extra["scores"]["metrics"].items()}


def test_scores_are_scikit_learns(taught: Any) -> None:
    sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    ran = taught.run(
        TAUGHT
        + "predict guess from parts.test { model: weak }\n"
        + "evaluate s from parts.test { model: weak  metrics: [accuracy, f1, precision, recall, mcc, log_loss, roc_auc] }\n"
        + "evaluate t from guess { predicted: guess  probabilities: guess_probabilities  gold: label  metrics: [accuracy, f1, mcc, roc_auc] }"
    )
    rows = ran.rows("select label, guess, guess_probabilities['animal'], guess_probabilities['money'] from guess order by _key")
    gold, guess, money = [r[0] for r in rows], [r[1] for r in rows], [r[3] for r in rows]
    found = metrics(ran, "s")
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(gold, guess))
    assert found["f1"] == pytest.approx(sk.f1_score(gold, guess, average="macro", zero_division=0))
    assert found["precision"] == pytest.approx(sk.precision_score(gold, guess, average="macro", zero_division=0))
    assert found["recall"] == pytest.approx(sk.recall_score(gold, guess, average="macro", zero_division=0))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(gold, guess))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score([g == "money" for g in gold], money), abs=1e-6)
    assert found["log_loss"] == pytest.approx(sk.log_loss(gold, [[r[2], r[3]] for r in rows], labels=["animal", "money"]), abs=1e-4)
    by_column = metrics(ran, "t")
    assert {k: by_column[k] for k in by_column} == {k: found[k] for k in by_column}
    table, matrix = (ran["s"].built.extra["scores"][k] for k in ("table", "confusion"))
    assert matrix["counts"] == sk.confusion_matrix(gold, guess, labels=matrix["classes"]).tolist()
    assert table["accuracy"] == pytest.approx(found["accuracy"])
    (row,) = ran.rows("select rows, accuracy, accuracy_low, accuracy_high from s")
    assert row[0] == 24
    assert row[2] <= row[1] <= row[3]


def test_every_kind(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + ODD
        + """
        evaluate tags_of from parts.test { model: ner }
        evaluate sets_of from odd { model: several  gold: sets  metrics: [f1, precision, recall] }
        evaluate said from parts.test { model: lm  prompt: ask(prompt)  gold: answer }
        evaluate numbers from parts.test { model: reg }
        evaluate texts from parts.test { predicted: text  gold: answer  metrics: [exact_match, rouge_l] }
        evaluate loss from parts.test { model: lm  prompt: ask(prompt)  gold: answer  metrics: [perplexity] }
        """
    )
    assert metrics(ran, "tags_of") == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    kept = ran["tags_of"].built.extra["scores"]
    assert [x["name"] for x in kept["table"]["lines"]] == ["LOC", "PER"]
    assert [x["name"] for x in kept["tokens"]["lines"]] == ["B-LOC", "B-PER"], "the report by token, without O"
    assert metrics(ran, "sets_of")["recall"] == 1.0, "sets, not the letters of a class"
    assert metrics(ran, "sets_of")["precision"] <= 1.0
    assert 0 <= metrics(ran, "said")["exact_match"] <= 1
    assert metrics(ran, "numbers")["mae"] < 20
    assert metrics(ran, "texts") == {"exact_match": 0.0, "rouge_l": 0.0}
    # Three answers that the prompt tells: between knowing and guessing among a whole vocabulary.
    assert 1.0 < metrics(ran, "loss")["perplexity"] < 20


def test_what_is_left_out_and_what_is_wrong(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + ODD
        + """
        evaluate null_gold from odd { model: clf  gold: known }
        evaluate stranger from odd { model: clf  gold: strange  metrics: [accuracy] }
        evaluate silent from odd { model: clf  text: gappy  metrics: [accuracy] }
        """
    )
    counts = dict(ran.rows("select 'known', count(known) from odd union all select 'odd', count(*) filter (strange = 'alien') from odd"))
    assert ran.rows("select rows from null_gold") == [(counts["known"],)]
    assert f"{24 - counts['known']} rows are left out: gold is null" in ran["null_gold"].built.notes
    assert metrics(ran, "null_gold")["accuracy"] == 1.0
    assert counts["odd"] > 0
    assert metrics(ran, "stranger")["accuracy"] == pytest.approx(1 - counts["odd"] / 24), (
        "a class the model does not know is wrong, not lost"
    )
    gaps = ran.rows("select count(*) from odd where gappy is null")[0][0]
    assert metrics(ran, "silent")["accuracy"] == pytest.approx(1 - gaps / 24), "no answer is a wrong one"
    assert f"{gaps} rows without a prediction: counted as wrong" in ran["silent"].built.notes


def test_slices_groups_and_a_second_model(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + """evaluate s from parts.test { model: clf  metrics: [accuracy]  slices: [third, id > 60]  group: third  against: weak }
        evaluate c from parts.test { predicted: label  gold: label  against: answer  metrics: [accuracy]  bootstrap: 0 }"""
    )
    slices = ran.rows("select s.slice, s.value, s.rows, s.score from (select unnest(slices) as s from s) order by all")
    assert [(r[0], r[1]) for r in slices] == [("id > 60", "false"), ("id > 60", "true"), ("third", "0"), ("third", "1"), ("third", "2")]
    assert sum(r[2] for r in slices) == 48
    (row,) = ran.rows("select accuracy, accuracy_against, accuracy_p from s")
    assert row[0] == 1.0
    assert 0 <= row[1] < 1
    assert 0 <= row[2] <= 1
    assert "clf" in ran["s"].built.extra["scores"]["metrics"]["accuracy"]["said"]
    assert ran.rows("select accuracy, accuracy_low, accuracy_against from c") == [(1.0, None, 0.0)], "a column beside a column"


def test_expect_fails_the_run_and_one_row_is_measured(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + """evaluate bad from parts.test { model: weak  metrics: [f1]  expect f1 > 100% }
        clean one from parts.test { limit(1) }
        evaluate single from one { model: clf  metrics: [accuracy, f1, roc_auc]  expect warn roc_auc > 50% }
        clean none from parts.test { keep where id < 0 }
        evaluate empty from none { model: clf }
        """,
        good=False,
    )
    assert "expect f1 > 100%" in ran.error("bad")
    assert ran.rows("select rows, accuracy, roc_auc from single") == [(1, 1.0, None)], "what has no value is null"
    assert ran.error("empty") == "there are no rows to measure"


def test_same_numbers_whatever_the_threads(taught: Any) -> None:
    text = TAUGHT + "evaluate s from parts.test { model: clf  metrics: [accuracy, log_loss, roc_auc] }"
    first = taught.run(text, threads=1).rows("select * from s")
    with taught.open() as workspace:
        key = workspace.current("test.recipe")["s"]
        workspace.drop(key)
    assert taught.run(text, threads=2).rows("select * from s") == first


CLF = "train clf from parts.train { task: classify(text => label)  base: scratch() }\n"
SETS = "train sets from parts.train { task: classify(text => [label])  base: scratch() }\n"
LM = "train lm from parts.train { task: generate(prompt => answer)  base: scratch() }\n"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{ gold: label }", "`evaluate` needs predictions: `model` or `predicted`"),
        ("{ model: clf  predicted: text  gold: label }", "predictions come from `model` or from the column `predicted`, not from both"),
        ("{ predicted: text }", "`evaluate` needs to know the column of answers"),
        ("{ model: clf  metrics: [accurracy] }", "no metric `accurracy`"),
        ("{ model: clf  metrics: [mae] }", "`mae` measures numbers; these are classes"),
        ("{ model: clf  metrics: [f1, f1] }", "`f1` is asked for twice"),
        ("{ predicted: text  gold: label  metrics: [roc_auc] }", "`roc_auc` needs probabilities"),
        (
            "{ predicted: text  gold: label  probabilities: amount }",
            "`probabilities` is a map from class to probability; `amount` is float",
        ),
        ("{ predicted: text  gold: tags  metrics: [f1] }", "`text` is text, and the answers in `tags` are [text]"),
        ("{ predicted: tokens  gold: label }", "`tokens` is [text], and the answers in `label` are text"),
        ("{ predicted: text  gold: amount  metrics: [mae] }", "`text` is text, and the answers in `amount` are float"),
        ("{ model: clf  text: amount }", "the model reads text; this is float"),
        ("{ model: clf  gold: lable }", "no column `lable` in"),
        ("{ model: clf  expect f2 > 1 }", "the scores have no `f2`"),
        ("{ model: sets  gold: label }", "`sets` gives a set of classes, and `label` is one class"),
        ("{ model: clf  gold: text  metrics: [perplexity] }", "`clf` does not say how probable a given text is"),
        (
            "{ predicted: text  gold: answer  metrics: [perplexity] }",
            "perplexity is of a model's probabilities: a column of answers has none",
        ),
        ("{ model: lm  gold: answer  metrics: [perplexity] }", "`lm` was trained on prompts and their answers"),
        ("{ model: lm  prompt: ask(prompt)  gold: answer  metrics: [perplexity, bleu] }", "measures"),
        ("{ model: lm  gold: answer }", "a language model needs a `prompt`"),
    ],
)
def test_what_does_not_check(lab: Any, step: str, message: str) -> None:
    found = [d for d in lab.check(ROWS + CLF + SETS + LM + f"evaluate s from parts.test {step}") if d.severity == "error"]
    assert [message in d.message for d in found] == [True], [f"{d.message} {d.help}" for d in found]


@pytest.mark.parametrize(
    ("settings", "name", "help"),
    [
        ("metrics: [accuracy]  expect recall >= 50%", "recall", "metrics: [accuracy, recall]"),
        ("expect precision_low >= 50%", "precision_low", "metrics: [accuracy, f1, precision]"),
        ("metrics: [accuracy]  expect mae < 1", "mae", "they have: rows, accuracy, accuracy_low, accuracy_high, slices"),
        ("metrics: [accuracy]  expect length(text) > 3", "text", "they have: rows, accuracy, accuracy_low, accuracy_high, slices"),
    ],
)
def test_a_score_that_is_not_measured(lab: Any, settings: str, name: str, help: str) -> None:
    (found,) = [d for d in lab.check(ROWS + CLF + f"evaluate s from parts.test {{ model: clf  {settings} }}") if d.severity == "error"]
    assert (found.message, found.help) == (f"the scores have no `{name}`", (help,))
