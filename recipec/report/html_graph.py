"""The graph of a run as SVG: every step a line, its table a rail that goes down to the last step that reads it, as wide as its rows are many.

A line a step is legible on a phone at any number of steps, where boxes side by side are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from recipec.report.cells import clean, clip, width
from recipec.report.plots import num

TALL = 30
"""Units from line to line."""
LANE = 15
WIDE = 420
LETTER = 7.4


def lanes(steps: Sequence[Mapping[str, Any]]) -> list[int]:
    """The rail of each step: that of an input which it reads last, else the first that is free."""
    last = {i["step"]: n for n, s in enumerate(steps) for i in s["inputs"]}
    taken: list[str | None] = []
    out: list[int] = []
    own: dict[str, int] = {}
    for n, step in enumerate(steps):
        ending = sorted(own[i["step"]] for i in step["inputs"] if i["step"] in own and last[i["step"]] == n)
        for lane in ending:
            taken[lane] = None
        # A rail that ends here turns into this step's own; another's must not be crossed by a new dot.
        lane = ending[0] if ending else next((i for i, t in enumerate(taken) if t is None), len(taken))
        if lane == len(taken):
            taken.append(None)
        taken[lane] = step["name"] if step["name"] in last else None
        own[step["name"]] = lane
        out.append(lane)
    return out


def graph(steps: Sequence[Mapping[str, Any]], anchors: Mapping[str, str]) -> str:
    """The drawing; ``anchors`` are the ids of the steps' own sections."""
    if not steps:
        return ""
    rails = lanes(steps)
    place = {s["name"]: n for n, s in enumerate(steps)}
    left = 14 + (max(rails) + 1) * LANE
    # The widest name gets its room; numbers stand to the right of all.
    longest = min(26, max(width(clean(s["name"])) for s in steps))
    kind_at = left + longest * LETTER + 12
    end = max(WIDE, kind_at + 130)
    most = max([s["rows_out"] or 0 for s in steps if s["table"]], default=0)

    def x(n: int) -> float:
        return 12 + rails[n] * LANE

    def y(n: int) -> float:
        return TALL * (n + 0.5)

    edges: list[str] = []
    for n, step in enumerate(steps):
        for source in step["inputs"]:
            m = place.get(source["step"])
            if m is None:
                continue
            # Down its own rail, then over to the reader's in the space of one line.
            turn = y(n) - TALL
            down = f"V{num(turn)}" if turn > y(m) else ""
            bend = f"C{num(x(m))} {num(y(n) - TALL * 0.4)} {num(x(n))} {num(y(n) - TALL * 0.6)} {num(x(n))} {num(y(n))}"
            edges.append(f'<path class="edge" d="M{num(x(m))} {num(y(m))}{down}{bend if rails[m] != rails[n] else f"V{num(y(n))}"}"/>')
    dots: list[str] = []
    for n, step in enumerate(steps):
        name = clean(step["name"])
        parts = ", ".join(i["part"] for i in step["inputs"] if i["part"])
        about = f"{step['kind']}" + (f" · {clean(parts)}" if parts else "")
        room = int((end - 78 - kind_at) / 5.6)
        count = f"{step['rows_out']:,}" if step["table"] and step["kind"] != "evaluate" else ""
        size = 66 * math.sqrt(step["rows_out"] / most) if count and most else 0
        bar = f'<rect class="size" x="{num(end - 4 - size)}" y="{num(y(n) - 9)}" width="{num(size)}" height="18" rx="3"/>' if size else ""
        dots.append(
            f'<a href="#{anchors[step["name"]]}"><title>{escape(name)}: {escape(about)}</title>{bar}'
            f'<circle class="dot" cx="{num(x(n))}" cy="{num(y(n))}" r="4.5"/>'
            f'<text class="name" x="{num(left)}" y="{num(y(n) + 4)}">{escape(clip(name, longest))}</text>'
            f'<text class="kind" x="{num(kind_at)}" y="{num(y(n) + 4)}">{escape(clip(about, room))}</text>'
            f'<text class="rows" x="{num(end - 8)}" y="{num(y(n) + 4)}" text-anchor="end">{count}</text></a>'
        )
    tall = TALL * len(steps)
    return (
        f'<svg class="graph" role="img" font-size="12" viewBox="0 0 {num(end)} {num(tall)}" xmlns="http://www.w3.org/2000/svg"><title>The steps and '
        f"what they read</title>{''.join(edges)}{''.join(dots)}</svg>"
    )
