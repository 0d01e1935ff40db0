"""``source``: where rows come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import (
    Bound,
    Column,
    ColumnName,
    DataError,
    Kind,
    Outcome,
    ReadContext,
    Reader,
    Schema,
    Settings,
    SourceFile,
    StepFailed,
    TypeMap,
    literal,
    quote,
    step,
)
from recipec.diagnostics import nearest
from recipec.identity import position_key, source_key
from recipec.mirror._base import Mirror, is_remote, mirror_of, schemes
from recipec.places import Places
from recipec.places import matches as glob_files
from recipec.readers._archives import as_found, divided, read_through
from recipec.record import record
from recipec.registry import find
from recipec.registry import names as registry_names
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Chain, ChainBuilder, meaning_of
from recipec.resolve.columns import reserved
from recipec.resolve.loading import missing
from recipec.resolve.problems import (
    BadValue,
    MissingFile,
    OutsideFolder,
    ReservedColumn,
    UnknownColumn,
    UnknownOperator,
    Unreadable,
    WrongArguments,
    WrongForm,
)
from recipec.resolve.typing import normal_type
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class SourceSettings(Settings):
    key: list[ColumnName] = []
    columns: TypeMap | None = None
    repeated: Literal["error", "drop"] = "error"
    max_bad: float = 0.01
    encoding: str = "utf-8"
    description: str = ""
    license: str = ""


DOES_NOT_PARSE = "does not parse"
MANY = 1_000
"""More files than this are not named one by one where a step's meaning is kept."""


@record(frozen=True)
class SourcePlan:
    reader: Reader
    files: tuple[SourceFile, ...]
    schema: Schema
    declared: Mapping[str, str] | None
    key: tuple[str, ...]
    repeated: str
    max_bad: float
    encoding: str
    tests: Chain

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the files that rows come from, those in archives among them."""
        with read_through(None, self.files) as files:
            return tuple(f.name for f in files)

    def too_many_bad(self, ctx: RunContext, run_key: str, rows: int, outcome: Outcome) -> StepFailed | None:
        """The failure where more rows do not parse than ``max_bad`` allows; the bad rows stay to be looked at."""
        bad = outcome.dropped[DOES_NOT_PARSE]
        if bad <= self.max_bad * rows:
            return None
        found = ctx.con.execute(
            "SELECT file, row, reason, text[:200] AS text FROM recipec.bad WHERE run_key = ? ORDER BY file, row LIMIT 5", [run_key]
        )
        names = [d[0] for d in found.description]
        return StepFailed(
            f"{bad:,} of {rows:,} rows do not parse ({bad / rows:.1%}), more than `max_bad: {self.max_bad * 100:.4g}%` allows",
            f"see them all: recipec bad {ctx.program.root.source.path} {ctx.step.name}; mend the file, say its `encoding`, declare the columns' types, "
            "or raise max_bad",
            [dict(zip(names, r, strict=True)) for r in found.fetchall()],
        )


@step("source")
class Source(Kind):
    """Reads rows from files or databases.

    ```recipe
    source packages = parquet("data/packages.parquet") {
      key: package
      columns: { package: text, section: text, description: text }
      expect unique(package)
    }
    ```

    ``key`` names the column (or the list of columns) that identifies a row: row keys, and with them every random choice
    and the order of exports, come from it, so shuffling the file changes nothing. Without it a row is its place in its
    file. A key that is null or occurs twice is an error; under ``repeated: drop`` one row of each key is kept (which one
    depends on the rows' values, not on their order), and the others are counted under "key repeated".

    ``columns`` declares names and types: only these are read, and a value that does not fit its type makes its row bad.
    Without it they are inferred from the start of the files.

    Files in archives are read where they lie: ``!`` stands between the archive (``.zip``, ``.tar``, ``.tar.gz``, ``.tar.zst``,
    ``.tar.bz2``, ``.tar.xz``) and a path or glob of files in it; an archive that holds one file needs no more than its name.

    ```recipe
    source docs = markdown("data/all.tar.zst!docs/**/*.md")
    source dump = jsonl("data/dump.zip")
    ```

    A row's file is then ``data/all.tar.zst!docs/a.md``. A compressed tar can only be read from its start: it is gone through twice, and a
    check that has to infer columns looks at its first 64 MiB. Files that must be jumped about in (Parquet, SQLite) are copied out
    for as long as they are read. Encrypted files, archives in archives and what looks like a bomb (more than 4 GiB out of less than a
    500th of that) are refused.

    Rows that do not parse are kept aside (``recipec bad STEP`` shows them) and counted; the run fails when more than
    ``max_bad`` of the rows are bad. ``encoding`` is the files' text encoding. Tests (``expect``) run on the rows read.
    """

    Settings = SourceSettings
    takes = frozenset({"expect"})
    inputs = (0, 0)
    reader = "required"

    def bind(self, bind: StepBinder) -> Bound | None:
        call = bind.node.reader
        assert call is not None
        settings: SourceSettings | None = bind.settings(schema=Schema(unknown=True))
        made = self.make_reader(bind, call)
        if made is None:
            return None
        found = self.files(bind, made, call)
        if settings is None or found is None:
            return None
        files, mirrors, whole = found
        problems = len(bind.findings.errors)
        schema = self.schema(bind, made, files if whole else None, settings, call)
        if schema is None:
            return None
        ok = len(bind.findings.errors) == problems
        bind.guess[""] = schema
        for column in schema.columns:
            if reserved(column.name):
                bind.report(
                    ReservedColumn(
                        span=column.origin or call.span,
                        message=f"the source has a column `{column.name}`, a name that recipec keeps for itself",
                        help=("declare the columns you need: columns: { ... }",),
                    )
                )
                ok = False
        for place, name in enumerate(settings.key):
            if any(name.name == k.name for k in settings.key[:place]):
                bind.report(WrongArguments(span=name.span, message=f"`{name.name}` is listed twice"))
                ok = False
            if name.name not in schema.types and not schema.unknown:
                problem = UnknownColumn(span=name.span, wanted=name.name, candidates=schema.names)
                empty = f": {said}" if not schema.names and (said := nothing_in(files)) else ""
                problem.suggest(f"no column `{name.name}` in `{bind.name}`{empty}", listing=f"`{bind.name}` has")
                bind.report(problem)
                ok = False
        if not 0 <= settings.max_bad <= 1:
            value = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "max_bad")
            bind.report(BadValue(span=value.span, message="`max_bad` is a share: 0% to 100%"))
            ok = False
        tests = ChainBuilder(bind, schema).chain(bind.statements(tree.Expect))
        if not ok or tests is None:
            return None
        declared = dict(settings.columns.types) if settings.columns else None
        key = tuple(k.name for k in settings.key)
        meaning: dict[str, Any] = {
            "reader": [f"{made.name}@{made.version}", {k: v for k, v in meaning_of(made.params).items() if k != "path"}],
            "settings.key": list(key),
            "settings.repeated": settings.repeated if key else "error",
            "settings.columns": declared or dict(schema.types),
            "settings.encoding": settings.encoding,
        }
        if not key:
            meaning["files"] = names_of(files)
        plan = SourcePlan(made, files, schema, declared, key, settings.repeated, settings.max_bad, settings.encoding, tests)
        return bind.bound(
            outputs={"": schema},
            meaning=meaning,
            plan=plan,
            files=files,
            mirrors=mirrors,
            fetched=whole,
            tests=tests.tests,
            guards={"settings.max_bad": settings.max_bad},
        )

    @staticmethod
    def make_reader(bind: StepBinder, call: tree.Call) -> Reader | None:
        if not isinstance(call.func, tree.Name):
            bind.report(WrongForm(span=call.func.span, message="a reader is a plain name"))
            return None
        cls: type[Reader] | None = find("reader", call.func.id)
        if cls is None:
            problem = UnknownOperator(span=call.func.span, wanted=call.func.id, candidates=tuple(registry_names("reader")))
            problem.suggest(f"no reader `{call.func.id}`", listing="readers")
            bind.report(problem)
            return None
        module, extra = getattr(cls, "needs", ("", ""))
        if module and find_spec(module) is None:
            message = f"`{call.func.id}` needs the package {module}, which is not installed"
            bind.report(BadValue(span=call.func.span, message=message, help=(f"pip install 'recipec[{extra}]'",)))
            return None
        params = bind.arguments(cls.Params, call, Schema())
        return None if params is None else cls(params)

    @staticmethod
    def files(bind: StepBinder, reader: Reader, call: tree.Call) -> tuple[tuple[SourceFile, ...], tuple[Mirror, ...], bool] | None:
        """The files that the reader's places name, sorted by name, the places that are elsewhere, and whether all of these have been
        copied; None after reporting one that is missing."""
        folder = bind.names.source.folder
        span = call.args[0].value.span if call.args else call.span
        found: dict[str, SourceFile] = {}
        mirrors: list[Mirror] = []
        ok = whole = True
        copies: set[Path] = set()
        archives = bool(getattr(reader, "archives", ""))
        reader.folder = folder
        for written in reader.places():
            if not isinstance(written, str) or is_remote(written):
                place, within = divided(written, folder) if archives and isinstance(written, str) else (written, "")
                mirror = mirror_at(bind, place, span)
                if mirror is None:
                    ok = False
                    continue
                mirror.reader = reader.name
                mirrors.append(mirror)
                snapshot = None if bind.program.offline else bind.program.catalog.snapshot(mirror)
                # A check that is kept holds while the last copy is this one.
                bind.program.reading.seen.append(SourceFile(bind.program.catalog.manifest(mirror), mirror.address))
                whole = whole and snapshot is not None
                for copy in snapshot.files if snapshot is not None else ():
                    copies.add(copy.path)
                    file = as_found(copy.path, copy.name, within) if archives else copy
                    found[file.name] = file
                continue
            pattern, inside = divided(written, folder) if archives else (written, "")
            path = folder / pattern
            if bind.program.offline:
                found[written] = SourceFile(path, written)
                continue
            if any(c in pattern for c in "*?["):
                try:
                    matches = glob_files(pattern, folder)
                except DataError as error:
                    bind.report(BadValue(span=span, message=error.message, help=(error.help,)))
                    ok = False
                    continue
                if not matches:
                    bind.report(
                        MissingFile(
                            span=span, message=f"no file matches `{pattern}`", help=("paths are relative to the recipe's own folder",)
                        )
                    )
                    ok = False
                folders: dict[str, str] = {}
                for match in matches:
                    name = relative_name(match, folder, folders)
                    file = as_found(match, name, inside) if archives else SourceFile(match, name)
                    found[file.name] = file
            elif not os.path.exists(path):  # Path raises for a name that is too long
                items = call.args[0].value.items if call.args and isinstance(call.args[0].value, tree.ListExpr) else ()
                at = next((i.span for i in items if isinstance(i, tree.String) and i.value == written), span)
                bind.report(missing(at, path, pattern))
                ok = False
            else:
                name = Path(pattern).as_posix()
                file = as_found(path, name, inside) if archives else SourceFile(path, name)
                found[file.name] = file
        if not bind.program.offline:
            places = Places(folder)
            refused = next((r for f in found.values() if f.path not in copies and (r := places.unfit(f.path, f.name)) is not None), None)
            if refused is not None:
                bind.report(
                    (OutsideFolder if "leads out" in refused.message else Unreadable)(
                        span=span, message=refused.message, help=(refused.help,)
                    )
                )
                ok = False
        return (tuple(found[n] for n in sorted(found)), tuple(mirrors), whole) if ok else None

    @staticmethod
    def schema(
        bind: StepBinder, reader: Reader, files: tuple[SourceFile, ...] | None, settings: SourceSettings, call: tree.Call
    ) -> Schema | None:
        """The columns: as declared, else as the files have them. ``files`` is None where they have not been copied yet."""
        declared = settings.columns
        if bind.program.offline or files is None:
            if declared is None:
                return Schema(unknown=True)
            return Schema(tuple(Column(n, bind.typing.written(t), declared.spans.get(n)) for n, t in declared.types.items()))
        try:
            with read_through(reader, files, look=True) as looked_at:
                header = bind.program.reading.header(reader, looked_at, settings.encoding, seen=files, typed=declared is None)
                lacking = declared is not None and not getattr(reader, "free_names", False) and not declared.types.keys() <= header.keys()
                if header and lacking:  # what a column is that may have been meant
                    header = bind.program.reading.header(reader, looked_at, settings.encoding, seen=files)
        except DataError as error:
            # Files of one source may differ in columns that are not declared: those that all have are what counts.
            common: tuple[str, ...] | None = getattr(error, "common", None)
            if common is None or declared is None:
                bind.report(Unreadable(span=call.span, message=error.message, help=(error.help,) if error.help else ()))
                return None
            header = dict.fromkeys(common, "")
        if declared is None:
            return Schema(tuple(Column(n, normal_type(t)) for n, t in header.items()))
        named = not getattr(reader, "free_names", False)
        unsure: set[str] = set()
        for name in declared.types:
            if header and named and name not in header:
                problem = UnknownColumn(span=declared.spans[name], wanted=name, candidates=tuple(header))
                problem.suggest(f"the files have no column `{name}`", listing="they have")
                bind.report(problem)
                # What it was meant as may be read below, and is no second mistake there.
                unsure |= {name, nearest(name, tuple(n for n in header if n not in declared.types)) or name}
        columns = [Column(n, bind.typing.written(t), declared.spans.get(n)) for n, t in declared.types.items()]
        columns += [Column(n, normal_type(header[n])) for n in sorted(unsure - declared.types.keys())]
        return Schema(tuple(columns), unsure=frozenset(unsure))

    def run(self, plan: SourcePlan, ctx: RunContext) -> Outcome:
        import duckdb

        con, raw, bad = ctx.con, f"{ctx.scratch}raw", f"{ctx.scratch}bad"
        con.execute(f"CREATE TEMP TABLE {quote(bad)} (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
        listed = ", ".join(quote(c) for c in plan.schema.names)
        key = source_key([quote(k) for k in plan.key]) if plan.key else position_key("_file", "_row")
        select = f"SELECT {key} AS _key, NULL::UUID AS _parent, {listed} FROM {quote(raw)}"
        with read_through(plan.reader, plan.files, ctx.temporary) as files:
            self.read(plan, ctx, files, raw, bad)
            try:
                con.execute(f"CREATE TABLE {ctx.target} AS {select}")
            except duckdb.IOException as error:
                # Parquet is read in place, so a damaged page shows only now.
                explain = getattr(plan.reader, "explain", None)
                raise explain(con, files, error) if explain is not None else error from None
        return self.accept(plan, ctx, bad)

    def accept(self, plan: SourcePlan, ctx: RunContext, bad: str) -> Outcome:
        """Count and test the rows read, which are ``ctx.target``; those that did not parse are in the table ``bad``."""
        from recipec.engines.tests import run_tests

        con = ctx.con
        rows = int(ctx.one(f"SELECT count(*) FROM {ctx.target}")[0])
        bad_rows = int(ctx.one(f"SELECT count(*) FROM {quote(bad)}")[0])
        outcome = Outcome(rows_in=rows + bad_rows)
        if plan.key:
            repeated = self.check_key(plan, ctx, rows)
            if repeated:
                outcome.dropped["key repeated"] = repeated
                rows -= repeated
        outcome.rows_out = rows
        if bad_rows:
            outcome.dropped[DOES_NOT_PARSE] = bad_rows
            outcome.extra["bad"] = True
            con.execute(f"INSERT INTO recipec.bad SELECT {quote_text(ctx.run_key)}, file, row, reason, text FROM {quote(bad)}")
            outcome.failure = plan.too_many_bad(ctx, ctx.run_key, rows + bad_rows, outcome)
            some = "1 row does" if bad_rows == 1 else f"{bad_rows:,} rows do"
            ctx.note(f"{some} not parse: recipec bad {ctx.program.root.source.path} {ctx.step.name}")
        run_tests(ctx, plan.tests.tests, ctx.target, outcome)
        return outcome

    @staticmethod
    def read(plan: SourcePlan, ctx: RunContext, files: tuple[SourceFile, ...], raw: str, bad: str) -> None:
        plan.reader.load(
            ReadContext(
                ctx.con,
                files,
                plan.declared,
                plan.encoding,
                raw,
                bad,
                lambda done, total: ctx.progress(done / total if total else None, ""),
                ctx.temporary,
            )
        )

    def check_key(self, plan: SourcePlan, ctx: RunContext, rows: int) -> int:
        """Every row has a key of its own; returns how many rows were removed because theirs was repeated."""
        shown = ", ".join(plan.key)
        nulls = int(ctx.one(f"SELECT count(*) FROM {ctx.target} WHERE _key IS NULL")[0])
        if nulls:
            aside(plan, ctx, f"key is null ({shown})", "_key IS NULL")
            raise StepFailed(
                f"the key ({shown}) is null in {nulls:,} row{'s' * (nulls != 1)}",
                "choose a key that every row has, or none: rows are then known by their place",
            )
        distinct = int(ctx.one(f"SELECT count(DISTINCT _key) FROM {ctx.target}")[0])
        if distinct == rows:
            return 0
        if plan.repeated == "drop":
            self.drop_repeated(plan, ctx)
            return rows - distinct
        listed = ", ".join(quote(k) for k in plan.key)
        query = (
            f"SELECT {listed}, count(*) AS rows FROM {ctx.target} GROUP BY ALL HAVING count(*) > 1 ORDER BY count(*) DESC, {listed} LIMIT 5"
        )
        result = ctx.con.execute(query)
        names = [d[0] for d in result.description]
        found = result.fetchall()
        aside(plan, ctx, f"key repeated ({shown})", f"_key IN (SELECT _key FROM {ctx.target} GROUP BY _key HAVING count(*) > 1)")
        raise StepFailed(
            f"the key ({shown}) is not unique: {rows - distinct:,} row{'s repeat' if rows - distinct != 1 else ' repeats'} a key that another row has",
            "choose a key that is unique (key: [a, b]), keep one row of each (repeated: drop), or give no key: rows are then known by their place",
            [dict(zip(names, r, strict=True)) for r in found],
        )

    def drop_repeated(self, plan: SourcePlan, ctx: RunContext) -> None:
        """Keep one row of each key, the one whose values are first by their digest; the others go to ``recipec.bad``."""
        kept = f"SELECT arg_min(rowid, {{'d': {digest_of(plan)}, 'r': rowid}}) FROM {ctx.target} GROUP BY _key HAVING count(*) > 1"
        twice = f"SELECT _key FROM {ctx.target} GROUP BY _key HAVING count(*) > 1"
        gone = f"FROM {ctx.target} WHERE _key IN ({twice}) AND rowid NOT IN ({kept})"
        put_aside(plan, ctx, gone)
        ctx.con.execute(f"DELETE {gone}")


def digest_of(plan: SourcePlan) -> str:
    """SQL for the digest of a row's values."""
    return "md5(" + " || chr(31) || ".join(f"coalesce({quote(c)}::VARCHAR, chr(30))" for c in plan.schema.names) + ")"


def put_aside(plan: SourcePlan, ctx: RunContext, gone: str) -> None:
    """Show the rows of ``gone`` (SQL from its FROM on) among those that are not in the table because of their keys."""
    values = ", ".join(f"{literal(c)}: {quote(c)}" for c in plan.schema.names)
    files = literal(", ".join(f.name for f in plan.files[:3]))
    reason = literal(f"key repeated ({', '.join(plan.key)})")
    ctx.con.execute(f"INSERT INTO recipec.bad SELECT {literal(ctx.run_key)}, {files}, NULL, {reason}, {{{values}}}::VARCHAR {gone}")


def aside(plan: SourcePlan, ctx: RunContext, reason: str, condition: str) -> None:
    """Put rows among those that could not be read, for ``recipec bad``: the step is about to fail because of them."""
    shown = ", ".join(f"{literal(c)}: {quote(c)}" for c in plan.schema.names)
    files = literal(", ".join(f.name for f in plan.files[:3]))
    bad = quote(f"{ctx.scratch}bad")
    ctx.con.execute(f"INSERT INTO {bad} SELECT {files}, NULL, {literal(reason)}, {{{shown}}}::VARCHAR FROM {ctx.target} WHERE {condition}")


def mirror_at(bind: StepBinder, place: str | Mirror, span: Span) -> Mirror | None:
    """The mirror of a place elsewhere; None after reporting an address that nobody can open, or a package that is not installed."""
    try:
        mirror = mirror_of(place) if isinstance(place, str) else place
    except DataError as error:
        bind.report(BadValue(span=span, message=error.message, help=(error.help,) if error.help else ()))
        return None
    if mirror is None:
        assert isinstance(place, str)
        scheme = place.partition("://")[0]
        guess = nearest(scheme, schemes())
        meant = (f"did you mean `{guess}://`?",) if guess else ()
        problem = BadValue(span=span, message=f"no way to read `{scheme}://`", help=(*meant, f"addresses begin with {listed(schemes())}"))
        bind.report(problem)
        return None
    mirror.base = bind.names.source.folder
    if mirror.missing is not None:
        help = (f"pip install 'recipec[{mirror.extra[0]}]'",)
        bind.report(BadValue(span=span, message=f"`{mirror.address}` needs the package {mirror.missing}", help=help))
        return None
    return mirror


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}://`" for n in names)


def quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def relative_name(path: Path, folder: Path, known: dict[str, str]) -> str:
    """A file's name as the folder sees it. ``known`` keeps the folders that were asked before: of a million files most have neighbours."""
    place, slash, name = str(path).rpartition("/")
    place = place or slash or "."
    if place not in known:
        below = Path(os.path.relpath(place, folder)).as_posix()
        known[place] = "" if below == "." else f"{below}/"
    return known[place] + name


def names_of(files: Sequence[SourceFile]) -> list[str] | str:
    """What a step's meaning holds of the names of its files: many of them as a digest."""
    if len(files) <= MANY:
        return [f.name for f in files]
    total = blake2b(digest_size=12)
    for file in files:
        total.update(file.name.encode("utf-8", "surrogatepass") + b"\0")
    return f"{len(files):,} files ({total.hexdigest()})"


def nothing_in(files: Sequence[SourceFile]) -> str:
    """What is to be said of files of which none holds a byte; nothing of others."""
    try:
        if not files or any(type(f) is not SourceFile or f.path.stat().st_size for f in files):
            return ""
    except OSError:
        return ""
    return f"`{files[0].name}` is empty" if len(files) == 1 else f"its {len(files):,} files are empty"
