"""Spans and lists of classes as they come in, put into the vote's table block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipec.votes._base import Tagging, Voting

if TYPE_CHECKING:
    import duckdb


class Tally:
    """What goes wrong with answers, whatever they are about."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str, str]] = []
        self.strange: dict[str, int] = {}
        self.made = False

    def fail(self, key: str, reason: str, text: str) -> None:
        self.failed.append((key, reason, text))

    def odd(self, answer: str, count: int = 1) -> None:
        """Count an answer that means nothing here; of very many different ones, the first 10,000."""
        said = " ".join(answer.split())[:80]
        if said in self.strange or len(self.strange) < 10_000:
            self.strange[said] = self.strange.get(said, 0) + count

    def put(self, con: duckdb.DuckDBPyConnection, out: str, columns: dict[str, Any], select: str) -> None:
        import pyarrow as pa

        con.register("__tally", pa.table(columns))
        try:
            query = f"SELECT {select} FROM __tally"
            con.execute(f"INSERT INTO {out} {query}" if self.made else f"CREATE TEMP TABLE {out} AS {query}")
        finally:
            con.unregister("__tally")
        self.made = True


class Spans(Tally):
    """Entities of rows: ``add`` for each row that was answered."""

    def __init__(self, voting: Tagging) -> None:
        super().__init__()
        self.voting = voting
        self.lines: list[tuple[int, int | None, int | None, int | None]] = []

    def add(self, n: int, spans: list[tuple[int, int, int]]) -> None:
        """A row's entities as (start, stop, tag)."""
        self.lines += [(n, *s) for s in spans] or [(n, None, None, None)]

    def flush(self) -> None:
        import pyarrow as pa

        n, start, stop, tag = zip(*self.lines, strict=True) if self.lines else ((), (), (), ())
        columns = {
            "n": pa.array(n, pa.int64()), "start": pa.array(start, pa.int32()), "stop": pa.array(stop, pa.int32()),
            "tag": pa.array(tag, pa.int16()),
        }  # fmt: skip
        self.put(self.voting.ctx.con, self.voting.out, columns, "n, start, stop, tag")
        self.lines = []

    def write(self) -> None:
        if self.lines or not self.made:
            self.flush()


class Lists(Tally):
    """Classes of rows."""

    def __init__(self, voting: Voting) -> None:
        super().__init__()
        self.voting = voting
        self.keys: list[str] = []
        self.votes: list[list[int]] = []
        self.sure: list[list[float] | None] = []

    def add(self, key: str, codes: list[int], sure: list[float] | None = None) -> None:
        self.keys.append(key)
        self.votes.append(codes)
        self.sure.append(sure)

    def flush(self) -> None:
        import pyarrow as pa

        columns = {
            "k": pa.array(self.keys, pa.string()), "votes": pa.array(self.votes, pa.list_(pa.int16())),
            "sure": pa.array(self.sure, pa.list_(pa.float64())),
        }  # fmt: skip
        self.put(self.voting.ctx.con, self.voting.out, columns, "k::UUID AS _key, votes, sure")
        self.keys, self.votes, self.sure = [], [], []

    def write(self) -> None:
        if self.keys or not self.made:
            self.flush()
