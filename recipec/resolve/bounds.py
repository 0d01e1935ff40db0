"""Numbers that no value can reach: ``f1 > 90``, where f1 is a share of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from recipec.diagnostics import replace_fix
from recipec.resolve.problems import BadValue
from recipec.syntax import tree

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def beyond(condition: tree.Expr, most: Callable[[tree.Expr], float]) -> Iterator[BadValue]:
    """A finding for every number that a value is compared with and can never be as great as. ``most`` says what an expression is
    at most; infinity where that is not known."""
    for node in tree.walk(condition):
        match node:
            case tree.Binary(left=left, right=right) if node.op in COMPARISONS:
                pairs = [(left, right), (right, left)]
            case tree.Between(value=value, low=low, high=high):
                pairs = [(value, low), (value, high)]
            case _:
                continue
        for value, bound in pairs:
            if not isinstance(bound, tree.Number) or bound.value <= (highest := most(value)) or math.isinf(highest):
                continue
            what = " ".join(value.span.text.split())
            written = bound.span.text if bound.span.text[:1].isdigit() else f"{bound.value:g}"
            problem = BadValue(span=bound.span, message=f"`{what}` is at most {highest:g}, never {written}")
            if 1 < bound.value <= 100 and not bound.percent and written == bound.span.text:
                share = f"{bound.value:g}%"
                problem.put(label=f"did you mean `{share}`?", fixes=(replace_fix(bound.span, share, safe=False),))
            yield problem
