"""The workspace: ``.recipec/`` beside the recipe, its DuckDB database and what is kept in it.

``work.duckdb`` holds

* schema ``store``: for every built step a table ``r_<key>`` (dropped rows too, ``_why`` says why), and views ``v_<key>``
  and ``v_<key>_<part>`` of its kept rows; ``<key>`` is the step's run key, so results are found by what made them;
* also in ``store``, tables ``m_<key>`` of measures by text, shared by the results whose journal names them;
* views under the steps' own names: what people query;
* schema ``recipec``: the journal. ``steps`` says what is built; a step's row is written in the same transaction as its
  table, so a table is there whole or not at all.

The format's version is stored; a workspace of another version is refused with the way forward.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import ORDER, DataError, Schema, literal, quote
from recipec.workspace import rows as stored
from recipec.workspace.lock import WorkspaceBusy, locked
from recipec.workspace.trouble import told

if TYPE_CHECKING:
    import duckdb

FORMAT = 2
HEADERS = 3 * 4096
"""Bytes that DuckDB writes before anything else: a smaller file holds nothing and cannot be opened."""

_BOOKS = """
CREATE SCHEMA IF NOT EXISTS store;
CREATE SCHEMA IF NOT EXISTS recipec;
CREATE TABLE IF NOT EXISTS recipec.format (version INTEGER);
CREATE TABLE IF NOT EXISTS recipec.runs (run BIGINT PRIMARY KEY, recipe VARCHAR, version VARCHAR, started TIMESTAMP, finished TIMESTAMP, status VARCHAR);
CREATE TABLE IF NOT EXISTS recipec.steps (
  run_key VARCHAR PRIMARY KEY, recipe VARCHAR, step VARCHAR, kind VARCHAR, output_id VARCHAR, meaning JSON, shown JSON, inputs JSON,
  files JSON, parts JSON, rows_in BIGINT, rows_out BIGINT, dropped JSON, notes JSON, extra JSON, seconds DOUBLE, run BIGINT, guards VARCHAR);
CREATE TABLE IF NOT EXISTS recipec.current (recipe VARCHAR, step VARCHAR, run_key VARCHAR, PRIMARY KEY (recipe, step));
CREATE TABLE IF NOT EXISTS recipec.files (path VARCHAR PRIMARY KEY, size BIGINT, mtime_ns BIGINT, inode BIGINT, digest VARCHAR);
CREATE TABLE IF NOT EXISTS recipec.bad (run_key VARCHAR, file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR);
CREATE TABLE IF NOT EXISTS recipec.names (
  schema_name VARCHAR, view_name VARCHAR, query VARCHAR, recipe VARCHAR, step VARCHAR, run_key VARCHAR, PRIMARY KEY (schema_name, view_name));
"""


@dataclass
class Built:
    """A step's row of the journal."""

    run_key: str
    recipe: str
    step: str
    kind: str
    output_id: str
    meaning: dict[str, Any]
    shown: dict[str, str]
    inputs: dict[str, str]
    files: dict[str, str]
    parts: list[str]
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    notes: list[str]
    extra: dict[str, Any]
    seconds: float
    run: int
    guards: str = ""

    @property
    def store(self) -> str | None:
        """The object store in which its rows lie (:mod:`recipec.workspace.rows`); None where it is the workspace itself."""
        rows = self.extra.get("rows")
        return rows.get("store") if isinstance(rows, dict) else None


@dataclass(frozen=True)
class Name:
    """A view that people query: ``query``, and whose result it shows (nobody's, for the books)."""

    query: str
    recipe: str = ""
    step: str = ""
    run_key: str = ""


_JSON: Mapping[str, type] = {
    "meaning": dict, "shown": dict, "inputs": dict, "files": dict, "parts": list, "dropped": dict, "notes": list, "extra": dict,
}  # fmt: skip
_KEY = re.compile(r"[0-9A-Za-z_]+")
_FIELDS = tuple(Built.__dataclass_fields__)


@dataclass
class Workspace:
    """An open workspace. Use :func:`open_workspace`."""

    folder: Path
    con: duckdb.DuckDBPyConnection
    rows_at: str | None = None
    """The store where what a cluster makes of tables lies, if not in the folder: see :mod:`recipec.workspace.rows`."""
    read_only: bool = False
    built: dict[str, Built] = field(default_factory=dict)

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    # The journal

    def load(self) -> None:
        """Read the journal. Raises DataError where it is not one that recipec wrote: keys are names of tables and folders, so nothing else may
        stand in their place."""
        import duckdb

        try:
            rows = self.con.execute(f"SELECT {', '.join(_FIELDS)} FROM recipec.steps").fetchall()
            for row in rows:
                facts = dict(zip(_FIELDS, row, strict=True))
                for name, shape in _JSON.items():
                    facts[name] = json.loads(facts[name])
                    if not isinstance(facts[name], shape):
                        raise ValueError(f"`{name}` is no {shape.__name__}")
                if not _KEY.fullmatch(facts["run_key"]):
                    raise ValueError(f"{facts['run_key']!r} is no key")
                self.built[facts["run_key"]] = Built(**facts)
        except (duckdb.CatalogException, duckdb.BinderException, ValueError, TypeError, RecursionError) as error:
            path = self.folder / "work.duckdb"
            raise DataError(
                f"cannot read the journal in {path}: {str(error).splitlines()[0]}", f"it is damaged: {anew(self.folder)}"
            ) from None

    def follow(self) -> None:
        """Results that lie in files are views over them, by whole paths: where the workspace was moved, the views follow."""
        folder = str(self.folder.resolve())
        for built in self.built.values():
            rows = built.extra.get("rows")
            if isinstance(rows, dict) and "store" not in rows and rows["workspace"] != folder:
                from recipec.engines.ray.shards import view

                files = [f"{folder}/artifacts/{built.run_key}/rows/{f}" for shard in rows["files"] for f in shard]
                view(self.con, self.table(built.run_key), files, rows["types"])
                rows["workspace"] = folder
                self.write(built)

    def write(self, built: Built) -> None:
        values = [json.dumps(getattr(built, f), ensure_ascii=False) if f in _JSON else getattr(built, f) for f in _FIELDS]
        marks = ", ".join("?" * len(_FIELDS))
        self.con.execute(f"INSERT OR REPLACE INTO recipec.steps ({', '.join(_FIELDS)}) VALUES ({marks})", values)
        self.built[built.run_key] = built

    def current(self, recipe: str) -> dict[str, str]:
        """Step name to run key, as the last run of a recipe left it."""
        return dict(self.con.execute("SELECT step, run_key FROM recipec.current WHERE recipe = ?", [recipe]).fetchall())

    def set_current(self, recipe: str, step: str, run_key: str) -> None:
        self.con.execute("INSERT OR REPLACE INTO recipec.current VALUES (?, ?, ?)", [recipe, step, run_key])

    def forget(self, recipe: str, steps: Container[str]) -> None:
        """The steps that a recipe no longer has are no longer current."""
        gone = [s for s in self.current(recipe) if s not in steps]
        if gone:
            self.con.executemany("DELETE FROM recipec.current WHERE recipe = ? AND step = ?", [[recipe, s] for s in gone])

    # Rows set aside by a step that failed: they have no result to belong to

    @staticmethod
    def failed_key(recipe: str, step: str) -> str:
        """What stands in ``recipec.bad`` for a step's run that failed."""
        return f"failed {recipe} {step}"

    def keep_aside(self, recipe: str, step: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Let these (file, row, reason, text) be the rows that a failed step set aside."""
        key = self.failed_key(recipe, step)
        with self.transaction():
            self.con.execute("DELETE FROM recipec.bad WHERE run_key = ?", [key])
            if rows:
                self.con.executemany("INSERT INTO recipec.bad VALUES (?, ?, ?, ?, ?)", [[key, *row] for row in rows])

    # Tables

    @staticmethod
    def table(run_key: str) -> str:
        return f"store.r_{run_key}"

    @staticmethod
    def view(run_key: str, part: str | None = None) -> str:
        return f"store.v_{run_key}" if part is None else f"store.{quote(f'v_{run_key}_{part}')}"

    def make_views(self, run_key: str, outputs: Mapping[str, Schema], filtered: bool, divided: bool) -> None:
        """The views of a step's kept rows: its own, and one for each part."""
        for part, schema in outputs.items():
            columns = ["_key", "_parent", *([ORDER] if schema.ordered else []), *schema.names]
            conditions = (["_why IS NULL"] if filtered else []) + (
                [f"_part = '{part.replace(chr(39), chr(39) * 2)}'"] if divided and part else []
            )
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            listed = ", ".join(map(quote, columns))
            self.con.execute(
                f"CREATE OR REPLACE VIEW {self.view(run_key, part or None)} AS SELECT {listed} FROM {self.table(run_key)}{where}"
            )

    def drop(self, run_key: str) -> None:
        """Remove a built step: its views, its table and its rows of the journal. In a transaction of the caller's, so that all
        of it goes or nothing; what lies in a folder (:meth:`clear_artifact`) goes after that."""
        built = self.built.pop(run_key, None)
        for part in [None, *(built.parts if built else [])]:
            self.con.execute(f"DROP VIEW IF EXISTS {self.view(run_key, part or None)}")
        kind = self.con.execute(
            "SELECT table_type FROM information_schema.tables WHERE table_schema = 'store' AND table_name = ?", [f"r_{run_key}"]
        ).fetchone()
        if kind:
            self.con.execute(f"DROP {'VIEW' if kind[0] == 'VIEW' else 'TABLE'} {self.table(run_key)}")
        self.con.execute("DELETE FROM recipec.steps WHERE run_key = ?", [run_key])
        self.con.execute("DELETE FROM recipec.bad WHERE run_key = ?", [run_key])

    def clear_artifact(self, run_key: str) -> None:
        """Remove what a step made that is no table."""
        clear(self.folder / "artifacts" / run_key)
        if self.rows_at is not None:
            stored.forget(self.rows_at, f"artifacts/{run_key}")

    def clear_rows(self) -> None:
        """Remove from the store of rows what no result has any more: runs that were killed left it, or the rows were made again elsewhere."""
        if self.rows_at is not None:
            stored.sweep(self.rows_at, {key for key, built in self.built.items() if built.store == self.rows_at})

    def names(self) -> dict[tuple[str, str], Name]:
        """The views that people query, by schema and name."""
        rows = self.con.execute("SELECT schema_name, view_name, query, recipe, step, run_key FROM recipec.names").fetchall()
        return {(s, v): Name(*rest) for s, v, *rest in rows}

    def make_view(self, place: tuple[str, str], query: str) -> None:
        schema, view = map(quote, place)
        self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.con.execute(f"CREATE OR REPLACE VIEW {schema}.{view} AS {query}")

    def publish(self, views: Mapping[tuple[str, str], Name]) -> None:
        """Make exactly these views, beside the journal; others are removed."""
        old = self.names()
        if old == dict(views):
            return
        with self.transaction():
            self.republish(old, views)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        import duckdb

        self.con.execute("BEGIN")
        try:
            yield
            self.con.execute("COMMIT")
        except BaseException:
            # Where the statement that failed has ended the transaction, there is none to roll back.
            with suppress(duckdb.Error):
                self.con.execute("ROLLBACK")
            raise

    def republish(self, old: Mapping[tuple[str, str], Name], views: Mapping[tuple[str, str], Name]) -> None:
        for schema, name in sorted(old.keys() - views.keys()):
            self.con.execute(f"DROP VIEW IF EXISTS {quote(schema)}.{quote(name)}")
        for place, made in views.items():
            if place not in old or old[place].query != made.query:
                self.make_view(place, made.query)
        self.con.execute("DELETE FROM recipec.names")
        if views:
            rows = [[*k, n.query, n.recipe, n.step, n.run_key] for k, n in views.items()]
            self.con.executemany("INSERT INTO recipec.names VALUES (?, ?, ?, ?, ?, ?)", rows)
        for schema in sorted({s for s, _ in old} - {s for s, _ in views} - {"main", "recipec"}):
            self.con.execute(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE")


@contextmanager
def open_workspace(
    folder: Path,
    *,
    doing: str,
    memory: str | None = None,
    threads: int | None = None,
    spill: Path | None = None,
    create: bool = True,
    files: Iterable[Path] | None = None,
) -> Iterator[Workspace]:
    """Open a recipe's workspace for one process; raises DataError (WorkspaceBusy when another process has it).

    ``memory`` ("2GB") is for this process: DuckDB gets what is left of it after Python, the libraries and DuckDB's own
    overhead (see :func:`database_memory`); beyond that, work spills to ``spill``, a folder (``tmp/`` inside the workspace). Worker processes of
    slow functions come on top, about 150 MB for each thread.

    ``files`` are those that the recipe reads: where they are given, and where nothing is made (``create=False``), the database can reach them and
    the workspace and nothing else, whatever a query or a database that came with somebody's recipe says.
    """
    path = folder / "work.duckdb"
    if not create and not path.exists():
        raise DataError(f"nothing is built yet: {folder} has no database", "recipec run")
    with locked(folder, doing), told():
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        temporary = folder / "tmp"
        clear(temporary)
        if path.exists() and path.stat().st_size < HEADERS:
            # A run was killed while it made the file.
            path.unlink()
        config: dict[str, Any] = {
            "temp_directory": str(spill or temporary / "spill"),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        }
        if memory:
            config["memory_limit"] = database_memory(memory)
        if threads:
            config["threads"] = str(threads)
        con = connect(path, config)
        try:
            rows_at = stored.place(folder)
            if rows_at is not None:
                stored.admit(con, rows_at)
            if files is not None or not create:
                confine(con, folder, files or (), rows_at)
            # What a moment is called must not depend on where the machine stands.
            con.execute("SET TimeZone = 'UTC'")
            lock(con)
            workspace = Workspace(folder, con, rows_at)
            prepare(workspace)
            workspace.load()
            workspace.follow()
            yield workspace
        finally:
            con.close()
            clear(temporary)


def confine(con: duckdb.DuckDBPyConnection, folder: Path, files: Iterable[Path], store: str | None = None) -> None:
    """From here on the database opens the workspace, with the folder of a ``store`` that belongs to it, and these files (folders among them with
    all that they hold), loads no extension and no secret, and cannot be told otherwise (:func:`lock`)."""
    given = list(files)
    folders = [folder, *(f for f in given if f.is_dir())]
    written = {name: sorted({form(p) for p in places for form in FORMS}) for name, places in (("directories", folders), ("paths", given))}
    written["directories"] += [f"{store}/"] if store is not None else []
    for name, paths in written.items():
        con.execute(f"SET allowed_{name} = [{', '.join(map(literal, paths))}]")
    con.execute("SET enable_external_access = false")


OURS = (
    "preserve_insertion_order", "disabled_optimizers", "timezone", "memory_limit", "enable_progress_bar", "enable_progress_bar_print",
    "arrow_large_buffer_size",
)  # fmt: skip
"""Settings that a run changes on its way, none of which opens anything: how wide tables are planned, in which order rows leave for an export, how
much of the memory is lent to arrays."""


def lock(con: duckdb.DuckDBPyConnection) -> None:
    """From here on no statement changes a setting, those of ``OURS`` excepted; nor does one change which those are."""
    con.execute(f"SET allowed_configs = [{', '.join(map(literal, OURS))}]")
    con.execute("SET lock_configuration = true")


FORMS = (str, os.path.abspath, os.path.realpath)
"""A path as it is written, from the root, and without links: queries name it in any of these ways."""


def anew(folder: Path) -> str:
    """What to do where the database cannot be used. Answers of models are not in it: they are not paid for again."""
    return f"remove {folder / 'work.duckdb'}* and run again: everything in it can be built again, and answers that were paid for are kept beside it"


def connect(path: Path, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Open the database; raises DataError where it cannot be."""
    import duckdb

    try:
        return duckdb.connect(str(path), config=dict(config))
    except duckdb.IOException as error:
        text = str(error)
        if "lock" in text.lower():
            raise WorkspaceBusy(f"another program has {path} open", "close it (a DuckDB shell, a notebook) and try again") from None
        if os.strerror(errno.ENOSPC) in text:
            raise DataError(f"cannot open {path}: the disk is full", "make room, and run again") from None
        raise DataError(f"cannot open {path}: {text.splitlines()[0]}", f"if it is damaged, {anew(path.parent)}") from None
    except duckdb.InvalidInputException as error:
        raise DataError(f"cannot open {path}: {str(error).splitlines()[0]}", "check --memory and --threads") from None
    except duckdb.Error as error:
        raise DataError(f"cannot open {path}: {str(error).splitlines()[0]}", f"it is damaged: {anew(path.parent)}") from None


_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def database_memory(memory: str) -> str:
    """DuckDB's limit for a process that is to stay within ``memory``.

    Measured on 10 million rows with two threads: the process peaks at DuckDB's limit, 130 MB for Python and libraries, and what
    DuckDB does not count, which near-dedupe brings to a seventh of its limit. Half of a small ``memory`` is DuckDB's at least.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", memory, re.I)
    if match is None:
        raise DataError(f"`{memory}` is no amount of memory", "write 2GB, or 500MB")
    wanted = float(match[1]) * _UNITS[match[2].upper()]
    return f"{int(max(wanted / 2, wanted * 0.86 - 128e6)) // 1000}KB"


def prepare(workspace: Workspace) -> None:
    """Make the books of a new database; raise DataError for one of another format, or one that cannot be read."""
    import duckdb

    con = workspace.con
    path = workspace.folder / "work.duckdb"
    try:
        found = con.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'recipec' AND table_name = 'format'"
        ).fetchone()
        row = con.execute("SELECT version FROM recipec.format").fetchone() if found and found[0] else None
    except duckdb.Error as error:
        raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}", f"it is damaged: {anew(workspace.folder)}") from None
    version = row[0] if row else None
    if version == FORMAT:
        return
    if found and found[0]:
        other = "a newer recipec" if isinstance(version, int) and version > FORMAT else "an older recipec"
        raise DataError(
            f"{path} was written in format {version}, by {other}; this one reads format {FORMAT}",
            f"{anew(workspace.folder)}. Or keep it for the other recipec, and name another folder here: --workspace DIR",
        )
    with workspace.transaction():
        con.execute(_BOOKS)
        con.execute("INSERT INTO recipec.format VALUES (?)", [FORMAT])


def clear(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
