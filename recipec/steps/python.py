"""``python``: a function of the user's on Arrow batches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import (
    Bound,
    Column,
    DataError,
    ExportPart,
    Kind,
    Outcome,
    Schema,
    Settings,
    Traits,
    TypeMap,
    literal,
    quote,
    step,
)
from recipec.identity import derived_key
from recipec.resolve.binder import StepBinder
from recipec.resolve.called import called
from recipec.resolve.problems import BadValue
from recipec.settings import Field
from recipec.syntax import tree

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from recipec.engines.context import RunContext


class PythonSettings(Settings):
    call: str
    columns: TypeMap
    batch: int = Field(10_000, ge=1, le=10_000_000)
    version: str = ""
    description: str = ""


@dataclass(frozen=True)
class PythonPlan:
    file: Path
    function: str
    schema: Schema
    batch: int


@step("python")
class Python(Kind):
    """A Python function on batches of rows.

    ```recipe
    python scored from tidy {
      call: "scores:add_score"
      columns: { text: text, score: float }
    }
    ```

    ``call`` is ``module:function``; the module is a file in the recipe's folder (``scores.py``, or ``pkg/scores.py`` as
    ``pkg.scores``). The function gets a ``pyarrow.RecordBatch`` of the input's columns and ``_key`` and returns one (or a
    table) with the declared ``columns``, whose types are checked. Returning ``_key`` for each row says which row it came
    from: a row given back once keeps its key, one given back several times becomes rows with that parent, one left out is
    dropped. Without ``_key`` in the answer there must be as many rows as were given, in their order.

    The function's file is part of the step's fingerprint; what it imports is not: raise ``version`` when that changes.
    Batches are of ``batch`` rows in key order, and the function must not depend on how they are cut. Checking and planning
    a recipe never run it.
    """

    Settings = PythonSettings

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: PythonSettings | None = bind.settings()
        if settings is None:
            return None
        written = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "call")
        found = called(bind, settings.call, written.span, what="`call`", example='call: "scores:add_score"')
        if not settings.columns.types:
            span = next(s.value.span for s in bind.statements(tree.Setting) if s.key.id == "columns")
            bind.report(
                BadValue(span=span, message="`columns` must name a column at least", help=("columns: { text: text, score: float }",))
            )
            return None
        if found is None:
            return None
        schema = Schema(tuple(Column(n, bind.typing.written(t), settings.columns.spans.get(n)) for n, t in settings.columns.types.items()))
        return bind.bound(
            outputs={"": schema},
            meaning={"settings.call": settings.call, "columns": dict(schema.types), "settings.version": settings.version},
            plan=PythonPlan(found.file, found.function, schema, settings.batch),
            files=(found.source,),
            traits=Traits(changes_rows=True),
        )

    def run(self, plan: PythonPlan, ctx: RunContext) -> Outcome:
        ref = ctx.step.inputs[0]
        calling = Calling(plan, ctx.con, ctx.relation(ref), ref.schema.names, ctx.rows(ref), ctx.temp("answer"))
        calling.ask(load(plan), lambda share: ctx.progress(share, ""))
        ctx.con.execute(f"CREATE TABLE {ctx.target} AS {calling.result}")
        return told(plan, calling.rows, int(ctx.one(f"SELECT count(*) FROM {ctx.target}")[0]), calling.lost())


def told(plan: PythonPlan, rows: int, kept: int, lost: int) -> Outcome:
    outcome = Outcome(rows_in=rows, rows_out=kept)
    if lost:
        outcome.dropped[f"left out by {plan.function}"] = lost
    return outcome


@dataclass(frozen=True)
class Calling:
    """A function that is asked about the rows of ``source``: a relation with ``columns``, ``_key`` and ``_parent``, of so many ``rows``. Its
    answers go to the temporary table ``raw``."""

    plan: PythonPlan
    con: duckdb.DuckDBPyConnection
    source: str
    columns: Sequence[str]
    rows: int
    raw: str

    def answers(self, function: Any, progress: Callable[[float | None], None]) -> Iterator[pa.RecordBatch]:
        """Its answers to the batches, in the order of keys."""
        from recipec.engines.order import ordered

        listed = ", ".join(["_key::VARCHAR AS _key", *map(quote, self.columns)])
        part = ExportPart("", f"SELECT {listed} FROM (SELECT * FROM {self.source}) ORDER BY _key", Schema(), self.rows)
        done = 0
        # A connection of its own: the step's own one takes in the answers meanwhile.
        reading = self.con.cursor()
        for query in ordered(reading, part, "*"):
            for batch in reading.sql(query).to_arrow_reader(self.plan.batch):
                yield from checked(self.plan, function, batch)
                done += batch.num_rows
                progress(done / self.rows if self.rows else None)

    def ask(self, function: Any, progress: Callable[[float | None], None]) -> pa.Schema | None:
        """Ask, and write down the answers; the types of the first. Raises DataError for answers that are none."""
        import duckdb
        import pyarrow as pa

        plan, raw, con = self.plan, self.raw, self.con
        batches = self.answers(function, progress)
        first = next(batches, None)
        names = ", ".join(f"{quote(c.name)}::{c.type} AS {quote(c.name)}" for c in plan.schema.columns)
        if first is None:
            empty = ", ".join(f"NULL::{c.type} AS {quote(c.name)}" for c in plan.schema.columns)
            con.execute(f"CREATE TEMP TABLE {raw} AS SELECT NULL::VARCHAR AS _key, 0::BIGINT AS __n, {empty} WHERE false")
            return None
        failed: list[DataError] = []

        def everything() -> Iterator[pa.RecordBatch]:
            yield first
            try:
                for batch in batches:
                    yield batch if batch.schema == first.schema else same_types(plan, batch, first.schema)
            except DataError as error:
                # DuckDB, which draws the batches, would tell it as an error of its own.
                failed.append(error)
                raise

        stream = pa.RecordBatchReader.from_batches(first.schema, everything())
        con.register("__answer", stream)
        try:
            con.execute(f"CREATE TEMP TABLE {raw} AS SELECT _key, __n, {names} FROM __answer")
        except duckdb.Error as error:
            if failed:
                raise failed[0] from None
            if not isinstance(error, (duckdb.ConversionException, duckdb.BinderException)):
                raise
            message = f"{plan.function}: its answer does not have the declared types: {str(error).splitlines()[0]}"
            raise DataError(message, "see `columns`") from None
        con.unregister("__answer")
        return first.schema

    @property
    def result(self) -> str:
        """SQL for the step's rows. A row given back once keeps its key; several from one row are its children."""
        keyed = (
            f"SELECT *, count(*) OVER (PARTITION BY _key) AS __c, row_number() OVER (PARTITION BY _key ORDER BY __n) AS __i FROM {self.raw}"
        )
        child = derived_key("_key::UUID", "python", "__i").replace("_key::UUID", "a._key::UUID")
        return (
            f"SELECT CASE WHEN __c = 1 THEN a._key::UUID ELSE {child} END AS _key, "
            f"CASE WHEN __c = 1 THEN s._parent ELSE a._key::UUID END AS _parent, "
            f"{', '.join('a.' + quote(c) for c in self.plan.schema.names)} "
            f"FROM ({keyed}) AS a LEFT JOIN {self.source} AS s ON a._key::UUID = s._key"
        )

    def lost(self) -> int:
        """How many rows the function gave back nothing for."""
        query = f"SELECT count(*) FROM {self.source} WHERE _key NOT IN (SELECT _key::UUID FROM {self.raw})"
        return int(self.con.execute(query).fetchall()[0][0])


def same_types(plan: PythonPlan, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """An answer with the types of the first one: an Arrow stream has one schema."""
    import pyarrow as pa

    try:
        return batch.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, ValueError) as error:
        raise DataError(
            f"{plan.function}: the types of its answers differ from batch to batch: {error}", "give every batch the same types"
        ) from None


def load(plan: PythonPlan) -> Any:
    """The function itself; its file is executed. Raises DataError where that is not trusted, or fails."""
    import importlib.util

    from recipec import trust

    trust.check(plan.file, plan.function)
    folder = str(plan.file.parent)
    name = f"recipec_user_{plan.file.stem}"
    spec = importlib.util.spec_from_file_location(name, plan.file)
    if spec is None or spec.loader is None:
        raise DataError(f"cannot load {plan.file.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, folder)
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise DataError(f"{plan.file.name} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    function = getattr(module, plan.function, None)
    if not callable(function):
        from recipec.diagnostics import nearest

        guess = nearest(plan.function, [n for n in dir(module) if not n.startswith("_")])
        raise DataError(f"{plan.file.name} has no function `{plan.function}`", f"did you mean `{guess}`?" if guess else "")
    return function


def checked(plan: PythonPlan, function: Any, batch: Any) -> Iterator[Any]:
    """The function's answer to a batch, with ``_key`` and the place ``__n`` in the answer; DataError for a wrong one."""
    import pyarrow as pa

    try:
        # Standard output is recipec's: it may be JSON for another program.
        with redirect_stdout(sys.stderr):
            answer = function(batch)
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise DataError(
            f"{plan.function} failed: {type(error).__name__}: {error}", f"in {plan.file.name}{line_of(error, plan.file)}"
        ) from error
    if isinstance(answer, pa.Table):
        answer = answer.combine_chunks().to_batches()
        if len(answer) > 1:
            raise DataError(f"{plan.function} returned a table too large for one batch", "lower `batch`")
        if not answer:
            return
        answer = answer[0]
    if not isinstance(answer, pa.RecordBatch):
        raise DataError(f"{plan.function} returned {type(answer).__name__}", "return a pyarrow.RecordBatch or pyarrow.Table")
    lacking = [c for c in plan.schema.names if c not in answer.schema.names]
    if lacking:
        raise DataError(f"{plan.function} returned no column {literal(lacking[0])}", f"it returned: {', '.join(answer.schema.names)}")
    if "_key" in answer.schema.names:
        keys = answer.column("_key")
        strangers = set(keys.to_pylist()) - set(batch.column("_key").to_pylist())
        if strangers:
            raise DataError(
                f"{plan.function} returned a `_key` that it was not given", "return the keys of the rows that the answers are for"
            )
    elif answer.num_rows == batch.num_rows:
        keys = batch.column("_key")
    else:
        raise DataError(
            f"{plan.function} was given {batch.num_rows:,} rows and returned {answer.num_rows:,} without `_key`",
            "return the column `_key` to say which row each answer is for",
        )
    columns = [answer.column(c) for c in plan.schema.names]
    yield pa.record_batch([keys, pa.array(range(answer.num_rows), pa.int64()), *columns], names=["_key", "__n", *plan.schema.names])


def line_of(error: BaseException, file: Path) -> str:
    trace, line = error.__traceback__, None
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == file.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
