"""Two versions of a recipe: what changed in meaning, which steps re-run, and what became of the rows.

The level of a change is that of the farthest-reaching thing it touches: ``metadata`` (nothing that was built changes),
``model``, ``split`` (rows move between parts), ``labels``, ``rows``.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recipec.api import HIDDEN, DataError, quote
from recipec.plan.lock import static_keys
from recipec.plan.planner import Change, change, make_plan, paired, plain
from recipec.resolve.loading import load
from recipec.resolve.program import Program, ResolvedStep
from recipec.source import Source
from recipec.workspace.database import Built, Workspace

Level = Literal["none", "metadata", "model", "split", "labels", "rows"]
LEVELS: tuple[Level, ...] = ("none", "metadata", "model", "split", "labels", "rows")


@dataclass
class RowChanges:
    """Rows by key. ``moved`` counts rows now in another part; ``columns`` how many rows changed in each column."""

    before: int
    after: int
    came: int = 0
    went: int = 0
    changed: int = 0
    moved: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class StepDiff:
    """``status``: ``added``, ``removed``, ``renamed`` (from ``old_name``), ``changed`` (its own meaning), ``rerun`` (only its
    inputs'), ``same``."""

    name: str
    kind: str
    status: Literal["added", "removed", "renamed", "changed", "rerun", "same"]
    level: Level
    changes: list[Change] = field(default_factory=list)
    because: str = ""
    old_name: str | None = None
    rows: RowChanges | None = None


@dataclass
class Diff:
    steps: list[StepDiff]
    header: list[Change] = field(default_factory=list)

    @property
    def level(self) -> Level:
        levels = [s.level for s in self.steps if s.status != "same"]
        if self.header:
            levels.append("metadata")
        return max(levels, key=LEVELS.index, default="none")


def at_revision(revision: str, path: Path) -> Program:
    """The recipe as a git revision has it, its imports too; paths in it mean the files that lie there now.

    Raises DataError when there is no such revision or file in it.
    """
    folder = path.parent if path.parent != Path() else Path.cwd()
    top = git(folder, "rev-parse", "--show-toplevel").strip()

    def read(file: Path) -> str:
        name = file.resolve().relative_to(Path(top).resolve()).as_posix()
        try:
            return git(folder, "cat-file", "blob", f"{revision}:{name}")
        except DataError:
            raise FileNotFoundError(2, "not in that revision", str(file)) from None

    try:
        text = read(path)
    except FileNotFoundError:
        try:
            git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except DataError:
            raise DataError(f"`{revision}` is neither a file nor a revision that git knows") from None
        raise DataError(f"`{path}` is not in revision {revision}") from None
    return load(Source(str(path), text), read=read)


GUARDED = (
    "--no-pager",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.allow=never",
    "-c",
    "core.sshCommand=false",
)
QUIET = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": ""}
"""A repository's own configuration can name programs and servers; comparing recipes needs none of them."""


def git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *GUARDED, "-C", str(folder), *arguments], capture_output=True, check=False, env={**os.environ, **QUIET}
        )
    except FileNotFoundError:
        raise DataError("git is not installed", "compare two files instead: recipec diff OLD.recipe NEW.recipe") from None
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(f"git: {message[0] if message else f'no revision `{arguments[-1]}`'}")
    return done.stdout.decode("utf-8")


def compare(old: Program, new: Program) -> Diff:
    """What changed in meaning between two resolved recipes."""
    old_keys, new_keys = static_keys(old), static_keys(new)
    old_steps, new_steps = {s.name: s for s in old.steps}, {s.name: s for s in new.steps}
    gone = {n: k for n, k in old_keys.items() if n not in new_keys}
    out: list[StepDiff] = []
    for name, step in new_steps.items():
        kind = step.kind.name
        level: Level = step.kind.level
        before = old_steps.get(name)
        if before is None:
            twin = next((n for n, k in gone.items() if k == new_keys[name]), None)
            if twin is not None:
                del gone[twin]
                out.append(StepDiff(name, kind, "renamed", "metadata", old_name=twin))
            else:
                out.append(StepDiff(name, kind, "added", level))
        elif old_keys[name] == new_keys[name]:
            tests = guard_changes(before, step)
            out.append(StepDiff(name, kind, "changed", "metadata", tests) if tests else StepDiff(name, kind, "same", "none"))
        else:
            changes = field_changes(before, step)
            if before.kind is not step.kind:
                changes.insert(0, Change("kind", before.kind.name, step.kind.name))
            if changes:
                out.append(StepDiff(name, kind, "changed", level, changes))
            else:
                inputs = [str(p) for p in step.parents if old_keys.get(p.step) != new_keys[p.step]]
                why = f"{', '.join(inputs)} change{'s' * (len(inputs) == 1)}" if inputs else "it reads other steps"
                out.append(StepDiff(name, kind, "rerun", level, because=why))
    for name in gone:
        kind = old_steps[name].kind.name
        out.append(StepDiff(name, kind, "removed", old_steps[name].kind.level))
    return Diff(out, header_changes(old, new))


def header_changes(old: Program, new: Program) -> list[Change]:
    a: dict[str, Any] = {"name": old.recipe, **old.header.model_dump()}
    b: dict[str, Any] = {"name": new.recipe, **new.header.model_dump()}
    return [Change(k, plain(a[k]), plain(b[k])) for k in b if a[k] != b[k]]


def field_changes(old: ResolvedStep, new: ResolvedStep) -> list[Change]:
    """Fields of meaning that differ, in the words of the recipes."""
    a, b = dict(old.bound.meaning), dict(new.bound.meaning)
    out = []
    for name in (*b, *(n for n in a if n not in b)):
        if name == "order":
            continue
        before, after = canonical(a.get(name)), canonical(b.get(name))
        if before != after or (name in a) != (name in b):
            out.append(change(name, a, b, old.bound.shown, new.bound.shown))
    out = paired(out)
    if not out and canonical(a.get("order")) != canonical(b.get("order")):
        out.append(Change("the order of its statements", None, None))
    return out


def guard_changes(old: ResolvedStep, new: ResolvedStep) -> list[Change]:
    """Tests and limits that differ: they decide whether a run may go on, not what it makes."""
    a = {f"expect {t.name}": t for t in old.bound.tests}
    b = {f"expect {t.name}": t for t in new.bound.tests}
    out = [Change(n, None, n.removeprefix("expect ")) for n in b if n not in a]
    out += [Change(n, n.removeprefix("expect "), None) for n in a if n not in b]
    out += [Change(n, None, None) for n in b if n in a and a[n] != b[n]]
    limits: Mapping[str, Any] = old.bound.guards
    out += [Change(n.removeprefix("settings."), plain(limits.get(n)), plain(v)) for n, v in new.bound.guards.items() if limits.get(n) != v]
    return out


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True)


# Rows -----------------------------------------------------------------------------------------------------------------


def add_rows(diff: Diff, old: Program, new: Program, workspace: Workspace, examples: int = 3) -> None:
    """Where both versions of a changed step are built, say what became of its rows."""
    before = {p.name: p.built for p in make_plan(old, workspace).steps}
    after = {p.name: p.built for p in make_plan(new, workspace).steps}
    for step in diff.steps:
        a, b = before.get(step.old_name or step.name), after.get(step.name)
        if step.status in ("changed", "rerun") and a is not None and b is not None and a.parts and b.parts:
            step.rows = row_changes(workspace, a, b, examples)


def row_changes(workspace: Workspace, old: Built, new: Built, examples: int) -> RowChanges:
    """Compare two results of a step by row key."""
    con = workspace.con
    a, b = workspace.view(old.run_key), workspace.view(new.run_key)
    result = RowChanges(old.rows_out, new.rows_out)

    def one(sql: str) -> int:
        return int((con.execute(sql).fetchone() or (0,))[0])

    result.came = one(f"SELECT count(*) FROM {b} WHERE _key NOT IN (SELECT _key FROM {a})")
    result.went = one(f"SELECT count(*) FROM {a} WHERE _key NOT IN (SELECT _key FROM {b})")
    shared = [c for c in columns(workspace, b) if c in columns(workspace, a) and c not in HIDDEN]
    tests = {c: f"a.{quote(c)} IS DISTINCT FROM b.{quote(c)}" for c in shared}
    joined = f"{a} AS a JOIN {b} AS b ON a._key = b._key"
    if tests:
        counts = ", ".join(f"count(*) FILTER ({t})" for t in tests.values())
        row = con.execute(f"SELECT count(*) FILTER ({' OR '.join(tests.values())}), {counts} FROM {joined}").fetchone()
        if row is not None:
            result.changed = int(row[0])
            result.columns = {c: int(n) for c, n in zip(tests, row[1:], strict=True) if n}
    tables = (workspace.table(old.run_key), workspace.table(new.run_key))
    if all("_part" in columns(workspace, t) for t in tables):
        moved = f"SELECT count(*) FROM {tables[0]} AS a JOIN {tables[1]} AS b ON a._key = b._key WHERE a._part IS DISTINCT FROM b._part"
        result.moved = one(moved)
    for what, query in (
        ("came", f"SELECT * FROM {b} WHERE _key NOT IN (SELECT _key FROM {a}) ORDER BY _key LIMIT {examples}"),
        ("went", f"SELECT * FROM {a} WHERE _key NOT IN (SELECT _key FROM {b}) ORDER BY _key LIMIT {examples}"),
    ):
        found = con.execute(query)
        names = [d[0] for d in found.description]
        for row in found.fetchall():
            result.examples.append({"what": what, "row": {n: v for n, v in zip(names, row, strict=True) if n not in HIDDEN}})
    for column in list(result.columns)[:3]:
        found = con.execute(
            f"SELECT a._key, a.{quote(column)}, b.{quote(column)}, b.* FROM {joined} WHERE {tests[column]} ORDER BY a._key LIMIT {examples}"
        )
        names = [d[0] for d in found.description][3:]
        for key, was, now, *values in found.fetchall():
            shown = {n: v for n, v in zip(names, values, strict=True) if n not in HIDDEN and n not in result.columns}
            result.examples.append({"what": "changed", "key": str(key), "column": column, "old": was, "new": now, "row": shown})
    if result.moved:
        rows = con.execute(
            f"SELECT a._part, b._part, v.* FROM {tables[0]} AS a JOIN {tables[1]} AS b ON a._key = b._key JOIN {b} AS v ON v._key = b._key"
            f" WHERE a._part IS DISTINCT FROM b._part ORDER BY b._key LIMIT {examples}"
        )
        names = [d[0] for d in rows.description][2:]
        for was, now, *values in rows.fetchall():
            shown = {n: v for n, v in zip(names, values, strict=True) if n not in HIDDEN}
            result.examples.append({"what": "moved", "old": was, "new": now, "row": shown})
    return result


def columns(workspace: Workspace, relation: str) -> list[str]:
    return [r[0] for r in workspace.con.execute(f"DESCRIBE {relation}").fetchall()]
