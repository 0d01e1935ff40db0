"""What can be written inside a text: variables of a template, files, classes, tables of a query, rules behind ``# allow:``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.lsp.offers import Offer, spell, typed
from recipec.lsp.scope import input_schemas, module_of
from recipec.syntax import tree
from recipec.syntax.machine import Token

if TYPE_CHECKING:
    from recipec.lsp.complete import Completer

_LOOP = re.compile(r"{%-?\s*for\s+(\w+)\s+in\s+(\w+)")
_SET = re.compile(r"{%-?\s*set\s+(\w+)")
_ALLOW = re.compile(r"#\s*allow:\s*(?:[\w-]+\s*,\s*)*([\w-]*)$")
_REASON = re.compile(r"#\s*allow:\s*[\w-]+(?:\s*,\s*[\w-]+)*\s+(\w*)$")


def inside_text(completer: Completer) -> Iterator[Offer]:
    """Offers for a place inside a string, a block or a comment; ``completer.replaced`` is set to what they replace."""
    text, at = completer.spot.piece.source.text, completer.spot.inner
    before = text[:at]
    c = completer.context
    line = before.rpartition("\n")[2]
    half = re.search(r"\w*$", before)
    completer.replaced = len(half[0]) if half is not None else 0
    if "#" in line and (found := _ALLOW.search(line)):
        completer.replaced = len(found[1])
        yield from rules()
    elif "#" in line and _REASON.search(line):
        yield Offer("because", "keyword", "the reason, which a silence needs", rank=1)
    elif c.kind == "template":
        if max(before.rfind("{{"), before.rfind("{%")) > max(before.rfind("}}"), before.rfind("%}")):
            yield from variables(c.tokens, before)
    elif c.block and c.statement and c.statement[0].word == "WHEN" and c.last == "=>":
        yield from (Offer(n, "enummember", "class", rank=1) for n in completer.own_classes())
    elif c.block and c.last in ("==", "!=", "when", "=>") and (column := compared(c.tokens)) is not None:
        yield from (Offer(n, "enummember", f"class of {column}", rank=1) for n in completer.classes_of(column))
    elif not c.block and completer.kind is not None and completer.kind.text != "no":
        yield from tables(completer)
    elif not c.block and (c.call is not None or c.kind == "import"):
        begun = before[before.rfind('"') + 1 :]
        completer.replaced = len(begun.rpartition("/")[2])
        yield from paths(completer.program.folder, begun, ".recipe" if c.kind == "import" else "")


def rules() -> Iterator[Offer]:
    """The lints, which a comment silences."""
    from recipec.lints._run import names
    from recipec.report.rules import find_rule

    for name in names():
        rule = find_rule(name)
        if rule is not None:
            yield Offer(name, "value", f"{rule.code}, {rule.severity}", rule.title, f"{name} because $0", rank=1)


def variables(tokens: list[Token], before: str) -> Iterator[Offer]:
    """Between a template's braces: its parameters and what loops and ``set`` make, fields behind a dot, filters behind ``|``."""
    params = parameters(tokens)
    loops = dict(_LOOP.findall(before))
    if re.search(r"\|\s*\w*$", before):
        from recipec.templates.language import FILTERS

        yield from (Offer(name, "function", "filter", rank=1) for name in sorted(FILTERS))
        return
    dotted = re.search(r"(\w+)\.\w*$", before)
    if dotted is not None:
        owner: str = dotted[1]
        type = params.get(loops.get(owner, owner), [])
        names = [t.text for t, after in pairwise(type) if t.kind in ("NAME", "QUOTED") and after.kind == ":"]
        yield from (Offer(n, "field", f"field of {dotted[1]}", rank=1) for n in names)
        return
    yield from (Offer(n, "variable", "parameter of the template", rank=1) for n in params)
    yield from (Offer(n, "variable", "of the loop", rank=1) for n in loops)
    yield from (Offer(n, "variable", "set above", rank=2) for n in _SET.findall(before))
    if loops:
        yield Offer("loop", "variable", "the loop: loop.index, loop.first, loop.last", rank=3)


def parameters(tokens: list[Token]) -> dict[str, list[Token]]:
    """The parameters of a template's head, with the tokens of their types."""
    out: dict[str, list[Token]] = {}
    depth, name = 0, ""
    for number, token in enumerate(tokens[2:], 2):
        depth += (token.kind in ("(", "[", "{")) - (token.kind in (")", "]", "}"))
        if depth == 0:
            break
        if depth == 1 and token.kind in ("NAME", "QUOTED") and tokens[number - 1].kind in ("(", ","):
            name = token.text
            out[name] = []
        elif name:
            out[name].append(token)
    return out


def compared(tokens: list[Token]) -> str | None:
    """The column that a text is compared with: ``label == "..."``."""
    if len(tokens) > 1 and tokens[-1].text in ("==", "!=") and tokens[-2].kind in ("NAME", "QUOTED"):
        return tokens[-2].text.strip("`")
    cases = [i for i, t in enumerate(tokens) if t.word == "CASE"]
    if cases and tokens[-1].word == "WHEN" and cases[-1] + 1 < len(tokens) and tokens[cases[-1] + 1].kind in ("NAME", "QUOTED"):
        return tokens[cases[-1] + 1].text.strip("`")
    return None


def tables(completer: Completer) -> Iterator[Offer]:
    """In the SQL of a step: its inputs and their columns."""
    item = completer.spot.item
    if not isinstance(item, tree.Step):
        return
    yield from (Offer(" ".join(i.span.text.split()), "variable", "input", rank=1) for i in item.inputs)
    for schema in input_schemas(completer.program, item, module_of(completer.program, item.name.id)):
        yield from (Offer(spell(c.name), "field", typed(c.type), rank=2) for c in schema.columns)


def paths(folder: Path, begun: str, suffix: str) -> Iterator[Offer]:
    """Files and folders that a half-written path may mean, relative to the recipe's folder."""
    place = folder / begun.rpartition("/")[0]
    try:
        entries = sorted(place.iterdir())[:200]
    except OSError:
        return
    for path in entries:
        if path.name.startswith(".") or not (path.is_dir() or path.name.endswith(suffix)):
            continue
        yield Offer(path.name, "folder" if path.is_dir() else "file")
