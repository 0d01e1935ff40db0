"""The lock: ``NAME.lock`` beside a recipe says what it was built from, so that drift is found and named.

A TOML file, one fact a line and sorted, without times or machine names, so that two branches' locks merge line by line:

``[recipe]`` name and version; ``[params]`` every parameter's value; ``[sources.NAME]`` the BLAKE2b digest of every file and
the rows read; ``[files.NAME]`` the digests of what other steps read (a base model's folder, a plugin's module); ``[models.NAME]``
provider, name, and whether that name always means the same weights; ``[versions]`` of the kinds, operators, functions, ... used;
``[steps.NAME]`` the step's fingerprint of meaning (its own: a branch that changes one step changes one section), what it reads, and
every field of its meaning, as the recipe writes it with a digest, or by its value.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.api import DataError, find_function
from recipec.plan.fingerprint import digest, file_digests, static_key
from recipec.plan.planner import brief, plain, program_id
from recipec.resolve.program import Program, ResolvedStep
from recipec.resolve.values import meaning
from recipec.syntax import tree
from recipec.workspace.database import Workspace

Facts = dict[str, dict[str, Any]]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r"([a-z][a-z0-9_]*)@(\d+)")
LONGEST = 200
"""Characters of a field's value that are kept; of a longer one, a digest tells it from others."""
NAMED = ("sources", "files", "models", "steps")
"""Sections of things with names of their own: ``[steps.tidy]``."""
ONE = {"sources": "source", "files": "files of", "models": "model", "steps": "step", "params": "param", "versions": "version of"}


@dataclass(frozen=True)
class Drift:
    """One fact that is not what the lock says, as the lock writes it. None: not there."""

    section: str
    name: str
    locked: Any
    found: Any

    def __str__(self) -> str:
        group, _, owner = self.section.partition(".")
        what = f"{ONE.get(group, group)} {owner.strip(chr(34))}" if owner else ONE.get(group, group)
        if not self.name:
            return f"{what} is {'new' if self.locked is None else 'gone'}"
        place = f"{what}: {self.name.removeprefix('settings.')}" if owner else f"{what} {self.name}"
        if self.locked is None or self.found is None:
            return f"{place} is {'new' if self.locked is None else 'gone'}: {shown(self.found if self.locked is None else self.locked)}"
        if group in ("sources", "files") and self.name != "rows" and " of " not in self.name:
            return f"{place} has other contents"
        if shown(self.locked) == shown(self.found):
            return f"{place}: `{shown(self.found)}` means something else (a param, a def or a template in it, or the end of a long text)"
        return f"{place}: {shown(self.locked)} -> {shown(self.found)}"


def lock_path(recipe: str) -> Path:
    return Path(recipe).with_suffix(".lock")


def static_keys(program: Program) -> dict[str, str]:
    """Each step's fingerprint of meaning."""
    keys: dict[str, str] = {}
    for step in program.steps:
        keys[step.name] = static_key(step, [(keys[p.step], p.part) for p in step.parents])
    return keys


def gather(program: Program, workspace: Workspace) -> Facts:
    """What a lock of the recipe would say now. Row counts are those of the last run on the same files."""
    current = workspace.current(program_id(program))
    facts: Facts = {
        "recipe": {"name": program.recipe, "version": program.header.version},
        "params": {n: meaning(v) for n, v in sorted(program.root.params.items())},
        "versions": versions(program),
    }
    for step in program.steps:
        source = step.kind.name == "source"
        if source or step.bound.files:
            digests = file_digests(workspace, step.bound.files)
            section: dict[str, Any] = dict(sorted(digests.items())) | told(program, step)
            built = workspace.built.get(current.get(step.name, ""))
            if source and built is not None and built.files == digests:
                section["rows"] = built.rows_out
            facts[f"{'sources' if source else 'files'}.{key(step.name)}"] = section
        model = step.bound.model
        if model is not None and not step.bound.traits.trains:
            facts[f"models.{key(step.name)}"] = {"provider": model.provider, "name": model.name, "pinned": model.pinned}
        facts[f"steps.{key(step.name)}"] = step_facts(step)
    return facts


def told(program: Program, step: ResolvedStep) -> dict[str, Any]:
    """What places elsewhere said of what was copied: a revision."""
    out: dict[str, Any] = {}
    for mirror in step.bound.mirrors:
        snapshot = program.catalog.snapshot(mirror)
        if snapshot is not None:
            out |= {f"{fact} of {mirror.address}": value for fact, value in sorted(snapshot.facts.items())}
    return out


def step_facts(step: ResolvedStep) -> dict[str, Any]:
    """A step's section. A field that the recipe writes is ``[as written, digest of what it means]``, another its value as text."""
    reads = [str(p) for p in step.parents]
    own = {"kind": f"{step.kind.name}@{step.kind.version}", "meaning": step.bound.meaning, "reads": reads}
    out: dict[str, Any] = {"kind": step.kind.name, "fingerprint": digest(own), "reads": reads}
    for name, value in sorted(step.bound.meaning.items()):
        if value is None or name == "order":
            continue
        text = plain(value)
        written = None if isinstance(value, int | float) else step.bound.shown.get(name)
        if written is not None or len(text) > LONGEST:
            out[name] = [brief(written or text, LONGEST), digest(value)[:8]]
        else:
            out[name] = text
    return out


def versions(program: Program) -> dict[str, int]:
    """Versions of the kinds, readers, operators, votes, metrics, ... and functions that the recipe uses: steps hold most of them
    in what they mean (``dedupe@1``)."""
    out: dict[str, int] = {}
    for step in program.steps:
        out[step.kind.name] = step.kind.version
        for text in texts(step.bound.meaning):
            found = _VERSION.fullmatch(text)
            if found is not None:
                out[found[1]] = int(found[2])
        for statement in step.entry.node.body:
            for node in tree.walk(statement):
                if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and (own := find_function(node.func.id)) is not None:
                    out[own.name] = own.version
    return dict(sorted(out.items()))


def texts(value: Any) -> Iterator[str]:
    """Every text in a value of a fingerprint."""
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from texts(inner)
        case list() | tuple():
            for inner in value:
                yield from texts(inner)


def key(name: str) -> str:
    """A name as TOML wants it in a section's head: bare where it is of ASCII letters, digits, ``_`` and ``-``."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def render(facts: Facts) -> str:
    """The lock's text."""
    lines = ["# Written by `recipec lock`: what this recipe was built from. Keep it in git; do not edit it."]
    for section in sorted(facts, key=lambda s: (s != "recipe", s)):
        lines += ["", f"[{section}]"]
        lines += [f"{json.dumps(str(k), ensure_ascii=False)} = {toml(v)}" for k, v in facts[section].items() if v is not None]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(k), ensure_ascii=False)} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def read(path: Path) -> Facts:
    """A lock's facts. Raises DataError for a file that is not there or is no lock."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no lock {path}", "write it: recipec lock") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"cannot read the lock {path}: {error}", "if a merge left marks in it, write it anew: recipec lock") from None
    out: Facts = {}
    for name, value in raw.items():
        if not isinstance(value, dict):
            raise DataError(f"{path} is not a lock: `{name}` is no section", "write it anew: recipec lock")
        if name not in NAMED:
            out[name] = value
            continue
        for owner, facts in value.items():
            if not isinstance(facts, dict):
                raise DataError(f"{path} is not a lock: `{name}.{owner}` is no section", "write it anew: recipec lock")
            out[f"{name}.{key(owner)}"] = facts
    if "recipe" not in out:
        raise DataError(f"{path} is not a lock: it has no section `recipe`", "write it anew: recipec lock")
    return out


def drift(locked: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> list[Drift]:
    """Facts that differ. Row counts count only where both sides know them; a step's fingerprint is told only where none of its
    fields says what is another."""
    out: list[Drift] = []
    for section in sorted({*locked, *found}):
        group, _, owner = section.partition(".")
        if owner and (section not in locked or section not in found):
            out.append(Drift(section, "", "" if section in locked else None, "" if section in found else None))
            continue
        a, b = locked.get(section, {}), found.get(section, {})
        if group == "steps" and a.get("fingerprint") == b.get("fingerprint"):
            continue
        own = [Drift(section, name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
        told = [
            d
            for d in own
            if not (group == "steps" and d.name == "fingerprint")
            and not (group == "sources" and d.name == "rows" and None in (d.locked, d.found))
        ]
        out += told or [d for d in own if group == "steps"]
    return out


def shown(value: Any) -> str:
    """A fact for people: a field's text without its digest."""
    if isinstance(value, list) and len(value) == 2 and re.fullmatch(r"[0-9a-f]{8}", str(value[1])):
        value = value[0]
    return brief(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 60)
