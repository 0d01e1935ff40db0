"""``expect``: tests across tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recipec.api import Bound, Kind, Outcome, Schema, Settings, TableRef, Traits, quote, step
from recipec.engines.context import RunContext
from recipec.engines.tests import run_tests
from recipec.resolve.aggregates import AGGREGATES, aggregate
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Test, bind_test, one_line
from recipec.resolve.expr import LoweringFailed
from recipec.resolve.problems import MissingSetting, UnknownFunction, WrongForm
from recipec.resolve.refusal import explain_refusal, wrong_condition
from recipec.resolve.sql import Fragment, join
from recipec.resolve.typing import Refused
from recipec.syntax import tree


class ExpectSettings(Settings):
    description: str = ""


@dataclass(frozen=True)
class TableTest:
    """A test over several tables: SQL with ``{0}``, ``{1}`` .. for the relations of ``tables``."""

    test: Test
    tables: tuple[TableRef, ...]


@dataclass(frozen=True)
class ExpectPlan:
    plain: tuple[Test, ...]
    across: tuple[TableTest, ...]


COUNTERS = {
    "rows": "rows(table): how many rows a table has",
    "overlap": "overlap(a.x, b.x): rows of b whose x is in a",
    "missing": "missing(a.x): rows where x is null",
    "distinct": "distinct(a.x): how many different values",
    "duplicates": "duplicates(a.x): rows whose x an earlier row has",
    "share": "share(a.x == 1): the share of a table's rows for which it holds",
    "balance": "balance(a.x): the rarest value's rows over the commonest one's",
    "drift": "drift(a.x, b.x): total variation distance between two columns' values, 0 to 1",
}


@step("expect")
class Expect(Kind):
    """Tests that look at whole tables, and at several of them; a failed one fails the run.

    ```recipe
    expect sound from final.train, final.test {
      expect overlap(final.train.description, final.test.description) == 0 as "no text is in both"
      expect rows(final.test) >= 1000
      expect balance(final.train.section) > 5%
      expect warn drift(final.train.section, final.test.section) < 10%
    }
    ```

    ``rows(t)``; ``overlap(a.x, b.x)``, the rows of b whose x is in a; ``missing(a.x)``; ``distinct(a.x)``;
    ``duplicates(a.x)``; ``share(a.x > 3)``; ``balance(a.x)``, the rarest value's rows over the commonest one's;
    ``drift(a.x, b.x)``, the total variation distance between the values of two columns; and every aggregate of DuckDB
    over one table's columns: ``mean(final.train.length) > 20``. Over a single input the tests of ``clean`` work too:
    ``expect unique(id)``, ``expect length(text) < 1000``. ``expect warn`` only warns.
    """

    Settings = ExpectSettings
    level = "metadata"
    takes = frozenset({"expect"})
    inputs = (1, None)
    table = False

    def bind(self, bind: StepBinder) -> Bound | None:
        settings = bind.settings()
        tests = bind.statements(tree.Expect)
        if not tests:
            bind.report(MissingSetting(span=bind.node.head, message="`expect` has no test", help=("expect rows(final.test) >= 100",)))
            return None
        plain: list[Test] = []
        across: list[TableTest] = []
        ok = settings is not None
        for node in tests:
            if self.mentions_table(bind, node.condition):
                made = self.across(bind, node)
                ok = ok and made is not None
                if made is not None:
                    across.append(made)
            else:
                if len(bind.inputs) > 1:
                    bind.report(WrongForm(span=node.span, message="with several inputs a test says which table it means", help=("write table.column: final.train.text",)))
                    ok = False
                    continue
                test = bind_test(bind, node, bind.schema)
                ok = ok and test is not None
                if test is not None:
                    plain.append(test)
        if not ok:
            return None
        meaning = {"plain": [[t.name, t.offending, t.scalar, t.warn] for t in plain], "across": [[a.test.name, a.test.scalar, a.test.warn, [str(t.part) for t in a.tables]] for a in across]}
        return bind.bound(outputs={}, meaning=meaning, plan=ExpectPlan(tuple(plain), tuple(across)), traits=Traits(scope="global"))

    @staticmethod
    def mentions_table(bind: StepBinder, node: tree.Expr) -> bool:
        columns = bind.schema.types if len(bind.inputs) == 1 else {}
        for n in tree.walk(node):
            if isinstance(n, tree.Call) and isinstance(n.func, tree.Name) and n.func.id in COUNTERS:
                return True
            if isinstance(n, tree.Field):
                base: tree.Expr = n
                while isinstance(base, tree.Field):
                    base = base.base
                if isinstance(base, tree.Name) and base.id not in columns and base.id in (*bind.names.steps, *bind.names.imports):
                    return True
        return False

    def across(self, bind: StepBinder, node: tree.Expect) -> TableTest | None:
        expanded = bind.expanded(node.condition, Schema())
        if expanded is None:
            return None
        tables: list[TableRef] = []
        shown: list[str] = []
        try:
            fragment = self.lower(bind, expanded, tables, shown)
        except LoweringFailed:
            return None
        text = fragment.text
        stub = text
        for i, ref in enumerate(tables):
            stub = stub.replace(f"{{{i}}}", bind.typing.table(ref.schema).ljust(3))
        if not any(t.schema.unknown for t in tables):
            try:
                types = bind.typing.types(f"SELECT {stub} AS _x")
            except Refused as problem:
                problem.position = None
                bind.report(explain_refusal(problem, fragment, 7, bind.lowerer(Schema()), bind.typing, expanded))
                return None
            if types["_x"] != "BOOLEAN":
                bind.report(wrong_condition(types["_x"], node.condition.span, "`expect`"))
                return None
        name = node.name.value if node.name else one_line(node.condition.span)
        test = Test(name, None, f"SELECT {text}", node.warn, node.span, tuple(shown))
        return TableTest(test, tuple(tables))

    def lower(self, bind: StepBinder, node: tree.Expr, tables: list[TableRef], shown: list[str]) -> Fragment:
        """The condition as SQL, every table function as a scalar subquery."""
        lowerer = bind.lowerer(Schema())

        def place(ref: TableRef) -> str:
            if ref not in tables:
                tables.append(ref)
            return f"{{{tables.index(ref)}}}"

        def column(n: tree.Expr) -> tuple[str, str]:
            if not isinstance(n, tree.Field):
                bind.report(WrongForm(span=n.span, message="this must be a table's column", help=("table.column: final.train.text",)))
                raise LoweringFailed
            ref = bind.column_ref(n)
            if ref is None:
                raise LoweringFailed
            return place(ref.table), quote(ref.column)

        def measured(n: tree.Call, sql: str) -> Fragment:
            shown.append(f"'{one_line(n.span).replace(chr(39), chr(39) * 2)} = ' || ({sql})::VARCHAR")
            return join(sql, span=n.span)

        def table_call(n: tree.Call, name: str) -> Fragment:
            args = [a.value for a in n.args]
            wanted = 2 if name in ("overlap", "drift") else 1
            if len(args) != wanted:
                bind.report(WrongForm(span=n.span, message=f"`{name}` takes {wanted} argument{'s' * (wanted > 1)}", help=(COUNTERS[name],)))
                raise LoweringFailed
            if name == "rows":
                ref = bind.table(args[0])
                if ref is None:
                    raise LoweringFailed
                return measured(n, f"(SELECT count(*) FROM {place(ref)})")
            if name == "share":
                sql, table = row_condition(args[0])
                return measured(n, f"(SELECT coalesce(avg(({sql})::INTEGER), 0) FROM {table})")
            table, x = column(args[0])
            if name == "missing":
                return measured(n, f"(SELECT count(*) FROM {table} WHERE {x} IS NULL)")
            if name == "distinct":
                return measured(n, f"(SELECT count(DISTINCT {x}) FROM {table})")
            if name == "duplicates":
                return measured(n, f"(SELECT count({x}) - count(DISTINCT {x}) FROM {table})")
            if name == "balance":
                return measured(n, f"(SELECT min(n) / max(n) FROM (SELECT count(*) AS n FROM {table} WHERE {x} IS NOT NULL GROUP BY {x}))")
            other, y = column(args[1])
            if name == "overlap":
                return measured(n, f"(SELECT count(*) FROM {other} WHERE {y} IN (SELECT {x} FROM {table}))")
            shares = "SELECT {0} AS v, count(*) / sum(count(*)) OVER () AS p FROM {1} GROUP BY {0}"
            first = shares.replace("{0}", x).replace("{1}", table)
            second = shares.replace("{0}", y).replace("{1}", other)
            return measured(n, f"(SELECT sum(abs(coalesce(a.p, 0) - coalesce(b.p, 0))) / 2 FROM ({first}) AS a FULL JOIN ({second}) AS b ON a.v IS NOT DISTINCT FROM b.v)")

        def row_condition(n: tree.Expr) -> tuple[str, str]:
            """An expression over one table's columns, written ``table.column``: its SQL and the table."""
            refs: list[TableRef] = []

            def strip(e: Any) -> Any:
                if isinstance(e, tree.Field) and (path := bind.program.path(e)) is not None and len(path) > 1 and path[0].id in (*bind.names.steps, *bind.names.imports):
                    ref = bind.column_ref(e)
                    if ref is None:
                        raise LoweringFailed
                    refs.append(ref.table)
                    return tree.Name(ref.column, True, span=e.span)
                if isinstance(e, tree.Node):
                    from dataclasses import fields, replace

                    return replace(e, **{f.name: strip(getattr(e, f.name)) for f in fields(e) if isinstance(getattr(e, f.name), (tree.Node, tuple))})
                if isinstance(e, tuple):
                    return tuple(strip(x) for x in e)
                return e

            plain = strip(n)
            if not refs or any(r != refs[0] for r in refs):
                bind.report(WrongForm(span=n.span, message="this looks at the rows of one table", help=("write its columns as table.column: final.train.text",)))
                raise LoweringFailed
            made = bind.expression(plain, refs[0].schema, aggregates=True)
            if made is None:
                raise LoweringFailed
            return made.sql, place(refs[0])

        def go(n: tree.Expr) -> Fragment:
            match n:
                case tree.Call(func=tree.Name(id=name)) if name in COUNTERS:
                    return table_call(n, name)
                case tree.Call(func=tree.Name(id=name)) if aggregate(n) is not None:
                    sql, table = row_condition(n)
                    return measured(n, f"(SELECT {sql} FROM {table})")
                case tree.Binary() if n.op not in ("in", "not in", "matches", "not matches"):
                    return lowerer.binary(n, go)
                case tree.Between(value=value, low=low, high=high, negated=negated):
                    return join("(", go(value), " NOT" * negated + " BETWEEN ", go(low), " AND ", go(high), ")", span=n.span)
                case tree.Unary(op=op, operand=operand):
                    return join(f"({op.upper()} ", go(operand), ")", span=n.span)
                case tree.Number() | tree.String() | tree.Bool() | tree.Null():
                    return lowerer.lower(n)
                case tree.Call(func=tree.Name() as func):
                    problem = UnknownFunction(span=func.span, wanted=func.id, candidates=(*COUNTERS, *sorted(AGGREGATES)))
                    problem.suggest(f"no table function `{func.id}`")
                    problem.put(help=tuple(COUNTERS.values()))
                    bind.report(problem)
                    raise LoweringFailed
                case _:
                    bind.report(WrongForm(span=n.span, message="this needs a function over a table", help=("rows(final.train), mean(final.train.length)",)))
                    raise LoweringFailed

        return go(node)

    def run(self, plan: ExpectPlan, ctx: RunContext) -> Outcome:
        outcome = Outcome(rows_in=sum(ctx.rows(i) for i in ctx.step.inputs))
        tests: list[Test] = []
        for item in plan.across:
            scalar, shown = item.test.scalar or "", list(item.test.shown)
            for i, ref in enumerate(item.tables):
                scalar = scalar.replace(f"{{{i}}}", ctx.relation(ref))
                shown = [s.replace(f"{{{i}}}", ctx.relation(ref)) for s in shown]
            tests.append(Test(item.test.name, None, scalar, item.test.warn, item.test.span, tuple(shown)))
        if plan.plain:
            tests.extend(plan.plain)
        table = ctx.relation(ctx.step.inputs[0])
        run_tests(ctx, tests, table, outcome)
        return outcome


