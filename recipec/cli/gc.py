"""Remove results that no recipe needs any more.

What the last run of each recipe points at is kept; older results, kept so that undoing a change costs nothing, go. So do the caches
of trainings that went: rows as tokens, scores of trials, logs; and copies of what lies elsewhere that no such result is made of.
Checkpoints of trainings that were stopped stay.

examples:
  recipec gc
  recipec gc --workspace /data/recipec
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli._parser import choice
from recipec.cli._project import add_workspace, opened, workspace_folder
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.workspace.database import Workspace

CACHES = ("tokens", "trials", "logs")
"""Folders of the workspace that trainings fill."""


def options(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.engines.runner import prune
    from recipec.mirror.catalog import Catalog
    from recipec.report.runs import size

    folder = workspace_folder(args, None)
    before = taken(folder)
    with opened(folder, "gc") as workspace:
        gone = prune(workspace)
        kept = len(workspace.built)
        copies = Catalog(folder / "mirror").keep(current(workspace))
        sweep(folder, [built.extra.get("caches", {}) for built in workspace.built.values()])
    after = taken(folder)
    if args.format == "json":
        out.line(json.dumps({"removed": len(gone), "kept": kept, "copies_removed": copies, "bytes_before": before, "bytes_after": after}))
        return 0
    results = f"{len(gone)} result{'s' * (len(gone) != 1)} removed, {kept} kept"
    if copies:
        results += f"; {copies} cop{'y' if copies == 1 else 'ies'} of what lies elsewhere removed"
    out.line(f"{results}; {folder} takes {size(after)}" + (f", {size(before - after)} less" if before > after else ""))
    return 0


def current(workspace: Workspace) -> dict[str, set[str]]:
    """The steps that have a result, by recipe."""
    out: dict[str, set[str]] = {}
    for recipe, step in workspace.con.execute("SELECT recipe, step FROM recipec.current").fetchall():
        out.setdefault(recipe, set()).add(step)
    return out


def sweep(folder: Path, used: Sequence[Mapping[str, Sequence[str]]]) -> None:
    """Remove what trainings left in the workspace's caches, but for what the results that are kept rest on."""
    for name in CACHES:
        kept = {entry for caches in used for entry in caches.get(name, ())}
        for path in (folder / name).iterdir() if (folder / name).is_dir() else ():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def taken(folder: Path) -> int:
    """Bytes of a folder's files."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
