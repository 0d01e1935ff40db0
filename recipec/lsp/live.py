"""A recipe resolved again and again while it is written: a step whose text and surroundings did not change is not bound again.

What a step's binding depends on is written down while it is bound: its node (which lives as long as its piece of text does),
the tables it asked for and what their columns were, the parameters and macros whose names it mentions, the seed and the
random choices above, and the files it looked at. Where all of that is as it was, so are its result and its findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipec.api import Kind, Schema, TableRef
from recipec.diagnostics import Diagnostic, Findings
from recipec.registry import find, load_plugins
from recipec.resolve.loading import Parse, load
from recipec.resolve.loops import condition
from recipec.resolve.modules import Entry, Module, RepeatEntry
from recipec.resolve.problems import UnknownFunction
from recipec.resolve.program import Program, ResolvedStep
from recipec.resolve.reading import Reading
from recipec.resolve.typing import Typing
from recipec.source import Source
from recipec.syntax import tree

MOST_TABLES = 2_000
"""Empty tables in the typing database before a new one is begun: every column name half typed makes one."""

MOST_VARIANTS = 4

Facts = tuple[Any, ...]


@dataclass
class Asked:
    """A table that a step asked for: where, and what it was told."""

    node: tree.Expr
    module: Module
    ref: TableRef | None
    facts: Facts


@dataclass
class Kept:
    """The binding of a step and what it depends on."""

    node: tree.Step
    kind: type[Kind] | None
    resolved: ResolvedStep | None
    findings: list[Diagnostic]
    asked: list[Asked]
    around: Facts
    everything: Facts
    """Every name in sight: what suggestions look at, so of account only where there are findings."""
    files: Facts
    guess: Mapping[str, Schema] | None = None
    """The tables that those below take it to give, where something is wrong with it."""


@dataclass
class Memory:
    """What outlives one resolution."""

    typing: Typing = field(default_factory=Typing)
    steps: dict[str, list[Kept]] = field(default_factory=dict)
    """The last few bindings of each step, the latest first: while a word is typed, a recipe goes back and forth between
    what is right and what is not."""
    mentions: dict[int, tuple[tree.Step, frozenset[str], list[tree.Node]]] = field(default_factory=dict)
    loops: dict[int, tuple[tree.Repeat, list[Diagnostic]]] = field(default_factory=dict)
    reading: Reading = field(init=False)
    bound: int = 0
    """Steps bound anew in the last resolution, for tests and figures."""

    def __post_init__(self) -> None:
        self.typing.seal()
        self.reading = Reading(self.typing)

    def fresh(self) -> None:
        """Begin a new typing database when the old one has grown large."""
        if len(self.typing._tables) > MOST_TABLES:
            self.typing = Typing()
            self.typing.seal()
            self.reading = Reading(self.typing)

    def forget_files(self) -> None:
        """Files may have changed in a way that their time does not tell: bind again what looks at any, and what failed."""
        for name, kept in self.steps.items():
            self.steps[name] = [k for k in kept if not k.files and not k.findings and k.node.reader is None and k.node.kind.id != "python"]


class LiveProgram(Program):
    """A program that takes from memory what it can."""

    memory: Memory
    told: list[Diagnostic]
    """Findings of binding, apart from those of loading."""
    partial: bool
    """Whether steps were left out whose text did not change: their findings are those of last time."""

    def prepare(self, memory: Memory) -> None:
        self.memory, self.reading = memory, memory.reading
        self.told = []
        self.partial = False
        self.stack: list[list[Asked]] = []
        self.arounds: dict[int, Facts] = {}

    def resolve(self, quick: bool = False) -> None:
        """Bind what must be. ``quick`` binds the steps alone whose own text changed, and what they read."""
        self.memory.bound = 0
        wanted = self.wanted()
        for name in (*(n for n in wanted if self.entries[n].node.reader is not None), *wanted):
            last = self.memory.steps.get(name)
            if quick and last and last[0].node is self.entries[name].node:
                if name not in self.resolved:
                    self.partial = True
                continue
            self.step(name)
        for repeat in self.repeats:
            self.until(repeat, quick)
        if any(isinstance(d, UnknownFunction) for d in self.told) and load_plugins("function"):
            self.memory.steps.clear()
            self.resolved.clear()
            self.order.clear()
            self.told.clear()
            self.resolve()
            return
        if self.partial:
            self.told += [d for n in wanted if n not in self.resolved for d in self.memory.steps[n][0].findings]
        self.findings.extend(self.told)
        self.memory.steps = {n: k for n, k in self.memory.steps.items() if n in self.entries}
        alive = {id(e.node) for e in self.entries.values()}
        self.memory.mentions = {i: m for i, m in self.memory.mentions.items() if i in alive}
        loops = {id(r.node) for r in self.repeats}
        self.memory.loops = {i: m for i, m in self.memory.loops.items() if i in loops}

    def until(self, repeat: RepeatEntry, quick: bool) -> None:
        """What is wrong with the condition of a loop; in haste, what was."""
        kept = self.memory.loops.get(id(repeat.node))
        if not (quick and kept is not None):
            outer, self.findings = self.findings, Findings()
            if any(n in self.resolved for made in repeat.rounds[:1] for n in made.values()):
                repeat.until = condition(self, repeat)
            found, self.findings = self.findings.items, outer
            kept = self.memory.loops[id(repeat.node)] = (repeat.node, found)
        self.told += kept[1]

    # What a step's text speaks of

    def spoken(self, node: tree.Step) -> tuple[frozenset[str], list[tree.Node]]:
        """Every name in a step's text, and the outermost nodes that may name a step."""
        kept = self.memory.mentions.get(id(node))
        if kept is None:
            names: set[str] = set()
            paths: list[tree.Node] = []

            def look(part: tree.Node, inside: bool) -> None:
                path = not inside and self.path(part) is not None
                if path:
                    paths.append(part)
                if isinstance(part, tree.Name):
                    names.add(part.id)
                for child in tree.children(part):
                    look(child, inside or path)

            for top in tree.children(node):
                look(top, False)
            kept = self.memory.mentions[id(node)] = (node, frozenset(names), paths)
        return kept[1], kept[2]

    def position(self, name: str) -> tuple[object, ...]:
        # Spans count in pieces here; entries stand in the order of the text, those of imports first.
        return (list(self.entries).index(name),)

    def mentioned(self, name: str) -> list[str]:
        entry = self.entries[name]
        found: dict[str, None] = {}

        def look(node: tree.Node) -> None:
            path = self.path(node)
            if path is not None and (target := self.target(path, node, entry.module)[0]) is not None:
                found[target] = None
                return
            for child in tree.children(node):
                look(child)

        for node in self.spoken(entry.node)[1]:
            if node is not entry.node.kind and node is not entry.node.name:
                look(node)
        if entry.repeat is not None and entry.repeat.node.until is not None and (entry.round or 0) > 1:
            # Whether this round is to be runs on what the one before gave.
            found |= dict.fromkeys(entry.repeat.rounds[(entry.round or 0) - 2].values())
        return [n for n in found if n in self.entries and n != name]

    # Binding

    def bind(self, entry: Entry) -> ResolvedStep | None:
        kind: type[Kind] | None = find("step", entry.node.kind.id)
        around, everything = self.around(entry), self.everything(entry.module)
        before = self.memory.steps.setdefault(entry.name, [])
        for kept in before:
            if kept.node is entry.node and kept.kind is kind and kept.around == around and self.same(kept, everything):
                before.remove(kept)
                before.insert(0, kept)
                self.told += kept.findings
                if kept.guess is not None:
                    self.guesses[entry.name] = kept.guess
                last = kept.resolved
                return None if last is None else ResolvedStep(entry.name, last.kind, entry, last.inputs, last.bound, last.ops)
        self.memory.bound += 1
        outer, self.findings = self.findings, Findings()
        asked: list[Asked] = []
        self.stack.append(asked)
        try:
            made = super().bind(entry)
        finally:
            found, self.findings = self.findings.items, outer
            self.stack.pop()
        if (entry.round or 0) > 1:
            # A mistake in a loop is told for its first round alone.
            known = {(d.code, d.span) for d in self.told}
            self.told += [d for d in found if (d.code, d.span) not in known]
        else:
            self.told += found
        files = stamps(f.path for f in made.bound.files) if made is not None else ()
        before.insert(0, Kept(entry.node, kind, made, found, asked, around, everything, files, self.guesses.get(entry.name)))
        del before[MOST_VARIANTS:]
        return made

    def table(self, node: tree.Expr, module: Module, findings: Findings) -> TableRef | None:
        ref = super().table(node, module, findings)
        if self.stack:
            self.stack[-1].append(Asked(node, module, ref, self.facts(ref)))
        return ref

    def facts(self, ref: TableRef | None) -> Facts:
        """What of a table can decide how those are bound that read it."""
        if ref is None:
            return ()
        resolved = self.resolved.get(ref.step)
        if resolved is None:
            return (str(ref), ref.schema)
        bound = resolved.bound
        return (str(ref), ref.schema, bound.depth, bound.traits.divides, resolved.kind, tuple(bound.outputs.items()))

    def same(self, kept: Kept, everything: Facts) -> bool:
        """Whether the tables and files that a step looked at are what they were."""
        if kept.findings and kept.everything != everything:
            return False
        for asked in kept.asked:
            if asked.ref is None:
                return False
            findings = Findings()
            ref = Program.table(self, asked.node, asked.module, findings)
            if findings.items or self.facts(ref) != asked.facts:
                return False
        made = kept.resolved
        if made is None:
            return kept.node.reader is None  # a source may have failed for want of a file
        return kept.files == stamps(f.path for f in made.bound.files) and all(self.resolved.get(p.step) is not None for p in made.parents)

    def around(self, entry: Entry) -> Facts:
        """What the names in a step's text mean, and the recipe's own settings."""
        names = self.spoken(entry.node)[0]
        return (self.recipe, repr(self.header), *self.meanings(names, entry.module, ()))

    @staticmethod
    def everything(module: Module) -> Facts:
        return (tuple(module.steps), tuple(module.params), tuple(module.defs), tuple(module.imports), tuple(sorted(module.broken)))

    def meanings(self, names: Iterable[str], module: Module, above: tuple[int, ...]) -> Facts:
        out: list[Any] = []
        for name in sorted(names):
            meaning: list[Any] = []
            if name in module.params:
                meaning.append((repr(module.params[name]), module.param_nodes.get(name)))
            if (macro := module.defs.get(name)) is not None:
                meaning.append((id(macro), macro))  # held, so that its id stays its own
                if id(macro) not in above:
                    inner = {n.id for n in tree.walk(macro.body) if isinstance(n, tree.Name)}
                    meaning.append(self.meanings(inner, module, (*above, id(macro))))
            if name in module.templates:
                meaning.append((id(module.templates[name]), module.templates[name]))
            if name in module.imports:
                imported = module.imports[name]
                if id(imported) not in self.arounds:
                    everything = {*imported.params, *imported.defs, *imported.templates, *imported.imports}
                    meanings = self.meanings(everything, imported, above)
                    self.arounds[id(imported)] = (*meanings, tuple(imported.steps), tuple(sorted(imported.broken)))
                meaning.append(self.arounds[id(imported)])
            if name in module.steps:
                meaning.append(module.steps[name])
            if name in module.broken:
                meaning.append("broken")
            if meaning:
                out.append((name, *meaning))
        return tuple(out)


def stamps(paths: Iterable[Path]) -> Facts:
    """Size and time of files; None for one that is not there."""
    out: list[Any] = []
    for path in paths:
        try:
            status = path.stat()
            out.append((str(path), status.st_size, status.st_mtime_ns))
        except OSError:
            out.append((str(path), None))
    return tuple(out)


def resolve(source: Source, memory: Memory, parsed: Parse, read: Callable[[Path], str], *, quick: bool = False) -> LiveProgram:
    """The program of a source as ``recipec check`` would resolve it; see ``LiveProgram.resolve``."""
    memory.fresh()
    loaded = load(source, parsed=parsed, read=read)
    program = LiveProgram(
        loaded.root,
        loaded.findings,
        loaded.header,
        loaded.recipe,
        loaded.entries,
        loaded.repeats,
        sources=loaded.sources,
        typing=memory.typing,
    )
    program.prepare(memory)
    program.resolve(quick)
    return program
