"""A recipe with everything it imports, and the resolution of its steps.

``load`` reads and parses the files; ``resolve`` binds every name, validates every setting and types every edge. Both
report all they find: a step that cannot be bound does not hide what is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recipec.api import Bound, Kind, Schema, Settings, TableRef
from recipec.diagnostics import Diagnostic, Findings, Label
from recipec.registry import find, load_plugins
from recipec.registry import names as registry_names
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import (
    BadParam,
    BadValue,
    Cycle,
    DuplicateName,
    MissingFile,
    MissingSetting,
    OutsideFolder,
    TooLarge,
    UnknownFunction,
    UnknownKind,
    UnknownSetting,
    UnknownStep,
    Unreadable,
    WrongForm,
)
from recipec.resolve.reading import Reading
from recipec.resolve.types import TypeProblem, duckdb_type, shown
from recipec.resolve.typing import Typing
from recipec.resolve.values import NotAConstant, constant
from recipec.source import Source, Span
from recipec.syntax import tree
from recipec.syntax.parse import parse

DEEPEST_IMPORT, MOST_FILES, MOST_ROUNDS, MOST_STEPS = 32, 200, 1_000, 10_000


class HeaderSettings(Settings):
    """Settings of ``recipe "name" { ... }``: what the data set is, and the seed of every random choice."""

    version: str = "0.0.0"
    seed: int = 0
    description: str = ""
    license: str = ""
    language: list[str] = []
    authors: list[str] = []
    tags: list[str] = []
    homepage: str = ""


@dataclass(eq=False)
class Module:
    """One file: its names, and those of the files it imports under their aliases."""

    source: Source
    file: tree.File
    prefix: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    param_nodes: dict[str, tree.Param] = field(default_factory=dict)
    defs: dict[str, tree.Def] = field(default_factory=dict)
    templates: dict[str, tree.Template] = field(default_factory=dict)
    imports: dict[str, Module] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    """Local name to global name, as seen from outside any ``repeat``."""
    broken: set[str] = field(default_factory=set)
    """Names that are defined but whose definition is wrong: no second error for using them."""

    def param(self, node: tree.Name | tree.Field) -> Any:
        match node:
            case tree.Name(id=name):
                return self.params[name]
            case tree.Field(base=tree.Name(id=alias), name=member):
                return self.imports[alias].params[member.id]
        raise KeyError

    def macro(self, node: tree.Name | tree.Field) -> tuple[tree.Def, Module] | None:
        match node:
            case tree.Name(id=name) if name in self.defs:
                return self.defs[name], self
            case tree.Field(base=tree.Name(id=alias), name=member) if alias in self.imports:
                inner = self.imports[alias]
                return (inner.defs[member.id], inner) if member.id in inner.defs else None
        return None

    def defined(self) -> Iterator[str]:
        yield from self.params
        yield from self.defs
        yield from self.templates
        yield from self.imports
        yield from self.steps


class RoundModule(Module):
    """The names of a file as one round of a ``repeat`` sees them."""

    def __init__(self, outer: Module, steps: dict[str, str], params: dict[str, Any]) -> None:
        super().__init__(outer.source, outer.file, outer.prefix, {**outer.params, **params}, outer.param_nodes, outer.defs, outer.templates)
        self.imports, self.steps, self.broken = outer.imports, steps, outer.broken


@dataclass(eq=False)
class Entry:
    """A step as written, under its global name (``tidy``, ``common.tidy``, ``clf@2``), with the names it sees."""

    name: str
    node: tree.Step
    module: Module
    round: int | None = None
    repeat: RepeatEntry | None = None


@dataclass(eq=False)
class RepeatEntry:
    """A ``repeat``: its rounds' steps by local name, for ``until``."""

    node: tree.Repeat
    module: Module
    rounds: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
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


@dataclass
class Program:
    """The root file and what it imports. ``findings`` collects everything found in any of them."""

    root: Module
    findings: Findings
    header: HeaderSettings = field(default_factory=HeaderSettings)
    recipe: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    repeats: list[RepeatEntry] = field(default_factory=list)
    resolved: dict[str, ResolvedStep | None] = field(default_factory=dict)
    offline: bool = False
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

    @property
    def folder(self) -> Path:
        return self.root.source.folder

    # Resolution

    def resolve(self) -> None:
        """Bind every step that the root file needs. Sources come first: only they may look at files."""
        before = len(self.findings)
        wanted = self.wanted()
        for name in (*(n for n in wanted if self.entries[n].node.reader is not None), *wanted):
            kind = self.entries[name].node.kind.id
            if kind != "source":
                self.typing.seal()
            self.step(name)
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
        entry = self.entries[name]
        steps = entry.module.steps
        found = []
        for item in entry.node.inputs:
            base: tree.Node = item
            while isinstance(base, tree.Field):
                base = base.base
            if isinstance(base, tree.Name) and base.id in steps:
                found.append(steps[base.id])
        for statement in entry.node.body:
            for node in tree.walk(statement):
                if isinstance(node, tree.Name) and node.id in steps:
                    found.append(steps[node.id])
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
        inputs: list[TableRef] = []
        complete = True
        for item in node.inputs:
            ref = self.table(item, entry.module, self.findings)
            if ref is None:
                complete = False
            else:
                inputs.append(ref)
        depth = max((self.depth(r) for r in inputs), default=0)
        binder = StepBinder(
            self, entry.module, node, kind, tuple(inputs), self.findings, self.typing, self.header.seed, depth
        )
        if not binder.check_form() or not complete:
            # Names inside are still resolved, so that their own mistakes show at once.
            return None
        bound = kind().bind(binder)
        if bound is None:
            return None
        return ResolvedStep(entry.name, kind, entry, tuple(inputs), bound, tuple(binder.ops))

    def depth(self, ref: TableRef) -> int:
        resolved = self.resolved.get(ref.step)
        return resolved.bound.depth if resolved is not None else 0

    def table(self, node: tree.Expr, module: Module, findings: Findings) -> TableRef | None:
        """The step, or part of one, that an expression names; None after reporting."""
        path = self.path(node)
        if path is None:
            findings.add(WrongForm(span=node.span, message="this must be the name of a step", help=("a step, or a part: final.train",)))
            return None
        scope, spans = module, path
        while len(spans) > 1 and spans[0].id in scope.imports:
            scope, spans = scope.imports[spans[0].id], spans[1:]
        first, rest = spans[0], spans[1:]
        name = scope.steps.get(first.id)
        if isinstance(node, tree.Round):
            name = f"{scope.prefix}{node.base.id}@{node.number}"
            name = name if name in self.entries else None
        if name is None:
            if first.id in scope.broken:
                return None
            problem = UnknownStep(span=first.span, wanted=first.id, candidates=tuple([*scope.steps, *scope.imports]))
            problem.suggest(f"no step `{node.span.text}`" if not rest else f"no step or import `{first.id}`", listing="steps")
            findings.add(problem)
            return None
        if name in self.active:
            self.report_cycle(name, node.span, findings)
            self.resolved.setdefault(name, None)
            return None
        resolved = self.step(name)
        if resolved is None:
            return None
        if not rest:
            if "" in resolved.bound.outputs:
                return TableRef(name, None, resolved.bound.outputs[""], node.span)
            findings.add(WrongForm(span=node.span, message=f"`{name}` is a {resolved.kind.name}: it has no table to read"))
            return None
        part = rest[0]
        parts = [p for p in resolved.bound.outputs if p]
        if len(rest) == 1 and part.id in resolved.bound.outputs:
            return TableRef(name, part.id, resolved.bound.outputs[part.id], node.span)
        problem = UnknownStep(span=part.span, wanted=part.id, candidates=tuple(parts))
        problem.suggest(f"`{first.id}` has no part `{part.id}`", listing="its parts")
        if not parts:
            problem.put(help=(f"`{first.id}` is a {resolved.kind.name}: it has no parts",))
        findings.add(problem)
        return None

    @staticmethod
    def path(node: tree.Expr) -> list[tree.Name] | None:
        names: list[tree.Name] = []
        while isinstance(node, tree.Field):
            names.append(node.name)
            node = node.base
        if isinstance(node, tree.Name):
            return [node, *reversed(names)]
        if isinstance(node, tree.Round) and not names:
            return [node.base]
        return None

    def report_cycle(self, name: str, span: Span, findings: Findings) -> None:
        loop = self.active[self.active.index(name) :]
        also = tuple(
            Label(self.entries[n].node.name.span, f"`{n}` needs `{following}`") for n, following in zip(loop, [*loop[1:], name], strict=True)
        )
        findings.add(
            Cycle(
                span=span,
                message=f"steps need each other in a circle: {' -> '.join([*loop, name])}",
                label="closes the circle",
                also=also,
                help=("make one of them read something else",),
            )
        )


# Loading --------------------------------------------------------------------------------------------------------------


def load(
    source: Source, sets: Mapping[str, str] | None = None, *, offline: bool = False, read: Callable[[Path], str] | None = None
) -> Program:
    """Parse a recipe and everything it imports, evaluate its parameters, unroll its loops. Nothing is bound yet.

    ``read`` gives the text of an imported file where that is not what the disk holds (an editor's buffer, a revision);
    it raises what ``Path.read_text`` raises.
    """
    findings = Findings()
    loader = Loader(findings, dict(sets or {}), boundary(source), read or read_text)
    root = loader.module(source, "", ())
    program = Program(root, findings, offline=offline, sources=loader.sources)
    program.entries, program.repeats = loader.entries, loader.repeats
    for name in loader.sets.keys() - loader.used_sets:
        known = [n for n in loader.all_params if n]
        start = Span(source, 0, 0)
        problem = UnknownSetting(span=start, wanted=name, candidates=tuple(known))
        problem.suggest(f"--set {name}: the recipe has no such parameter", listing="its parameters")
        problem.put(fixes=())
        findings.add(problem)
    header = root.file.header
    if header is not None:
        program.recipe = header.name.value
        program.header = header_settings(program, header)
    else:
        program.recipe = Path(source.path).stem if source.path != "-" else "recipe"
    return program


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def boundary(source: Source) -> Path:
    """Imports stay inside the recipe's repository, or where there is none its folder."""
    folder = source.folder.resolve()
    return next((p for p in (folder, *folder.parents) if (p / ".git").exists()), folder)


def header_settings(program: Program, header: tree.Header) -> HeaderSettings:
    step = tree.Step(
        tree.Name("recipe", span=header.span), tree.Name(header.name.value, span=header.name.span), (), None, None, header.body,
        span=header.span, head=header.name.span,
    )  # fmt: skip

    class HeaderKind(Kind):
        name = "recipe"
        Settings = HeaderSettings
        inputs = (0, 0)

        def bind(self, bind: StepBinder) -> Bound | None:
            return None

        def run(self, plan: Any, ctx: Any) -> Any:
            return None

    binder = StepBinder(program, program.root, step, HeaderKind, (), program.findings, program.typing, 0, 0)
    if not binder.check_form():
        return HeaderSettings()
    return binder.settings() or HeaderSettings()


@dataclass
class Loader:
    findings: Findings
    sets: dict[str, str]
    boundary: Path
    read: Callable[[Path], str]
    entries: dict[str, Entry] = field(default_factory=dict)
    repeats: list[RepeatEntry] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    used_sets: set[str] = field(default_factory=set)
    all_params: list[str] = field(default_factory=list)

    def module(self, source: Source, prefix: str, above: tuple[Path, ...]) -> Module:
        self.sources[source.path] = source
        file, problems = parse(source)
        self.findings.extend(problems)
        module = Module(source, file, prefix)
        places: dict[str, Span] = {}
        items = list(file.items)
        for item in items:
            if isinstance(item, tree.Import):
                self.define(places, module, item.alias)
                self.load_import(module, item, above)
        for item in items:
            match item:
                case tree.Param():
                    if self.define(places, module, item.name):
                        self.param(module, item)
                case tree.Def():
                    if self.define(places, module, item.name):
                        self.check_def(item)
                        module.defs[item.name.id] = item
                case tree.Template():
                    if self.define(places, module, item.name):
                        module.templates[item.name.id] = item
                case tree.Header() if item is not file.header:
                    self.findings.add(DuplicateName(span=item.span, message="a second `recipe` header", help=("keep one",)))
                case _:
                    pass
        self.steps(module, items, places)
        return module

    def define(self, places: dict[str, Span], module: Module, name: tree.Name) -> bool:
        if name.id in places:
            self.findings.add(
                DuplicateName(
                    span=name.span,
                    message=f"`{name.id}` is defined twice",
                    label="again here",
                    also=(Label(places[name.id], "first here"),),
                    help=("steps, parameters, defs, templates and imports share one space of names: rename one",),
                )
            )
            return False
        places[name.id] = name.span
        return True

    def check_def(self, item: tree.Def) -> None:
        names = [p.id for p in item.params]
        for place, p in enumerate(item.params):
            if p.id in names[:place]:
                self.findings.add(DuplicateName(span=p.span, message=f"`{item.name.id}` has two parameters `{p.id}`"))

    # Imports

    def load_import(self, module: Module, item: tree.Import, above: tuple[Path, ...]) -> None:
        alias = item.alias.id
        path = (module.source.folder / item.path.value).resolve()
        here = (module.source.folder / Path(module.source.path).name).resolve()
        shown_path = (Path(module.source.path).parent / item.path.value).as_posix()
        problem: Diagnostic | None = None
        text = ""
        if not path.is_relative_to(self.boundary):
            problem = OutsideFolder(
                span=item.path.span,
                message=f"`{item.path.value}` lies outside the recipe's repository",
                help=("imports stay inside it, so that checking a recipe reads nothing else",),
            )
        elif path in (*above, here):
            chain = " -> ".join(p.name for p in (*above[above.index(path) if path in above else len(above) :], here, path))
            problem = Cycle(span=item.path.span, message=f"files import each other in a circle: {chain}", help=("move what both need into a third file",))
        elif len(above) >= DEEPEST_IMPORT or len(self.sources) >= MOST_FILES:
            problem = TooLarge(span=item.path.span, message=f"imports go more than {DEEPEST_IMPORT} deep or over {MOST_FILES} files")
        else:
            try:
                text = self.read(path)
            except FileNotFoundError:
                problem = missing(item.path.span, path, item.path.value)
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
                problem = Unreadable(span=item.path.span, message=f"cannot read `{item.path.value}`: {reason}")
        if problem is not None:
            self.findings.add(problem)
            module.broken.add(alias)
            return
        module.imports[alias] = self.module(Source(shown_path, text), f"{module.prefix}{alias}.", (*above, here))

    # Parameters

    def param(self, module: Module, item: tree.Param) -> None:
        name = f"{module.prefix}{item.name.id}"
        self.all_params.append(name)
        module.param_nodes[item.name.id] = item
        try:
            type = duckdb_type(item.type)
        except TypeProblem as problem:
            self.findings.add(problem.diagnostic)
            module.broken.add(item.name.id)
            module.params[item.name.id] = None
            return
        value: Any = None
        span = item.name.span
        if name in self.sets:
            self.used_sets.add(name)
            value, ok = from_text(self.sets[name], type)
            if not ok:
                self.findings.add(
                    BadParam(
                        span=item.type.span,
                        message=f"--set {name}={self.sets[name]}: not {article(shown(type))}",
                        help=(f"`{name}` is declared as {shown(type)}",),
                    )
                )
        elif item.default is not None:
            span = item.default.span
            try:
                value = constant(item.default, module.param, words=False)
            except NotAConstant as problem:
                self.findings.add(problem.diagnostic)
            else:
                if not fits(value, type):
                    self.findings.add(
                        BadParam(span=span, message=f"`{item.name.id}` is declared as {shown(type)}; its default is {value!r}")
                    )
        else:
            self.findings.add(
                BadParam(
                    span=span,
                    message=f"parameter `{name}` has no value",
                    help=(f"give it a default, or run with --set {name}=...",),
                )
            )
        module.params[item.name.id] = value

    # Steps and rounds

    def steps(self, module: Module, items: list[Any], places: dict[str, Span]) -> None:
        repeated = {i.name.id for r in items if isinstance(r, tree.Repeat) for i in r.items if isinstance(i, tree.Step)}
        for item in items:
            if isinstance(item, tree.Step):
                if not self.define(places, module, item.name):
                    continue
                local = item.name.id
                name = f"{module.prefix}{local}" + ("@0" if local in repeated else "")
                module.steps[local] = name
                self.entries[name] = Entry(name, item, module)
        for item in items:
            if isinstance(item, tree.Repeat):
                self.unroll(module, item, places)

    def unroll(self, module: Module, item: tree.Repeat, places: dict[str, Span]) -> None:
        try:
            count = constant(item.count, module.param)
        except NotAConstant as problem:
            self.findings.add(problem.diagnostic)
            return
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_ROUNDS:
            self.findings.add(BadValue(span=item.count.span, message=f"the number of rounds must be 1 to {MOST_ROUNDS:,}, not {count!r}"))
            return
        inner = [i for i in item.items if isinstance(i, tree.Step)]
        for other in item.items:
            if not isinstance(other, tree.Step):
                self.findings.add(WrongForm(span=other.span, message="only steps stand inside `repeat`", help=("move it out",)))
        if len(self.entries) + count * len(inner) > MOST_STEPS:
            self.findings.add(TooLarge(span=item.span, message=f"the rounds make more than {MOST_STEPS:,} steps"))
            return
        seen: dict[str, Span] = {}
        for step in inner:
            if step.name.id in seen:
                self.define(seen, module, step.name)
            seen[step.name.id] = step.name.span
        repeat = RepeatEntry(item, module)
        self.repeats.append(repeat)
        current = dict(module.steps)
        for number in range(1, count + 1):
            variable = {item.variable.id: number} if item.variable is not None else {}
            made: dict[str, str] = {}
            for step in inner:
                name = f"{module.prefix}{step.name.id}@{number}"
                scope = RoundModule(module, dict(current), variable)
                self.entries[name] = Entry(name, step, scope, number, repeat)
                current[step.name.id] = made[step.name.id] = name
            repeat.rounds.append(made)
        # After the loop a name means the last round's step.
        module.steps.update(current)


def missing(span: Span, path: Path, text: str) -> MissingFile:
    from recipec.diagnostics import nearest, replace_fix

    siblings = sorted(p.name for p in path.parent.iterdir())[:500] if path.parent.is_dir() else []
    guess = nearest(path.name, siblings)
    help: list[str] = []
    fixes: tuple[Any, ...] = ()
    label = ""
    if guess is not None:
        right = text[: len(text) - len(Path(text).name)] + guess if text.endswith(Path(text).name) else guess
        label = f"did you mean `{right}`?"
        fixes = (replace_fix(span, f'"{right}"', safe=False),)
    elif not path.parent.is_dir():
        help.append(f"there is no folder `{Path(text).parent.as_posix()}`")
    help.append("paths are relative to the recipe's own folder")
    return MissingFile(span=span, message=f"no file `{text}`", label=label, help=tuple(help), fixes=fixes)


def fits(value: Any, type: str) -> bool:
    """Whether a constant may be the value of a parameter of a DuckDB type."""
    if value is None:
        return True
    if type.endswith("[]"):
        return isinstance(value, list) and all(fits(v, type[:-2]) for v in value)
    if type in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT") or type.startswith("U") and type.endswith("INTEGER"):
        return isinstance(value, int) and not isinstance(value, bool)
    if type in ("DOUBLE", "FLOAT") or type.startswith("DECIMAL"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if type == "BOOLEAN":
        return isinstance(value, bool)
    if type.startswith("STRUCT") or type.startswith("MAP"):
        return isinstance(value, dict)
    return isinstance(value, str)


def from_text(text: str, type: str) -> tuple[Any, bool]:
    """A parameter's value from the command line."""
    if type == "VARCHAR":
        return text, True
    if type in ("DATE", "TIMESTAMP", "TIME"):
        return text, bool(text)
    source = Source("--set", f"param x: text = {text}")
    file, problems = parse(source)
    node = next((i for i in file.items if isinstance(i, tree.Param)), None)
    if problems or node is None or node.default is None:
        return None, False

    def nothing(_: Any) -> Any:
        raise KeyError

    try:
        value = constant(node.default, nothing, words=type.endswith("VARCHAR[]"))
    except NotAConstant:
        return None, False
    return value, fits(value, type)


def article(word: str) -> str:
    return ("an " if word[0] in "aeio" else "a ") + word


__all__ = ["Entry", "HeaderSettings", "MissingSetting", "Module", "Program", "ResolvedStep", "Schema", "load", "replace"]
