"""The worked recipes that ask language models, whole, against a server of the tests: what they promise holds for every row, nothing is asked twice,
threads and the order of answers change no byte, and trainers read what they export."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.models.server import Server, serving
from tests.recipes.answering import Model

if TYPE_CHECKING:
    from tests.conftest import Lab, Ran

WORKED = Path(__file__).resolve().parents[2] / "recipes"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = (
    "conversations", "distill", "evolve", "grounded_qa", "instructions", "personas", "preferences", "rejection", "translate", "two_judges",
)  # fmt: skip


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, says: Callable[[dict[str, Any]], tuple[str, str]], **told: Any) -> Iterator[Server]:
    with serving(says=says, **told) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        yield server


def copied(lab: Lab, place: str = ".") -> Lab:
    made = type(lab)(lab.folder / place)
    shutil.copytree(WORKED, made.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".recipec", "__pycache__"))
    return made


def text_of(lab: Lab, name: str) -> str:
    return (lab.folder / f"{name}.recipe").read_text(encoding="utf-8")


def run(lab: Lab, name: str, **options: Any) -> Ran:
    return lab.run(text_of(lab, name), name=f"{name}.recipe", **options)


def written(lab: Lab) -> dict[str, str]:
    """Digests of the files that a recipe wrote."""
    folder = lab.folder / "build"
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.blake2b(p.read_bytes()).hexdigest() for p in files}


def test_all_are_here() -> None:
    listed = (WORKED / "README.md").read_text(encoding="utf-8")
    assert [n for n in NAMES if f"| `{n}` |" not in listed] == []
    languages = [re.search(r'language: \["en", "zh"\]', (WORKED / f"{n}.recipe").read_text(encoding="utf-8")) for n in NAMES]
    assert all(languages)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_and_nothing_asked_twice(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    one, two = copied(lab, "one"), copied(lab, "two")
    with answering(monkeypatch, Model()) as server:
        run(one, name, threads=1)
        asked = server.number
        # Without the tables, but with the ledger: all is made again, and nothing is asked.
        (one.workspace / "work.duckdb").unlink()
        first = written(one)
        shutil.rmtree(one.folder / "build")
        again = run(one, name, threads=2)
        assert server.number == asked
        assert "run" in again.statuses.values()
        assert written(one) == first
        assert set(run(one, name).statuses.values()) == {"reused"}
        assert server.number == asked
    # In another folder, by two threads, answers coming in another order.
    with answering(monkeypatch, Model(), latency=0.003, spread=0.9) as server:
        run(two, name, threads=2)
        assert server.number == asked
    assert written(two) == first
    assert first


def test_a_server_that_is_not_there_is_said(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = copied(lab)
    monkeypatch.delenv("LLM_URL", raising=False)
    ran = run(made, "translate", good=False)
    assert ran.error("there") == "the address of `writer` is not set"


# What each promises ---------------------------------------------------------------------------------------------------


@pytest.fixture
def worked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    made = copied(lab)
    with answering(monkeypatch, Model()):
        yield made


def rouge_l(a: str, b: str) -> float:
    """By the definition, with a table."""
    x, y = (re.findall(r"[\u2e80-\u9fff]|[^\W_\u2e80-\u9fff]+", t.lower()) for t in (a, b))
    row = [0] * (len(y) + 1)
    for word in x:
        before = row[:]
        for j, other in enumerate(y):
            row[j + 1] = before[j] + 1 if word == other else max(before[j + 1], row[j])
    return 2 * row[-1] / (len(x) + len(y)) if x and y else 0.0


def test_instructions_are_new_and_for_text(worked: Lab) -> None:
    ran = run(worked, "instructions")
    tasks = [t for (t,) in ran.rows("select instruction from pool order by _key")]
    invented = {t for (t,) in ran.rows("select instruction from pool where origin = 'invented'")}
    assert len(invented) >= 40
    for task in invented:
        assert max(rouge_l(task, other) for other in tasks if other != task) <= 0.7
        assert not re.search("picture|图片", task)
    assert any(re.search("[\u4e00-\u9fff]", t) for t in invented)
    # What the second round was shown holds tasks of the first.
    assert ran.rows("select count(*) from pool where origin = 'invented'") > ran.rows('select count(*) from "fresh@2"')
    files = [
        json.loads(line)
        for p in (worked.folder / "build/instructions").glob("*")
        for line in p.read_text().splitlines()
        if p.suffix == ".jsonl"
    ]
    files = files or [row for p in (worked.folder / "build/instructions").glob("*.json") for row in json.loads(p.read_text())]
    assert len(files) == len(tasks)
    assert set(files[0]) >= {"instruction", "input", "output"}


def test_evolved_tasks_are_more_than_they_were(worked: Lab) -> None:
    ran = run(worked, "evolve")
    for turn in (1, 2):
        rows = ran.rows(f'select k.instruction, p.instruction, k.way from "kept@{turn}" k join "turned@{turn}" p using (task)')
        assert rows
        assert all(new != old and way in ("constraints", "deepen", "concrete", "reasoning", "breadth") for new, old, way in rows)
    assert len({w for (w,) in ran.rows("select way from grown")}) >= 4
    # A task that failed to evolve is tried again from where it was.
    assert ran.rows('select count(*) from "pool@1"') == [(16,)]
    assert ran.rows("select count(*) from grown where regexp_matches(response, 'sorry|抱歉') or trim(response) = ''") == [(0,)]


def test_every_answer_has_its_evidence(worked: Lab) -> None:
    ran = run(worked, "grounded_qa")
    rows = ran.rows("select text, quote, lang from qa")
    assert all(quote in text for text, quote, _ in rows)
    assert {lang for _, _, lang in rows} == {"en", "zh"}
    assert ran.rows("select count(*) from (select text from final.train intersect select text from final.test)") == [(0,)]


def test_personas_ask_in_their_own_language(worked: Lab) -> None:
    ran = run(worked, "personas")
    rows = ran.rows("select lang, question, persona, tone from answered")
    assert all(persona in question for _, question, persona, _ in rows)
    assert {lang for lang, *_ in rows} == {"en", "zh"}
    assert all((lang == "zh") == bool(re.search("[\u4e00-\u9fff]", q)) for lang, q, *_ in rows)
    assert {t for *_, t in rows} <= {"plain", "worried", "curious"}


def test_preferences_do_not_depend_on_the_place(worked: Lab) -> None:
    ran = run(worked, "preferences")
    rows = ran.rows("select prompt, chosen, rejected from preferences")
    # The judge of the tests prefers the longer answer.
    assert rows
    assert all(len(chosen) > len(rejected) for _, chosen, rejected in rows)
    flipped = ran.rows("select count(*) from back where forward_better <> back_better")
    assert flipped[0][0] == ran.dropped("preferences")["the judge goes by the place"]
    assert ran.rows("select count(*) from (select prompt from final.train intersect select prompt from final.test)") == [(0,)]


def test_traces_end_in_the_right_number(worked: Lab) -> None:
    ran = run(worked, "rejection")
    truth = {row["question"]: row["answer"].split("####")[1].strip().replace(",", "") for row in lines(WORKED / "data/generate/sums.jsonl")}
    for question, reasoning in ran.rows("select question, reasoning from kept"):
        assert reasoning.replace(",", "").rstrip().endswith(truth[question])
    assert (
        ran.rows("select count(*) from solved where ways = 0")[0][0]
        == len(truth) - ran.rows("select count(distinct question) from kept")[0][0]
    )
    assert ran.rows("select count(*) from kept where reasoning like '%答案%'")[0][0] > 0


def test_distilled_lessons_hold_no_refusal(worked: Lab) -> None:
    ran = run(worked, "distill")
    rows = ran.rows("select messages, lang from lessons")
    assert all([m["role"] for m in messages] == ["user", "assistant"] for messages, _ in rows)
    assert not any(re.search("sorry|抱歉|declined", messages[1]["content"]) for messages, _ in rows)
    assert {lang for _, lang in rows} == {"en", "zh"}


def test_translations_go_both_ways(worked: Lab) -> None:
    ran = run(worked, "translate")
    rows = ran.rows("select en, zh, lang from parallel")
    assert {lang for *_, lang in rows} == {"en", "zh"}
    assert all(re.search("[\u4e00-\u9fff]", zh) and not re.search("[\u4e00-\u9fff]", en) for en, zh, _ in rows)
    assert all(re.findall(r"\d+", en) == re.findall(r"\d+", zh) for en, zh, _ in rows)


def test_conversations_take_turns(worked: Lab) -> None:
    ran = run(worked, "conversations")
    talks = [m for (m,) in ran.rows("select messages from chats")]
    for messages in talks:
        roles = [m["role"] for m in messages]
        assert roles == ["system", *["user", "assistant"] * ((len(roles) - 1) // 2)]
        assert not any(re.match("(?i)goodbye|再见", m["content"]) for m in messages)
    assert len({len(m) for m in talks}) > 1, "some end before others"
    assert max(map(len, talks)) == 7


def test_what_two_judges_agree_on(worked: Lab) -> None:
    ran = run(worked, "two_judges")
    assert ran.rows(
        "select bool_and(abs(first_score - second_score) <= 1), min(first_score), max(first_score) from twice join good using (_key)"
    ) == [(True, 4, 5)]
    ((kappa, low, high),) = ran.rows("select cohen_kappa, cohen_kappa_low, cohen_kappa_high from agreement")
    assert low < kappa < high
    sklearn = pytest.importorskip("sklearn.metrics")
    pairs = ran.rows("select first_score, second_score from twice")
    assert kappa == pytest.approx(sklearn.cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# Trainers read the preferences ----------------------------------------------------------------------------------------


def test_trl_trains_on_the_preferences(worked: Lab, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed")
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("torch")
    from transformers import AutoTokenizer

    from tests.models.tiny_models import write_transformers

    run(worked, "preferences")
    files = {"train": str(worked.folder / "build/preferences/train.parquet")}
    rows = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    write_transformers(tmp_path / "tiny")
    config = trl.DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True, bf16=False, max_length=256,
        gradient_checkpointing=False, save_strategy="no",
    )  # fmt: skip
    trainer = trl.DPOTrainer(
        str(tmp_path / "tiny"), args=config, train_dataset=rows, processing_class=AutoTokenizer.from_pretrained(tmp_path / "tiny")
    )
    assert len(trainer.train_dataset) == len(rows), "no row is lost on the way"
    done = trainer.train()
    assert done.training_loss == pytest.approx(0.693, abs=0.01), "ln 2: before the first step both are as likely"


def test_axolotl_reads_the_preferences(worked: Lab, tmp_path: Path) -> None:
    dpo = pytest.importorskip("axolotl.prompt_strategies.dpo", reason="axolotl is not installed")
    from transformers import AutoTokenizer

    from tests.models.tiny_models import write_transformers

    ran = run(worked, "preferences")
    write_transformers(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    transform, _ = dpo.load("chat_template.argilla_chat", {"datasets": [{"type": "chat_template.argilla_chat"}], "chat_template": "chatml"})
    import pyarrow.parquet as pq

    rows = pq.read_table(worked.folder / "build/preferences/train.parquet").to_pylist()
    known = {p: (c, r) for p, c, r in ran.rows("select prompt || chosen, chosen, rejected from preferences")}
    assert rows
    for row in rows:
        made = transform(row, tokenizer=tokenizer)
        prompt, chosen = row["chosen"][0]["content"], row["chosen"][1]["content"]
        assert prompt in made["prompt"]
        assert made["chosen"].startswith(chosen)
        assert made["rejected"].startswith(known[prompt + chosen][1]) or row["rejected"][1]["content"] in made["rejected"]


# A server of others ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not at {DATA.name}/ beside the repository")
def test_self_instruct_against_llama_cpp(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The protocol is llama.cpp's own, the data self-instruct's; the model, written on the spot, has random weights, so its tasks are noise in
    the form that the grammar forces on it. ``LLAMA_CPP_PYTHON`` names a Python that has ``llama-cpp-python[server]`` and ``gguf``."""
    from tests.models.test_real_servers import WRITER, python_with, served

    python = python_with("LLAMA_CPP_PYTHON", "llama_cpp.server.app, gguf")
    subprocess.run([python, str(WRITER), "gguf", str(tmp_path / "tiny.gguf")], check=True)
    command = [python, "-m", "llama_cpp.server", "--model", str(tmp_path / "tiny.gguf"), "--n_ctx", "12288"]
    made = copied(lab)
    recipe = (
        text_of(made, "instructions")
        .replace("max_tokens: 1200", "max_tokens: 400")
        .replace("    with: writer", "    with: writer  max_bad: 100%")
    )
    sets = {"tasks": str(DATA / "self_instruct" / "seed_tasks.jsonl"), "requests": "4"}
    with served(command, tmp_path / "log") as url:
        monkeypatch.setenv("LLM_URL", url)
        ran = made.run(recipe, name="instructions.recipe", sets=sets, only=["final"])
        again = made.run(recipe, name="instructions.recipe", sets=sets, only=["final"])
    assert {again.statuses[s] for s in ("fresh@1", "fresh@2", "final")} == {"reused"}
    calls = ran.rows("select sum(calls), sum(failed) from recipec.calls where model = 'writer'")
    assert calls == [(8, 0)], "every asking was answered"
    for turn in (1, 2):
        built = ran[f"fresh@{turn}"].built
        assert built is not None
        assert built.rows_out + sum(built.dropped.values()) >= 4, "every answer is a row or is counted"
    assert ran.rows("select count(*) from pool where origin = 'written'") == [(175,)]


# Real data ------------------------------------------------------------------------------------------------------------

there = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not at {DATA.name}/ beside the repository")


@there
def test_self_instruct_on_its_own_seeds(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = copied(lab)
    with answering(monkeypatch, Model()) as server:
        sets = {"tasks": str(DATA / "self_instruct" / "seed_tasks.jsonl"), "requests": "40"}
        ran = run(made, "instructions", sets=sets)
        shown = [re.findall(r"Task \d+: ", json.dumps(r["messages"])) for r in server.requests]
        assert server.number == 80
    assert {len(s) for s in shown} == {8}
    assert ran.rows("select count(*) from pool where origin = 'written'") == [(175,)]
    assert ran.rows("select count(*) from pool where origin = 'invented'")[0][0] > 60


@there
def test_rejection_on_gsm8k(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = copied(lab)
    path = DATA / "gsm8k" / "test.jsonl"
    with answering(monkeypatch, Model(path)) as server:
        ran = run(made, "rejection", sets={"sums": str(path)})
        assert server.number == 4 * 1319
    dropped = ran.dropped("traces")
    kept = ran.rows("select count(*) from traces")[0][0]
    assert sum(dropped.values()) + kept == 4 * 1319
    # The model of the tests is cut off, gives no number, and a wrong one, in 1, 1 and 2 of 8 answers.
    shares = {r: n / (4 * 1319) for r, n in dropped.items()}
    assert shares["another number"] == pytest.approx(0.25, abs=0.03)
    assert shares["cut off"] == pytest.approx(0.125, abs=0.02)
    truth = {row["question"]: float(row["answer"].split("####")[1].replace(",", "")) for row in lines(path)}
    assert all(truth[q] == found for q, found in ran.rows("select question, found from kept"))
