"""What runs on the machines of a cluster: each task is a DuckDB database of its own, in memory, with one thread.

A task reads files, writes files and answers with facts about them. It writes into a folder with a name of its own, which becomes the
task's folder by one renaming: a task that was stopped in the middle, with its machine, leaves nothing that anybody takes for a result, and
can be run again elsewhere.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from recipec.api import KERNELS, DataError, Kernel, RunTools, quote
from recipec.engines.batches import Kernels, flat, load
from recipec.engines.ray.held import portable
from recipec.engines.ray.shards import Rows, cast, described, write
from recipec.engines.ray.stores import published

if TYPE_CHECKING:
    import duckdb

    from recipec.resolve.chain import Stage


@dataclass(frozen=True)
class Setting:
    """What all tasks of a run have in common. ``memory`` is a task's share, in bytes; None: DuckDB's own choice. ``workspace`` is the folder
    with the rows of earlier steps, and for the results."""

    kernels: Mapping[str, Kernel]
    memory: int | None
    workspace: str
    temporary: str | None = None


@dataclass(frozen=True)
class Job:
    """What all tasks of one pass do: stages over ``{input}``, then ``columns`` of the rows for which ``where`` holds.

    ``out`` is the folder for their results; ``by`` and ``buckets`` say how they are cut (not at all where ``by`` is None). ``count`` is an
    expression by which rows are counted. ``final`` results need not be portable by name: their types are given by ``columns``.
    """

    out: str
    stages: tuple[Stage, ...] = ()
    columns: str = "*"
    by: str | None = None
    buckets: int = 1
    coarse: int | None = None
    """Into how many to cut, where that is fewer: runs of buckets, to be cut once more."""
    count: str | None = None


@dataclass(frozen=True)
class Unit:
    """One task's part: its rows, other tables by their reference, and tables to have under a name, for stages that read them."""

    number: int
    rows: Rows
    others: Mapping[str, Rows] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """What became of a task: its files by bucket, how many rows and bytes they hold, rows by the job's count, and what it took."""

    files: Mapping[int, tuple[str, ...]]
    rows: int
    bytes: int
    counts: Mapping[Any, int] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def of(self, files: Sequence[str], bytes: int = 0) -> Rows:
        """Rows in files that the task, or another of its pass, wrote: as they were before they were written."""
        return Rows(tuple(files), f"SELECT {cast(self.types)} FROM {{files}}", bytes)


@dataclass(frozen=True)
class Wrong:
    """A task that could not: what went wrong, for people. ``types`` says that a column has a type that no file holds."""

    message: str
    help: str = ""
    types: bool = False


class Unportable(Exception):
    """A column of a type that comes back from a file as another."""


class Here(Kernels):
    """Kernels in the task's own process: a task is one of many already."""

    def runner(self, kernel: Kernel) -> Callable[..., Any]:
        target = load(kernel.target)

        def call(*columns: Any) -> Any:
            try:
                result = target(*kernel.given, *(flat(c) for c in columns))
            except DataError as error:
                self.problem = error
                raise
            except Exception as error:  # a plug-in's code may raise anything
                self.problem = DataError(f"{kernel.target}: {type(error).__name__}: {error}")
                raise
            return result

        return call


@contextmanager
def database(setting: Setting, reads: Sequence[str] = ()) -> Iterator[tuple[duckdb.DuckDBPyConnection, Here, Path]]:
    """A database for one task, its kernels, and a folder that goes with it. It is confined as a run's is: it opens the workspace, that folder
    and what the task ``reads`` of the recipe's files, and no statement changes that. What went wrong in a kernel is raised as that, and not as
    the database's error over it."""
    import duckdb

    from recipec.workspace.database import confine, lock

    with tempfile.TemporaryDirectory(prefix="recipec-", dir=setting.temporary) as folder:
        config: dict[str, Any] = {
            "threads": "1",
            "temp_directory": str(Path(folder) / "spill"),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        }
        if setting.memory:
            config["memory_limit"] = f"{setting.memory // 1000}KB"
        con = duckdb.connect(":memory:", config=config)
        try:
            con.execute("SET TimeZone = 'UTC'")
            KERNELS.update(setting.kernels)
            kernels = Here(con, 1)
            kernels.register()
            confine(con, Path(setting.workspace), [Path(folder), *map(Path, reads)])
            lock(con)
            try:
                yield con, kernels, Path(folder)
            except duckdb.Error:
                if kernels.problem is not None:
                    raise kernels.problem from None
                raise
        finally:
            con.close()


def told(task: Callable[..., Done], *args: Any) -> Done | Wrong:
    """Run a task; what goes wrong becomes words, here where the error is understood."""
    import duckdb

    from recipec.engines.runner import explained

    try:
        return task(*args)
    except Unportable as error:
        return Wrong(str(error), types=True)
    except DataError as error:
        return Wrong(error.message, error.help)
    except (duckdb.Error, OSError) as error:
        found = explained(error)
        return Wrong(found.message, found.help)


@contextmanager
def placed(out: str, number: int) -> Iterator[tuple[Path, Path]]:
    """(where to write, where it will be): a folder that appears whole."""
    final = Path(out) / f"{number:06}"
    fresh = Path(out) / f".{number:06}-{uuid4().hex}"
    fresh.mkdir(parents=True)
    try:
        yield fresh, final
        try:
            fresh.rename(final)
        except OSError:
            # The same task was run before, and its answer was lost with its machine: its files are these.
            if not final.is_dir():
                raise
        published(final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def moved(files: Mapping[int, tuple[str, ...]], fresh: Path, final: Path) -> dict[int, tuple[str, ...]]:
    return {n: tuple(str(final) + f.removeprefix(str(fresh)) for f in found) for n, found in files.items()}


def finish(con: duckdb.DuckDBPyConnection, job: Job, unit: Unit, query: str, started: float, checked: bool = True) -> Done:
    """Write a query's rows as the job wants them, and say what was written."""
    con.execute(f"CREATE TEMP TABLE __result AS {query}")
    types = described(con, "__result")
    odd = next((n for n, t in types.items() if not portable(t)), None) if checked else None
    if odd is not None:
        raise Unportable(odd)
    counts: dict[Any, int] = {}
    if job.count is not None:
        counts = dict(con.execute(f"SELECT {job.count}, count(*) FROM __result GROUP BY 1").fetchall())
    rows = con.execute("SELECT count(*) FROM __result").fetchall()[0][0]
    with placed(job.out, unit.number) as (fresh, final):
        found = write(con, "SELECT * FROM __result", fresh, job.by, job.buckets, job.coarse or job.buckets, unit.number == 0)
        size = sum(Path(f).stat().st_size for n, files in found.items() if n >= 0 for f in files)
        files = moved(found, fresh, final)
    return Done(files, int(rows), size, counts, types, time.monotonic() - started, peak())


def segment(setting: Setting, job: Job, unit: Unit) -> Done:
    """Stages over a part of a table."""

    from recipec.engines.chain import run_stages

    started = time.monotonic()
    with database(setting) as (con, _, folder):
        relations: dict[str, str] = {}
        for number, (ref, rows) in enumerate(unit.others.items()):
            relations[ref] = f"__other{number}"
            con.execute(f"CREATE TEMP VIEW __other{number} AS SELECT * FROM {rows.sql()}")
        for name, rows in unit.tables.items():
            con.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT * FROM {rows.sql()}")
        stages = []
        for stage in job.stages:
            query = stage.query
            for ref, name in relations.items():
                query = query.replace("{table " + ref + "}", name)
            stages.append(replace(stage, query=query))

        def tools_for(scratch: str) -> RunTools:
            return RunTools(con, scratch, lambda share: None, 1, folder, relations)

        query, _ = run_stages(con, stages, unit.rows.sql(), "_w_", tools_for)
        return finish(con, job, unit, f"SELECT {job.columns} FROM ({query})", started)
