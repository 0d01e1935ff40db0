"""DuckDB's compiled module, without the Python layer around it.

``import duckdb`` loads relations, expressions and their like, 60 to 90 ms that a check has no use for: it sends SQL and reads
what comes back. The compiled module is the same one that the layer builds on, and its connections, errors and types are the
same objects: whoever imports ``duckdb`` later finds on a connection made here all that it adds. A DuckDB that keeps its
compiled module elsewhere is imported whole.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

CONFIG: dict[str, Any] = {"threads": "1", "autoinstall_known_extensions": "false"}
"""Settings of every connection that looks at a recipe: nothing is fetched, and nothing is run that two threads would pay for."""


@cache
def engine() -> Any:
    """The module: ``engine().connect``, ``engine().Error``."""
    try:
        module = import_module("_duckdb")
    except ImportError:
        module = import_module("duckdb")
    return module


def connect(**config: str) -> duckdb.DuckDBPyConnection:
    """An in-memory database. ``config`` adds to :data:`CONFIG`."""
    con: duckdb.DuckDBPyConnection = engine().connect(":memory:", config=CONFIG | config)
    return con


def described(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str]]:
    """The names and types of a query's columns, in order; none where it is no query. It is bound and not run; an ``Error`` of the
    engine says why it cannot be.

    The layer's own ``con.sql`` is asked where the module has no such function or another one than is known here, for text that is no
    UTF-8, and for what cannot be bound without running some of it (``pivot`` over the values of a column).
    """
    bind = getattr(con, "_bind", None)
    if bind is not None:
        with suppress(RuntimeError, TypeError, ValueError):  # none of them is an `Error`
            names, types, _, _, deferred, *_ = bind(query)
            found = [(name, str(type)) for name, type in zip(names, types, strict=True)]
            if not deferred and all(type != "UNKNOWN" for _, type in found):
                return found
    import duckdb  # noqa: F401 - gives the connection its `sql`

    relation = con.sql(query)
    return [] if relation is None else [(name, str(type)) for name, type in zip(relation.columns, relation.types, strict=True)]
