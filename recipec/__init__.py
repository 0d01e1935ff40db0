"""Declarative dataset recipes, compiled: see README.md.

From Python::

    import recipec

    recipe = recipec.load("packages.recipe")
    recipe.check()                                # findings, as the command line prints them
    run = recipe.run(set={"min_words": 8})
    run["tidy"].df()                              # .arrow(), .polars(), .rows(), .head(), .dropped("too short")
    run.sql("select part, count(*) from final group by all")

What goes wrong is a :class:`RecipecError` with the command line's own words. Importing this module loads nothing else.
"""

from __future__ import annotations

import sys

# `python -m` looks for modules where one stands first; there may lie anybody's recipe, and beside it a `typing.py`.
if (
    sys.argv[:1] == ["-m"]
    and ("-m", "recipec") in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
    and not sys.flags.safe_path
    and not __file__.startswith(f"{sys.path[0]}/recipec/")
):
    del sys.path[0]

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.face.errors import RecipecError as RecipecError
    from recipec.face.errors import RecipeInvalid as RecipeInvalid
    from recipec.face.errors import RunFailed as RunFailed
    from recipec.face.findings import Checked as Checked
    from recipec.face.recipe import Planning as Planning
    from recipec.face.recipe import Recipe as Recipe
    from recipec.face.recipe import Step as Step
    from recipec.face.recipe import load as load
    from recipec.face.recipe import loads as loads
    from recipec.face.results import Rows as Rows
    from recipec.face.results import Run as Run
    from recipec.face.results import Table as Table

# What the model libraries would tell their makers of their use. They read it when they are imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_FACE = {
    "errors": ("RecipecError", "RecipeInvalid", "RunFailed"),
    "findings": ("Checked",),
    "recipe": ("Planning", "Recipe", "Step", "load", "loads"),
    "results": ("Rows", "Run", "Table"),
}
__all__ = [
    "Checked", "Planning", "Recipe", "RecipeInvalid", "RecipecError", "Rows", "Run", "RunFailed", "Step", "Table", "__version__", "load",
    "loads",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The names for people, each imported when it is first asked for."""
    for module, names in _FACE.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"recipec.face.{module}"), name)
    raise AttributeError(f"module 'recipec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
