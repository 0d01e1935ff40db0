"""A name that stands above the loop which makes it anew, where that closes a circle."""

from __future__ import annotations

from recipec.resolve.loading import load
from recipec.source import Source

LOOP = """source seeds = csv("s.csv") { columns: { text: text, label: text } }
clean taught from seeds { keep where text != "" }
train clf from TAUGHT { task: classify(text => label)  base: scratch() }
repeat 2 as round {
  predict p from taught { model: clf  into: guess }
  clean taught from p { keep where guess == "a"  select(text, label) }
  train clf from taught { task: classify(text => label)  base: scratch() }
}
"""


def findings(name: str) -> list[tuple[str, tuple[str, ...]]]:
    program = load(Source("test.recipe", LOOP.replace("TAUGHT", name)), offline=True)
    program.resolve()
    return [(d.name, d.help) for d in program.findings]


def test_a_circle_through_the_last_round_says_how_the_first_is_called() -> None:
    ((name, help),) = findings("taught")
    assert name == "cycle"
    assert "`taught@0`" in help[0]
    assert findings("taught@0") == []
