"""``sql``: DuckDB's own SQL over the inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recipec.api import HIDDEN, KEY, PARENT, Bound, Column, ColumnName, Kind, Outcome, Schema, Settings, StepFailed, Traits, quote, step
from recipec.identity import source_key
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import ChainBuilder, Test
from recipec.resolve.columns import reserved, twin
from recipec.resolve.problems import BadSQL, NotReproducible, ReservedColumn, UnknownColumn, UnknownFunction
from recipec.resolve.query import Dotted, canonical, complaints, composed
from recipec.resolve.refusal import readable
from recipec.resolve.types import shown
from recipec.resolve.typing import Refused
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class SqlSettings(Settings):
    key: list[ColumnName] = []
    description: str = ""


@dataclass(frozen=True)
class SqlPlan:
    """``names`` are those of the inputs as the query writes them; ``dotted`` is where it reads those with dots."""

    query: str
    names: tuple[str, ...]
    dotted: tuple[Dotted, ...]
    key: tuple[str, ...]
    keyed: bool
    parents: bool
    schema: Schema
    tests: tuple[Test, ...]


@step("sql")
class Sql(Kind):
    """A SELECT of DuckDB over the inputs, which are tables under the names that the step gives them.

    ```recipe
    sql joined from packages, votes \"\"\"
      select p.package, p.description, v.vote
      from packages p join votes v using (package)
    \"\"\" { key: package }
    ```

    The query is bound when the recipe is checked, so its columns and types are known; it sees its inputs and nothing
    else, no file and no other table. ``key`` names the columns that identify a row of the result. Without it rows keep
    the ``_key`` that the query selects (``select * from packages`` does), and where it selects none a row is known by its
    values: a row that occurs twice is then an error. A part is written as in the recipe: ``from final.train``.
    Tests (``expect``) run on the result.
    """

    Settings = SqlSettings
    takes = frozenset({"expect"})
    inputs = (0, None)
    text = "required"

    def bind(self, bind: StepBinder) -> Bound | None:
        text_node = bind.node.text
        assert text_node is not None
        query = text_node.value.strip().rstrip(";").strip()
        names = tuple(written(n) for n in bind.node.inputs)
        with self.tables(bind, names):
            dotted = self.look(bind, text_node, query, names)
            types = None if dotted is None else self.types(bind, text_node, query, names, dotted)
        if types is None or dotted is None:
            return None
        schema = Schema(
            tuple(Column(n, t) for n, t in types.items() if n not in HIDDEN), unknown=any(i.schema.unknown for i in bind.inputs)
        )
        for name in types:
            if (other := twin(name, types)) is not None and name < other:
                message = f"the result has the columns `{name}` and `{other}`, which a table cannot tell apart"
                bind.report(BadSQL(span=text_node.span, message=message, help=("name one of them otherwise: ... as other",)))
                return None
            if reserved(name) and name not in (KEY, PARENT):
                message = f"the query makes a column `{name}`, a name that recipec keeps for itself"
                bind.report(ReservedColumn(span=text_node.span, message=message, help=("name it otherwise: ... as other",)))
                return None
        for hidden in (KEY, PARENT):
            if types.get(hidden, "UUID") != "UUID":
                message = f"`{hidden}` is {shown(types[hidden])}, and no row's key"
                help = "leave the keys of an input as they are, or say `key:` which columns identify a row"
                bind.report(BadSQL(span=text_node.span, message=message, help=(help,)))
                return None
        inner = replace_schema(bind, schema)
        settings: SqlSettings | None = inner.settings(schema=schema)
        tests = ChainBuilder(inner, schema).chain(bind.statements(tree.Expect))
        if settings is None or tests is None:
            return None
        key = tuple(k.name for k in settings.key)
        keyed = "_key" in types and not key
        return bind.bound(
            outputs={"": schema},
            meaning={"query": canonical(query), "settings.key": list(key), "columns": dict(schema.types), "names": list(names)},
            shown={"query": " ".join(query.split())},
            plan=SqlPlan(query, names, dotted, key, keyed, keyed and PARENT in types, schema, tests.tests),
            traits=Traits(scope="global", changes_rows=True),
            tests=tests.tests,
        )

    @contextmanager
    def tables(self, bind: StepBinder, names: tuple[str, ...]) -> Iterator[None]:
        """Empty tables that have the inputs' names, for as long as the query is looked at."""
        con = bind.typing.con
        made: list[str] = []
        try:
            for ref, name in zip(bind.inputs, names, strict=True):
                schema, _, local = name.rpartition(".")
                if "." in schema:
                    continue
                if schema:
                    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
                place = f"{quote(schema)}.{quote(local)}" if schema else quote(local)
                con.execute(f"CREATE OR REPLACE VIEW {place} AS SELECT * FROM {bind.typing.table(ref.schema)}")
                made.append(place)
            yield
        finally:
            for place in made:
                con.execute(f"DROP VIEW IF EXISTS {place}")

    def look(self, bind: StepBinder, node: tree.String, query: str, names: tuple[str, ...]) -> tuple[Dotted, ...] | None:
        """Where the query reads tables of dotted names; None after reporting what keeps it from being a step."""

        def refused(probe: str) -> str | None:
            try:
                bind.typing.types(probe)
            except Refused as problem:
                return problem.message
            return None

        columns = {c for i in bind.inputs for c in i.schema.names}
        found = complaints(bind.typing.con, query, names, columns, refused)
        for c in found.complaints:
            span = node.span if c.position is None else self.place(node, query, c.position, c.length)
            kind = NotReproducible if c.kind == "chance" else BadSQL
            bind.report(kind(span=span, message=c.message, help=(c.help,) if c.help else ()))
        return None if found.complaints else found.dotted

    def types(
        self, bind: StepBinder, node: tree.String, query: str, names: tuple[str, ...], dotted: tuple[Dotted, ...]
    ) -> dict[str, str] | None:
        """The result's columns; None after reporting, and no column where those of an input are not known."""
        if any(i.schema.unknown for i in bind.inputs):
            return {}
        # A name of three parts cannot be given to a table of the typing database.
        deep = any(n.count(".") > 1 for n in names)
        tables = {n: bind.typing.table(i.schema) for n, i in zip(names, bind.inputs, strict=True)}
        try:
            return bind.typing.types(composed(query, dotted, tables) if deep else query)
        except Refused as problem:
            if deep:
                problem.position = None
            bind.report(self.refusal(bind, node, query, problem))
            return None

    def refusal(self, bind: StepBinder, node: tree.String, query: str, problem: Refused) -> Any:
        name = problem.details.get("name", "")
        position = problem.position
        span = self.place(node, query, position, len(name) or 1) if position is not None else node.span
        if problem.details.get("error_subtype") == "COLUMN_NOT_FOUND" and name:
            known = tuple(dict.fromkeys(c for i in bind.inputs for c in i.schema.names))
            unknown = UnknownColumn(span=span, wanted=name, candidates=known)
            unknown.suggest(f"no column `{name}` in the query's tables", listing="they have")
            return unknown
        if problem.kind == "Catalog" and name:
            functions = tuple(sorted(bind.typing.functions("scalar") | bind.typing.functions("aggregate") | bind.typing.functions("macro")))
            nobody = UnknownFunction(span=span, wanted=name, candidates=functions)
            nobody.suggest(f"no function `{name}`")
            return nobody
        lacking = re.match(r'.*"(.+?)" does not have a column named "(.+?)"', problem.message)
        if lacking:
            table = next((i for i in bind.inputs if str(i).lower() == lacking[1].lower()), None)
            unknown = UnknownColumn(span=span, wanted=lacking[2], candidates=table.schema.names if table is not None else ())
            unknown.suggest(f"no column `{lacking[2]}` in `{lacking[1]}`", listing="it has")
            unknown.put(fixes=())
            return unknown
        return BadSQL(span=span, message=readable(problem.message.split("\n")[0]).rstrip("!")[:300])

    @staticmethod
    def place(node: tree.String, query: str, position: int, length: int) -> Span:
        """The place in the recipe of a place in the query: blocks are dedented, so lines and columns are matched anew."""
        line, column = query.count("\n", 0, position), position - (query.rfind("\n", 0, position) + 1)
        text = node.span.text
        wanted = query.split("\n")[line].strip()
        raw = text.split("\n")
        first = query.split("\n")[0].strip()
        start = next((i for i, r in enumerate(raw) if first and first in r), 0) + line
        if start < len(raw) and wanted and wanted in raw[start]:
            indent = len(query.split("\n")[line]) - len(query.split("\n")[line].lstrip())
            offset = sum(len(r) + 1 for r in raw[:start]) + raw[start].index(wanted) + max(column - indent, 0)
            begin = node.span.start + offset
            return Span(node.span.source, begin, min(begin + max(length, 1), node.span.end))
        return node.span

    @classmethod
    def sql(cls, plan: SqlPlan, table: str, inputs: Sequence[str]) -> list[str]:
        tables = dict(zip(plan.names, inputs, strict=True))
        same = all(".".join(map(quote, name.split("."))) == source for name, source in tables.items())
        return [f"CREATE TABLE {quote(table)} AS {plan.query if same else composed(plan.query, plan.dotted, tables)}"]

    def run(self, plan: SqlPlan, ctx: RunContext) -> Outcome:
        tables = {n: ctx.relation(r) for n, r in zip(plan.names, ctx.step.inputs, strict=True)}
        ctx.con.execute(f"CREATE TABLE {ctx.target} AS {self.result(plan, tables)}")
        return self.accept(plan, ctx)

    @staticmethod
    def result(plan: SqlPlan, tables: Mapping[str, str]) -> str:
        """SQL for the step's rows, where its inputs have these names."""
        # The casts matter for a column that is null everywhere, which DuckDB gives a type of its own.
        listed = ", ".join(f"{quote(c.name)}::{c.type} AS {quote(c.name)}" for c in plan.schema.columns)
        if plan.keyed:
            key = "_key"
        else:
            # A row without a declared key is known by its values; a null is a value here, told apart from every text.
            columns = [quote(k) for k in (plan.key or plan.schema.names)]
            key = source_key(columns if plan.key else [f"CASE WHEN {c} IS NULL THEN chr(30) ELSE ({c})::VARCHAR END" for c in columns])
        parent = "_parent" if plan.parents else "NULL::UUID"
        return composed(plan.query, plan.dotted, tables, f"{key} AS _key, {parent} AS _parent, {listed}")

    def accept(self, plan: SqlPlan, ctx: RunContext) -> Outcome:
        """Test and count the rows, which are ``ctx.target``."""
        from recipec.engines.tests import run_tests

        rows, nulls, distinct = ctx.one(f"SELECT count(*), count(*) - count(_key), count(DISTINCT _key) FROM {ctx.target}")
        shown = ", ".join(plan.key) if plan.key else "_key" if plan.keyed else "all columns"
        if nulls:
            raise StepFailed(f"the key ({shown}) is null in {nulls:,} row{'s' * (nulls != 1)}", "choose a key that every row has")
        if distinct != rows:
            raise StepFailed(
                f"the key ({shown}) is not unique: {rows - distinct:,} row{'s repeat' if rows - distinct != 1 else ' repeats'} a key that another row has",
                "say what identifies a row of the result: { key: [a, b] }, or use select distinct",
            )
        outcome = Outcome(rows_in=sum(ctx.rows(i) for i in ctx.step.inputs), rows_out=int(rows))
        run_tests(ctx, plan.tests, ctx.target, outcome)
        return outcome


def written(node: tree.Expr) -> str:
    """The name of an input as the step writes it: its query calls it so, whatever file and round the step is of."""
    if isinstance(node, tree.Field):
        return f"{written(node.base)}.{node.name.id}"
    if isinstance(node, tree.Round):
        return f"{node.base.id}@{node.number}"
    return node.id if isinstance(node, tree.Name) else node.span.text


def replace_schema(bind: StepBinder, schema: Schema) -> StepBinder:
    """The same binder, its columns being those of the query's result."""
    from recipec.api import TableRef

    return replace(bind, inputs=(TableRef(bind.name, None, schema),))
