"""The recipes that are disturbed, and the rows that they read."""

from __future__ import annotations

import random

FAMILIES = {
    "shop": '''\
recipe "shop" { seed: 7 }
param least: int = 3
model lm = openai("m", base_url: env("FAULTS_URL"), max_tokens: 8)
template ask(text) """Which one is it: {{ text }}"""

source rows = parquet("rows.parquet") { key: id }
source more = jsonl("more.jsonl") { key: id  columns: { id: text, text: text, section: text } }
source extra = csv("extra.csv") { key: id }
mix all from rows, more, extra
clean tidy from all {
  drop where text is null as "no text"
  drop where words(text) < least as "short"
  text = fix_unicode(text)
  dedupe(text, near: 80%)
}
label topic from tidy { classes: ["games", "sound"]  vote llm(lm, ask(text)) }
split parts from topic { train: 80%  test: 20%  stratify: section }
export hub from parts { to: "build/hub"  format: huggingface() }
export lines from tidy { to: "build/tidy.jsonl"  format: jsonl()  keys: true }
''',
    "model": """\
recipe "model" { seed: 7 }
param least: int = 3
source rows = jsonl("more.jsonl") { key: id  columns: { id: text, text: text, section: text } }
clean tidy from rows { drop where words(text) < least as "short" }
split parts from tidy { train: 80%  dev: 20%  stratify: section }
train clf from parts.train {
  task: classify(text => section)  base: scratch(layers: 1, width: 16, heads: 2, vocab: 300, max_length: 32)
  validation: parts.dev  steps: 6  batch_size: 8  checkpoint_every: 2  evaluate_every: 3
}
predict guess from parts.dev { model: clf }
evaluate scores from guess { predicted: guess  gold: section  metrics: [accuracy] }
export card from clf, scores { to: "build/model"  format: transformers() }
""",
    "shelf": """\
recipe "shelf" { seed: 7 }
param least: int = 3
source rows = parquet("rows.parquet") { key: id }
source more = jsonl("more.jsonl") { key: id  columns: { id: text, text: text, section: text } }
mix all from rows, more
clean tidy from all {
  text = fix_unicode(text)
  drop where words(text) < least as "short"
  said = sentences(text)
  drop where similarity(text, section) > 0.9 as "alike"
}
clean cut from tidy { blocks = paragraphs(text)  parted = len(split_words(text)) }
augment twice from cut { typos(text, rate: 10%) }
split parts from twice { train: 80%  test: 20%  stratify: section }
export a from parts { to: "build/parquet"  format: parquet() }
export b from cut { to: "build/rows.sqlite"  format: sqlite() }
export c from parts { to: "build/csv"  format: csv() }
""",
}
EXPORTS = {
    "shop": ("build/hub", "build/tidy.jsonl"), "model": ("build/model",), "shelf": ("build/parquet", "build/rows.sqlite", "build/csv"),
}  # fmt: skip
NEW, OLD = "3", "6"
"""Values of ``least``: each run is of the first; it meets an empty folder, or one where the second was run."""
WORDS = [
    "the",
    "of",
    "to",
    "game",
    "player",
    "sound",
    "wave",
    "library",
    "fast",
    "small",
    "new",
    "data",
    "editor",
    "image",
    "network",
    "driver",
    "tool",
    "shell",
    "puzzle",
    "arcade",
    "audio",
    "music",
]


def make_rows(count: int, seed: int, name: str) -> list[dict[str, str]]:
    draw = random.Random(seed)
    out = []
    for n in range(count):
        text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(2, 14)))
        out.append({"id": f"{name}{n:03}", "text": text, "section": draw.choice(["web", "games"])})
    return out
