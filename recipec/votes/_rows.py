"""The texts that a vote reads, block by block in key order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from recipec.api import Asking, ModelRef
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


def count(quote: Any, part: Sequence[tuple[str, Any]]) -> None:
    """Add texts that a model is to embed to a quote."""
    from recipec.models.requests import Request

    quote.add(Request(key, prompt=text) for key, text in part)


def asking(model: ModelRef, name: str, sql: str, beside: Callable[[Any], Sequence[str]]) -> Asking:
    """What a vote asks of a model that embeds every row's text, and the texts that they are compared with."""
    return Asking(model, count, name, texts=sql, beside=lambda look: [("", text) for text in beside(look)])


def agree(voting: Voting, model: Any, sql: str, beside: Sequence[str]) -> None:
    """Let people know what the vectors of all rows, and of the texts beside them, will cost, before the first is asked for."""
    quote = voting.ctx.quote(model)
    if quote is not None:
        for block in texts(voting, sql):
            count(quote, block)
        count(quote, [("", text) for text in beside])
        voting.ctx.agree(quote.estimate(voting.name))
