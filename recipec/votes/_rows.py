"""The texts that a vote reads, block by block in key order."""

from __future__ import annotations

from collections.abc import Iterator

from recipec.votes._base import Voting

BLOCK = 10_000


def texts(voting: Voting, sql: str) -> Iterator[list[tuple[str, str]]]:
    """(key, text) of every row whose text is not null, ``BLOCK`` rows at a time. ``sql`` is the text, over the input's columns."""
    table = voting.temp("texts")
    con = voting.ctx.con
    con.execute(
        f"CREATE TEMP TABLE {table} AS SELECT row_number() OVER (ORDER BY _key) - 1 AS n, _key::VARCHAR AS k, ({sql})::VARCHAR AS t "
        f"FROM {voting.relation} WHERE ({sql}) IS NOT NULL"
    )
    count = int(voting.ctx.one(f"SELECT count(*) FROM {table}")[0])
    for start in range(0, count, BLOCK):
        voting.progress(start, count)
        yield con.execute(f"SELECT k, t FROM {table} WHERE n BETWEEN {start} AND {start + BLOCK - 1} ORDER BY n").fetchall()
    con.execute(f"DROP TABLE {table}")
