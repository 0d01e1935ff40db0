"""What is known of the rows that pass a step: filters and tests leave facts behind, and later conditions are held against them.

SQL's three truth values are masks: TRUE, FALSE and NULL may each be possible. Everything errs towards "possible": what is
said never to happen cannot happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from recipec.lints._values import COUNTS, SHARES, TOTALS, Values
from recipec.source import Span

TRUE, FALSE, NULL = 1, 2, 4
ANY = TRUE | FALSE | NULL
INFINITY = float("inf")
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Fact(NamedTuple):
    """What is known of one value. Numbers lie between ``low`` and ``high`` (with it where ``_in``); texts are among ``only``
    and not among ``never``; ``null`` says that it may be null; ``truth`` which truth values it may have."""

    low: float = -INFINITY
    low_in: bool = True
    high: float = INFINITY
    high_in: bool = True
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    null: bool = True
    truth: int = ANY
    why: Span | None = None


NOTHING = Fact()
AT_LEAST_ZERO, TOTAL, SHARE = Fact(low=0), Fact(low=0, null=False), Fact(low=0, high=1, null=False)
Facts = dict[int, Fact]


class Reasoner:
    """Holds conditions against facts."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def fact(self, value: int, facts: Mapping[int, Fact]) -> Fact:
        known = facts.get(value)
        if known is not None:
            return known
        shape = self.values.shape[value]
        if shape[0] != "call":
            return NOTHING
        name = shape[1]
        return AT_LEAST_ZERO if name in COUNTS else TOTAL if name in TOTALS else SHARE if name in SHARES else NOTHING

    # What a condition may be

    def possible(self, value: int, facts: Mapping[int, Fact]) -> int:
        """The truth values that a condition can have for a row of which ``facts`` hold."""
        shape = self.values.shape[value]
        mask = self._possible(shape, facts)
        known = facts.get(value)
        return mask & known.truth if known is not None else mask

    def _possible(self, shape: tuple[Any, ...], facts: Mapping[int, Fact]) -> int:
        match shape[0]:
            case "bool":
                return TRUE if shape[1] else FALSE
            case "null":
                return NULL
            case "unary" if shape[1] == "not":
                inner = self.possible(shape[2], facts)
                return (TRUE if inner & FALSE else 0) | (FALSE if inner & TRUE else 0) | (inner & NULL)
            case "binary" if shape[1] in ("and", "or"):
                return self.both(shape[1], self.possible(shape[2], facts), self.possible(shape[3], facts))
            case "binary" if shape[1] in OPPOSITE:
                return self.compared(shape[1], shape[2], shape[3], facts)
            case "binary" if shape[1] in ("in", "not in"):
                mask = self.among(shape[2], shape[3], facts)
                if shape[1] == "not in":
                    mask = (TRUE if mask & FALSE else 0) | (FALSE if mask & TRUE else 0) | (mask & NULL)
                return mask
            case "null?":
                known = facts.get(shape[1])
                kind = self.values.shape[shape[1]][0]
                if kind in ("number", "text", "bool") or (known is not None and not known.null):
                    return FALSE
                return TRUE | FALSE
            case _:
                return ANY

    @staticmethod
    def both(op: str, a: int, b: int) -> int:
        """``and`` and ``or`` of SQL: for ``and``, a false side decides; for ``or``, a true one."""
        decisive, other = (FALSE, TRUE) if op == "and" else (TRUE, FALSE)
        out = 0
        if (a | b) & decisive:
            out |= decisive
        if a & other and b & other:
            out |= other
        if (a & NULL and b & (NULL | other)) or (b & NULL and a & (NULL | other)):
            out |= NULL
        return out

    def compared(self, op: str, left: int, right: int, facts: Mapping[int, Fact]) -> int:
        v = self.values
        a, b = v.shape[left], v.shape[right]
        if a[0] == b[0] and a[0] in ("number", "text"):
            return TRUE if decide(op, a[1], b[1]) else FALSE
        if left == right:
            null = NULL if self.fact(left, facts).null else 0
            return (TRUE if op in ("==", "<=", ">=") else FALSE) | null
        if a[0] in ("number", "text"):
            op, left, right, b = FLIPPED[op], right, left, a
        known = self.fact(left, facts)
        null = NULL if known.null else 0
        if b[0] == "number" and v.is_number(left):
            out = 0
            if met(narrowed(known, op, b[1], v.is_whole(left))):
                out |= TRUE
            if met(narrowed(known, OPPOSITE[op], b[1], v.is_whole(left))):
                out |= FALSE
            return out | null
        if b[0] == "text" and op in ("==", "!=") and v.type(left) == "VARCHAR":
            same = (known.only is None or b[1] in known.only) and b[1] not in known.never
            other = known.only is None or bool(known.only - known.never - {b[1]})
            if op == "!=":
                same, other = other, same
            return (TRUE if same else 0) | (FALSE if other else 0) | null
        return ANY

    def texts(self, value: int) -> frozenset[str] | None:
        """The texts of a list of nothing else."""
        shape = self.values.shape[value]
        if shape[0] != "list":
            return None
        parts = [self.values.shape[p] for p in shape[1:]]
        return frozenset(p[1] for p in parts) if all(p[0] == "text" for p in parts) else None

    def among(self, value: int, listed: int, facts: Mapping[int, Fact]) -> int:
        texts = self.texts(listed)
        if texts is None or self.values.type(value) != "VARCHAR":
            return ANY
        known = self.fact(value, facts)
        inside = bool((texts if known.only is None else texts & known.only) - known.never)
        outside = known.only is None or bool(known.only - texts - known.never)
        return (TRUE if inside else 0) | (FALSE if outside else 0) | (NULL if known.null else 0)

    # What follows from a condition

    def assume(self, value: int, mask: int, facts: Facts, why: Span) -> None:
        """Note in ``facts`` that a condition has one of the truth values of ``mask``: TRUE, FALSE, or FALSE | NULL."""
        shape = self.values.shape[value]
        kind = shape[0]
        if kind == "unary" and shape[1] == "not":
            if mask in (TRUE, FALSE):
                self.assume(shape[2], FALSE if mask == TRUE else TRUE, facts, why)
        elif kind == "binary" and shape[1] in ("and", "or"):
            if (shape[1] == "and") == (mask == TRUE):
                self.assume(shape[2], mask, facts, why)
                self.assume(shape[3], mask, facts, why)
        elif kind == "binary" and shape[1] in OPPOSITE:
            self.compare(shape[1], shape[2], shape[3], mask, facts, why)
        elif kind == "binary" and shape[1] in ("in", "not in"):
            texts = self.texts(shape[3])
            if texts is not None and self.values.type(shape[2]) == "VARCHAR":
                inside = (shape[1] == "in") == (mask == TRUE)
                self.learn(shape[2], facts, why, mask, only=texts if inside else None, never=frozenset() if inside else texts)
        elif kind == "null?" and mask != TRUE:
            facts[shape[1]] = self.fact(shape[1], facts)._replace(null=False, why=why)
        known = facts.get(value, NOTHING)
        facts[value] = known._replace(truth=known.truth & mask, why=why)

    def learn(
        self, value: int, facts: Facts, why: Span, mask: int, *, only: frozenset[str] | None = None, never: frozenset[str] = frozenset()
    ) -> None:
        known = self.fact(value, facts)
        kept = known.only if only is None else only if known.only is None else known.only & only
        facts[value] = known._replace(only=kept, never=known.never | never, null=known.null and bool(mask & NULL), why=why)

    def compare(self, op: str, left: int, right: int, mask: int, facts: Facts, why: Span) -> None:
        v = self.values
        if v.shape[left][0] in ("number", "text"):
            op, left, right = FLIPPED[op], right, left
        constant = v.shape[right]
        if mask != TRUE:
            op = OPPOSITE[op]
        if constant[0] == "number" and v.is_number(left):
            made = narrowed(self.fact(left, facts), op, constant[1], v.is_whole(left))
            facts[left] = made._replace(null=made.null and bool(mask & NULL), why=why)
        elif constant[0] == "text" and op in ("==", "!=") and v.type(left) == "VARCHAR":
            one = frozenset({constant[1]})
            self.learn(left, facts, why, mask, only=one if op == "==" else None, never=one if op == "!=" else frozenset())

    def grounds(self, value: int, facts: Mapping[int, Fact]) -> list[Span]:
        """The statements whose facts a condition was held against."""
        found: list[Span] = []
        stack, seen = [value], set[int]()
        while stack:
            top = stack.pop()
            if top in seen:
                continue
            seen.add(top)
            known = facts.get(top)
            if known is not None and known.why is not None:
                found.append(known.why)
            shape = self.values.shape[top]
            if shape[0] in ("unary", "binary", "null?"):
                stack += [p for p in shape[1:] if isinstance(p, int)]
        return list(dict.fromkeys(found))


def decide(op: str, a: Any, b: Any) -> bool:
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[op])


def narrowed(known: Fact, op: str, bound: float, whole: bool) -> Fact:
    """A number's fact when it also compares so to ``bound``; of a whole number, ``n > 4`` is ``n >= 5``."""
    low, low_in, high, high_in = known.low, known.low_in, known.high, known.high_in
    if whole and isinstance(bound, int) and op in ("<", ">"):
        op, bound = ("<=", bound - 1) if op == "<" else (">=", bound + 1)
    if op == "!=":
        # Taking one number away narrows only where it is the end.
        if bound == low and low_in:
            low_in = False
        if bound == high and high_in:
            high_in = False
        if whole and isinstance(bound, int):
            if not low_in and bound == low:
                low, low_in = bound + 1, True
            if not high_in and bound == high:
                high, high_in = bound - 1, True
        return known._replace(low=low, low_in=low_in, high=high, high_in=high_in)
    if op in (">", ">=", "==") and (bound > low or (bound == low and op == ">")):
        low, low_in = bound, op != ">"
    if op in ("<", "<=", "==") and (bound < high or (bound == high and op == "<")):
        high, high_in = bound, op != "<"
    return known._replace(low=low, low_in=low_in, high=high, high_in=high_in)


def met(fact: Fact) -> bool:
    """Whether any number is left."""
    return fact.low < fact.high or (fact.low == fact.high and fact.low_in and fact.high_in)
