"""What a run would do, and why: for each step reuse or run, and the field that made it so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

from recipec.api import TableRef
from recipec.plan.fingerprint import file_digests, guards_key, run_key
from recipec.plan.wording import contrast, two, value
from recipec.resolve.program import Program, ResolvedStep
from recipec.resolve.prompts import known_name
from recipec.workspace.database import Built, Workspace


@dataclass(frozen=True)
class Change:
    """A field of a step that is not what it was. None stands for "was not there" or "is gone"."""

    field: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        action, _, words = self.field.partition(": ")
        of_filter = action in ("keep", "drop") and bool(words)
        own = of_filter and words.startswith(f"{action} where ")
        name = words if own else f'{action} "{words}"' if of_filter else self.field
        if self.old is None or self.new is None:
            return name + (" added" if self.new is not None else " removed" if self.old is not None else "")
        old, new = contrast(self.old, self.new)
        return f"{f'{action} where' if own else name}: {old} -> {new}"


@dataclass
class Planned:
    """``run_key`` is None while an input's output is not known. ``built`` is the result to reuse, or, where the step runs only
    because its tests changed or its files are gone, the one whose rows it will give again. ``previous`` is the last result."""

    step: ResolvedStep
    status: Literal["reuse", "run"]
    why: str
    changes: list[Change] = field(default_factory=list)
    run_key: str | None = None
    built: Built | None = None
    previous: Built | None = None

    @property
    def name(self) -> str:
        return self.step.name


@dataclass
class Plan:
    program: Program
    steps: list[Planned]
    online: bool = False
    """Whether the places elsewhere that sources lie at were asked; else they are as their last copies have them."""

    @property
    def to_run(self) -> list[Planned]:
        return [p for p in self.steps if p.status == "run"]

    def __getitem__(self, name: str) -> Planned:
        return next(p for p in self.steps if p.name == name)


def make_plan(program: Program, workspace: Workspace, only: Sequence[str] | None = None, news: Mapping[str, str] | None = None) -> Plan:
    """Compare every step with what the workspace holds; ``only``: the named ones and everything they read. ``news`` says by step what has
    changed where it lies elsewhere, if that was asked."""
    previous = workspace.current(program_id(program))
    planned: dict[str, Planned] = {}
    for step in program.above(only) if only else program.steps:
        if news is not None and step.name in news:
            before = workspace.built.get(previous.get(step.name, ""))
            planned[step.name] = Planned(step, "run", news[step.name], [], None, None, before)
        else:
            planned[step.name] = plan_step(step, workspace, planned, previous)
    return Plan(program, list(planned.values()), news is not None)


def program_id(program: Program) -> str:
    """How the workspace knows a recipe: its file's name."""
    return program.root.source.path.replace("\\", "/").rpartition("/")[2]


def plan_step(step: ResolvedStep, workspace: Workspace, planned: dict[str, Planned], previous: dict[str, str]) -> Planned:
    before = workspace.built.get(previous.get(step.name, ""))
    if not step.bound.fetched:
        return Planned(step, "run", f"{step.bound.mirrors[0].address} is not copied yet", [], None, None, before)
    files = file_digests(workspace, step.bound.files)
    inputs: list[tuple[str, str | None]] = []
    waiting: list[TableRef] = []
    for ref in step.parents:
        parent = planned[ref.step]
        if parent.built is not None:
            inputs.append((parent.built.output_id, ref.part))
        else:
            waiting.append(ref)
    if waiting:
        names = ", ".join(dict.fromkeys(f"`{r.step}`" for r in waiting))
        changes = changed_fields(step, before, files) if before else []
        more = f" (+{len(changes) - 1} more)" if len(changes) > 1 else ""
        why = f"{changes[0]}{more}" if changes else f"input {names} " + ("changes" if before else "is to run")
        return Planned(step, "run", why if before else "new", changes, None, None, before)
    key = run_key(step, inputs, files)
    built = workspace.built.get(key)
    if built is not None and (problem := stale(built, step, workspace)) is None:
        return Planned(step, "reuse", "", [], key, built, before)
    if built is not None:
        # Its rows are known all the same: what is below may be reused.
        return Planned(step, "run", problem or "", [], key, built, before or built)
    if before is None:
        return Planned(step, "run", "new", [], key, None, None)
    changes = changed_fields(step, before, files)
    if not changes:
        moved = [r for r, (output, _) in zip(step.parents, inputs, strict=True) if before.inputs.get(str(r)) not in (None, output)]
        names = ", ".join(f"`{r}`" for r in moved) or "its inputs"
        return Planned(step, "run", f"{names} changed" if moved else "reads other steps", [], key, None, before)
    more = f" (+{len(changes) - 1} more)" if len(changes) > 1 else ""
    return Planned(step, "run", f"{changes[0]}{more}", changes, key, None, before)


def stale(built: Built, step: ResolvedStep, workspace: Workspace) -> str | None:
    """Why a finished step cannot be reused as it is: its tests changed, or files that it wrote are gone or were changed."""
    if (why := out_of_reach(built, workspace)) is not None:
        return why
    if built.guards != guards_key(step):
        return "its tests changed" if built.guards else "its tests failed"
    return step.kind.stale(step.bound.plan, built.extra) or overwritten(built, workspace)


def out_of_reach(built: Built, workspace: Workspace) -> str | None:
    """Why the rows of a finished step cannot be read: they lie in an object store (:mod:`recipec.workspace.rows`) that this run does not know."""
    return None if built.store in (None, workspace.rows_at) else "its rows lie in a store: set RECIPEC_ROWS"


def overwritten(built: Built, workspace: Workspace) -> str | None:
    """Whether another result was written to an export's place since: files of that one may lie among its own."""
    to = built.extra.get("to")
    if to is None or built.meaning.get("settings.mode") == "append":
        return None
    later = any(other.extra.get("to") == to and other.run > built.run for other in workspace.built.values())
    return f"another version of `{to}` was written since" if later else None


def changed_fields(step: ResolvedStep, before: Built, files: dict[str, str]) -> list[Change]:
    """Field by field, what the step meant when it was built last and what it means now."""
    out: list[Change] = []
    kind = f"{step.kind.name}@{step.kind.version}"
    if before.kind != kind:
        out.append(Change("kind", before.kind, kind))
    new, old = dict(step.bound.meaning), before.meaning
    for name in (*new, *(n for n in old if n not in new)):
        if name == "order":
            continue
        a, b = json.dumps(old[name], sort_keys=True) if name in old else None, None
        if name in new:
            b = json.dumps(json.loads(json.dumps(new[name])), sort_keys=True)
        if a != b:
            out.append(change(name, old, new, before.shown, step.bound.shown))
    out = paired(out)
    if not out and old.get("order") != json.loads(json.dumps(new.get("order"))):
        out.append(Change("the order of its statements", None, None))
    if sorted(files.values()) != sorted(before.files.values()):
        # By contents: a file that was only given another name has not changed.
        changed = [n for n in files if files[n] not in before.files.values()]
        gone = [n for n in before.files if before.files[n] not in files.values() and n not in files]
        more = f" (+{len(changed) - 2} more)" if len(changed) > 2 else ""
        if changed:
            out.append(Change(f"file{'s' * (len(changed) > 1)} {', '.join(changed[:2])}{more} changed", None, None))
        else:
            out.append(Change(f"file {gone[0]} is gone" if gone else "files changed", None, None))
    return out


def change(name: str, old: Mapping[str, Any], new: Mapping[str, Any], old_shown: Mapping[str, str], new_shown: Mapping[str, str]) -> Change:
    """A field that differs, as the two recipes write it; with parameters and macros put in where they write the same."""
    a = (old_shown.get(name) or value(old[name])) if name in old else None
    b = (new_shown.get(name) or value(new[name])) if name in new else None
    if a == b and a is not None:
        templates = [t for t in _TEMPLATE.findall(plain(new[name])) if t not in plain(old[name])]
        names = [n for n in map(known_name, templates) if n is not None]
        if names:
            listed = ", ".join(f"`{n}`" for n in dict.fromkeys(names))
            return Change(f"{name.removeprefix('settings.')}: template {listed} changed", None, None)
        a, b = two(old[name], new[name])
    return Change(name.removeprefix("settings."), a, b)


_TEMPLATE = re.compile(r"\(template ([0-9a-f]{20})")
"""The digest of a template in a canonical text."""


def paired(changes: list[Change]) -> list[Change]:
    """A filter without words of its own is called by its condition: of those gone and come, two that are alike are one that was changed."""
    for action in ("keep", "drop"):
        gone = [c for c in changes if c.new is None and c.field.startswith(f"{action}: ")]
        come = [c for c in changes if c.old is None and c.field.startswith(f"{action}: ")]
        alone = len(gone) == len(come) == 1
        for old in gone:
            new = max(come, key=lambda c: likeness(old, c), default=None)
            if new is None or not (alone or likeness(old, new) >= 0.6):
                continue
            come.remove(new)
            one = Change(f"{action} where", old.old, new.new)
            if one.old == one.new:
                one = Change(f"the reason of {action} where", *(c.field.removeprefix(f"{action}: ") for c in (old, new)))
            changes = [one if c is old else c for c in changes if c is not new]
    return changes


def likeness(gone: Change, come: Change) -> float:
    """How much of the conditions of two filters is the same, 0 to 1."""
    return SequenceMatcher(None, gone.old or "", come.new or "", autojunk=False).ratio()


def plain(value: Any) -> str:
    """A value of a fingerprint for people."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def brief(text: str, width: int = 48) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
