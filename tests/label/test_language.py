"""The recipes of labels that the language was designed by, as they are written there, on made data and a made server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.models.server import serving, tokens_of

IN_CONTEXT = '''
source seeds     = csv("data/seeds.csv")     { columns: { text: text, label: text } }
source unlabeled = jsonl("data/pool.jsonl")  { key: id }

model lm = openai("qwen3-8b", base_url: env("LLM_URL"), temperature: 0) { budget_usd: 5  requests_per_minute: 600 }

template ask(text, examples) """
{% for e in examples %}{{ e.text }} [SEP] The label of the above text is {{ e.label }}
{% endfor %}{{ text }} [SEP] The label of the above text is"""

label sentiment from unlabeled {
  classes: ["positive", "negative"]
  vote llm(lm, ask(text), examples: nearest(seeds, k: 4))     # argmax over the classes' log-probabilities where served
  accept: confidence >= 70%
}
'''

ENTITIES = """
source news   = conll("data/train.conll", columns: [tokens, tags])       # one row a sentence; lists
source people = lines("data/people.txt")
label entities from news {
  tags: ["PER", "LOC", "ORG"]
  vote gazetteer(people.line, tag: "PER")    as known_people
  vote pattern(r/[A-Z]\\w+ (Inc|Corp|Ltd)\\b/, tag: "ORG")  as companies
  combine: majority()
  gold: tags
}
"""

SEEDS = [
    ("a lovely film", "positive"), ("what a joy", "positive"), ("great fun", "positive"),
    ("a dull film", "negative"), ("a sad waste", "negative"), ("no fun at all", "negative"),
]  # fmt: skip
POOL = {1: "a lovely day", 2: "dull and sad", 3: "great joy", 4: "a waste of a film", 5: "hm"}
SURE = {1: "positive", 2: "negative", 3: "positive", 4: "negative"}


def reads(request: dict[str, Any], text: str) -> dict[str, Any]:
    """Log-probabilities of one who knows the class of the asked text, the last line, and is in doubt of ``hm``."""
    tokens = tokens_of(text)
    asked = text.rsplit("\n", 1)[-1].partition(" [SEP]")[0]
    right = SURE.get(next(i for i, t in POOL.items() if t == asked))
    given = text.split("is ")[-1].split(" ")[0]
    last = -0.7 if right is None else -0.1 if given == right else -3.0
    values: list[float | None] = [None, *[-1.0] * (len(tokens) - 1)]
    if request.get("echo"):
        at = max(i for i, t in enumerate(tokens) if t.strip() in ("positive", "negative"))
        values[at] = last
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    return {"tokens": tokens, "token_logprobs": values, "text_offset": offsets, "top_logprobs": [{} for _ in tokens]}


def test_pseudo_labels_by_in_context_learning(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write("data/seeds.csv", "text,label\n" + "".join(f"{t},{c}\n" for t, c in SEEDS))
    lab.write("data/pool.jsonl", "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in POOL.items()))
    with serving() as server:
        monkeypatch.setattr(server, "token_logprobs", reads)
        monkeypatch.setenv("LLM_URL", server.url)
        ran = lab.run(IN_CONTEXT)
        assert dict(ran.rows("select id, sentiment from sentiment")) == SURE
        assert ran.dropped("sentiment") == {"unsure": 1}
        ((because,),) = ran.rows("select because from recipec.dropped where step = 'sentiment'")
        assert because.startswith("confidence 0.50 for")
        # Its four nearest seeds stand before the text that is asked about, each with its label.
        asked = next(p for p in (r["prompt"] for r in server.requests) if "a lovely day [SEP]" in str(p))
        prompt = asked if isinstance(asked, str) else next(p for p in asked if "a lovely day [SEP]" in p)
        lines = prompt.strip().split("\n")
        assert len(lines) == 5
        assert "a lovely film [SEP] The label of the above text is positive" in lines[:4]
        assert lines[4].startswith("a lovely day [SEP] The label of the above text is")
        calls = server.number
        assert [s.status for s in lab.run(IN_CONTEXT).result.steps] == ["reused"] * 4
        assert server.number == calls


def test_votes_on_the_tokens_of_named_entities(lab: Any) -> None:
    sentences = ["Ada/B-PER Lovelace/I-PER joined/O Acme/B-ORG Corp/I-ORG ./O", "Nobody/O here/O", "Grace/B-PER left/O Paris/B-LOC"]
    lab.write("data/train.conll", "\n\n".join(s.replace("/", "\t").replace(" ", "\n") for s in sentences) + "\n")
    lab.write("data/people.txt", "Ada Lovelace\nGrace\n")
    ran = lab.run(ENTITIES)
    assert ran.rows("select tokens[1], entities from entities order by 1") == [
        ("Ada", ["B-PER", "I-PER", "O", "B-ORG", "I-ORG", "O"]),
        ("Grace", ["B-PER", "O", "O"]),
        ("Nobody", ["O", "O"]),
    ]
    facts = ran["entities"].built.extra
    assert {v["name"]: v["votes"] for v in facts["voters"]} == {"known_people": 3, "companies": 2}
