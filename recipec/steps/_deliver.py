"""Exports that go elsewhere than to this machine's disk: what is made in a folder of its own is handed to a target; and the index of one's files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, ExportPart, Json
from recipec.mirror._base import is_remote
from recipec.mirror.target import INDEX, TARGETS, Delivery, Target, target_of
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.source import Span

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.steps.export import ExportPlan, ExportSettings


def place(bind: StepBinder, settings: ExportSettings, span: Mapping[str, Span], single: bool) -> tuple[Target | None, bool]:
    """The target of ``to`` (None: this machine's disk), and whether all is well; what is not is reported."""
    problems: list[tuple[str, str, str]] = []
    target = None
    if is_remote(settings.to):
        target = target_of(settings.to)
        if target is None:
            scheme, known = settings.to.partition("://")[0], ", ".join(f"`{n}://`" for n in sorted(TARGETS))
            problems.append(("to", f"no way to write to `{scheme}://`", f"a folder or file of this machine, or {known}"))
        elif target.missing is not None:
            problems.append(("to", f"`{target.address}` needs the package {target.missing}", f"pip install 'recipec[{target.extra[0]}]'"))
        else:
            problems += [("to", message, help) for message, help in target.check(single, settings.format.name)]
            if settings.mode not in target.modes:
                problems.append(("mode", f"`{target.address}` can only be replaced", "leave `mode` out"))
            elif settings.mode == "append" and single:
                problems.append(("mode", f"`{target.address}` is one file, and nothing can be appended to it", "name a folder"))
    elif settings.mode == "append":
        problems.append(("mode", "a folder of this machine is replaced as a whole", "leave `mode` out: append is for object stores"))
    options: frozenset[str] = target.options if target is not None else frozenset()
    if "private" in span and "private" not in options:
        problems.append(("private", "`private` is for the Hugging Face hub", "leave it out"))
    if settings.index and single:
        problems.append(("index", "one file needs no index", "leave `index` out, or name a folder"))
    for setting, message, help in problems:
        bind.report(BadValue(span=span.get(setting, bind.node.head), message=message, help=(help,)))
    return target, not problems


def with_rows(files: list[dict[str, Any]], parts: Sequence[ExportPart], shards: int) -> list[dict[str, Any]]:
    """The files with the number of rows in each, for those that hold rows: formats cut a part into runs whose sizes differ by at most one."""
    for part in parts:
        each, more = divmod(part.rows, shards)
        named = re.compile(rf"(?:{re.escape(part.name)}|{'train' if len(parts) == 1 else '(?!)'})(?:-(\d{{5}})-of-\d{{5}})?\.[\w.]+")
        for file in files:
            found = named.fullmatch(file["path"])
            if found is not None:
                number = int(found[1] or 0)
                file["rows"] = (each + (number < more)) if shards > 1 else part.rows
    return files


def write_index(folder: Path, files: Sequence[Mapping[str, Any]], parts: Sequence[ExportPart], format: str) -> None:
    """``_index.json`` of a folder: every file with its rows, bytes and digest (BLAKE2b)."""
    made = {
        "recipec": 1,
        "format": format,
        "columns": columns_of(parts),
        "files": [
            {"path": f["path"], **({"rows": f["rows"]} if "rows" in f else {}), "bytes": f["size"], "digest": f["digest"]} for f in files
        ],
    }
    (folder / INDEX).write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")


def columns_of(parts: Sequence[ExportPart]) -> dict[str, dict[str, str]]:
    return {p.name: dict(p.schema.types) for p in parts}


def deliver(
    plan: ExportPlan, ctx: RunContext, folder: Path, files: list[dict[str, Any]], parts: Sequence[ExportPart], options: Mapping[str, Any]
) -> dict[str, Json]:
    """Hand the files to the target; what it says is kept beside them."""
    assert plan.remote is not None

    def progress(done: int, total: int | None, what: str) -> None:
        ctx.progress(done / total if total else None, what)

    message = f"{ctx.program.recipe} {ctx.program.header.version}: {ctx.step.name}"
    made = Delivery(
        folder, files, plan.mode, plan.format.name, columns_of(parts), plan.single is not None, message, options, progress, ctx.note,
        ctx.history_of_exports(plan.shown),
    )  # fmt: skip
    return {"files": files, "to": plan.shown, "delivered": dict(plan.remote.deliver(made))}


def gone(plan: ExportPlan, extra: Mapping[str, Json]) -> str | None:
    """Why what a run delivered is no longer there; None also where that cannot be asked now: then it is believed."""
    facts = extra.get("delivered")
    if plan.remote is None or not isinstance(facts, dict):
        return None
    try:
        return plan.remote.gone(facts)
    except DataError:
        return None
