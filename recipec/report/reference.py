"""The reference, made from the registry: step kinds, operators, functions, readers, formats, with what they take.

Everything comes from the one class or function that is the thing: its docstring, and the model of its settings or
arguments, so that the reference cannot fall behind the code.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from recipec.registry import Group, find, names
from recipec.report.pages import first_sentence

TITLES: dict[Group, str] = {
    "step": "Step kinds",
    "reader": "Readers of a source",
    "operator": "Operators of a clean step",
    "function": "Functions of expressions",
    "provider": "Models",
    "vote": "Votes of a label step",
    "combiner": "Ways to combine votes",
    "augmenter": "Operators of an augment step",
    "selector": "Ways to select rows",
    "task": "Tasks of a train step",
    "metric": "Metrics of an evaluate step",
    "format": "Formats of an export",
}
REST = "rest"
"""The field that takes all further arguments by position."""

ONE: dict[Group, str] = {
    "step": "step kind", "reader": "reader", "operator": "operator", "function": "function", "provider": "model", "vote": "vote",
    "combiner": "combiner", "augmenter": "operator of augment", "selector": "selector", "task": "task", "metric": "metric", "format": "format",
}  # fmt: skip


@dataclass(frozen=True)
class Param:
    """A setting or argument. ``type`` and ``default`` as a recipe would write them; default None where it must be given."""

    name: str
    type: str
    default: str | None
    doc: str = ""


@dataclass(frozen=True)
class Choice:
    """A call that a setting accepts (``keep: best(expr)``), with its own arguments."""

    setting: str
    name: str
    params: tuple[Param, ...]


@dataclass(frozen=True)
class Entry:
    group: Group
    name: str
    signature: str
    doc: str
    params: tuple[Param, ...] = ()
    choices: tuple[Choice, ...] = ()
    facts: tuple[str, ...] = field(default=())

    @property
    def summary(self) -> str:
        return first_sentence(self.doc)

    @property
    def called(self) -> str:
        """``settings`` of a step, ``arguments`` of a call."""
        return "settings" if self.group == "step" else "arguments"


def entries(group: Group) -> Iterator[Entry]:
    """Every entry of a group, by name."""
    for name in names(group):
        made = entry(group, name)
        if made is not None:
            yield made


def entry(group: Group, name: str) -> Entry | None:
    thing = find(group, name)
    if thing is None:
        return None
    if group == "function":
        return function_entry(name, thing)
    doc = inspect.cleandoc(thing.__doc__ or "")
    model = thing.Settings if group == "step" else thing.Params
    params, choices = fields(model)
    if group == "step":
        return Entry(group, name, step_signature(name, thing), doc, params, choices, step_facts(thing))
    return Entry(group, name, call_signature(name, params), doc, params, choices)


def function_entry(name: str, thing: Any) -> Entry:
    from recipec.api import REQUIRED
    from recipec.resolve.types import shown

    params = tuple(
        Param(p.name, p.type if p.constant else anything(shown(p.type)), None if p.default is REQUIRED else literal(p.default))
        for p in thing.parameters
    )
    listed = ", ".join(f"{p.name}: {p.type}" + (f" = {p.default}" if p.default is not None else "") for p in params)
    return Entry("function", name, f"{name}({listed}) -> {anything(shown(thing.returns))}", thing.doc, ())


def anything(type: str) -> str:
    return "anything" if type == "any" else type


def step_signature(name: str, kind: Any) -> str:
    """``clean NAME from INPUT { ... }``"""
    least, most = kind.inputs
    parts = [name, "NAME"]
    if most != 0:
        some = "INPUT" if most == 1 else "INPUT, ..."
        parts.append(f"from {some}" if least else f"[from {some}]")
    if kind.reader == "required":
        parts.append("= READER(...)")
    if kind.text != "no":
        parts.append('"""..."""' if kind.text == "required" else '["""..."""]')
    return " ".join([*parts, "{ ... }"])


FORMS = {
    "assign": "`column = expr`",
    "filter": "`keep where` and `drop where`",
    "when": "`when ... => ...`",
    "expect": "`expect ...`",
    "op": "operators",
    "vote": "`vote ...`",
    "shares": "`PART: share`",
}


def step_facts(kind: Any) -> tuple[str, ...]:
    taken = [words for form, words in FORMS.items() if form in kind.takes]
    return (f"In its block: {', '.join([*taken, 'settings'])}.",) if taken else ()


def call_signature(name: str, params: Sequence[Param]) -> str:
    """``chunk(text, tokens: 512)``: what must be given as a word, the rest with its default."""
    rest = [f"{p.type[1:-1]}, ..." for p in params if p.name == REST]
    given = [p.name for p in params if p.default is None and p.name != REST]
    named = [f"{p.name}: {p.default}" for p in params if p.default is not None and p.name != REST]
    return f"{name}({', '.join([*given, *rest, *named])})"


# Models of settings


def fields(model: Any) -> tuple[tuple[Param, ...], tuple[Choice, ...]]:
    """The fields of a pydantic model in words, and the calls that they accept."""
    from recipec.resolve.arguments import markers

    params: list[Param] = []
    choices: list[Choice] = []
    for name, info in model.model_fields.items():
        options, found = markers(info.annotation, info.metadata)
        words = any(get_origin(o) is Literal for o in options)
        value = None if info.is_required() else info.get_default(call_default_factory=True)
        default = None if info.is_required() else value if words and isinstance(value, str) else literal(value)
        params.append(Param(name, type_words(info.annotation, found) + bounds(info.metadata), default, info.description or ""))
        if found is not None and found.group is None:
            choices += [Choice(name, option, fields(inner)[0]) for option, inner in found.options]
    return tuple(params), tuple(choices)


def type_words(annotation: Any, choices: Any = None) -> str:
    """An annotation as a recipe's author thinks of it: ``column``, ``[text]``, ``first | longest``."""
    from recipec.resolve.arguments import markers

    options, inner = markers(annotation)
    words = dict.fromkeys(word for o in options if o is not type(None) for word in one_type(o, choices or inner))
    return " | ".join(words) or "nothing"


def one_type(annotation: Any, choices: Any) -> list[str]:
    from recipec import api
    from recipec.resolve.arguments import Inner, element

    simple: dict[Any, str] = {
        str: "text", int: "int", float: "number", bool: "true | false", api.Expression: "expression", api.ColumnName: "column",
        api.TableRef: "step", api.ColumnRef: "step.column", api.Arrows: "old => new", api.TypeMap: "{ column: type }",
        api.Secret: 'env("NAME")', api.ModelRef: "model", api.PromptCall: "template(...)", Any: "anything",
    }  # fmt: skip
    if annotation in simple:
        return [simple[annotation]]
    if annotation is Inner:
        if choices is None:
            return ["call"]
        if choices.group:
            return [f"{ONE[choices.group]}(...)"]
        return [f"{name}(...)" if model.model_fields else name for name, model in choices.options]
    origin = get_origin(annotation)
    if origin is Literal:
        return [str(a) for a in get_args(annotation)]
    if origin in (list, tuple, set, frozenset):
        return [f"[{type_words(element(annotation), choices)}]"]
    if origin is dict:
        key, value = get_args(annotation)
        return [f"{{ {'name' if key is str else type_words(key)}: {type_words(value, choices)} }}"]
    return [getattr(annotation, "__name__", str(annotation)).lower()]


def bounds(metadata: Sequence[Any]) -> str:
    """`` , 1 to 50`` from the limits of a field."""
    limits = {k: getattr(m, k) for m in metadata for k in ("gt", "ge", "lt", "le") if getattr(m, k, None) is not None}
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    if limits.keys() == {"ge", "le"}:
        return f", {limits['ge']} to {limits['le']}"
    return "".join(f", {words[k]} {limits[k]}" for k in ("ge", "gt", "le", "lt") if k in limits)


def literal(value: Any) -> str:
    """A default as a recipe would write it."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            import json

            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return "[" + ", ".join(literal(v) for v in value) + "]"
        case dict():
            return "{ " + ", ".join(f"{k}: {literal(v)}" for k, v in value.items()) + " }" if value else "{}"
        case float():
            return f"{value:g}"
        case _:
            name = getattr(value, "name", None)
            return f"{name}()" if isinstance(name, str) else str(value)
