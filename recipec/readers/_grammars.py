"""Functions and classes of languages other than Python, found by tree-sitter's grammars (the extra ``code``).

A language is a table of the names that its grammar has for things; what the tables share stands once, in :class:`Finder`.
A grammar reads on after what it does not understand, so a broken file gives what is whole in it and a bad row for each part that is not.

Source of the method: the grammars' own node-types.json, in the versions that the extra names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from recipec.readers._documents import Bad

Node: TypeAlias = Any
"""tree_sitter.Node"""

MOST = 8 << 20
"""Bytes of the longest file that is parsed: its tree takes some fifty times as much memory."""
STEPS = 20_000
"""How often a parser may say that it still works, and once more for every five bytes: a usual file takes one for seventy-five, and only one made
for it more than that. A clock would not count the same everywhere."""
PIECE = 1 << 16
SHOWN = 40


@dataclass(frozen=True)
class Language:
    """``functions`` and ``classes`` are what rows are made of; ``around`` has a name that goes before theirs and is no class; ``sealed`` is
    not looked into, as functions are not; ``wrapped`` stands around one of them and belongs to it; ``before`` belongs to what follows."""

    module: str
    functions: frozenset[str]
    classes: frozenset[str]
    entry: str = "language"
    around: frozenset[str] = frozenset()
    sealed: frozenset[str] = frozenset()
    wrapped: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    body: str = ""
    """Of a language with macros, whose declarations no grammar can understand all: what a function's body is, and begins with ``{``."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMENTS = words("comment line_comment block_comment")
_SCRIPT = Language(
    "tree_sitter_javascript",
    words("function_declaration generator_function_declaration method_definition"),
    words("class_declaration abstract_class_declaration interface_declaration class"),
    around=words("internal_module module"),
    wrapped=words("export_statement ambient_declaration lexical_declaration variable_declaration expression_statement"),
    before=words("decorator"),
)
_TYPED = replace(_SCRIPT, module="tree_sitter_typescript", entry="language_typescript")
_C = Language(
    "tree_sitter_c",
    words("function_definition"),
    words("struct_specifier union_specifier enum_specifier"),
    wrapped=words("type_definition"),
    body="compound_statement",
)  # fmt: skip
LANGUAGES: Mapping[str, Language] = {
    "javascript": _SCRIPT,
    "typescript": _TYPED,
    "tsx": replace(_TYPED, entry="language_tsx"),
    "java": Language(
        "tree_sitter_java",
        words("method_declaration constructor_declaration compact_constructor_declaration"),
        words("class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration"),
        sealed=words("object_creation_expression lambda_expression"),
    ),
    "scala": Language(
        "tree_sitter_scala",
        words("function_definition"),
        words("class_definition object_definition trait_definition enum_definition"),
        sealed=words("lambda_expression instance_expression"),
    ),
    "c": _C,
    "c++": Language(
        "tree_sitter_cpp",
        _C.functions,
        _C.classes | {"class_specifier"},
        around=words("namespace_definition"),
        sealed=words("lambda_expression"),
        wrapped=_C.wrapped | {"template_declaration"},
        body=_C.body,
    ),
    "c#": Language(
        "tree_sitter_c_sharp",
        words("method_declaration constructor_declaration destructor_declaration operator_declaration conversion_operator_declaration"),
        words("class_declaration struct_declaration interface_declaration record_declaration enum_declaration"),
        sealed=words("lambda_expression anonymous_method_expression"),
    ),
    "go": Language(
        "tree_sitter_go", words("function_declaration method_declaration"), words("type_spec"), sealed=words("func_literal"), wrapped=words("type_declaration")
    ),
    "rust": Language(
        "tree_sitter_rust",
        words("function_item"),
        words("struct_item enum_item union_item trait_item impl_item"),
        around=words("mod_item"),
        sealed=words("closure_expression macro_definition macro_invocation"),
        before=words("attribute_item"),
    ),
    "ruby": Language("tree_sitter_ruby", words("method singleton_method"), words("class module"), sealed=words("lambda")),
    "php": Language(
        "tree_sitter_php",
        words("function_definition method_declaration"),
        words("class_declaration interface_declaration trait_declaration enum_declaration"),
        "language_php",
        sealed=words("anonymous_function anonymous_function_creation_expression arrow_function"),
    ),
}  # fmt: skip
"""By the names that ``code`` has for languages, and ``tsx``: TypeScript with elements."""
_VALUES = words("arrow_function function_expression generator_function")
"""Functions without a name of their own, which get that of what they are the value of."""
_NAMED_BY = {
    "variable_declarator": ("name", "value"),
    "assignment_expression": ("left", "right"),
    "pair": ("key", "value"),
    "field_definition": ("property", "value"),
    "public_field_definition": ("name", "value"),
    "export_statement": ("", "value"),
}
"""In JavaScript and TypeScript, what names a value, and the value; what a module exports without a name is its ``default``."""
_PLUS = re.compile(r"(?m)^\s*(?:class|namespace|template|using|public:|private:)(?!\w)")
"""What makes a header of C one of C++."""
_OPERATOR = re.compile(r"(?:^|::)\s*operator(?!\w)\s*")


@dataclass(frozen=True, slots=True)
class Found:
    """A function or class: its full name, its first and last line, from 1, the comment above it, and its text with that."""

    name: str
    line: int
    end_line: int
    comment: str | None
    text: str


def grammar_of(language: str | None, suffix: str) -> str:
    """The name in :data:`LANGUAGES` of what reads a file of a language; empty where none does."""
    if language == "typescript" and suffix == ".tsx":
        return "tsx"
    return language if language is not None and language in LANGUAGES else ""


def missing(grammar: str) -> str | None:
    """The module of a grammar that is not installed."""
    from importlib.util import find_spec

    return next((m for m in ("tree_sitter", LANGUAGES[grammar].module) if find_spec(m) is None), None)


def definitions(text: str, grammar: str, suffix: str, by: str) -> Iterator[Found | Bad]:
    """The functions or classes of a file, in its order, and what in it cannot be read. Lines end in LF."""
    raw = text.encode()
    if len(raw) > MOST:
        yield Bad(f"longer than {MOST >> 20} MiB: {by}s are not looked for in it")
        return
    if suffix == ".h" and missing("c++") is None and _PLUS.search(text):
        grammar = "c++"
    tree = parsed(raw, grammar)
    if tree is None:
        yield Bad("its parts are nested in ways that take too long to tell apart", text)
        return
    yield from Finder(raw, LANGUAGES[grammar], by).found(tree)


@cache
def loaded(grammar: str) -> Any:
    known = LANGUAGES[grammar]
    return import_module("tree_sitter").Language(getattr(import_module(known.module), known.entry)())


def parsed(raw: bytes, grammar: str) -> Node | None:
    """The root of a text's tree; None where finding it took too many steps."""
    parser = import_module("tree_sitter").Parser(loaded(grammar))
    left = STEPS + len(raw) // 5

    def told(at: int, broken: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    # Given all at once it would not say how far it is.
    try:
        return parser.parse(lambda at, _: raw[at : at + PIECE], progress_callback=told).root_node
    except ValueError:  # stopped
        return None


class Finder:
    """Goes through a tree from its root, but not into functions: what is in a function is part of its text."""

    def __init__(self, raw: bytes, language: Language, by: str) -> None:
        self.raw, self.known = raw, language
        self.wanted = language.functions if by == "function" else language.classes
        self.by = by
        self.script = language.module in (_SCRIPT.module, _TYPED.module)

    def found(self, root: Node) -> Iterator[Found | Bad]:
        waiting: list[tuple[str, Node]] = [("", root)]
        while waiting:
            outer, node = waiting.pop()
            kind = node.type
            if node.is_error or node.is_missing:
                if not self.known.body or b"{" in self.raw[node.start_byte : node.end_byte]:
                    yield self.broken(node, node)
                continue
            if kind == self.known.body:
                yield Bad(f"line {node.start_point[0] + 1}: it is not understood whose body this is", self.text(node))
                continue
            inner, name = outer, None
            # A keyword is a node too: `class`.
            function, made = node.is_named and kind in self.known.functions, node.is_named and kind in self.known.classes
            value = self.value_of(node) if self.script else None
            if value is not None:
                name = self.said(node)
                function = value.type in _VALUES and name is not None
                made = value.type == "class" and name is not None
                if value.type == "object" and name is not None:
                    inner = f"{outer}{name}."
                node_of = value
            else:
                node_of = node
            if function or made:
                if node_of.has_error and (function or self.by == "class"):
                    yield self.broken(self.whole(node), node_of)
                    continue
                name = name or self.name(node)
                if name and (function if self.by == "function" else made) and self.complete(node_of):
                    yield self.row(f"{outer}{name}", node)
                if function:
                    continue
                inner = f"{outer}{name}." if name else outer
                if node is not node_of:
                    waiting.extend((inner, n) for n in reversed(node_of.children))
                    continue
            elif kind in self.known.sealed:
                if node.has_error:
                    yield self.broken(node, node)
                continue
            elif kind in self.known.around and (name := self.name(node)):
                inner = f"{outer}{name}."
            waiting.extend((inner, n) for n in reversed(node.children) if n.child_count or n.is_missing or n.is_error)

    # What is there

    def complete(self, node: Node) -> bool:
        """Whether it is the thing itself, not only said to be there: a function with its body, a struct with its members."""
        if node.type == "type_spec":
            return node.child_by_field_name("type").type in ("struct_type", "interface_type")
        if node.type in (
            "method",
            "singleton_method",
            "class",
            "module",
            "record_declaration",
            "object_definition",
            "class_definition",
            "trait_definition",
        ):
            return True
        if node.type in ("struct_item", "interface_declaration", "class_declaration"):
            return True
        return node.child_by_field_name("body") is not None or any(c.type in ("try_statement", "class_body") for c in node.children)

    def broken(self, node: Node, where: Node) -> Bad:
        """What is not understood in ``where``, of which ``node`` is the text to keep."""
        at = where
        while not (at.is_error or at.is_missing):
            below = next((c for c in at.children if c.is_error or c.is_missing or c.has_error), None)
            if below is None:
                break
            at = below
        line = at.start_point[0] + 1
        seen = self.raw[at.start_byte : at.end_byte].decode("utf-8", "replace").split("\n")[0].strip()[:SHOWN]
        why = f"line {line}: `{at.type}` is missing" if at.is_missing else f"line {line} is not understood" + (f": {seen}" if seen else "")
        return Bad(why, self.raw[node.start_byte : node.end_byte].decode("utf-8", "replace"))

    def row(self, name: str, node: Node) -> Found:
        whole = self.whole(node)
        start, comments = self.above(whole)
        end = whole.end_byte
        if (after := whole.next_sibling) is not None and after.type == ";" and after.start_byte == end:
            end = after.end_byte
        line_start = self.raw.rfind(b"\n", 0, start.start_byte) + 1
        indent = self.raw[line_start : start.start_byte]
        column = len(indent) - len(indent.lstrip(b" \t"))
        text = self.raw[start.start_byte : end].decode("utf-8", "replace").rstrip("\n")
        first = start.start_point[0] + 1
        lines = text.split("\n")
        shown = [lines[0], *(unindented(line, column) for line in lines[1:])]
        return Found(name, first, first + len(lines) - 1, said_by(comments), "\n".join(shown))

    def whole(self, node: Node) -> Node:
        """A definition with what is wrapped around it: ``export``, ``template <...>``, ``const`` where it holds nothing else."""
        while (outer := node.parent) is not None and outer.type in self.known.wrapped:
            if outer.type in ("lexical_declaration", "variable_declaration", "type_declaration") and outer.named_child_count != 1:
                break
            node = outer
        return node

    def above(self, node: Node) -> tuple[Node, list[str]]:
        """Where comments, attributes and decorators directly above a definition begin, and the comments."""
        comments: list[str] = []
        first = node
        while (before := previous(first)) is not None and (before.type in COMMENTS or before.type in self.known.before):
            last = before.end_point[0] - (before.end_point[1] == 0)
            earlier = before.prev_sibling
            beside = (
                earlier is not None
                and earlier.end_point[0] == before.start_point[0]
                and earlier.end_point[1] > 0
                and earlier.type not in self.known.before
            )
            inner = before.child_by_field_name("inner") is not None  # Rust's //! is about what it is in
            if last < first.start_point[0] - 1 or (beside and before.type in COMMENTS) or inner:
                break
            if before.type in COMMENTS:
                comments.insert(0, self.text(before))
            first = before
        return first, comments

    # Names

    def value_of(self, node: Node) -> Node | None:
        fields = _NAMED_BY.get(node.type)
        return node.child_by_field_name(fields[1]) if fields is not None else None

    def said(self, node: Node) -> str | None:
        """The name that a value gets; None where it is no plain name."""
        field = _NAMED_BY[node.type][0]
        text = self.text(node.child_by_field_name(field)).strip("'\"") if field else "default"
        return text if text and re.fullmatch(r"[\w$#.]+", text) else None

    def name(self, node: Node) -> str:
        kind = node.type
        if kind == "impl_item":
            return plain(self.text(node.child_by_field_name("type")))
        if kind == "method_declaration" and (receiver := node.child_by_field_name("receiver")) is not None:
            of = plain(re.sub(r"^\(\s*(?:\w+\s+)?\**\s*", "", self.text(receiver)).rstrip(") \t\n,"))
            return f"{of}.{self.text(node.child_by_field_name('name'))}"
        if kind in ("operator_declaration", "conversion_operator_declaration"):
            field = node.child_by_field_name("operator") or node.child_by_field_name("type")
            return f"operator {self.text(field)}"
        if kind == "destructor_declaration":
            return f"~{self.text(node.child_by_field_name('name'))}"
        named = node.child_by_field_name("name")
        if named is not None:
            return self.text(named).strip("'\"") if self.script else plain(self.text(named))
        if (below := node.child_by_field_name("declarator")) is not None:
            return self.declared(below)
        if (outer := node.parent) is not None and outer.type == "type_definition":
            return self.declared(outer.child_by_field_name("declarator"))
        return ""

    def declared(self, node: Node) -> str:
        """The name in a declarator of C: ``*(*name(int))[3]``."""
        while True:
            below = node.child_by_field_name("declarator")
            if below is None or node.type == "operator_cast":
                below = next((c for c in node.named_children if c.type.endswith("declarator") or c.type == "identifier"), None)
                if node.type not in ("parenthesized_declarator", "reference_declarator", "attributed_declarator") or below is None:
                    break
            node = below
        text = self.text(node)
        if (found := _OPERATOR.search(text)) is not None:
            operator = text[found.end() :]
            operator = "()" if operator.startswith("()") else operator.partition("(")[0].strip()  # of a conversion its arguments too
            head = f"{plain(text[: found.start()])}." if found[0].startswith("::") else ""
            return f"{head}operator{' ' * operator[:1].isalpha()}{operator}"
        return plain(text)

    def text(self, node: Node | None) -> str:
        return "" if node is None else self.raw[node.start_byte : node.end_byte].decode("utf-8", "replace")


def previous(node: Node) -> Node | None:
    """What stands before; of the first in what has no mark of its own where it begins (Ruby's bodies), what stands before that."""
    before, outer = node.prev_sibling, node.parent
    return outer.prev_sibling if before is None and outer is not None and outer.type == "body_statement" else before


def plain(name: str) -> str:
    """A name without what its types are given, its parts joined by dots: ``ns::Stack<int>::push`` is ``ns.Stack.push``."""
    before = ""
    while before != name:
        before, name = name, re.sub(r"<[^<>]*>|\[[^\[\]]*\]", "", name)
    return re.sub(r"\s+", "", name).replace("::", ".").replace("\\", ".").lstrip("*&")


def said_by(comments: list[str]) -> str | None:
    """What comments say, without their marks and what they are indented by."""
    from inspect import cleandoc

    out = []
    for comment in comments:
        if comment.startswith("/*"):
            body = re.sub(r"\A/\*+!?|\**\*/\Z", "", comment.rstrip())
            out.append(cleandoc("\n".join(re.sub(r"^[ \t]*\*(?!\*) ?", "", line).rstrip() for line in body.split("\n"))))
        elif comment.startswith("=begin"):
            out.append("\n".join(comment.rstrip().split("\n")[1:-1]))
        else:
            out.append(re.sub(r"\A(?://[/!]*|#+) ?", "", comment.rstrip()))
    return "\n".join(out).strip("\n").strip() or None


def unindented(line: str, column: int) -> str:
    """A line without its first blanks, as far as it has so many."""
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(blanks, column) :]
