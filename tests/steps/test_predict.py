"""``predict`` as a user runs it: what each kind of model adds, nulls, names, and what does not check."""

from __future__ import annotations

from typing import Any

import pytest
from taught import ODD, ROWS, TAUGHT


def test_what_each_kind_of_model_adds(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + ODD
        + """
        predict guess from parts.test { model: clf }
        predict sets_of from parts.test { model: several }
        predict marks from parts.test { model: ner }
        predict said from parts.test { model: lm  prompt: ask(prompt) }
        predict number from parts.test { model: reg }
        predict vector from parts.test { model: emb }
        """
    )
    assert ran.rows("select count(*) from guess where guess = label and guess_confidence > 0.5") == [(24,)]
    assert ran.rows("select bool_and(abs(list_sum(map_values(guess_probabilities)) - 1) < 1e-5) from guess") == [(True,)]
    assert ran.rows("select bool_and(guess_probabilities[guess] = guess_confidence) from guess") == [(True,)]
    assert ran.rows("select bool_and(list_contains(sets_of, label)), any_value(typeof(sets_of)) from sets_of") == [(True, "VARCHAR[]")]
    assert ran.rows("select bool_and(len(map_keys(sets_of_probabilities)) = 5) from sets_of") == [(True,)]
    assert ran.rows("select bool_and(marks = tags) from marks") == [(True,)]
    assert ran.rows("select count(said), any_value(typeof(said)) from said") == [(24, "VARCHAR")]
    assert ran.rows("select bool_and(number between -100 and 100) from number") == [(True,)]
    assert ran.rows("select bool_and(abs(list_dot_product(vector, vector) - 1) < 1e-4), any_value(len(vector)) from vector") == [(True, 32)]
    keys = "select _key, id from {} order by _key"
    assert ran.rows(keys.format("guess")) == ran.rows(keys.format("parts.test")), "no row comes or goes"


def test_nulls_names_and_empty_tables(taught: Any) -> None:
    ran = taught.run(
        TAUGHT
        + ODD
        + """
        predict p from odd { model: clf  text: gappy  into: label }
        predict q from odd { model: clf  text: nothing  expect q is null }
        clean none from odd { keep where id < 0 }
        predict r from none { model: clf }
        predict t from none { model: ner }
        predict 猜 from odd { model: clf  text: text }
        """
    )
    assert ran.rows("select count(*) from p where (label is null) != (gappy is null)") == [(0,)], "a null text gets null, others an answer"
    assert ran.rows("select bool_and((label_confidence is null) = (gappy is null)) from p") == [(True,)]
    assert ran.rows("select count(*), count(q) from q") == [(24, 0)]
    assert ran.rows("select count(*) from r") == [(0,)]
    assert ran.rows('select count("猜_confidence") from "猜"') == [(24,)]


def test_same_bytes_whatever_the_threads(taught: Any) -> None:
    text = TAUGHT + "predict a from parts.test { model: clf }\npredict b from parts.test { model: emb }"
    read = "select a.* from a order by _key", "select b.* from b order by _key"
    ran = taught.run(text, threads=1)
    first = [ran.rows(q) for q in read]
    with taught.open() as workspace:
        for step in ("a", "b"):
            workspace.drop(workspace.current("test.recipe")[step])
    again = taught.run(text, threads=2)
    assert again.statuses["a"] == "run"
    assert [again.rows(q) for q in read] == first


def test_weights_that_are_gone_are_said(taught: Any) -> None:
    import shutil

    with taught.open() as workspace:
        folder = workspace.folder / "artifacts" / workspace.current("test.recipe")["weak"]
    shutil.move(folder, folder.with_name("away"))
    try:
        ran = taught.run(TAUGHT + "predict gone from parts.test { model: weak }", good=False)
        assert ran.error("gone") == "the weights of `weak` are gone from the workspace"
    finally:
        shutil.move(folder.with_name("away"), folder)


CLF = "train clf from parts.train { task: classify(text => label)  base: scratch() }\n"
LM = "train lm from parts.train { task: generate(prompt => answer)  base: scratch() }\n"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("predict p from parts.test { }", "model"),
        ("predict p from parts.test { model: rows }", "`rows` is a sql, not a model"),
        ("predict p from parts.test { model: lm }", "a language model needs a `prompt`"),
        ("predict p from parts.test { model: clf  prompt: ask(text) }", "`clf` does not complete prompts"),
        ("predict p from parts.test { model: lm  prompt: ask }", "`ask` needs `x`"),
        ("predict p from parts.test { model: clf  text: amount }", "the model reads text; this is float"),
        ("predict label from parts.test { model: clf }", "`parts.test` has a column `label` already"),
        ("predict p from parts.test { model: clf  txet: text }", "`predict` has no setting `txet`"),
        ("clean other from parts.test { select(answer, prompt) }\npredict p from other { model: clf }", "what is the model to read?"),
    ],
)
def test_what_does_not_check(lab: Any, step: str, message: str) -> None:
    found = [d for d in lab.check(ROWS + CLF + LM + step) if d.severity == "error"]
    assert [message in d.message for d in found] == [True], [f"{d.message} {d.help}" for d in found]
