"""The life of a row: where it came from, what each step did to it, why it was dropped, which part it fell in.

Everything is read from what the last run built; nothing is computed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.api import HIDDEN, literal, quote
from recipec.identity import position_key

if TYPE_CHECKING:
    from recipec.workspace.database import Built, Workspace

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
MOST_ROWS = 200
"""Rows made from one row that are followed; a text cut into more pieces than this is followed by its first ones."""


class NoSuchRow(Exception):
    """No row of that key; ``help`` says what keys look like."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message, self.help = message, help


@dataclass
class Event:
    """What one step did to one row. ``changed`` maps columns to their values before and after."""

    step: str
    kind: str
    key: str
    what: str
    """``read``, ``kept``, ``dropped``, ``made``, ``written``, ``gone``."""
    reason: str = ""
    because: str = ""
    part: str = ""
    to: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    added: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    parent: str = ""


@dataclass
class Life:
    key: str
    """The row's ``_key`` in the source it came from."""
    name: str
    """The value of the source's key columns, or its place in its file."""
    events: list[Event]


def reference(steps: Mapping[str, Built], text: str) -> tuple[Built, str | None] | None:
    """The step and part that a name like ``final.train`` means."""
    if text in steps:
        return steps[text], None
    head, _, tail = text.rpartition(".")
    return (steps[head], tail) if head in steps else None


def upstream(steps: Mapping[str, Built], target: str) -> list[str]:
    """The step and everything it reads, dependencies first."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        for text in steps[name].inputs:
            found = reference(steps, text)
            if found is not None:
                visit(found[0].step)
        order.append(name)

    visit(target)
    return order


class Tracer:
    """Follows a row through the steps that lead to one of them."""

    def __init__(self, workspace: Workspace, steps: Mapping[str, Built], target: str) -> None:
        self.workspace, self.con, self.steps, self.target = workspace, workspace.con, steps, target
        self.order = upstream(steps, target)
        self.sources = [n for n in self.order if steps[n].kind.startswith("source@")]

    # Finding the row

    def life(self, wanted: str) -> Life:
        """The life of the row that ``wanted`` names: a key's value, a place in a file, or a ``_key``. Raises NoSuchRow."""
        for source in self.sources:
            key = self.source_row(self.steps[source], wanted)
            if key is not None:
                return Life(key, self.name_of(source, key), list(self.events({key}, source)))
        if _UUID.fullmatch(wanted):
            for step in self.order:
                row = self.row(self.steps[step], wanted.lower())
                if row is not None:
                    top = self.ancestor(wanted.lower())
                    source = next((s for s in self.sources if self.row(self.steps[s], top) is not None), step)
                    return Life(top, self.name_of(source, top), list(self.events({top}, source)))
        raise NoSuchRow(f"no row `{wanted}` leads to `{self.target}`", self.hint())

    def source_row(self, source: Built, wanted: str) -> str | None:
        columns = source.meaning.get("settings.key") or []
        view = self.workspace.view(source.run_key)
        if columns:
            joined = " || ',' || ".join(f"({quote(c)})::VARCHAR" for c in columns)
            found = self.con.execute(f"SELECT _key FROM {view} WHERE {joined} = ? LIMIT 1", [wanted]).fetchone()
        else:
            file, _, number = wanted.rpartition(":")
            if not number.replace(",", "").isdigit():
                return None
            files = [f for f in source.files if f == file or f.rpartition("/")[2] == file] if file else list(source.files)[:1]
            row = int(number.replace(",", ""))
            keys = ", ".join(position_key(literal(f), str(row)) for f in files) or "NULL"
            found = self.con.execute(f"SELECT _key FROM {view} WHERE _key IN ({keys}) LIMIT 1").fetchone()
        return str(found[0]) if found else None

    def hint(self) -> str:
        """What keys look like in the first source."""
        for name in self.sources:
            source = self.steps[name]
            columns = source.meaning.get("settings.key") or []
            if not columns:
                return f"`{name}` has no key: name a row by its place, FILE:ROW, or by its _key"
            example = self.con.execute(
                f"SELECT {', '.join(map(quote, columns))} FROM {self.workspace.view(source.run_key)} LIMIT 1"
            ).fetchone()
            value = ",".join(map(str, example)) if example else "..."
            return f"keys of `{name}` are the values of {', '.join(columns)}: recipec explain {self.target} {value}"
        return ""

    def ancestor(self, key: str) -> str:
        """The row at the top of a derived row's family."""
        seen = {key}
        while True:
            parents = [
                str(r["_parent"]) for s in self.order if (r := self.row(self.steps[s], key)) is not None and r.get("_parent") is not None
            ]
            following = next((p for p in parents if p not in seen), None)
            if following is None:
                return key
            seen.add(following)
            key = following

    def name_of(self, source: str, key: str) -> str:
        """How people know the row: by its key's value, or its place."""
        built = self.steps[source]
        columns = built.meaning.get("settings.key") or []
        row = self.row(built, key)
        if row is not None and columns:
            return ",".join(str(row[c]) for c in columns)
        if row is not None and len(built.files) == 1:
            return f"{next(iter(built.files))} row {(int(key.replace('-', ''), 16) >> 64) & ((1 << 40) - 1):,}"
        return key

    # Following it

    def events(self, keys: set[str], start: str) -> Iterator[Event]:
        """What each step from ``start`` on did to the rows of the family."""
        alive: dict[str, set[str]] = {}
        for name in self.order:
            built = self.steps[name]
            if name == start:
                for key in sorted(keys):
                    row = self.row(built, key) or {}
                    values = {k: v for k, v in row.items() if k not in (*HIDDEN, *_BOOKS)}
                    yield Event(name, kind_of(built), key, "read", values=values, to=", ".join(list(built.files)[:3]))
                alive[name] = set(keys)
                continue
            inputs = [
                (found, text) for text in built.inputs if (found := reference(self.steps, text)) is not None and found[0].step in alive
            ]
            coming: dict[str, tuple[Built, str | None]] = {}
            for (before, part), _ in inputs:
                for key in sorted(alive[before.step]):
                    if self.visible(before, part, key):
                        coming.setdefault(key, (before, part))
            if not coming:
                continue
            alive[name] = set()
            for event in self.step(built, coming):
                if event.what in ("kept", "made"):
                    alive[name].add(event.key)
                yield event

    def step(self, built: Built, coming: Mapping[str, tuple[Built, str | None]]) -> Iterator[Event]:
        """What one step did to the rows that came to it."""
        kind = kind_of(built)
        if "to" in built.extra:
            yield Event(built.step, kind, sorted(coming)[0], "written", to=built.extra["to"])
            return
        if not built.parts:
            return
        for key, (before, part) in coming.items():
            row = self.row(built, key)
            made = [r for r in self.children(built, key) if str(r["_key"]) not in coming]
            if row is None and not made:
                yield Event(built.step, kind, key, "gone")
                continue
            old = self.values(before, part, key)
            for item in [*([row] if row is not None else []), *made]:
                event = Event(built.step, kind, str(item["_key"]), "kept" if item is row else "made", parent=key if item is not row else "")
                why = item.get("_why")
                if why is not None:
                    reasons = built.extra.get("reasons", [])
                    event.what = "dropped"
                    event.reason = reasons[why] if why < len(reasons) else str(why)
                    event.because = self.named(str(item.get("_because") or ""))
                else:
                    event.part = item.get("_part") or ""
                    new = {k: v for k, v in item.items() if k not in (*HIDDEN, *_BOOKS)}
                    event.added = {k: v for k, v in new.items() if k not in old}
                    event.changed = {k: (old[k], v) for k, v in new.items() if k in old and old[k] != v}
                    event.removed = [k for k in old if k not in new]
                yield event

    def visible(self, built: Built, part: str | None, key: str) -> bool:
        return (
            self.con.execute(f"SELECT 1 FROM {self.workspace.view(built.run_key, part)} WHERE _key = ?::UUID", [key]).fetchone() is not None
        )

    def values(self, built: Built, part: str | None, key: str) -> dict[str, Any]:
        found = self.fetch(f"SELECT * FROM {self.workspace.view(built.run_key, part)} WHERE _key = ?::UUID", key)
        return {k: v for k, v in found[0].items() if k not in HIDDEN} if found else {}

    def row(self, built: Built, key: str) -> dict[str, Any] | None:
        """The row of that key in a step's table, dropped or not, with the books' columns."""
        if not built.parts:
            return None
        found = self.fetch(f"SELECT * FROM {self.workspace.table(built.run_key)} WHERE _key = ?::UUID", key)
        return found[0] if found else None

    def children(self, built: Built, key: str) -> list[dict[str, Any]]:
        return self.fetch(
            f"SELECT * FROM {self.workspace.table(built.run_key)} WHERE _parent = ?::UUID ORDER BY _key LIMIT {MOST_ROWS}", key
        )

    def fetch(self, sql: str, key: str) -> list[dict[str, Any]]:
        result = self.con.execute(sql, [key])
        names = [d[0] for d in result.description]
        return [dict(zip(names, r, strict=True)) for r in result.fetchall()]

    def named(self, text: str) -> str:
        """A reason's details with the keys in it as people know them."""

        def name(found: re.Match[str]) -> str:
            key = found.group(0).lower()
            source = next((s for s in self.sources if self.row(self.steps[s], key) is not None), None)
            return self.name_of(source, key) if source is not None else key

        return _UUID.sub(name, text)


_BOOKS = ("_why", "_because", "_part")


def kind_of(built: Built) -> str:
    return built.kind.partition("@")[0]
