"""DuckDB types as values, and what each kind of file can hold of them.

A type arrives as text, as ``typeof`` prints it; :func:`parse` takes it apart without asking DuckDB, because ``check``
must not open a database for it. The SQL made here is over one value and goes into the exported query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from recipec.api import literal, quote

_TOKEN = re.compile(r"""\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|\w+|\S)""")


@dataclass(frozen=True, slots=True)
class Type:
    """``name`` is the type's word in capitals, without arguments: ``VARCHAR``, ``LIST``, ``ARRAY``, ``STRUCT``, ``MAP``, ...

    ``inside`` are the types it is made of, with the names of a struct's fields (``key`` and ``value`` for a map, empty for
    lists). ``values`` are an enumeration's.
    """

    name: str
    inside: tuple[tuple[str, Type], ...] = ()
    values: tuple[str, ...] = ()
    text: str = field(default="", compare=False)
    """As it was written."""

    @property
    def item(self) -> Type:
        """What a list or an array holds."""
        return self.inside[0][1]

    @property
    def fields(self) -> dict[str, Type]:
        """A struct's fields by name in small letters, as DuckDB finds them."""
        return {name.lower(): t for name, t in self.inside} if self.name == "STRUCT" else {}

    def all(self) -> Iterator[Type]:
        """This type and all that it holds."""
        yield self
        for _, t in self.inside:
            yield from t.all()


def is_text(t: Type) -> bool:
    return t.name in ("VARCHAR", "ENUM")


def is_list(t: Type) -> bool:
    return t.name in ("LIST", "ARRAY")


INTEGERS = frozenset(["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"])


@cache
def parse(text: str) -> Type:
    """The type that DuckDB's text for it means."""
    found = list(_TOKEN.finditer(text))
    tokens = [f[1] for f in found]
    place = 0

    def peek() -> str:
        return tokens[place] if place < len(tokens) else ""

    def take() -> str:
        nonlocal place
        place += 1
        return str(tokens[place - 1])

    def bare(token: str) -> str:
        mark = token[0]
        return token[1:-1].replace(mark * 2, mark) if mark in "\"'" else token

    def each(one: Callable[[], None]) -> None:
        take()  # the opening parenthesis
        while peek() not in (")", ""):
            one()
            if peek() == ",":
                take()
        take()

    def type_() -> Type:
        start = place

        def so_far() -> str:
            return text[found[start].start(1) : found[place - 1].end(1)]

        words = [bare(take()).upper()]
        while re.fullmatch(r"\w+", peek()):
            words.append(take().upper())
        name = " ".join(words)
        inside: list[tuple[str, Type]] = []
        values: list[str] = []
        if peek() == "(":
            match name:
                case "STRUCT" | "UNION":
                    each(lambda: inside.append((bare(take()), type_())))
                case "MAP":
                    each(lambda: inside.append(("value" if inside else "key", type_())))
                case "TUPLE":
                    each(lambda: inside.append(("", type_())))
                case "ENUM":
                    each(lambda: values.append(bare(take())))
                case _:
                    each(lambda: values.append(take()))
        made = Type(name, tuple(inside), tuple(values), so_far())
        while peek() == "[":
            take()
            sized = peek() != "]"
            if sized:
                take()
            take()
            made = Type("ARRAY" if sized else "LIST", (("", made),), text=so_far())
        return made

    return type_()


# What Parquet holds ---------------------------------------------------------------------------------------------------

_AS_IS = INTEGERS | {
    "BOOLEAN", "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "BLOB",
    "DATE", "TIME", "TIME_NS", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
_CAST = {
    # sum() and count() of DuckDB give 128-bit numbers; readers of Parquet have none, and a float would lose digits.
    "HUGEINT": "BIGINT", "UHUGEINT": "UBIGINT",
    # datasets reads neither Arrow's dictionaries nor its extension types without help.
    "ENUM": "VARCHAR", "JSON": "VARCHAR", "UUID": "VARCHAR", "BIT": "VARCHAR", "NULL": "VARCHAR",
    # Parquet has no seconds; one unit for all keeps the parts of an export alike.
    "TIMESTAMP_S": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP",
}  # fmt: skip
IN_PARQUET = _AS_IS | _CAST.keys()
NESTED = frozenset({"LIST", "ARRAY", "STRUCT", "MAP"})


def for_arrow(t: Type, x: str, depth: int = 0) -> str:
    """SQL that makes of ``x`` what Arrow, Parquet and ``datasets`` all hold; ``x`` itself where nothing needs changing.

    A map becomes a list of ``{key, value}``, which is how Parquet stores it, because ``datasets`` refuses maps.
    """
    v = f"__v{depth}"
    if t.name in _CAST:
        return f"CAST({x} AS {_CAST[t.name]})"
    if is_list(t):
        inner = for_arrow(t.item, v, depth + 1)
        return x if inner == v else f"list_transform({x}, lambda {v}: {inner})"
    if t.name == "MAP":
        key, value = (for_arrow(i, f"{v}.{n}", depth + 1) for n, i in t.inside)
        entries = f"map_entries({x})"
        same = (key, value) == (f"{v}.key", f"{v}.value")
        return entries if same else f"list_transform({entries}, lambda {v}: {{'key': {key}, 'value': {value}}})"
    if t.name == "STRUCT":
        fields = [(name, f"{x}.{quote(name)}", i) for name, i in t.inside]
        made = [(name, for_arrow(i, old, depth), old) for name, old, i in fields]
        if all(new == old for _, new, old in made):
            return x
        struct = ", ".join(f"{literal(name)}: {new}" for name, new, _ in made)
        return f"CASE WHEN {x} IS NULL THEN NULL ELSE {{{struct}}} END"
    return x


def anywhere(t: Type, x: str, test: Callable[[Type, str], str | None], depth: int = 0) -> str | None:
    """SQL that is true where ``test`` holds for some value at the ends of ``x``; None where it cannot hold."""
    v = f"__v{depth}"
    if is_list(t):
        inner = anywhere(t.item, v, test, depth + 1)
        return inner and f"coalesce(len(list_filter({x}, lambda {v}: coalesce({inner}, false))) > 0, false)"
    if t.name == "MAP":
        sides = (anywhere(Type("LIST", (("", i),)), f"map_{n}s({x})", test, depth) for n, i in t.inside)
        return " OR ".join(s for s in sides if s) or None
    if t.name == "STRUCT":
        found = [anywhere(i, f"{x}.{quote(name)}", test, depth) for name, i in t.inside]
        return " OR ".join(f"coalesce({f}, false)" for f in found if f) or None
    return None if t.inside else test(t, x)


def not_finite(t: Type, x: str) -> str | None:
    """A float that JSON cannot write."""
    return f"NOT isfinite({x})" if t.name in ("FLOAT", "DOUBLE") else None


def not_in_arrow(t: Type, x: str) -> str | None:
    """A date that Arrow would turn into an ordinary one far off, or a whole number over 64 bits."""
    if t.name == "DATE" or t.name.startswith("TIMESTAMP"):
        return f"NOT isfinite(CAST({x} AS {'DATE' if t.name == 'DATE' else 'TIMESTAMP'}))"
    if t.name in ("HUGEINT", "UHUGEINT"):
        return f"{x} IS NOT NULL AND TRY_CAST({x} AS {_CAST[t.name]}) IS NULL"
    return None
