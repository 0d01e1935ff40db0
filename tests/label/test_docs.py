"""The pages of votes and combiners: every one has an example, and every example checks in a recipe that has what it names."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recipec.registry import find, names

PAGES = [(group, name) for group in ("vote", "combiner") for name in names(group)]
AROUND = {
    "pool": 'source pool = csv("pool.csv") { key: id  columns: { id: int, text: text, section: text } }',
    "unlabeled": 'source unlabeled = csv("pool.csv") { key: id  columns: { id: int, text: text } }',
    "wide": 'source wide = csv("pool.csv") { key: id  columns: { id: int, text: text } }',
    "mails": 'source mails = csv("mails.csv") { key: id  columns: { id: int, body: text } }',
    "news": 'source news = jsonl("news.jsonl") { key: id  columns: { id: int, tokens: [text], tags: [text] } }',
    "seeds": 'source seeds = csv("seeds.csv") { columns: { text: text, label: text } }',
    "minilm": 'model minilm = canned("embed")',
    "lm": "model lm = canned()",
    "clf": "train clf from seeds { task: classify(text => label)  base: scratch(layers: 1, width: 8) }",
}
FILES = {
    "pool.csv": "id,text,section\n1,a puzzle,games\n2,midi files,sound\n",
    "mails.csv": "id,body\n1,free\n",
    "news.jsonl": '{"id": 1, "tokens": ["Ada"], "tags": ["B-PER"]}\n',
    "seeds.csv": "text,label\na game,games\n",
    "data/answers.csv": "worker,item,answer\nann,1,games\n",
    "data/people.txt": "Ada\n",
    "labels/entities.jsonl": "",
    "voters.py": "def by_length(batch):\n    return [None] * batch.num_rows\n",
}


@pytest.mark.parametrize(("group", "name"), PAGES)
def test_the_example_checks(lab: Any, group: str, name: str) -> None:
    import label_harness  # the provider `canned`

    assert label_harness.Canned.name == "canned"
    doc = find(group, name).__doc__ or ""
    fences = re.findall(r"```recipe\n(.*?)```", doc, re.S)
    assert fences, "an example"
    for path, text in FILES.items():
        lab.write(path, text)
    for fence in fences:
        assert re.search(rf"\b{name}\b", fence)
        wanted = [n for n in AROUND if re.search(rf"\b{n}\b", fence) and not re.search(rf"^\s*\w+ {n}\b", fence, re.M)]
        if "clf" in wanted:
            wanted.append("seeds")
        found = lab.check("\n".join([*(AROUND[n] for n in dict.fromkeys(wanted)), fence]))
        assert [f"{d.name}: {d.message}" for d in found if d.severity == "error"] == []
