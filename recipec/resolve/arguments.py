"""Settings and arguments: from syntax to validated pydantic models, every problem at its own place."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from recipec.api import Arrows, ColumnName, ColumnRef, Expression, ModelRef, PromptCall, Schema, Secret, Settings, TableRef, TypeMap, Word
from recipec.diagnostics import Diagnostic, alike, certain, nearest, replace_fix
from recipec.record import record
from recipec.registry import Group, find
from recipec.registry import names as registry_names
from recipec.resolve.columns import name_problem
from recipec.resolve.problems import (
    BadValue,
    MissingSetting,
    UnknownColumn,
    UnknownOperator,
    UnknownSetting,
    WrongArguments,
    WrongForm,
)
from recipec.resolve.types import TypeProblem, duckdb_type
from recipec.resolve.values import BrokenName, NotAConstant, constant, said, secret
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder


@record(frozen=True)
class Choices:
    """For ``Annotated[Inner, Choices(...)]``: the calls a setting accepts, by name, or a whole group of the registry.

    ``plain`` lets the call stand without parentheses where it has no required arguments (``combine: majority``).
    """

    options: tuple[tuple[str, type[Settings]], ...] = ()
    group: Group | None = None
    what: str = "choice"

    def names(self) -> list[str]:
        return registry_names(self.group) if self.group else [n for n, _ in self.options]

    def model(self, name: str) -> tuple[type[Settings], Any] | None:
        """The model of a choice's arguments, and for a group the class itself."""
        if self.group:
            cls = find(self.group, name)
            return None if cls is None else (cls.Params, cls)
        return next(((m, None) for n, m in self.options if n == name), None)


@record(frozen=True)
class Inner:
    """A nested call, resolved: its name, its validated arguments, and for a registry group the class."""

    name: str
    params: Any
    cls: Any = None


SPECIAL = frozenset({TypeMap, Inner, ColumnName, TableRef, Arrows, ColumnRef, ModelRef, PromptCall})
"""Types whose values are no constants."""


_BARE = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false")
"""Numbers and truth values, as they stand without quotes."""
_PATH = re.compile(r"[\w.*-]*(?:[/.][\w.*-]+)+")
"""A path as people write it without quotes."""


class _Bad(Exception):
    """A value that could not be made; already reported."""


def markers(annotation: Any, metadata: Iterable[Any] = ()) -> tuple[list[Any], Choices | None]:
    """The plain alternatives of an annotation, unions taken apart, and its Choices: pydantic keeps those of a whole field in its ``metadata``."""
    choices: Choices | None = None
    out: list[Any] = []
    queue = [annotation]
    while queue:
        item = queue.pop(0)
        origin = get_origin(item)
        if origin is Annotated:
            choices = next((m for m in get_args(item)[1:] if isinstance(m, Choices)), choices)
            queue.insert(0, get_args(item)[0])
        elif origin in (Union, types.UnionType):
            queue[:0] = get_args(item)
        else:
            out.append(item)
    return out, next((m for m in metadata if isinstance(m, Choices)), choices)


def choices_of(annotation: Any, metadata: Iterable[Any] = ()) -> Choices | None:
    """The calls that a field's value can be, or the items of its list can."""
    options, choices = markers(annotation, metadata)
    return choices or next((c for o in options if get_origin(o) in (list, tuple) and (c := choices_of(element(o)))), None)


def words(options: Iterable[Any]) -> frozenset[str]:
    """The words that an annotation lets stand without quotes: ``assign: hash``, and lists of such."""
    out: set[str] = set()
    for option in options:
        if get_origin(option) is Literal:
            out.update(a for a in get_args(option) if isinstance(a, str))
        elif get_origin(option) in (list, tuple):
            out |= words(markers(element(option))[0])
    return frozenset(out)


def element(annotation: Any) -> Any:
    args = [a for a in get_args(annotation) if a is not Ellipsis]
    return args[0] if args else Any


class Converter:
    """Makes the Python value of one setting from its syntax, as its annotation asks."""

    def __init__(self, bind: StepBinder, schema: Schema | None) -> None:
        self.bind, self.schema = bind, schema

    def bad(self, problem: Diagnostic) -> _Bad:
        self.bind.report(problem)
        return _Bad()

    def convert(self, node: tree.Expr, annotation: Any, metadata: Iterable[Any] = ()) -> Any:
        options, choices = markers(annotation, metadata)
        kinds = {o for o in options if isinstance(o, type)}
        if isinstance(node, tree.Null) and type(None) in kinds:
            return None
        if Inner in kinds and choices is not None and isinstance(node, (tree.Call, tree.Name)):
            wanted = node.func if isinstance(node, tree.Call) else node
            # Where an expression may stand too, a call of nearly a choice's name is that choice, misspelt.
            meant = isinstance(node, tree.Call) and isinstance(wanted, tree.Name) and alike(wanted.id, nearest(wanted.id, choices.names()))
            if isinstance(wanted, tree.Name) and (len(kinds - {type(None)}) == 1 or choices.model(wanted.id) or meant):
                return self.inner(node, choices)
        if TypeMap in kinds and isinstance(node, tree.StructExpr):
            return self.type_map(node)
        if Secret in kinds and (value := secret(node)) is not None:
            return value
        if ColumnRef in kinds and isinstance(node, tree.Field):
            return self.bind.column_ref(node) or self._fail()
        if PromptCall in kinds and isinstance(node, (tree.Call, tree.Name)):
            return self.bind.prompt(node, self.schema or Schema()) or self._fail()
        if ModelRef in kinds and isinstance(node, (tree.Name, tree.Field, tree.Round)):
            if str in kinds and isinstance(given := self.parameter(node), str):
                return given
            # Where either may stand, a column of the table at hand comes first.
            if ColumnName in kinds and isinstance(node, tree.Name) and self.schema is not None and node.id in self.schema.types:
                return self.column(node)
            return self.bind.model(node) or self._fail()
        if TableRef in kinds and isinstance(node, (tree.Name, tree.Field, tree.Round)):
            return self.bind.table(node) or self._fail()
        if Word in kinds:
            return self.word(node)
        chosen = words(options)
        if (
            ColumnName in kinds
            and isinstance(node, tree.Name)
            and not (node.id in chosen and node.id not in (self.schema or Schema()).types)
        ):
            return self.column(node)
        if Arrows in kinds and isinstance(node, tree.Arrow):
            return Arrows(((node.left, node.right),))
        for option in options:
            if get_origin(option) in (list, tuple) and self.special(element(option)):
                items = node.items if isinstance(node, tree.ListExpr) else (node,)
                return self.each(items, element(option))
        if Expression in kinds:
            return self.bind.expression(node, self.schema or Schema()) or self._fail()
        if isinstance(node, tree.Name) and node.id in chosen:
            return node.id
        if isinstance(node, tree.Null) and "null" in chosen:
            return "null"
        if kinds & SPECIAL and not (str in kinds and isinstance(node, (tree.String, tree.Binary, tree.Name))):
            raise self.bad(self.other(node, kinds, choices))
        try:
            return constant(node, self.bind.names.param, words=bool(chosen))
        except BrokenName:
            raise _Bad from None
        except NotAConstant as problem:
            text = node.span.text
            if str in kinds and (isinstance(node, tree.Name) or (isinstance(node, (tree.Field, tree.Binary)) and _PATH.fullmatch(text))):
                quoted = f'"{node.id if isinstance(node, tree.Name) else text}"'
                fix = replace_fix(node.span, quoted, safe=False)
                raise self.bad(BadValue(span=node.span, message="a text stands in quotes", label=f"write {quoted}", fixes=(fix,))) from None
            raise self.bad(problem.diagnostic) from None

    def each(self, items: Iterable[tree.Expr], annotation: Any) -> list[Any]:
        """The values of a list; what is wrong with any of them is reported."""
        made, wrong = [], False
        for item in items:
            try:
                made.append(self.convert(item, annotation))
            except _Bad:
                wrong = True
        if wrong:
            raise _Bad
        return made

    @staticmethod
    def _fail() -> Any:
        raise _Bad

    @staticmethod
    def special(annotation: Any) -> bool:
        kinds = {o for o in markers(annotation)[0] if isinstance(o, type)}
        return bool(kinds & {Expression, ColumnName, TableRef, ColumnRef, Arrows, Inner, Word, ModelRef, PromptCall})

    def other(self, node: tree.Expr, kinds: set[type], choices: Choices | None) -> Diagnostic:
        """What must stand in the place of ``node``; a name in quotes is told to stand without them."""
        problem = BadValue(span=node.span, message=self.expected(kinds, choices))
        if choices is not None and isinstance(node, tree.Binary) and node.op == "-":
            return unknown_choice(node.span, choices)
        name = node.value if isinstance(node, tree.String) else ""
        models = ModelRef in kinds and name in self.bind.names.steps
        known = name in choices.names() if choices is not None else models or (self.schema is not None and name in self.schema.types)
        if name.isidentifier() and known:
            said = "this is a name, not a text" if choices is not None else problem.message
            problem.put(message=said, label="write it without quotes", fixes=(replace_fix(node.span, name, safe=True),))
        return problem

    @staticmethod
    def expected(kinds: set[type], choices: Choices | None) -> str:
        if choices is not None:
            return f"this must be one of: {', '.join(choices.names())}"
        if TypeMap in kinds:
            return "this must be columns and their types: { text: text, n: int }"
        if ColumnName in kinds:
            return "this must be the name of a column"
        if Arrows in kinds:
            return "this must be pairs: old => new"
        if ColumnRef in kinds:
            return "this must be a column of another step: step.column"
        if PromptCall in kinds:
            return "this must be a template with its arguments: ask(text)"
        if ModelRef in kinds:
            return "this must be the name of a model, or of a `train` step"
        return "this must be the name of a step"

    def parameter(self, node: tree.Expr) -> Any:
        """The value of a parameter of the recipe; None for any other name."""
        try:
            return constant(node, self.bind.names.param)
        except (BrokenName, NotAConstant):
            return None

    def word(self, node: tree.Expr) -> Word:
        try:
            value = constant(node, self.bind.names.param, words=True)
        except BrokenName:
            raise _Bad from None
        except NotAConstant as problem:
            raise self.bad(problem.diagnostic) from None
        if not isinstance(value, str):
            raise self.bad(BadValue(span=node.span, message=f"this must be a name or a text, not {value!r}"))
        return Word(value)

    def column(self, node: tree.Name) -> ColumnName:
        schema = self.schema or Schema()
        if node.id in schema.unsure:
            raise _Bad  # its own mistake is told where it is made
        if node.id in schema.types:
            return ColumnName(node.id, schema.types[node.id], node.span)
        if schema.unknown:
            return ColumnName(node.id, "VARCHAR", node.span)
        problem = UnknownColumn(span=node.span, wanted=node.id, candidates=schema.names)
        problem.suggest(f"no column `{node.id}` in {self.bind.table_name}", listing=f"{self.bind.table_name} has")
        raise self.bad(problem)

    def type_map(self, node: tree.StructExpr) -> TypeMap:
        out: dict[str, str] = {}
        spans: dict[str, Span] = {}
        failed = False
        for name, type_node in node.items:
            try:
                if name.id in out:
                    raise self.bad(BadValue(span=name.span, message=f"column `{name.id}` is listed twice"))
                if (problem_of := name_problem(name, out)) is not None:
                    raise self.bad(problem_of)
                out[name.id] = duckdb_type(type_node)
                spans[name.id] = name.span
            except TypeProblem as problem:
                self.bind.report(problem.diagnostic)
                failed = True
        if failed:
            raise _Bad
        return TypeMap(out, spans)

    def try_inner(self, node: tree.Call, choices: Choices) -> Inner | None:
        """A call that is one of the choices; None after reporting."""
        try:
            return self.inner(node, choices)
        except _Bad:
            return None

    def inner(self, node: tree.Call | tree.Name, choices: Choices) -> Inner:
        name_node = node.func if isinstance(node, tree.Call) else node
        if not isinstance(name_node, tree.Name):
            raise self.bad(BadValue(span=node.span, message=self.expected(set(), choices)))
        found = choices.model(name_node.id)
        if found is None:
            raise self.bad(unknown_choice(name_node.span, choices))
        model, cls = found
        call = node if isinstance(node, tree.Call) else tree.Call(name_node, (), span=node.span)
        params = arguments(self.bind, model, call, self.schema)
        if params is None:
            raise _Bad
        return Inner(name_node.id, params, cls)


def unknown_choice(span: Span, choices: Choices) -> UnknownOperator:
    """``f1_scor``, ``f1-score``: none of the choices, but perhaps nearly one, or one with a word behind it."""
    name = span.text.replace("-", "_").replace(" ", "").strip("`")
    problem = UnknownOperator(span=span, wanted=name, candidates=tuple(choices.names()))
    problem.suggest(f"no {choices.what} `{span.text}`", listing="the choices are")
    begun = max((n for n in choices.names() if name.startswith(f"{n}_")), key=len, default=None)
    if begun is not None and not problem.fixes:
        problem.put(label=f"did you mean `{begun}`?", fixes=(replace_fix(span, begun, safe=False),))
    return problem


def settings(
    bind: StepBinder,
    model: type[Settings],
    statements: Iterable[tree.Setting],
    schema: Schema | None,
    *,
    what: str,
    span: Span,
) -> Any | None:
    """The model's instance, or None after reporting every problem of its settings."""
    given: dict[str, tuple[tree.Expr, Span]] = {}
    ok = True
    fields = model.model_fields
    statements = list(statements)
    written = {s.key.id for s in statements}
    for setting in statements:
        key = setting.key.id
        if key not in fields:
            problem = UnknownSetting(span=setting.key.span, wanted=key, candidates=tuple(fields))
            problem.suggest(f"{what} has no setting `{key}`", listing="its settings")
            reader = bind.node.reader.func.span.text if bind.node.reader is not None else ""
            cls = find(bind.kind.readers, reader) if reader else None
            if (other := model.also.get(key)) is not None and other not in written:
                problem.put(label=f"did you mean `{other}`?", fixes=(replace_fix(setting.key.span, other, safe=False),))
                given[other] = (setting.value, setting.key.span)
            if cls is not None and key in cls.Params.model_fields:
                form = f"{reader}(..., {one_line(setting)})"
                problem.put(label=f"an argument of `{reader}`", help=(f"write it in the parentheses: {form}",), fixes=())
            bind.report(problem)
            ok = False
        elif key in given:
            bind.report(WrongArguments(span=setting.key.span, message=f"`{key}` is set twice", help=("keep one of them",)))
            ok = False
        else:
            given[key] = (setting.value, setting.key.span)
    return make(bind, model, given, schema, ok=ok, what=what, span=span)


def arguments(bind: StepBinder, model: type[Settings], call: tree.Call, schema: Schema | None) -> Any | None:
    """The arguments of a call as the model's instance, or None after reporting every problem."""
    fields = model.model_fields
    name = call.func.span.text
    order = [f for f in fields if f != "rest"]
    given: dict[str, tuple[tree.Expr, Span]] = {}
    rest: list[tree.Expr] = []
    ok, named = True, False
    arrows = next((f for f, info in fields.items() if Arrows in markers(info.annotation)[0]), None)
    pairs: list[tuple[tree.Expr, tree.Expr]] = []
    for place, arg in enumerate(call.args):
        if arg.name is None and isinstance(arg.value, tree.Arrow) and arrows is not None:
            pairs.append((arg.value.left, arg.value.right))
            continue
        if arg.name is None:
            if named:
                bind.report(WrongArguments(span=arg.span, message="an argument by position after one by name", help=("put it first",)))
                ok = False
            elif place < len(order) and not ("rest" in fields and (fields[order[place]].json_schema_extra or {}) == {"named": True}):
                given[order[place]] = (arg.value, arg.span)
            elif "rest" in fields:
                rest.append(arg.value)
            else:
                n = len(order)
                bind.report(
                    WrongArguments(
                        span=arg.span,
                        message=f"`{name}` takes at most {n} argument{'s' * (n != 1)}",
                        help=(f"its arguments: {', '.join(order) or 'none'}",),
                    )
                )
                ok = False
            continue
        named = True
        key = arg.name.id
        if key not in fields or key == "rest":
            problem = UnknownSetting(span=arg.name.span, wanted=key, candidates=tuple(order))
            problem.suggest(f"`{name}` has no argument `{key}`", listing="its arguments")
            if call is bind.node.reader and key in bind.kind.Settings.model_fields:
                problem.put(label="a setting of the step", help=(f"write it in the block: {{ {one_line(arg)} }}",), fixes=())
            bind.report(problem)
            ok = False
        elif key in given:
            bind.report(WrongArguments(span=arg.span, message=f"`{key}` is given twice", help=("keep one of them",)))
            ok = False
        else:
            given[key] = (arg.value, arg.name.span)
    extra: dict[str, Any] = {}
    if rest:
        try:
            extra["rest"] = tuple(Converter(bind, schema).each(rest, element(markers(fields["rest"].annotation)[0][0])))
        except _Bad:
            ok, extra["rest"] = False, ()
    if pairs and arrows is not None:
        extra[arrows] = Arrows(tuple(pairs))
    return make(bind, model, given, schema, ok=ok, what=f"`{name}`", span=call.span, extra=extra)


def make(
    bind: StepBinder,
    model: type[Settings],
    given: dict[str, tuple[tree.Expr, Span]],
    schema: Schema | None,
    *,
    ok: bool,
    what: str,
    span: Span,
    extra: dict[str, Any] | None = None,
) -> Any | None:
    converter = Converter(bind, schema)
    values: dict[str, Any] = dict(extra or {})
    for key, (node, _) in given.items():
        info = model.model_fields[key]
        try:
            values[key] = converter.convert(node, info.annotation, info.metadata)
        except _Bad:
            ok = False
    missing = [f for f, info in model.model_fields.items() if info.is_required() and f not in given and f not in (extra or {})]
    for key in missing:
        info = model.model_fields[key]
        options, choices = markers(info.annotation, info.metadata)
        needed = "pairs: old => new" if Arrows in options else f"`{key}`"
        help = (f"{key}: {', '.join(choices.names())}",) if choices is not None else ()
        bind.report(MissingSetting(span=span, message=f"{what} needs {needed}", help=help))
    sound = ok and not missing
    try:
        made = model.model_validate(values)
        return made if sound else None
    except ValueError as problem:  # pydantic's ValidationError is one; it is not imported where nothing is wrong
        from pydantic import ValidationError

        if not isinstance(problem, ValidationError):
            raise
        told: dict[str, list[tuple[str, str]]] = {}
        at: dict[str, tuple[Any, ...]] = {}
        errors: dict[str, Any] = {}
        for error in problem.errors(include_url=False):
            place = str(error["loc"][0]) if error["loc"] else ""
            if not sound and place not in values:
                # It is not there because it is wrong, or was found missing, which is told already.
                continue
            told.setdefault(place, []).append(in_words(error))
            errors.setdefault(place, error)
            at.setdefault(place, tuple(error["loc"][1:]))
        for place, said in told.items():
            # A value of several types is refused once for each; the first says it well enough.
            message, mend = said[0]
            at_node = within(given[place][0], at.get(place, ())) if place in given else None
            shown = f"`{place}` {message}" if place else f"{what}: {message}"
            refused = BadValue(span=span if at_node is None else at_node.span, message=shown, help=(mend,) if mend else ())
            if at_node is not None:
                meant(refused, at_node, errors[place])
            bind.report(refused)
        return None


def meant(problem: BadValue, node: tree.Expr, error: Any) -> None:
    """Suggest the word that was meant by a misspelt one, and the percents by a share of more than everything."""
    context, given = error.get("ctx", {}), error.get("input")
    if error["type"] == "literal_error" and isinstance(given, str):
        options = re.findall(r"'([^']*)'", context["expected"])
        guess = nearest(given, options)
        if guess is not None:
            written = f'"{guess}"' if isinstance(node, tree.String) else guess
            fix = replace_fix(node.span, written, safe=certain(given, guess, options))
            problem.put(label=f"did you mean `{guess}`?", fixes=(fix,))
    elif error["type"] in ("int_type", "float_type", "bool_type") and isinstance(node, tree.String) and _BARE.fullmatch(node.value):
        problem.put(label=f"write `{node.value}`", help=(), fixes=(replace_fix(node.span, node.value),))
    elif context.get("le", context.get("lt")) == 1 and isinstance(node, tree.Number) and not node.percent and 1 < node.value <= 100:
        share = f"{node.value:g}%"
        problem.put(label=f"did you mean `{share}`?", fixes=(replace_fix(node.span, share, safe=False),))


def one_line(node: tree.Node) -> str:
    """A node as it is written, on one line and short."""
    text = " ".join(node.span.text.split())
    return text if len(text) <= 50 else text[:49] + "…"


def within(node: tree.Expr, path: tuple[Any, ...]) -> tree.Expr:
    """The item of a list or struct that a validation error speaks of."""
    for step in path:
        if isinstance(node, tree.ListExpr) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        elif isinstance(node, tree.StructExpr):
            node = next((v for k, v in node.items if k.id == step), node)
    return node


def in_words(error: Any) -> tuple[str, str]:
    """A pydantic error as a sentence, and what would be right."""
    kind, context = error["type"], error.get("ctx", {})
    given = error.get("input")
    match kind:
        case "literal_error":
            return f"must be {context['expected'].replace(chr(39), '')}", ""
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            bound = context.get("ge", context.get("le", context.get("gt", context.get("lt"))))
            words = {"greater_than_equal": "at least", "less_than_equal": "at most", "greater_than": "more than", "less_than": "less than"}
            if bound == 1 and words[kind] in ("at most", "less than") and isinstance(given, (int, float)):
                return f"is a share, {words[kind]} 100%, not {number(given)}", "write it in percents: 85% is 0.85"
            return f"must be {words[kind]} {number(bound)}, not {number(given)}", ""
        case "value_error":
            return str(context.get("error", error["msg"])), ""
        case "string_type":
            return f"must be a text, not {said(given)}", 'write it in quotes: "..."'
        case "int_type" | "int_parsing" | "int_from_float":
            return f"must be a whole number, not {said(given)}", ""
        case "float_type" | "float_parsing":
            return f"must be a number, not {said(given)}", ""
        case "bool_type" | "bool_parsing":
            return f"must be true or false, not {said(given)}", ""
        case "list_type" | "tuple_type":
            return f"must be a list, not {said(given)}", "write it in brackets: [ ... ]"
        case "dict_type":
            return f"must be values by name, not {said(given)}", "write it in braces: { a: 1  b: 2 }"
        case _:
            return str(error["msg"]).replace("Input should be", "must be"), ""


def number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["Choices", "Converter", "Inner", "Literal", "WrongForm", "arguments", "settings"]
