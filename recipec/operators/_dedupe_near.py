"""``dedupe(text, near: 85%)``, ``by: simhash`` and ``meaning: 95%``: what a run does to find rows that are alike but not equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from recipec.api import Alike, ColumnName, DataError, ModelRef, Rewrite, RunTools, Schema, quote
from recipec.identity import derived_key
from recipec.operators._sql import projection

if TYPE_CHECKING:
    from recipec.operators.dedupe import DedupeParams

Find = Callable[[RunTools, str, str], Any]
"""Writes the table of duplicates: given the tools, the query that yields ``_key``, ``_text``, ``_own``, ``_preferred``, and the table's name."""

ORDER = "_own, _preferred"
EMBEDDED = 4096
"""Different texts sent to a model at a time."""


def by_minhash(p: DedupeParams) -> Find:
    def find(tools: RunTools, rows: str, out: str) -> None:
        from recipec.fast.minhash import near_duplicates

        near_duplicates(
            tools.con, rows, text="_text", threshold=p.near or 1.0, by=p.by if p.by != "simhash" else "auto", ngram=p.ngram, order=ORDER,
            out=out, scratch=tools.folder, progress=tools.progress,
        )  # fmt: skip

    return find


def by_simhash(p: DedupeParams) -> Find:
    def find(tools: RunTools, rows: str, out: str) -> None:
        from recipec.fast.simhash import simhash_duplicates

        simhash_duplicates(
            tools.con, rows, text="_text", distance=bits_apart(p.near or 1.0), ngram=p.ngram, order=ORDER,
            out=out, scratch=tools.folder, progress=tools.progress,
        )  # fmt: skip

    return find


def by_meaning(p: DedupeParams, model: ModelRef) -> Find:
    def find(tools: RunTools, rows: str, out: str) -> None:
        from recipec.fast.semantic import semantic_duplicates

        # Vectors depend on the text and the model alone: a threshold is moved without embedding anything again.
        vectors = tools.lasting(blake2b(f"vectors {tools.identity(model)}".encode(), digest_size=12).hexdigest())
        embed_texts(tools, rows, vectors, lambda: tools.model(model), lambda share: tools.progress(share / 2))
        joined = (
            f"SELECT r._key, r._own, r._preferred, v.vector FROM ({rows}) AS r LEFT JOIN {vectors} AS v ON md5_number(r._text) = v._text"
        )
        semantic_duplicates(
            tools.con, joined, threshold=p.meaning or 1.0, order=ORDER, out=out, scratch=tools.folder,
            progress=lambda share: tools.progress(0.5 + share / 2),
        )  # fmt: skip

    return find


def bits_apart(near: float) -> int:
    """How many of 64 bits may differ where the share of equal ones is at least ``near``."""
    return int((1.0 - near) * 64 + 1e-9)


def embed_texts(tools: RunTools, rows: str, out: str, opened: Callable[[], Any], progress: Callable[[float], None]) -> None:
    """Add to the table ``out``, which may be there already, the vector of every different text of ``rows`` that is not blank and not in
    it yet, by the text's digest. The model is ``opened`` only where there is one.

    Texts go to the model in one order, whatever the threads, so that its batches are the same in every run.
    """
    import numpy as np
    import pyarrow as pa

    con = tools.con
    wanted = quote(tools.scratch + "texts")
    con.execute(f"CREATE TABLE IF NOT EXISTS {out} (_text UHUGEINT, vector FLOAT[])")
    different = f"SELECT md5_number(_text) AS _text, any_value(_text) AS text FROM ({rows}) WHERE trim(_text) <> '' GROUP BY 1"
    unknown = f"SELECT * FROM ({different}) AS d WHERE NOT EXISTS (SELECT 1 FROM {out} AS o WHERE o._text = d._text)"
    con.execute(f"CREATE TEMP TABLE {wanted} AS SELECT row_number() OVER (ORDER BY _text) AS n, * FROM ({unknown})")
    ((count,),) = con.execute(f"SELECT count(*) FROM {wanted}").fetchall()
    if not count:
        con.execute(f"DROP TABLE {wanted}")
        return
    model = opened()
    for low in range(0, count, EMBEDDED):
        part = f"FROM {wanted} WHERE n > {low} AND n <= {low + EMBEDDED}"
        texts = [text for (text,) in con.execute(f"SELECT text {part} ORDER BY n").fetchall()]
        found = np.ascontiguousarray(model.embed(texts, progress=lambda done, low=low: progress((low + done) / count)), np.float32)
        if found.ndim != 2 or len(found) != len(texts):
            raise DataError(f"the model `{model.name}` gave vectors of shape {found.shape} for {len(texts)} texts")
        values = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
        con.register("_embedded", pa.table({"n": np.arange(low + 1, low + 1 + len(texts)), "vector": values}))
        try:
            con.execute(f"INSERT INTO {out} SELECT w._text, e.vector FROM _embedded AS e JOIN (SELECT n, _text {part}) AS w ON e.n = w.n")
        finally:
            con.unregister("_embedded")
        progress(min((low + EMBEDDED) / count, 1.0))
    con.execute(f"DROP TABLE {wanted}")


def alike(schema: Schema, p: DedupeParams, column: ColumnName, preferred: str, find: Find, reason: str, told: Sequence[str]) -> Rewrite:
    """The rewrite for a way of ``find``-ing duplicates. ``told`` is SQL over the duplicates ``d`` that says how alike a row is to which."""
    across = [str(ref) for ref in p.across]

    def prepare(tools: RunTools, table: str) -> None:
        rows = [own_rows(column, preferred).format(input=table)]
        rows += [rows_across(column, number).format(input=tools.relations[name]) for number, name in enumerate(across)]
        try:
            find(tools, " UNION ALL ".join(rows), f"{tools.scratch}near")
        except ValueError as error:
            raise DataError(str(error)) from None

    why = "CASE WHEN i._why IS NULL AND d._key IS NOT NULL THEN {why[0]} ELSE i._why END"
    because = f"CASE WHEN i._why IS NULL AND d._key IS NOT NULL THEN {' || '.join(told)} || ', kept ' || d.kept ELSE i._because END"
    listed = projection(schema, why=why, because=because, prefix="i.")
    query = f"SELECT {listed} FROM {{input}} AS i LEFT JOIN {{scratch}}near AS d ON i._key = d._key"
    return Rewrite(query, schema, (reason,), prepare=prepare)


def own_rows(column: ColumnName, preferred: str) -> str:
    """SQL for what is compared of ``{input}``."""
    query = f"SELECT _key, {column.sql} AS _text, 1 AS _own, {preferred} AS _preferred"
    return query.replace("{", "{{").replace("}", "}}") + " FROM {input} WHERE _why IS NULL"


def rows_across(column: ColumnName, number: int) -> str:
    """SQL for what is compared of another table, ``{input}``: its rows come before all, under keys of their own, for the tables may share rows."""
    query = f"SELECT {derived_key('_key', 'across', str(number))} AS _key, {column.sql} AS _text, 0 AS _own, 0 AS _preferred"
    return query.replace("{", "{{").replace("}", "}}") + " FROM {input}"


def by_bands(p: DedupeParams, column: ColumnName, preferred: str, made: Rewrite) -> Rewrite:
    """The rewrite by MinHash, with what engines need to know that find its duplicates in many places at once."""
    others = {str(ref): rows_across(column, number) for number, ref in enumerate(p.across)}
    by = p.by if p.by != "simhash" else "auto"
    return replace(made, meeting=Alike(own_rows(column, preferred), others, ORDER, p.near or 1.0, by, p.ngram, "near"))


JACCARD = ("'near-duplicate of ' || d.neighbour", "' (Jaccard ' || format('{:.2f}', d.similarity) || ')'")
SIMHASH = ("'near-duplicate of ' || d.neighbour", "' (SimHash ' || round(64 * d.similarity)::INT || ' of 64 bits)'")
COSINE = ("'means the same as ' || d.neighbour", "' (cosine ' || format('{:.3f}', d.similarity) || ')'")
