"""What each word of a file is, for colours that follow meaning: tokens first, then what the tree knows of the names."""

from __future__ import annotations

from recipec.lsp.analysis import Document
from recipec.lsp.pieces import Piece
from recipec.syntax import tree
from recipec.syntax.lexer import scan

TYPES = (
    "keyword", "type", "class", "function", "method", "variable", "property", "parameter", "namespace", "macro", "string", "number",
    "regexp", "comment", "operator",
)  # fmt: skip
LEXICAL = {
    "STRING": "string", "BLOCK": "string", "NUMBER": "number", "PERCENT": "number", "UNIT": "number", "REGEX": "regexp",
    "COMMENT": "comment", "|>": "operator", "=>": "operator",
}  # fmt: skip


def colours(document: Document) -> list[int]:
    """The numbers that the protocol wants: five for each word, its place relative to the word before."""
    source = document.source
    out: list[int] = []
    line, column = 0, 0
    for piece, base in zip(document.pieces.pieces, document.pieces.starts, strict=True):
        for start, end, type in words(piece):
            for a, b in lines(source.text, base + start, base + end):
                row, left = source.utf16(a)
                width = len(source.text[a:b].encode("utf-16-le", "surrogatepass")) // 2
                out += [row - line, left - column if row == line else left, width, TYPES.index(type), 0]
                line, column = row, left
    return out


def lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A range cut at line ends: clients need not know words of several lines."""
    out = []
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop == -1 else stop
        right = stop - 1 if stop > start and text[stop - 1] == "\r" else stop
        if right > start:
            out.append((start, right))
        start = stop + 1
    return out


def words(piece: Piece) -> list[tuple[int, int, str]]:
    """(start, end, type) of every word worth a colour, in order."""
    names: dict[int, str] = {}
    for item in piece.file.items:
        classify(item, names)
    out: list[tuple[int, int, str]] = []
    for token in scan(piece.source).tokens:
        type = LEXICAL.get(token.kind)
        if token.kind in ("NAME", "QUOTED"):
            type = names.get(token.start) or ("keyword" if token.word is not None else None)
        if type is not None:
            out.append((token.start, token.end, type))
    return out


def classify(node: tree.Node, names: dict[int, str], local: frozenset[str] = frozenset()) -> None:
    def put(name: tree.Node, type: str) -> None:
        names[name.span.start] = type

    match node:
        case tree.Step(kind=kind, name=name, inputs=inputs, reader=reader, body=body):
            put(kind, "type")
            put(name, "class")
            for item in inputs:
                for inner in tree.walk(item):
                    if isinstance(inner, tree.Name):
                        put(inner, "class")
            if reader is not None:
                classify(reader, names)
            for statement in body:
                classify(statement, names)
        case tree.Import(alias=name):
            put(name, "namespace")
        case tree.Param(name=name, type=type, default=default):
            put(name, "parameter")
            put(type, "type")
            if default is not None:
                classify(default, names)
        case tree.Def(name=name, params=params, body=inner_body):
            put(name, "macro")
            for p in params:
                put(p, "parameter")
            classify(inner_body, names, frozenset(p.id for p in params))
        case tree.Template(name=name, params=template_params):
            put(name, "macro")
            for t in template_params:
                put(t.name, "parameter")
        case tree.Setting(key=key, value=value):
            put(key, "property")
            classify(value, names, local)
        case tree.Assign(column=column, value=value):
            put(column, "variable")
            classify(value, names, local)
        case tree.Op(call=call, name=op_name, body=op_body):
            classify(call, names, local)
            put(call.func.name if isinstance(call.func, tree.Field) else call.func, "method")
            if op_name is not None:
                put(op_name, "variable")
            for statement in op_body or ():
                classify(statement, names, local)
        case tree.Call(func=func, args=args):
            if isinstance(func, tree.Field):
                classify(func.base, names, local)
            put(func.name if isinstance(func, tree.Field) else func, "function")
            for arg in args:
                if arg.name is not None:
                    put(arg.name, "property")
                classify(arg.value, names, local)
        case tree.StructExpr(items=items):
            for key, value in items:
                put(key, "property")
                classify(value, names, local)
        case tree.Cast(value=value, type=type):
            classify(value, names, local)
            put(type, "type")
        case tree.Lambda(params=params, body=inner_body):
            for p in params:
                put(p, "parameter")
            classify(inner_body, names, local | {p.id for p in params})
        case tree.Name(id=id):
            put(node, "parameter" if id in local else "variable")
        case _:
            for child in tree.children(node):
                classify(child, names, local)
