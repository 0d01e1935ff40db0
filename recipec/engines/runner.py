"""Running a plan on DuckDB: step after step, each in one transaction with its row of the journal."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from recipec.api import DataError, Estimate, Outcome, TableRef, literal, quote
from recipec.engines.batches import Kernels
from recipec.engines.books import calls, votes
from recipec.engines.context import RunContext, StepFailed
from recipec.engines.tests import test_again
from recipec.engines.until import round_to_skip
from recipec.plan.fingerprint import file_digests, guards_key, run_key
from recipec.plan.planner import Plan, Planned, out_of_reach, program_id, stale
from recipec.resolve.program import ResolvedStep
from recipec.workspace.database import Built, Name, Workspace, clear
from recipec.workspace.trouble import Invalidated, of_database, of_system, words

INTERRUPTED = "Query interrupted"
"""What DuckDB's Python client says when Ctrl-C stopped a query."""

MOST_ASIDE = 10_000
"""Rows kept of those that a failed step set aside."""

Status = Literal["run", "reused", "skipped", "failed"]


@dataclass
class StepResult:
    """What became of a step. ``changed`` is False when it ran and gave the rows that it gave before."""

    name: str
    kind: str
    status: Status
    why: str = ""
    built: Built | None = None
    seconds: float = 0.0
    changed: bool = True
    error: DataError | None = None


@dataclass
class RunResult:
    steps: list[StepResult] = field(default_factory=list)
    seconds: float = 0.0
    spent: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each model was used for in this run, by steps that failed too."""

    @property
    def failed(self) -> list[StepResult]:
        return [s for s in self.steps if s.status == "failed"]


class Watcher(Protocol):
    """Told what happens, as it happens."""

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None: ...

    def progress(self, share: float | None, text: str) -> None: ...

    def done(self, result: StepResult) -> None: ...


class Silent:
    """A watcher that says nothing."""

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None:
        pass

    def progress(self, share: float | None, text: str) -> None:
        pass

    def done(self, result: StepResult) -> None:
        pass


def run(
    plan: Plan, workspace: Workspace, watcher: Watcher | None = None, agreed: Callable[[str, Estimate], None] | None = None
) -> RunResult:
    """Carry out a plan. A failed step stops what reads it; the others go on. KeyboardInterrupt leaves all finished steps.

    ``agreed`` is told, with a step's name, what its calls will cost before the first is made; what it raises ends the run.
    """
    runner = Runner(plan, workspace, watcher or Silent(), agreed)
    started = time.monotonic()
    try:
        for planned in plan.steps:
            runner.step(planned)
    finally:
        try:
            runner.finish(complete=len(runner.result.steps) == len(plan.steps))
        finally:
            runner.result.seconds = time.monotonic() - started
    return runner.result


class Runner:
    def __init__(self, plan: Plan, workspace: Workspace, watcher: Watcher, agreed: Callable[[str, Estimate], None] | None = None) -> None:
        program = plan.program
        self.agreed = agreed
        self.plan, self.program, self.workspace, self.watcher = plan, program, workspace, watcher
        self.con = workspace.con
        self.recipe = program_id(program)
        self.result = RunResult()
        self.outputs: dict[str, Built] = {}
        self.previous = workspace.current(self.recipe)
        self.threads = int(self.con.execute("SELECT current_setting('threads')").fetchone()[0])  # type: ignore[index]
        self.kernels = Kernels(self.con, self.threads)
        if any(p.status == "run" for p in plan.steps):
            self.kernels.warm()
        self.run_id: int | None = None
        self.shared: dict[str, Any] = {}
        self.gone: Invalidated | None = None
        """The database takes no statement any more."""

    # Steps

    def step(self, planned: Planned) -> None:
        step = planned.step
        broken = [p.step for p in step.parents if p.step not in self.outputs]
        if broken or self.gone is not None:
            why = f"`{broken[0]}` did not finish" if broken else "the database gave up"
            self.report(StepResult(step.name, step.kind.name, "skipped", why))
            return
        try:
            with self.translated(output=True):
                self.one(planned)
        except Invalidated as error:
            self.gone = error
            self.report(StepResult(step.name, step.kind.name, "failed", planned.why, error=error))
        except DataError as error:
            self.report(StepResult(step.name, step.kind.name, "failed", planned.why, error=error))

    def one(self, planned: Planned) -> None:
        """Skip, reuse or build a step."""
        step = planned.step
        skipped = round_to_skip(step, self.outputs, self.con)
        if skipped is not None:
            self.outputs[step.name] = self.outputs[skipped.step]
            self.report(StepResult(step.name, step.kind.name, "skipped", skipped.why, self.outputs[step.name]))
            return
        if not step.bound.fetched:
            raise DataError(
                f"{step.bound.mirrors[0].address} has not been copied yet", f"copy it: recipec fetch {self.program.root.source.path}"
            )
        files = file_digests(self.workspace, step.bound.files)
        key = run_key(step, [(self.outputs[p.step].output_id, p.part) for p in step.parents], files)
        built = self.workspace.built.get(key)
        if built is not None and stale(built, step, self.workspace) is None and step.kind.gone(step.bound.plan, built.extra) is None:
            self.keep(step, built)
            self.report(StepResult(step.name, step.kind.name, "reused", planned.why, built))
            return
        kept = built is not None and built.parts and out_of_reach(built, self.workspace) is None
        again = built if built is not None and kept and step.kind.stale(step.bound.plan, built.extra) is None else None
        self.build(planned, key, files, again)

    def build(self, planned: Planned, key: str, files: dict[str, str], again: Built | None) -> None:
        """Run a step; or, where ``again`` has its rows already and only its tests are other ones, test them."""
        step, con = planned.step, self.con
        self.begin_run()
        inputs = [self.outputs[p.step] for p in step.inputs]
        self.watcher.start(step, planned.why, sum(p.rows_out for p in inputs) or None)
        self.kernels.register()
        started = time.monotonic()
        temporary = self.workspace.temporary / key
        temporary.mkdir(parents=True, exist_ok=True)
        notes: list[str] = []
        context = RunContext(
            con=con,
            program=self.program,
            step=step,
            run_key=key,
            target=self.workspace.table(key),
            relations={p: self.relation(p) for p in step.parents},
            scratch=f"_{key[:8]}_",
            folder=self.program.folder,
            temporary=temporary,
            threads=self.threads,
            progress=self.watcher.progress,
            note=notes.append,
            history=self.history,
            store=self.workspace.folder,
            shared=self.shared,
            identity=lambda ref: f"{self.outputs[ref.step].output_id}.{ref.part or ''}",
            artifact_of=lambda name: self.workspace.folder / "artifacts" / self.outputs[name].run_key,
            agreed=partial(self.agreed, step.name) if self.agreed is not None else None,
            exports=lambda to: [f for b in self.workspace.built.values() if b.extra.get("to") == to for f in b.extra["files"]],
        )
        with self.translated():
            con.execute("BEGIN")
            try:
                if again is None:
                    # In the same transaction: what was there stays until the new is.
                    self.workspace.drop(key)
                outcome: Outcome = self.carry_out(step, context) if again is None else test_again(context, again)
                if step.bound.files and file_digests(self.workspace, step.bound.files) != files:
                    raise StepFailed("a source file changed while it was read", "run again")
                if outcome.rows_out == 0 and step.kind.table and again is None:
                    notes.append("no row is left" if outcome.rows_in else "there is no row")
                built = self.record(planned, key, files, outcome, notes, time.monotonic() - started)
                con.execute("DELETE FROM recipec.bad WHERE run_key = ?", [self.workspace.failed_key(self.recipe, step.name)])
                # Rows that failed their tests stay too, to be looked at and tested again; the step is not done.
                self.workspace.set_current(self.recipe, step.name, key)
                con.execute("COMMIT")
                self.previous[step.name] = key
            except BaseException as error:
                release(error)
                aside = self.set_aside(context) if isinstance(error, DataError) else []
                self.rollback()
                if aside:
                    self.workspace.keep_aside(self.recipe, step.name, aside)
                self.workspace.built.pop(key, None)
                if interrupted(error):
                    # What a stopped training says of where it stands goes along.
                    raise KeyboardInterrupt(*(error.args if isinstance(error, KeyboardInterrupt) else ())) from None
                raise
            finally:
                self.drop_temporary(context.scratch)
        if outcome.failure is not None:
            raise outcome.failure
        self.keep(step, built)
        before = planned.previous
        changed = before is None or before.output_id != built.output_id
        self.report(StepResult(step.name, step.kind.name, "run", planned.why, built, built.seconds, changed))

    def record(self, planned: Planned, key: str, files: dict[str, str], outcome: Outcome, notes: list[str], seconds: float) -> Built:
        step = planned.step
        outputs = step.bound.outputs if step.kind.table else {}
        if outputs:
            columns = {r[0] for r in self.con.execute(f"DESCRIBE {self.workspace.table(key)}").fetchall()}
            self.workspace.make_views(key, outputs, "_why" in columns, "_part" in columns)
        built = Built(
            run_key=key,
            recipe=self.recipe,
            step=step.name,
            kind=f"{step.kind.name}@{step.kind.version}",
            output_id=key,
            meaning=dict(step.bound.meaning),
            shown=dict(step.bound.shown),
            inputs={str(p): self.outputs[p.step].output_id for p in step.parents},
            files=files,
            parts=list(outputs),
            rows_in=outcome.rows_in,
            rows_out=outcome.rows_out,
            dropped=outcome.dropped,
            notes=[*notes, *outcome.notes],
            extra=outcome.extra,
            seconds=round(seconds, 3),
            run=self.run_id or 0,
            guards="" if outcome.failure is not None else guards_key(step),
        )
        before = planned.previous
        if before is not None and outputs and (before.run_key == key or self.same_rows(before, built)):
            # The same key is the same step over the same rows, run again because its tests changed.
            built.output_id = before.output_id
        elif (
            before is not None and not outputs and before.extra.get("identity") and before.extra["identity"] == built.extra.get("identity")
        ):
            # A model with the same weights is the same model.
            built.output_id = before.output_id
        self.workspace.write(built)
        return built

    def same_rows(self, a: Built, b: Built) -> bool:
        """Whether two results hold the same rows, part by part. Compared now, by one version of DuckDB, so its own hash serves."""
        if a.parts != b.parts or a.rows_out != b.rows_out or a.run_key not in self.workspace.built:
            return False
        for part in a.parts:
            facts = []
            for built in (a, b):
                view = self.workspace.view(built.run_key, part or None)
                shape = self.con.execute(f"DESCRIBE {view}").fetchall()
                listed = ", ".join(quote(r[0]) for r in shape)
                sums = self.con.execute(
                    f"SELECT count(*), bit_xor(h), sum(h::HUGEINT) FROM (SELECT hash({listed}) AS h FROM {view})"
                ).fetchone()
                facts.append(([r[:2] for r in shape], sums))
            if facts[0] != facts[1]:
                return False
        return True

    def carry_out(self, step: ResolvedStep, context: RunContext) -> Outcome:
        """Make the step's table. Other engines do it elsewhere."""
        outcome: Outcome = step.kind().run(step.bound.plan, context)
        return outcome

    # Helpers

    def relation(self, ref: TableRef) -> str:
        return self.workspace.view(self.outputs[ref.step].run_key, ref.part)

    def keep(self, step: ResolvedStep, built: Built) -> None:
        self.outputs[step.name] = built
        if self.previous.get(step.name) != built.run_key:
            self.workspace.set_current(self.recipe, step.name, built.run_key)
            self.previous[step.name] = built.run_key

    def report(self, result: StepResult) -> None:
        self.result.steps.append(result)
        self.watcher.done(result)

    def history(self, name: str) -> dict[str, Any]:
        built = self.outputs[name]
        return {
            "rows_in": built.rows_in, "rows_out": built.rows_out, "dropped": built.dropped, "files": built.files,
            "relation": self.workspace.view(built.run_key), "view": lambda part: self.workspace.view(built.run_key, part),
            "extra": built.extra, "settings": built.shown,
        }  # fmt: skip

    def set_aside(self, context: RunContext) -> list[tuple[Any, ...]]:
        """The rows that a failing step has set aside, before they go with its transaction."""
        import duckdb

        try:
            return self.con.execute(f"SELECT file, row, reason, text FROM {context.temp('bad')} ORDER BY ALL LIMIT {MOST_ASIDE}").fetchall()
        except duckdb.Error:
            # It sets none aside, or the statement that failed has ended the transaction.
            return []

    def rollback(self) -> None:
        import duckdb

        try:
            self.con.execute("ROLLBACK")
        except duckdb.Error:
            # The transaction is gone already: DuckDB ended it when the statement failed.
            return

    def drop_temporary(self, scratch: str) -> None:
        import duckdb

        try:
            rows = self.con.execute(
                "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main' AND starts_with(table_name, ?)",
                [scratch],
            ).fetchall()
            for name, kind in rows:
                self.con.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} IF EXISTS {quote(name)}")
        except duckdb.Error:
            # A broken connection has no temporary tables left to drop.
            return

    @contextmanager
    def translated(self, output: bool = False) -> Iterator[None]:
        """DuckDB's and the system's errors as messages for people. With ``output``, what goes wrong when people are told of the run is
        not the step's mistake."""
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            if interrupted(error):
                raise KeyboardInterrupt from None
            problem, self.kernels.problem = self.kernels.problem, None
            raise explained(error, problem) from None
        except OSError as error:
            if output and isinstance(error, BrokenPipeError):
                raise
            raise explained(error) from None

    # The run's own row

    def begin_run(self) -> None:
        if self.run_id is None:
            row = self.con.execute("SELECT coalesce(max(run), 0) + 1 FROM recipec.runs").fetchone()
            self.run_id = int(row[0]) if row else 1
            self.con.execute(
                "INSERT INTO recipec.runs VALUES (?, ?, ?, current_timestamp::TIMESTAMP, NULL, 'running')",
                [self.run_id, self.recipe, self.program.header.version],
            )

    def finish(self, complete: bool) -> None:
        self.kernels.stop()
        for (name, _), model in self.shared.get("models", {}).items():
            if spent := dict(model.spent()):
                self.result.spent[name] = spent
            model.close()
        import duckdb

        try:
            self.written(complete)
        except duckdb.Error as error:
            # The run has said already what failed; what people query is put right by the next.
            if not self.result.failed or of_database(error) is None:
                raise

    def written(self, complete: bool) -> None:
        """What people query, and how the run ended."""
        if complete and len(self.plan.steps) == len(self.program.steps):
            self.workspace.forget(self.recipe, {s.name for s in self.program.steps})
        self.workspace.publish(published(self.plan, self.workspace, self.outputs))
        if self.run_id is not None:
            status = "failed" if self.result.failed else "done" if complete else "interrupted"
            self.con.execute(
                "UPDATE recipec.runs SET finished = current_timestamp::TIMESTAMP, status = ? WHERE run = ?", [status, self.run_id]
            )


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that were being handled when it was raised."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__context__


def interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is at the bottom of an exception: in the query that it stopped, in a kernel that it hit, or in what a
    step's tidying up made of the aborted transaction."""
    import duckdb

    return any(
        isinstance(e, (KeyboardInterrupt, duckdb.InterruptException))
        or str(e) == INTERRUPTED
        or (isinstance(e, duckdb.Error) and "KeyboardInterrupt" in str(e))
        for e in chain(error)
    )


def release(error: BaseException) -> None:
    """Let go of what a stopped step's frames hold: while a half-read result lives in one of them, the connection takes no
    other statement, not even ROLLBACK."""
    for e in chain(error):
        traceback.clear_frames(e.__traceback__)


def explained(error: Exception, problem: DataError | None = None) -> DataError:
    """An error of DuckDB's or the system's in words for people. ``problem`` is what a kernel said while the query ran."""
    import duckdb

    if isinstance(error, OSError):
        return of_system(error)
    if isinstance(error, duckdb.ConversionException):
        return DataError(f"a value does not convert: {words(error)}", "use try_cast(x as ...), which gives null, or drop such rows before")
    return of_database(error) or problem or DataError(words(error))


def published(plan: Plan, workspace: Workspace, outputs: dict[str, Built]) -> dict[tuple[str, str], Name]:
    """The views that people query, after a run: one for each step's table and part, and the books of dropped rows, parents, votes
    and model calls.

    Those of other recipes of the workspace stay, and so do those of steps that the run was not asked for; where two recipes
    give a name, it means the last run's.
    """
    program, recipe = plan.program, program_id(plan.program)
    asked, known = {p.name for p in plan.steps}, {s.name for s in program.steps}
    views = {
        place: name
        for place, name in workspace.names().items()
        if name.run_key in workspace.built and (name.recipe != recipe or (name.step in known and name.step not in asked))
    }
    shown = {n: n for n in outputs}
    for module_name, global_name in program.root.steps.items():
        if global_name in outputs:
            shown[module_name] = global_name
    for name, step in shown.items():
        built = outputs[step]
        for part in built.parts:
            schema, _, local = name.rpartition(".")
            place = (name, part) if part else (schema or "main", local)
            views[place] = Name(f"SELECT * FROM {workspace.view(built.run_key, part or None)}", recipe, step, built.run_key)
    dropped: list[str] = []
    lineage: list[str] = []
    results = sorted({(n.step, n.run_key) for n in views.values()})
    for step, key in results:
        table, reasons = workspace.table(key), workspace.built[key].extra.get("reasons")
        lineage.append(f"SELECT {literal(step)} AS step, _key, _parent FROM {table} WHERE _parent IS NOT NULL")
        if reasons is not None:
            cases = " ".join(f"WHEN {i} THEN {literal(r)}" for i, r in enumerate(reasons))
            reason = f"CASE _why {cases} END" if cases else "NULL::VARCHAR"
            dropped.append(
                f"SELECT {literal(step)} AS step, _key, {reason} AS reason, _because AS because FROM {table} WHERE _why IS NOT NULL"
            )
    empty = "SELECT NULL::VARCHAR AS step, NULL::UUID AS _key, {} WHERE false"
    views["recipec", "dropped"] = Name(" UNION ALL ".join(dropped) or empty.format("NULL::VARCHAR AS reason, NULL::VARCHAR AS because"))
    views["recipec", "lineage"] = Name(" UNION ALL ".join(lineage) or empty.format("NULL::UUID AS _parent"))
    views["recipec", "votes"] = Name(votes(workspace, results))
    views["recipec", "calls"] = Name(calls(workspace, results))
    return views


def prune(workspace: Workspace) -> list[str]:
    """Remove every result that no recipe's last run points at; returns their run keys."""
    wanted = {r[0] for r in workspace.con.execute("SELECT run_key FROM recipec.current").fetchall()}
    gone = [k for k in workspace.built if k not in wanted]
    for key in gone:
        with workspace.transaction():
            workspace.drop(key)
        workspace.clear_artifact(key)
    # What a run that was killed left: folders of results that the journal does not have, checkpoints of trainings that are done.
    for path in (workspace.folder / "artifacts").glob("*"):
        if path.name not in workspace.built:
            clear(path)
    workspace.clear_rows()
    workspace.con.execute("DELETE FROM recipec.bad WHERE starts_with(run_key, 'failed ')")
    used = {name for built in workspace.built.values() for name in built.extra.get("lasting", ())}
    found = workspace.con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'store' AND starts_with(table_name, 'm_')"
    ).fetchall()
    for name in sorted({row[0] for row in found} - used):
        workspace.con.execute(f"DROP TABLE store.{quote(name)}")
    from recipec.models.remembered import sweep

    sweep(workspace.folder, {f"{built.output_id}." for built in workspace.built.values()})
    workspace.con.execute("CHECKPOINT")
    return gone


def relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


__all__ = ["RunResult", "Sequence", "StepResult", "Watcher", "prune", "published", "run"]
