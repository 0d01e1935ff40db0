"""``rule-never-fires``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._facts import TRUE
from recipec.lints._tables import Judged, throughout
from recipec.lints._view import View
from recipec.syntax import tree


@lint("rule-never-fires")
class RuleNeverFires(Lint):
    """A filter that can drop no row, or that must drop every row, whatever the data; a labelling rule that can never vote.

    What earlier filters, tests and constants say of the rows decides it: ``drop where n < 5`` after ``keep where n >= 10``,
    the same condition twice, ``length(text) < 0``. The facts are followed through steps, ``def``, ``param`` and ``rename``. Such a
    filter is a slip: a wrong number, a wrong column, ``and`` for ``or``. It is counted in the report with 0 rows, where
    nobody looks for it.

    Snorkel (Ratner and others, VLDB 2017) sums up every labelling rule by its coverage, the share of rows that it votes on: a
    rule that never votes teaches nothing, and its author believes that it does.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows {
      drop where words(text) < 5  as "too short"
      drop where words(text) < 3  as "much too short"
    }
    ```

    Good: one of them.

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    clean tidy from rows { drop where words(text) < 5  as "too short" }
    ```

    Silence: ``# allow: rule-never-fires because --set may lower least_words``.
    """

    name = "rule-never-fires"
    code = "W309"

    @classmethod
    def find(cls, view: View) -> Iterator[RuleNeverFires]:
        for judged in throughout(view.tables.judged):
            node = judged.statement
            if isinstance(node, tree.Expect):
                continue
            if isinstance(node, tree.When):
                # One that always votes is a class for the rest.
                if not judged.mask & TRUE:
                    yield cls.of(judged, "no row that comes here can meet this condition: the rule never votes")
                continue
            keep = node.action == "keep"
            if keep and not judged.mask & TRUE:
                message = "no row can pass this filter: it drops everything"
            elif keep and judged.mask == TRUE:
                message = "every row passes this filter: it drops nothing"
            elif not keep and not judged.mask & TRUE:
                message = "no row that comes here can meet this condition: it drops nothing"
            elif not keep and judged.mask == TRUE:
                message = "every row that comes here meets this condition: it drops everything"
            else:
                continue
            yield cls.of(judged, message)

    @classmethod
    def of(cls, judged: Judged, message: str) -> RuleNeverFires:
        node = judged.statement
        grounds = [g for g in judged.grounds if g != node.span][:3]
        return cls(
            span=node.condition.span,
            message=message,
            label="always so" if judged.mask == TRUE else "never so",
            also=tuple(Label(g, "after this") for g in grounds),
            help=("remove it, or mend its condition",),
        )
