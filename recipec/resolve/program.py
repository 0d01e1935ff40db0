"""A recipe with everything it imports, and the resolution of its steps.

:mod:`recipec.resolve.loading` reads and parses the files; ``resolve`` binds every name, validates every setting and types
every edge. Both report all they find. Where a step cannot be bound, the steps below it are bound to a table whose columns
are not known, so that their own mistakes show at once and none is told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from recipec.api import Bound, Kind, ModelRef, Schema, TableRef
from recipec.diagnostics import Findings, Label
from recipec.mirror.catalog import Catalog
from recipec.record import record
from recipec.registry import find, load_plugins
from recipec.registry import names as registry_names
from recipec.resolve.binder import StepBinder
from recipec.resolve.loops import condition
from recipec.resolve.modules import Entry, HeaderSettings, Module, RepeatEntry
from recipec.resolve.problems import Cycle, UnknownFunction, UnknownKind, UnknownStep, WrongForm
from recipec.resolve.reading import Reading
from recipec.resolve.typing import Typing
from recipec.source import Source, Span
from recipec.syntax import tree
from recipec.trust import OwnCode


@record(frozen=True)
class ResolvedStep:
    """A step with everything known that can be known before running."""

    name: str
    kind: type[Kind]
    entry: Entry
    inputs: tuple[TableRef, ...]
    bound: Bound
    ops: tuple[Any, ...] = ()

    @property
    def parents(self) -> tuple[TableRef, ...]:
        """Every table read: inputs first, then those that settings name."""
        return tuple(dict.fromkeys((*self.inputs, *self.bound.edges)))


def opened(step: ResolvedStep) -> bool:
    """Whether the database may have to open the files of a step."""
    reader = getattr(step.bound.plan, "reader", None)
    return reader is None or bool(reader.by_database)


@record
class Program:
    """The root file and what it imports. ``findings`` collects everything found in any of them."""

    root: Module
    findings: Findings
    header: HeaderSettings = field(default_factory=HeaderSettings)
    recipe: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    repeats: list[RepeatEntry] = field(default_factory=list)
    resolved: dict[str, ResolvedStep | None] = field(default_factory=dict)
    guesses: dict[str, Mapping[str, Schema]] = field(default_factory=dict)
    """The tables of steps in which something is wrong, as far as they can be told."""
    offline: bool = False
    prices: Mapping[str, Any] = field(default_factory=dict)
    """What models cost that name no price of their own (:class:`recipec.models.budget.Prices`), by the name that a server knows."""
    workspace: Path | None = None
    """Where results and copies are kept; ``.recipec`` beside the recipe where None."""
    own_code: dict[tuple[str, str, str], OwnCode] = field(default_factory=dict)
    """The functions of the recipe's own that a run would execute, by step, file and name."""
    sources: dict[str, Source] = field(default_factory=dict)
    typing: Typing = field(default_factory=Typing)
    reading: Reading = field(init=False)
    active: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reading = Reading(self.typing)

    @property
    def steps(self) -> list[ResolvedStep]:
        """Resolved steps, every one after those it reads."""
        return [s for n in self.order if (s := self.resolved.get(n)) is not None]

    def above(self, names: Iterable[str]) -> list[ResolvedStep]:
        """The steps of these names and all that they read, directly or not, every one after what it reads."""
        found: set[str] = set()
        queue = list(names)
        while queue:
            name = queue.pop()
            resolved = self.resolved.get(name)
            if name not in found and resolved is not None:
                found.add(name)
                queue.extend(p.step for p in resolved.parents)
        return [s for s in self.steps if s.name in found]

    @property
    def files(self) -> list[Path]:
        """What a run opens of the files beside its workspace."""
        return list(dict.fromkeys(f.path for s in self.steps if opened(s) for f in s.bound.files))

    @property
    def folder(self) -> Path:
        return self.root.source.folder

    @property
    def catalog(self) -> Catalog:
        """The copies of what lies elsewhere."""
        return Catalog((self.workspace or self.folder / ".recipec") / "mirror")

    # Resolution

    def resolve(self) -> None:
        """Bind every step that the root file needs. Sources come first: only they may look at files."""
        before = len(self.findings)
        wanted = self.wanted()
        for name in (*(n for n in wanted if self.entries[n].node.kind.id == "source"), *wanted):
            kind = self.entries[name].node.kind.id
            if kind != "source":
                self.typing.seal()
            self.step(name)
        for repeat in self.repeats:
            if any(n in self.resolved for made in repeat.rounds[:1] for n in made.values()):
                repeat.until = condition(self, repeat)
        unknown = [d for d in self.findings.items[before:] if isinstance(d, UnknownFunction)]
        if unknown and load_plugins("function"):
            # A plug-in may know the function: begin again with all of them known.
            del self.findings.items[before:]
            self.resolved.clear()
            self.order.clear()
            self.resolve()

    def wanted(self) -> list[str]:
        """Global names of the root file's steps and what they mention, dependencies first as far as syntax shows."""
        order: list[str] = []
        state: dict[str, int] = {}
        for start in [n for n, e in self.entries.items() if not e.module.prefix]:
            stack: list[tuple[str, Iterator[str]]] = []
            if state.get(start):
                continue
            state[start] = 1
            stack.append((start, iter(self.mentioned(start))))
            while stack:
                name, rest = stack[-1]
                following = next((n for n in rest if not state.get(n)), None)
                if following is None:
                    stack.pop()
                    order.append(name)
                else:
                    state[following] = 1
                    stack.append((following, iter(self.mentioned(following))))
        return order

    def mentioned(self, name: str) -> list[str]:
        """Global names of the steps that a step's text speaks of, as far as syntax shows."""
        entry = self.entries[name]
        found: list[str] = []

        def look(node: tree.Node) -> None:
            if (path := self.path(node)) is not None:
                target = self.target(path, node, entry.module)[0]
                if target is not None:
                    found.append(target)
                    return
            for child in tree.children(node):
                look(child)

        for part in (*entry.node.inputs, *entry.node.body):
            look(part)
        if entry.repeat is not None and entry.repeat.node.until is not None and (entry.round or 0) > 1:
            # Whether this round is to be runs on what the one before gave.
            found += entry.repeat.rounds[(entry.round or 0) - 2].values()
        return [n for n in dict.fromkeys(found) if n in self.entries and n != name]

    def step(self, name: str) -> ResolvedStep | None:
        if name in self.resolved:
            return self.resolved[name]
        self.active.append(name)
        try:
            made = self.bind(self.entries[name])
        finally:
            self.active.pop()
        self.resolved[name] = made
        if made is not None:
            self.order.append(name)
        return made

    def bind(self, entry: Entry) -> ResolvedStep | None:
        node = entry.node
        kind: type[Kind] | None = find("step", node.kind.id)
        if kind is None:
            problem = UnknownKind(span=node.kind.span, wanted=node.kind.id, candidates=tuple(registry_names("step")))
            problem.suggest(f"no step kind `{node.kind.id}`", listing="kinds")
            self.findings.add(problem)
            return None
        models = [item for item in node.inputs if kind.models and self.is_model(item, entry.module)]
        tables = [item for item in node.inputs if item not in models]
        inputs = [ref for item in tables if (ref := self.table(item, entry.module, self.findings)) is not None]
        complete = len(inputs) == len(tables)
        if not kind.gaps:
            inputs = [replace(i, schema=Schema(unknown=True)) if i.schema.unsure else i for i in inputs]
        depth = max((self.depth(r) for r in inputs), default=0)
        binder = StepBinder(self, entry.module, node, kind, tuple(inputs), self.findings, self.typing, self.header.seed, depth)
        if not binder.check_form() or not complete:
            return None
        before = len(self.findings)
        bound = kind().bind(binder)
        self.settle(entry, before)
        guess = bound.outputs if bound is not None else binder.guess
        unsure = frozenset().union(*(i.schema.unsure for i in inputs)) if inputs else frozenset()
        self.guesses[entry.name] = {p: replace(s, unsure=s.unsure | (unsure & set(s.names))) for p, s in guess.items()} if unsure else guess
        made = ResolvedStep(entry.name, kind, entry, tuple(inputs), bound, tuple(binder.ops)) if bound is not None else None
        if made is None or any(self.resolved.get(p.step) is None for p in made.parents):
            return None
        return made

    def settle(self, entry: Entry, before: int) -> None:
        """What was found while a step was bound: a mistake in a `def` says who uses it, and one in a `repeat` is told for
        its first round alone."""
        span = entry.node.span
        known = {(d.code, d.span.order) for d in self.findings.items[:before]} if (entry.round or 0) > 1 else set()
        found = [d for d in self.findings.items[before:] if (d.code, d.span.order) not in known]
        for d in found:
            inside = d.span.source is span.source and span.start <= d.span.start and d.span.end <= span.end
            if not inside and not isinstance(d, Cycle):
                d.put(also=(*d.also, Label(entry.node.name.span, "used in this step")))
        self.findings.items[before:] = found

    def depth(self, ref: TableRef) -> int:
        resolved = self.resolved.get(ref.step)
        return resolved.bound.depth if resolved is not None else 0

    def target(self, path: list[tree.Name], node: tree.Node, module: Module) -> tuple[str | None, list[tree.Name], Module]:
        """The global name of the step that a path begins with (None: there is none), what follows it, and the module it is in."""
        scope, names = module, path
        while len(names) > 1 and names[0].id in scope.imports and names[0].id not in scope.steps:
            scope, names = scope.imports[names[0].id], names[1:]
        while isinstance(node, tree.Field):
            node = node.base
        if isinstance(node, tree.Round):
            name = f"{scope.prefix}{node.base.id}@{node.number}"
            return (name if name in self.entries else None), names[1:], scope
        return scope.steps.get(names[0].id), names[1:], scope

    def named(
        self, node: tree.Expr, module: Module, findings: Findings, *, model: bool = False
    ) -> tuple[str, tree.Name, list[tree.Name], Module] | None:
        """The step that an expression begins with: (its global name, that name in the text, the names after it, the module it is in).
        None after reporting that it is no name, or an unknown one, or that of a step which is being bound. ``model``: where only a
        model can stand."""
        path = self.path(node)
        if path is None:
            what, help = ("model", "a `model` step, or a `train` step") if model else ("step", "a step, or a part: final.train")
            findings.add(WrongForm(span=node.span, message=f"this must be the name of a {what}", help=(help,)))
            return None
        name, rest, scope = self.target(path, node, module)
        first = path[len(path) - len(rest) - 1]
        if name is None:
            if first.id not in scope.broken:
                self.report_unknown(first, rest, node, scope, findings, model=model)
            return None
        if name in self.active:
            self.report_cycle(name, findings)
            return None
        return name, first, rest, scope

    def table(self, node: tree.Expr, module: Module, findings: Findings) -> TableRef | None:
        """The step, or part of one, that an expression names; None after reporting.

        A step that could not be bound gives a table whose columns are not known.
        """
        found = self.named(node, module, findings)
        if found is None:
            return None
        name, first, rest, _ = found
        resolved = self.step(name)
        if resolved is None:
            wanted = rest[0].id if rest else None
            return TableRef(name, wanted, self.guesses.get(name, {}).get(wanted or "", Schema(unknown=True)), node.span)
        if not rest:
            if "" in resolved.bound.outputs:
                return TableRef(name, None, resolved.bound.outputs[""], node.span)
            help = ("name the table that it reads, or the step that uses it",) if resolved.kind.model else ()
            findings.add(
                WrongForm(span=node.span, message=f"`{name}` is {article(resolved.kind.name)}: it has no table to read", help=help)
            )
            return None
        part = rest[0]
        if len(rest) == 1 and part.id in resolved.bound.outputs:
            return TableRef(name, part.id, resolved.bound.outputs[part.id], node.span)
        parts = [p for p in resolved.bound.outputs if p]
        problem = UnknownStep(span=part.span, wanted=part.id, candidates=tuple(parts))
        problem.suggest(f"`{first.id}` has no part `{part.id}`", listing="its parts")
        if not parts:
            problem.put(help=(f"`{first.id}` is {article(resolved.kind.name)}: it has no parts",))
        findings.add(problem)
        return None

    def model(self, node: tree.Expr, module: Module, findings: Findings) -> ModelRef | None:
        """The model that an expression names: a ``model`` step, or a ``train`` step; None after reporting."""
        found = self.named(node, module, findings, model=True)
        if found is None:
            return None
        name, _, rest, scope = found
        kind = find("step", self.entries[name].node.kind.id)
        if rest or (kind is not None and not kind.model):
            models = self.models(scope)
            is_a = f"`{name}` is {article(kind.name)}, not a model" if kind is not None and not kind.model else f"`{name}` has no parts"
            help = f"its models: {', '.join(models)}" if models else 'model lm = openai("name", base_url: env("LLM_URL"))'
            findings.add(WrongForm(span=node.span, message=is_a, help=(help,)))
            return None
        resolved = self.step(name)
        return ModelRef(name, resolved.bound.model if resolved is not None else None, node.span)

    def is_model(self, node: tree.Expr, module: Module) -> bool:
        """Whether an expression names a ``model`` or ``train`` step."""
        path = self.path(node)
        name, rest, _ = self.target(path, node, module) if path is not None else (None, [], module)
        kind = find("step", self.entries[name].node.kind.id) if name is not None and name in self.entries else None
        return kind is not None and kind.model and not rest

    def models(self, scope: Module) -> list[str]:
        """The names in ``scope`` that a model can stand under: its ``model`` and ``train`` steps."""
        kinds = ((n, find("step", self.entries[g].node.kind.id)) for n, g in scope.steps.items() if g in self.entries)
        return [n for n, kind in kinds if kind is not None and kind.model]

    def report_unknown(
        self, first: tree.Name, rest: list[tree.Name], node: tree.Node, scope: Module, findings: Findings, *, model: bool = False
    ) -> None:
        """That nothing in ``scope`` has the name; ``model``: where only a model can stand."""
        rounds = [n for n in self.entries if n.startswith(f"{scope.prefix}{first.id}@") and not n.endswith("@0")]
        if isinstance(node, tree.Round) and rounds:
            findings.add(
                UnknownStep(
                    span=node.span,
                    wanted=first.id,
                    message=f"`{first.id}` has no round {node.number}",
                    help=(f"its rounds are 1 to {len(rounds)}",),
                )
            )
            return
        if isinstance(node, tree.Round) and first.id in scope.steps:
            findings.add(UnknownStep(span=node.span, wanted=first.id, message=f"`{first.id}` has no rounds: it stands in no `repeat`"))
            return
        if first.id in scope.imports:
            inside = scope.imports[first.id].steps
            help = (f"name a step of it: {', '.join(f'{first.id}.{n}' for n in list(inside)[:4]) or 'it has none'}",)
            findings.add(UnknownStep(span=first.span, wanted=first.id, message=f"`{first.id}` is an import, not a step", help=help))
            return
        problem = UnknownStep(span=first.span, wanted=first.id, candidates=tuple([*scope.steps, *scope.imports]))
        kinds = {
            **dict.fromkeys(scope.params, "parameter"),
            **dict.fromkeys(scope.defs, "`def`"),
            **dict.fromkeys(scope.templates, "template"),
        }
        if first.id in kinds:
            problem.put(message=f"`{first.id}` is a {kinds[first.id]}, not a {'model' if model else 'step'}")
        elif model and not rest:
            problem = UnknownStep(span=first.span, wanted=first.id, candidates=tuple(self.models(scope)))
            if not problem.candidates:
                problem.put(help=('model lm = openai("name", base_url: env("LLM_URL"))',))
            problem.suggest(f"no model `{first.id}`", listing="its models")
        else:
            problem.suggest(f"no step or import `{first.id}`" if rest else f"no step `{first.id}`", listing="steps")
            if any(first.id in r.rounds[0] for r in self.repeats if r.module.prefix == scope.prefix and r.rounds):
                scope_rule = (
                    "inside `repeat`, a name used before its step is the round before's, and in the first round that of a step outside"
                )
                problem.put(help=(*problem.help, scope_rule))
        findings.add(problem)

    @staticmethod
    def path(node: tree.Node) -> list[tree.Name] | None:
        """``a.b.c`` as its names; None for what is no name."""
        names: list[tree.Name] = []
        while isinstance(node, tree.Field):
            names.append(node.name)
            node = node.base
        if isinstance(node, tree.Name):
            return [node, *reversed(names)]
        if isinstance(node, tree.Round):
            return [node.base, *reversed(names)]
        return None

    def report_cycle(self, name: str, findings: Findings) -> None:
        """Told from the step of the circle that stands first, whatever step was bound first."""
        loop = self.active[self.active.index(name) :]
        first = min(range(len(loop)), key=lambda i: self.position(loop[i]))
        loop = [*loop[first:], *loop[:first]]
        edges = [(self.mention(n, following), n, following) for n, following in zip(loop, [*loop[1:], loop[0]], strict=True)]
        help = ["make one of them read something else"]
        for _, n, following in edges:
            # A step outside a loop speaks of what the loop makes anew.
            base, _, number = following.rpartition("@")
            if number not in ("", "0") and self.entries[n].repeat is None and f"{base}@0" in self.entries:
                local = self.entries[following].node.name.id
                help = [
                    f"outside the loop `{local}` means the last round's, wherever it is written: from before the loop it is `{local}@0`"
                ]
        findings.add(
            Cycle(
                span=edges[0][0],
                message=f"steps need each other in a circle: {' -> '.join([*loop, loop[0]])}",
                label=f"`{edges[0][1]}` needs `{edges[0][2]}`",
                also=tuple(Label(span, f"`{n}` needs `{following}`") for span, n, following in edges[1:]),
                help=tuple(help),
            )
        )

    def position(self, name: str) -> tuple[object, ...]:
        """Sorts steps by their places."""
        return self.entries[name].node.span.order

    def mention(self, name: str, wanted: str) -> Span:
        """Where a step speaks of another."""
        entry = self.entries[name]
        for part in (*entry.node.inputs, *entry.node.body):
            for node in tree.walk(part):
                path = self.path(node)
                if path is not None and self.target(path, node, entry.module)[0] == wanted:
                    return node.span
        return entry.node.name.span


def article(word: str) -> str:
    return ("an " if word[0] in "aeio" else "a ") + word
