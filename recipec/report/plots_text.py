"""Drawings of scores for a terminal: confusion and calibration, with columns that stand under each other in any script."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from recipec.report.cells import clean, clip, pad, width
from recipec.report.plots import fewer

if TYPE_CHECKING:
    from recipec.metrics.curves import Calibration
    from recipec.metrics.tables import Confusion

SHADES = " ░▒▓█"
PLAIN_SHADES = " .:*#"
EIGHTHS = " ▏▎▍▌▋▊▉█"


def confusion_lines(found: Confusion, room: int = 100, unicode: bool = True) -> list[str]:
    """Gold classes down, predicted ones across, counts with a shade for their share of the row; a dot for none. Columns carry letters, since
    names would not fit; as many classes as ``room`` cells hold are shown, those with most errors."""
    if not found.classes:
        return ["no rows"]
    shades = SHADES if unicode else PLAIN_SHADES
    digits = max(3, len(f"{max(max(map(max, found.counts)), max(found.none, default=0)):,}"))
    label = min(24, max(width(clean(c)) for c in found.classes), max(8, room // 4))
    most = max(2, (room - label - 6) // (digits + 2) - 1)
    names, counts, none = fewer(found, min(26, most))
    codes = [chr(97 + i) for i in range(len(names))]
    heads = [*codes, *(["none"] if any(none) else [])]
    rows = [[*row, *([n] if any(none) else [])] for row, n in zip(counts, none, strict=True)]
    more = "…" if unicode else "..."
    out = [" " * (label + 3) + "".join(pad(h, digits + 2, right=True) for h in heads)]
    for code, name, row in zip(codes, names, rows, strict=True):
        total = sum(row)
        shown = "".join(
            pad((f"{n:,}" if n else "·" if unicode else "."), digits + 1, right=True) + (shades[math.ceil(4 * n / total)] if n else " ")
            for n in row
        )
        out.append(f"{pad(clip(clean(name, unicode), label, more), label, right=True)} {code} {shown}".rstrip())
    return out


def calibration_lines(found: Calibration, room: int = 100, unicode: bool = True) -> list[str]:
    """A line a bin: how sure, a bar for how often right with a mark at what was claimed, the two numbers, the rows."""
    if not found.bins or found.ece is None:
        return ["no rows with probabilities"]
    bar = max(10, min(50, room - 46))
    out = [f"{'sure':>13}  {'right'.ljust(bar)}  {'right':>6} {'claimed':>8} {'rows':>9}"]
    for b in found.bins:
        drawn = blocks(b.accuracy, bar, unicode)
        at = min(bar - 1, round(b.confidence * bar))
        drawn = drawn[:at] + ("│" if unicode else "|") + drawn[at + 1 :]
        sure = f"{b.low * 100:5.1f}-{b.high * 100:.1f} %"
        out.append(f"{sure:>13}  {drawn}  {b.accuracy * 100:5.1f}% {b.confidence * 100:7.1f}% {b.rows:>9,}")
    out.append(f"calibration error {found.ece:.3f} on {found.rows:,} rows")
    return out


def blocks(share: float, room: int, unicode: bool = True) -> str:
    """A bar of ``room`` cells, filled by ``share``, to an eighth of a cell."""
    share = min(1.0, max(0.0, share))
    if not unicode:
        return ("#" * round(share * room)).ljust(room)
    eighths = round(share * room * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (EIGHTHS[rest] if rest else "")).ljust(room)
