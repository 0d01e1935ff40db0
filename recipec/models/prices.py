"""Files of prices: what models cost, for all the recipes that call them.

    ["qwen3-8b"]        # the model as the recipe names it to the server
    in = 0.05           # US dollars for a million tokens
    out = 0.40

A file holds a table for each model. A price that is left out is unknown, which is not 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from recipec.api import DataError
from recipec.models.budget import Prices
from recipec.places import text_at

WRITTEN = "prices are written as [model] with in = and out =, US dollars for a million tokens"


class PriceError(Exception):
    """A file of prices cannot be read; the message says which, where in it, and what would be right."""


def read_prices(path: Path, name: str = "") -> Mapping[str, Prices]:
    """The prices of every model in a TOML file. ``name`` is the file's in messages. Raises :class:`PriceError`."""
    import tomllib

    name = name or str(path)
    try:
        text = text_at(path)
        tables = tomllib.loads(text)
    except OSError as error:
        raise PriceError(f"cannot read the prices in `{name}`: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError:
        raise PriceError(f"`{name}` is not in UTF-8") from None
    except DataError as error:
        raise PriceError(f"cannot read the prices in `{name}`: {error.message}") from None
    except RecursionError:
        raise PriceError(f"`{name}` is nested too deeply; {WRITTEN}") from None
    except tomllib.TOMLDecodeError as error:
        raise PriceError(f"`{name}` is no TOML: {error}") from error
    out: dict[str, Prices] = {}
    for model, table in tables.items():
        if not isinstance(table, dict):
            raise PriceError(f"{place(name, text, model)}: `{model}` is no table; {WRITTEN}")
        found: dict[str, float] = {}
        for key, price in table.items():
            where = place(name, text, model, key)
            if isinstance(price, dict):
                raise PriceError(f'{where}: a name with a dot in it stands in quotes: ["{model}.{key}"]')
            if key not in ("in", "out"):
                raise PriceError(f"{where}: `{model}` has `{key}`; {WRITTEN}")
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
                raise PriceError(f"{where}: `{key}` of `{model}` is {price!r}; a price is a number, 0 or more: {key} = 0.15")
            found[key] = float(price)
        out[model] = Prices(found.get("in"), found.get("out"))
    return out


def place(name: str, text: str, model: str, key: str = "") -> str:
    """``prices.toml:3``, the line of a model's table or of a key in it; the file's name alone where the line is not found."""
    bare = rf"""["']?{re.escape(model)}["']?"""
    head = re.compile(rf"\s*(?:\[\s*{bare}\s*[.\]]|{bare}\s*[.=])")
    within = 0
    for number, line in enumerate(text.splitlines(), 1):
        if head.match(line):
            within = number
        elif line.lstrip().startswith("["):
            if within:
                break
        elif within and key and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return f"{name}:{number}"
    return f"{name}:{within}" if within else name


__all__ = ["PriceError", "read_prices"]
