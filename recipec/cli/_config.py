"""``[tool.recipec]`` in ``pyproject.toml``: which findings are wanted, and how grave they are.

    [tool.recipec]
    select = ["unused-step"]            # only these rules, by name or code
    ignore = ["unused-name"]            # all but these
    severity = { unused-step = "error", W309 = "note" }

The nearest ``pyproject.toml`` that has the table counts: beside the recipe, or in a folder above it. What the command line
says comes first.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, NamedTuple

from recipec.cli._errors import CannotRun
from recipec.diagnostics import Diagnostic

SEVERITIES = ("error", "warning", "note")
NAME = "pyproject.toml"


class Config(NamedTuple):
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    severity: tuple[tuple[str, str], ...] = ()

    def grave(self, d: Diagnostic) -> str:
        """How grave a finding is here. What keeps a recipe from running stays an error."""
        return d.severity if d.code.startswith("E") else dict(self.severity).get(d.name, d.severity)


NONE = Config()


def config_for(path: str) -> Config:
    """The configuration of a recipe (``-``: of the folder you are in). Raises CannotRun for one that is wrong."""
    return _in(os.path.dirname(os.path.abspath(path)) if path != "-" else os.getcwd())


@cache
def _in(folder: str) -> Config:
    path = os.path.join(folder, NAME)
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError:
        data = b""
    # Reading TOML costs a small check a tenth of its time: only where there is something to read.
    if b"recipec" in data and (table := section(path, data)) is not None:
        return made(path, table)
    above = os.path.dirname(folder)
    return NONE if above == folder else _in(above)


def section(path: str, data: bytes) -> dict[str, Any] | None:
    import tomllib

    try:
        whole = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CannotRun(f"{path}: not TOML: {error}") from None
    found = whole.get("tool", {}).get("recipec") if isinstance(whole.get("tool", {}), dict) else None
    if found is not None and not isinstance(found, dict):
        raise CannotRun(f"{path}: `tool.recipec` must be a table", "[tool.recipec]")
    return found


def made(path: str, table: dict[str, Any]) -> Config:
    from recipec.diagnostics import nearest

    for key in table:
        if key not in Config._fields:
            guess = nearest(key, Config._fields)
            message = f"{path}: [tool.recipec] has no `{key}`" + (f"; did you mean `{guess}`?" if guess else "")
            raise CannotRun(message, f"it has {', '.join(Config._fields)}")
    for key in ("select", "ignore"):
        listed = table.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(r, str) for r in listed):
            raise CannotRun(f"{path}: `{key}` must be a list of rules", f'{key} = ["unused-step"]')
    severity = table.get("severity", {})
    if not isinstance(severity, dict) or any(level not in SEVERITIES for level in severity.values()):
        raise CannotRun(f"{path}: `severity` says error, warning or note of rules", 'severity = { unused-step = "error" }')
    return Config(
        frozenset(known(r, path) for r in table.get("select", [])),
        frozenset(known(r, path) for r in table.get("ignore", [])),
        tuple((known(r, path), level) for r, level in severity.items()),
    )


def known(wanted: str, where: str = "") -> str:
    """The name of a rule given by name or code. Raises CannotRun for one that does not exist."""
    from recipec.report import rules

    name = rules.resolve_name(wanted)
    if name is None:
        guess = rules.suggestion(wanted)
        message = f"no rule `{wanted}`" + (f"; did you mean `{guess}`?" if guess else "")
        raise CannotRun(f"{where}: {message}" if where else message, "recipec explain lists the rules")
    return name
