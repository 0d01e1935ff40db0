"""The life of a row: where it came from, what each step did to it, and where it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
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
    """``label`` is how people know the row: its source's key, or its file and place."""

    key: str
    label: str
    events: tuple[Event, ...]


def explain(program: Program, workspace: Workspace, step: str, text: str) -> list[Life]:
    """The lives of the rows that ``text`` names, as ``step`` and all steps before and after it saw them.

    ``text`` is a source's key (several columns joined by commas), ``file:row`` or a bare row number for a source without a
    key, or a ``_key`` or the start of one. Raises DataError when no row answers to it.
    """
    teller = Teller(program, workspace, step)
    if step not in teller.built:
        raise DataError(f"`{step}` is not built", f"recipec run --only {step}")
    keys = teller.find(step, text)
    if not keys:
        raise DataError(
            f"no row `{text}` in `{step}` or the steps it reads", "a row is named by its source's key, by file:row, or by its _key"
        )
    return [teller.life(k) for k in keys]


class Teller:
    def __init__(self, program: Program, workspace: Workspace, asked: str) -> None:
        self.program, self.workspace, self.con = program, workspace, workspace.con
        current = workspace.current(program_id(program))
        self.built: dict[str, Built] = {
            s.name: workspace.built[current[s.name]] for s in program.steps if s.name in current and current[s.name] in workspace.built
        }

        # Rows of sources that have nothing to do with each other may share a key.
        kin = {s.name for s in program.steps if asked in self.above(s.name)} | set(self.above(asked))
        every = [(s, self.built[s.name]) for s in program.steps if s.name in self.built and self.built[s.name].parts]
        self.tables = [(s, b) for s, b in every if s.name in kin]
        sources = [(s, b) for s, b in every if s.kind.name == "source"]
        self.sources = sorted(sources, key=lambda pair: pair[0].name not in kin)

    def above(self, name: str) -> list[str]:
        """The step and everything it reads."""
        out: list[str] = []
        queue = [name]
        while queue:
            current = queue.pop()
            if current not in out:
                out.append(current)
                resolved = self.program.resolved.get(current)
                queue.extend(p.step for p in resolved.parents) if resolved is not None else None
        return out

    # Finding

    def find(self, step: str, text: str) -> list[str]:
        wanted = self.above(step)
        keys: list[str] = []
        hexadecimal = re.fullmatch(r"[0-9a-fA-F][0-9a-fA-F-]{7,35}", text) is not None
        for resolved, built in self.tables:
            if resolved.name not in wanted:
                continue
            table = self.workspace.table(built.run_key)
            if hexadecimal:
                rows = self.con.execute(
                    f"SELECT _key::VARCHAR FROM {table} WHERE starts_with(_key::VARCHAR, ?) LIMIT 20", [text.lower()]
                ).fetchall()
                keys += [r[0] for r in rows]
            if resolved.kind.name == "source":
                keys += self.in_source(resolved, table, text)
        return list(dict.fromkeys(keys))[:20]

    def in_source(self, step: ResolvedStep, table: str, text: str) -> list[str]:
        plan = step.bound.plan
        if plan.key:
            values = [text] if len(plan.key) == 1 else [v.strip() for v in text.split(",")]
            if len(values) != len(plan.key):
                return []
            conditions = " AND ".join(f"{quote(k)}::VARCHAR = ?" for k in plan.key)
            rows = self.con.execute(f"SELECT _key::VARCHAR FROM {table} WHERE {conditions} LIMIT 20", values).fetchall()
            return [r[0] for r in rows]
        name, _, number = text.rpartition(":")
        if not number.isdigit():
            return []
        out = []
        for file in plan.files:
            if not name or file.name == name or file.name.endswith("/" + name):
                key = position_uuid(file.name, int(number))
                if self.con.execute(f"SELECT 1 FROM {table} WHERE _key = ?::UUID", [key]).fetchone():
                    out.append(key)
        return out

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
                for file in plan.files:
                    if (
                        UUID(key).int >> 104 == UUID(position_uuid(file.name, 0)).int >> 104
                        and UUID(key).int & LOW == UUID(position_uuid(file.name, 0)).int & LOW
                    ):
                        return f"{file.name}:{(UUID(key).int >> 64) & 0xFFFFFFFFFF}"
        return key

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
