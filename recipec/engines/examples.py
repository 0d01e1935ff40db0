"""Which rows of a table stand as examples in the prompt of each row: the first ones, others for every row drawn by the seed, or those most
like the row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recipec.api import DataError, ModelRef, TableRef, quote
from recipec.rand import unit_of

CHUNK = 20_000
"""Rows whose examples are drawn at a time."""


@dataclass(frozen=True)
class Like:
    """How examples are to be like the row: its ``query`` (SQL of a text) and their ``text`` (a column), by a model's vectors or by shared words.
    ``balance`` is what being unlike each other counts (maximal marginal relevance); None for the nearest as they are."""

    query: str
    text: str
    model: ModelRef | None
    balance: float | None


@dataclass(frozen=True)
class Examples:
    """``random(pool, k: 8)``, ``fixed(pool, k: 8)``, or with ``like`` those nearest to the row. ``columns`` are those of the table, and what an
    example consists of."""

    table: TableRef
    k: int
    random: bool
    columns: tuple[str, ...]
    seed: int = 0
    salt: str = ""
    like: Like | None = None

    @property
    def query(self) -> str:
        """SQL of the text of a row that its examples are to be like."""
        return self.like.query if self.like is not None else "''"

    def rows(self) -> str:
        """SQL of an example as JSON."""
        return "to_json({" + ", ".join(f"{quote(c)}: {quote(c)}" for c in self.columns) + "})::VARCHAR"


def places(examples: Examples, keys: Sequence[str], key: str) -> list[int]:
    """Places in the pool, whose keys are ``keys`` in order, of the examples of the row ``key``: never itself. All, where there are fewer
    than wanted. Drawn without replacement (Fisher and Yates), by the seed and the row's key alone."""
    size = len(keys)
    if not examples.random:
        return [i for i in range(min(examples.k + 1, size)) if keys[i] != key][: examples.k]
    moved: dict[int, int] = {}
    out: list[int] = []
    for turn in range(size):
        if len(out) == examples.k:
            break
        at = turn + int(unit_of(examples.seed, examples.salt, f"{key}/{turn}") * (size - turn))
        chosen = moved.get(at, at)
        moved[at] = moved.get(turn, turn)
        if keys[chosen] != key:
            out.append(chosen)
    return out


def pool(con: Any, examples: Examples, relation: str, columns: str) -> list[tuple[Any, ...]]:
    """Rows of the pool in key order. DataError where there are none."""
    rows: list[tuple[Any, ...]] = con.execute(f"SELECT {columns} FROM {relation} ORDER BY _key").fetchall()
    if not rows:
        raise DataError(f"`{examples.table}` has no rows to show as examples", "where did they go? recipec show, recipec explain")
    return rows


def picker(examples: Examples) -> Callable[[Any], Callable[[Sequence[tuple[str, str]]], list[Any]]]:
    """For :class:`recipec.api.Asking`: a function from rows, as (key, text), to the examples of each."""

    if examples.like is not None:
        return lambda look: nearest(look, examples)

    def start(look: Any) -> Callable[[Sequence[tuple[str, str]]], list[Any]]:
        keys, texts = zip(*pool(look.con, examples, look.relation(examples.table), f"_key::VARCHAR, {examples.rows()}"), strict=True)

        def pick(rows: Sequence[tuple[str, str]]) -> list[Any]:
            return [[json.loads(texts[i]) for i in places(examples, keys, key)] for key, _ in rows]

        return pick

    return start


def nearest(look: Any, examples: Examples) -> Callable[[Sequence[tuple[str, str]]], list[Any]]:
    """The same of the rows that are most like each, the most alike last."""
    from recipec.votes._examples import Pool, likeness
    from recipec.votes._examples import chosen as ranked

    like = examples.like
    assert like is not None
    listed = f"_key::VARCHAR, coalesce({quote(like.text)}::VARCHAR, ''), {examples.rows()}"
    keys, texts, rows = (list(c) for c in zip(*pool(look.con, examples, look.relation(examples.table), listed), strict=True))
    embed = likeness(look, like.model, texts)
    found, vectors = Pool(keys, texts, [""] * len(keys)), (embed, embed(texts))
    name = "nearest" if like.balance is None else "diverse"
    given = Wanted(examples.k, like.balance or 0.0)

    def pick(queries: Sequence[tuple[str, str]]) -> list[Any]:
        return [[json.loads(rows[i]) for i in places] for places in ranked(look, name, given, queries, found, vectors)]

    return pick


@dataclass(frozen=True)
class Wanted:
    """What :func:`recipec.votes._examples.chosen` asks of its parameters."""

    k: int
    balance: float


def alike(ctx: Any, examples: Examples, source: str) -> str:
    """As :func:`chosen`, of the rows that are most like each."""
    import pyarrow as pa

    pick = nearest(ctx, examples)
    table = ctx.temp("examples")
    ctx.con.execute(f"CREATE TEMP TABLE {table} (_key UUID, examples JSON)")
    queries = ctx.execute(f"SELECT _key::VARCHAR, coalesce({examples.query}, '') FROM {source} ORDER BY _key").fetchall()
    for start in range(0, len(queries), CHUNK):
        part = queries[start : start + CHUNK]
        made = [json.dumps(shown, ensure_ascii=False) for shown in pick(part)]
        ctx.con.register("__alike", pa.table({"k": pa.array([k for k, _ in part], pa.string()), "e": pa.array(made, pa.string())}))
        try:
            ctx.con.execute(f"INSERT INTO {table} SELECT k::UUID, e::JSON FROM __alike")
        finally:
            ctx.con.unregister("__alike")
    return str(table)


def chosen(ctx: Any, examples: Examples, source: str) -> str:
    """Make a table of ``_key`` and ``examples`` (JSON, a list of rows of the pool) for the rows of ``source``; its name."""
    import pyarrow as pa

    if examples.like is not None:
        return alike(ctx, examples, source)
    relation = ctx.relation(examples.table)
    keys = [k for (k,) in pool(ctx.con, examples, relation, "_key::VARCHAR")]
    drawn, table = ctx.temp("drawn"), ctx.temp("examples")
    ctx.con.execute(f"CREATE TEMP TABLE {drawn} (_key UUID, turn INTEGER, place BIGINT)")
    rows = [k for (k,) in ctx.con.execute(f"SELECT _key::VARCHAR FROM {source} ORDER BY _key").fetchall()]
    for start in range(0, len(rows), CHUNK):
        listed = [(key, turn, place) for key in rows[start : start + CHUNK] for turn, place in enumerate(places(examples, keys, key))]
        columns = zip(*listed, strict=True) if listed else ((), (), ())
        types = (pa.string(), pa.int32(), pa.int64())
        made = pa.table({n: pa.array(c, t) for n, c, t in zip(("k", "turn", "place"), columns, types, strict=True)})
        ctx.con.register("__drawn", made)
        try:
            ctx.con.execute(f"INSERT INTO {drawn} SELECT k::UUID, turn, place FROM __drawn")
        finally:
            ctx.con.unregister("__drawn")
    numbered = f"(SELECT row_number() OVER (ORDER BY _key) - 1 AS place, {examples.rows()} AS j FROM {relation})"
    ctx.execute(
        f"CREATE TEMP TABLE {table} AS SELECT s._key, ('[' || coalesce(x.j, '') || ']')::JSON AS examples FROM {source} AS s LEFT JOIN "
        f"(SELECT d._key, string_agg(p.j, ',' ORDER BY d.turn) AS j FROM {drawn} AS d JOIN {numbered} AS p USING (place) GROUP BY d._key) AS x "
        "ON s._key = x._key"
    )
    return str(table)
