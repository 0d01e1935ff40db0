"""decontaminate: shared runs of words, whole short texts, Chinese, several references, and the brute-force answer."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from recipec.fast import quality_decontaminate

HEAD = 'recipe "r" { seed: 1 }\nsource s = jsonl("rows.jsonl") { key: id  columns: { id: int, t: text } }\n'
BENCH = 'source bench = jsonl("bench.jsonl") { key: id  columns: { id: int, q: text, a: text } }\n'


def write(lab: Any, texts: list[Any], questions: list[Any], answers: list[Any] | None = None) -> None:
    lab.write("rows.jsonl", "\n".join(json.dumps({"id": n, "t": t}) for n, t in enumerate(texts)) + "\n")
    rows = [{"id": n, "q": q, "a": (answers or [None] * len(questions))[n]} for n, q in enumerate(questions)]
    lab.write("bench.jsonl", "\n".join(map(json.dumps, rows)) + "\n")


def dropped(lab: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = lab.rows("SELECT s.id, d.because FROM recipec.dropped d JOIN s USING (_key) ORDER BY s.id")
    return found


def test_tells_the_words_and_the_row(lab: Any) -> None:
    texts = ["He said: One two, THREE four!", "one two three", "three four one two", None, "", "Yes.", "yes indeed", "今天天气很好，我们去"]
    write(lab, texts, ["one two three four five", "yes", None, "明天天气很好。"])
    lab.run(HEAD + BENCH + "clean out from s { decontaminate(t, against: bench.q, ngram: 4) }")
    keys = dict(lab.rows("SELECT id, _key::VARCHAR FROM bench"))
    assert dropped(lab) == [
        (0, f'shares "one two, three four" with bench.q {keys[0]}'),
        (5, f"the same words as bench.q {keys[1]}"),
        (7, f'shares "天天气很" with bench.q {keys[3]}'),
    ]


def test_several_references_and_parts(lab: Any) -> None:
    write(lab, ["a b c x", "d e f", "g h i"], ["a b c", "no no no"], ["other here now", "d e f g"])
    ran = lab.run(HEAD + BENCH + "clean out from s { decontaminate(t, against: [bench.q, bench.a], ngram: 3) }")
    assert ran.dropped("out") == {"contaminated": 2}


@pytest.mark.parametrize("share", [1 << 28, 2000])
def test_as_sets_of_tuples_say(lab: Any, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all n-grams in Python sets; the second time in many passes."""
    monkeypatch.setattr(quality_decontaminate, "SHARE", share)
    rng = random.Random(3)
    letters = ["ab", "c", "dé", "E", "好", "f1", "的"]

    def text() -> str:
        return "".join(rng.choice(letters) + rng.choice([" ", ", ", "\n", " - "]) for _ in range(rng.randrange(1, 25)))

    texts, questions = [text() for _ in range(300)], [text() for _ in range(60)]
    n = 6

    def words(one: str) -> list[str]:
        return re.findall(r"[好的]|[a-z0-9é]+", one.lower())

    def grams(one: str) -> set[tuple[str, ...]]:
        found = words(one)
        return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}

    wanted = set().union(*map(grams, questions))
    short = {tuple(words(q)) for q in questions if len(words(q)) < n}
    expected = [i for i, t in enumerate(texts) if grams(t) & wanted or tuple(words(t)) in short]
    write(lab, texts, questions)
    lab.run(HEAD + BENCH + f"clean out from s {{ decontaminate(t, against: bench.q, ngram: {n}) }}")
    assert [row[0] for row in dropped(lab)] == expected
    assert 0 < len(expected) < 300


def test_wrong_uses(lab: Any) -> None:
    write(lab, ["a"], ["b"])
    for call, said in (
        ("decontaminate(id, against: bench.q)", "text"),
        ("decontaminate(t, against: bench.id)", "text"),
        ("decontaminate(t, against: bench.question)", "no column"),
        ("decontaminate(t)", "against"),
    ):
        found = lab.check(HEAD + BENCH + f"clean out from s {{ {call} }}")
        assert any(said in d.message for d in found), (call, [d.message for d in found])


def test_a_small_memory_limit_takes_more_passes(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much of the reference is held at a time depends on the limit; what is found does not."""
    made: list[int] = []
    whole = quality_decontaminate.Reference.__init__

    def counting(self: Any, *args: Any) -> None:
        whole(self, *args)
        made.append(len(self.grams))

    monkeypatch.setattr(quality_decontaminate.Reference, "__init__", counting)
    monkeypatch.setattr(quality_decontaminate, "_LEAST_SHARE", 1000)
    questions = [f"what is {n} times {n + 1} and why is it so, do you think, my dear friend number {n}" for n in range(200)]
    write(lab, [*questions[::7], "nothing like that"], questions)
    found = []
    for limit in ("1GB", "100MB"):
        monkeypatch.setattr(quality_decontaminate, "limit_of", lambda con, limit=limit: 10**9 if limit == "1GB" else 50_000)
        lab.run(
            HEAD
            + BENCH
            + f"clean out from s {{ decontaminate(t, against: bench.q, ngram: 5)  drop where t == '{limit}' }}".replace("'", '"')
        )
        found.append((dropped(lab), len(made)))
        made.clear()
    assert found[0][0] == found[1][0]
    assert len(found[0][0]) == len(questions[::7])
    assert (found[0][1], found[1][1] > 5) == (1, True)
