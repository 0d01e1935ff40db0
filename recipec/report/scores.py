"""Tables of scores as text: the layout of scikit-learn's and seqeval's reports, with Chinese names aligned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recipec.report.cells import clean, pad, width

if TYPE_CHECKING:
    from recipec.metrics.curves import Calibration, Curve
    from recipec.metrics.tables import Confusion, Line, Table

HEADERS = ("precision", "recall", "f1-score", "support")


def classification_report(table: Table, digits: int = 2) -> str:
    """The table as ``sklearn.metrics.classification_report`` (and seqeval's, of entities) prints it, with no line end after the last line.

    Names take as many cells as a terminal gives them, so that columns stand under each other with Chinese names too.
    """
    names = [clean(x.name) for x in (*table.lines, *table.averages)]
    first = max([width(n) for n in names] + [len("weighted avg"), digits])

    def line(of: Line) -> str:
        values = "".join(f" {v:>9.{digits}f}" for v in (of.precision, of.recall, of.f1))
        return f"{pad(clean(of.name), first, right=True)} {values} {of.support:>9}"

    out = [" " * first + " " + "".join(f" {h:>9}" for h in HEADERS), ""]
    out += [line(x) for x in table.lines]
    out.append("")
    if table.accuracy is not None:
        support = sum(x.support for x in table.lines)
        out.append(f"{pad('accuracy', first, right=True)}  {'':>9} {'':>9} {table.accuracy:>9.{digits}f} {support:>9}")
    out += [line(x) for x in table.averages]
    return "\n".join(out)


# As a run has kept them ----------------------------------------------------------------------------------------------


def read_table(kept: Mapping[str, Any]) -> Table:
    """A table of the form that ``asdict`` and JSON leave."""
    from recipec.metrics.tables import Line, Table

    lines, averages = (tuple(Line(**x) for x in kept[name]) for name in ("lines", "averages"))
    return Table(lines, averages, kept.get("accuracy"), tuple(kept.get("notes", ())))


def read_confusion(kept: Mapping[str, Any]) -> Confusion:
    from recipec.metrics.tables import Confusion

    return Confusion(tuple(kept["classes"]), tuple(tuple(row) for row in kept["counts"]), tuple(kept["none"]))


def read_curve(kept: Mapping[str, Any]) -> Curve:
    from recipec.metrics.curves import Curve

    return Curve(kept["name"], tuple((x, y) for x, y in kept["points"]), kept["area"], kept.get("base"))


def read_calibration(kept: Mapping[str, Any]) -> Calibration:
    from recipec.metrics.curves import Bin, Calibration

    return Calibration(tuple(Bin(**b) for b in kept["bins"]), kept["ece"], kept["rows"])
