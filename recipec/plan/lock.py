"""The lock: ``NAME.lock`` beside a recipe says what it was built from, so that drift is found and named.

A TOML file, one fact a line and sorted, without times or machine names, so that two branches' locks merge line by line:

``[recipe]`` name and version; ``[params]`` every parameter's value; ``[sources.NAME]`` the BLAKE2b digest of every file and
the rows read; ``[operators]`` the versions of the operators, functions and kinds used; ``[steps]`` each step's fingerprint of
meaning (static: its own and its ancestors' meaning, without the data).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.api import DataError, find_function
from recipec.plan.fingerprint import file_digests, static_key
from recipec.plan.planner import program_id
from recipec.resolve.program import Program
from recipec.resolve.values import meaning
from recipec.syntax import tree
from recipec.workspace.database import Workspace

Facts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Drift:
    """One fact that is not what the lock says. None: not there."""

    section: str
    name: str
    locked: Any
    found: Any

    def __str__(self) -> str:
        place = f"{self.section} {self.name}"
        if self.locked is None:
            return f"{place} is new"
        if self.found is None:
            return f"{place} is gone"
        if self.section.startswith("sources") and self.name != "rows":
            return f"{place} has other contents"
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
        "operators": versions(program),
        "steps": static_keys(program),
    }
    for step in program.steps:
        if step.kind.name != "source":
            continue
        digests = file_digests(workspace, step.bound.files)
        section: dict[str, Any] = dict(sorted(digests.items()))
        built = workspace.built.get(current.get(step.name, ""))
        if built is not None and built.files == digests:
            section["rows"] = built.rows_out
        facts[f"sources.{json.dumps(step.name, ensure_ascii=False) if '.' in step.name else step.name}"] = section
    return facts


def versions(program: Program) -> dict[str, int]:
    """Versions of the kinds, operators, readers and functions that the recipe uses."""
    from recipec.registry import find

    out: dict[str, int] = {}
    for step in program.steps:
        out[step.kind.name] = step.kind.version
        for name, _, _ in step.ops:
            out[name] = find("operator", name).version  # type: ignore[union-attr]
        if step.entry.node.reader is not None:
            reader = step.entry.node.reader.func.span.text
            found = find("reader", reader)
            out[reader] = found.version if found is not None else 1
        for statement in step.entry.node.body:
            for node in tree.walk(statement):
                if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and (own := find_function(node.func.id)) is not None:
                    out[own.name] = own.version
    return dict(sorted(out.items()))


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
        if name == "sources":
            for source, facts in value.items():
                out[f"sources.{json.dumps(source, ensure_ascii=False) if '.' in source else source}"] = (
                    dict(facts) if isinstance(facts, dict) else {}
                )
        else:
            out[name] = value
    return out


def drift(locked: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> list[Drift]:
    """Facts that differ. Row counts count only where both sides know them."""
    out = []
    for section in sorted({*locked, *found}):
        a, b = locked.get(section, {}), found.get(section, {})
        for name in sorted({*a, *b}):
            old, new = a.get(name), b.get(name)
            if old == new or (name == "rows" and section.startswith("sources") and (old is None or new is None)):
                continue
            out.append(Drift(section, name, old, new))
    return out


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
