"""The variables of a template: which it reads, where they come from, and what is known of their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from recipec.diagnostics import Findings
from recipec.resolve.template_problems import TemplateField, TemplateFilter, TemplateForbidden, TemplateVariable
from recipec.resolve.types import SIMPLE
from recipec.syntax import tree
from recipec.templates.language import FUNCTIONS, LOOP, LOOP_METHODS, METHODS, REFUSED_NAMES, STRUCT_METHODS, TEXT_METHODS

if TYPE_CHECKING:
    from recipec.templates.check import Text

Types = dict[str, "tree.Expr | None"]
"""The variables in sight, with their types where they are known."""


class Scopes:
    """Walks one text in the order in which it runs. ``read`` are the parameters that it reads."""

    def __init__(self, text: Text, params: Mapping[str, tree.Expr | None], findings: Findings) -> None:
        self.text, self.params, self.findings = text, params, findings
        self.read: set[str] = set()
        self.told: set[str] = set()
        self.at_include: dict[int, set[str]] = {}

    def run(self) -> None:
        self.body(self.text.tree.body, dict(self.params))

    def visible(self, node: nodes.Include) -> set[str]:
        return self.at_include.get(id(node), set())

    def body(self, items: Iterable[nodes.Node], scope: Types) -> None:
        for item in items:
            self.node(item, scope)

    def node(self, node: nodes.Node, scope: Types) -> None:
        """One statement or expression. ``scope`` grows by what it sets."""
        match node:
            case nodes.Name(name=name, ctx="load"):
                self.name(node, name, scope)
            case nodes.For():
                self.loop(node, scope)
            case nodes.Macro() | nodes.CallBlock():
                if isinstance(node, nodes.Macro):
                    scope[node.name] = None
                else:
                    self.node(node.call, scope)
                self.body(node.defaults, scope)
                self.body(node.body, {**scope, **dict.fromkeys((*(a.name for a in node.args), "caller", "varargs", "kwargs"))})
            case nodes.With():
                self.body(node.values, scope)
                self.body(node.body, {**scope, **{n: None for t in node.targets for n in targets(t)}})
            case nodes.Assign():
                self.node(node.node, scope)
                self.set(node.target, self.type(node.node, scope), scope)
            case nodes.AssignBlock():
                if node.filter is not None:
                    self.node(node.filter, scope)
                self.body(node.body, dict(scope))
                self.set(node.target, None, scope)
            case nodes.FilterBlock():
                self.body(node.body, dict(scope))
                self.node(node.filter, scope)
            case nodes.Include():
                self.at_include[id(node)] = set(scope)
            case nodes.Call():
                self.called(node, scope)
            case nodes.Getattr():
                self.node(node.node, scope)
                self.field(node, node.attr, scope)
            case nodes.Getitem():
                self.node(node.node, scope)
                self.node(node.arg, scope)
                if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
                    self.field(node, node.arg.value, scope)
            case _:
                self.body(node.iter_child_nodes(), scope)

    def name(self, node: nodes.Name, name: str, scope: Types) -> None:
        if name in scope:
            if name in self.params:
                self.read.add(name)
            return
        if name in FUNCTIONS or name in self.told:
            return
        self.told.add(name)
        span = self.text.of(node)
        if name in REFUSED_NAMES or name.startswith("__"):
            reason = REFUSED_NAMES.get(name, f"`{name}` reaches Python's insides")
            self.findings.add(TemplateForbidden(span=span, message=f"templates have no `{name}`", help=(reason,)))
            return
        problem = TemplateVariable(span=span, wanted=name, candidates=tuple(scope))
        problem.suggest(f"the template has no variable `{name}`", listing="it takes" if self.params else "")
        if not self.params:
            problem.put(help=(f"it takes nothing: add a parameter, ({name})",))
        self.findings.add(problem)

    def loop(self, node: nodes.For, scope: Types) -> None:
        self.node(node.iter, scope)
        inner = dict(scope)
        over = self.type(node.iter, scope)
        item = over.items[0] if isinstance(over, tree.ListExpr) and len(over.items) == 1 else None
        self.set(node.target, item, inner)
        if node.test is not None:
            self.node(node.test, dict(inner))
        self.body(node.body, {**inner, "loop": None})
        self.body(node.else_, dict(scope))

    @staticmethod
    def set(target: nodes.Node, type: tree.Expr | None, scope: Types) -> None:
        for name in targets(target):
            scope[name] = type if isinstance(target, nodes.Name) else None

    def called(self, node: nodes.Call, scope: Types) -> None:
        """A function or a method: only those that are listed."""
        func = node.node
        self.body((*node.args, *node.kwargs), scope)
        for extra in (node.dyn_args, node.dyn_kwargs):
            if extra is not None:
                self.node(extra, scope)
        if not isinstance(func, nodes.Getattr):
            self.node(func, scope)
            return
        self.node(func.node, scope)
        attr = func.attr
        if attr.startswith("_"):
            self.field(func, attr, scope)
        elif attr not in METHODS:
            span = self.text.find(attr, node.lineno, after=".")
            problem = TemplateFilter(span=span, wanted=attr, candidates=tuple(sorted(METHODS)))
            problem.suggest(f"templates have no method `{attr}`")
            problem.put(help=("recipec explain template-filter lists what there is",))
            self.findings.add(problem)

    def field(self, node: nodes.Getattr | nodes.Getitem, name: str, scope: Types) -> None:
        if name.startswith("_"):
            span = self.text.find(name, node.lineno, after=".")
            if span.text != name:
                from recipec.templates.check import quoted

                span = quoted(self.text, name, node.lineno)
            help = ("names that begin with an underscore are not there",)
            self.findings.add(TemplateForbidden(span=span, message=f"`{name}` reaches Python's insides", help=help))
            return
        of = self.type(node.node, scope)
        known: tuple[str, ...] | None = None
        if isinstance(of, tree.StructExpr):
            known = (*(k.id for k, _ in of.items), *STRUCT_METHODS)
        elif isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "loop" and "loop" in scope:
            known = (*LOOP, *LOOP_METHODS)
        elif isinstance(of, tree.Name) and SIMPLE.get(of.id.lower()) == "VARCHAR" and isinstance(node, nodes.Getattr):
            known = tuple(TEXT_METHODS)
        if known is None or name in known:
            return
        from recipec.templates.check import quoted

        span = self.text.find(name, node.lineno, after=".") if isinstance(node, nodes.Getattr) else quoted(self.text, name, node.lineno)
        problem = TemplateField(span=span, wanted=name, candidates=known)
        fields = [k for k in known if not isinstance(of, tree.StructExpr) or k not in STRUCT_METHODS]
        problem.suggest(f"there is no `{name}` here")
        if isinstance(of, tree.StructExpr):
            problem.put(help=(f"its declared type has: {', '.join(fields)}",))
        if isinstance(node, nodes.Getitem):
            problem.put(fixes=())
        self.findings.add(problem)

    def type(self, node: nodes.Node, scope: Types) -> tree.Expr | None:
        """The declared type of what an expression is, where that is plain to see."""
        match node:
            case nodes.Name(name=name):
                return scope.get(name)
            case nodes.Getattr() | nodes.Getitem():
                of = self.type(node.node, scope)
                key: Any = node.attr if isinstance(node, nodes.Getattr) else None
                if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
                    key = node.arg.value
                if isinstance(of, tree.StructExpr):
                    return next((t for k, t in of.items if k.id == key), None)
                if isinstance(of, tree.ListExpr) and isinstance(key, int) and not isinstance(key, bool):
                    return of.items[0] if of.items else None
                return None
            case _:
                return None


def targets(node: nodes.Node) -> list[str]:
    """The names that an assignment gives values."""
    return [n.name for n in ([node] if isinstance(node, nodes.Name) else node.find_all(nodes.Name))]
