"""What is wrong with a recipe's templates, found before anything runs, each at its place inside the block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from recipec.diagnostics import Diagnostic, Findings, Label, UnknownName, nearest
from recipec.resolve.modules import Module
from recipec.resolve.problems import Cycle, DuplicateName, TooLarge
from recipec.resolve.prompts import Prompt
from recipec.resolve.template_problems import (
    TemplateFilter,
    TemplateForbidden,
    TemplateInclude,
    TemplateRole,
    TemplateSyntax,
    TemplateVariable,
    UnusedParameter,
)
from recipec.resolve.types import TypeProblem, duckdb_type
from recipec.source import Span
from recipec.syntax import tree
from recipec.templates.language import FILTERS, LARGEST_TEXT, REFUSED_FILTERS, ROLES, TESTS
from recipec.templates.places import Places
from recipec.templates.scopes import Scopes

LONG = 100
"""Words of a template above which it may be nested deeper than Python reads."""
HUGE = re.compile(r"\d[eE]\+?\d{3}")
"""A number that may be larger than any float."""
MARKS = {"whitespace", "data", "comment", "comment_begin", "comment_end", "raw_begin", "raw_end"}
UNREADABLE = frozenset({"self", "caller", "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"})
"""Words that mean something else in a template than a variable."""


@dataclass
class Text:
    """One string of a template: its Jinja tree, and the places of its words."""

    places: Places
    tree: nodes.Template
    words: list[tuple[int, str, str]]
    """(offset, kind, text) of every word inside Jinja's brackets."""
    told: set[int] = field(default_factory=set)
    """Offsets of words that a finding was told of: the next about such a word means another one."""

    def of(self, node: nodes.Name) -> Span:
        """Where a variable stands: the names of the text in their order are Jinja's nodes in theirs."""
        name = node.name
        twins = [n for n in self.tree.find_all(nodes.Name) if n.name == name]
        spots = []
        for place, (offset, kind, text) in enumerate(self.words):
            if text == name and kind == "name":
                before = self.words[place - 1][2] if place else ""
                after = self.words[place + 1][2] if place + 1 < len(self.words) else ""
                if before not in (".", "|", "is", "macro") and not (after == "=" and before in ("(", ",")):
                    spots.append(offset)
        if len(spots) != len(twins):
            return self.find(name, node.lineno)
        at = spots[next(n for n, twin in enumerate(twins) if twin is node)]
        return self.places.span(at, at + len(name))

    def find(self, word: str, line: int, after: str | None = None, nth: int = 0) -> Span:
        """Where a name stands, on a line or after it (Jinja knows lines only)."""
        hits: list[tuple[int, int]] = []
        for place, (offset, kind, text) in enumerate(self.words):
            if text == word and kind == "name" and self.places.line_of(offset) >= line:
                before = self.words[place - 1][2] if place else ""
                if before == after or (after is None and before not in (".", "|", "is")):
                    hits.append((offset, offset + len(text)))
        if not hits:
            return self.places.line(line)
        left = [h for h in hits if h[0] not in self.told] or hits
        found = left[min(nth, len(left) - 1)]
        self.told.add(found[0])
        return self.places.span(*found)


class Checker:
    """All templates of one module. What it finds goes to ``findings``; ``module.prompts`` gets those that can be used."""

    def __init__(self, module: Module, findings: Findings) -> None:
        self.module, self.findings = module, findings
        self.environment = ImmutableSandboxedEnvironment(autoescape=False, optimized=False)

    def report(self, problem: Diagnostic) -> None:
        self.findings.add(problem)

    def all(self) -> None:
        for name, item in self.module.templates.items():
            before = len(self.findings.errors)
            prompt = self.template(name, item)
            if prompt is None or len(self.findings.errors) > before:
                self.module.broken.add(name)
            else:
                self.module.prompts[name] = prompt
        self.circles()

    def template(self, name: str, item: tree.Template) -> Prompt | None:
        params = self.params(item)
        roles = self.roles(item)
        types = {p.name.id: p.type for p in item.params}
        used: set[str] = set()
        misspelt: set[str | None] = set()
        """What variables that do not exist were probably meant as."""
        failed = params is None or roles is False
        sources: dict[str, str] = {}
        for number, (_, string) in enumerate(item.parts):
            text = self.parsed(string)
            if text is None:
                failed = True
                continue
            before = len(self.findings)
            scopes = Scopes(text, types, self.findings)
            scopes.run()
            misspelt |= {nearest(f.wanted, f.candidates) for f in self.findings.items[before:] if isinstance(f, UnknownName)}
            used |= scopes.read
            self.names_of_filters(text)
            self.whole(text)
            sources[str(number)] = string.value
            used |= self.included(text, scopes)
        if failed or params is None or roles is False:
            return None
        for p in item.params:
            if p.name.id not in used and p.name.id not in misspelt:
                problem = UnusedParameter(
                    span=p.name.span,
                    message=f"`{name}` never reads its parameter `{p.name.id}`",
                    help=("take it out, here and where the template is used",),
                )
                self.report(problem)
        return Prompt(name, params, roles, sources, {})

    # The head

    def params(self, item: tree.Template) -> tuple[tuple[str, str | None], ...] | None:
        out: dict[str, str | None] = {}
        for p in item.params:
            if p.name.id in out:
                self.report(DuplicateName(span=p.name.span, message=f"`{item.name.id}` has two parameters `{p.name.id}`"))
                return None
            if not p.name.id.isidentifier() or p.name.id in UNREADABLE:
                said = f"no template can read a parameter called `{p.name.id}`"
                problem = TemplateVariable(span=p.name.span, wanted=p.name.id, message=said)
                problem.put(help=("Jinja's own words, and what is no single word, cannot be variables: rename it",))
                self.report(problem)
                return None
            try:
                out[p.name.id] = duckdb_type(p.type) if p.type is not None else None
            except TypeProblem as unknown:
                self.report(unknown.diagnostic)
                return None
        return tuple(out.items())

    def roles(self, item: tree.Template) -> tuple[str, ...] | Literal[False] | None:
        """The roles of a chat template, None for a plain one, False after reporting."""
        names = [role for role, _ in item.parts if role is not None]
        if not names:
            return None
        ok = True
        for place, role in enumerate(names):
            if role.id not in ROLES:
                problem = TemplateRole(span=role.span, wanted=role.id, candidates=ROLES)
                problem.suggest(f"chat messages have no role `{role.id}`", listing="roles")
                self.report(problem)
                ok = False
            elif role.id == "system" and place:
                self.report(TemplateRole(span=role.span, wanted=role.id, message="the message of the system comes first, and once"))
                ok = False
        return tuple(r.id for r in names) if ok else False

    # The text

    def parsed(self, string: tree.String) -> Text | None:
        places = Places(string)
        if len(string.value) > LARGEST_TEXT:
            self.report(TooLarge(span=string.span, message=f"a template has at most {LARGEST_TEXT:,} characters"))
            return None
        try:
            made = self.environment.parse(string.value)
        except TemplateSyntaxError as error:
            self.report(syntax_error(error, places, self.open_block(string.value)))
            return None
        except (RecursionError, MemoryError):
            self.report(TooLarge(span=string.span, message="this template is nested too deeply"))
            return None
        except ValueError:
            # Python refuses to read integers of thousands of digits.
            self.report(TooLarge(span=string.span, message="a number in this template has more digits than can be read"))
            return None
        text = Text(places, made, list(self.words(string.value)))
        return text if self.compiles(string, text) else None

    def compiles(self, string: tree.String, text: Text) -> bool:
        """Whether Python can read what becomes of a text. Asked only of those that could be too much for it: it takes some milliseconds."""
        if len(text.words) < LONG and not HUGE.search(string.value):
            return True
        from recipec.templates.filters import Refused
        from recipec.templates.sandbox import Sandbox

        try:
            Sandbox({"0": string.value}, {"0": {}}).compile(string.value)
        except (SyntaxError, RecursionError, MemoryError):
            self.report(TooLarge(span=string.span, message="this template is nested too deeply"))
            return False
        except Refused as error:
            self.report(TooLarge(span=string.span, message=str(error)))
            return False
        except TemplateSyntaxError:
            pass  # a filter that is not there, and the like: told by name
        return True

    def words(self, value: str) -> Iterator[tuple[int, str, str]]:
        """Jinja's words with their offsets: only blanks stand between one and the next, so each is found by looking on."""
        at = 0
        for _, kind, text in self.environment.lexer.tokeniter(value, None):
            if not text:
                continue
            found = value.find(text, at)
            if found < 0:
                continue
            at = found + len(text)
            if kind not in MARKS:
                yield found, kind, text

    def open_block(self, value: str) -> int | None:
        """The line of the innermost statement that nothing closes."""
        stack: list[tuple[str, int]] = []
        begun = False
        try:
            for line, kind, text in self.environment.lexer.tokeniter(value, None):
                if begun and kind == "name":
                    if text in ("for", "if", "macro", "call", "filter", "with"):
                        stack.append((text, line))
                    elif stack and text == f"end{stack[-1][0]}":
                        stack.pop()
                if kind != "whitespace":
                    begun = kind == "block_begin"
        except TemplateSyntaxError:
            return None
        return stack[-1][1] if stack else None

    def names_of_filters(self, text: Text) -> None:
        for node in text.tree.find_all((nodes.Filter, nodes.Test)):
            filter = isinstance(node, nodes.Filter)
            what, known, after = ("filter", FILTERS, "|") if filter else ("test", TESTS, "is")
            name = node.name
            if name not in known:
                span = text.find(name, node.lineno, after=after)
                if span.text != name:
                    span = text.find(name, node.lineno, after="not" if not filter else "filter")
                self.unknown(span, name, what, known)
            elif filter and name in ("map", "select", "reject", "selectattr", "rejectattr"):
                self.by_name(text, node)

    def by_name(self, text: Text, node: Any) -> None:
        """``map("upper")``: a filter or test that is named by a text."""
        place = 1 if node.name.endswith("attr") else 0
        what, known = ("filter", FILTERS) if node.name == "map" else ("test", TESTS)
        if len(node.args) > place and isinstance(node.args[place], nodes.Const) and isinstance(node.args[place].value, str):
            wanted = node.args[place].value
            if wanted not in known:
                self.unknown(quoted(text, wanted, node.lineno), wanted, what, known)
        paths = [node.args[0]] if place and node.args else []
        paths += [k.value for k in node.kwargs if k.key == "attribute"]
        for given in paths:
            if isinstance(given, nodes.Const) and any(part.startswith("_") for part in str(given.value).split(".")):
                self.report(
                    TemplateForbidden(span=quoted(text, given.value, node.lineno), message=f"`{given.value}` reaches Python's insides")
                )

    def unknown(self, span: Span, name: str, what: str, known: frozenset[str]) -> None:
        if what == "filter" and name in REFUSED_FILTERS:
            self.report(TemplateForbidden(span=span, message=f"the filter `{name}` is not there", help=(REFUSED_FILTERS[name],)))
            return
        problem = TemplateFilter(span=span, wanted=name, candidates=tuple(sorted(known)))
        problem.suggest(f"templates have no {what} `{name}`")
        problem.put(help=(*problem.help, "recipec explain template-filter lists them"))
        self.report(problem)

    def whole(self, text: Text) -> None:
        """Statements that templates do not have."""
        refused = {
            nodes.Extends: ("extends", "templates share text by {% include %}"),
            nodes.Block: ("block", "templates share text by {% include %}"),
            nodes.Import: ("import", "macros stand in the template that uses them"),
            nodes.FromImport: ("from", "macros stand in the template that uses them"),
            nodes.ScopedEvalContextModifier: ("autoescape", "prompts are text, not HTML: nothing is escaped here"),
        }
        for node in text.tree.find_all(tuple(refused)):
            word, help = refused[type(node)]
            self.report(TemplateForbidden(span=text.find(word, node.lineno), message=f"templates have no `{word}`", help=(help,)))
        for loop in text.tree.find_all(nodes.For):
            if loop.recursive:
                span = text.find("recursive", loop.lineno)
                self.report(
                    TemplateForbidden(
                        span=span, message="`recursive` loops have no bound", help=("write the inner loop out, or use a macro",)
                    )
                )

    # Includes

    def included(self, text: Text, scopes: Scopes) -> set[str]:
        """The variables that included templates read; what cannot be included is reported."""
        read: set[str] = set()
        for place, node in enumerate(text.tree.find_all(nodes.Include)):
            name = node.template.value if isinstance(node.template, nodes.Const) else None
            if not isinstance(name, str):
                span = text.find("include", 1, nth=place)
                self.report(
                    TemplateInclude(
                        span=span, wanted="", message="the template that is included must be named", help=('{% include "other" %}',)
                    )
                )
                continue
            span = quoted(text, name, node.lineno)
            found = named(self.module, name)
            if found is None:
                if not self.module_broken(name):
                    problem = TemplateInclude(span=span, wanted=name, candidates=tuple(self.module.templates))
                    problem.suggest(f"no template `{name}`", listing="templates")
                    fixes = tuple(f for f in problem.fixes)
                    problem.put(
                        fixes=tuple(type(f)(f.title, tuple(type(e)(e.span, f'"{e.text}"') for e in f.edits), f.safe) for f in fixes),
                        help=(*problem.help, "other files cannot be included: import the recipe that has the template"),
                    )
                    self.report(problem)
                continue
            other, _ = found
            if any(role is not None for role, _ in other.parts):
                self.report(
                    TemplateInclude(span=span, wanted=name, message=f"`{name}` gives chat messages: only plain templates can be included")
                )
                continue
            for p in other.params:
                read.add(p.name.id)
                if p.name.id not in scopes.visible(node):
                    help = f"it sees the variables of this template: add a parameter, or {{% set {p.name.id} = ... %}} before it"
                    self.report(
                        TemplateInclude(span=span, wanted=name, message=f"`{name}` needs `{p.name.id}`, which is not here", help=(help,))
                    )
        return read

    def module_broken(self, name: str) -> bool:
        scope = self.module
        *aliases, last = name.split(".")
        for alias in aliases:
            if alias in scope.broken:
                return True
            if alias not in scope.imports:
                return False
            scope = scope.imports[alias]
        return last in scope.broken and last not in scope.templates

    def circles(self) -> None:
        """Includes followed to their ends: circles are reported once, and every prompt gets all texts that it is made of."""
        for name in list(self.module.prompts):
            item = self.module.templates[name]
            prompt = self.module.prompts[name]
            sources = dict(prompt.sources)
            includes: dict[str, dict[str, str]] = {key: {} for key in sources}
            keys: dict[int, str] = {}
            if self.follow(item, self.module, [(item, Span(item.span.source, 0, 0))], sources, includes, keys, list(sources)):
                self.module.prompts[name] = Prompt(name, prompt.params, prompt.roles, sources, includes)
            else:
                del self.module.prompts[name]
                self.module.broken.add(name)

    def follow(
        self, item: tree.Template, module: Module, above: list[tuple[tree.Template, Span]], sources: dict[str, str],
        includes: dict[str, dict[str, str]], keys: dict[int, str], own: list[str],
    ) -> bool:  # fmt: skip
        for key in own:
            text = self.parsed(item.parts[int(key) if len(above) == 1 else 0][1])
            if text is None:
                return False
            for node in text.tree.find_all(nodes.Include):
                name = node.template.value if isinstance(node.template, nodes.Const) else ""
                found = named(module, name)
                if found is None or found[0].name.id in found[1].broken:
                    return False
                other, inner = found
                span = quoted(text, name, node.lineno)
                chain = [t for t, _ in above]
                if any(t is other for t in chain):
                    loop = [*chain[next(n for n, t in enumerate(chain) if t is other) :], other]
                    said = " -> ".join(t.name.id for t in loop)
                    if not any(isinstance(d, Cycle) and d.span == span for d in self.findings):
                        self.report(
                            Cycle(
                                span=span,
                                message=f"templates include each other in a circle: {said}",
                                also=(Label(other.name.span, "again this one"),),
                            )
                        )
                    return False
                if id(other) not in keys:
                    keys[id(other)] = made = str(len(sources))
                    sources[made], includes[made] = other.parts[0][1].value, {}
                    if not self.follow(other, inner, [*above, (other, span)], sources, includes, keys, [made]):
                        return False
                includes[key][name] = keys[id(other)]
        return True


def named(module: Module, name: str) -> tuple[tree.Template, Module] | None:
    """The template that ``other`` or ``alias.other`` means, and its file."""
    *aliases, last = name.split(".")
    for alias in aliases:
        if alias not in module.imports:
            return None
        module = module.imports[alias]
    return (module.templates[last], module) if last in module.templates else None


def quoted(text: Text, value: str, line: int) -> Span:
    """Where a text stands in quotes."""
    for offset, kind, word in text.words:
        if kind == "string" and word[1:-1] == value and text.places.line_of(offset) >= line:
            return text.places.span(offset, offset + len(word))
    return text.places.line(line)


def syntax_error(error: TemplateSyntaxError, places: Places, open_block: int | None) -> Diagnostic:
    message = (error.message or "this is not Jinja").rstrip(".")
    help: tuple[str, ...] = ()
    line = error.lineno
    if open_block is not None and "nexpected end of template" in message:
        line = open_block
    if "Unexpected end of template" in message or "unexpected 'end of template'" in message:
        help = ("every {% if %} and {% for %} needs its {% endif %} or {% endfor %}",)
    elif "unknown tag" in message:
        help = ("statements: if, for, set, with, macro, call, filter, include, raw",)
    elif "Missing end of raw" in message or "end of comment" in message:
        help = ("a brace that is to be printed is written {{ '{{' }}, or stands in {% raw %}",)
    return TemplateSyntax(span=places.line(line), message=message[0].lower() + message[1:], help=help)


def check(module: Module, findings: Findings) -> None:
    """Check the templates of a file, and make those that can be used its ``prompts``."""
    Checker(module, findings).all()
