"""What a step kind sees while it is bound: its statements, its inputs' schemas, and the means to type and report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recipec.api import (
    HIDDEN,
    KEY,
    Bound,
    ColumnRef,
    Expression,
    Kind,
    ModelRef,
    PromptCall,
    Schema,
    TableRef,
    Traits,
    find_function,
    quote,
)
from recipec.diagnostics import Diagnostic, Findings, Label, replace_fix
from recipec.record import record
from recipec.resolve import arguments
from recipec.resolve.aggregates import first_aggregate
from recipec.resolve.expand import ExpansionFailed, canonical, expand, expand_with_gaps
from recipec.resolve.expr import Lowerer, LoweringFailed
from recipec.resolve.gaps import explore, has_gap, with_gaps
from recipec.resolve.problems import UnknownColumn, WrongForm, WrongType
from recipec.resolve.prompts import partial, prompt_of, unknown_template
from recipec.resolve.refusal import bad_regexes, explain_refusal, looks_at_many, mixes_rows, wrong_condition
from recipec.resolve.sql import join
from recipec.resolve.types import accepts, comparable, family, shown
from recipec.resolve.typing import Refused, Typing
from recipec.resolve.values import BrokenName, EnvText, NotAConstant, constant
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.resolve.modules import Module
    from recipec.resolve.program import Program

FORMS: dict[type, tuple[str, str]] = {
    tree.Assign: ("assign", "columns (`name = expr`)"),
    tree.Filter: ("filter", "filters (`keep where`, `drop where`)"),
    tree.When: ("when", "rules (`when ... => ...`)"),
    tree.Expect: ("expect", "tests (`expect ...`)"),
    tree.Op: ("op", "operators"),
}


def block_name(op: tree.Op) -> str:
    """The name of what stands before a block: ``search`` in ``search { ... }``."""
    return op.call.func.id if isinstance(op.call.func, tree.Name) and op.body is not None else ""


PLURALS = {"text": "texts", "number": "numbers", "bool": "true or false", "time": "dates or times"}


@record
class StepBinder:
    """Binds one step. ``inputs`` are resolved references with their schemas; ``names`` resolves params and macros."""

    program: Program
    names: Module
    node: tree.Step
    kind: type[Kind]
    inputs: tuple[TableRef, ...]
    findings: Findings
    typing: Typing
    seed: int
    depth: int
    edges: list[TableRef] = field(default_factory=list)
    randoms: int = 0
    ops: list[tuple[str, Traits, tree.Op]] = field(default_factory=list)
    """Operators bound, with their traits: for the lints."""
    guess: dict[str, Schema] = field(default_factory=dict)
    """The tables that a step gives although something is wrong with it, so that the steps below can be looked at."""

    # Names and places

    def report(self, problem: Diagnostic) -> None:
        self.findings.add(problem)

    @property
    def name(self) -> str:
        return self.node.name.id

    @property
    def schema(self) -> Schema:
        """The first input's schema."""
        return self.inputs[0].schema if self.inputs else Schema()

    @property
    def table_name(self) -> str:
        """How messages call the table whose columns are in scope."""
        return f"`{self.inputs[0]}`" if self.inputs else f"`{self.name}`"

    def statements(self, *forms: type) -> list[Any]:
        return [s for s in self.node.body if isinstance(s, forms)]

    def salt(self, what: str) -> str:
        """The salt of the next random choice: its kind, and how many choices lie above it. See Bound.depth."""
        self.randoms += 1
        return f"{what}/{self.depth + self.randoms}"

    def random(self) -> str:
        """SQL for ``random()``: a number in [0, 1) from the seed, the place of this choice and the row's key."""
        from recipec.rand import unit

        return unit(self.seed, self.salt("random"), quote(KEY))

    # Settings, tables, columns

    def settings(self, model: type[Any] | None = None, *, skip: Iterable[str] = (), schema: Schema | None = None) -> Any | None:
        """The step's settings; None after reporting."""
        unwanted = set(skip)
        found = [s for s in self.statements(tree.Setting) if s.key.id not in unwanted]
        return arguments.settings(
            self, model or self.kind.Settings, found, schema or self.schema, what=f"`{self.kind.name}`", span=self.node.head
        )

    def arguments(self, model: type[Any], call: tree.Call, schema: Schema | None = None) -> Any | None:
        return arguments.arguments(self, model, call, schema or self.schema)

    def text(self, node: tree.Expr) -> str | None:
        """A text as it stands, or that of a parameter; None for anything else."""
        if isinstance(node, tree.Name) and (node.quoted or node.id in self.schema.types):
            return None
        try:
            value = constant(node, self.names.param)
        except (NotAConstant, BrokenName):
            return None
        return value if isinstance(value, str) and not isinstance(value, EnvText) else None

    def table(self, node: tree.Expr) -> TableRef | None:
        """Another step's table, which becomes an edge of the graph."""
        ref = self.program.table(node, self.names, self.findings)
        if ref is not None:
            if ref.schema.unsure and not self.kind.gaps:
                ref = replace(ref, schema=Schema(unknown=True))
            self.edges.append(ref)
        return ref

    def model(self, node: tree.Expr) -> ModelRef | None:
        """A model of the recipe, which becomes an edge of the graph."""
        ref = self.program.model(node, self.names, self.findings)
        if ref is not None:
            self.edges.append(TableRef(ref.step, None, Schema(), ref.span))
        return ref

    @property
    def models(self) -> list[tree.Expr]:
        """The inputs that name models, for kinds that take them."""
        return [item for item in self.node.inputs if self.kind.models and self.program.is_model(item, self.names)]

    def prompt(self, node: tree.Call | tree.Name, schema: Schema) -> PromptCall | None:
        """A template with some of its arguments, over the columns of ``schema``; None after reporting."""
        called = node.func if isinstance(node, tree.Call) else node
        prompt = self.names.prompt(called)
        if prompt is None:
            if not self.names.is_broken(called):
                self.report(unknown_template(called, [*self.names.prompts]))
            return None
        found = partial(node, prompt)
        if not isinstance(found, dict):
            self.report(found)
            return None
        made: dict[str, Expression] = {}
        for name, value in found.items():
            expression = self.expression(value, schema)
            wanted = dict(prompt.params)[name]
            if expression is None:
                continue
            if wanted is not None and not schema.unknown and not accepts(wanted, expression.type):
                message = f"`{prompt.name}` wants {shown(wanted)} for `{name}`; this is {shown(expression.type)}"
                self.report(WrongType(span=value.span, message=message, help=(f"cast it: cast(... as {shown(wanted)})",)))
                continue
            made[name] = expression
        if len(made) < len(found):
            return None
        prompt.announced()
        return PromptCall(prompt, made, tuple(p for p, _ in prompt.params if p not in made), node.span)

    def column_ref(self, node: tree.Field) -> ColumnRef | None:
        table = self.table(node.base)
        if table is None:
            return None
        type = table.schema.types.get(node.name.id)
        if type is None and not table.schema.unknown:
            problem = UnknownColumn(span=node.name.span, wanted=node.name.id, candidates=table.schema.names)
            problem.suggest(f"no column `{node.name.id}` in `{table}`", listing=f"`{table}` has")
            self.report(problem)
            return None
        return ColumnRef(table, node.name.id, type or "VARCHAR")

    # Expressions

    def expanded(self, node: tree.Expr, schema: Schema) -> tree.Expr | None:
        try:
            return expand(node, self.names, frozenset(schema.names), self.findings)
        except ExpansionFailed:
            return None

    def expanded_with_gaps(self, node: tree.Expr, columns: Iterable[str]) -> tree.Expr | None:
        """``node`` with a gap in the place of each macro or parameter that is wrong; None for one too large."""
        try:
            return expand_with_gaps(node, self.names, frozenset(columns), self.findings)
        except ExpansionFailed:
            return None

    def lowerer(self, schema: Schema, columns: dict[str, str] | None = None, **more: Any) -> Lowerer:
        if columns is None:
            columns = {c: quote(c) for c in (*schema.names, *(h for h in HIDDEN if h != "_order" or schema.ordered))}
        return Lowerer(
            columns=columns,
            findings=more.pop("findings", self.findings),
            table=self.table_name,
            random=self.random,
            unknown=schema.unknown,
            **self.around,
            **more,
        )

    @cached_property
    def around(self) -> dict[str, Any]:
        """What else there is: for messages."""
        imports = self.names.imports.items()
        return {
            "macros": (*self.names.defs, *(f"{alias}.{d}" for alias, inner in imports for d in inner.defs)),
            "templates": (*self.names.prompts, *(f"{alias}.{t}" for alias, inner in imports for t in inner.prompts)),
            "steps": self.names.steps,
            "members": {alias: tuple(inner.params) for alias, inner in imports},
        }

    def expression(
        self, node: tree.Expr, schema: Schema, *, condition: bool = False, what: str = "this", aggregates: bool = False
    ) -> Expression | None:
        """One expression over the columns of ``schema``, typed; None after reporting all that is wrong with it. It looks at one
        row at a time, or with ``aggregates`` may look at all of them."""
        expanded = self.expanded_with_gaps(node, schema.names)
        if expanded is None:
            return None
        whole = with_gaps(expanded, (), schema.unsure) if schema.unsure else expanded
        sound = not has_gap(whole)
        lowerer = self.lowerer(schema)
        try:
            fragment = lowerer.lower(whole, free=False)
        except LoweringFailed:
            sound = False
            whole = with_gaps(whole, {id(n) for n in lowerer.gaps})
        called = first_aggregate(expanded)
        aggregate = called is not None
        if called is not None and not aggregates:
            self.report(looks_at_many(called))
            return None
        if schema.unknown:
            sound = self.check_functions(expanded, lowerer) and sound
            sound = self.check_regexes(expanded) and sound
            if not sound:
                return None
            return Expression(
                node, fragment.text, "BOOLEAN" if condition else "VARCHAR", canonical(expanded), frozenset(lowerer.used), aggregate
            )

        type = "BOOLEAN" if condition else "VARCHAR"

        def attempt(tried: tree.Expr) -> list[Diagnostic]:
            nonlocal fragment, lowerer, type
            if tried is not expanded or lowerer.gaps:
                lowerer = self.lowerer(schema, findings=Findings())
                try:
                    fragment = lowerer.lower(tried, free=False)
                except LoweringFailed:
                    return []  # told already
            head, probes = "SELECT ", lowerer.probes
            extra = [join(f", {p.fragment.text} AS __p{i}") for i, p in enumerate(probes)] if not aggregate else []
            query = join(head, fragment, " AS __x", *extra, f" FROM {self.typing.table(schema)}")
            try:
                types = self.typing.types(query.text, lasting=True)
            except Refused as problem:
                if called is not None and "GROUP BY" in problem.message:
                    return [mixes_rows(called, problem, fragment, len(head))]
                return (
                    self.unknown_functions(tried, lowerer, problem)
                    or self.refused_arguments(tried, schema)
                    or [explain_refusal(problem, fragment, len(head), lowerer, self.typing, tried)]
                )
            type = types["__x"]
            found = self.probe_problems(lowerer, types)
            return found or ([wrong_condition(type, node.span, what)] if condition and type != "BOOLEAN" else [])

        if not explore(whole, attempt, self.report) or not sound:
            return None
        return Expression(node, fragment.text, type, canonical(expanded), frozenset(lowerer.used), aggregate)

    def check_probes(self, lowerer: Lowerer, types: dict[str, str], prefix: str = "__p") -> bool:
        """Pieces whose type DuckDB does not ask about must have the one that they need."""
        found = self.probe_problems(lowerer, types, prefix)
        self.findings.extend(found)
        return not found

    def probe_problems(self, lowerer: Lowerer, types: dict[str, str], prefix: str = "__p") -> list[Diagnostic]:
        out: list[Diagnostic] = []
        for i, probe in enumerate(lowerer.probes):
            given = types.get(f"{prefix}{i}", probe.expected)
            if not accepts(probe.expected, given):
                boolean = probe.expected == "BOOLEAN"
                help = "compare it: x == ..., or x is not null" if boolean else f"cast it: cast(... as {shown(probe.expected)})"
                declared = self.declared(probe.span.text, probe.span) if probe.span.text.isidentifier() else ()
                out.append(WrongType(span=probe.span, message=f"{probe.what}; this is {shown(given)}", also=declared, help=(help,)))
        for pair in lowerer.pairs:
            sides = [p if isinstance(p, str) else family(types.get(f"{prefix}{p}", "")) for p in (pair.left, pair.right)]
            if not comparable(*sides):
                left, right = (PLURALS[side.removesuffix(" literal")] for side in sides)
                help = "cast one side: cast(x as int), or write the number as a text" if "text" in " ".join(sides) else "cast one side"
                out.append(WrongType(span=pair.span, message=f"this compares {left} with {right}", help=(help,)))
        return out

    def refused_arguments(self, node: tree.Expr, schema: Schema) -> list[Diagnostic]:
        """What is wrong with the arguments of recipec's own functions, where the binder refuses something in the body of one."""
        lowerer = self.lowerer(schema, findings=Findings())
        try:
            lowerer.lower(node, free=False)
            if not lowerer.own or not lowerer.probes:
                return []
            pieces = ", ".join(f"{p.fragment.text} AS __p{i}" for i, p in enumerate(lowerer.probes))
            types = self.typing.types(f"SELECT {pieces} FROM {self.typing.table(schema)}")
        except (LoweringFailed, Refused):
            return []
        return self.probe_problems(lowerer, types)

    def declared(self, name: str, here: Span) -> tuple[Label, ...]:
        """Where a source says which type a column is of, if it comes from there as it is."""
        statements = [s for s in self.node.body if s.span.end <= here.start]
        inputs = self.inputs
        while len(inputs) == 1 and (step := self.program.resolved.get(inputs[0].step)) is not None:
            if any(isinstance(s, tree.Assign) and s.column.id == name for s in statements):
                return ()
            node = step.entry.node
            types = next((s.value for s in node.body if isinstance(s, tree.Setting) and s.key.id == "columns"), None)
            if node.reader is not None and isinstance(types, tree.StructExpr):
                return tuple(Label(k.span.to(v.span), "its type is declared here") for k, v in types.items if k.id == name)
            statements, inputs = list(node.body), step.inputs
        return ()

    def unknown_functions(self, node: tree.Expr, lowerer: Lowerer, problem: Refused | None = None) -> list[Diagnostic]:
        """Every function of ``node`` that there is not; with ``problem``, only where the binder refuses one."""
        if problem is not None and problem.kind != "Catalog":
            return []
        out: list[Diagnostic] = []
        for n in tree.walk(node):
            if isinstance(n, tree.Call) and isinstance(n.func, tree.Name) and find_function(n.func.id) is None and prompt_of(n) is None:
                name, known = n.func.id.lower(), [self.typing.functions(kind) for kind in ("scalar", "macro", "aggregate")]
                if name not in ("coalesce", "random") and not any(name in names for names in known):
                    out.append(lowerer.unknown_function(n.func, tuple(sorted(known[0] | known[1]))))
        return out

    def check_functions(self, node: tree.Expr, lowerer: Lowerer) -> bool:
        """Names of functions, where the columns are not known and so nothing is typed."""
        found = self.unknown_functions(node, lowerer)
        self.findings.extend(found)
        return not found

    def check_regexes(self, node: tree.Expr) -> bool:
        """The regular expressions, where nothing is typed."""
        found = bad_regexes(node, self.typing)
        self.findings.extend(found)
        return not found

    # The form of the step

    def check_form(self) -> bool:
        """Statements, inputs, reader and text against what the kind takes; every mismatch is reported."""
        node, kind = self.node, self.kind
        ok = True

        def wrong(span: Any, message: str, *help: str) -> None:
            nonlocal ok
            ok = False
            self.report(WrongForm(span=span, message=message, help=help))

        for statement in node.body:
            if isinstance(statement, tree.Setting):
                continue
            form, words = FORMS[type(statement)]
            if isinstance(statement, tree.Op) and statement.vote:
                form, words = "vote", "votes"
            if isinstance(statement, tree.Op) and not statement.vote and block_name(statement) in kind.blocks:
                continue
            if form not in kind.takes and isinstance(statement, tree.Assign) and statement.column.id in kind.Settings.model_fields:
                name = statement.column
                sign = Span(name.span.source, name.span.end, statement.value.span.start)
                problem = WrongForm(span=statement.span, message=f"`{name.id}` is a setting", label=f"write `{name.id}: ...`")
                problem.put(fixes=(replace_fix(sign, ": ", f"write `{name.id}: ...`"),))
                self.report(problem)
                ok = False
            elif form not in kind.takes:
                wrong(statement.span, f"`{kind.name}` takes no {words}", f"recipec docs {kind.name}")
        least, most = kind.inputs
        count = len(node.inputs)
        if count < least:
            if least == 1 == most:
                wrong(node.head, f"`{kind.name}` needs an input", f"{kind.name} {self.name} from STEP {{ ... }}")
            else:
                wrong(node.head, f"`{kind.name}` needs at least {least} input{'s' * (least > 1)}", f"{kind.name} {self.name} from A, B")
        elif most is not None and count > most:
            extra = node.inputs[most].span
            if most:
                wrong(extra, f"`{kind.name}` takes {most} input{'s' * (most > 1)}", "put tables together with `mix` or `sql` first")
            else:
                wrong(extra, f"`{kind.name}` takes no inputs")
        if kind.reader == "required" and node.reader is None:
            wrong(node.head, f"`{kind.name}` needs a reader", f'{kind.name} {self.name} = csv("data/file.csv")')
        if kind.reader == "no" and node.reader is not None:
            wrong(node.reader.span, f"`{kind.name}` takes no reader")
        if kind.text == "required" and node.text is None:
            wrong(node.head, f"`{kind.name}` needs its text", f'{kind.name} {self.name} from A """..."""')
        if kind.text == "no" and node.text is not None:
            wrong(node.text.span, f"`{kind.name}` takes no text")
        return ok

    def bound(self, edges_extra: tuple[TableRef, ...] = (), **values: Any) -> Bound:
        """A Bound with the edges and random depth filled in."""
        edges = tuple(dict.fromkeys((*self.edges, *edges_extra)))
        if self.randoms:
            # Its seed and place decide what a random choice gives; the step's name does not, so a rename re-runs nothing.
            values["meaning"] = {**values["meaning"], "seed": self.seed, "random choices above": self.depth}
        return Bound(edges=edges, depth=self.depth + self.randoms, **values)


__all__ = ["FORMS", "StepBinder"]
