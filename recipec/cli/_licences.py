"""The licences of what recipec needs, as the packages installed here say them."""

from __future__ import annotations

import re
from importlib import metadata


def requirements() -> dict[str, list[str]]:
    """What recipec's own metadata require: the core's under "", then each extra's, as written."""
    try:
        listed = metadata.requires("recipec") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {"": []}
    for requirement in listed:
        written, _, marker = requirement.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        found.setdefault(extra[1] if extra else "", []).append(written.strip())
    return {name: rows for name, rows in found.items() if name not in ("test", "dev")}


def name_of(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]


def licence(name: str) -> str:
    """What a distribution says of its licence; empty where it is not installed."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [c.rpartition(":: ")[2] for c in told.get_all("Classifier") or () if c.startswith("License ::")]
    expression, written = (next(iter(told.get_all(field) or ()), "") for field in ("License-Expression", "License"))
    return (expression or ", ".join(classifiers) or written.strip().split("\n")[0])[:80]


def table() -> str:
    """The page: a row for every package that is required directly."""
    lines = ["# Licences of what recipec needs", "", "As the packages installed here say; recipec itself: Apache-2.0.", ""]
    lines += ["| extra | package | version here | licence |", "|---|---|---|---|"]
    for extra, rows in requirements().items():
        for requirement in sorted(rows, key=str.casefold):
            name = name_of(requirement)
            try:
                version = metadata.version(name)
            except metadata.PackageNotFoundError:
                version = "not installed"
            lines.append(f"| {extra or 'core'} | {requirement} | {version} | {licence(name) or 'unknown'} |")
    return "\n".join(lines)
