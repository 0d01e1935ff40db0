"""The graph of a recipe: drawn in the terminal, and as Mermaid, Graphviz and data.

In the terminal every step is a row; its table is a lane that goes down to the last step that reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recipec.report.cells import clean, clip, pad, width
from recipec.report.terminal import Terminal


@dataclass(frozen=True)
class Node:
    """A step: ``inputs`` are (step, part or None), ``detail`` what it reads or makes, in a few words."""

    name: str
    kind: str
    inputs: tuple[tuple[str, str | None], ...] = ()
    detail: str = ""


_JOINTS = {
    (1, 1, 0, 0): "│", (1, 1, 0, 1): "├", (1, 1, 1, 0): "┤", (1, 1, 1, 1): "┼", (0, 1, 0, 1): "╭", (0, 1, 1, 0): "╮", (1, 0, 0, 1): "╰",
    (1, 0, 1, 0): "╯", (0, 0, 1, 1): "─", (1, 0, 1, 1): "┴", (0, 1, 1, 1): "┬", (1, 0, 0, 0): "│", (0, 1, 0, 0): "│",
}  # fmt: skip
"""Box characters by whether a line goes up, down, left, right."""


def text(nodes: Sequence[Node], terminal: Terminal) -> str:
    """The graph, inputs above what reads them; ``nodes`` come in that order."""
    drawn = list(lanes(nodes))
    across = max((len(rails) for rails, _ in drawn), default=0)
    column = min(28, max((width(n.name) for n in nodes), default=0))
    kinds = max((width(n.kind) for n in nodes), default=0)
    out = []
    for rails, node in drawn:
        line = " " + terminal.paint("gutter", terminal.draw(rails)) + " " * (across - len(rails))
        if node is not None:
            read = edges(node)
            parts = [f"{step} ({part})" if "," in part else f"{step}.{part}" if part else step for step, part in read]
            words = "  ".join(
                x
                for x in (
                    node.detail,
                    terminal.draw("←") + " " + ", ".join(parts) if len(parts) > 1 or any(p for _, p in read) else "",
                )
                if x
            )
            room = max(10, terminal.width - across - column - kinds - 8)
            name = terminal.paint("bold", pad(clip(clean(node.name), column), column))
            line += f"  {name}  {pad(node.kind, kinds)}  {terminal.paint('dim', clip(clean(words), room, terminal.draw('…')))}"
        out.append(line.rstrip() + "\n")
    return "".join(out)


def lanes(nodes: Sequence[Node]) -> Iterator[tuple[str, Node | None]]:
    """Rows of rails: one for each node, and before it one where its inputs' lanes meet, if they must."""
    last = {step: i for i, node in enumerate(nodes) for step, _ in node.inputs}
    open_: list[str | None] = []
    for i, node in enumerate(nodes):
        parents = sorted({open_.index(step) for step, _ in node.inputs if step in open_})
        ending = [p for p in parents if last[open_[p] or ""] == i]
        free = [p for p, owner in enumerate(open_) if owner is None and p > max(parents, default=-1)]
        lane = ending[0] if ending else free[0] if free else len(open_)
        if lane == len(open_):
            open_.append(None)
        if parents and parents != [lane]:
            yield joint(open_, parents, ending, lane), None
        for p in ending:
            open_[p] = None
        row = "".join(("●" if p == lane else "│" if owner is not None else " ") + " " for p, owner in enumerate(open_))
        yield row.rstrip(), node
        open_[lane] = node.name if node.name in last else None
        while open_ and open_[-1] is None:
            open_.pop()


def joint(open_: Sequence[str | None], parents: Sequence[int], ending: Sequence[int], lane: int) -> str:
    """The row where the lanes of a node's inputs turn towards its own."""
    low, high = min(*parents, lane), max(*parents, lane)
    out = ""
    for p, owner in enumerate(open_):
        met = p in parents or p == lane
        up = owner is not None
        down = (owner is not None and p not in ending) or p == lane
        left, right = met and p > low, met and p < high
        if not met and low < p < high:
            out += "│" if up else "─"
        else:
            out += _JOINTS.get((up, down, left, right), " ")
        out += "─" if low <= p < high else " "
    return out.rstrip()


def edges(node: Node) -> list[tuple[str, str]]:
    """Each step that a node reads, once, with the parts that it reads of it: ``train, test``; nothing where it reads it whole."""
    found: dict[str, list[str]] = {}
    for step, part in node.inputs:
        found.setdefault(step, []).extend([part] if part is not None else [])
    return [(step, ", ".join(parts)) for step, parts in found.items()]


def mermaid(nodes: Sequence[Node]) -> str:
    ids = {n.name: f"s{i}" for i, n in enumerate(nodes)}
    out = ["flowchart TD"]
    for n in nodes:
        label = f"{n.name}<br/><small>{n.kind}</small>".replace('"', "#quot;")
        left, right = ("[(", ")]") if n.kind == "source" else ("[/", "/]") if n.kind == "export" else ("[", "]")
        out.append(f'  {ids[n.name]}{left}"{label}"{right}')
    for n in nodes:
        for step, parts in edges(n):
            arrow = f'-->|"{parts}"|' if parts else "-->"
            if step in ids:
                out.append(f"  {ids[step]} {arrow} {ids[n.name]}")
    return "\n".join(out) + "\n"


def dot(nodes: Sequence[Node], name: str) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    shapes = {"source": "cylinder", "export": "note"}
    out = [f"digraph {quoted(name)} {{", "  node [shape=box];"]
    for n in nodes:
        label = quoted(n.name)[:-1] + f'\\n{n.kind}"'
        out.append(f"  {quoted(n.name)} [label={label}{f', shape={shapes[n.kind]}' if n.kind in shapes else ''}];")
    for n in nodes:
        for step, parts in edges(n):
            out.append(f"  {quoted(step)} -> {quoted(n.name)}{f' [label={quoted(parts)}]' if parts else ''};")
    return "\n".join([*out, "}"]) + "\n"


def data(nodes: Sequence[Node]) -> dict[str, Any]:
    return {
        "nodes": [{"name": n.name, "kind": n.kind, "detail": n.detail} for n in nodes],
        "edges": [{"from": step, "to": n.name, "part": part} for n in nodes for step, part in n.inputs],
    }


def as_json(nodes: Sequence[Node], *, ascii: bool) -> str:
    return json.dumps(data(nodes), ensure_ascii=ascii, indent=2) + "\n"
