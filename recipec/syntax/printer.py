"""How expressions are laid out, and what stands on lines of its own with its comments. The rules are told in ``format``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from recipec.record import record
from recipec.source import Source
from recipec.syntax.concrete import Cst, Note, Notes, Tree, ends
from recipec.syntax.layout import HARD, SOFT, SPACE, Comment, Doc, Hard, IfBroken, Indent, Line, group, indent, join
from recipec.syntax.machine import Token


@record
class Slot:
    """Something printed on lines of its own: comments before it, its text, a comment behind it."""

    before: list[Note]
    doc: Doc
    behind: str
    blank: bool
    node: Tree

    @property
    def leading(self) -> list[Doc]:
        """The comments before, each on its line."""
        result: list[Doc] = []
        for number, note in enumerate(self.before):
            result.append(Comment(note.text))
            following = self.before[number + 1].blank if number + 1 < len(self.before) else self.blank
            result.append(Hard(following))
        return result

    @property
    def starts_blank(self) -> bool:
        return self.before[0].blank if self.before else self.blank

    @property
    def trailing(self) -> list[Doc]:
        return [Comment("  " + self.behind)] if self.behind else []

    @property
    def commented(self) -> bool:
        return bool(self.before or self.behind)


HUGS = frozenset({
    "call", "called", "list_", "struct", "case", "lambda_", "text", "name", "number", "regex", "true", "false", "null",
    "field", "round_", "cast_", "index", "slice_", "paren", "input",
})  # fmt: skip
"""Rules whose text stays on the line of what comes before it, and breaks inside its own brackets."""

CHAINS = {"expr": "or", "both": "and", "concat": "||"}
LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 3}


class Printer:
    """Turns nodes of the concrete tree of one source into documents; ``do_RULE`` is the method of each rule."""

    def __init__(self, source: Source, everything: Sequence[Token], end: Token) -> None:
        self.notes = Notes(source, everything, end)

    def slot(self, node: Tree, separator: Token | None = None) -> Slot:
        """What is printed on lines of its own: an item, a statement, an element of a broken list.

        It takes the comments before its first token, behind its last (or behind the comma that follows), and those inside
        it that nothing inside takes.
        """
        first, last = ends(node)
        before = self.notes.take(first, own_line=True)
        behind = self.notes.take(last, own_line=False)
        blank = first.start in self.notes.blank_before
        if separator is not None:
            behind += self.notes.take(separator, own_line=True) + self.notes.take(separator, own_line=False)
        doc = self.doc(node)
        inside = self.notes.within(first, last)
        hoisted = [*inside, *behind[1:]]
        for note in hoisted:
            note.taken, note.blank = True, False
        if hoisted and not before:
            hoisted[0].blank, blank = blank, False
        return Slot([*before, *hoisted], doc, behind[0].text if behind else "", blank, node)

    def bracketed(self, children: Sequence[Tree], padding: Line = SOFT, *, hug: bool = False) -> Doc:
        """``(a, b)``: the tokens and elements from the opening to the closing bracket, commas in between.

        ``padding`` stands inside the brackets; ``hug`` leaves a single element beside them when it is broken itself.
        """
        opener, closer = children[0], children[-1]
        assert isinstance(opener, Token)
        assert isinstance(closer, Token)
        behind_opener = self.notes.take(opener, own_line=False)
        slots: list[Slot] = []
        inner = children[1:-1]
        for number, child in enumerate(inner):
            if isinstance(child, Token) and child.kind == ",":
                continue
            following = inner[number + 1] if number + 1 < len(inner) else None
            separator = following if isinstance(following, Token) and following.kind == "," else None
            slots.append(self.slot(child, separator))
        dangling = self.notes.take(closer, own_line=True)
        commented = bool(behind_opener or dangling or any(slot.commented for slot in slots))
        if not slots and not commented:
            return opener.text + closer.text
        if hug and len(slots) == 1 and not commented:
            return [opener.text, slots[0].doc, closer.text]
        body: list[Doc] = []
        for number, slot in enumerate(slots):
            body.append(HARD if commented else (padding if number == 0 else SPACE))
            last = number == len(slots) - 1
            body.extend([*slot.leading, slot.doc, IfBroken(",") if last else ",", *slot.trailing])
        for note in dangling:
            body.extend([HARD, Comment(note.text)])
        behind: list[Doc] = [Comment("  " + note.text) for note in behind_opener]
        return group([opener.text, *behind, Indent(body), HARD if commented else padding, closer.text])

    def doc(self, node: Tree) -> Doc:
        """The document of any node. A rule that has no method is its parts with nothing between: `a.b`, `f(x)`, `clf@2`."""
        if isinstance(node, Token):
            return self.token(node)
        method: Callable[[list[Any]], Doc] | None = getattr(self, "do_" + node.rule.strip("_"), None)
        return method(node.children) if method is not None else list(map(self.doc, node.children))

    def token(self, token: Token) -> Doc:
        if token.kind == "UNIT":
            return " ".join(token.text.split())
        if token.kind == "BLOCK":
            return token.text.replace("\r\n", "\n").replace("\r", "\n")
        return token.text

    def value(self, node: Tree) -> Doc:
        """What stands behind a colon or sign: beside it, or where it does not fit, on the next line."""
        if isinstance(node, Token) or node.rule in HUGS:
            return [" ", self.doc(node)]
        return group(indent(SPACE, self.spread(node)))

    # Expressions --------------------------------------------------------------------------------------------------

    def spread(self, node: Tree) -> Doc:
        """A node whose operators may stand at the margin, because it begins a line of its own when it is broken."""
        if isinstance(node, Cst):
            parts = self.operands(node)
            if parts is not None:
                return parts
        return self.doc(node)

    def operands(self, node: Cst) -> Doc | None:
        """The operands of a chain of operators, each but the first on a line of its own with its operator; None for others."""
        rows = self.rows(node)
        if rows is None:
            return None
        parts: list[Doc] = []
        for number, (marks, operand) in enumerate(rows):
            last = number == len(rows) - 1
            if number == 0:
                behind = [] if last else self.notes.take(ends(operand)[1], own_line=False)
                parts.append(self.doc(operand))
                parts.extend(Comment("  " + note.text) for note in behind)
                hard = bool(behind)
                continue
            before = self.notes.take(marks[0], own_line=True)
            behind = [] if last else self.notes.take(ends(operand)[1], own_line=False)
            inner = self.doc(operand)
            for mark in marks:
                between = self.notes.within(mark, mark)
                for note in between:
                    note.taken = True
                before.extend(between)
            parts.append(HARD if hard or before else SPACE)
            for note in before:
                parts.extend([Comment(note.text), HARD])
            parts.extend([*(mark.text + " " for mark in marks), inner])
            parts.extend(Comment("  " + note.text) for note in behind)
            hard = bool(behind)
        return parts

    def rows(self, node: Cst) -> list[tuple[list[Token], Tree]] | None:
        """The operators and operand of each row of a chain."""
        c = node.children
        if node.rule in CHAINS:
            return [([], c[0]), *(([mark], operand) for mark, operand in zip(c[1::2], c[2::2], strict=True))]
        if node.rule == "compare":
            return [([], c[0]), (c[1:-1], c[-1])]
        if node.rule == "pipe":
            rows: list[tuple[list[Token], Tree]] = []
            top: Tree = node
            while isinstance(top, Cst) and top.rule == "pipe":
                rows.append(([top.children[1]], top.children[2] if len(top.children) == 3 else Cst("called", top.children[2:])))
                top = top.children[0]
            return [([], top), *reversed(rows)]
        if node.rule == "binary":
            level = LEVELS[c[1].kind]
            if level == 3:
                return None
            rows = []
            top = node
            while isinstance(top, Cst) and top.rule == "binary" and LEVELS[top.children[1].kind] == level:
                rows.append(([top.children[1]], top.children[2]))
                top = top.children[0]
            return [([], top), *reversed(rows)]
        return None

    def chain(self, node: Cst) -> Doc:
        parts = self.operands(node)
        assert isinstance(parts, list)
        return group([parts[0], Indent(parts[1:])])

    def do_no(self, c: list[Any]) -> Doc:
        return ["not ", self.doc(c[1])]

    def do_between(self, c: list[Any]) -> Doc:
        negation = "not " if len(c) == 6 else ""
        return group([self.doc(c[0]), indent(SPACE, negation, "between ", self.doc(c[-3]), " and ", self.doc(c[-1]))])

    def do_is_null(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), " is not null" if len(c) == 4 else " is null"]

    def do_sign(self, c: list[Any]) -> Doc:
        nested = isinstance(c[1], Cst) and c[1].rule == "sign"
        return [c[0].text, " " if nested else "", self.doc(c[1])]

    def do_binary(self, c: list[Any]) -> Doc:
        if LEVELS[c[1].kind] < 3:
            return self.chain(Cst("binary", c))
        return [self.doc(c[0]), " ** ", self.doc(c[2])]

    def do_expr(self, c: list[Any]) -> Doc:
        return self.chain(Cst("expr", c))

    def do_both(self, c: list[Any]) -> Doc:
        return self.chain(Cst("both", c))

    def do_concat(self, c: list[Any]) -> Doc:
        return self.chain(Cst("concat", c))

    def do_compare(self, c: list[Any]) -> Doc:
        return self.chain(Cst("compare", c))

    def do_pipe(self, c: list[Any]) -> Doc:
        return self.chain(Cst("pipe", c))

    def do_args(self, c: list[Any]) -> Doc:
        only = c[1] if len(c) > 2 and isinstance(c[1], Cst) and len(c[1].children) == 1 else None
        value = only.children[0] if only is not None else None
        hug = isinstance(value, Cst) and value.rule in ("list_", "struct", "text", "case", "lambda_")
        return self.bracketed(c, hug=hug)

    def do_arg(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), ":", self.value(c[2])] if len(c) == 3 else self.doc(c[0])

    def do_arrow(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), " =>", self.value(c[2])]

    def do_lambda(self, c: list[Any]) -> Doc:
        return ["lambda ", self.doc(c[1]), ":", self.value(c[3])]

    def do_names(self, c: list[Any]) -> Doc:
        return join(", ", map(self.doc, c[::2]))

    def do_paren(self, c: list[Any]) -> Doc:
        return group(["(", indent(SOFT, self.spread(c[1])), SOFT, ")"])

    def do_list(self, c: list[Any]) -> Doc:
        return self.bracketed(c)

    def do_struct(self, c: list[Any]) -> Doc:
        return self.bracketed(c, SPACE)

    def do_pair(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), ":", self.value(c[2])]

    def do_case(self, c: list[Any]) -> Doc:
        subject = [] if isinstance(c[1], Cst) and c[1].rule == "branch" else [" ", self.doc(c[1])]
        slots = [self.slot(child) for child in c if isinstance(child, Cst) and child.rule == "branch"]
        if isinstance(c[-3], Token) and c[-3].word == "ELSE":
            slots.append(self.slot(Cst("else", c[-3:-1])))
        dangling = self.notes.take(c[-1], own_line=True)
        commented = bool(dangling) or any(slot.commented for slot in slots)
        body: list[Doc] = []
        for slot in slots:
            body.extend([HARD if commented else SPACE, *slot.leading, slot.doc, *slot.trailing])
        for note in dangling:
            body.extend([HARD, Comment(note.text)])
        return group(["case", *subject, Indent(body), HARD if commented else SPACE, "end"])

    def do_branch(self, c: list[Any]) -> Doc:
        return ["when ", self.doc(c[1]), " then", self.value(c[3])]

    def do_else(self, c: list[Any]) -> Doc:
        return ["else", self.value(c[1])]

    def do_cast(self, c: list[Any]) -> Doc:
        return [c[0].text, "(", self.doc(c[2]), " as ", self.doc(c[4]), ")"]
