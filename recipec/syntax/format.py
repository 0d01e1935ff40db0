"""The canonical layout of a recipe.

The layout follows from what is written, never from how: two texts with the same tokens and comments come out the same. Two
things of the input's layout are kept because they carry meaning for the reader: an empty line between statements or items
(several count as one), and on which side of its statement a comment stands.

- Lines are at most 100 columns where that is possible; a step is indented by two blanks.
- A block takes one line when it has at most four statements, each a setting, a test or an operator without a block of its
  own, or when it has a single statement of any kind; when nothing in it is commented; and when the whole line fits. Two
  blanks then stand between the statements. Every other block has a line for each statement.
- What does not fit is broken at its outermost brackets, one element a line with a comma behind each, or before its
  operators: ``or`` before ``and`` before comparisons before ``|>``.
- In consecutive rules and filters that take one line each, ``=>`` and ``as`` stand below each other.
- Commas between statements are dropped. Parentheses, strings, blocks of text and numbers stay as they are written.
- A comment on a line of its own stays before what follows it; one at the end of a line stays at the end. In the middle of
  an expression, where neither is possible, it goes before the statement or element it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recipec.source import Source
from recipec.syntax.concrete import Cst, Note, Tree, concrete, ends
from recipec.syntax.layout import HARD, SPACE, Comment, Doc, Hard, Indent, Line, flat, group, indent, join, render, width
from recipec.syntax.lexer import TRIVIA, scan
from recipec.syntax.machine import Token
from recipec.syntax.parse import parse
from recipec.syntax.printer import HUGS, Printer, Slot

if TYPE_CHECKING:
    from recipec.diagnostics import Diagnostic

COLUMNS = 100
"""The width that lines are broken at, in terminal columns."""

MAX_INLINE = 4
"""Statements of a block that is written on one line."""


class NotFormatted(Exception):
    """The text has syntax errors: ``diagnostics``. What does not parse is not touched."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(diagnostics[0].message)
        self.diagnostics = diagnostics


def format_source(source: Source) -> str:
    """The source in the canonical layout, ending in a newline (or empty).

    Means the same, with the same comments; formatting the result again changes nothing. Raises :class:`NotFormatted`.
    """
    _, diagnostics = parse(source)
    if diagnostics:
        raise NotFormatted(diagnostics)
    everything = scan(source).tokens
    significant = [token for token in everything if token.kind not in TRIVIA]
    end = Token("$END", len(source.text), len(source.text), "")
    return Formatter(source, everything, end).file(concrete(significant), end)


INLINE = frozenset({"setting", "expect", "op"})
"""Rules of which several may share a line."""


class Formatter(Printer):
    """Items and statements."""

    def __init__(self, source: Source, everything: Sequence[Token], end: Token) -> None:
        super().__init__(source, everything, end)
        self.level = 0
        self.segments: dict[int, list[Doc]] = {}
        """By the start of a statement: its parts that are aligned with those of the statements around it."""

    def file(self, root: Cst, end: Token) -> str:
        slots = [self.slot(item) for item in root.children]
        parts: list[Doc] = []
        for slot in slots:
            if parts:
                parts.append(Hard(slot.starts_blank))
            parts.extend([*slot.leading, slot.doc, *slot.trailing])
        for note in self.notes.take(end, own_line=True):
            if parts:
                parts.append(Hard(note.blank))
            parts.append(Comment(note.text))
        return render([*parts, HARD], COLUMNS) if parts else ""

    def block(self, children: Sequence[Tree]) -> Doc:
        """``{ statements }``, on one line where the rule at the top of this file allows it."""
        opener, closer = children[0], children[-1]
        assert isinstance(opener, Token)
        assert isinstance(closer, Token)
        behind_opener = self.notes.take(opener, own_line=False)
        statements: list[tuple[Tree, Token | None]] = []
        for child in children[1:-1]:
            if isinstance(child, Token) and child.kind == ",":
                statements[-1] = (statements[-1][0], child)
            else:
                statements.append((child, None))
        self.level += 1
        slots = [self.slot(node, separator) for node, separator in statements]
        self.level -= 1
        dangling = self.notes.take(closer, own_line=True)
        if not slots and not behind_opener and not dangling:
            return "{}"
        commented = bool(behind_opener or dangling or any(slot.commented for slot in slots))
        inline = not commented and self.inlined(slots)
        if not inline:
            self.align(slots)
        body: list[Doc] = []
        for number, slot in enumerate(slots):
            blank = slot.starts_blank and number > 0
            body.append(Line("  " if number else " ", blank) if inline else Hard(blank))
            body.extend([*slot.leading, slot.doc, *slot.trailing])
        return self.braces(behind_opener, body, dangling, SPACE if inline else HARD)

    def inlined(self, slots: Sequence[Slot]) -> bool:
        """Whether the statements may share a line, if it is wide enough."""
        if len(slots) > MAX_INLINE or any(flat(slot.doc) is None for slot in slots):
            return False
        for slot in slots:
            assert isinstance(slot.node, Cst)
            kinds = [child.rule if isinstance(child, Cst) else child.word for child in slot.node.children]
            simple = slot.node.rule in INLINE and not (slot.node.rule == "expect" and "AS" in kinds)
            if "block" in kinds or (len(slots) > 1 and not simple):
                return False
        return True

    def align(self, slots: Sequence[Slot]) -> None:
        """Put the ``=>`` and ``as`` of consecutive rules, filters, tests and votes below each other.

        One that would get too long for its line is left out of it.
        """
        runs: list[list[Slot]] = []
        previous = ""
        for slot in slots:
            assert isinstance(slot.node, Cst)
            rule = slot.node.rule
            if rule != previous or not runs:
                runs.append([])
            previous = rule
            runs[-1].append(slot)
        for run_ in runs:
            rows: list[tuple[Slot, list[str]]] = []
            for slot in run_:
                texts = [flat(doc) for doc in self.segments.get(ends(slot.node)[0].start, ())]
                row = [text for text in texts if text is not None]
                if len(row) == len(texts) > 1 and flat(slot.doc) is not None:
                    rows.append((slot, row))
            room = COLUMNS - 2 * (self.level + 1)
            while len(rows) > 1:
                lines = table_of([row for _, row in rows])
                if max(width(line) for line in lines) <= room:
                    for (slot, _), line in zip(rows, lines, strict=True):
                        slot.doc = line
                    break
                rows.remove(max(rows, key=lambda row: [width(text) for text in row[1]]))

    def items(self, children: Sequence[Tree]) -> Doc:
        """``{ steps }`` of a repeat, ``{ roles }`` of a template: always a line for each."""
        opener, closer = children[0], children[-1]
        assert isinstance(opener, Token)
        assert isinstance(closer, Token)
        behind_opener = self.notes.take(opener, own_line=False)
        self.level += 1
        slots = [self.slot(child) for child in children[1:-1]]
        self.level -= 1
        dangling = self.notes.take(closer, own_line=True)
        if not slots and not behind_opener and not dangling:
            return "{}"
        body: list[Doc] = []
        for number, slot in enumerate(slots):
            body.extend([Hard(slot.starts_blank and number > 0), *slot.leading, slot.doc, *slot.trailing])
        return self.braces(behind_opener, body, dangling, HARD)

    def braces(self, first: Sequence[Note], body: list[Doc], last: Sequence[Note], edge: Doc) -> Doc:
        """Braces around lines: ``first`` are the comments behind the opening one, ``last`` those before the closing one."""
        for note in last:
            body.extend([Hard(note.blank and bool(body)), Comment(note.text)])
        return group(["{", *(Comment("  " + note.text) for note in first), Indent(body), edge, "}"])

    # Items --------------------------------------------------------------------------------------------------------

    def do_header(self, c: list[Any]) -> Doc:
        return join(" ", map(self.doc, c))

    def do_import(self, c: list[Any]) -> Doc:
        return join(" ", map(self.doc, c))

    def do_param(self, c: list[Any]) -> Doc:
        head: list[Doc] = ["param ", self.doc(c[1]), ": ", self.doc(c[3])]
        return [*head, " =", self.value(c[5])] if len(c) > 5 else head

    def do_def(self, c: list[Any]) -> Doc:
        closer = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.kind == ")")
        names = c[3].children if isinstance(c[3], Cst) else []
        return ["def ", self.doc(c[1]), self.bracketed([c[2], *names, c[closer]]), " =", self.value(c[-1])]

    def do_template(self, c: list[Any]) -> Doc:
        closer = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.kind == ")")
        head: list[Doc] = ["template ", self.doc(c[1]), self.bracketed(c[2 : closer + 1]), " "]
        rest = c[closer + 1 :]
        return [*head, self.doc(rest[0]) if len(rest) == 1 else self.items(rest)]

    def do_template_param(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), ": ", self.doc(c[2])] if len(c) > 2 else self.doc(c[0])

    def do_role(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), " ", self.doc(c[1])]

    def do_step(self, c: list[Any]) -> Doc:
        return join(" ", map(self.doc, c))

    def do_inputs(self, c: list[Any]) -> Doc:
        return group(["from ", Indent(join([",", SPACE], map(self.doc, c[1::2])))])

    def do_repeat(self, c: list[Any]) -> Doc:
        kinds = [x.kind if isinstance(x, Token) else "" for x in c]
        opened, closed = kinds.index("{"), kinds.index("}")
        head = join(" ", map(self.doc, c[:opened]))
        tail: list[Doc] = [" until", self.value(c[-1])] if closed < len(c) - 1 else []
        return [*head, " ", self.items(c[opened : closed + 1]), *tail]

    # Statements ---------------------------------------------------------------------------------------------------

    def do_block(self, c: list[Any]) -> Doc:
        return self.block(c)

    def do_setting(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), ":", self.value(c[2])]

    def do_assign(self, c: list[Any]) -> Doc:
        return [self.doc(c[0]), " =", self.value(c[2])]

    def clause(self, first: Token, head: str, condition: Tree, tail: Doc | None) -> Doc:
        """``drop where condition as "reason"``: on one line, or else with the condition and the rest below."""
        parts: list[Doc] = [" ", tail] if tail is not None else []
        if isinstance(condition, Token) or condition.rule in HUGS:
            inner = self.doc(condition)
            self.segments[first.start] = [[head, " ", inner], *parts[1:]]
            return [head, " ", inner, *parts]
        inner = group(self.spread(condition))
        self.segments[first.start] = [[head, " ", inner], *parts[1:]]
        return group([head, indent(SPACE, inner, *([SPACE, tail] if tail is not None else []))])

    def do_filter(self, c: list[Any]) -> Doc:
        return self.clause(c[0], c[0].text + " where", c[2], ["as ", self.doc(c[4])] if len(c) > 4 else None)

    def do_expect(self, c: list[Any]) -> Doc:
        warn = isinstance(c[1], Token) and c[1].word == "WARN"
        condition = c[2] if warn else c[1]
        named = isinstance(c[-2], Token) and c[-2].word == "AS"
        return self.clause(c[0], "expect warn" if warn else "expect", condition, ["as ", self.doc(c[-1])] if named else None)

    def do_when(self, c: list[Any]) -> Doc:
        label: list[Doc] = ["=> ", self.doc(c[3])]
        name: list[Doc] = [["as ", self.doc(c[5])]] if len(c) > 5 else []
        doc = self.clause(c[0], "when", c[1], join(" ", [label, *name]))
        self.segments[c[0].start] = [self.segments[c[0].start][0], label, *name]
        return doc

    def do_op(self, c: list[Any]) -> Doc:
        parts = [self.doc(child) for child in c]
        named = next((i for i, x in enumerate(c) if isinstance(x, Token) and x.word == "AS"), 0)
        if named:
            self.segments[ends(c[0])[0].start] = [join(" ", parts[:named]), join(" ", parts[named:])]
        return join(" ", parts)

    def do_search(self, c: list[Any]) -> Doc:
        return join(" ", map(self.doc, c))


def table_of(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their cells below each other, one blank between; the last cell of a row is not padded."""
    columns = max(len(row) for row in rows)
    widths = [max((width(row[i]) for row in rows if len(row) > i + 1), default=0) for i in range(columns)]
    lines = []
    for row in rows:
        cells = [cell + " " * (widths[i] - width(cell)) for i, cell in enumerate(row[:-1])]
        lines.append(" ".join([*cells, row[-1]]))
    return lines
