"""A chain of columns and filters as one SELECT, the reasons for dropping out of the same pass.

Every value that a statement computes becomes a column of its own, on a level above the values it reads; the levels are
nested SELECTs, so each value is computed once however often it is read. Filters do not filter: they set ``_why`` to the
number of the reason, and whatever comes after a filter is computed only for rows still in (``CASE WHEN _why IS NULL``),
so that a guard like ``drop where n is null`` protects what follows it. The last level keeps the wanted columns.
"""

from __future__ import annotations

import re
from dataclasses import field

from recipec.api import HIDDEN, ORDER, quote
from recipec.record import record
from recipec.resolve.sql import Fragment, join

WHY, BECAUSE = "_why", "_because"
_REFERENCE = re.compile(r'"(__[vw]\d+)"')


@record
class Levels:
    """Named values, each on a level above those that it reads; a level is a SELECT over the one below."""

    levels: list[list[tuple[str, Fragment]]] = field(default_factory=list)
    level_of: dict[str, int] = field(default_factory=dict)

    def put(self, name: str, fragment: Fragment) -> None:
        # References are quoted names that no recipe column may have. One seen in a text literal only costs a level.
        level = max((self.level_of.get(read, 0) for read in _REFERENCE.findall(fragment.text)), default=0) + 1
        self.level_of[name] = level
        while len(self.levels) < level:
            self.levels.append([])
        self.levels[level - 1].append((name, fragment))

    def over(self, source: str) -> Fragment | str:
        current: Fragment | str = source
        for level in self.levels:
            current = join("(SELECT *", *listed(level), " FROM ", current, ")")
        return current


@record
class Segment:
    """``columns`` is what the recipe sees now: column to the SQL reference that stands for it.

    ``run`` are the values as they are computed, ``bare`` the same without their guards, and ``conditions`` those of the filters: of the
    same types, which the binder finds in half the time.
    """

    columns: dict[str, str]
    ordered: bool = False
    first_reason: int = 0
    run: Levels = field(default_factory=Levels)
    bare: Levels = field(default_factory=Levels)
    conditions: list[Fragment] = field(default_factory=list)
    known: dict[tuple[str, str | None], str] = field(default_factory=dict)
    why: str = WHY
    filters: list[tuple[Fragment, int]] = field(default_factory=list)
    guard: str | None = None
    count: int = 0

    def value(self, fragment: Fragment, *, guarded: bool = True) -> str:
        """Give a computed value a name; the same SQL under the same guard is computed once."""
        self.flush()
        key = (fragment.text, self.guard if guarded else None)
        if key in self.known:
            return self.known[key]
        name = f"__v{self.count}"
        self.count += 1
        self.bare.put(name, fragment)
        if self.guard is not None and guarded:
            fragment = join(f"CASE WHEN {self.guard} IS NULL THEN ", fragment, " END")
        self.run.put(name, fragment)
        self.known[key] = quote(name)
        return quote(name)

    def assign(self, column: str, fragment: Fragment) -> None:
        if fragment.simple and fragment.text.startswith('"'):
            self.columns[column] = fragment.text
        else:
            self.columns[column] = self.value(fragment)

    def drop(self, condition: Fragment, reason: int) -> None:
        """Rows for which ``condition`` is true are dropped under reason number ``reason``."""
        self.filters.append((condition, reason))
        self.conditions.append(condition)

    def flush(self) -> None:
        """Close a run of filters: what is computed from here on is computed for the rows still in."""
        if not self.filters:
            return
        name = f"__w{self.count}"
        self.count += 1
        parts: list[str | Fragment] = [f"CASE WHEN {self.why} IS NOT NULL THEN {self.why}"]
        for condition, reason in self.filters:
            parts += [" WHEN ", condition, f" THEN {reason}"]
        self.run.put(name, join(*parts, " END"))
        self.filters.clear()
        self.why = self.guard = quote(name)

    def undo_last_drop(self) -> None:
        """Take back the filter added last, closed already or not: to type its condition alone."""
        if self.filters:
            self.filters.pop()
            return
        for level in self.run.levels:
            level[:] = [(name, fragment) for name, fragment in level if quote(name) != self.why]
        self.why = WHY

    def hidden(self) -> list[str]:
        return [h for h in HIDDEN if h != ORDER or self.ordered]

    def query(self, source: str, *, extra: list[tuple[str, Fragment]] | None = None) -> Fragment:
        """The SELECT over ``source``, a table, or a subquery in parentheses, with the hidden columns and ``_why``."""
        self.flush()
        hidden = [quote(h) for h in self.hidden()]
        columns = [f"{reference} AS {quote(name)}" for name, reference in self.columns.items()]
        head = f"SELECT {', '.join([*hidden, *columns, f'{self.why} AS {quote(WHY)}', quote(BECAUSE)])}"
        return join(head, *listed(extra or []), " FROM ", self.run.over(source))

    def types_query(self, table: str, extra: list[tuple[str, Fragment]]) -> Fragment:
        """A SELECT whose columns have the types of those of :meth:`query`, without the hidden ones; what it takes to compute them is
        bound in it, but never computed."""
        columns = ", ".join(f"{reference} AS {quote(name)}" for name, reference in self.columns.items()) or 'NULL AS "__none"'
        conditions = [(f"__d{n}", condition) for n, condition in enumerate(self.conditions)]
        return join(f"SELECT {columns}", *listed([*conditions, *extra]), " FROM ", self.bare.over(table))


def listed(columns: list[tuple[str, Fragment]]) -> list[str | Fragment]:
    out: list[str | Fragment] = []
    for name, fragment in columns:
        out += [", ", fragment, f" AS {quote(name)}"]
    return out
