"""Drawings of scores as SVG, for a report that is one file: no script, no style but the classes of :data:`STYLE`.

They are drawn 360 units wide, a phone's width, so that text is legible there and grows elsewhere. Colours are CSS variables with a
light and a dark set; whatever comes from data is escaped. Each has a title and a description for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from recipec.report.cells import clean, clip, width

if TYPE_CHECKING:
    from recipec.metrics.curves import Calibration, Curve
    from recipec.metrics.tables import Confusion

WIDTH = 360
LETTER = 6.2
"""Units of a narrow letter at the size of labels; a Chinese one takes two."""
COLOURS = 6
LABEL = 14
"""The most cells of a class's name in a drawing; the whole name is in the tooltip."""
SHOWN = 20
"""The most classes of a confusion matrix; those with most errors stay, the others are added up."""

STYLE = """
.plot { --plot-ink: #1b1f24; --plot-soft: #656d76; --plot-grid: #d8dee4; --plot-good: #1a7f5a; --plot-bad: #c4432b;
  --plot-1: #2f6fdb; --plot-2: #c4432b; --plot-3: #1a7f5a; --plot-4: #8a4fbf; --plot-5: #b26a00; --plot-6: #00798c;
  display: block; width: 100%; max-width: 34rem; height: auto; font-size: 11px;
  font-family: system-ui, "PingFang SC", "Noto Sans CJK SC", sans-serif; }
@media (prefers-color-scheme: dark) { .plot { --plot-ink: #e6edf3; --plot-soft: #9198a1; --plot-grid: #3d444d;
  --plot-good: #4cc38a; --plot-bad: #ff7b66; --plot-1: #6ea8ff; --plot-2: #ff7b66; --plot-3: #4cc38a; --plot-4: #c297ff; --plot-5: #f0b04a;
  --plot-6: #4fd0e0; } }
.plot text { fill: var(--plot-ink); } .plot .soft { fill: var(--plot-soft); } .plot .grid { stroke: var(--plot-grid); fill: none; }
.plot .axis { stroke: var(--plot-soft); fill: none; } .plot .guess { stroke: var(--plot-soft); stroke-dasharray: 3 3; fill: none; }
.plot .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .plot .right { fill: var(--plot-good); } .plot .wrong { fill: var(--plot-bad); }
.plot .band { opacity: 0.15; }
""" + "".join(f".plot .s{i} {{ stroke: var(--plot-{i}); }} .plot .f{i} {{ fill: var(--plot-{i}); }}\n" for i in range(1, COLOURS + 1))
"""The style sheet of all drawings: once a page."""


def num(value: float) -> str:
    """A coordinate: two digits are a hundredth of a unit, and keep files small."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value != 0 else "0"


def words(text: str, most: int = LABEL) -> str:
    """A name from the data, on one line, at most ``most`` cells wide, escaped."""
    return escape(clip(clean(text), most))


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def svg(height: float, title: str, about: str, parts: Sequence[str]) -> str:
    head = f'<svg class="plot" role="img" font-size="11" viewBox="0 0 {WIDTH} {num(height)}" xmlns="http://www.w3.org/2000/svg">'
    return f"{head}<title>{escape(title)}</title><desc>{escape(about)}</desc>{''.join(parts)}</svg>"


def text(x: float, y: float, shown: str, anchor: str = "start", kind: str = "", more: str = "") -> str:
    """``shown`` is markup already."""
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{num(x)}" y="{num(y)}" text-anchor="{anchor}"{css}{more}>{shown}</text>'


# Axes -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """Where a plot of x by y stands, and what its sides mean."""

    left: float = 48
    top: float = 10
    right: float = WIDTH - 20
    bottom: float = 290
    x0: float = 0.0
    x1: float = 1.0
    y0: float = 0.0
    y1: float = 1.0

    def x(self, value: float) -> float:
        return self.left + (self.right - self.left) * (value - self.x0) / ((self.x1 - self.x0) or 1)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * (value - self.y0) / ((self.y1 - self.y0) or 1)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{'M' if i == 0 else 'L'}{num(self.x(x))} {num(self.y(y))}" for i, (x, y) in enumerate(points))

    def axes(self, across: str, up: str, xs: Sequence[float], ys: Sequence[float], shares: bool = True) -> list[str]:
        say = percent if shares else tick
        out = []
        for y in ys:
            at = self.y(y)
            out.append(f'<path class="grid" d="M{num(self.left)} {num(at)}H{num(self.right)}"/>')
            out.append(text(self.left - 5, at + 4, say(y), "end", "soft"))
        for x in xs:
            at = self.x(x)
            out.append(f'<path class="grid" d="M{num(at)} {num(self.top)}V{num(self.bottom)}"/>')
            out.append(text(at, self.bottom + 14, (percent if shares and self.x1 <= 1 else tick)(x), "middle", "soft"))
        out.append(f'<path class="axis" d="M{num(self.left)} {num(self.top)}V{num(self.bottom)}H{num(self.right)}"/>')
        out.append(text((self.left + self.right) / 2, self.bottom + 28, escape(across), "middle"))
        out.append(
            text(
                9,
                (self.top + self.bottom) / 2,
                escape(up),
                "middle",
                more=f' transform="rotate(-90 9 {num((self.top + self.bottom) / 2)})"',
            )
        )
        return out


def tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` and a few."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def legend(entries: Sequence[tuple[str, int]], top: float) -> tuple[list[str], float]:
    """Names with their colours, below a plot, as many to a line as fit; and where it ends."""
    out, x, y = [], 40.0, top
    for name, colour in entries:
        wide = 22 + width(clip(clean(name), 40)) * LETTER
        if x > 40 and x + wide > WIDTH - 6:
            x, y = 40.0, y + 16
        out.append(f'<rect class="f{colour}" x="{num(x)}" y="{num(y - 9)}" width="10" height="10" rx="2"/>')
        out.append(text(x + 14, y, words(name, 40)))
        x += wide
    return out, y + 8


# Plots ----------------------------------------------------------------------------------------------------------------


def curves_plot(curves: Sequence[Curve], title: str, across: str, up: str, score: str, diagonal: bool) -> str:
    frame = Frame()
    parts = frame.axes(across, up, QUARTERS, QUARTERS)
    if diagonal:
        parts.append(f'<path class="guess" d="{frame.path([(0, 0), (1, 1)])}"/>')
    drawn = [(c, c.area) for c in curves if c.points and c.area is not None]
    for i, (curve, area) in enumerate(drawn):
        colour = i % COLOURS + 1
        if curve.base is not None:
            parts.append(f'<path class="guess s{colour}" d="{frame.path([(0, curve.base), (1, curve.base)])}"/>')
        tip = f"<title>{escape(clean(curve.name))}: {score} {area:.3f}</title>"
        parts.append(f'<path class="line s{colour}" d="{frame.path(curve.points)}">{tip}</path>')
    names = [(f"{clip(clean(c.name), 24)} {area:.3f}", i % COLOURS + 1) for i, (c, area) in enumerate(drawn)]
    below, end = legend(names, 336)
    if not drawn:
        below, end = [text(WIDTH / 2, 150, "no class has rows on both sides", "middle", "soft")], 330
    about = "; ".join(f"{clean(c.name)}: {score} {area:.3f}" for c, area in drawn)
    return svg(end, title, about, parts + below)


def roc_plot(curves: Sequence[Curve]) -> str:
    """ROC curves, a line a class, with their areas."""
    return curves_plot(curves, "ROC", "false rows taken", "true rows found", "area", diagonal=True)


def pr_plot(curves: Sequence[Curve]) -> str:
    """Precision by recall, a line a class, with the average precision; dashed, what guessing would give."""
    return curves_plot(curves, "Precision and recall", "recall", "precision", "average precision", diagonal=False)


def calibration_plot(found: Calibration) -> str:
    """How often the model is right, by how sure it is: bars on the dashed line are honest, below it the model is too sure. Wider bars below show
    where the rows are."""
    frame = Frame(bottom=240)
    parts = frame.axes("", "share that is right", QUARTERS, QUARTERS)
    most = max((b.rows for b in found.bins), default=1)
    for b in found.bins:
        x, wide = frame.x(b.low), max(1.5, frame.x(b.high) - frame.x(b.low) - 1)
        tip = f"{percent(b.low)} to {percent(b.high)} sure: {b.rows:,} rows, {b.accuracy * 100:.1f} % right, {b.confidence * 100:.1f} % claimed"
        top, least = frame.y(max(b.accuracy, 0.004)), frame.y(0)
        parts.append(
            f'<rect class="f1" fill-opacity="0.75" x="{num(x + 0.5)}" y="{num(top)}" width="{num(wide)}" height="{num(least - top)}">'
            f"<title>{tip}</title></rect>"
        )
        tall = 34 * b.rows / most
        parts.append(
            f'<rect class="soft" x="{num(x + 0.5)}" y="{num(304 - tall)}" width="{num(wide)}" height="{num(tall)}"><title>{tip}</title></rect>'
        )
    parts.append(f'<path class="guess" d="{frame.path([(0, 0), (1, 1)])}"/>')
    parts.append(text(frame.left - 5, 300, "rows", "end", "soft"))
    parts.append(text((frame.left + frame.right) / 2, 320, "probability of the predicted class", "middle"))
    ece = "no rows with probabilities" if found.ece is None else f"calibration error {found.ece:.3f} on {found.rows:,} rows"
    parts.append(text((frame.left + frame.right) / 2, 338, ece, "middle", "soft"))
    return svg(346, "Calibration", ece, parts)


@dataclass(frozen=True)
class Series:
    """A line of a learning curve: (step or rows, value), and, where known, the interval of each value."""

    name: str
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()


def learning_plot(series: Sequence[Series], across: str = "step", up: str = "", title: str = "Learning curve") -> str:
    """Values by step, epoch, round or rows, a line a series, with bands where intervals are known. Values that are no number leave a gap."""
    known = [(x, y) for s in series for x, y in s.points if math.isfinite(x) and math.isfinite(y)]
    ends = [e for s in series for pair in s.band for e in pair if math.isfinite(e)]
    if not known:
        return svg(60, title, "no values", [text(WIDTH / 2, 34, "no values", "middle", "soft")])
    low, high = min([y for _, y in known] + ends), max([y for _, y in known] + ends)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    frame = Frame(left=46, x0=min(x for x, _ in known), x1=max(x for x, _ in known), y0=low - room, y1=high + room)
    xs, ys = ticks(frame.x0, frame.x1), ticks(frame.y0, frame.y1)
    parts = frame.axes(across, up, xs, ys, shares=False)
    for i, line in enumerate(series):
        colour = i % COLOURS + 1
        if len(line.band) == len(line.points) and line.points:
            upper = [(x, h) for (x, _), (_, h) in zip(line.points, line.band, strict=True) if math.isfinite(h)]
            lower = [(x, b) for (x, _), (b, _) in zip(line.points, line.band, strict=True) if math.isfinite(b)]
            if upper and lower:
                parts.append(f'<path class="band f{colour}" d="{frame.path([*upper, *reversed(lower)])}Z"/>')
        for run in runs(line.points):
            parts.append(f'<path class="line s{colour}" d="{frame.path(run)}"/>')
            if len(run) <= 30:
                parts += [
                    f'<circle class="f{colour}" cx="{num(frame.x(x))}" cy="{num(frame.y(y))}" r="2.5"><title>'
                    f"{words(line.name, 40)}, {escape(across)} {tick(x)}: {y:.4g}</title></circle>"
                    for x, y in run
                ]
    below, end = legend([(s.name, i % COLOURS + 1) for i, s in enumerate(series)], 336)
    about = "; ".join(f"{clean(s.name)}: {s.points[0][1]:.4g} to {s.points[-1][1]:.4g}" for s in series if s.points)
    return svg(end, title, about, parts + below)


def runs(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The stretches of points that are numbers."""
    out: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            out[-1].append((x, y))
        elif out[-1]:
            out.append([])
    return [run for run in out if run]


# Confusion ------------------------------------------------------------------------------------------------------------


def fewer(found: Confusion, most: int = SHOWN) -> tuple[list[str], list[list[int]], list[int]]:
    """The classes with most errors in their order, and the others added up as one; names, counts, and predictions of no class."""
    k = len(found.classes)
    if k <= most:
        return list(found.classes), [list(r) for r in found.counts], list(found.none)
    wrong = [sum(found.counts[i]) + found.none[i] + sum(found.counts[j][i] for j in range(k)) - 2 * found.counts[i][i] for i in range(k)]
    kept = sorted(sorted(range(k), key=lambda i: (-wrong[i], i))[: most - 1])
    place = {c: i for i, c in enumerate(kept)}
    last = len(kept)
    counts, none = [[0] * (last + 1) for _ in range(last + 1)], [0] * (last + 1)
    for i in range(k):
        none[place.get(i, last)] += found.none[i]
        for j in range(k):
            counts[place.get(i, last)][place.get(j, last)] += found.counts[i][j]
    return [*(found.classes[i] for i in kept), f"{k - last} others"], counts, none


def confusion_plot(found: Confusion) -> str:
    """Gold classes by predicted ones, each row's cells as shades of its share: the diagonal is right, the rest wrong. Of more than twenty
    classes those with the most errors are shown."""
    names, counts, none = fewer(found)
    columns = [*names, *(["no class"] if any(none) else [])]
    if any(none):
        counts = [[*row, n] for row, n in zip(counts, none, strict=True)]
    if not names:
        return svg(60, "Confusion", "no rows", [text(WIDTH / 2, 34, "no rows", "middle", "soft")])
    longest = max(width(clip(clean(n), LABEL)) for n in columns) * LETTER
    left, top = longest + 22, longest * 0.75 + 26
    # The last name leans over the right edge of its column.
    over = width(clip(clean(columns[-1]), LABEL)) * LETTER * 0.67
    side = min(46.0, (WIDTH - left - 4 - over) / (len(columns) - 0.5), (WIDTH - left - 8) / len(columns))
    tall = min(side, 34.0)
    parts = [
        text(11, top + tall * len(names) / 2, "gold", "middle", "soft", f' transform="rotate(-90 11 {num(top + tall * len(names) / 2)})"'),
        text(left + side * len(columns) / 2, 11, "predicted", "middle", "soft"),
    ]
    for j, name in enumerate(columns):
        x, y = left + side * (j + 0.5) + 3, top - 5
        parts.append(text(x, y, words(name), "start", more=f' transform="rotate(-48 {num(x)} {num(y)})"'))
    ends = left + side * len(columns), top + tall * len(names)
    lines = [f"M{num(left)} {num(top + tall * i)}H{num(ends[0])}" for i in range(len(names) + 1)]
    lines += [f"M{num(left + side * j)} {num(top)}V{num(ends[1])}" for j in range(len(columns) + 1)]
    parts.append(f'<path class="grid" d="{"".join(lines)}"/>')
    for i, name in enumerate(names):
        total = sum(counts[i])
        parts.append(text(left - 5, top + tall * (i + 0.5) + 4, words(name), "end"))
        for j, count in enumerate(counts[i]):
            share = count / total if total else 0.0
            x, y = left + side * j, top + tall * i
            kind = "right" if i == j else "wrong"
            tip = f"{words(name, 60)} predicted as {words(columns[j], 60)}: {count:,} ({share * 100:.1f} %)"
            if count:
                # The lightest shade can be told from none, and on the darkest the count can be read, on light paper and dark.
                shade = f'fill-opacity="{num(0.06 + 0.5 * share)}"'
                parts.append(
                    f'<rect class="{kind}" {shade} x="{num(x)}" y="{num(y)}" width="{num(side)}" height="{num(tall)}"><title>{tip}</title></rect>'
                )
            shown = f"{count:,}" if count < 10000 else f"{count / 1000:.0f}k"
            if count and len(shown) * LETTER <= side - 2 and tall >= 13:
                parts.append(text(x + side / 2, y + tall / 2 + 4, shown, "middle", more=' pointer-events="none"'))
    right = sum(counts[i][i] for i in range(len(names)))
    end = top + tall * len(names) + 20
    parts.append(text(left, end - 4, f"{found.rows:,} rows, {len(found.classes)} classes", "start", "soft"))
    # Right among the classes that are added up is not known to be the very class: only the whole table counts it.
    if len(found.classes) <= SHOWN:
        return svg(end, "Confusion", f"{right:,} of {found.rows:,} rows right", parts)
    return svg(end, "Confusion", f"{found.rows:,} rows; the classes with most errors", parts)
