"""What every table of a recipe is made of, as far as the recipe shows it: values, facts, copies, parts.

Steps are walked once, in order. Kinds and operators are known by their forms and traits alone: what reads rows and keeps
their identity is followed, what may do anything (a query, a Python function) is a wall behind which nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from recipec.api import ColumnName, Expression, Made, PromptCall, TableRef, Traits, Use
from recipec.lints._facts import FALSE, INFINITY, NULL, TRUE, Fact, Facts, Reasoner
from recipec.lints._values import EMPTY, Root, Scope, Values
from recipec.resolve.program import Program, ResolvedStep
from recipec.source import Span
from recipec.syntax import tree


class Copying(NamedTuple):
    """A way in which a recipe makes several rows of one. ``number`` names it in :attr:`Values.copies`."""

    number: int
    step: str
    span: Span
    what: str
    identical: bool = False
    """The copies are the same in all columns."""


class Unique(NamedTuple):
    """No two rows hold the same in all of ``values``; ``span`` is what makes sure of it."""

    values: frozenset[int]
    span: Span
    near: bool = False
    """Nor nearly the same."""


class Judged(NamedTuple):
    """A condition, and the truth values that it can have for the rows that reach it."""

    step: str
    statement: tree.Filter | tree.Expect | tree.When
    mask: int
    grounds: tuple[Span, ...]


def throughout(judged: Iterable[Judged]) -> list[Judged]:
    """Each condition once, with the truth values that it can have in any round of a loop: the second round's rows have passed it already."""
    out: dict[tuple[object, ...], Judged] = {}
    for one in judged:
        first = out.setdefault(one.statement.span.order, one)
        out[one.statement.span.order] = first._replace(mask=first.mask | one.mask)
    return list(out.values())


class Table(NamedTuple):
    """A table. ``columns`` maps names to values; ``copying`` are the ways of copying whose copies may both be here;
    ``parts`` the parts of splits that its rows come from; ``holds`` the tables whose rows it has: True for all of them,
    False for some. ``walled`` says that a query or a Python function lies above: rows may have been made anew."""

    columns: Mapping[str, int]
    facts: Mapping[int, Fact] | None = MappingProxyType({})
    """None where no row can come this far."""
    unique: frozenset[Unique] = EMPTY
    copying: tuple[Copying, ...] = ()
    parts: frozenset[tuple[str, str]] = EMPTY
    holds: Mapping[str, bool] = MappingProxyType({})
    walled: bool = False


class Tables:
    """Every table of a program by the text of its reference (``tidy``, ``final.train``)."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values = Values()
        self.reasoner = Reasoner(self.values)
        self.judged: list[Judged] = []
        self.made: dict[str, Table] = {}
        self.dedupes: list[tuple[ResolvedStep, tree.Op, frozenset[int], Table]] = []
        """Operators that remove duplicates: the values that they compare, and the table that they meet."""
        self.origins: dict[Root, tuple[ResolvedStep, Made]] = {}
        """Columns that models and rules gave."""
        self.pieces: dict[int, tuple[str, int, Span]] = {}
        """Texts that were cut to pieces of at most so many words or tokens."""
        self.ways = 0
        for step in program.steps:
            self.step(step)

    def table(self, ref: TableRef) -> Table:
        return self.made[str(ref)]

    def value(self, expression: Expression | tree.Expr, step: ResolvedStep) -> int:
        """The value of an expression over a step's first input."""
        node = expression.node if isinstance(expression, Expression) else expression
        return self.values.number(node, Scope(self.table(step.inputs[0]).columns, step.entry.module))

    def used(self, use: Use, step: ResolvedStep) -> int:
        """The value of what a step makes use of."""
        columns = self.table(use.table).columns
        scope = Scope(columns, step.entry.module)
        match use.what:
            case ColumnName(name=name):
                return columns[name] if name in columns else self.values.fresh()
            case Expression(node=node):
                return self.values.number(node, scope)
            case PromptCall(prompt=prompt, arguments=arguments):
                return self.values.template(prompt, {p: self.values.number(e.node, scope) for p, e in arguments.items()})
            case _:
                return self.values.fresh()

    # Steps

    def step(self, step: ResolvedStep) -> None:
        kind, traits = step.kind, step.bound.traits
        if kind.table:
            if traits.divides:
                self.divide(step)
                return
            if not step.inputs or kind.text != "no":
                table = self.anew(step)
            elif step.bound.made is not None:
                table = self.chain(step, self.answered(step, step.bound.made), not traits.changes_rows)
            elif "assign" in kind.takes and len(step.inputs) == 1:
                table = self.chain(step, self.table(step.inputs[0]))
            elif kind.inputs[1] != 1:
                table = self.unite(step)
            elif traits.copies_rows and step.inputs:
                table = self.copied(step)
            else:
                table = self.anew(step)
            self.made[step.name] = self.tested(step, table)
        else:
            self.tested(step, self.table(step.inputs[0]) if len(step.inputs) == 1 else Table({}))

    def anew(self, step: ResolvedStep) -> Table:
        """A table whose columns come from nowhere that the recipe shows."""
        schema = step.bound.outputs.get("")
        columns = {c.name: self.values.column(step.name, c.name, c.type) for c in schema.columns} if schema is not None else {}
        unique = EMPTY
        key = getattr(step.bound.plan, "key", ())
        if key and all(k in columns for k in key):
            unique = frozenset({Unique(frozenset(columns[k] for k in key), step.entry.node.head)})
        parts = frozenset[tuple[str, str]]().union(*(self.table(r).parts for r in step.inputs))
        limited = [c for c in schema.columns if c.most < INFINITY] if schema is not None else []
        facts = {columns[c.name]: Fact(high=c.most) for c in limited}
        return Table(columns, facts, unique, parts=parts, holds={step.name: True}, walled=bool(step.inputs))

    def copied(self, step: ResolvedStep) -> Table:
        """A table with changed copies of its rows: other values in the columns that its operators name first."""
        before = self.table(step.inputs[0])
        way = self.way(step.name, step.entry.node.head, "copies")
        columns = dict(before.columns)
        for _, traits, op in step.ops:
            for arg in op.call.args if traits.copies_rows else ():
                if arg.name is None and isinstance(arg.value, tree.Name) and arg.value.id in columns:
                    old = columns[arg.value.id]
                    columns[arg.value.id] = self.values.fresh(self.values.roots[old], self.values.copies[old] | {way.number})
        # The originals are all there, unless the step says something of them.
        holds = {**(before.holds if setting(step, "originals") is None else {}), step.name: True}
        settled = self.settled(step, columns, before)
        return before._replace(columns=settled, unique=EMPTY, copying=(*before.copying, way), holds=holds)

    def answered(self, step: ResolvedStep, made: tuple[Made, ...]) -> Table:
        """A table with columns that models or rules gave to its rows."""
        before = self.table(step.inputs[0])
        self.rules(step, before)
        copying, unique = before.copying, before.unique
        if step.bound.traits.copies_rows and not any(traits.copies_rows for _, traits, _ in step.ops):
            copying, unique = (*copying, self.way(step.name, step.entry.node.head, "answers")), EMPTY
        ways = frozenset(w.number for w in copying)
        columns, types = dict(before.columns), step.bound.outputs[""].types
        facts = dict(before.facts) if before.facts is not None else None
        for m in made:
            value = columns[m.column] = self.values.column(step.name, m.column, types.get(m.column, ""), ways)
            self.origins[step.name, m.column] = step, m
            if facts is not None and m.classes is not None and types.get(m.column) == "VARCHAR":
                facts[value] = Fact(only=frozenset(m.classes), null=m.null, why=step.entry.node.head)
            elif facts is not None and m.role == "confidence" and types.get(m.column) == "DOUBLE":
                facts[value] = Fact(low=0, high=1, null=m.null)
        return before._replace(columns=columns, facts=facts, unique=unique, copying=copying)

    def rules(self, step: ResolvedStep, before: Table) -> None:
        """Conditions of rules, each held against what is known of the rows that come here."""
        scope = Scope(before.columns, step.entry.module)
        for statement in step.entry.node.body:
            if isinstance(statement, tree.When) and before.facts is not None:
                condition = self.values.number(statement.condition, scope)
                mask = self.reasoner.possible(condition, before.facts)
                self.judged.append(Judged(step.name, statement, mask, tuple(self.reasoner.grounds(condition, before.facts))))

    def chain(self, step: ResolvedStep, before: Table, whole: bool = True) -> Table:
        """Columns, filters and operators one after another. ``whole`` says that no row is lost beside them."""
        columns = dict(before.columns)
        facts = dict(before.facts) if before.facts is not None else None
        scope = Scope(columns, step.entry.module)
        table = before._replace(columns=columns)
        ops = {id(node): traits for _, traits, node in step.ops}
        for statement in step.entry.node.body:
            if isinstance(statement, tree.Assign):
                columns[statement.column.id] = self.values.number(statement.value, scope)
            elif isinstance(statement, tree.Filter):
                whole = False
                facts = self.filter(step, statement, scope, facts)
            elif isinstance(statement, tree.Op) and (traits := ops.get(id(statement))) is not None:
                whole = whole and (traits.copies_rows or not traits.changes_rows)
                table = self.operate(step, statement, traits, table._replace(facts=facts), columns)
        holds = {**(before.holds if whole else dict.fromkeys(before.holds, False)), step.name: True}
        return table._replace(columns=self.settled(step, columns, table), facts=facts, holds=holds)

    def settled(self, step: ResolvedStep, columns: Mapping[str, int], table: Table) -> dict[str, int]:
        """The columns that the step really gives, with the types that it gives them."""
        schema = step.bound.outputs[""]
        if schema.unknown:
            return dict(columns)
        out: dict[str, int] = {}
        for c in schema.columns:
            value = columns.get(c.name)
            if value is None:
                value = self.values.fresh(copies=frozenset(w.number for w in table.copying))
            self.values.types.setdefault(value, c.type)
            out[c.name] = value
        return out

    def filter(self, step: ResolvedStep, statement: tree.Filter, scope: Scope, facts: Facts | None) -> Facts | None:
        condition = self.values.number(statement.condition, scope)
        if facts is None:
            return None
        mask = self.reasoner.possible(condition, facts)
        self.judged.append(Judged(step.name, statement, mask, tuple(self.reasoner.grounds(condition, facts))))
        keep = statement.action == "keep"
        if (keep and not mask & TRUE) or (not keep and mask == TRUE):
            return None
        self.reasoner.assume(condition, TRUE if keep else FALSE | NULL, facts, statement.span)
        return facts

    def operate(self, step: ResolvedStep, op: tree.Op, traits: Traits, table: Table, columns: dict[str, int]) -> Table:
        """``columns`` is changed in place; the rest of the table is given back."""
        v = self.values
        named = [a.value.id for a in op.call.args if a.name is None and isinstance(a.value, tree.Name) and a.value.id in columns]
        copying, unique = table.copying, table.unique
        if traits.removes_duplicates:
            compared = frozenset(columns[n] for n in named or columns)
            self.dedupes.append((step, op, compared, table._replace(columns=dict(columns))))
            unique |= {Unique(compared, op.span, nearly(op))}
            # One row of each family is left where the copies agree in what is compared.
            copying = tuple(w for w in copying if any(w.number in v.copies[c] for c in compared))
        if traits.copies_rows:
            unique = EMPTY
            if table.facts is None or not any(self.at_most_one(columns[n], table.facts) for n in named):
                copying = (*copying, self.way(step.name, op.span, " ".join(op.call.span.text.split())))
        arrows = [a.value for a in op.call.args if isinstance(a.value, tree.Arrow)]
        if arrows:
            old = dict(columns)
            pairs = [(a.left.id, a.right.id) for a in arrows if isinstance(a.left, tree.Name) and isinstance(a.right, tree.Name)]
            for left, _ in pairs:
                columns.pop(left, None)
            for left, right in pairs:
                if left in old:
                    columns[right] = old[left]
        only_removes = traits.changes_rows and not traits.copies_rows and op.body is None
        only_orders = traits.scope == "global" and not traits.changes_rows
        if not (arrows or only_removes or only_orders) or traits.copies_rows:
            ways = frozenset(w.number for w in copying[len(table.copying) :]) if traits.copies_rows else EMPTY
            # `select` names columns too; leaving one out is no change of its values.
            if traits.copies_rows or not traits.changes_columns:
                for name in named:
                    old_value = columns[name]
                    columns[name] = v.fresh(v.roots[old_value], v.copies[old_value] | ways)
                    for arg in op.call.args if traits.copies_rows else ():
                        if arg.name is not None and arg.name.id in ("tokens", "words"):
                            size = v.shape[v.number(arg.value, Scope(table.columns, step.entry.module))]
                            if size[0] == "number":
                                self.pieces[columns[name]] = (arg.name.id, int(size[1]), op.span)
        return table._replace(unique=unique, copying=copying)

    def at_most_one(self, value: int, facts: Mapping[int, Fact]) -> bool:
        """Whether a list is known to have one element at most: then taking it apart copies nothing."""
        for name in ("len", "length", "array_length"):
            known = self.values.known.get(("call", name, value))
            if known is not None and self.reasoner.fact(known, facts).high <= 1:
                return True
        return False

    def way(self, step: str, span: Span, what: str, identical: bool = False) -> Copying:
        self.ways += 1
        return Copying(self.ways, step, span, what, identical)

    def unite(self, step: ResolvedStep) -> Table:
        """The rows of several tables under each other."""
        tables = [self.table(r) for r in step.inputs]
        traits = step.bound.traits
        copying: dict[Copying, None] = dict.fromkeys(w for t in tables for w in t.copying)
        ways: frozenset[int] = EMPTY
        twice = self.same_rows(step.inputs)
        if twice is not None:
            first, second, _ = twice
            made = self.way(step.name, step.entry.node.head, f"`{first}` and `{second}` hold the same rows")
            copying[made] = None
            ways = frozenset({made.number})
        if traits.copies_rows:
            copying[self.way(step.name, step.entry.node.head, f"`{step.entry.node.name.id}` uses rows more than once", True)] = None
        columns: dict[str, int] = {}
        for c in step.bound.outputs[""].columns:
            given = [t.columns.get(c.name, -1) for t in tables]
            if len(set(given)) == 1 and given[0] >= 0:
                columns[c.name] = given[0]
                continue
            known = [g for g in given if g >= 0]
            roots = frozenset[tuple[str, str]]().union(*(self.values.roots[g] for g in known))
            copies = frozenset[int]().union(*(self.values.copies[g] for g in known))
            columns[c.name] = self.values.fresh(roots, copies | ways, c.type)
        live = [t.facts for t in tables if t.facts is not None]
        facts = {k: f for k, f in live[0].items() if all(o.get(k) == f for o in live[1:])} if live else None
        plain = not (traits.random or traits.copies_rows)
        holds: dict[str, bool] = {}
        for t in tables:
            for name, every in t.holds.items():
                holds[name] = holds.get(name, False) or (every and plain)
        holds[step.name] = True
        parts = frozenset[tuple[str, str]]().union(*(t.parts for t in tables))
        unique = tables[0].unique if len(tables) == 1 and not traits.copies_rows else EMPTY
        return Table(columns, facts, unique, tuple(copying), parts, holds, any(t.walled for t in tables))

    def same_rows(self, inputs: tuple[TableRef, ...]) -> tuple[TableRef, TableRef, str] | None:
        """Two inputs of which one surely holds rows that the other holds too, and the table they have them from."""
        for i, first in enumerate(inputs):
            a = self.table(first)
            for second in inputs[i + 1 :]:
                b = self.table(second)
                for name in reversed(list(a.holds)):
                    if name in b.holds and (a.holds[name] or b.holds[name]):
                        return first, second, name
        return None

    def divide(self, step: ResolvedStep) -> None:
        before = self.table(step.inputs[0])
        some = dict.fromkeys(before.holds, False)
        for part in step.bound.outputs:
            if not part:
                self.made[step.name] = before._replace(holds={**before.holds, step.name: True})
            else:
                parts = before.parts | {(step.name, part)}
                own = f"{step.name}.{part}"
                self.made[own] = before._replace(parts=parts, holds={**some, step.name: False, own: True})

    # Tests

    def tested(self, step: ResolvedStep, table: Table) -> Table:
        """A table after its step's tests, which every row of it passes when the run goes on."""
        tests = [s for s in step.entry.node.body if isinstance(s, tree.Expect)]
        if not tests or table.facts is None:
            return table
        facts, unique = dict(table.facts), table.unique
        scope = Scope(table.columns, step.entry.module)
        for test in tests:
            node = test.condition
            if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and node.func.id == "unique":
                if not test.warn:
                    unique |= {Unique(frozenset(self.values.number(a.value, scope) for a in node.args), test.span)}
                continue
            condition = self.values.number(node, scope)
            mask = self.reasoner.possible(condition, {})
            self.judged.append(Judged(step.name, test, mask, ()))
            if not test.warn and not aggregates(node):
                self.reasoner.assume(condition, TRUE, facts, test.span)
        return table._replace(facts=facts, unique=unique)


def aggregates(node: tree.Expr) -> bool:
    """Whether a test looks at all rows at once, and so says nothing of one."""
    from recipec.resolve.aggregates import first_aggregate

    return first_aggregate(node) is not None


def nearly(op: tree.Op) -> bool:
    """Whether an operator that removes duplicates takes rows for such that are not quite equal."""
    return any(a.name is not None and a.name.id in ("near", "meaning") for a in op.call.args)


def setting(step: ResolvedStep, name: str) -> tree.Setting | None:
    """A setting as the step writes it."""
    return next((s for s in step.entry.node.body if isinstance(s, tree.Setting) and s.key.id == name), None)
