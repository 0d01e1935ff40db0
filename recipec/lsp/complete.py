"""What can be written at a place, the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, get_args, get_origin

from recipec.api import Arrows, ColumnName, ColumnRef, Expression, Kind, ModelRef, PromptCall, Schema, TableRef, TypeMap
from recipec.lsp.analysis import Desk, Spot
from recipec.lsp.context import Context, context
from recipec.lsp.context import complete as complete_token
from recipec.lsp.describe import Callee, callee, entry_page, known, parameter_line, schema_page
from recipec.lsp.live import LiveProgram
from recipec.lsp.offers import Offer, escape, spell, typed
from recipec.lsp.scope import kind_of, loop_columns, module_of, scope, written
from recipec.lsp.texts import inside_text
from recipec.registry import Group
from recipec.registry import names as registry_names
from recipec.report.pages import first_sentence
from recipec.report.reference import Param, fields
from recipec.resolve.arguments import Choices, element, markers, words
from recipec.resolve.modules import Module
from recipec.resolve.values import said
from recipec.syntax.machine import Token
from recipec.syntax.parse import accepts

ITEMS = {
    "recipe": 'recipe "${1:name}" {\n  version: "${2:1.0.0}"\n  seed: ${3:7}\n}',
    "import": 'import "${1:common.recipe}" as ${2:common}',
    "param": "param ${1:name}: ${2:text} = ${3:value}",
    "def": "def ${1:name}(${2:t}) = $0",
    "template": 'template ${1:name}(${2:text}) """\n$0\n"""',
    "repeat": "repeat ${1:3} as ${2:round} {\n  $0\n}",
}
FORMS = {
    "filter": {"keep where": "keep where $0", "drop where": 'drop where ${1:condition} as "${2:reason}"'},
    "when": {"when": 'when ${1:condition} => "${2:label}" as ${3:name}'},
    "expect": {"expect": "expect $0"},
    "vote": {"vote": "vote $0"},
}
TYPES = ("text", "int", "float", "bool", "date", "timestamp", "[text]", "[int]")
MOST_FUNCTIONS = 60


def complete(desk: Desk, spot: Spot) -> tuple[list[Offer], int]:
    """The offers, and how many characters before the place they replace."""
    made = context(spot.piece.source.text, spot.inner)
    completer = Completer(desk, spot, made)
    offers = list(completer.offers())
    unique: dict[str, Offer] = {}
    for offer in offers:
        unique.setdefault(offer.label, offer)
    return list(unique.values()), completer.replaced if made.in_string else len(made.typed)


class Completer:
    def __init__(self, desk: Desk, spot: Spot, context: Context) -> None:
        self.desk, self.spot, self.context = desk, spot, context
        self.program: LiveProgram = desk.program(spot.document, quick=True)
        name = context.tokens[1].text if len(context.tokens) > 1 else ""
        self.module: Module = module_of(self.program, name)
        self.kind: type[Kind] | None = kind_of(context.kind) if context.kind else None
        self._scope: Schema | None = None
        self.replaced = 0
        """Inside a text: how many characters before the place an offer replaces."""

    @property
    def schema(self) -> Schema:
        if self._scope is None:
            self._scope = scope(self.desk, self.spot, self.context)
        return self._scope

    def offers(self) -> Iterator[Offer]:
        c = self.context
        if c.in_string:
            yield from inside_text(self)
        elif not c.block and not c.stack and c.kind != "until" and c.last != "@":
            yield from self.head()
        elif c.last == "." and len(c.tokens) > 1:
            yield from self.members()
        elif c.kind == "recipe":
            yield from self.header()
        elif c.last == "@":
            yield from self.rounds()
        elif c.kind == "until":
            yield from self.until()
        elif c.kind == "template" or (self.kind is None and c.kind not in ("def", "param")):
            return
        elif not c.statement and c.block:
            yield from self.statements()
        elif c.inner is not None and c.call is None:
            yield from self.inner_block(c.inner.text)
        elif c.statement[0].word == "VOTE" and len(c.statement) == 1:
            for name in registry_names("vote"):
                yield self.entry("vote", name, "function", 1, call=True)
        elif c.statement[0].word == "WHEN" and c.last == "=>":
            yield from (Offer(f'"{name}"', "enummember", "class", rank=1) for name in self.own_classes())
        elif (call := c.call) is not None:
            yield from self.argument(*call)
        elif c.setting is not None and self.kind is not None:
            yield from self.setting(c.setting)
        else:
            yield from self.expression()
            yield from self.words()

    # Heads of items

    def head(self) -> Iterator[Offer]:
        c = self.context
        tokens = c.statement
        if not tokens:
            for name in registry_names("step"):
                yield self.entry("step", name, "class", 1)
            for word, snippet in ITEMS.items():
                yield Offer(word, "keyword", snippet=snippet, rank=2)
            return
        if c.kind in ("def", "param") and any(t.kind == "=" for t in tokens):
            yield from self.expression()
            yield from self.words()
        elif c.kind == "param" and c.last == ":":
            yield from (Offer(t, "typeparameter") for t in TYPES)
        elif any(t.word == "FROM" for t in tokens):
            if c.last == ".":
                yield from self.members()
            elif c.last in ("from", ","):
                yield from self.steps(parts=True)
            else:
                yield from self.words()
        elif c.last == "=" and self.kind is not None and self.kind.reader == "required":
            for name in registry_names(self.kind.readers):
                yield self.entry(self.kind.readers, name, "function", 1, call=True)
        elif len(tokens) > 1:
            yield from self.words()

    def header(self) -> Iterator[Offer]:
        from recipec.resolve.modules import HeaderSettings

        if not self.context.statement:
            given = re.findall(r"(\w+)\s*:", self.spot.piece.source.text)
            yield from (Offer(k, "property", snippet=f"{k}: $0") for k in HeaderSettings.model_fields if k not in given)

    def steps(self, *, parts: bool) -> Iterator[Offer]:
        own = self.context.tokens[1].text if len(self.context.tokens) > 1 else ""
        for local, name in self.module.steps.items():
            if local == own:
                continue
            entry = self.program.entries.get(name)
            kind = kind_of(entry.node.kind.id) if entry is not None else None
            if kind is None or not kind.table:
                continue
            resolved = self.program.step(name)
            outputs = resolved.bound.outputs if resolved is not None else {"": Schema(unknown=True)}
            for part, schema in outputs.items():
                if part and not parts:
                    continue
                label = f"{spell(local)}.{spell(part)}" if part else spell(local)
                yield Offer(label, "variable", kind.name, schema_page(schema), rank=2 if part else 1)
        yield from (Offer(a, "module", "import", rank=3) for a in self.module.imports)

    def until(self) -> Iterator[Offer]:
        """The condition of a loop: columns of its steps, and what they gained."""
        if not any(b.name is not None and b.name.text == "gain" for b in self.context.stack):
            doc = "What a column grew by since the round before."
            yield Offer("gain", "function", "gain(step.column)", doc, "gain($0)", rank=1)
        # While its condition is half written the loop is no item of the program: its steps are those of its tokens.
        kinds = registry_names("step")
        for kind, name in pairwise(self.context.tokens):
            if kind.text in kinds and name.kind in ("NAME", "QUOTED") and name.start > kind.end:
                yield Offer(spell(name.text), "variable", f"{kind.text} of the loop", rank=1)

    def rounds(self) -> Iterator[Offer]:
        """Behind ``clf@``: the rounds of the loop that it is in."""
        name = self.context.tokens[-2].text if len(self.context.tokens) > 1 else ""
        for full in self.program.entries:
            head, _, number = full.rpartition("@")
            if head == name and number.isdigit() and number != "0":
                yield Offer(number, "value", f"round {number}", rank=1)

    def members(self) -> Iterator[Offer]:
        """Behind a dot: parts of a split, columns of a step, what an import has, fields of a struct."""
        tokens = self.context.tokens
        names = [tokens[-2].text]
        at = len(tokens) - 3
        while at > 0 and tokens[at].kind == ".":
            names.insert(0, tokens[at - 1].text)
            at -= 2
        scope = self.module
        while names and names[0] in scope.imports:
            scope = scope.imports[names.pop(0)]
            if not names:
                yield from (Offer(spell(n), "variable", "step", rank=1) for n in scope.steps)
                yield from (Offer(spell(n), "function", "def") for n in scope.defs)
                yield from (Offer(spell(n), "constant", "param") for n in scope.params)
                return
        target = scope.steps.get(names[0]) if names else None
        resolved = self.program.step(target) if target is not None else None
        if resolved is not None:
            outputs = resolved.bound.outputs
            if len(names) == 1:
                yield from (Offer(spell(p), "enummember", "part", schema_page(s), rank=1) for p, s in outputs.items() if p)
            if self.context.block or self.context.kind == "until":
                yield from self.columns(outputs.get(names[1] if len(names) > 1 else "", Schema()))
            return
        if self.context.kind == "until" and len(names) == 1:
            yield from self.columns(loop_columns(self.program, self.spot, self.context, names[0]))
            return
        if len(names) == 1 and (type := self.schema.types.get(names[0], "")).startswith("STRUCT("):
            yield from (Offer(spell(f), "field", f"field of {names[0]}") for f in struct_fields(type))

    # Statements of a block

    def statements(self) -> Iterator[Offer]:
        kind = self.kind
        if kind is None:
            return
        made = known("step", kind.name)
        given = {s.key.id for s in self.written_settings()}
        for param in made.params if made is not None else ():
            if param.name not in given:
                yield self.param_offer(param, 1 if param.default is None else 2)
        for form, snippets in FORMS.items():
            if form in kind.takes:
                yield from (Offer(word, "keyword", snippet=text, rank=2) for word, text in snippets.items())
        if "op" in kind.takes:
            for name in registry_names(kind.ops):
                yield self.entry(kind.ops, name, "method", 3, call=True)
        yield from (Offer(name, "property", "block", snippet=f"{name} {{\n  $0\n}}", rank=2) for name in kind.blocks)
        if "assign" in kind.takes:
            for column in self.schema.columns:
                yield Offer(spell(column.name), "field", typed(column.type), snippet=f"{escape(spell(column.name))} = $0", rank=4)

    def written_settings(self) -> list[Any]:
        from recipec.syntax import tree

        item = self.spot.item
        return [s for s in item.body if isinstance(s, tree.Setting)] if isinstance(item, tree.Step) else []

    def setting(self, key: str) -> Iterator[Offer]:
        assert self.kind is not None
        fields = self.kind.Settings.model_fields
        info = fields.get(key) or fields.get(f"{key}_")
        if info is None:
            if "shares" in self.kind.takes:
                yield from (Offer(t, "value") for t in ("80%", "10%"))
            return
        yield from self.values(info.annotation, info.metadata)

    def values(self, annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[Offer]:
        """What may stand for a field of an annotation."""
        options, choices = markers(annotation, metadata)
        yield from (Offer(w, "enummember", rank=1) for w in sorted(words(options)))
        if choices is not None:
            yield from self.calls(choices)
        queue = list(options)
        while queue:
            option = queue.pop(0)
            if get_origin(option) in (list, tuple):
                inside, calls = markers(element(option))
                queue += inside
                if calls is not None:
                    yield from self.calls(calls)
                yield from (Offer(w, "enummember", rank=1) for w in sorted(words(inside)))
            elif option is ModelRef:
                yield from self.models()
            elif option is PromptCall:
                yield from self.templates()
            elif option is bool:
                yield from (Offer(w, "value", rank=1) for w in ("true", "false"))
            elif option in (TableRef, ColumnRef):
                yield from self.steps(parts=True)
            elif option is ColumnName:
                yield from self.columns(self.schema)
            elif option in (Expression, Arrows):
                yield from self.expression()
                yield from self.words()
            elif option is TypeMap:
                before = self.context.last
                if before == ":" and sum(b.sign == "{" for b in self.context.stack) > 1:
                    yield from (Offer(t, "typeparameter") for t in TYPES)
                else:
                    yield from self.columns(self.schema, ": $0")
            elif get_origin(option) is dict:
                if self.context.last in ("{", ",") or (self.context.last != ":" and self.context.last):
                    names = self.inputs()
                    yield from (Offer(n, "variable", "input", snippet=f"{escape(n)}: $0", rank=1) for n in names)
                else:
                    queue.append(get_args(option)[1])
        for name in self.module.params:
            yield Offer(spell(name), "constant", f"param = {said(self.module.params[name])}", rank=6)

    def calls(self, choices: Choices) -> Iterator[Offer]:
        for name in choices.names():
            if choices.group is not None:
                yield self.entry(choices.group, name, "function", 1, call=True)
            else:
                yield Offer(name, "function", snippet=f"{name}($0)", rank=1)

    def models(self) -> Iterator[Offer]:
        """Steps that give a model."""
        own = self.context.tokens[1].text if len(self.context.tokens) > 1 else ""
        for local, name in self.module.steps.items():
            entry = self.program.entries.get(name)
            kind = kind_of(entry.node.kind.id) if entry is not None else None
            if kind is not None and kind.model and local != own:
                yield Offer(spell(local), "variable", kind.name, rank=1)
        yield from (Offer(a, "module", "import", rank=3) for a in self.module.imports)

    def templates(self) -> Iterator[Offer]:
        for name, template in self.module.templates.items():
            listed = ", ".join(p.name.id for p in template.params)
            yield Offer(spell(name), "function", f"template {name}({listed})", snippet=f"{escape(spell(name))}($0)", rank=1)

    def inputs(self) -> list[str]:
        """The step's inputs, as it names them."""
        item = self.spot.item
        from recipec.syntax import tree

        return [" ".join(i.span.text.split()) for i in item.inputs] if isinstance(item, tree.Step) else []

    def own_classes(self) -> list[str]:
        """The classes that the label step at the place lists."""
        from recipec.syntax import tree

        step = written(self.spot, self.context)
        found = [
            s.value for s in (step.body if step is not None else ()) if isinstance(s, tree.Setting) and s.key.id in ("classes", "tags")
        ]
        items = [i for v in found if isinstance(v, tree.ListExpr) for i in v.items]
        return [i.id if isinstance(i, tree.Name) else i.value for i in items if isinstance(i, tree.Name | tree.String)]

    def classes_of(self, column: str) -> Iterator[str]:
        """The classes that a column may hold, where a step of the recipe made it."""
        for step in self.program.resolved.values():
            for made in step.bound.made or () if step is not None else ():
                if made.column == column and made.classes is not None:
                    yield from made.classes

    def inner_block(self, name: str) -> Iterator[Offer]:
        """Inside ``search { ... }`` of a step, or ``lines(text) { ... }``."""
        inside = self.context.inside
        model = self.kind.blocks.get(name) if self.kind is not None else None
        if model is None:
            if inside and not complete_word(inside):
                yield from self.expression()
                yield from self.words()
            else:
                yield from (Offer(word, "keyword", snippet=text, rank=1) for word, text in FORMS["filter"].items())
            return
        if len(inside) >= 2 and inside[1].kind == ":":
            info = model.model_fields.get(inside[0].text)
            if info is not None:
                yield from self.values(info.annotation, info.metadata)
            return
        given = {t.text for t, after in pairwise(self.context.tokens[self.context.stack[1].at + 1 :]) if after.kind == ":"}
        for param in fields(model)[0]:
            if param.name not in given:
                yield self.param_offer(param, 1)

    def argument(self, name: str, place: int, named: str | None, given: list[str]) -> Iterator[Offer]:
        """Inside the parentheses of a call."""
        found = self.callee(name)
        if found is None:
            yield from self.expression()
            yield from self.words()
            return
        if named is None:
            yield from (self.param_offer(p, 3) for p in found.params if p.default is not None and p.name not in (*given, "rest"))
        if found.model is None:
            yield from self.expression()
            yield from self.words()
            return
        fields = found.model.model_fields
        order = [f for f in fields if f != "rest"]
        key = named if named in fields else order[place] if named is None and place < len(order) else "rest" if "rest" in fields else None
        if key is not None and "rest" in fields and named is None and (fields[key].json_schema_extra or {}) == {"named": True}:
            key = "rest"
        if key is not None and key in fields:
            yield from self.values(fields[key].annotation, fields[key].metadata)

    def callee(self, name: str) -> Callee | None:
        c = self.context
        groups: tuple[Group, ...] = ("function",)
        if not c.block:
            groups = (self.kind.readers if self.kind is not None else "reader", "function")
        elif len(c.statement) > 1 and c.statement[0].word == "VOTE" and c.statement[1].text == name:
            groups = ("vote", "function")
        elif c.statement and c.statement[0].text == name:
            groups = (self.kind.ops if self.kind is not None else "operator", "function")
        return callee(name, groups, self.program, c.kind, c.setting)

    # Expressions

    def expression(self) -> Iterator[Offer]:
        c = self.context
        if c.block:
            yield from self.columns(self.schema)
        elif c.kind == "def":
            names = [t.text for t in c.statement[3:] if t.kind == "NAME"]
            stop = next((i for i, t in enumerate(c.statement) if t.kind == ")"), len(c.statement))
            yield from (Offer(n, "variable", "parameter", rank=1) for n in dict.fromkeys(names[:stop]))
        for name in registry_names("function"):
            yield self.entry("function", name, "function", 3, call=True)
        for name, macro in self.module.defs.items():
            listed = ", ".join(p.id for p in macro.params)
            yield Offer(spell(name), "function", f"def {name}({listed})", snippet=f"{escape(spell(name))}($0)", rank=2)
        for name, template in self.module.templates.items():
            listed = ", ".join(p.name.id for p in template.params)
            yield Offer(spell(name), "function", f"template {name}({listed})", snippet=f"{escape(spell(name))}($0)", rank=4)
        for name, value in self.module.params.items():
            yield Offer(spell(name), "constant", f"param = {said(value)}", rank=2)
        if self.kind is not None and self.kind.name == "expect":
            yield from self.steps(parts=True)
        typed_word = c.typed.lower()
        if len(typed_word) >= 2:
            scalar = self.program.memory.typing.functions("scalar")
            close = sorted(n for n in scalar if n.startswith(typed_word) and re.fullmatch(r"[a-z]\w*", n) and not n.startswith("_"))
            yield from (Offer(n, "function", "DuckDB", snippet=f"{n}($0)", rank=7) for n in close[:MOST_FUNCTIONS])

    def columns(self, schema: Schema, behind: str = "") -> Iterator[Offer]:
        for column in schema.columns:
            name = spell(column.name)
            yield Offer(name, "field", typed(column.type), snippet=f"{escape(name)}{behind}" if behind else "", rank=1)

    def words(self) -> Iterator[Offer]:
        yield from (Offer(w, "keyword", rank=8) for w in accepts(self.spot.piece.source, self.spot.inner).words)

    # Making offers

    def entry(self, group: Group, name: str, what: str, rank: int, call: bool = False) -> Offer:
        made = known(group, name)
        if made is None:
            return Offer(name, what, rank=rank)
        return Offer(name, what, first_sentence(made.summary), entry_page(made), f"{name}($0)" if call else "", rank)

    @staticmethod
    def param_offer(param: Param, rank: int) -> Offer:
        return Offer(param.name, "property", param.type, parameter_line(param), f"{param.name}: $0", rank)


def complete_word(tokens: Sequence[Token]) -> bool:
    """Whether a statement may be over with these tokens."""
    return complete_token(tokens[-1])


def struct_fields(type: str) -> list[str]:
    """The names of a DuckDB struct type's fields."""
    inner, depth, out, current = type[len("STRUCT(") : -1], 0, [], ""
    for char in inner + ",":
        if char == "," and depth == 0:
            found = re.match(r'\s*("(?:[^"]|"")*"|\S+)\s', current)
            if found:
                out.append(found[1].strip('"').replace('""', '"'))
            current = ""
            continue
        depth += (char in "([") - (char in ")]")
        current += char
    return out
