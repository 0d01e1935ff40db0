"""``[tool.recipec]`` in ``pyproject.toml``: which findings are wanted, and how grave they are.

    [tool.recipec]
    select = ["unused-step"]            # only these rules, by name or code
    ignore = ["unused-name"]            # all but these
    severity = { unused-step = "error", W309 = "note" }
    ask_above = 5.00                    # dollars that `recipec run` may spend on model calls without asking
    prices = "prices.toml"              # what models cost: a table for each, dollars for a million tokens, in and out

    [tool.recipec.recipes."drafts/*.recipe"]    # for some recipes more, by their paths from this file's folder
    ignore = ["unpinned-model"]

The nearest ``pyproject.toml`` that has the table counts: beside the recipe, or in a folder above it. What is said of some
recipes is added to what is said of all; their ``select`` stands in the place of the other. What the command line says comes
first, and the editor's server heeds the same table.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from recipec.cli._errors import CannotRun
from recipec.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from recipec.models.budget import Prices

SEVERITIES = ("error", "warning", "note")
NAME = "pyproject.toml"


class Config(NamedTuple):
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    severity: tuple[tuple[str, Severity], ...] = ()
    folder: str = ""
    """Where the file lies that says so."""
    ask_above: float | None = None
    """Dollars above which a run asks before it spends them."""
    prices: Mapping[str, Prices] = MappingProxyType({})
    """What models cost, by name."""
    recipes: tuple[tuple[str, Config], ...] = ()
    """What is said of some recipes alone, by patterns of their paths."""

    def grave(self, d: Diagnostic) -> Severity:
        """How grave a finding is here. What keeps a recipe from running stays an error."""
        return d.severity if d.code.startswith("E") else dict(self.severity).get(d.name, d.severity)

    def of(self, path: str) -> Config:
        """What counts for one recipe."""
        from fnmatch import fnmatchcase

        name = os.path.relpath(path, self.folder).replace(os.sep, "/")
        select, ignore, severity, above, prices = self.select, self.ignore, self.severity, self.ask_above, self.prices
        for pattern, more in self.recipes:
            if fnmatchcase(name, pattern):
                select, ignore, severity = more.select or select, ignore | more.ignore, severity + more.severity
                above = above if more.ask_above is None else more.ask_above
                prices = {**prices, **more.prices}
        return Config(select, ignore, severity, ask_above=above, prices=prices)

    def lets(self, d: Diagnostic) -> bool:
        """Whether a finding is wanted. What keeps a recipe from running is hidden by nothing but the command line."""
        return d.code.startswith("E") or (d.name not in self.ignore and (not self.select or d.name in self.select))


NONE = Config()
KEYS = ("select", "ignore", "severity", "ask_above", "prices")


def config_for(path: str) -> Config:
    """The configuration of a recipe (``-``: of the folder you are in). Raises CannotRun for one that is wrong."""
    whole = _in(os.path.dirname(os.path.abspath(path)) if path != "-" else os.getcwd())
    return whole.of(path) if whole.recipes and path != "-" else whole


def forget_configuration() -> None:
    """Read the files again when they are next asked for: for programs that live long."""
    _in.cache_clear()


def configured(findings: Iterable[Diagnostic], select: Collection[str] = ()) -> list[Diagnostic]:
    """The findings that the configuration lets through, as grave as it has them, by place. ``select`` is what the command
    line asks for instead."""
    out = []
    for d in findings:
        config = config_for(d.span.source.path)
        if (level := config.grave(d)) != d.severity:
            d.put(severity=level)
        if (d.name in select) if select else config.lets(d):
            out.append(d)
    return sorted(out, key=lambda d: d.order)


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
    recipes = table.get("recipes", {})
    if not isinstance(recipes, dict) or not all(isinstance(t, dict) for t in recipes.values()):
        raise CannotRun(f"{path}: `recipes` has a table for each pattern of paths", '[tool.recipec.recipes."drafts/*.recipe"]')
    whole = part(path, {k: v for k, v in table.items() if k != "recipes"}, "[tool.recipec]", (*KEYS, "recipes"))
    parts = tuple((p, part(path, t, f'[tool.recipec.recipes."{p}"]', KEYS)) for p, t in recipes.items())
    return whole._replace(folder=os.path.dirname(path), recipes=parts)


def part(path: str, table: dict[str, Any], where: str, keys: Collection[str]) -> Config:
    """The rules of one table; raises CannotRun with what is wrong."""
    from recipec.diagnostics import nearest

    for key in table:
        if key not in keys:
            guess = nearest(key, keys)
            message = f"{path}: {where} has no `{key}`" + (f"; did you mean `{guess}`?" if guess else "")
            raise CannotRun(message, f"it has {', '.join(keys)}")
    for key in ("select", "ignore"):
        listed = table.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(r, str) for r in listed):
            raise CannotRun(f"{path}: `{key}` must be a list of rules", f'{key} = ["unused-step"]')
    severity = table.get("severity", {})
    if not isinstance(severity, dict):
        raise CannotRun(f"{path}: `severity` says error, warning or note of rules", 'severity = { unused-step = "error" }')
    for rule, level in severity.items():
        if level not in SEVERITIES:
            guess = nearest(level, SEVERITIES) if isinstance(level, str) else None
            said = f"`{level}` is no severity, for `{rule}`" + (f"; did you mean `{guess}`?" if guess else "")
            raise CannotRun(f"{path}: {said}", f"it is one of {', '.join(SEVERITIES)}")
    above = table.get("ask_above")
    if above is not None and (isinstance(above, bool) or not isinstance(above, (int, float)) or not 0 <= above < float("inf")):
        raise CannotRun(f"{path}: `ask_above` is a sum in dollars", "ask_above = 5.00")
    select, ignore = (frozenset(known(r, path) for r in table.get(key, [])) for key in ("select", "ignore"))
    levels = tuple((known(r, path), level) for r, level in severity.items())
    if both := sorted(select & ignore):
        raise CannotRun(f"{path}: {where} has `{both[0]}` in `select` and in `ignore`", "take it out of one of them")
    for key, names in (("ignore", ignore), ("severity", {r for r, level in levels if level != "error"})):
        if fixed := sorted(r for r in names if is_error(r)):
            raise CannotRun(
                f"{path}: `{key}` cannot hold `{fixed[0]}`: it keeps a recipe from running, and stays an error",
                "for once: recipec check --ignore " + fixed[0],
            )
    return Config(
        select,
        ignore,
        levels,
        ask_above=None if above is None else float(above),
        prices=priced(path, table["prices"]) if "prices" in table else MappingProxyType({}),
    )


def priced(path: str, name: Any) -> Mapping[str, Prices]:
    """The prices of a file, named relative to ``pyproject.toml``; raises CannotRun with what is wrong."""
    from pathlib import Path

    from recipec.models.prices import PriceError, read_prices

    if not isinstance(name, str):
        raise CannotRun(f"{path}: `prices` is the name of a file", 'prices = "prices.toml"')
    try:
        return read_prices(Path(os.path.dirname(path), name), name)
    except PriceError as error:
        raise CannotRun(f"{path}: `prices`: {error}", '["qwen3-8b"]  in = 0.05  out = 0.40') from None


def is_error(name: str) -> bool:
    """Whether a rule is one of those that keep a recipe from running."""
    from recipec.report import rules

    found = rules.find_rule(name)
    return found is not None and found.code.startswith("E")


def known(wanted: str, where: str = "") -> str:
    """The name of a rule given by name or code. Raises CannotRun for one that does not exist."""
    from recipec.report import rules

    name = rules.resolve_name(wanted)
    if name is None:
        guess = rules.suggestion(wanted)
        message = f"no rule `{wanted}`" + (f"; did you mean `{guess}`?" if guess else "")
        raise CannotRun(f"{where}: {message}" if where else message, "recipec explain lists the rules")
    return name
