"""Addresses of database servers: which are one's own, and what is meant by others. Nothing is asked of a server, and no package is needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from recipec.api import DataError

READ_BY = {
    **dict.fromkeys(("postgres", "postgresql"), "postgres"),
    **dict.fromkeys(("mysql", "mariadb"), "mysql"),
    **dict.fromkeys(("sqlite", "file"), "sqlite"),
    **dict.fromkeys(("http", "https"), "csv"),
    "duckdb": "duckdb",
}
"""Schemes of addresses, and the readers of what they name."""


@dataclass(frozen=True)
class Addresses:
    """A product's: ``schemes`` are what they begin with, the first its own. ``plain`` tells whether what is no address is another way to say where
    a server is; ``further`` finds what else is wrong with an address."""

    product: str
    schemes: tuple[str, ...]
    plain: Callable[[str], bool] = lambda text: False
    further: Callable[[str], tuple[str, str] | None] = lambda url: None
    libraries: bool = False
    """Whether a library may be named too, as ``mysql+pymysql://``."""

    @property
    def example(self) -> str:
        return f"{self.schemes[0]}://user@host/database"

    def problem(self, url: str) -> tuple[str, str] | None:
        """What is wrong, and what would be right. Of the address no more is shown than its scheme."""
        from recipec.diagnostics import nearest

        scheme, there, _ = url.partition("://")
        scheme = scheme.lower()
        if not url or (not there and self.plain(url)):
            return None
        if not there:
            return f"this is no address of {self.product}", self.example
        first, plus, _ = scheme.partition("+")
        if first in self.schemes:
            return (
                self.further(url) if self.libraries or not plus else (f"`{scheme}://` names a library too", f"leave that out: {first}://")
            )
        wrong = f"`{scheme[:40]}://` is no address of {self.product}"
        if first in READ_BY:
            return wrong, f"read it with {READ_BY[first]}(...)"
        guess = nearest(first, self.schemes)
        return wrong, f"did you mean `{guess}://`? {self.example}" if guess is not None else self.example


def words_of_libpq(text: str) -> bool:
    """``host=db dbname=shop``"""
    return re.fullmatch(r"(?:\s*\w+\s*=\s*(?:'(?:[^'\\]|\\.)*'|[^\s'=]*)(?=\s|\Z))+\s*", text) is not None


def refused_by_mysql(url: str) -> tuple[str, str] | None:
    from recipec.mirror._my import settings_of

    try:
        settings_of(url)
    except DataError as error:
        return error.message, error.help
    return None


POSTGRES = Addresses("PostgreSQL", ("postgresql", "postgres"), plain=words_of_libpq)
MYSQL = Addresses("MySQL", ("mysql", "mariadb"), further=refused_by_mysql, libraries=True)
