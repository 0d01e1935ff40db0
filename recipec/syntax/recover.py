"""All syntax errors of a file at once.

A file that parses as a whole never comes here, whatever its layout. One that does not is taken apart: at the heads of its
items (which nearly always stand at the left margin), and inside a broken item at the statements that stand in the column of
its block. Every piece is parsed by itself and can fail only once, so one mistake never hides or makes another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from itertools import islice
from typing import Any

from recipec.diagnostics import Diagnostic, nearest
from recipec.record import record
from recipec.source import Source, Span
from recipec.syntax import errors
from recipec.syntax.build import Builder, steps_after_steps, steps_in_defs
from recipec.syntax.diagnose import FORMS, INFIX_FUNCTIONS, OPENER, PARTNER, Trouble
from recipec.syntax.machine import Action, Stuck, Token, TooDeep, advance, run
from recipec.syntax.misshapen import misshapen
from recipec.syntax.slips import MAX_FINDINGS
from recipec.syntax.tables import Tables
from recipec.syntax.token_errors import ForeignOperator, ForeignWord
from recipec.syntax.tree import Def, Item, Name, Repeat, Step


@record
class Parser:
    """Parses the tokens of one source, whole or in pieces."""

    source: Source
    tables: Tables
    diagnostics: list[Diagnostic]
    fatal: Sequence[int]
    """Offsets of findings of the lexer whose echo is not worth reporting."""
    broken: list[Name] = field(default_factory=list)
    """Names of the items that did not parse."""
    repairs: list[tuple[Token, str, str | None, str]] = field(default_factory=list)
    """Tokens read as something else than they are, and what they were."""

    def __post_init__(self) -> None:
        self.lexical = list(self.diagnostics)
        self.builder = Builder(self.source, self.diagnostics)
        self.actions: Sequence[Action | None] = self.builder.actions(self.tables)

    def parse(self, tokens: Sequence[Token]) -> tuple[Item, ...]:
        """The items of a file; errors go to ``diagnostics``."""
        before = len(self.diagnostics)
        try:
            return self.check(self.run(tokens, "start"))
        except (Stuck, TooDeep):
            self.forget(before)  # the pieces find it again
        items: list[Item] = []
        for piece in pieces(self.source, tokens, column(self.source, tokens[0])):
            items.extend(self.piece(piece, "file" if piece[-1] is tokens[-1] else "step"))
            if len(self.diagnostics) > 2 * MAX_FINDINGS:
                break  # enough is told; the caller cuts it short
        return self.check(tuple(items))

    def check(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """Report two steps on one line of which the first says nothing, and take them as the one that was meant."""
        for item in items:
            if isinstance(item, Repeat) and any(steps_after_steps(self.source, item.items)):
                items = tuple(replace(i, items=self.check(i.items)) if i is item and isinstance(i, Repeat) else i for i in items)
        items = self.infix(items)
        wrong = list(islice(steps_after_steps(self.source, items), 2 * MAX_FINDINGS))
        if not wrong:
            return items
        out: list[Item] = []
        for item in items:
            if not any(item is second for second in wrong):
                out.append(item)
                continue
            first, second = out.pop() if out else None, item
            assert isinstance(second, Step)
            meant = nearest(second.kind.id, ("from",))
            self.diagnostics.append(errors.StepAfterStep(span=second.kind.span, meant=meant))
            if meant is None or second.inputs or not isinstance(first, Step):
                self.broken += [i.name for i in (first, second) if isinstance(i, Step)]
                continue
            out.append(
                replace(
                    second,
                    kind=first.kind,
                    name=first.name,
                    inputs=(second.name,),
                    span=first.span.to(second.span),
                    head=first.span.to(second.head),
                )
            )
        return tuple(out)

    def infix(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """Report the words behind a ``def`` that look like a step, and drop both."""
        wrong = list(islice(steps_in_defs(self.source, items), 2 * MAX_FINDINGS))
        out: list[Item] = []
        for item in items:
            if not isinstance(item, Step) or not any(item is step for step in wrong):
                out.append(item)
                continue
            function = INFIX_FUNCTIONS.get(item.kind.id)
            form = f"`{function}` is a function: its values stand in parentheses behind it" if function else None
            self.diagnostics.append(
                errors.WrongShape(
                    span=item.kind.span,
                    message=form or f"unexpected `{item.kind.id}` behind a `def`",
                    label=f"write `{function}(a, b)`" if function else "expected an operator, or a new line",
                    help=() if function else (FORMS["DEF"],),
                )
            )
            self.broken += [i.name for i in (out.pop(), item) if isinstance(i, (Def, Step))]
        return tuple(out)

    def forget(self, before: int) -> None:
        """Undo an attempt: its findings, and what it read tokens as."""
        del self.diagnostics[before:]
        for token, kind, word, habit in reversed(self.repairs):
            token.kind, token.word, token.habit = kind, word, habit or None
        self.repairs.clear()

    def run(self, tokens: Sequence[Token], symbol: str) -> Any:
        def repair(index: int, states: list[int]) -> None:
            self.repair(tokens[index], states)

        self.builder.reserved.clear()
        result = run(self.tables, tokens, symbol, self.actions, repair)
        self.builder.finish()
        return result

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def repair(self, token: Token, states: list[int]) -> None:
        """Read ``=`` as ``==``, and ``AND`` as ``and``, where only that can be meant."""
        if token.kind == "=":
            if not advance(self.tables, list(states), "=") and advance(self.tables, list(states), "=="):
                self.repairs.append((token, token.kind, token.word, ""))
                if len(self.diagnostics) <= 2 * MAX_FINDINGS:
                    self.diagnostics.append(errors.EqualsForComparison(span=self.span(token)))
                token.kind = "=="
        elif token.habit is not None and advance(self.tables, list(states), token.habit):
            self.repairs.append((token, token.kind, token.word, token.habit))
            if len(self.diagnostics) <= 2 * MAX_FINDINGS:
                self.diagnostics.append(ForeignWord(span=self.span(token), meant=token.habit.lower()))
            token.kind = token.word = token.habit
            token.habit = None

    # Pieces -------------------------------------------------------------------------------------------------------

    def attempt(self, tokens: Sequence[Token], symbol: str, whole: str) -> Any:
        """The value of a piece, or None after reporting why it has none."""
        try:
            return self.run(tokens, symbol)
        except TooDeep as deep:
            self.diagnostics.append(errors.TooDeeplyNested(span=self.deep_span(deep)))
        except Stuck as stuck:
            self.stuck(tokens, stuck, whole)
        return None

    def deep_span(self, deep: TooDeep) -> Span:
        return Span(self.source, deep.start, min(deep.end, deep.start + 1))

    def known(self, tokens: Sequence[Token], stuck: Stuck) -> bool:
        """Whether the lexer has said already what is wrong at the token."""
        here = {d.span.start for d in self.lexical}
        before = {d.span.start for d in self.lexical if isinstance(d, ForeignOperator)}  # it may be meant as another one
        number = stuck.index
        return (number < len(tokens) and tokens[number].start in here) or (number > 0 and tokens[number - 1].start in before)

    def stuck(self, tokens: Sequence[Token], stuck: Stuck, whole: str) -> None:
        start = tokens[0].start if tokens else 0
        end = tokens[-1].end if tokens else len(self.source.text)
        if any(start <= offset <= end for offset in self.fatal) or self.known(tokens, stuck):
            return
        self.diagnostics.append(Trouble(self.source, self.tables, tokens, stuck.index, stuck.states, whole).diagnose())

    def piece(self, tokens: list[Token], whole: str) -> tuple[Item, ...]:
        """The items of one piece, which is usually one item."""
        before = len(self.diagnostics)
        self.repairs.clear()
        try:
            items: tuple[Item, ...] = self.run(tokens, "start")
        except TooDeep as deep:
            self.diagnostics.append(errors.TooDeeplyNested(span=self.deep_span(deep)))
        except Stuck as stuck:
            self.forget(before)
            self.inside(tokens, stuck, whole)
        else:
            return items
        self.broken += defined(self.source, tokens)
        return ()

    def echoes(self, tokens: list[Token], stuck: Stuck) -> None:
        """Forget what the lexer found behind the place where an item without a block broke.

        The quotes of its text may be what is broken; what follows is then prose, and means nothing as tokens.
        """
        if stuck.index >= len(tokens):
            return
        place, end = tokens[stuck.index].start, tokens[-1].end
        if any(tokens[0].start <= offset < place for offset in self.fatal):
            return
        self.diagnostics[:] = [d for d in self.diagnostics if d not in self.lexical or not place < d.span.start <= end]
        self.fatal = [offset for offset in self.fatal if not place < offset <= end]

    def inside(self, tokens: list[Token], stuck: Stuck, whole: str) -> None:
        """Report the errors of an item that did not parse: of its head, and of each of its statements."""
        whole_item = misshapen(self.source, tokens)
        if whole_item is not None:
            self.echoes(tokens, stuck)
            self.diagnostics.append(whole_item)
            return
        body = block_of(self.source, tokens)
        if body is None or has_roles(tokens, body[0]):
            self.echoes(tokens, stuck)
            self.stuck(tokens, stuck, whole)
            return
        opener, closer = tokens[body[0]], tokens[body[1]] if body[1] < len(tokens) else None
        before = len(self.diagnostics)
        end = Token("}", opener.end, opener.end, "}")
        head = [*tokens[: body[0]], opener, end]
        nested = tokens[0].word == "REPEAT" or (
            nearest(tokens[0].text, ("repeat",)) is not None and len(tokens) > 1 and tokens[1].kind in ("NUMBER", "NAME")
        )
        sound = self.attempt(head, "start", "step") is not None
        inner = tokens[body[0] + 1 : body[1]]
        if nested and inner:
            for step in pieces(self.source, inner, column(self.source, inner[0])):
                self.broken.extend(item.name for item in self.check(self.piece(step, "step")) if isinstance(item, Step))
        else:
            for statement in statements(self.source, inner):
                last = Token("}", statement[-1].end, statement[-1].end, "}")
                self.statement([Token("{", statement[0].start, statement[0].start, "{"), *statement, last])
        if closer is None and not (inner and inner[0].kind == "{"):
            if not any(opener.start <= offset <= tokens[-1].end for offset in self.fatal):
                self.diagnostics.append(errors.UnclosedBracket(span=self.span(opener)))
        elif closer is not None and sound and body[1] + 1 < len(tokens):
            self.attempt([*head, *tokens[body[1] + 1 :]], "start", whole)
        if len(self.diagnostics) == before:
            self.stuck(tokens, stuck, whole)

    def statement(self, tokens: list[Token]) -> None:
        """Parse a statement between the braces that were put around it."""
        stack: list[Token] = []
        for token in tokens[1:-1]:
            if token.kind in PARTNER:
                stack.append(token)
            elif token.kind == "}" and not any(t.kind == "{" for t in stack):
                self.diagnostics.append(errors.StrayBracket(span=self.span(token)))
                return
            elif token.kind in OPENER and any(t.kind == OPENER[token.kind] for t in stack):
                while stack.pop().kind != OPENER[token.kind]:
                    pass
        try:
            self.run(tokens, "block")
        except TooDeep as deep:
            self.diagnostics.append(errors.TooDeeplyNested(span=self.deep_span(deep)))
        except Stuck as stuck:
            inside = tokens[1:-1]
            if any(inside[0].start <= offset <= inside[-1].end for offset in self.fatal) or self.known(tokens, stuck):
                return
            shown = tokens[:-1]  # the braces are not the author's
            trouble = Trouble(self.source, self.tables, shown, min(stuck.index, len(shown)), stuck.states, "statement", implied=1)
            self.diagnostics.append(trouble.diagnose())


def column(source: Source, token: Token) -> int:
    """Zero-based column of a token."""
    text = source.text
    return token.start - 1 - max(text.rfind("\n", 0, token.start), text.rfind("\r", 0, token.start))


def first_on_line(source: Source, tokens: Sequence[Token], number: int) -> bool:
    """Whether a line begins between this token and the one before."""
    if number == 0:
        return not source.text[tokens[0].start - column(source, tokens[0]) : tokens[0].start].strip()
    between = source.text[tokens[number - 1].end : tokens[number].start]
    return "\n" in between or "\r" in between


def pieces(source: Source, tokens: Sequence[Token], margin: int) -> list[list[Token]]:
    """The tokens of each item: a head stands at the margin, and reads like one or comes behind what is whole."""
    result: list[list[Token]] = []
    depth = brackets = 0
    for number, token in enumerate(tokens):
        new = first_on_line(source, tokens, number) and column(source, token) <= margin
        if new and not is_head(source, tokens, number, sure=depth > 0):
            begins = token.kind in ("NAME", "STRING") and (token.word is None or token.word in HEADS)
            new = begins and brackets == 0 and number > 0 and ends_item(tokens[number - 1])
        if new or not result:
            result.append([])
            depth = brackets = 0
        result[-1].append(token)
        depth = max(0, depth + (token.kind == "{") - (token.kind == "}"))
        brackets += (token.kind in PARTNER) - (token.kind in OPENER)
    return result


def ends_item(token: Token) -> bool:
    """Whether an item may be whole behind a token."""
    if token.word is not None:
        return token.word in ("END", "TRUE", "FALSE", "NULL")
    return token.kind in ("NAME", "QUOTED", "STRING", "BLOCK", "NUMBER", "PERCENT", "UNIT", "REGEX", ")", "]", "}")


def is_head(source: Source, tokens: Sequence[Token], number: int, *, sure: bool) -> bool:
    """Whether an item begins at a token. ``sure`` asks for more than two names in a row: a broken statement may be just that."""
    token = tokens[number]
    if token.kind != "NAME" or (token.word is not None and token.word not in HEADS):
        return False
    following = tokens[number + 1] if number + 1 < len(tokens) else None
    if following is None or first_on_line(source, tokens, number + 1):
        return False
    if token.word in ("RECIPE", "IMPORT"):
        return following.kind == "STRING"
    if token.word == "REPEAT":
        return following.kind in ("NAME", "NUMBER")
    if following.kind == "NAME":
        after = tokens[number + 2] if number + 2 < len(tokens) else None
        if token.text == "expect":
            return after is not None and (after.word == "FROM" or after.kind == "{")
        if sure and token.word is None and after is not None:
            return after.word == "FROM" or after.kind in ("=", "{", "BLOCK", "STRING")
        return following.word is None or following.word not in CONTINUE
    # `reciep "x" {`, `imprt "x" as y`: near misses of the items that begin with a string
    after = tokens[number + 2] if number + 2 < len(tokens) else None
    return following.kind == "STRING" and after is not None and (after.kind == "{" or after.word == "AS")


HEADS = frozenset(["RECIPE", "IMPORT", "PARAM", "DEF", "TEMPLATE", "REPEAT", "EXPECT"])
"""Words that an item can begin with."""
CONTINUE = frozenset(["AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "MATCHES", "BETWEEN", "AS", "THEN", "ELSE", "END"])
"""Words that go on with an expression, so that what stands before them begins no item and they begin no statement."""


def block_of(source: Source, tokens: Sequence[Token]) -> tuple[int, int] | None:
    """Where the block of an item opens and closes (or the number of tokens, where it does not); None without one.

    The closing brace is the one that matches. Where none does, one that begins a line no further to the right than the item.
    """
    depth = 0
    opened = -1
    for number, token in enumerate(tokens):
        if token.kind in PARTNER:
            if token.kind == "{" and depth == 0:
                opened = number
                break
            depth += 1
        elif token.kind in OPENER:
            depth = max(0, depth - 1)
    if opened < 0:  # a bracket of the head that is not closed may hide the block: take the brace that the last one closes
        level = 0
        for number in range(len(tokens) - 1, -1, -1):
            level += (tokens[number].kind == "}") - (tokens[number].kind == "{")
            if level <= 0:
                opened = number if tokens[number].kind == "{" else -1
                break
        if opened < 0 or tokens[-1].kind != "}":
            return None
    margin = column(source, tokens[0])
    several_lines = opened + 1 < len(tokens) and first_on_line(source, tokens, opened + 1)
    stack: list[str] = []
    matched = len(tokens)
    for number in range(opened, len(tokens)):
        token = tokens[number]
        if number > opened and token.kind == "}" and column(source, token) <= margin and first_on_line(source, tokens, number):
            return opened, min(number, matched) if not several_lines else number
        if token.kind in PARTNER:
            stack.append(token.kind)
        elif token.kind in OPENER and OPENER[token.kind] in stack:
            while stack.pop() != OPENER[token.kind]:
                pass
            if not stack:
                matched = min(matched, number)
    return opened, matched


def statements(source: Source, tokens: Sequence[Token]) -> list[list[Token]]:
    """The statements of a block's tokens, as far as its layout shows them: those that begin in the column of the first.

    A block whose first statement stands on the line of its brace is one piece.
    """
    if not tokens:
        return []
    if not first_on_line(source, tokens, 0):
        return [list(tokens)]
    margin = column(source, tokens[0])
    result: list[list[Token]] = []
    cases = 0
    for number, token in enumerate(tokens):
        starts = token.kind in ("NAME", "QUOTED") and token.word not in CONTINUE and not (token.word == "WHEN" and cases > 0)
        if not result or (starts and column(source, token) == margin and first_on_line(source, tokens, number)):
            result.append([])
            cases = 0
        cases += (token.word == "CASE") - (token.word == "END")
        result[-1].append(token)
    return result


def has_roles(tokens: Sequence[Token], opened: int) -> bool:
    """Whether a block is one of a template, roles with their texts, and not of statements."""
    inner = tokens[opened + 1 : opened + 3]
    return len(inner) == 2 and inner[0].kind == "NAME" and inner[1].kind in ("BLOCK", "STRING") and inner[0].word is None


def defined(source: Source, tokens: Sequence[Token]) -> list[Name]:
    """The names that the items of a piece would have given, had it parsed."""
    out: list[Name] = []
    depth = 0
    for number, token in enumerate(tokens):
        if number == 0 or (depth <= 0 and first_on_line(source, tokens, number) and column(source, token) <= column(source, tokens[0])):
            found = name_of(source, tokens[number:])
            if found is not None:
                out.append(found)
        depth += (token.kind in PARTNER) - (token.kind in OPENER)
    return out


def name_of(source: Source, tokens: Sequence[Token]) -> Name | None:
    """The name that an item gives, by its first tokens; its first word may be missing."""
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else None
    token = second
    if first.word in ("RECIPE", "REPEAT") or second is None:
        return None
    if "STRING" in (first.kind, second.kind):  # import "file" as name
        line = [t for n, t in enumerate(tokens[:5]) if n == 0 or not first_on_line(source, tokens, n)]
        token = line[-1] if len(line) > 2 else None
    elif second.kind in (":", "("):  # the word before is missing, of a parameter or a def
        token = first
    if token is None or token.kind not in ("NAME", "QUOTED"):
        return None
    quoted = token.kind == "QUOTED"
    return Name(token.text[1:-1] if quoted else token.text, quoted, span=Span(source, token.start, token.end))
