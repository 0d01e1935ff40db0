"""The rows that a step asks people about, in the order in which they are asked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.api import HIDDEN, quote
from recipec.rand import rank64

if TYPE_CHECKING:
    import duckdb

WHY = ("unsure", "voters fight", "nobody voted", "agreed")
"""Why a row is asked for, in the order in which they are."""
BATCH = 2_000


@dataclass(frozen=True)
class Ask:
    """What to take. ``relation`` is SQL for the rows: a label step's table, dropped rows too (``column`` names its label), or any table.

    ``every``: also rows whose voters agree. ``sample``: so many, drawn by chance. ``where``: SQL. ``columns`` are shown, ``tokens`` is the column with the
    tokens to mark. ``keys`` are SELECTs of ``_key`` and ``item`` (a list of texts), for sources that declare a key. ``votes``: also take the voters' votes.
    """

    relation: str
    columns: Sequence[str]
    column: str | None = None
    every: bool = False
    sample: int | None = None
    limit: int | None = None
    where: str | None = None
    tokens: str | None = None
    keys: Sequence[str] = ()
    votes: bool = False
    seed: int = 0
    salt: str = "annotate"
    types: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    number: int
    item: tuple[str, ...]
    fields: list[dict[str, Any]]
    tokens: list[str] | None
    why: str
    votes: dict[str, Any] | None


def take(con: duckdb.DuckDBPyConnection, ask: Ask) -> Queue:
    """Copy the rows out of the workspace, which is then free for a run. Raises duckdb.Error for a condition of the user's that is none."""
    types = {r[0]: r[1] for r in con.execute(f"DESCRIBE FROM {ask.relation} AS r").fetchall()}
    chance = rank64(ask.seed, ask.salt, "r._key")
    votes = quote(f"{ask.column}_votes") if ask.column is not None else ""
    sure = quote(f"{ask.column}_confidence") if ask.column is not None else ""
    why, ordering = "0", [chance]
    if ask.column is not None:
        label = quote(ask.column)
        # Rows that a step dropped keep their label in its table, so it is the reason that tells.
        doubt = f"({label} IS NULL OR r._why IS NOT NULL)" if "_why" in types else f"{label} IS NULL"
        if types.get(f"{ask.column}_confidence") == "DOUBLE[]":
            # Several classes: how near to even the class is that is nearest.
            sure = f"list_min(list_transform({sure}, lambda p: abs(p - 0.5)))"
            why = f"CASE WHEN coalesce(len(map_keys({votes})), 0) = 0 THEN 2 WHEN {doubt} OR {sure} < 0.3 THEN 0 ELSE 3 END"
        elif types.get(f"{ask.column}_votes") == "MAP(VARCHAR, VARCHAR)":
            cast = f"map_values({votes})"
            fought = f"len(list_distinct({cast})) > 1"
            why = f"CASE WHEN coalesce(len({cast}), 0) = 0 THEN 2 WHEN {doubt} THEN 0 WHEN {fought} THEN 1 ELSE 3 END"
        else:
            why = f"CASE WHEN coalesce(len(map_keys({votes})), 0) = 0 THEN 2 WHEN {doubt} THEN 0 ELSE 3 END"
        ordering = ["why", *([f"{sure} ASC NULLS FIRST"] if f"{ask.column}_confidence" in types else []), chance]
    if ask.sample is not None:
        ordering = [chance]
    taken = [*ask.columns, *([ask.tokens] if ask.tokens and ask.tokens not in ask.columns else [])]
    listed = "".join(f", r.{quote(c)}" for c in taken)
    voted = f", CAST(to_json(r.{votes}) AS VARCHAR)" if ask.votes and f"{ask.column}_votes" in types else ", NULL"
    keyed = (
        f"LEFT JOIN (SELECT _key, min(item) AS item FROM ({' UNION ALL '.join(ask.keys)}) GROUP BY _key) AS k ON r._key = k._key"
        if ask.keys
        else ""
    )
    item = "coalesce(k.item, [r._key::VARCHAR])" if ask.keys else "[r._key::VARCHAR]"
    conditions = [f"({ask.where})"] if ask.where else []
    inner = f"SELECT r.*, {why} AS why FROM {ask.relation} AS r" + (f" WHERE {conditions[0]}" if conditions else "")
    kept = "" if ask.every or ask.sample is not None or ask.column is None or ask.where else "WHERE r.why < 3"
    limits = [n for n in (ask.sample, ask.limit) if n is not None]
    limit = f" LIMIT {min(limits)}" if limits else ""
    query = f"SELECT {item}, r.why{voted}{listed} FROM ({inner}) AS r {keyed} {kept} ORDER BY {', '.join(ordering)}, r._key{limit}"
    queue = Queue()
    counted = con.execute(f"SELECT count(*) FROM ({inner}) AS r {kept}").fetchone() if ask.limit is not None else None
    queue.available = int(counted[0]) if counted else 0
    cursor = con.execute(query)
    while block := cursor.fetchmany(BATCH):
        queue.add(cells(r, taken, ask, types) for r in block)
    return queue


def cells(row: tuple[Any, ...], names: Sequence[str], ask: Ask, types: dict[str, str]) -> tuple[str, str, str, str | None, str, str]:
    from recipec.report.rows import plain

    item, why, votes, *values = row
    shown, tokens = [], None
    for name, value in zip(names, values, strict=True):
        if name == ask.tokens:
            tokens = ["" if t is None else str(t) for t in value or ()]
        if name in ask.columns and name != ask.tokens:
            shown.append({"name": name, "value": plain(value)})
    fields = json.dumps(shown, ensure_ascii=False)
    words = " ".join(
        [
            *item,
            *(s["value"] if isinstance(s["value"], str) else json.dumps(s["value"], ensure_ascii=False) for s in shown),
            *(tokens or ()),
        ]
    )
    reason = WHY[why] if ask.column is not None else ""
    return (
        json.dumps(item, ensure_ascii=False), fields, json.dumps(tokens, ensure_ascii=False), votes, reason, words.casefold(),
    )  # fmt: skip


def visible(types: dict[str, str], hide: Iterable[str] = ()) -> list[str]:
    """The columns that people are shown, where none are named."""
    hidden = {*HIDDEN, "_why", "_because", "_part", *hide}
    return [c for c in types if c not in hidden]


class Queue:
    """Rows in order, in a database of SQLite's own that is nobody else's and goes with the process: beyond its cache it lies on disk."""

    def __init__(self) -> None:
        # A name that is empty makes a temporary database (SQLite: "In-Memory Databases").
        self.db = sqlite3.connect("", check_same_thread=False)
        self.db.execute("CREATE TABLE rows (n INTEGER PRIMARY KEY, item TEXT, fields TEXT, tokens TEXT, votes TEXT, why TEXT, words TEXT)")
        self.items: list[tuple[str, ...]] = []
        self.available = 0
        """How many rows there were to choose from, where a limit was set."""

    def add(self, rows: Iterable[tuple[str, str, str, str | None, str, str]]) -> None:
        made = []
        for row in rows:
            made.append((len(self.items), *row))
            self.items.append(tuple(json.loads(row[0])))
        self.db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", made)

    def __len__(self) -> int:
        return len(self.items)

    def row(self, number: int) -> Row:
        n, item, fields, tokens, votes, why, _ = self.db.execute("SELECT * FROM rows WHERE n = ?", [number]).fetchone()
        return Row(n, tuple(json.loads(item)), json.loads(fields), json.loads(tokens), why, json.loads(votes) if votes else None)

    def reasons(self) -> dict[str, int]:
        counts = dict(self.db.execute("SELECT why, count(*) FROM rows GROUP BY why").fetchall())
        return {w: counts[w] for w in WHY if w in counts}

    def search(self, words: str, limit: int = 30) -> tuple[int, list[tuple[int, str]]]:
        """(how many rows hold all of the words, the first of them with some text)."""
        wanted = words.casefold().split()[:20]
        if not wanted:
            return 0, []
        where = " AND ".join(["instr(words, ?) > 0"] * len(wanted))
        total = self.db.execute(f"SELECT count(*) FROM rows WHERE {where}", wanted).fetchone()[0]
        found = self.db.execute(f"SELECT n FROM rows WHERE {where} ORDER BY n LIMIT ?", [*wanted, limit]).fetchall()
        return int(total), [(n, self.excerpt(n)) for (n,) in found]

    def excerpt(self, number: int) -> str:
        row = self.row(number)
        if row.tokens is not None:
            return " ".join(row.tokens)[:160]
        texts = [f["value"] for f in row.fields if isinstance(f["value"], str)]
        return max(texts, key=len, default=" ".join(row.item))[:160]

    def longest(self) -> list[str]:
        """The names of the columns of text, those with the longest texts first, by the first rows."""
        sizes: dict[str, int] = {}
        for (fields,) in self.db.execute("SELECT fields FROM rows ORDER BY n LIMIT 50"):
            for f in json.loads(fields):
                if isinstance(f["value"], str):
                    sizes[f["name"]] = sizes.get(f["name"], 0) + len(f["value"])
        return sorted(sizes, key=lambda n: (-sizes[n], n))
