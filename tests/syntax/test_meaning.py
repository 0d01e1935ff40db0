"""What `fmt` lays out means what it meant: every step's fingerprint before and after, on every recipe and snippet without errors."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from grow import Grower
from mutate import corpus

from recipec.plan.lock import static_keys
from recipec.resolve.loading import load
from recipec.resolve.program import Program
from recipec.source import Source
from recipec.syntax.format import format_source
from recipec.syntax.lexer import TRIVIA, scan


def resolved(path: str, text: str) -> Program:
    program = load(Source(path, text), {})
    program.resolve()
    return program


@pytest.mark.parametrize("part", range(6))
def test_a_layout_keeps_every_fingerprint(part: int) -> None:
    compared = 0
    for path, text in corpus()[part::6]:
        program = resolved(path, text)
        if program.findings.errors or not program.steps:
            continue
        laid_out = format_source(Source(path, text))
        keys = static_keys(program)
        assert static_keys(resolved(path, laid_out)) == keys, Path(path).name
        compared += 1
    assert compared > 3


KINDS = {
    'model lm = openai("qwen3-8b", base_url: "http://localhost:8000/v1", ~)': (
        ["concurrency: 4", "budget_usd: 5", "retries: 2", "timeout: 30", "price_in: 0.5  price_out: 1"],
        ["temperature: 0", "max_tokens: 64"],
    ),
    'template ask(text) """Is {{ text }} good?"""': None,
    'template chat(text) { system "You say yes or no" user """{{ text }}""" }': None,
    "label topic from rows": (
        [
            'when text matches r/win/i => "spam" as wins',
            'when words(text) < 3 or n > 1 => "ham"',
            "vote llm(lm, ask(text), samples: 1) as judge",
            'vote keywords({spam: ["free", "win"]})',
            "accept: confidence >= 80% and n > 0",
            "combine: majority(ties: first)",
            "unsure: keep",
        ],
        ['classes: ["spam", "ham"]  when n == 0 => "ham" as empty'],
    ),
    "clean known from topic": (["keep where topic is not null", "m = case when n > 1 then 1 else -n end"], []),
    "split parts from known": (["stratify: topic", "seed: 3"], ["train: 80%  test: 20%"]),
    "augment wide from parts.train": (
        ["swap_words(text, rate: 10%)", "delete_words(text)", "seed: 9"],
        ["copies: 2  typos(text, rate: 2%)"],
    ),
    "select few from wide": (["per: topic", "seed: 4"], ["take: 100  by: random()"]),
    "generate more from few": (
        ["samples: 2", "keep where length(text) > 3", "keep where rouge_l(question, text) < 70%"],
        ["with: lm  prompt: chat(text)  answer: { question: text }"],
    ),
    "mix all from few, parts.train": (["temperature: 2", "epochs: 2", "take: 50"], []),
    "train clf from all": (
        [
            "epochs: 3",
            "adapter: lora(rank: 8, alpha: 16)",
            "stop: early(patience: 2)  validation: parts.test",
            "class_weights: balanced",
            "search { learning_rate: [1e-5, 5e-5]  epochs: [1, 2]  trials: 3 }  validation: parts.test",
        ],
        ["task: classify(text => topic)  base: scratch(layers: 1, width: 16)"],
    ),
    "predict guess from parts.test": (["into: guessed", "max_failed: 1%"], ["model: clf"]),
    "evaluate scores from parts.test": (
        ["expect f1 >= 50%", "bootstrap: 100", "slices: [n > 1]"],
        ["model: clf  metrics: [f1(average: macro), accuracy]"],
    ),
    "repeat 2 as round {": None,
    "augment again from parts.train": ([], ["copies: 1  typos(text)"]),
    "train again_clf from again": (["epochs: 1"], ["task: classify(text => topic)  base: scratch()"]),
    "evaluate again_score from parts.test": ([], ["model: again_clf  metrics: [f1]"]),
    "} until gain(again_score.f1) < 0.2%": None,
}
"""By its head, what may stand in a step and what must."""


def written(seed: int) -> str:
    """A recipe with a step of every kind that labels, makes rows, chooses, or trains."""
    random = Random(seed)
    out = ['source rows = csv("r.csv") { key: id  columns: { id: text, text: text, n: int } }']
    for head, body in KINDS.items():
        if body is None:
            out.append(head)
            continue
        may, must = body
        chosen = [s for s in may if random.random() < 0.5]
        if sum("validation:" in s for s in chosen) > 1:
            chosen = [s for s in chosen if not s.startswith("stop")]
        if head.endswith(", ~)"):  # arguments, and settings in the block
            out.append(f"{head[:-1].replace('~', ', '.join(must))}) {{ {'  '.join(chosen)} }}")
            continue
        random.shuffle(chosen)
        out.append(f"{head} {{ {'  '.join([*must, *chosen])} }}")
    return "\n".join(out)


@pytest.mark.parametrize("seed", range(5))
def test_a_layout_keeps_what_every_kind_of_step_means(seed: int) -> None:
    text = written(seed)
    words = [t.text for t in scan(Source("x", text)).tokens if t.kind not in TRIVIA]
    odd = Grower(seed).laid(words)
    program = offline(odd)
    assert not program.findings.errors, [(d.span.text, d.message) for d in program.findings.errors]
    keys = static_keys(program)
    assert len(keys) > 12
    once = format_source(Source("x.recipe", odd))
    assert format_source(Source("x.recipe", once)) == once
    assert static_keys(offline(once)) == keys == static_keys(offline(text))


def offline(text: str) -> Program:
    program = load(Source("x.recipe", text), {}, offline=True)
    program.resolve()
    return program
