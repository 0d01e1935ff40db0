"""Which texts share a run of words with reference texts: n-grams of normalised words, by hashes.

Both sides stream. The reference's n-grams are held in memory (16 bytes each, some 70 while they are sorted) for as much reference text as
a share of the memory limit allows, at most :data:`SHARE` bytes; more is gone through in several passes over the texts. A table of bits
says for almost every n-gram of a text that it is none of theirs; only the others are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recipec.api import literal, quote
from recipec.fast.keyed import batches
from recipec.fast.memory import LEAST_MEMORY, lent, limit_of
from recipec.fast.quality_batches import FACTOR, LONG, ROWS, groups, in_order
from recipec.fast.quality_letters import blocks
from recipec.fast.quality_rules import long_rows
from recipec.fast.quality_shared import Hashes, LongWords, runs_of
from recipec.fast.text_arrow import Bytes, Places, bytes_of, flat

if TYPE_CHECKING:
    from recipec.api import RunTools

SHARE: Final = 256 << 20
"""Bytes of reference text whose n-grams are held at a time, at most."""
_LEAST_SHARE: Final = 4 << 20
_PER_BYTE: Final = 24
"""Bytes of memory that a byte of Chinese reference text takes, where every character begins an n-gram; of English a third of that."""

SHOWN: Final = 1000
"""Characters of shared words that are told."""


def normalised(text: Any) -> Any:
    """Small letters, compatibility forms (full width is half width); null is empty."""
    source = pc.fill_null(flat(text), "")
    plain = pc.string_is_ascii(source)
    if pc.all(plain).as_py() is False:
        source = pc.utf8_normalize(source, form="NFKC")
    return pc.utf8_lower(source)


class Reference:
    """Hashes of the reference's n-grams, and of its short texts, with the number of the first text that has each."""

    def __init__(self, batches: Iterator[tuple[Any, Any]], n: int) -> None:
        grams: list[tuple[Hashes, Places]] = []
        whole: list[tuple[Hashes, Places]] = []
        for ids, texts in batches:
            rest, long = long_rows(normalised(texts), None)
            for numbers, block in blocks(bytes_of(rest)):
                runs = runs_of(block, n)
                grams.append((runs.hashes, ids[numbers][runs.rows]))
                whole.append((runs.whole, ids[numbers][runs.short]))
            for row, values in long:
                words = LongWords(values)
                for _, hashes in words.grams(n):
                    grams.append((hashes, np.full(len(hashes), ids[row])))
                few = words.all(n)
                whole.append((few, np.full(len(few), ids[row])))
        self.n = n
        self.grams, self.owners = self._first(grams)
        self.whole, self.whole_owners = self._first(whole)
        self.bits = np.uint64(min(max(16, (len(self.grams) * 8).bit_length()), 27))
        self.maybe = np.zeros(1 << int(self.bits), np.bool_)
        self.maybe[(self.grams >> np.uint64(64 - int(self.bits))).astype(np.int64)] = True

    @staticmethod
    def _first(parts: Sequence[tuple[Hashes, Places]]) -> tuple[Hashes, Places]:
        if not parts:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        hashes, owners = np.concatenate([h for h, _ in parts]), np.concatenate([o for _, o in parts])
        order = np.lexsort((owners, hashes))
        hashes, owners = hashes[order], owners[order]
        fresh = np.ones(len(hashes), np.bool_)
        np.not_equal(hashes[1:], hashes[:-1], out=fresh[1:])
        return hashes[fresh], owners[fresh]

    def find(self, keys: Any, texts: Any) -> Any:
        """The texts that share something: key, the place of the first shared n-gram (-1: all of it), whose it is, how it reads."""
        found: dict[str, list[Any]] = {"_key": [], "place": [], "owner": [], "words": []}
        rest, long = long_rows(normalised(texts), None)
        for row, values in long:
            self._find_long(found, keys, row, values)
        for numbers, block in blocks(bytes_of(rest)):
            runs = runs_of(block, self.n)
            hits, at = self._known(runs.hashes)
            rows, begin = np.unique(runs.rows[hits], return_index=True)
            for row, hit, owner in zip(rows.tolist(), hits[begin].tolist(), self.owners[at[begin]].tolist(), strict=True):
                word = int(runs.first[hit])
                text = block.text(int(runs.starts[word]), int(runs.ends[word + self.n - 1]))
                place = word - int(np.searchsorted(runs.starts, block.starts[row]))
                self._add(found, keys, int(numbers[row]), place, owner, text)
            if len(self.whole):
                at = np.minimum(np.searchsorted(self.whole, runs.whole), len(self.whole) - 1)
                for hit in np.flatnonzero(self.whole[at] == runs.whole).tolist():
                    row = int(runs.short[hit])
                    text = block.text(int(block.starts[row]), int(block.starts[row + 1]))
                    self._add(found, keys, int(numbers[row]), -1, int(self.whole_owners[at[hit]]), text)
        return pa.record_batch(found, schema=_FOUND)

    def _known(self, hashes: Hashes) -> tuple[Places, Places]:
        """Which of the hashes are of the reference's n-grams, and of which."""
        hits = np.flatnonzero(self.maybe[(hashes >> np.uint64(64 - int(self.bits))).astype(np.int64)])
        at = np.searchsorted(self.grams, hashes[hits])
        same = at < len(self.grams)
        same[same] = self.grams[at[same]] == hashes[hits[same]]
        return hits[same], at[same]

    def _find_long(self, found: dict[str, list[Any]], keys: Any, row: int, values: Bytes) -> None:
        words = LongWords(values)
        for number, (begin, hashes) in enumerate(words.grams(self.n)):
            hits, at = self._known(hashes)
            if len(hits):
                text = words.reads(number, int(hashes[hits[0]]), self.n)
                self._add(found, keys, row, begin + int(hits[0]), int(self.owners[at[0]]), text)
                return
        few = words.all(self.n) if len(self.whole) else self.whole
        at = np.flatnonzero(np.isin(self.whole, few))
        if at.size:
            self._add(found, keys, row, -1, int(self.whole_owners[at[0]]), "")

    def in_batch(self, batch: Any) -> Any:
        """:meth:`find` for a batch of keys and texts."""
        return self.find(batch.column(0), batch.column(1))

    @staticmethod
    def _add(found: dict[str, list[Any]], keys: Any, row: int, place: int, owner: int, words: str) -> None:
        found["_key"].append(keys[row].as_py())
        found["place"].append(place)
        found["owner"].append(owner)
        told = " ".join(words.split())
        found["words"].append(told if len(told) <= SHOWN else told[:SHOWN] + "…")


_FOUND: Final = pa.schema([("_key", pa.string()), ("place", pa.int64()), ("owner", pa.int64()), ("words", pa.string())])


def contaminated(tools: RunTools, table: str, text: str, against: Sequence[tuple[str, str, str]], n: int) -> None:
    """Make the table ``{scratch}shared`` (_key, because): the rows of ``table``, not dropped yet, that share n words in a row, or all of a
    text shorter than that, with a text of ``against`` (its name, relation and column as SQL)."""
    con, scratch = tools.con, tools.scratch
    references, shared = quote(scratch + "references"), quote(scratch + "shared")
    union = " UNION ALL ".join(
        f"SELECT {number} AS source, {literal(name)} AS name, _key, {column} AS text FROM {relation}"
        for number, (name, relation, column) in enumerate(against)
    )
    numbered = f"SELECT row_number() OVER (ORDER BY source, _key) AS _id, * FROM ({union}) WHERE text IS NOT NULL"
    con.execute(f"CREATE TEMP TABLE {references} AS {numbered}")
    # DuckDB 2 streams nothing while an earlier result of the connection is half read, hence all rows.
    ((size,),) = con.execute(f"SELECT coalesce(sum(strlen(text)), 0) FROM {references}").fetchall()
    ((longest,),) = con.execute(f"SELECT coalesce(max(strlen({text})), 0) FROM {table} WHERE _why IS NULL").fetchall()
    # What DuckDB can do without; of a small limit, where it needs all, as much again as half of it.
    limit = limit_of(con)
    share = min(SHARE, max(max(limit - LEAST_MEMORY, limit // 2) // _PER_BYTE, _LEAST_SHARE))
    passes = int(size) // share + 1
    held = _PER_BYTE * min(share, int(size)) if size > _LEAST_SHARE else 0
    path = tools.folder / f"{scratch}shared.parquet"
    with pq.ParquetWriter(path, _FOUND, compression="lz4") as writer:
        for number in range(passes):
            with lent(con, held + (FACTOR * int(longest) if longest > LONG else 0)):
                reader = con.sql(f"SELECT _id, text FROM {references} WHERE _id % {passes} = {number}").to_arrow_reader(ROWS)
                try:
                    reference = Reference(((b.column(0).to_numpy().astype(np.int64), b.column(1)) for b in reader), n)
                finally:
                    reader.close()
                con.execute("SELECT 1").fetchall()
                work = in_order(reference.in_batch, _texts(con, table, text), tools.threads)
                for found in work:
                    writer.write_batch(found)
                del reference, work
            tools.progress((number + 1) / passes)
    some = f"'shares {chr(34)}' || f.words || '{chr(34)} with '"
    said = f"CASE WHEN f.place < 0 THEN 'the same words as ' ELSE {some} END || r.name || ' ' || r._key"
    con.execute(
        f"CREATE TEMP TABLE {shared} AS SELECT f._key::UUID AS _key, arg_min({said}, {{'p': f.place, 'r': r._id}}) AS because "
        f"FROM read_parquet({literal(str(path))}) AS f JOIN {references} AS r ON f.owner = r._id GROUP BY f._key"
    )
    path.unlink()


def _texts(con: Any, table: str, text: str) -> Iterator[Any]:
    """Keys and texts to look at in batches: the short ones, then the long ones, few at a time."""
    wanted, size = f"_why IS NULL AND {text} IS NOT NULL", f"strlen({text})"
    yield from batches(con, f"SELECT _key::VARCHAR, {text} FROM {table} WHERE {wanted} AND {size} < {LONG}", ROWS)
    long = con.execute(f"SELECT rowid, {size} FROM {table} WHERE {wanted} AND {size} >= {LONG} ORDER BY rowid").fetchall()
    for listed in groups(long):
        yield from batches(con, f"SELECT _key::VARCHAR, {text} FROM {table} WHERE rowid IN ({listed})", ROWS)
