"""One file of a recipe as the resolver sees it: the names it defines, and the steps under their global names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Any

from recipec.api import Settings
from recipec.record import record
from recipec.resolve.values import BrokenName
from recipec.source import Source
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.resolve.loops import Until
    from recipec.resolve.prompts import Prompt


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


def path(node: tree.Node) -> list[str]:
    """``a.b.c`` as its names; empty for what is no name."""
    names: list[str] = []
    while isinstance(node, tree.Field):
        names.append(node.name.id)
        node = node.base
    return [node.id, *reversed(names)] if isinstance(node, tree.Name) else []


@record(eq=False)
class Module:
    """One file: its names, and those of the files it imports under their aliases."""

    source: Source
    file: tree.File
    prefix: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    param_nodes: dict[str, tree.Param] = field(default_factory=dict)
    defs: dict[str, tree.Def] = field(default_factory=dict)
    templates: dict[str, tree.Template] = field(default_factory=dict)
    prompts: dict[str, Prompt] = field(default_factory=dict)
    """The templates that were checked and can be used."""
    imports: dict[str, Module] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    """Local name to global name, as seen from outside any ``repeat``."""
    broken: set[str] = field(default_factory=set)
    """Names that are defined but whose definition is wrong: no second error for using them."""

    def owner(self, node: tree.Expr) -> tuple[Module, str]:
        """The file that defines what a plain or dotted name means, and its name there. Raises KeyError for anything else."""
        match node:
            case tree.Name(id=name):
                return self, name
            case tree.Field(base=base, name=member):
                module, alias = self.owner(base)
                return module.imports[alias], member.id
        raise KeyError

    def param(self, node: tree.Name | tree.Field) -> Any:
        """A parameter's value. Raises KeyError where there is none, and BrokenName where its definition is wrong."""
        if self.is_broken(node):
            raise BrokenName
        module, name = self.owner(node)
        return module.params[name]

    def param_type(self, node: tree.Name | tree.Field) -> tree.Expr:
        module, name = self.owner(node)
        declared = module.param_nodes.get(name)
        # The variable of a `repeat` is declared nowhere: it is a whole number.
        return declared.type if declared is not None else tree.Name("int", span=node.span)

    def is_broken(self, node: tree.Name | tree.Field) -> bool:
        """Whether a name, or the import that it begins with, is one whose definition is wrong."""
        scope, names = self, path(node)
        for alias in names[:-1]:
            if alias in scope.broken:
                return True
            if alias not in scope.imports:
                return False
            scope = scope.imports[alias]
        return bool(names) and names[-1] in scope.broken

    def macro(self, node: tree.Name | tree.Field) -> tuple[tree.Def, Module] | None:
        try:
            module, name = self.owner(node)
        except KeyError:
            return None
        return (module.defs[name], module) if name in module.defs else None

    def prompt(self, node: tree.Name | tree.Field) -> Prompt | None:
        """The template that a name means."""
        try:
            module, name = self.owner(node)
        except KeyError:
            return None
        return module.prompts.get(name)

    def defined(self) -> Iterator[str]:
        yield from self.params
        yield from self.defs
        yield from self.templates
        yield from self.imports
        yield from self.steps


class RoundModule(Module):
    """The names of a file as one round of a ``repeat`` sees them."""

    def __init__(self, outer: Module, steps: dict[str, str], params: dict[str, Any]) -> None:
        super().__init__(
            outer.source,
            outer.file,
            outer.prefix,
            {**outer.params, **params},
            outer.param_nodes,
            outer.defs,
            outer.templates,
            outer.prompts,
        )
        self.imports, self.steps, self.broken = outer.imports, steps, outer.broken


@record(eq=False)
class Entry:
    """A step as written, under its global name (``tidy``, ``common.tidy``, ``clf@2``), with the names it sees."""

    name: str
    node: tree.Step
    module: Module
    round: int | None = None
    repeat: RepeatEntry | None = None


@record(eq=False)
class RepeatEntry:
    """A ``repeat``: its rounds' steps by local name, for ``until``."""

    node: tree.Repeat
    module: Module
    rounds: list[dict[str, str]] = field(default_factory=list)
    until: Until | None = None
