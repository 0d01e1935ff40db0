"""Templates in expressions: a call of one as syntax, its arguments put in order, its canonical text and its SQL.

The text of a template is compiled where it runs, in a worker. Here it is a :class:`Prompt`: a state (all texts that it is made of,
as JSON) and its digest, which is all that fingerprints see of it. Jinja2 is not imported.
"""

from __future__ import annotations

import json
from dataclasses import field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from recipec.api import KERNELS, Kernel
from recipec.diagnostics import Diagnostic
from recipec.record import record
from recipec.resolve.problems import WrongArguments
from recipec.resolve.types import shown
from recipec.syntax import tree

MESSAGES = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
VERSION = 1
"""Of the rules of rendering: raise it when the same template would print something else."""

DIRECT = {"VARCHAR": "text", "BIGINT": "int", "DOUBLE": "float", "BOOLEAN": "bool"}
"""Types whose values go to a worker as they are; all others, and those not declared, go as JSON."""


@record(frozen=True)
class Prompt:
    """A checked template. ``params`` are its parameters with their declared DuckDB types (None: any). ``sources`` are the texts of
    its parts ("0", "1", ...) and of what they include; ``includes`` says for each which key the names that it includes stand for."""

    name: str
    params: tuple[tuple[str, str | None], ...]
    roles: tuple[str, ...] | None
    sources: dict[str, str] = field(hash=False)
    includes: dict[str, dict[str, str]] = field(hash=False)

    @cached_property
    def digest(self) -> str:
        """The same for two templates that print the same for the same arguments, whatever their names."""
        meaning = [VERSION, [(p, self.kind(t)) for p, t in self.params], self.roles, self.sources, self.includes]
        return blake2b(json.dumps(meaning, ensure_ascii=False).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()

    @cached_property
    def state(self) -> str:
        given = {"name": self.name, "params": [(p, self.kind(t)) for p, t in self.params], "roles": self.roles}
        return json.dumps({**given, "sources": self.sources, "includes": self.includes})

    @staticmethod
    def kind(type: str | None) -> str:
        return DIRECT.get(type or "", "json")

    @property
    def returns(self) -> str:
        return "VARCHAR" if self.roles is None else MESSAGES

    @property
    def form(self) -> str:
        listed = ", ".join(p if t is None else f"{p}: {shown(t)}" for p, t in self.params)
        return f"{self.name}({listed})"

    @property
    def kernel(self) -> Kernel:
        types = tuple(t if t is not None and t in DIRECT else "VARCHAR" for _, t in self.params)
        # DuckDB takes no function without arguments.
        return Kernel(f"template_{self.digest}", "recipec.templates.render:run", types or ("BOOLEAN",), self.returns, given=(self.state,))

    def announced(self) -> Kernel:
        """The kernel, known to whoever runs the recipe from now on."""
        kernel = self.kernel
        return KERNELS.setdefault(kernel.name, kernel)

    def sql(self, arguments: list[Any]) -> list[Any]:
        """Pieces of SQL that call the kernel with the pieces ``arguments``."""
        kernel = self.announced()
        out: list[Any] = [f"{kernel.sql_name}("]
        for place, (argument, (_, type)) in enumerate(zip(arguments, self.params, strict=True)):
            out += [", "] if place else []
            out += [argument] if type in DIRECT else ["to_json(", argument, ")::VARCHAR"]
        return [*out, ")"] if arguments else [*out, "true)"]


@record(frozen=True, eq=False, repr=False)
class PromptName(tree.Name):
    """The name of a template where it is called, in an expanded expression."""

    prompt: Prompt = field(compare=False, repr=False, kw_only=True)


def call(node: tree.Call, prompt: Prompt, args: tuple[tree.Arg, ...]) -> tree.Call | Diagnostic:
    """The call with its arguments in the order of the parameters, or what is wrong with them."""
    wanted = [p for p, _ in prompt.params]
    given: dict[str, tree.Arg] = {}

    def wrong(at: tree.Node, message: str) -> Diagnostic:
        return WrongArguments(span=at.span, message=message, help=(f"it is defined as: template {prompt.form}",))

    for place, arg in enumerate(args):
        name = arg.name.id if arg.name else (wanted[place] if place < len(wanted) else None)
        if name is None:
            return wrong(arg, f"`{prompt.name}` takes {len(wanted)} argument{'s' * (len(wanted) != 1)}, {len(args)} given")
        if name not in wanted:
            return wrong(arg, f"`{prompt.name}` has no argument `{name}`")
        if name in given:
            return wrong(arg, f"`{name}` is given twice")
        given[name] = tree.Arg(arg.value, span=arg.span)
    missing = [p for p in wanted if p not in given]
    if missing:
        return wrong(node, f"`{prompt.name}` needs `{missing[0]}`")
    # A name that no function has: a template may be called like one of DuckDB's.
    func = PromptName(f"template {prompt.name}", span=node.func.span, prompt=prompt)
    return tree.Call(func, tuple(given[p] for p in wanted), span=node.span)


def partial(node: tree.Call | tree.Name, prompt: Prompt) -> dict[str, tree.Expr] | Diagnostic:
    """The arguments of a call that may leave some out, by parameter; or what is wrong with them."""
    wanted = [p for p, _ in prompt.params]
    given: dict[str, tree.Expr] = {}
    for place, arg in enumerate(node.args if isinstance(node, tree.Call) else ()):
        name = arg.name.id if arg.name else (wanted[place] if place < len(wanted) else None)
        help = (f"it is defined as: template {prompt.form}",)
        if name is None:
            return WrongArguments(span=arg.span, message=f"`{prompt.name}` takes at most {len(wanted)} arguments", help=help)
        if name not in wanted:
            return WrongArguments(span=arg.span, message=f"`{prompt.name}` has no argument `{name}`", help=help)
        if name in given:
            return WrongArguments(span=arg.span, message=f"`{name}` is given twice", help=help)
        given[name] = arg.value
    return given


def unknown_template(node: tree.Expr, known: list[str]) -> Diagnostic:
    """Nothing is called so, or something that is no template."""
    from recipec.resolve.problems import UnknownTemplate

    wanted = " ".join(node.span.text.split())
    problem = UnknownTemplate(span=node.span, wanted=wanted, candidates=tuple(known))
    problem.suggest(f"no template `{wanted}`", listing="templates")
    if not known:
        problem.put(help=('template ask(text) """..."""',))
    return problem


def prompt_of(node: tree.Node) -> Prompt | None:
    """The template that an expanded call calls, if it calls one."""
    return node.func.prompt if isinstance(node, tree.Call) and isinstance(node.func, PromptName) else None


def known_name(digest: str) -> str | None:
    """The name of a template that this process has lowered a call of."""
    kernel = KERNELS.get(f"template_{digest}")
    return json.loads(kernel.given[0])["name"] if kernel is not None else None
