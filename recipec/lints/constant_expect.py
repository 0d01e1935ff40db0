"""``constant-expect``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.lints._base import Lint
from recipec.lints._facts import TRUE
from recipec.lints._tables import throughout
from recipec.lints._view import View
from recipec.syntax import tree


@lint("constant-expect")
class ConstantExpect(Lint):
    """A test that no data can fail, or none can pass.

    ``expect overlap(a.x, b.x) >= 0`` is true of any two tables: the author meant ``== 0``, and believes the tables apart.
    Lengths and counts are never below zero, shares lie between 0 % and 100 %.

    Breck and others (The ML Test Score, IEEE Big Data 2017) score a system by, among others, the tests that it makes of its
    data. One that cannot fail scores and protects nobody.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    expect whole from rows { expect missing(rows.text) >= 0 }
    ```

    Good:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    expect whole from rows { expect missing(rows.text) == 0 }
    ```

    Silence: ``# allow: constant-expect because it shows the form``.
    """

    name = "constant-expect"
    code = "W311"

    @classmethod
    def find(cls, view: View) -> Iterator[ConstantExpect]:
        for judged in throughout(view.tables.judged):
            node = judged.statement
            if not isinstance(node, tree.Expect):
                continue
            if judged.mask == TRUE:
                message, label = "no data can fail this test", "always true"
            elif not judged.mask & TRUE:
                message, label = "no row can pass this test", "never true"
            else:
                continue
            yield cls(span=node.condition.span, message=message, label=label, help=("compare with what the data must be",))
