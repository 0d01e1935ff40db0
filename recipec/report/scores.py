"""Tables of scores as text: the layout of scikit-learn's and seqeval's reports, with Chinese names aligned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.report.cells import clean, width

if TYPE_CHECKING:
    from recipec.metrics.tables import Line, Table

HEADERS = ("precision", "recall", "f1-score", "support")


def right_aligned(text: str, cells: int) -> str:
    return " " * max(0, cells - width(text)) + text


def classification_report(table: Table, digits: int = 2) -> str:
    """The table as ``sklearn.metrics.classification_report`` (and seqeval's, of entities) prints it, with no line end after the last line.

    Names take as many cells as a terminal gives them, so that columns stand under each other with Chinese names too.
    """
    names = [clean(x.name) for x in (*table.lines, *table.averages)]
    first = max([width(n) for n in names] + [len("weighted avg"), digits])

    def line(of: Line) -> str:
        values = "".join(f" {v:>9.{digits}f}" for v in (of.precision, of.recall, of.f1))
        return f"{right_aligned(clean(of.name), first)} {values} {of.support:>9}"

    out = [" " * first + " " + "".join(f" {h:>9}" for h in HEADERS), ""]
    out += [line(x) for x in table.lines]
    out.append("")
    if table.accuracy is not None:
        support = sum(x.support for x in table.lines)
        out.append(f"{right_aligned('accuracy', first)}  {'':>9} {'':>9} {table.accuracy:>9.{digits}f} {support:>9}")
    out += [line(x) for x in table.averages]
    return "\n".join(out)
