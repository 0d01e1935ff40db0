"""Money on the command line: what `plan` expects, when `run` asks, what a run says it spent, and what it never says."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import duckdb
import pytest
from cli_harness import Run

from recipec.api import Estimate
from recipec.cli._agree import Agreement
from recipec.cli._config import forget_configuration
from recipec.cli._errors import CannotRun
from tests.models.server import Server, serving

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = """\
source rows = csv("rows.csv") { key: id }
model lm = openai("m", base_url: env("LLM_URL"), max_tokens: 20) { %s }
template ask(text) { system "Is it good or bad?" user \"""{{ text }}\""" }
"""
LABEL = HEAD + 'label mood from rows { classes: ["good", "bad"]  vote llm(lm, ask(text)%s)  unsure: keep  max_failed: 0%% }\n'
PRICED = "price_in: 1000  price_out: 2000"


def write(recipe: str, rows: int) -> None:
    Path("r.recipe").write_text(recipe, encoding="utf-8")
    Path("rows.csv").write_text("id,text\n" + "".join(f"{n},row {n} of many\n" for n in range(rows)), encoding="utf-8")


def configure(ask_above: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.recipec]\nask_above = {ask_above}\n", encoding="utf-8")
    forget_configuration()


def books(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(".recipec/work.duckdb", read_only=True) as con:
        return con.execute(query).fetchall()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(classes=["good", "bad"]) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        yield server


def test_a_plan_counts_and_prices_what_is_new(recipec: Run, server: Server) -> None:
    write(LABEL % (PRICED, ""), 20)
    first = recipec("plan")
    assert "model calls: not known before `rows` runs   cost: unknown" in " ".join(first.out.splitlines())
    assert recipec("run", "--only", "rows").status == 0
    assert "20 new of 20" in recipec("plan").out
    assert server.number == 0, "nothing is asked"
    step = json.loads(recipec("plan", "--format", "json").out)["steps"][-1]["calls"][0]
    assert (step["name"], step["model"], step["calls"], step["in_ledger"], step["tokens_out"]) == ("llm", "lm", 20, 0, 400)
    assert 0 < step["usd"] < step["usd_at_most"]
    done = recipec("run", "--yes")
    assert done.status == 0, done.err
    assert done.out.count("20 calls · $0.22") == 2, "the step's line and the last"
    assert server.number == 20
    # Five rows more: five calls, priced by what the server counted for the others.
    write(LABEL % (PRICED, ""), 25)
    assert recipec("run", "--only", "rows").status == 0
    plan = json.loads(recipec("plan", "--format", "json").out)
    assert {k: plan["calls"][k] for k in ("calls", "in_ledger", "tokens_in", "tokens_out", "usd")} == {
        "calls": 5, "in_ledger": 20, "tokens_in": 25, "tokens_out": 15, "usd": pytest.approx(0.055, rel=0.1),
    }  # fmt: skip
    assert "model calls: 5 new of 25   cost: $0.0" in recipec("plan").out
    done = recipec("run", "--yes")
    assert "5 calls · 20 reused · $0.0" in done.out
    assert server.number == 25
    assert "cost" not in recipec("plan").out


def test_unknown_is_not_nothing(recipec: Run, server: Server) -> None:
    write(LABEL % ("", ""), 3)
    recipec("run", "--only", "rows")
    out = recipec("plan").out
    assert "model calls: 3 new of 3   cost: unknown" in out
    assert "$0" not in out
    plan = json.loads(recipec("plan", "--format", "json").out)
    assert plan["calls"]["usd"] is None
    assert plan["calls"]["usd_at_most"] is None
    assert plan["steps"][-1]["calls"][0]["why"] == "`lm` has no price"
    # Of a server on this machine it is said before it happens, and nobody is asked; what it cost stays unknown.
    done = recipec("run", "--ask-above", "0")
    assert done.status == 0
    said = " ".join(done.out.split())
    assert (
        "`mood` (llm) will make 3 calls of `lm`, and what they cost is not known: `lm` has no price (price_in: 0 price_out: 0 where" in said
    )
    assert "3 calls · cost unknown" in done.out
    assert books("SELECT usd FROM recipec.calls") == [(None,)]


def test_an_unknown_cost_elsewhere_is_asked_about(recipec: Run) -> None:
    write((LABEL % ("", "")).replace('env("LLM_URL")', '"https://models.example.com/v1"'), 3)
    recipec("run", "--only", "rows")
    out = " ".join(recipec("plan").out.split())
    assert "cost unknown: `lm` has no price" in out
    refused = recipec("run", "--ask-above", "1000")
    assert refused.status == 2
    assert "`mood` (llm) will make 3 calls of `lm`, and what they cost is not known: `lm` has no price" in refused.err
    assert "to go on: recipec run r.recipe --yes; or say what it costs: price_in, price_out" in refused.err
    # A budget, which stops the run, bounds it where nothing else does.
    unbounded = (LABEL % (PRICED + "  budget_usd: 2", "")).replace('env("LLM_URL")', '"https://models.example.com/v1"')
    write(unbounded.replace(", max_tokens: 20", ""), 3)
    refused = recipec("run", "--ask-above", "1")
    assert refused.status == 2
    assert "$2.00 at most; that is above $1.00" in refused.err


def test_an_unknown_cost_is_asked_once() -> None:
    asked: list[str] = []
    said: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return "other" not in question

    agreement = Agreement(1.0, ask, "recipec run", said.append)
    unknown = Estimate("", "lm", 3, 0, 10, None, None, None, why="`lm` has no price")
    agreement("a", unknown)
    agreement("b", unknown)
    assert asked == ["`a` will make 3 calls of `lm`, and what they cost is not known: `lm` has no price. Go on?"]
    agreement("c", replace(unknown, model="near", near=True))
    assert len(asked) == len(said) == 1
    agreement("d", replace(unknown, model="none", calls=0))
    with pytest.raises(CannotRun, match="stopped before `e`"):
        agreement("e", replace(unknown, model="other"))


def test_prices_of_a_file(recipec: Run, server: Server) -> None:
    write(LABEL % ('prices: "money/prices.toml"', ""), 3)
    Path("money").mkdir()
    prices = Path("money/prices.toml")
    refused = recipec("check")
    assert refused.status == 1
    assert "no file `money/prices.toml`" in refused.out
    prices.write_text("[n]\nin = 1000\nout = 2000\n", encoding="utf-8")
    refused = recipec("check")
    assert "`money/prices.toml` has no price of `m`" in refused.out
    assert "r.recipe:2:" in refused.out, "and the place in the recipe"
    prices.write_text("[m]\nin = 1000\nout = -2000\n", encoding="utf-8")
    assert "money/prices.toml:3: `out` of `m` is -2000" in recipec("check").out
    prices.write_text("[m]\nin = 1000\nout = 2000\n", encoding="utf-8")
    assert "no price" not in recipec("check").out, "a kept check is not believed when the file has changed"
    recipec("run", "--only", "rows")
    first = json.loads(recipec("plan", "--format", "json").out)
    assert 0 < first["calls"]["usd"] < first["calls"]["usd_at_most"]
    asked = recipec("run", "--ask-above", "0.01")
    assert asked.status == 2
    assert "will make 3 calls of `lm`" in asked.err
    assert recipec("run", "--yes").status == 0
    # What it costs decides no answer: other prices run nothing again.
    prices.write_text("[m]\nin = 1\nout = 1\n", encoding="utf-8")
    assert {s["status"] for s in json.loads(recipec("plan", "--format", "json").out)["steps"]} == {"reused"}


def test_prices_of_the_project(recipec: Run, server: Server) -> None:
    write(LABEL % ("", ""), 3)
    pyproject = Path("pyproject.toml")

    def told(line: str) -> str:
        pyproject.write_text(f"[tool.recipec]\n{line}\n", encoding="utf-8")
        forget_configuration()
        return recipec("plan").err

    assert "`prices`: cannot read the prices in `p.toml`: no such file" in told('prices = "p.toml"')
    assert "`prices` is the name of a file" in told("prices = 3")
    Path("p.toml").write_text("[m]\nin = true\n", encoding="utf-8")
    assert "pyproject.toml: `prices`: p.toml:2: `in` of `m` is True" in told('prices = "p.toml"')
    Path("p.toml").write_text("[m]\nin = 1000\nout = 2000\n[other]\nin = 1\n", encoding="utf-8")
    assert told('prices = "p.toml"') == ""
    recipec("run", "--only", "rows")
    usd = json.loads(recipec("plan", "--format", "json").out)["calls"]["usd"]
    assert usd == pytest.approx(0.26, abs=0.1)
    # The step's own price comes first.
    write(LABEL % ("price_out: 4000", ""), 3)
    assert json.loads(recipec("plan", "--format", "json").out)["calls"]["usd"] == pytest.approx(usd + 3 * 20 * 2000 / 1e6)


def test_no_bound_of_answers_is_no_bound_of_cost(recipec: Run, server: Server) -> None:
    write((LABEL % (PRICED, "")).replace(", max_tokens: 20", ""), 3)
    recipec("run", "--only", "rows")
    calls = json.loads(recipec("plan", "--format", "json").out)["calls"]
    assert calls["calls"] == 3
    assert calls["tokens_out"] is None
    assert calls["usd"] is None
    assert "unknown out, cost unknown" in recipec("plan").out


def test_a_budget_bounds_the_cost(recipec: Run, server: Server) -> None:
    write(LABEL % (PRICED + "  budget_usd: 0.10", ""), 20)
    recipec("run", "--only", "rows")
    assert "a budget stops it at $0.10" in recipec("plan").out
    done = recipec("run", "--yes")
    assert done.status == 1
    assert "the budget of $0.1 is used up" in done.err
    assert "raise the budget" in done.err
    assert "model lm" in done.err, "it names the model's line"
    spent = json.loads(recipec("run", "--yes", "--format", "json").out)["spent"]["lm"]
    assert spent["reused"] == server.number, "what a failed step paid for is kept"
    assert spent["usd"] == 0


def test_a_run_asks_before_it_spends(recipec: Run, server: Server) -> None:
    write(LABEL % ("price_in: 10000  price_out: 20000", ""), 20)
    done = recipec("run")
    assert done.status == 2
    assert "`mood` (llm) will make 20 calls of `lm`" in done.err
    assert "to go on: recipec run r.recipe --yes" in done.err
    assert server.number == 0
    assert recipec("run", "--ask-above", "1.5").status == 2
    configure("0.01")
    assert "above $0.01" in recipec("run").err
    configure("500")
    assert recipec("run").status == 0
    assert server.number == 20
    # What is in the ledger is not asked about again.
    write(LABEL % ("price_in: 10000  price_out: 20000", ', words: {good: "fine"}'), 20)
    assert recipec("run", "--ask-above", "0").status == 0
    assert server.number == 20


@pytest.mark.parametrize("value", ["-1", "x", "nan", "inf"])
def test_a_sum_is_a_sum(recipec: Run, value: str) -> None:
    write(LABEL % (PRICED, ""), 2)
    assert recipec("run", f"--ask-above={value}").status == 2
    configure(f'"{value}"')
    done = recipec("run")
    assert done.status == 2
    assert "`ask_above` is a sum in dollars" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("said", "status", "calls"), [("n\n", 2, 0), ("y\n", 0, 5)])
def test_a_person_is_asked_on_a_terminal(tmp_path: Path, server: Server, said: str, status: int, calls: int) -> None:
    import pty

    write(LABEL % ("price_in: 100000  price_out: 200000", ""), 5)
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-m", "recipec", "run"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"Go on? [y/N]" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, said.encode())
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # The other side is closed.
    assert process.wait() == status, shown.decode()
    assert server.number == calls
    assert ("stopped before `mood`: nothing was asked of `lm`" in shown.decode()) == (calls == 0)
    os.close(ours)


def test_votes_and_calls_are_tables(recipec: Run, server: Server) -> None:
    recipe = LABEL % (PRICED, "") + "predict said from rows { model: lm  prompt: ask(text) }\n"
    write(recipe, 4)
    assert "votes" not in str(recipec("run", "--only", "rows").err)
    assert books("FROM recipec.votes") == books("FROM recipec.calls") == []
    assert recipec("run", "--yes").status == 0
    votes = books("SELECT step, voter, vote FROM recipec.votes v JOIN rows r ON v._key = r._key ORDER BY id")
    assert len(votes) == 4
    assert {v[:2] for v in votes} == {("mood", "llm")}
    assert {v[2] for v in votes} <= {"good", "bad"}
    calls = books("SELECT step, voter, model, calls, reused, failed, tokens_in, tokens_out FROM recipec.calls ORDER BY step")
    assert calls == [("mood", "llm", "lm", 4, 0, 0, 20, 12), ("said", None, "lm", 0, 4, 0, 0, 0)]
    (usd,) = books("SELECT sum(usd) FROM recipec.calls")[0]
    assert usd == pytest.approx(0.044)
    done = json.loads(recipec("run", "--format", "json").out)
    assert "calls" not in done["steps"][-1], "nothing was asked now"


def test_prompts_are_shown_as_they_are_sent(recipec: Run, server: Server) -> None:
    extra = """
source seeds = csv("seeds.csv")
template alike(text, examples) \"""{% for e in examples %}{{ e.text }} is {{ e.label }}
{% endfor %}{{ text }} is\"""
label feel from rows { classes: ["good", "bad"]  vote llm(lm, alike(text), examples: nearest(seeds, k: 1))  unsure: keep }
"""
    write(LABEL % ("", "") + extra, 3)
    Path("seeds.csv").write_text("text,label\nrow of gold,good\nawful,bad\n", encoding="utf-8")
    recipec("run", "--only", "rows,seeds")
    done = recipec("show", "mood", "--render", "ask", "--limit", "1")
    assert done.status == 0, done.err
    assert "system:\nIs it good or bad?\nuser:\nrow " in done.out
    assert done.out.count("system:") == 1
    shown = json.loads(recipec("show", "feel", "--render", "alike", "--where", "id = 2", "--format", "json").out)
    assert [s["alike"] for s in shown] == ["row of gold is good\nrow 2 of many is"]
    assert server.number == 0, "nothing is asked"
    recipec("run", "--yes")
    sent = {r["prompt"] if isinstance(r["prompt"], str) else r["prompt"][0] for r in server.requests if "prompt" in r}
    assert any(s.startswith("row of gold is good\nrow 2 of many is") for s in sent)


def wrong(recipec: Run) -> str:
    done = recipec("run", "--yes")
    assert done.status == 1, done.err
    assert "Traceback" not in done.err
    assert "this is a bug" not in done.err
    assert "2│ model lm = openai" in done.err, done.err
    return " ".join(line.strip() for line in done.err.splitlines())


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"key": "right"}, "does not accept the API key (401)"),
        ({"statuses": [404] * 9}, "is not there, or has no model `m` (404)"),
        ({"page": True}, "answers with a web page, so it is no server of models. The URL usually ends in /v1"),
    ],
)
def test_a_wrong_server_is_named(recipec: Run, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], message: str) -> None:
    with serving(**told) as server:
        monkeypatch.setenv("LLM_URL", server.url)
        write(LABEL % ("", ""), 3)
        assert message in wrong(recipec)


def test_a_wrong_address_is_named(recipec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(LABEL % ("retries: 0", ""), 3)
    monkeypatch.delenv("LLM_URL", raising=False)
    assert "export LLM_URL=http://localhost:8000/v1" in wrong(recipec)
    for url, message in {
        "": "the address of `lm` is not set",
        "nonsense": "the address of `lm` is no http(s) address",
        "http://127.0.0.1:1/v1": "cannot connect to 127.0.0.1:1: connection refused. Is the server running",
        "http://127.0.0.1:99999/v1": "the address of `lm` is no http(s) address",
    }.items():
        monkeypatch.setenv("LLM_URL", url)
        assert message in wrong(recipec)
    assert "not known" in recipec("plan").out


def test_the_prompts_of_one_voter(recipec: Run, server: Server) -> None:
    """Two voters that share a template are told apart by name."""
    votes = "vote llm(lm, ask(upper(text))) as loud  vote llm(lm, ask(lower(text))) as low"
    write((LABEL % (PRICED, "")).replace("vote llm(lm, ask(text))", votes), 3)
    recipec("run", "--only", "rows")
    both = recipec("show", "mood", "--render", "ask")
    assert both.status == 2
    assert "several voters of `mood` ask with `ask`: loud, low" in both.err
    assert "recipec show mood --render loud" in both.err
    assert "ROW 1 OF MANY" in recipec("show", "mood", "--render", "loud").out
    assert "row 1 of many" in recipec("show", "mood", "--render", "low").out


def test_a_missing_key_is_named(recipec: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    write((LABEL % ("", "")).replace("max_tokens: 20", 'max_tokens: 20, api_key: env("LLM_KEY")'), 3)
    monkeypatch.delenv("LLM_KEY", raising=False)
    said = wrong(recipec)
    assert "the key of `lm` is not set" in said
    assert "export LLM_KEY=..." in said
    assert "3 new of 3" in recipec("plan").out, "a plan needs no key"


SECRETS = {"LLM_KEY": "sk-Very0Secret1Key2", "PASSWORD": "hunter2hunter2", "TOKEN": "qwertz-token-zztop", "PATH": "AKpath7Token9x"}


@pytest.mark.parametrize(
    "told", [{}, {"key": "another"}, {"fail": 0.5, "limited": 0.2}, {"bad_words": "row"}, {"page": True}, {"cut": 1.0}]
)
def test_a_secret_is_found_nowhere(recipec: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: dict[str, Any]) -> None:
    said: list[str] = []
    with serving(classes=["good", "bad"], **told) as server:
        host = server.url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("LLM_URL", f"http://me:{SECRETS['PASSWORD']}@{host}/api/{SECRETS['PATH']}/v1?token={SECRETS['TOKEN']}")
        monkeypatch.setenv("LLM_KEY", SECRETS["LLM_KEY"])
        recipe = (LABEL % (PRICED + "  retries: 2", "")).replace("max_tokens: 20", 'max_tokens: 20, api_key: env("LLM_KEY")')
        write(recipe + 'export out from mood { to: "build/out"  format: jsonl() }\n', 6)
        commands = ["plan", "run --yes", "plan", "run --yes --format json", "plan --format json", "show mood", "labels mood", "bad mood",
                    "run", "lock", "compile", "graph", "diff r.recipe r.recipe", "explain mood 1", "check --format json", "show mood --render ask"]  # fmt: skip
        for command in commands:
            done = recipec(*command.split())
            assert "this is a bug" not in done.err, done.err
            said += [done.out, done.err]
        assert server.number > 0
    found = [f"output: {s}" for s in said for secret in SECRETS.values() if secret in s]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [str(path) for secret in SECRETS.values() if secret.encode() in data or secret.encode().hex().encode() in data]
    assert found == []


def test_an_address_in_the_recipe_is_stored_without_its_secrets(recipec: Run, server: Server, tmp_path: Path) -> None:
    address = server.url.replace("http://", "http://me:hunter2hunter2@").replace("/v1", "/AKpath7Token9x/v1") + "?token=qwertz-token-zztop"
    write((LABEL % (PRICED, "")).replace('env("LLM_URL")', json.dumps(address)), 3)
    assert recipec("run", "--yes").status == 0
    for path in (tmp_path / ".recipec").rglob("*"):
        if path.is_file():
            assert b"hunter2hunter2" not in path.read_bytes(), path
            assert b"qwertz-token" not in path.read_bytes(), path
            assert b"AKpath7Token9x" not in path.read_bytes(), path


# The whole recipe, killed


@contextmanager
def server_process(**told: Any) -> Iterator[str]:
    """The test server in a process of its own, so that it goes on counting."""
    script = str(REPOSITORY / "tests/models/server.py")
    with subprocess.Popen([sys.executable, script, json.dumps(told)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def counts(url: str) -> dict[str, Any]:
    with urlopen(url) as reply:
        made: dict[str, Any] = json.load(reply)
        return made


def start(url: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "LLM_URL": url}
    return subprocess.Popen(
        [sys.executable, "-m", "recipec", "run", "--yes"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finish(url: str) -> None:
    """Run until every row is answered: rows that the server failed for good in one run are asked again by the next."""
    for _ in range(5):
        process = start(url)
        _, said = process.communicate()
        if process.returncode == 0:
            return
        assert "got no answer" in said, said
    raise AssertionError(said)


def prompt(row: int) -> str:
    return json.dumps([{"role": "system", "content": "Is it good or bad?"}, {"role": "user", "content": f"row {row} of many"}])


def cut_off() -> int:
    """How many answers of the ledger were cut off by the server."""
    lines = (json.loads(line) for path in Path(".recipec/ledger").glob("answers-*.jsonl") for line in path.open(encoding="utf-8"))
    return len({line["key"] for line in lines if line.get("finish") == "length"})


def money(rows: int, kills: int, seed: int, concurrency: int, **told: Any) -> None:
    rng = random.Random(seed)
    recipe = (LABEL % (f"concurrency: {concurrency}  retries: 30", "")).replace('"good", "bad"', '"excellent", "terrible"')
    with server_process(classes=["excellent", "terrible"], **told) as url:
        write(recipe, rows)
        for _ in range(kills):
            process = start(url)
            until = counts(url)["number"] + rng.randint(1, max(1, rows // (kills + 3)))
            while counts(url)["number"] < until and process.poll() is None:
                time.sleep(0.003)
            assert process.poll() is None, f"it ended before it could be killed: {process.communicate()[1]}"
            process.send_signal(signal.SIGKILL)
            process.communicate()
        finish(url)
        before = counts(url)
        delivered = Counter(before["delivered"])
        assert set(delivered) == {prompt(n) for n in range(rows)}, "every row was answered"
        twice = sum(delivered.values()) - rows
        assert twice <= kills * concurrency, "only what was on its way at a kill is delivered twice"
        # An answer that was cut off is paid for like any other and not asked again; where it names no class, the voter abstains.
        cut = cut_off()
        assert bool(cut) == bool(told.get("truncated"))
        named = "count(*) FILTER (WHERE mood IN ('excellent', 'terrible'))"
        assert books(f"SELECT count(*), count(DISTINCT id), {named} FROM mood") == [(rows, rows, rows - cut)]
        # Ten rows more cost ten answers; another acceptance and another parser none.
        write(recipe, rows + 10)
        finish(url)
        after = counts(url)
        assert sum(after["delivered"].values()) == sum(before["delivered"].values()) + 10
        for changed in (
            recipe.replace("unsure: keep", "unsure: keep  accept: confidence >= 90%"),
            recipe.replace("lm, ask(text)", 'lm, ask(text), words: {excellent: "fine"}'),
        ):
            write(changed, rows + 10)
            finish(url)
            assert counts(url)["number"] == after["number"], "nothing is asked again"
        assert books("SELECT calls, reused FROM recipec.calls") == [(0, rows + 10)]
    sent, most = before["number"], kills * concurrency
    print(f"{rows} rows, {kills} kills: {sent} requests, {twice} answers were on their way at a kill (at most {most}), {cut} cut off")


def test_killed_twice_nothing_is_paid_twice(tmp_path: Path) -> None:
    money(150, 2, 3, 8, latency=0.02, cut=0.03, broken=0.03, fail=0.03, limited=0.03, truncated=0.05)


@pytest.mark.slow
def test_five_thousand_rows_and_twenty_kills(tmp_path: Path) -> None:
    money(5000, 20, 4, 32, latency=0.02, spread=0.8, cut=0.02, broken=0.02, empty=0.01, fail=0.03, limited=0.02, truncated=0.02)
