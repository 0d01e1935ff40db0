"""Statements in a row: columns, filters and operators over one table, lowered to as few SELECTs as they allow.

Used by every kind that takes such statements (``clean``, and ``source`` for its tests). A run of columns and filters is
one :class:`Segment`; an operator is a :class:`Rewrite` between segments. All rows, dropped ones too, flow to the end with
``_why`` saying which reason dropped them, so the kept rows and the reasons come out of one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any, cast

from recipec.api import HIDDEN, ORDER, Alike, Column, Json, Meeting, Operator, Rewrite, RunTools, Schema, Scope, Traits, literal, quote
from recipec.diagnostics import Diagnostic, Findings, nearest
from recipec.record import record
from recipec.registry import find
from recipec.registry import names as registry_names
from recipec.resolve.aggregates import aggregate
from recipec.resolve.binder import StepBinder
from recipec.resolve.columns import name_problem
from recipec.resolve.expand import canonical
from recipec.resolve.expr import Lowerer, LoweringFailed, evident
from recipec.resolve.gaps import explore, has_gap, with_gaps
from recipec.resolve.problems import UnknownOperator, WrongForm
from recipec.resolve.refusal import explain_refusal, wrong_condition
from recipec.resolve.segment import BECAUSE, WHY, Segment
from recipec.resolve.sql import Fragment
from recipec.resolve.typing import Refused
from recipec.source import Span
from recipec.syntax import tree
from recipec.syntax.written import written

TALLEST = 40
"""Columns computed from each other in one SELECT. Each is a level of nesting, and DuckDB's binder takes the square of them."""

MOST_BROKEN = 40
"""Statements in a row of which the binder is asked what else is wrong with them."""


def in_between(tools: RunTools, table: str) -> None:
    """Nothing to prepare: the stage asks for a table only."""


@record(frozen=True)
class Reason:
    """Why rows are dropped: its words, the statement's own text, and where it stands."""

    words: str
    span: Span = field(compare=False, repr=False)


@record(frozen=True)
class Stage:
    """A SELECT over the relation ``{input}``; an operator's may need ``prepare`` on a table first."""

    query: str
    prepare: Any = None
    what: str = ""
    scope: Scope = "row"
    meeting: Meeting | Alike | None = None


@record(frozen=True)
class Test:
    """An ``expect``. ``offending`` yields the rows that break it; ``scalar`` one row with one truth value, over ``{table}``."""

    name: str
    offending: str | None
    scalar: str | None
    warn: bool
    span: Span = field(compare=False, repr=False)
    shown: tuple[str, ...] = ()
    """SQL expressions to print when a scalar test fails, with their text."""


@record(frozen=True)
class Chain:
    stages: tuple[Stage, ...]
    schema: Schema
    reasons: tuple[Reason, ...]
    tests: tuple[Test, ...]
    meaning: tuple[tuple[str, Json, str], ...]
    """(field, canonical value, as the recipe writes it)"""
    traits: Traits
    trail: tuple[tuple[str, Span], ...] = ()
    """For ``explain``: what each statement is called, in order."""

    def sql(self, source: str) -> str | None:
        """One SELECT over ``source`` for the whole chain; None when some stage needs a table in between."""
        if any(s.prepare for s in self.stages):
            return None
        text = compose(self.stages, entry(source))
        return re.sub(r"\{table ([^}]+)\}", lambda m: ".".join(map(quote, m[1].split("."))), text)

    def statements(self, table: str, source: str) -> list[str]:
        """The whole chain as SQL that makes ``table``, with a table in between before each operator that needs one."""
        out: list[str] = []
        current, pending = entry(source), list[Stage]()
        for number, stage in enumerate(self.stages, 1):
            if stage.prepare is not None and (pending or number == 1):
                name = quote(f"{table}_{number}")
                out.append(f"CREATE TEMP TABLE {name} AS {compose(pending, current)}")
                current, pending = name, []
            pending.append(replace(stage, query=stage.query.replace("{scratch}", "")))
        kept = f"SELECT * EXCLUDE ({quote(WHY)}, {quote(BECAUSE)}) FROM ({compose(pending, current)}) WHERE {quote(WHY)} IS NULL"
        return [*out, f"CREATE TABLE {quote(table)} AS {kept}"]


def entry(source: str) -> str:
    """The relation that a chain starts from: the input with no row dropped yet."""
    return f"(SELECT *, NULL::INTEGER AS {quote(WHY)}, NULL::VARCHAR AS {quote(BECAUSE)} FROM {source})"


def compose(stages: Iterable[Stage], source: str) -> str:
    """Stages over ``source`` as one SELECT. A stage that reads its input more than once gets it as a materialised CTE."""
    ctes: list[str] = []
    current = source
    for i, stage in enumerate(stages):
        uses = stage.query.count("{input}")
        if uses > 1 and current.startswith("("):
            ctes.append(f"_s{i} AS MATERIALIZED {current}")
            current = f"_s{i}"
        query = stage.query.replace("{input}", current)
        current = f"({query})"
    head = f"WITH {', '.join(ctes)} " if ctes else ""
    return f"{head}SELECT * FROM {current}"


@record(frozen=True)
class Lowered:
    """A lowered statement of a segment; ``condition`` is a filter's own SQL."""

    statement: tree.Assign | tree.Filter
    lowerer: Lowerer
    condition: Fragment | None
    evident: bool = False
    """Whether the condition is true or false by its form: nobody need be asked."""


class ChainBuilder:
    """Binds statements one after another. Problems are reported; what can be said of the result is said all the same."""

    def __init__(self, bind: StepBinder, schema: Schema) -> None:
        self.bind = bind
        self.schema = schema
        self.stages: list[Stage] = []
        self.reasons: list[Reason] = []
        self.meaning: list[tuple[str, Json, str]] = []
        self.tests: list[tree.Expect] = []
        self.pending: list[tuple[tree.Assign | tree.Filter, tree.Expr | None]] = []
        self.assigned = [s for s in bind.node.body if isinstance(s, tree.Assign)]
        self.traits = Traits()
        self.trail: list[tuple[str, Span]] = []
        self.heights: dict[str, int] = {}
        """How many computed columns stand below one, since the last table in between."""
        self.seen_tainted: set[str] = set(schema.unsure)
        self.tainted: set[str] = set(schema.unsure)
        """Columns whose own expression is wrong: what reads them is looked at but there, so that no mistake is told twice."""
        self.failed = False

    def chain(self, statements: Iterable[tree.Statement]) -> Chain | None:
        for statement in statements:
            match statement:
                case tree.Assign() | tree.Filter():
                    self.add(statement)
                case tree.Op(vote=False):
                    self.segment()
                    self.operator(statement)
                case tree.Expect():
                    self.tests.append(statement)
                case _:
                    pass
        self.segment()
        self.schema = replace(self.schema, unsure=frozenset(self.tainted) & frozenset(self.schema.names))
        bound = [bind_test(self.bind, e, self.schema) for e in self.tests]
        tests = tuple(t for t in bound if t is not None)
        if self.failed or len(tests) < len(self.tests):
            return None
        return Chain(tuple(self.stages), self.schema, tuple(self.reasons), tests, tuple(self.meaning), self.traits, tuple(self.trail))

    # A run of columns and filters

    def add(self, statement: tree.Assign | tree.Filter) -> None:
        names = set(self.schema.names) | {s.column.id for s, _ in self.pending if isinstance(s, tree.Assign)}
        if isinstance(statement, tree.Assign):
            problem = name_problem(statement.column, names)
            if problem is not None:
                self.bind.report(problem)
                self.failed = True
                self.tainted.add(statement.column.id)
                return
            expanded = self.bind.expanded_with_gaps(statement.value, names)
        else:
            expanded = self.bind.expanded_with_gaps(statement.condition, names)
        if expanded is None:
            self.failed = True
        below = [self.heights.get(n.id, 0) for n in tree.walk(expanded) if isinstance(n, tree.Name)] if expanded is not None else []
        height = 1 + max(below, default=0)
        if height > TALLEST:
            self.segment()
            self.stages.append(Stage("SELECT * FROM {input}", prepare=in_between))
            self.heights.clear()
            height = 1
        if isinstance(statement, tree.Assign):
            self.heights[statement.column.id] = height
        self.pending.append((statement, expanded))

    def segment(self) -> None:
        """Lower what is pending and type it; everything wrong with it is reported, each once."""
        if not self.pending:
            return
        skip = {i for i, (_, e) in enumerate(self.pending) if e is None}
        findings = Findings()
        salts = self.bind.randoms
        built, broken = self.build(skip, findings)
        self.bind.findings.extend(findings)
        wrong = skip | broken.keys()
        if broken:
            self.failed = True
            self.bind.randoms = salts
            built, _ = self.build(wrong, Findings())
        segment, lowered = built
        types = self.type_of(segment, lowered, wrong)
        if types is None:
            self.failed = True
        for n, node in list(broken.items())[:MOST_BROKEN]:
            if self.schema.unknown:
                self.untyped(node)
            else:
                self.examine(n, node, wrong)
        if types is not None and not wrong:
            self.finish(segment, types)
        else:
            self.guess(segment, types or {})
        self.tainted = self.seen_tainted
        self.pending = []

    def guess(self, segment: Segment, types: dict[str, str]) -> None:
        """The columns after statements of which some are wrong: what their types are is known of those only that are read by none."""
        old = {c.name: c for c in self.schema.columns}
        made = {s.column.id: s.column.span for s, _ in self.pending if isinstance(s, tree.Assign)}
        if not types:
            self.seen_tainted |= made.keys()
        self.schema = replace(
            self.schema,
            columns=tuple(
                Column(c, types[c] if c in types and c not in self.seen_tainted else old[c].type if c in old else "VARCHAR", made.get(c))
                for c in segment.columns
            ),
        )

    def made_after(self, statement: tree.Statement) -> frozenset[str]:
        """The columns that the step makes in statements below this one."""
        return frozenset(s.column.id for s in self.assigned if s.span.start > statement.span.start)

    def build(
        self, skip: set[int], findings: Findings, instead: tuple[int, tree.Expr] | None = None
    ) -> tuple[tuple[Segment, list[Lowered]], dict[int, tree.Expr]]:
        """Lower the pending statements but those in ``skip``, and those that read what one of these would have made.

        The second answer is the statements that cannot be lowered, with gaps where they are wrong. ``instead`` is what to take
        for the expression of one statement.
        """
        tainted = set(self.tainted)
        columns = {c: quote(c) for c in self.schema.names}
        segment = Segment(columns, self.schema.ordered, len(self.reasons))
        hidden = {h: quote(h) for h in HIDDEN if h != ORDER or self.schema.ordered}
        lowered: list[Lowered] = []
        broken: dict[int, tree.Expr] = {}
        reason = len(self.reasons)
        for i, (statement, expanded) in enumerate(self.pending):
            is_filter = isinstance(statement, tree.Filter)
            if instead is not None and instead[0] == i:
                expanded = instead[1]
            elif expanded is not None and i not in skip and (reads(expanded, tainted) or has_gap(expanded)):
                expanded = with_gaps(expanded, (), tainted)
            fragment = None
            if i not in skip and expanded is not None:
                if not is_filter:
                    segment.flush()
                lowerer = self.bind.lowerer(
                    self.schema,
                    {**hidden, **segment.columns},
                    findings=findings,
                    hoist=lambda f, s=segment: s.value(f),
                    params=tuple(self.bind.names.params),
                    later=self.made_after(statement),
                )
                try:
                    fragment = lowerer.lower(expanded)
                except LoweringFailed:
                    expanded = with_gaps(expanded, {id(n) for n in lowerer.gaps})
                if fragment is None or (instead is None and has_gap(expanded)):
                    broken[i], fragment = expanded, None
            if fragment is None:
                if isinstance(statement, tree.Assign):
                    segment.columns[statement.column.id] = "NULL"
                    tainted.add(statement.column.id)
                reason += is_filter
                continue
            lowered.append(Lowered(statement, lowerer, fragment if is_filter else None, expanded is not None and evident(expanded)))
            if isinstance(statement, tree.Filter):
                keep = statement.action == "keep"
                condition = Fragment(("NOT coalesce(", fragment, ", false)"), fragment.span) if keep else fragment
                segment.drop(condition, reason)
                reason += 1
            else:
                segment.assign(statement.column.id, fragment)
                tainted.discard(statement.column.id)
        if instead is None:
            self.seen_tainted = tainted
        return (segment, lowered), broken

    def type_of(self, segment: Segment, lowered: list[Lowered], skip: set[int]) -> dict[str, str] | None:
        """Types of the segment's columns, or None after reporting what the binder refused, statement by statement."""
        if self.schema.unknown:
            checked = [self.untyped(e) for item in lowered for s, e in self.pending if s is item.statement and e is not None]
            return {c: "VARCHAR" for c in segment.columns} if all(checked) else None
        wanted: dict[str, Fragment] = {}
        for n, item in enumerate(lowered):
            if item.condition is not None and not item.evident:
                wanted[f"__c{n}"] = item.condition
            wanted |= {f"__p{n}_{i}": p.fragment for i, p in enumerate(item.lowerer.probes)}
        # What several statements ask of is bound once.
        asked = {fragment.text: name for name, fragment in reversed(wanted.items())}
        query = segment.types_query(self.bind.typing.table(self.schema), [(name, wanted[name]) for name in asked.values()])
        try:
            types = self.bind.typing.types(query.text, lasting=True)
        except Refused:
            self.find_refused(skip)
            return None
        types |= {name: types[asked[fragment.text]] for name, fragment in wanted.items()}
        ok = True
        for n, item in enumerate(lowered):
            ok = self.bind.check_probes(item.lowerer, types, f"__p{n}_") and ok
            if isinstance(item.statement, tree.Filter) and types.get(f"__c{n}", "BOOLEAN") != "BOOLEAN":
                what = f"`{item.statement.action} where`"
                self.bind.report(wrong_condition(types[f"__c{n}"], item.statement.condition.span, what))
                ok = False
        return types if ok else None

    def untyped(self, node: tree.Expr) -> bool:
        """Whether an expression is right as far as can be told without types; what is wrong is reported."""
        functions = self.bind.check_functions(node, self.bind.lowerer(self.schema))
        return self.bind.check_regexes(node) and functions

    def find_refused(self, skip: set[int]) -> None:
        """Add statements one at a time; each that the binder refuses is reported and left out from then on."""
        bad = set(skip)
        for n, (_, expanded) in enumerate(self.pending):
            if n not in bad and expanded is not None and not self.examine(n, expanded, bad):
                bad.add(n)
        self.build(bad, Findings())

    def examine(self, number: int, node: tree.Expr, bad: set[int]) -> bool:
        """Report what the binder refuses of one statement, which stands below the others but those in ``bad``."""
        bind, statement = self.bind, self.pending[number][0]
        bad = (bad - {number}) | set(range(number + 1, len(self.pending)))
        source = entry(bind.typing.table(self.schema))

        def attempt(tried: tree.Expr) -> list[Diagnostic]:
            (segment, lowered), _ = self.build(bad, Findings(), (number, tried))
            last = next((item for item in lowered if item.statement is statement), None)
            if last is None:
                return []
            probes = [(f"__p{i}", p.fragment) for i, p in enumerate(last.lowerer.probes)]
            if last.condition is not None:
                # Its type first: the filter's own SQL takes more than conditions, or says in other words what is wrong.
                segment.undo_last_drop()
                probes.append(("__c", last.condition))
            query = segment.query(source, extra=probes)
            try:
                types = bind.typing.types(query.text)
            except Refused as problem:
                return (
                    bind.unknown_functions(tried, last.lowerer, problem)
                    or (last.lowerer.own and bind.refused_arguments(tried, self.schema_above(number, bad, source)))
                    or [explain_refusal(problem, query, 0, last.lowerer, bind.typing, tried)]
                )
            found = bind.probe_problems(last.lowerer, types)
            if not found and isinstance(statement, tree.Filter) and types["__c"] != "BOOLEAN":
                found = [wrong_condition(types["__c"], statement.condition.span, f"`{statement.action} where`")]
            return found

        return explore(node, attempt, bind.report)

    def schema_above(self, number: int, bad: set[int], source: str) -> Schema:
        """The columns that a pending statement sees."""
        whole, self.pending = self.pending, self.pending[:number]
        try:
            (segment, _), _ = self.build(bad, Findings())
        finally:
            self.pending = whole
        types = self.bind.typing.types(segment.query(source).text)
        return Schema(tuple(Column(name, types[name]) for name in segment.columns if name in types))

    def finish(self, segment: Segment, types: dict[str, str]) -> None:
        for statement, expanded in self.pending:
            if isinstance(statement, tree.Filter):
                words = statement.reason.value if statement.reason else written(statement.span)
                self.reasons.append(Reason(words, statement.span))
                if expanded is not None:
                    self.meaning.append((f"{statement.action}: {words}", canonical(expanded), one_line(statement.condition.span)))
                self.trail.append((f"{statement.action}: {words}", statement.span))
            else:
                if expanded is not None:
                    self.meaning.append((f"column {statement.column.id}", canonical(expanded), one_line(statement.value.span)))
                self.trail.append((f"column {statement.column.id}", statement.span))
        origins = {s.column.id: s.column.span for s, _ in self.pending if isinstance(s, tree.Assign)}
        old = {c.name: c for c in self.schema.columns}
        columns = tuple(Column(c, types[c], origins.get(c) or (old[c].origin if c in old else None)) for c in segment.columns)
        self.stages.append(Stage(segment.query("{input}").text))
        self.schema = replace(self.schema, columns=columns)

    # Operators

    def lost(self, cls: type[Operator] | None) -> None:
        """An operator (None: nobody knows which) cannot be bound. Where it would have changed the columns, none is sure any more."""
        self.failed = True
        if cls is None or cls.traits.changes_columns:
            self.schema = replace(self.schema, unknown=True)

    def operator(self, op: tree.Op) -> None:
        bind = self.bind
        if not isinstance(op.call.func, tree.Name):
            bind.report(WrongForm(span=op.call.func.span, message="an operator is a plain name"))
            self.failed = True
            return
        name = op.call.func.id
        cls: type[Operator] | None = find("operator", name)
        if cls is None:
            problem = UnknownOperator(span=op.call.func.span, wanted=name, candidates=tuple(registry_names("operator")))
            problem.suggest(f"no operator `{name}`", listing="operators")
            bind.report(problem)
            guess = nearest(name, registry_names("operator"))
            self.lost(find("operator", guess) if guess else None)
            return
        if op.body is not None and not cls.takes_body:
            bind.report(WrongForm(span=op.span, message=f"`{name}` takes no block"))
            self.failed = True
            return
        if reads(op.call, self.tainted):
            # What its arguments are is not known; what is wrong with the others is told all the same.
            bind.arguments(cls.Params, op.call, replace(self.schema, unsure=frozenset(self.tainted)))
            self.lost(cls)
            return
        before = len(bind.findings.errors)
        params = bind.arguments(cls.Params, op.call, self.schema)
        if params is None:
            self.lost(cls)
            return
        made = cls(params)
        rewrite: Rewrite = made.rewrite(bind, self.schema, op)
        if len(bind.findings.errors) > before:
            self.lost(cls)
            return
        base = len(self.reasons)
        query = rewrite.query
        for i, words in enumerate(rewrite.reasons):
            query = query.replace("{why[" + str(i) + "]}", str(base + i))
            self.reasons.append(Reason(words, op.span))
        self.stages.append(Stage(query, rewrite.prepare, name, rewrite.scope or cls.traits.scope, rewrite.meeting))
        self.schema = rewrite.schema
        self.meaning.append((name, [f"{name}@{cls.version}", meaning_of(params), made.meaning(bind, op)], one_line(op.span)))
        self.trail.append((name, op.span))
        bind.ops.append((name, cls.traits, op))
        self.traits = merge(self.traits, cls.traits)


def reads(node: tree.Expr, names: set[str]) -> bool:
    """Whether an expression mentions one of the columns."""
    return bool(names) and any(isinstance(n, tree.Name) and n.id in names for n in tree.walk(node))


def one_line(span: Span) -> str:
    """The recipe's own text, on one line."""
    return " ".join(span.text.split())


def meaning_of(value: Any) -> Json:
    from recipec.api import Arrows, ColumnName, ColumnRef, Expression, ModelRef, PromptCall, TableRef, TypeMap
    from recipec.resolve.arguments import Inner
    from recipec.resolve.values import meaning
    from recipec.settings import Settings

    match value:
        case Settings():
            return {k: meaning_of(getattr(value, k)) for k in type(value).model_fields}
        case Expression():
            return value.meaning
        case ColumnName():
            return f"`{value.name}`"
        case TableRef():
            return "table"
        case ModelRef():
            return "model"
        case PromptCall():
            return value.meaning
        case ColumnRef():
            return f"column `{value.column}`"
        case Arrows():
            return [[canonical(a), canonical(b)] for a, b in value.pairs]
        case TypeMap():
            return dict(value.types)
        case Inner():
            return [value.name, meaning_of(value.params)]
        case list() | tuple():
            return [meaning_of(v) for v in value]
        case dict():
            return {str(k): meaning_of(v) for k, v in value.items()}
        case _:
            return meaning(value)


def merge(a: Traits, b: Traits) -> Traits:
    """Traits of a chain: any part's yes is the whole's, and the widest scope counts."""
    widest = max((a.scope, b.scope), key=("row", "key", "global").index)
    flags = {f: getattr(a, f) or getattr(b, f) for f in Traits.__dataclass_fields__ if f != "scope"}
    return Traits(scope=widest, **flags)


# Tests


def bind_test(bind: StepBinder, expect: tree.Expect, schema: Schema) -> Test | None:
    """``expect unique(a, b)``, ``expect not_null(a)``, a condition on every row, or one on aggregates (``count() > 10``)."""
    node = expect.condition
    name = expect.name.value if expect.name else written(node.span, "expect ")
    if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and node.func.id in ("unique", "not_null"):
        expressions = [bind.expression(a.value, schema) for a in node.args]
        if not expressions:
            bind.report(WrongForm(span=node.span, message=f"`{node.func.id}` needs columns", help=(f"expect {node.func.id}(id)",)))
            return None
        parts = [e.sql for e in expressions if e is not None]
        if len(parts) < len(expressions):
            return None
        listed = ", ".join(parts)
        if node.func.id == "not_null":
            bad = " OR ".join(f"({p}) IS NULL" for p in parts)
            offending = f"SELECT * FROM {{table}} WHERE {bad}"
        else:
            # Rows that carry a value already carried by a row with a smaller key; null is no value.
            known = " AND ".join(f"({p}) IS NOT NULL" for p in parts)
            offending = f"SELECT * FROM {{table}} WHERE {known} QUALIFY row_number() OVER (PARTITION BY {listed} ORDER BY _key) > 1"
        return Test(name, offending, None, expect.warn, expect.span)
    expression = bind.expression(node, schema, condition=True, what="`expect`", aggregates=True)
    if expression is None:
        return None
    if expression.aggregate:
        return Test(name, None, f"SELECT ({expression.sql}) FROM {{table}}", expect.warn, expect.span, aggregates_shown(bind, node, schema))
    return Test(name, f"SELECT * FROM {{table}} WHERE NOT coalesce(({expression.sql}), false)", None, expect.warn, expect.span)


def aggregates_shown(bind: StepBinder, node: tree.Expr, schema: Schema) -> tuple[str, ...]:
    """The outermost aggregate calls of a test, as ``text = value`` SQL, to say what was found."""
    found: list[str] = []

    def go(n: tree.Node) -> None:
        if aggregate(n) is not None:
            expression = bind.expression(cast(tree.Call, n), schema, aggregates=True)
            if expression is not None:
                found.append(f"{literal(one_line(n.span) + ' = ')} || ({expression.sql})::VARCHAR")
            return
        for child in tree.children(n):
            go(child)

    go(node)
    return tuple(found)
