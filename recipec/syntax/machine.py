"""Runs the parse tables over tokens.

The lexing is context-free but for words: a word is its keyword where the parser's state has a use for that keyword, and a
name everywhere else (what lark calls a contextual lexer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from recipec.record import record
from recipec.syntax.tables import Tables

MAX_DEPTH = 100
"""How deep a tree may be: what walks it afterwards may then recurse without a care for Python's limit."""

MAX_STACK = 24 * MAX_DEPTH
"""States on the parser's stack; reached only by brackets (or signs, or powers) nested far beyond ``MAX_DEPTH``."""


@record
class Token:
    """A piece of the text. ``kind`` is the terminal's name, a literal's own text, or ``UNKNOWN`` for what no terminal matches.

    ``word`` is the keyword that a name may be taken for, ``habit`` the keyword that one like ``AND`` is likely meant for.
    """

    kind: str
    start: int
    end: int
    text: str
    word: str | None = None
    habit: str | None = None


Action = Callable[[list[Any], int, int], Any]


class Stuck(Exception):
    """No rule goes on with the token at ``index`` (the end, where ``index`` equals the number of tokens).

    ``states`` is the stack as it was before that token.
    """

    def __init__(self, index: int, states: list[int]) -> None:
        super().__init__(index)
        self.index = index
        self.states = states


class TooDeep(Exception):
    """The tree would be deeper than ``MAX_DEPTH`` in ``[start, end)``."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start)
        self.start = start
        self.end = end


def advance(tables: Tables, states: list[int], kind: str) -> bool:
    """Whether the terminal can come next; if so, ``states`` becomes the stack behind it."""
    stack = list(states)
    while True:
        code = tables.actions[stack[-1]].get(kind)
        if code is None:
            return False
        if code >= 0:
            stack.append(code)
            states[:] = stack
            return True
        rule = tables.rules[-1 - code]
        if rule.length:
            del stack[-rule.length :]
        stack.append(tables.gotos[stack[-1]][rule.origin])


def expected(tables: Tables, states: list[int]) -> set[str]:
    """Every terminal that can come next."""
    return {kind for kind in tables.actions[states[-1]] if kind != "$END" and advance(tables, list(states), kind)}


CHAINS = frozenset({"expr", "both", "concat"})
"""Rules of any number of operands and the operators between them."""

BALANCE = 16
"""From how many operands on a chain becomes a balanced tree, which means the same; a shorter one leans to the left."""


def chain_depth(operands: int) -> int:
    """Levels that a chain adds to the tree."""
    return operands - 1 if operands < BALANCE else operands.bit_length()


LEVELS = frozenset(
    [
        "no",
        "pipe",
        "binary",
        "compare",
        "between",
        "is_null",
        "sign",
        "field",
        "index",
        "slice_",
        "call",
        "paren",
        "list_",
        "struct",
        "case",
        "cast_",
        "lambda_",
        "arrow",
        "block",
        "repeat",
    ]
)
"""Rules that make the tree one level deeper."""


def run(
    tables: Tables,
    tokens: Sequence[Token],
    symbol: str,
    actions: Sequence[Action | None],
    repair: Callable[[int, list[int]], None] | None = None,
) -> Any:
    """Parse ``tokens`` (without blanks and comments) as ``symbol``; ``actions[rule]`` makes the value of a rule.

    An action of None hands on its only child. ``repair`` is asked, with the token's index and the stack, before a token
    is taken that a common slip may have put there, and may change its ``kind`` or ``word``. Raises :class:`Stuck` and :class:`TooDeep`.
    """
    rules, table, gotos = tables.rules, tables.actions, tables.gotos
    end_state = tables.ends[symbol]
    states = [tables.starts[symbol]]
    values: list[Any] = []
    places: list[tuple[int, int, int]] = []  # start, end, depth of each value
    count, index = len(tokens), 0
    row = table[states[-1]]
    token = Token("$END", 0, 0, "")
    while True:
        if index < count:
            token = tokens[index]
            kind = token.kind
            if token.word is not None and token.word in row:
                kind = token.word
            if repair is not None and (kind == "=" or token.habit is not None):
                repair(index, states)
                kind = token.kind if token.word is None or token.word not in row else token.word
        else:
            kind = "$END"
        while True:
            code = row.get(kind)
            if code is None:
                raise Stuck(index, states)
            if code >= 0:
                states.append(code)
                row = table[code]
                values.append(token)
                places.append((token.start, token.end, 0))
                index += 1
                if len(states) > MAX_STACK:
                    raise TooDeep(token.start, token.end)
                break
            rule = rules[-1 - code]
            length = rule.length
            if rule.passes:
                states.pop()
            elif not length:
                values.append(_act(actions[-1 - code], [], token.start, token.start))
                places.append((token.start, token.start, 0))
            else:
                below = places[-length:]
                start, end, depth = below[0][0], below[-1][1], max([place[2] for place in below])
                children = values[-length:]
                if rule.helper:  # a repetition or an optional part: a list, laid flat in the rule around it
                    if rule.splice:
                        children[0].extend(children[1:])
                        value = children[0]
                    else:
                        value = children
                else:
                    if rule.splice:
                        children = _flat(children, rule.splice)
                    if rule.action in CHAINS:
                        depth += chain_depth((len(children) + 1) // 2)
                    elif rule.action in LEVELS:
                        depth += 1
                    elif rule.action == "input":
                        depth += len(children) // 2
                    if depth > MAX_DEPTH:
                        raise TooDeep(start, end)
                    value = _act(actions[-1 - code], children, start, end)
                del values[-length:], places[-length:], states[-length:]
                values.append(value)
                places.append((start, end, depth))
            state = gotos[states[-1]][rule.origin]
            states.append(state)
            row = table[state]
            if state == end_state and kind == "$END":
                return values[-1]


def _flat(children: list[Any], splice: tuple[int, ...]) -> list[Any]:
    flat: list[Any] = []
    for position, child in enumerate(children):
        if position in splice:
            flat.extend(child)
        else:
            flat.append(child)
    return flat


def _act(action: Action | None, children: list[Any], start: int, end: int) -> Any:
    return children[0] if action is None else action(children, start, end)
