"""What a step kind gets when it runs, and how it says that it cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Estimate, ModelRef, RunTools, StepFailed, TableRef, quote

if TYPE_CHECKING:
    import duckdb

    from recipec.resolve.program import Program, ResolvedStep


@dataclass
class RunContext:
    """``target`` is the SQL name of the table that the step must create, with ``_key``, ``_parent`` and its columns."""

    con: duckdb.DuckDBPyConnection
    program: Program
    step: ResolvedStep
    run_key: str
    target: str
    relations: Mapping[TableRef, str]
    scratch: str
    folder: Path
    temporary: Path
    threads: int
    progress: Callable[[float | None, str], None]
    note: Callable[[str], None]
    history: Callable[[str], Mapping[str, Any]] = field(default=lambda _: {})
    """Facts of an earlier step by its name, for cards: ``rows_in rows_out dropped files extra settings``, ``relation`` (its kept rows) and
    ``view`` (a function from a part, or None, to its kept rows)."""

    exports: Callable[[str], list[dict[str, Any]]] = field(default=lambda _: [])
    store: Path = Path()
    """The workspace's folder: the ledger of model answers lies in it."""
    shared: dict[str, Any] = field(default_factory=dict)
    """What lives as long as the run: opened models, and what was spent on them."""
    identity: Callable[[TableRef], str] = field(default=str)
    """A text that is the same for two runs when the rows of an input are."""
    artifact_of: Callable[[str], Path] = field(default=lambda _: Path())
    """Where an earlier step, by its name, put what is no table: a trained model."""
    lasting: set[str] = field(default_factory=set)
    """Tables of the schema ``store`` beside its own that the step's operators read or added to (see RunTools.lasting)."""

    agreed: Callable[[Estimate], None] | None = None
    """Asks people whether to go on where the calls of a step may cost more than they said; raises where they say no. None: never."""

    @property
    def artifact(self) -> Path:
        """The folder for what this step makes that is no table. It goes when the step's result goes."""
        return self.store / "artifacts" / self.run_key

    @property
    def checkpoints(self) -> Path:
        """A folder that outlives a run that was stopped, for what makes going on possible; to be removed when done."""
        return self.store / "checkpoints" / self.run_key

    def model(self, ref: ModelRef) -> Any:
        """A model that the step reads (:class:`recipec.models._base.Model`), opened once a run."""
        folder = str(self.artifact_of(ref.step))
        opened = self.shared.setdefault("models", {})
        if (ref.step, folder) not in opened:
            resolved = self.program.resolved[ref.step]
            assert resolved is not None
            try:
                made = resolved.kind().open(resolved.bound.plan, self, ref.step)
            except DataError as error:
                error.about = error.about or ref.step
                raise
            if "embed" in made.facts.does and not made.facts.external:
                from recipec.models.remembered import Remembered

                made.remembered = Remembered(self.store, self.identity(TableRef(ref.step)))
            if made.apart:
                from recipec.models.kept import Kept

                if "complete" in made.facts.does:
                    made.kept = Kept(self.store / "ledger", self.identity(TableRef(ref.step)))
                # Put there by an engine that has other processes to do the work.
                if "spread" in self.shared:
                    made.spread = self.shared["spread"](made)
            opened[ref.step, folder] = made
        model = opened[ref.step, folder]
        model.agree = self.agree if self.agreed is not None else None
        return model

    def quote(self, model: Any) -> Any:
        """What counts a model's calls (:class:`recipec.models.quoting.Quote`), where people want to be asked before they are made."""
        return model.quote() if self.agreed is not None else None

    def agree(self, estimate: Estimate) -> None:
        """Tell people what comes next, before the first of these calls."""
        if self.agreed is not None:
            self.agreed(estimate)
            for (name, _), model in self.shared.get("models", {}).items():
                if name == estimate.model:
                    model.allowed += estimate.calls or 0

    def history_of_exports(self, to: str) -> list[dict[str, Any]]:
        """Files that earlier runs of any recipe of this workspace wrote to a place."""
        return self.exports(to)

    def relation(self, ref: TableRef) -> str:
        """The SQL name of an input's table, kept rows only."""
        return self.relations[ref]

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a statement that may take long; the progress shown follows DuckDB's own."""
        return self.con.execute(sql)

    def one(self, sql: str) -> tuple[Any, ...]:
        # All rows: since DuckDB 2.0 a result read only in part keeps the connection from registering Arrow data.
        rows = self.con.execute(sql).fetchall()
        return rows[0] if rows else ()

    def rows(self, ref: TableRef) -> int:
        return int(self.one(f"SELECT count(*) FROM {self.relation(ref)}")[0])

    def tools_for(self, scratch: str) -> RunTools:
        """What an operator's ``prepare`` may use, under its own prefix for temporary tables."""
        relations = {str(r): n for r, n in self.relations.items()}
        return RunTools(
            self.con, scratch, lambda share: self.progress(share, ""), self.threads, self.temporary, relations, self.model, self.keep,
            lambda ref: self.identity(TableRef(ref.step)),
        )  # fmt: skip

    def set_aside(self, who: str, found: Sequence[tuple[str, str]]) -> None:
        """Keep what went wrong with single rows, as (reason, text), for ``recipec bad``. ``who`` it went wrong with stands where a
        source has the file: ``model lm``, ``vote ask``."""
        if found:
            values = [[self.run_key, who, None, reason, text] for reason, text in found]
            self.con.executemany("INSERT INTO recipec.bad VALUES (?, ?, ?, ?, ?)", values)

    def keep(self, key: str) -> str:
        self.lasting.add(f"m_{key}")
        return f"store.{quote(f'm_{key}')}"

    def temp(self, name: str) -> str:
        """A name for a temporary table of this step."""
        return quote(f"{self.scratch}{name}")


__all__ = ["RunContext", "StepFailed"]
