"""What the calls of a plan will cost: the same prompts and keys as a run's, whatever the step; bounds that hold; nothing sent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipec.api import Estimate
from recipec.engines import estimate as module
from recipec.engines.estimate import estimates, totals
from recipec.engines.runner import Silent, run
from recipec.models.budget import dollars
from recipec.models.pace import Pace
from recipec.plan.planner import make_plan
from tests.conftest import REPOSITORY, Lab
from tests.models.server import Server, serving

HEAD = """\
source rows = csv("rows.csv") { key: id }
source seeds = csv("seeds.csv")
model lm = openai("m", base_url: env("LLM_URL"), max_tokens: 20%s) { price_in: 1000  price_out: 2000 }
model emb = embedding("nomic", base_url: env("LLM_URL")) { price_in: 1000 }
template plain(text) \"""Is this good: {{ text }}\"""
template chat(text, n) { system "You label {{ n }}." user \"""{{ text }}\""" }
template shots(text, examples) \"""{%% for e in examples %%}{{ e.text }}: {{ e.label }}
{%% endfor %%}{{ text }}:\"""
"""
STEPS = {
    "scored": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, plain(text))  unsure: keep }',
    "chat": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, chat(text, id))  unsure: keep }',
    "samples": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, plain(text), samples: 3)  unsure: keep }',
    "constrained": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, plain(text), constrain: true)  unsure: keep }',
    "functions": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, plain(text |> strip_html))  unsure: keep }',
    "fixed": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, shots(text), examples: fixed(seeds, k: 2))  unsure: keep }',
    "nearest": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, shots(text), examples: nearest(seeds, k: 1))  unsure: keep }',
    "two": 'label x from rows { classes: ["good", "bad"]  vote llm(lm, plain(text)) as a  vote llm(lm, chat(text, id)) as b  unsure: keep }',
    "predict": "predict x from rows { model: lm  prompt: chat(text, id) }",
    "vectors": "predict x from rows { model: emb  text: text }",
    "knn": 'label x from rows { classes: ["good", "bad"]  vote knn(seeds, k: 1, with: emb, text: text)  unsure: keep }',
    "zero": 'label x from rows { classes: ["good", "bad"]  vote zero_shot(emb, text: text)  unsure: keep }',
    "generate": "generate x from rows { with: lm  prompt: plain(text)  answer: { a: text }  samples: 2  max_failed: 100%%  max_bad: 100%% }",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(classes=["good", "bad"]) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        yield server


def write(lab: Lab, rows: int, odd: bool = True) -> None:
    texts = [f"row {n} of <b>many</b>" for n in range(rows)]
    if odd:
        texts[1] = ""  # A null.
        texts[2] = '"quotes, ""commas"" 好的"'
        texts[4] = texts[3]
    lab.write("rows.csv", "id,text\n" + "".join(f"{n},{t}\n" for n, t in enumerate(texts)))
    lab.write("seeds.csv", "text,label\nrow of gold,good\nbad <i>things</i>,bad\n")


def expected(lab: Lab, recipe: str) -> list[Estimate]:
    with lab.open() as workspace:
        found = estimates(make_plan(lab.sound(recipe), workspace), workspace)
    return found.get("x", [])


@pytest.mark.parametrize("name", STEPS)
def test_a_plan_expects_what_a_run_asks(lab: Lab, server: Server, name: str) -> None:
    recipe = HEAD % "" + STEPS[name].replace("%%", "%")
    write(lab, 12)
    lab.run(recipe, only=["rows", "seeds"])
    told: list[Estimate] = []
    before = expected(lab, recipe)
    assert server.number == 0
    with lab.open() as workspace:
        result = run(make_plan(lab.sound(recipe), workspace), workspace, agreed=lambda step, estimate: told.append(estimate))
    assert not result.failed, [s.error and s.error.message for s in result.failed]
    # What is said before the run, and when the step begins, is what is then asked; a template without roles is scored by log-probabilities.
    assert [(e.name, e.calls, e.in_ledger) for e in told] == [(e.name, e.calls, e.in_ledger) for e in before]
    asked = len(server.inputs) if name in ("vectors", "knn", "zero") else server.number
    assert sum(e.calls or 0 for e in before) == asked
    for e in before:
        assert e.usd is not None
        assert e.usd_at_most is not None
        assert 0 < e.usd <= e.usd_at_most
    # The bound holds.
    built = next(s.built for s in result.steps if s.name == "x")
    assert built is not None
    spent = [v["spent"] for v in built.extra.get("voters", ()) if v.get("spent")] + [built.extra[k] for k in ("spent",) if k in built.extra]
    assert sum(float(s["usd"]) for s in spent) <= sum(e.usd_at_most or 0 for e in before) + 1e-9
    assert sum(float(s["usd"]) for s in spent) > 0
    # Rows added: only they are new.
    write(lab, 15)
    lab.run(recipe, only=["rows", "seeds"])
    again = expected(lab, recipe)
    samples = {"samples": 3, "generate": 2}.get(name, 1)
    assert [e.calls for e in again] == [3 * samples] * len(before)
    assert all(e.in_ledger for e in again)


def test_rows_without_tokens_are_not_asked_about(lab: Lab, server: Server) -> None:
    lab.write("rows.jsonl", '{"id": 1, "words": ["Ada", "left"]}\n{"id": 2, "words": []}\n{"id": 3, "words": null}\n')
    lab.write("seeds.csv", "text,label\nAda,good\n")
    head = (HEAD % "").replace('csv("rows.csv") { key: id }', 'jsonl("rows.jsonl") { key: id }')
    ask = "chat(array_to_string(words, ' '), id)".replace("'", '"')
    shots = 'shots(array_to_string(words, " ")), examples: nearest(seeds, k: 1)'
    step = f'label x from rows {{ tags: ["PER"]  tokens: words  vote llm(lm, {ask}) as a  vote llm(lm, {shots}) as b }}'
    lab.run(head + step, only=["rows", "seeds"])
    assert [e.calls for e in expected(lab, head + step)] == [1, 1]
    lab.run(head + step)
    assert server.number == 2


def test_nothing_to_ask_costs_nothing(lab: Lab, server: Server) -> None:
    recipe = HEAD % "" + STEPS["chat"]
    write(lab, 8)
    lab.run(recipe)
    assert expected(lab, recipe) == []
    (found,) = expected(lab, recipe.replace("unsure: keep", "unsure: keep  accept: confidence > 10%"))
    assert (found.calls, found.usd, found.usd_at_most) == (0, 0, 0)
    assert found.in_ledger == 7


def test_what_two_steps_ask_alike_is_counted_once(lab: Lab, server: Server) -> None:
    recipe = HEAD % "" + STEPS["chat"] + "\npredict y from rows { model: lm  prompt: chat(text, id) }"
    write(lab, 8)
    lab.run(recipe, only=["rows", "seeds"])
    with lab.open() as workspace:
        found = estimates(make_plan(lab.sound(recipe), workspace), workspace)
    assert [(e.calls, e.in_ledger) for e in (*found["x"], *found["y"])] == [(7, 0), (0, 7)]
    lab.run(recipe)
    assert server.number == 7


def test_a_local_model_costs_nothing_and_is_not_loaded(lab: Lab, server: Server) -> None:
    lab.write("tiny/config.json", '{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    write(lab, 8)
    recipe = (HEAD % "").replace('openai("m", base_url: env("LLM_URL"), max_tokens: 20)', 'transformers("tiny")')
    lab.run(recipe, only=["rows", "seeds"])
    assert expected(lab, recipe + STEPS["predict"]) == []


def test_what_is_not_built_is_not_known(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + "clean tidy from rows { keep where id > 2 }\n" + STEPS["chat"].replace("from rows", "from tidy")
    (found,) = expected(lab, recipe)
    assert found == Estimate("llm", "lm", unknown="not known before `tidy` runs")
    lab.run(recipe, only=["tidy"])
    (found,) = expected(lab, recipe)
    assert found.calls == 5
    (found,) = expected(lab, recipe.replace("id > 2", "id > 3"))
    assert found.unknown == "not known before `tidy` runs"
    total = totals([found, Estimate("b", "lm", 3, 1, 2, 3, 0.5, 1.0)])
    assert (total.calls, total.in_ledger, total.usd, total.usd_at_most) == (3, 1, None, None)


def test_examples_by_a_model_are_not_known(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + STEPS["nearest"].replace("k: 1", "k: 1, with: emb")
    lab.run(recipe, only=["rows", "seeds"])
    votes, vectors = expected(lab, recipe)
    assert votes.unknown == "not known before the run: its examples are found by the vectors of `emb`"
    assert (vectors.model, vectors.unknown) == ("emb", "not known before the run: what `x` asks of it is not counted")
    assert server.number == 0


@pytest.mark.parametrize(
    "step",
    [
        "clean x from rows { dedupe(text, meaning: 99.99%, with: emb) }",
        "augment x from rows { paraphrase(text, with: lm, copies: 2) }",
        "augment x from rows { copies: 1  synonyms(text, from: neighbours(emb), rate: 50%) }",
        "select x from rows { take: 2  by: k_center(emb, text: text) }",
    ],
)
def test_what_is_not_counted_is_said_and_agreed_to_all_the_same(lab: Lab, server: Server, step: str) -> None:
    """A plan says of which model it does not count the calls; the run tells of every call before it is made."""
    write(lab, 12)
    recipe = HEAD % "" + step
    lab.run(recipe, only=["rows", "seeds"])
    (before,) = expected(lab, recipe)
    counted = not before.unknown
    assert counted or before.unknown == "not known before the run: what `x` asks of it is not counted"
    told: list[Estimate] = []

    def agreed(name: str, estimate: Estimate) -> None:
        told.append(estimate)
        asked = len(server.inputs) if before.model == "emb" else server.number
        assert asked == sum(e.calls or 0 for e in told[:-1]), "not before it is said"

    with lab.open() as workspace:
        result = run(make_plan(lab.sound(recipe), workspace), workspace, agreed=agreed)
    assert not result.failed, [s.error and s.error.message for s in result.failed]
    asked = len(server.inputs) if before.model == "emb" else server.number
    assert asked > 3
    assert sum(e.calls or 0 for e in told) == asked
    assert not counted or before.calls == asked


def test_many_searches_are_sampled(lab: Lab, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 50)
    write(lab, 200)
    recipe = HEAD % "" + STEPS["nearest"]
    lab.run(recipe, only=["rows", "seeds"])
    (found,) = expected(lab, recipe)
    assert found.sampled == 50
    assert 190 <= (found.calls or 0) <= 200


def test_what_a_template_says_of_a_row_is_told(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + 'template breaks(text) """{{ text + 1 }}"""\n' + STEPS["scored"].replace("plain(text)", "breaks(text)")
    lab.run(recipe, only=["rows", "seeds"])
    (found,) = expected(lab, recipe)
    assert "template `breaks`" in found.unknown


def test_an_address_that_is_not_set(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_URL", "http://127.0.0.1:1/v1")
    write(lab, 8)
    recipe = HEAD % "" + STEPS["chat"]
    lab.run(recipe, only=["rows", "seeds"])
    (found,) = expected(lab, recipe)
    assert found.calls == 7, "the server is not asked"
    monkeypatch.delenv("LLM_URL")
    (found,) = expected(lab, recipe)
    assert found.unknown == "the address of `lm` is not set"
    assert found.usd is None


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(lab: Lab, server: Server) -> None:
    made: dict[int, int] = {}
    for rows in (20_000, 40_000):
        write(lab, rows, odd=False)
        recipe = HEAD % "" + STEPS["chat"]
        lab.run(recipe, only=["rows", "seeds"])
        expected(lab, recipe)
        tracemalloc.start()
        (found,) = expected(lab, recipe)
        made[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.calls == rows
    # A key takes about 100 bytes, up to a million of them; a block of prompts is held once.
    assert made[40_000] - made[20_000] < 20_000 * 250, made


def test_dollars() -> None:
    said = [dollars(x) for x in (0, 0.31, 12345.678, 0.0042, 0.00001)]
    assert said == ["$0.00", "$0.31", "$12,345.68", "$0.0042", "<$0.0001"]


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("recipec.models.pace.time.monotonic", lambda: now[0])
    pace = Pace()
    assert pace.per_second() is None
    for _ in range(200):
        now[0] += 0.05
        pace.one()
    assert pace.per_second() == pytest.approx(20, rel=0.05)
    now[0] += 20
    pace.one()
    assert pace.per_second() is None


def test_the_folder_is_not_written_to(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + STEPS["chat"]
    lab.run(recipe, only=["rows", "seeds"])
    expected(lab, recipe)
    assert not (Path(lab.workspace) / "ledger").exists()


class Watch(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def progress(self, share: float | None, text: str) -> None:
        self.texts.append(text)


@pytest.mark.parametrize("step", ["chat", "predict", "generate"])
def test_a_running_step_says_what_it_spent_of_what(lab: Lab, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    with serving(classes=["good", "bad"], latency=0.03) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        write(lab, 240, odd=False)
        recipe = (HEAD % "").replace("price_in: 1000  price_out: 2000", "price_in: 1000  price_out: 2000  budget_usd: 50  concurrency: 8")
        watch = Watch()
        with lab.open() as workspace:
            run(make_plan(lab.sound(recipe + STEPS[step].replace("%%", "%")), workspace), workspace, watch)
    assert any(re.search(r"\$[0-9.]+ of \$50\.00  [0-9.]+ calls/s$", t) for t in watch.texts), watch.texts[-3:]


def test_a_broken_ledger_is_told(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + STEPS["chat"]
    lab.run(recipe, only=["rows", "seeds"])
    lab.write(".recipec/ledger/answers-0001.jsonl", "something else\n")
    (found,) = expected(lab, recipe)
    assert "is no ledger" in found.unknown


def test_a_value_that_does_not_convert_is_told(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + STEPS["scored"].replace("plain(text)", "plain(cast(cast(text as int) as text))")
    lab.run(recipe, only=["rows", "seeds"])
    (found,) = expected(lab, recipe)
    assert "Could not convert" in found.unknown


def test_a_plan_of_calls_loads_nothing_heavy(lab: Lab, server: Server) -> None:
    write(lab, 8)
    recipe = HEAD % "" + STEPS["chat"]
    lab.run(recipe, only=["rows", "seeds"])
    lab.write("test.recipe", recipe)
    script = "import sys, recipec.cli\nrecipec.cli.main(['plan', 'test.recipe'])\nprint('LOADED', *sorted(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", script], cwd=lab.folder, env=environment, capture_output=True, text=True, check=True)
    assert "7 new of 7" in done.stdout
    loaded = {m.split(".")[0] for m in done.stdout.rpartition("LOADED")[2].split()}
    assert loaded & {"pyarrow", "torch", "transformers", "ray", "rich", "pandas"} == set()
