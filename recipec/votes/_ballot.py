"""Votes as they come in, put into the vote's table block by block."""

from __future__ import annotations

from typing import Any

from recipec.votes._base import Voting


class Ballot:
    """Collects votes in Python; ``flush`` puts them into the vote's table, ``write`` ends."""

    def __init__(self, voting: Voting) -> None:
        self.voting = voting
        self.keys: list[str] = []
        self.votes: list[int | None] = []
        self.sure: list[list[float] | None] = []
        self.failed: list[tuple[str, str, str]] = []
        self.strange: dict[str, int] = {}
        self.made = False

    def add(self, key: str, code: int, sure: list[float] | None = None) -> None:
        self.keys.append(key)
        self.votes.append(code)
        self.sure.append(sure)

    def tie(self, key: str, sure: list[float]) -> None:
        """A row on which there were votes, and two classes or more are even."""
        self.keys.append(key)
        self.votes.append(None)
        self.sure.append(sure)

    def fail(self, key: str, reason: str, text: str) -> None:
        self.failed.append((key, reason, text))

    def odd(self, answer: str, count: int = 1) -> None:
        """Count an answer that is none of the classes; of very many different ones, the first 10,000."""
        said = " ".join(answer.split())[:80]
        if said in self.strange or len(self.strange) < 10_000:
            self.strange[said] = self.strange.get(said, 0) + count

    def flush(self) -> None:
        import pyarrow as pa

        con = self.voting.ctx.con
        columns: dict[str, Any] = {
            "k": pa.array(self.keys, pa.string()),
            "vote": pa.array(self.votes, pa.int16()),
            "sure": pa.array(self.sure, pa.list_(pa.float64())),
        }
        con.register("__ballot", pa.table(columns))
        select = "SELECT k::UUID AS _key, vote, sure FROM __ballot"
        con.execute(f"INSERT INTO {self.voting.out} {select}" if self.made else f"CREATE TEMP TABLE {self.voting.out} AS {select}")
        con.unregister("__ballot")
        self.made = True
        self.keys, self.votes, self.sure = [], [], []

    def write(self) -> None:
        if self.keys or not self.made:
            self.flush()
