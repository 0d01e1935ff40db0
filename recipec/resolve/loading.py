"""Reading a recipe and what it imports: its parameters evaluated, its loops unrolled. Nothing is bound yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from recipec.api import Bound, DataError, Kind
from recipec.diagnostics import Diagnostic, Findings, Label
from recipec.places import boundary, text_at
from recipec.record import record
from recipec.resolve.binder import StepBinder
from recipec.resolve.columns import schema_problem, twin
from recipec.resolve.modules import Entry, HeaderSettings, Module, RepeatEntry, RoundModule
from recipec.resolve.problems import (
    BadParam,
    BadValue,
    Cycle,
    DuplicateName,
    MissingFile,
    OutsideFolder,
    TooLarge,
    UnknownSetting,
    Unreadable,
    WrongForm,
)
from recipec.resolve.program import Program, article
from recipec.resolve.types import INTEGERS, TypeProblem, duckdb_type, shown
from recipec.resolve.values import BrokenName, NotAConstant, constant, said
from recipec.source import Source, Span
from recipec.syntax import tree
from recipec.syntax.parse import parse

Parse = Callable[[Source], tuple[tree.File, list[Diagnostic]]]
DEEPEST_IMPORT, MOST_FILES, MOST_ROUNDS, MOST_STEPS = 32, 200, 1_000, 10_000
MOST_LETTERS = 2_000_000
"""Characters of a recipe with all that it imports, a file counted as often as it is imported."""
MOST_TWICE = 10
"""How often it is told of one name that it is defined again."""


def load(
    source: Source,
    sets: Mapping[str, str] | None = None,
    *,
    offline: bool = False,
    read: Callable[[Path], str] | None = None,
    parsed: Parse = parse,
) -> Program:
    """Parse a recipe and everything it imports, evaluate its parameters, unroll its loops. Nothing is bound yet.

    ``read`` gives the text of an imported file where that is not what the disk holds (an editor's buffer, a revision);
    it raises what :func:`recipec.places.text_at` raises. ``parsed`` gives the tree of a file, for callers that keep trees.
    """
    findings = Findings()
    loader = Loader(findings, dict(sets or {}), boundary(source.folder), read or text_at, parsed)
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


@record
class Loader:
    findings: Findings
    sets: dict[str, str]
    boundary: Path
    read: Callable[[Path], str]
    parsed: Parse = parse
    entries: dict[str, Entry] = field(default_factory=dict)
    repeats: list[RepeatEntry] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    used_sets: set[str] = field(default_factory=set)
    all_params: list[str] = field(default_factory=list)
    twice: dict[str, int] = field(default_factory=dict)
    """How often a name was defined again."""
    files: int = 0
    letters: int = 0
    """How much was read: a file that is imported twice counts twice, for all that it defines is there twice."""
    full: bool = False

    def module(self, source: Source, prefix: str, above: tuple[Path, ...]) -> Module:
        self.sources[source.path] = source
        self.files += 1
        self.letters += len(source.text)
        file, problems = self.parsed(source)
        self.findings.extend(problems)
        module = Module(source, file, prefix, broken={n.id for n in file.broken})
        places: dict[str, Span] = {}
        items = list(file.items)
        for item in items:
            if isinstance(item, tree.Import):
                problem = schema_problem(item.alias)
                if problem is not None:
                    self.findings.add(problem)
                if self.define(places, module, item.alias):
                    self.load_import(module, item, above)
        params: list[tree.Param] = []
        for item in items:
            match item:
                case tree.Param():
                    if self.define(places, module, item.name):
                        params.append(item)
                case tree.Def():
                    if self.define(places, module, item.name):
                        if self.check_def(item):
                            module.defs[item.name.id] = item
                        else:
                            module.broken.add(item.name.id)
                case tree.Template():
                    if self.define(places, module, item.name):
                        module.templates[item.name.id] = item
                case tree.Header() if item is not file.header:
                    self.findings.add(DuplicateName(span=item.span, message="a second `recipe` header", help=("keep one",)))
                case _:
                    pass
        if module.templates:
            # Jinja2 is imported for recipes that have templates alone.
            from recipec.templates.check import check

            check(module, self.findings)
        self.parameters(module, params)
        self.steps(module, items, places)
        return module

    def define(self, places: dict[str, Span], module: Module, name: tree.Name) -> bool:
        before = name.id if name.id in places else twin(name.id, places)
        if before is not None:
            self.twice[before] = self.twice.get(before, 0) + 1
            if self.twice[before] > MOST_TWICE:
                return False
            case = " (tables do not tell upper from lower case)" if before != name.id else ""
            self.findings.add(
                DuplicateName(
                    span=name.span,
                    message=f"`{name.id}` is defined twice{case}",
                    label="again here",
                    also=(Label(places[before], "first here"),),
                    help=("steps, parameters, defs, templates and imports share one space of names: rename one",),
                )
            )
            return False
        places[name.id] = name.span
        return True

    def check_def(self, item: tree.Def) -> bool:
        names = [p.id for p in item.params]
        for place, p in enumerate(item.params):
            if p.id in names[:place]:
                self.findings.add(DuplicateName(span=p.span, message=f"`{item.name.id}` has two parameters `{p.id}`"))
                return False
        return True

    # Imports

    def load_import(self, module: Module, item: tree.Import, above: tuple[Path, ...]) -> None:
        alias = item.alias.id
        try:
            path = (module.source.folder / item.path.value).resolve()
        except ValueError:
            # A NUL or half a character is in no file's name.
            self.findings.add(MissingFile(span=item.path.span, message=f"no file `{item.path.value!a}`"))
            module.broken.add(alias)
            return
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
            problem = Cycle(
                span=item.path.span,
                message=f"files import each other in a circle: {chain}",
                help=("move what both need into a third file",),
            )
        elif len(above) >= DEEPEST_IMPORT or self.files >= MOST_FILES or self.letters > MOST_LETTERS:
            if not self.full:
                self.full = True
                message = f"imports go more than {DEEPEST_IMPORT} deep, over {MOST_FILES} files or {MOST_LETTERS:,} characters"
                problem = TooLarge(
                    span=item.path.span,
                    message=message,
                    help=("a file that is imported twice counts twice: import it once, and name what is in it",),
                )
            else:
                module.broken.add(alias)
                return
        else:
            try:
                text = self.read(path)
            except FileNotFoundError:
                problem = missing(item.path.span, path, item.path.value)
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
                problem = Unreadable(span=item.path.span, message=f"cannot read `{item.path.value}`: {reason}")
            except DataError as error:
                problem = Unreadable(span=item.path.span, message=f"cannot read `{item.path.value}`: {error.message}")
        if problem is not None:
            self.findings.add(problem)
            module.broken.add(alias)
            return
        module.imports[alias] = self.module(Source(shown_path, text), f"{module.prefix}{alias}.", (*above, here))

    # Parameters

    def parameters(self, module: Module, items: list[tree.Param]) -> None:
        """Evaluate parameters, each after those that its default speaks of, whatever their order in the file."""
        waiting = {i.name.id: i for i in items}
        active: list[str] = []

        def lookup(node: tree.Name | tree.Field) -> Any:
            if isinstance(node, tree.Name) and node.id in active:
                loop = " -> ".join([*active[active.index(node.id) :], node.id])
                message = f"parameters need each other in a circle: {loop}"
                raise NotAConstant(Cycle(span=node.span, message=message, help=("give one of them a plain value",)))
            if isinstance(node, tree.Name) and node.id in waiting:
                evaluate(waiting.pop(node.id))
            return module.param(node)

        def evaluate(item: tree.Param) -> None:
            active.append(item.name.id)
            module.param_nodes[item.name.id] = item
            try:
                module.params[item.name.id] = self.value(f"{module.prefix}{item.name.id}", item, lookup)
            except NotAConstant as problem:
                self.findings.add(problem.diagnostic)
                module.broken.add(item.name.id)
            except BrokenName:
                module.broken.add(item.name.id)
            active.pop()

        while waiting:
            evaluate(waiting.pop(next(iter(waiting))))

    def value(self, name: str, item: tree.Param, lookup: Callable[[tree.Name | tree.Field], Any]) -> Any:
        """A parameter's value. Raises NotAConstant with what is wrong."""
        self.all_params.append(name)
        if name in self.sets:
            self.used_sets.add(name)
        try:
            type = duckdb_type(item.type)
        except TypeProblem as problem:
            raise NotAConstant(problem.diagnostic) from None
        if name in self.sets:
            value, ok = from_text(self.sets[name], type)
            if not ok:
                message = f"--set {name}={self.sets[name]}: not {article(shown(type))}"
                raise NotAConstant(BadParam(span=item.type.span, message=message, help=(f"`{name}` is declared as {shown(type)}",)))
            return converted(value, type)
        if item.default is None:
            message, help = f"parameter `{name}` has no value", f"give it a default, or run with --set {name}=..."
            raise NotAConstant(BadParam(span=item.name.span, message=message, help=(help,)))
        value = constant(item.default, lookup, words=False)
        if not fits(value, type):
            message = f"`{item.name.id}` is declared as {shown(type)}; its default is {said(value)}"
            raise NotAConstant(BadParam(span=item.default.span, message=message))
        return converted(value, type)

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
        looped: dict[str, Span] = {}
        for item in items:
            if isinstance(item, tree.Repeat):
                self.unroll(module, item, places, looped)

    def unroll(self, module: Module, item: tree.Repeat, places: dict[str, Span], looped: dict[str, Span]) -> None:
        """The rounds of a loop as steps of their own. ``looped`` are the names that earlier loops made."""
        inner = [i for i in item.items if isinstance(i, tree.Step)]
        count = self.rounds(module, item, len(inner))
        if count is None:
            module.broken |= {i.name.id for i in inner}
            return
        for other in item.items:
            if not isinstance(other, tree.Step):
                self.findings.add(WrongForm(span=other.span, message="only steps stand inside `repeat`", help=("move it out",)))
        if item.variable is not None:
            self.define(dict(places), module, item.variable)
        others = {n: span for n, span in places.items() if n not in module.steps} | looped
        steps: list[tree.Step] = []
        for step in inner:
            if self.define(others, module, step.name):
                steps.append(step)
        looped |= {s.name.id: s.name.span for s in steps}
        repeat = RepeatEntry(item, module)
        self.repeats.append(repeat)
        current = dict(module.steps)
        for number in range(1, count + 1):
            variable = {item.variable.id: number} if item.variable is not None else {}
            made: dict[str, str] = {}
            for step in steps:
                name = f"{module.prefix}{step.name.id}@{number}"
                scope = RoundModule(module, dict(current), variable)
                self.entries[name] = Entry(name, step, scope, number, repeat)
                current[step.name.id] = made[step.name.id] = name
            repeat.rounds.append(made)
        # After the loop a name means the last round's step.
        module.steps.update(current)

    def rounds(self, module: Module, item: tree.Repeat, steps: int) -> int | None:
        """How many rounds a loop has; None after reporting."""
        try:
            count = constant(item.count, module.param)
        except BrokenName:
            return None
        except NotAConstant as problem:
            self.findings.add(problem.diagnostic)
            return None
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_ROUNDS:
            message = f"the number of rounds must be 1 to {MOST_ROUNDS:,}, not {said(count)}"
            self.findings.add(BadValue(span=item.count.span, message=message))
            return None
        if len(self.entries) + count * steps > MOST_STEPS:
            self.findings.add(TooLarge(span=item.count.span, message=f"the rounds make more than {MOST_STEPS:,} steps"))
            return None
        return count


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
    elif alike := [s for s in siblings if Path(s).suffix == path.suffix and not s.startswith(".")]:
        help.append(f"in `{Path(text).parent.as_posix()}`: {', '.join(alike[:6])}" + (f" (+{len(alike) - 6})" if len(alike) > 6 else ""))
    help.append("paths are relative to the recipe's own folder")
    return MissingFile(span=span, message=f"no file `{text}`", label=label, help=tuple(help), fixes=fixes)


def fits(value: Any, type: str) -> bool:
    """Whether a constant may be the value of a parameter of a DuckDB type."""
    if value is None:
        return True
    if type.endswith("[]"):
        return isinstance(value, list) and all(fits(v, type[:-2]) for v in value)
    if type in INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool)
    if type in ("DOUBLE", "FLOAT") or type.startswith("DECIMAL"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if type == "BOOLEAN":
        return isinstance(value, bool)
    if type.startswith(("STRUCT", "MAP")):
        return isinstance(value, dict)
    if type in ISO:
        return isinstance(value, str) and iso(value, type)
    return isinstance(value, str)


ISO: dict[str, Callable[[str], object]] = {
    "DATE": date.fromisoformat,
    "TIME": time.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
    "TIMESTAMP WITH TIME ZONE": datetime.fromisoformat,
}


def iso(text: str, type: str) -> bool:
    """Whether a text is a date or time as ISO 8601 writes it: 2026-01-31, 2026-01-31 12:00:00."""
    try:
        ISO[type](text)
    except ValueError:
        return False
    return True


def converted(value: Any, type: str) -> Any:
    """A whole number where a fraction is declared is that fraction: ``param f: float = 1``."""
    if type in ("DOUBLE", "FLOAT") and isinstance(value, int):
        return float(value)
    if type.endswith("[]") and isinstance(value, list):
        return [converted(v, type[:-2]) for v in value]
    return value


def from_text(text: str, type: str) -> tuple[Any, bool]:
    """A parameter's value from the command line."""
    if type == "VARCHAR":
        return text, True
    if type in ISO:
        return text, iso(text, type)
    source = Source("--set", f"param x: text = {text}")
    file, problems = parse(source)
    node = next((i for i in file.items if isinstance(i, tree.Param)), None)
    if problems or node is None or node.default is None:
        return None, False

    def nothing(_: Any) -> Any:
        raise KeyError

    try:
        value = constant(node.default, nothing, words="VARCHAR" in type)
    except NotAConstant:
        return None, False
    return value, fits(value, type)
