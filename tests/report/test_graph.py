"""The graph: lanes that meet where they must, and the same graph in other notations."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipec.report.graph import Node, as_json, dot, lanes, mermaid, text
from recipec.report.terminal import Terminal

NODES = [
    Node("mail", "source", (), 'csv("mail.csv")'),
    Node("chat", "source", (), 'jsonl("chat.jsonl")'),
    Node("survey", "source", (), 'tsv("survey.tsv")'),
    Node("all", "mix", (("mail", None), ("survey", None))),
    Node("文本", "clean", (("all", None), ("chat", None))),
    Node("final", "split", (("文本", None),)),
    Node("sound", "expect", (("mail", None), ("final", "train"), ("final", "test"))),
    Node("out", "export", (("final", None),), 'to "build/out"'),
]


def test_golden(terminal: Callable[..., Terminal], golden: Callable[[str, str], None]) -> None:
    golden("graph.txt", text(NODES, terminal()) + "\n" + text(NODES, terminal(60, unicode=False)))


def test_other_notations(golden: Callable[[str, str], None]) -> None:
    golden("graph.mmd", mermaid(NODES))
    golden("graph.dot", dot(NODES, 'the "graph"'))
    found = json.loads(as_json(NODES, ascii=True))
    assert {"from": "final", "to": "sound", "part": "test"} in found["edges"]
    assert len(found["nodes"]) == len(NODES)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a slow machine is no finding
@given(st.data())
def test_every_lane_is_whole(data: st.DataObject) -> None:
    """A lane that goes down from one row goes up from the next, and the other way round."""
    size = data.draw(st.integers(1, 12))
    nodes = [
        Node(
            f"n{i}",
            "clean",
            tuple((f"n{j}", None) for j in data.draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True))) if i else (),
        )
        for i in range(size)
    ]
    rows = [rails for rails, _ in lanes(nodes)]
    assert sum(node is not None for _, node in lanes(nodes)) == size
    down, up = "│├┤┼╭╮┬", "│├┤┼╰╯┴"
    for above, below in pairwise(rows):
        for at in range(0, max(len(above), len(below)), 2):
            a, b = above[at : at + 1] or " ", below[at : at + 1] or " "
            if a in down and a != "●":
                assert b in up + "●", (above, below)
            if b in up and b != "●":
                assert a in down + "●", (above, below)
