"""How step kinds, operators, functions, readers, formats, lints, providers of models, votes and the like are found.

Each group is a package of this project. A class or function in one of its files announces itself by a decorator that
stands at the start of a line, ``@operator("dedupe")``; the index is made by reading those lines, so that looking up one
name imports one module and adding an operator edits no list. Other distributions add to a group through the entry-point
group ``recipec.<group>`` (name = object); they are asked only for names that the project itself does not know.
"""

from __future__ import annotations

import os
import re
from functools import cache
from importlib import import_module
from typing import Any, Literal, TypeVar

Group = Literal[
    "step", "operator", "function", "reader", "format", "lint", "provider", "vote", "combiner", "augmenter", "selector", "task", "metric"
]

PACKAGES: dict[str, str] = {
    "step": "recipec.steps",
    "operator": "recipec.operators",
    "function": "recipec.functions",
    "reader": "recipec.readers",
    "format": "recipec.formats",
    "lint": "recipec.lints",
    "provider": "recipec.models",
    "vote": "recipec.votes",
    "combiner": "recipec.combiners",
    "augmenter": "recipec.augmenters",
    "selector": "recipec.selectors",
    "task": "recipec.training",
    "metric": "recipec.metrics",
}

_ANNOUNCED = re.compile(rf'^@({"|".join(PACKAGES)})\(\s*"([^"]+)"', re.M)
_found: dict[tuple[str, str], Any] = {}
T = TypeVar("T")


@cache
def _index(group: str) -> dict[str, str]:
    """Name to module, by reading the decorators in the group's folder."""
    package = PACKAGES[group]
    folder = os.path.join(os.path.dirname(__file__), package.rpartition(".")[2])
    decorator = f"\n@{group}(".encode()
    index: dict[str, str] = {}
    for file in sorted(f for f in os.listdir(folder) if f.endswith(".py")):
        with open(os.path.join(folder, file), "rb") as stream:
            text = stream.read()
        if decorator in text:  # read as text only where there is something to read
            for kind, name in _ANNOUNCED.findall(text.decode()):
                if kind == group:
                    index[name] = f"{package}.{file[:-3]}"
    return index


def announce(group: Group, name: str, thing: T) -> T:
    """Called by the decorators: ``thing`` is what ``name`` means in ``group``."""
    _found[group, name] = thing
    return thing


def find(group: Group, name: str, *, plugins: bool = True) -> Any | None:
    """What ``name`` means in ``group``, its module imported now; None when nobody knows it.

    Looking for plug-ins reads the metadata of every installed distribution (30 ms), so a caller that asks for names which
    usually are not in the group leaves ``plugins`` out at first.
    """
    if (group, name) not in _found:
        module = _index(group).get(name)
        if module is not None:
            import_module(module)
        elif plugins and (plugin := _plugins(group).get(name)) is not None:
            _found[group, name] = plugin.load()
    return _found.get((group, name))


def load_plugins(group: Group) -> bool:
    """Make every plug-in of a group known without looking; whether there is any that was not known."""
    fresh = [n for n in _plugins(group) if (group, n) not in _found]
    for name in fresh:
        _found[group, name] = _plugins(group)[name].load()
    return bool(fresh)


def names(group: Group) -> list[str]:
    """Every name of a group, sorted."""
    return sorted({*_index(group), *_plugins(group), *(n for g, n in _found if g == group)})


@cache
def _plugins(group: str) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {e.name: e for e in entry_points(group=f"recipec.{group}")}
