"""``expect``: tests across tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from recipec.api import Bound, Kind, Outcome, Schema, Settings, TableRef, Traits, literal, quote, step
from recipec.resolve.aggregates import AGGREGATES, aggregate
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Test, bind_test, one_line
from recipec.resolve.expr import LoweringFailed
from recipec.resolve.problems import MissingSetting, UnknownFunction, WrongForm
from recipec.resolve.refusal import explain_refusal, wrong_condition
from recipec.resolve.sql import Fragment, join
from recipec.resolve.typing import Refused
from recipec.source import Span
from recipec.syntax import tree
from recipec.syntax.written import written

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class ExpectSettings(Settings):
    description: str = ""


@dataclass(frozen=True)
class TableTest:
    """A test over several tables: its SQL names them as :attr:`TableRef.sql` does."""

    test: Test
    tables: tuple[TableRef, ...]

    @property
    def anonymous(self) -> str:
        """The SQL without the tables' names, which are not what it means."""
        text = self.test.scalar or ""
        for i, ref in enumerate(self.tables):
            text = text.replace(ref.sql, f"{{table {i}}}")
        return text


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
                    message = "with several inputs a test says which table it means"
                    bind.report(WrongForm(span=node.span, message=message, help=("write table.column: final.train.text",)))
                    ok = False
                    continue
                test = bind_test(bind, node, bind.schema)
                ok = ok and test is not None
                if test is not None:
                    plain.append(test)
        if not ok:
            return None
        meaning = {
            "plain": [[t.name, t.offending, t.scalar, t.warn] for t in plain],
            "across": [[a.test.name, a.anonymous, a.test.warn, [str(t.part) for t in a.tables]] for a in across],
        }
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
        try:
            stub = TableCondition(bind, lambda ref: bind.typing.table(ref.schema))
            fragment = stub.lower(expanded)
            if not any(ref.schema.unknown for ref in stub.tables):
                types = bind.typing.types(join("SELECT ", fragment, " AS __x").text, lasting=True)
                if types["__x"] != "BOOLEAN":
                    bind.report(wrong_condition(types["__x"], node.condition.span, "`expect`"))
                    return None
            real = TableCondition(bind, lambda ref: ref.sql)
            scalar = f"SELECT {real.lower(expanded).text}"
        except LoweringFailed:
            return None
        except Refused as problem:
            bind.report(explain_refusal(problem, fragment, len("SELECT "), bind.lowerer(Schema()), bind.typing, expanded))
            return None
        name = node.name.value if node.name else written(node.condition.span, "expect ")
        return TableTest(Test(name, None, scalar, node.warn, node.span, tuple(real.shown)), tuple(real.tables))

    def run(self, plan: ExpectPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.tests import run_tests

        outcome = Outcome(rows_in=sum(ctx.rows(i) for i in ctx.step.inputs))
        tests: list[Test] = []
        for item in plan.across:
            scalar, shown = item.test.scalar or "", list(item.test.shown)
            for ref in item.tables:
                scalar = scalar.replace(ref.sql, ctx.relation(ref))
                shown = [s.replace(ref.sql, ctx.relation(ref)) for s in shown]
            tests.append(Test(item.test.name, None, scalar, item.test.warn, item.test.span, tuple(shown)))
        if plan.plain:
            tests.extend(plan.plain)
        table = ctx.relation(ctx.step.inputs[0])
        run_tests(ctx, tests, table, outcome)
        return outcome


class TableCondition:
    """Lowers a condition over whole tables: every function of a table becomes a scalar subquery, the rest is an
    expression like any other. ``place`` names a table in SQL. Afterwards ``tables`` are those read, and ``shown`` the SQL of
    what was measured, as text."""

    def __init__(self, bind: StepBinder, place: Callable[[TableRef], str]) -> None:
        self.bind, self.place = bind, place
        self.tables: list[TableRef] = []
        self.shown: list[str] = []
        self.measured: dict[str, str] = {}

    def lower(self, node: tree.Expr) -> Fragment:
        stripped = self.take_measures(node)
        lowerer = self.bind.lowerer(Schema(), self.measured)
        lowerer.table = "the tables: write table.column inside a function, as in mean(final.train.length)"
        return lowerer.lower(stripped, free=False)

    def take_measures(self, node: tree.Expr) -> tree.Expr:
        """``node`` with each function of a table replaced by a name that stands for its subquery."""
        if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and (node.func.id in COUNTERS or aggregate(node) is not None):
            sql = self.measure(node, node.func.id)
            name = f"__t{len(self.measured)}"
            self.measured[name] = sql
            self.shown.append(f"{literal(one_line(node.span) + ' = ')} || ({sql})::VARCHAR")
            return tree.Name(name, True, span=node.span)
        if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and any(self.is_table(a.value) for a in node.args):
            problem = UnknownFunction(span=node.func.span, wanted=node.func.id, candidates=(*COUNTERS, *sorted(AGGREGATES)))
            problem.suggest(f"no function of a table `{node.func.id}`")
            problem.put(help=tuple(COUNTERS.values()))
            self.bind.report(problem)
            raise LoweringFailed
        if isinstance(node, tree.Field) and self.is_table(node):
            self.fail(node.span, "this needs a function over a table", "rows(final.train), mean(final.train.length)")
        return tree.replaced(node, self.take_measures)

    def fail(self, span: Span, message: str, *help: str) -> NoReturn:
        self.bind.report(WrongForm(span=span, message=message, help=help))
        raise LoweringFailed

    def is_table(self, node: tree.Expr) -> bool:
        """Whether a dotted name begins with a step or an import."""
        path = self.bind.program.path(node)
        return path is not None and len(path) > 1 and path[0].id in (*self.bind.names.steps, *self.bind.names.imports)

    def table(self, node: tree.Expr) -> str:
        ref = self.bind.table(node)
        if ref is None:
            raise LoweringFailed
        return self.used(ref)

    def used(self, ref: TableRef) -> str:
        if ref not in self.tables:
            self.tables.append(ref)
        return self.place(ref)

    def column(self, node: tree.Expr) -> tuple[str, str]:
        if not isinstance(node, tree.Field):
            self.fail(node.span, "this must be a table's column", "table.column: final.train.text")
        ref = self.bind.column_ref(node)
        if ref is None:
            raise LoweringFailed
        return self.used(ref.table), quote(ref.column)

    def measure(self, node: tree.Call, name: str) -> str:
        """A function of a table as a scalar subquery."""
        args = [a.value for a in node.args]
        if name not in COUNTERS:
            sql, table = self.over_rows(node)
            return f"(SELECT {sql} FROM {table})"
        wanted = 2 if name in ("overlap", "drift") else 1
        if len(args) != wanted:
            self.fail(node.span, f"`{name}` takes {wanted} argument{'s' * (wanted > 1)}", COUNTERS[name])
        if name == "rows":
            return f"(SELECT count(*) FROM {self.table(args[0])})"
        if name == "share":
            sql, table = self.over_rows(args[0])
            return f"(SELECT coalesce(avg(({sql})::INTEGER), 0) FROM {table})"
        table, x = self.column(args[0])
        if name == "missing":
            return f"(SELECT count(*) FROM {table} WHERE {x} IS NULL)"
        if name == "distinct":
            return f"(SELECT count(DISTINCT {x}) FROM {table})"
        if name == "duplicates":
            return f"(SELECT count({x}) - count(DISTINCT {x}) FROM {table})"
        if name == "balance":
            return f"(SELECT min(n) / max(n) FROM (SELECT count(*) AS n FROM {table} WHERE {x} IS NOT NULL GROUP BY {x}))"
        other, y = self.column(args[1])
        if name == "overlap":
            return f"(SELECT count(*) FROM {other} WHERE {y} IN (SELECT {x} FROM {table}))"

        def shares(column: str, table: str) -> str:
            return f"(SELECT {column} AS v, count(*) / sum(count(*)) OVER () AS p FROM {table} GROUP BY {column})"

        return (
            f"(SELECT coalesce(sum(abs(coalesce(a.p, 0) - coalesce(b.p, 0))) / 2, 0) FROM {shares(x, table)} AS a "
            f"FULL JOIN {shares(y, other)} AS b ON a.v IS NOT DISTINCT FROM b.v)"
        )

    def over_rows(self, node: tree.Expr) -> tuple[str, str]:
        """An expression over one table's columns, written ``table.column``: its SQL and the table."""
        refs: list[TableRef] = []

        def strip(n: tree.Expr) -> tree.Expr:
            if isinstance(n, tree.Field) and self.is_table(n):
                ref = self.bind.column_ref(n)
                if ref is None:
                    raise LoweringFailed
                refs.append(ref.table)
                return tree.Name(ref.column, True, span=n.span)
            return tree.replaced(n, strip)

        plain = strip(node)
        if not refs or any(r != refs[0] for r in refs):
            self.fail(node.span, "this looks at the rows of one table", "write its columns as table.column: final.train.text")
        made = self.bind.expression(plain, refs[0].schema, aggregates=True)
        if made is None:
            raise LoweringFailed
        return made.sql, self.used(refs[0])
