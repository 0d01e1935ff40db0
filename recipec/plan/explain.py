"""The life of a row: where it came from, what each step did to it, and where it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from hashlib import md5
from typing import Any
from uuid import UUID

from recipec.api import HIDDEN, DataError, literal, quote
from recipec.plan.planner import program_id
from recipec.registry import find
from recipec.resolve.program import Program, ResolvedStep
from recipec.syntax import tree
from recipec.workspace.database import Built, Workspace

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class ColumnChange:
    """A column that a step made or changed. ``by`` names the functions that its expression calls, in order."""

    column: str
    old: Any
    new: Any
    by: tuple[str, ...] = ()
    added: bool = False


@dataclass(frozen=True)
class Event:
    """What one step did to one row. ``parts`` are the parts of a split that it is in; ``reason`` why it was dropped."""

    step: str
    kind: str
    key: str
    parent: str | None
    kept: bool
    reason: str | None = None
    because: str | None = None
    parts: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    changes: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True)
class Life:
    """``label`` is how people know the row: its source's key, or its file and place. ``also`` are other rows that the same text could
    name, by what names each alone."""

    key: str
    label: str
    events: tuple[Event, ...]
    also: tuple[str, ...] = ()


def explain(program: Program, workspace: Workspace, step: str, text: str) -> list[Life]:
    """The lives of the rows that ``text`` names, as ``step`` and all steps before and after it saw them.

    ``text`` is a source's key (several columns joined by commas) or a whole ``_key``; else ``file:row`` or a bare row number, for a source
    without a key; else the start of a ``_key``. The first reading that any row answers to holds. Raises DataError when none does.
    """
    teller = Teller(program, workspace, step)
    if step not in teller.built:
        raise DataError(f"`{step}` is not built", f"recipec run --only {step}")
    keys, also = teller.find(step, text)
    if not keys:
        raise DataError(
            f"no row `{text}` in `{step}` or the steps it reads", "a row is named by its source's key, by file:row, or by its _key"
        )
    return [replace(teller.life(k), also=tuple(also)) for k in keys]


class Teller:
    def __init__(self, program: Program, workspace: Workspace, asked: str) -> None:
        self.program, self.workspace, self.con = program, workspace, workspace.con
        current = workspace.current(program_id(program))
        self.built: dict[str, Built] = {
            s.name: workspace.built[current[s.name]] for s in program.steps if s.name in current and current[s.name] in workspace.built
        }

        # Rows of sources that have nothing to do with each other may share a key.
        kin = {s.name for s in program.steps if asked in self.above(s.name)} | self.above(asked)
        every = [(s, self.built[s.name]) for s in program.steps if s.name in self.built and self.built[s.name].parts]
        self.tables = [(s, b) for s, b in every if s.name in kin]
        sources = [(s, b) for s, b in every if s.kind.name == "source"]
        self.by_file: dict[str, dict[tuple[int, int], str]] = {}
        self.sources = sorted(sources, key=lambda pair: pair[0].name not in kin)

    def above(self, name: str) -> set[str]:
        """The step and everything it reads."""
        return {s.name for s in self.program.above([name])}

    # Finding

    def find(self, step: str, text: str) -> tuple[list[str], list[str]]:
        """The keys of the rows meant, and the names of rows that were not meant though the text could name them."""
        wanted = self.above(step)
        tables = [(s, self.workspace.table(b.run_key)) for s, b in self.tables if s.name in wanted]
        sources = [(s, table) for s, table in tables if s.kind.name == "source"]
        whole = text.lower() if _UUID.fullmatch(text.lower()) else None
        named = [k for _, table in tables for k in self.keys(table, "_key = ?::UUID", [whole])] if whole else []
        named += [k for s, table in sources for k in self.by_key(s, table, text)]
        placed = [k for s, table in sources for k in self.by_place(s, table, text)]
        begun: list[str] = []
        if whole is None and re.fullmatch(r"[0-9a-fA-F][0-9a-fA-F-]{7,35}", text):
            begun = [k for _, table in tables for k in self.keys(table, "starts_with(_key::VARCHAR, ?)", [text.lower()])]
        first, *rest = [found for found in (named, placed, begun) if found] or [[]]
        keys = list(dict.fromkeys(first))[:20]
        others = dict.fromkeys(k for found in rest for k in found if k not in keys)
        return keys, [self.label(k) if k in placed else k for k in others][:20]

    def keys(self, table: str, condition: str, values: list[Any]) -> list[str]:
        rows = self.con.execute(f"SELECT _key::VARCHAR FROM {table} WHERE {condition} ORDER BY _key LIMIT 20", values).fetchall()
        return [r[0] for r in rows]

    def by_key(self, step: ResolvedStep, table: str, text: str) -> list[str]:
        """Rows of a source with a key, by its value."""
        key = step.bound.plan.key
        values = [text] if len(key) == 1 else [v.strip() for v in text.split(",")]
        if not key or len(values) != len(key):
            return []
        return self.keys(table, " AND ".join(f"{quote(k)}::VARCHAR = ?" for k in key), values)

    def by_place(self, step: ResolvedStep, table: str, text: str) -> list[str]:
        """Rows of a source without a key, by ``file:row`` or the row's number."""
        plan = step.bound.plan
        name, _, number = text.rpartition(":")
        # A place is a number of 40 bits (see position_uuid).
        if plan.key or not number.isdecimal() or len(number) > 13 or int(number) >= 1 << 40:
            return []
        files = [f for f in plan.names if not name or f == name or f.endswith(("/" + name, "!" + name))]
        wanted = [position_uuid(f, int(number)) for f in files]
        return self.keys(table, "_key IN (SELECT unnest(?::UUID[]))", [wanted]) if wanted else []

    # Telling

    def label(self, key: str) -> str:
        """How people know a row: by its source's key or place; its ``_key`` where no source knows it."""
        for step, built in self.sources:
            plan = step.bound.plan
            if plan.key:
                listed = ", ".join(f"{quote(k)}::VARCHAR" for k in plan.key)
                row = self.con.execute(f"SELECT {listed} FROM {self.workspace.table(built.run_key)} WHERE _key = ?::UUID", [key]).fetchone()
                if row is not None:
                    return ", ".join(str(v) for v in row)
            else:
                file = self.files(step).get((UUID(key).int >> 104, UUID(key).int & LOW))
                if file is not None:
                    return f"{file}:{(UUID(key).int >> 64) & 0xFFFFFFFFFF}"
        return key

    def files(self, step: ResolvedStep) -> dict[tuple[int, int], str]:
        """A source's files by what of a row's key tells the file."""
        if step.name not in self.by_file:
            ids = {name: UUID(position_uuid(name, 0)).int for name in step.bound.plan.names}
            self.by_file[step.name] = {(i >> 104, i & LOW): name for name, i in ids.items()}
        return self.by_file[step.name]

    def readable(self, text: str | None) -> str | None:
        """A reason with the keys in it as people know them."""
        return None if text is None else _UUID.sub(lambda m: self.label(m[0]), text)

    def life(self, key: str) -> Life:
        family = [key]
        # Upwards first: the rows that this one was made from.
        while True:
            parents = [
                r[0]
                for _, built in self.tables
                for r in self.con.execute(
                    f"SELECT DISTINCT _parent::VARCHAR FROM {self.workspace.table(built.run_key)} WHERE _parent IS NOT NULL AND _key = ?::UUID",
                    [family[0]],
                ).fetchall()
            ]
            fresh = [p for p in parents if p not in family]
            if not fresh:
                break
            family.insert(0, fresh[0])
        events: list[Event] = []
        for step, built in self.tables:
            found = self.rows(step, built, family)
            for event in found:
                if event.key not in family:
                    family.append(event.key)
            events += found
        return Life(key, self.label(family[0]), tuple(events))

    def rows(self, step: ResolvedStep, built: Built, family: list[str]) -> list[Event]:
        table = self.workspace.table(built.run_key)
        listed = ", ".join(f"{literal(k)}::UUID" for k in family)
        result = self.con.execute(f"SELECT * FROM {table} WHERE _key IN ({listed}) OR _parent IN ({listed}) ORDER BY _key LIMIT 50")
        names = [d[0] for d in result.description]
        events = []
        for row in result.fetchall():
            facts = dict(zip(names, row, strict=True))
            why, because, part = facts.pop("_why", None), facts.pop("_because", None), facts.pop("_part", None)
            key, parent = str(facts["_key"]), facts["_parent"]
            values = {k: v for k, v in facts.items() if k not in HIDDEN}
            reason = None
            if why is not None:
                reasons = built.extra.get("reasons", [])
                reason = reasons[why] if why < len(reasons) else "dropped"
            events.append(
                Event(
                    step.name, step.kind.name, key, None if parent is None else str(parent), why is None, reason, self.readable(because),
                    (part,) if part else (), values if why is None else {},
                    self.changes(step, values, key, parent, because) if why is None else (),
                )
            )  # fmt: skip
        return events

    def changes(
        self, step: ResolvedStep, values: dict[str, Any], key: str, parent: Any, because: str | None = None
    ) -> tuple[ColumnChange, ...]:
        """What a step changed in a row, against the row of its input with the same key, or its parent's. ``because`` of a row that
        was kept names what changed this one, of all that might have."""
        if step.kind.name == "source" or not step.inputs:
            return ()
        before: dict[str, Any] | None = None
        for ref in step.inputs:
            built = self.built.get(ref.step)
            if built is None:
                continue
            view = self.workspace.view(built.run_key, ref.part)
            for candidate in (key, str(parent)) if parent else (key,):
                result = self.con.execute(f"SELECT * FROM {view} WHERE _key = ?::UUID", [candidate])
                row = result.fetchone()
                if row is not None:
                    before = dict(zip([d[0] for d in result.description], row, strict=True))
                    break
            if before is not None:
                break
        if before is None:
            return ()
        made = functions_by_column(step.entry.node)
        if because is not None:
            told = because.split(", ")
            for applied in getattr(step.bound.plan, "applied", ()):
                for column in applied.change.columns:
                    made[column] = (*made.get(column, ()), *([applied.title] if applied.title in told else []))
        out = []
        for column, new in values.items():
            if column not in before:
                out.append(ColumnChange(column, None, new, made.get(column, ()), True))
            elif before[column] != new:
                out.append(ColumnChange(column, before[column], new, made.get(column, ())))
        return tuple(out)


LOW = (1 << 64) - 1


def position_uuid(file: str, row: int) -> str:
    """The key of a row known by its place: the number that :func:`recipec.identity.position_key` computes in SQL."""
    name = int.from_bytes(md5(file.encode("utf-8"), usedforsecurity=False).digest(), "little")
    return str(UUID(int=((((name & 0xFFFFFF) << 40) + row) << 64) + (name >> 64)))


def functions_by_column(node: tree.Step) -> dict[str, tuple[str, ...]]:
    """For each column that a step assigns, the functions and operators that make it, innermost first."""
    out: dict[str, list[str]] = {}
    for statement in node.body:
        if isinstance(statement, tree.Assign):
            calls = [n for n in tree.walk(statement.value) if isinstance(n, tree.Call)]
            out.setdefault(statement.column.id, []).extend(reversed([c.func.span.text for c in calls]))
        elif isinstance(statement, tree.Op) and statement.call.args and isinstance(statement.call.args[0].value, tree.Name):
            name = statement.call.func.span.text
            operator = find("operator", name)
            given = {a.name.id for a in statement.call.args if a.name is not None}
            if operator is not None and (operator.rewrites is True or operator.rewrites in given):
                out.setdefault(statement.call.args[0].value.id, []).append(name)
    return {c: tuple(dict.fromkeys(f)) for c, f in out.items()}
