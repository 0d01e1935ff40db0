"""Why the parser got stuck, in words: the slips that people make, and a plain account of what could stand there instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from itertools import pairwise

from recipec.diagnostics import Diagnostic, Edit, Fix, Label, nearest, replace_fix
from recipec.record import record
from recipec.source import Source, Span
from recipec.syntax import errors
from recipec.syntax.machine import Token, expected
from recipec.syntax.tables import Tables
from recipec.syntax.token_errors import ForeignComment, ForeignOperator

PARTNER = {"(": ")", "[": "]", "{": "}"}
OPENER = {closer: opener for opener, closer in PARTNER.items()}
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "IN", "LIKE", "ILIKE", "MATCHES", "BETWEEN", "IS"})
ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "||", "["})
LITERALS = frozenset({"STRING", "BLOCK", "NUMBER", "PERCENT", "UNIT", "REGEX", "TRUE", "FALSE", "NULL"})
VALUES = LITERALS | {"NAME", "QUOTED", "(", "[", "{", "CASE", "CAST", "TRY_CAST", "NOT", "LAMBDA", "-", "+"}
OPERATORS = COMPARISONS | ARITHMETIC | {"AND", "OR", "NOT", "|>", "(", ".", "@"}
STATEMENTS = ("keep", "drop", "when", "expect", "vote")
ITEMS = ("recipe", "import", "param", "def", "template", "repeat")
RESERVED = frozenset(
    ["and", "or", "not", "in", "is", "like", "ilike", "matches", "between", "as", "case", "true", "false", "null", "lambda"]
)
SOFT = frozenset([
    "RECIPE", "IMPORT", "PARAM", "DEF", "TEMPLATE", "REPEAT", "UNTIL", "FROM", "KEEP", "DROP", "WHEN", "THEN", "ELSE", "END", "EXPECT", "VOTE", "WARN",
])  # fmt: skip

INFIX_FUNCTIONS = {
    "contains": "contains", "includes": "contains", "startswith": "starts_with", "starts_with": "starts_with", "endswith": "ends_with",
    "ends_with": "ends_with",
}  # fmt: skip
"""Functions that other languages write between their values."""
INFIX_WORDS = {"match": "matches", "regexp": "matches", "rlike": "matches", "equals": "==", "eq": "==", "mod": "%", "div": "//"}
"""Operators as other languages, or a slip, write them between values."""

FORMS = {
    "statement": "a statement is `key: value`, `column = value` or `operator(...)`",
    "step": "a step is `KIND name from inputs { ... }`, or `KIND name = reader(...)`",
    "RECIPE": 'the head of a file is `recipe "name" { version: "1.0.0"  seed: 7 }`',
    "IMPORT": 'an import is `import "file.recipe" as name`',
    "PARAM": "a parameter is `param name: type = default`",
    "DEF": "a macro is `def name(a, b) = value`",
    "TEMPLATE": 'a template is `template name(column) """..."""`, or `{ system """...""" user """...""" }`',
    "REPEAT": "a loop is `repeat 3 as round { steps } until condition`",
    "WHEN": 'a rule is `when condition => "label" as name`',
    "CASE": "a choice is `case when a then x else y end`",
    "LAMBDA": "a function is `lambda x: value`",
}


def shown(text: str) -> str:
    """A piece of the source, short enough for a message."""
    line = text.split("\n", 1)[0]
    return line if len(line) <= 30 and line == text else line[:29] + "…"


def join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


@record
class Trouble:
    """A parser that is stuck: the tokens it was given, the one it cannot take, and its stack."""

    source: Source
    tables: Tables
    tokens: Sequence[Token]
    index: int
    states: list[int]
    whole: str
    """What ends at the last token: ``file``, ``step`` or ``statement``."""
    implied: int = 0
    """How many tokens at the front are not the author's."""
    openers: list[Token] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the brackets (and ``case``) that are open at the token."""
        for token in self.tokens[self.implied : self.index]:
            if token.kind in PARTNER or token.word == "CASE":
                self.openers.append(token)
            elif token.kind in OPENER and any(o.kind == OPENER[token.kind] for o in self.openers):
                while self.openers.pop().kind != OPENER[token.kind]:
                    pass
            elif token.word == "END" and self.openers and self.openers[-1].word == "CASE":
                self.openers.pop()

    @property
    def token(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def before(self) -> Token | None:
        return self.tokens[self.index - 1] if self.index else None

    def back(self, steps: int) -> Token | None:
        return self.tokens[self.index - steps] if self.index >= steps else None

    def ahead(self, steps: int) -> Token | None:
        return self.tokens[self.index + steps] if self.index + steps < len(self.tokens) else None

    @cached_property
    def wanted(self) -> set[str]:
        return expected(self.tables, self.states)

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def at(self, offset: int) -> Span:
        return Span(self.source, offset, offset)

    def kind(self, token: Token) -> str:
        """The terminal that a token is most likely meant as."""
        return token.word or token.kind

    @property
    def at_name(self) -> bool:
        """Whether the name of a new thing must come: after the kind of a step, behind `def`, ..."""
        before = self.before
        return "NAME" in self.wanted and before is not None and before.kind == "NAME" and self.wanted <= {"NAME", "QUOTED"} | SOFT

    @property
    def at_statement(self) -> bool:
        """Whether the token before begins a statement that nothing has followed yet."""
        return {":", "=", "{"} <= self.wanted and self.before is not None

    def diagnose(self) -> Diagnostic:
        token = self.token
        for number, joined in enumerate(self.tokens[: self.index]):  # texts cannot be joined with a `not`
            if joined.kind == "||" and number + 1 < len(self.tokens) and self.kind(self.tokens[number + 1]) == "NOT":
                return ForeignOperator(span=self.span(joined), meant="or", note="`||` joins texts")
        if (found := self.beginning() or self.head() or self.bare_list()) is not None:
            return found
        if token is None:
            return self.ended()
        for check in (
            self.bracket,
            self.infix,
            self.reserved,
            self.misspelt,
            self.where,
            self.prefix,
            self.reason,
            self.comparison,
            self.sequence,
            self.other_languages,
            self.colon,
            self.comma,
        ):
            found = check(token)
            if found is not None:
                return found
        return self.plain(token)

    def beginning(self) -> Diagnostic | None:
        """An item that is wrong from its first words on."""
        if self.implied or len(self.tokens) < 2:
            return None
        first, second = self.tokens[:2]
        if (missing := self.first_word()) is not None:
            before = f"`{shown(first.text)}`"
            edit = Edit(self.at(first.start), f"{missing} ")
            return errors.MissingMark(
                span=self.span(first), mark=missing, before=before, edit=edit, safe=False, label=f"write `{missing}` here"
            )
        if first.word == "REPEAT" and second.kind == "{":
            return errors.WrongShape(
                span=self.span(first), message="`repeat` needs a number of rounds", label="how often?", help=(FORMS["REPEAT"],)
            )
        if first.word in ("KEEP", "DROP", "WHEN", "VOTE"):
            return errors.WrongShape(
                span=self.span(first),
                message=f"`{first.text}` stands inside the block of a step",
                label="there is no step around it",
                help=(FORMS["step"],),
            )
        return None

    def head(self) -> Diagnostic | None:
        """A step without its ``from``, or without the brace of its block: its next word was taken as another step's kind."""
        token, before, earlier = self.token, self.before, self.back(2)
        if self.implied or token is None or before is None or earlier is None or self.openers or not self.at_name:
            return None
        parted = "\n" in self.source.text[earlier.end : before.start]
        if token.kind == "{" and self.index == 3 and not parted and before.word is None:
            edit = Edit(self.at(before.start), "from ")
            return errors.MissingMark(span=self.span(before), mark="from", before=f"`{shown(before.text)}`", edit=edit, safe=False)
        if token.kind == ":" and self.index > 2 and parted:
            edit = Edit(self.at(earlier.end), " {")
            where = self.at(earlier.end)
            label = "the block of the step begins here"
            return errors.MissingMark(span=where, mark="{", after=f"`{shown(earlier.text)}`", edit=edit, safe=False, label=label)
        return None

    def bare_list(self) -> Diagnostic | None:
        """``metrics: accuracy, f1``: the second value was taken as the next statement's name."""
        if not self.at_statement or (self.token is not None and self.token.kind in (":", "=", "(")):
            return None
        first = self.index - 1
        while first >= 2 and self.tokens[first].kind in ("NAME", "QUOTED") and self.tokens[first - 1].kind == ",":
            first -= 2
        if not self.implied <= first - 2 or first == self.index - 1 or self.tokens[first - 1].kind != ":":
            return None
        values = self.span(self.tokens[first]).to(self.span(self.tokens[self.index - 1]))
        return errors.WrongShape(
            span=values,
            message="several values stand in square brackets",
            label=f"write `{shown(f'[{values.text}]')}`",
            fixes=(replace_fix(values, f"[{values.text}]", safe=False),),
        )

    def first_word(self) -> str | None:
        """The word of the language that an item lacks which begins with its name or file."""
        if self.index > 1 or self.tokens[0].word is not None:
            return None
        first, second = self.tokens[:2]
        if first.kind == "STRING" and self.index == 0:
            return "import" if second.word == "AS" else "recipe" if second.kind == "{" else None
        if first.kind not in ("NAME", "QUOTED") or second.kind not in (":", "("):
            return None
        if second.kind == ":":
            return "param"
        depth = 0
        for number, token in enumerate(self.tokens[1:], 2):
            depth += (token.kind in PARTNER) - (token.kind in OPENER)
            if depth <= 0:
                after = self.tokens[number].kind if number < len(self.tokens) else ""
                return {"=": "def", "BLOCK": "template", "{": "template", "STRING": "template"}.get(after)
        return None

    # Ends and brackets --------------------------------------------------------------------------------------------

    def ended(self) -> Diagnostic:
        last = self.before
        if self.openers and self.openers[-1].word != "CASE":
            return errors.UnclosedBracket(span=self.span(self.openers[-1]))
        also = tuple(Label(self.span(o), f"this `{o.text}` is open") for o in self.openers[-1:])
        return errors.Unexpected(
            span=self.at(last.end if last is not None else 0),
            found=f"end of the {self.whole}",
            wanted=self.phrase(),
            label=f"expected {self.phrase()} behind this",
            also=also,
            help=self.form(),
        )

    def bracket(self, token: Token) -> Diagnostic | None:
        if token.kind not in OPENER:
            return None
        brackets = [o for o in self.openers if o.word != "CASE"]
        if not brackets:
            return errors.StrayBracket(span=self.span(token))
        if brackets[-1].kind != OPENER[token.kind]:
            if any(o.kind == OPENER[token.kind] for o in brackets):
                here = self.span(token)
                return errors.UnclosedBracket(span=self.span(brackets[-1]), found=here, found_text="this closes what is around it")
            return errors.StrayBracket(span=self.span(token), opener=self.span(brackets[-1]))
        before = self.before
        if token.kind == "]" and before is not None and before.kind == "[":
            return errors.Unexpected(
                span=self.span(token),
                found="`]`",
                wanted="an index between the brackets",
                help=("the type of a list is written `[text]`",),
            )
        return None

    # Words --------------------------------------------------------------------------------------------------------

    def reserved(self, token: Token) -> Diagnostic | None:
        before = self.before
        if before is not None and before.text == "lambda" and token.kind == "NAME":
            return errors.LooseLambda(span=self.span(before))
        if before is not None and before.text in RESERVED and before.kind == "NAME" and self.at_statement:
            return errors.Unexpected(span=self.span(before), found=f"`{before.text}`", wanted="a statement")
        if token.text in RESERVED and "NAME" in self.wanted and not self.wanted & (OPERATORS - {"(", ".", "["}):
            return errors.ReservedWord(span=self.span(token))
        if token.kind == "=" and before is not None and before.word is not None and before.text in RESERVED:
            return errors.ReservedWord(span=self.span(before))
        if token.kind in ("==", ",", ")", "]", "}", "as") and before is not None and before.text in RESERVED - {"not"}:
            earlier = self.back(2)
            if before.text in ("lambda", "case") and earlier is not None:
                return errors.ReservedWord(span=self.span(before))
        return None

    def infix(self, token: Token) -> Diagnostic | None:
        """A word between two values that is a function, or nearly an operator: it was taken as the next statement's first."""
        for word, left, right in ((self.before, self.back(2), token), (token, self.before, self.ahead(1))):
            if word is None or left is None or right is None or word.kind != "NAME" or word.word is not None:
                continue
            ends = left.word is None and left.kind in LITERALS | {"NAME", "QUOTED", ")", "]"}
            if not ends or right.kind not in LITERALS | {"NAME", "QUOTED"} or "\n" in self.source.text[left.start : right.start]:
                continue
            if (function := INFIX_FUNCTIONS.get(word.text)) is not None:
                simple = left.kind in ("NAME", "QUOTED") and shown(right.text) == right.text
                values = f"{left.text}, {right.text}" if simple else "a, b"
                return errors.WrongShape(
                    span=self.span(word),
                    message=f"`{function}` is a function: its values stand in parentheses behind it",
                    label=f"write `{function}({values})`",
                )
            if (operator := INFIX_WORDS.get(word.text)) is not None:
                return ForeignOperator(span=self.span(word), meant=operator, safe=False)
        return None

    def misspelt(self, token: Token) -> Diagnostic | None:
        """A first word that nearly is a word of the language, before something that only the latter has behind it."""
        before = self.before
        if before is None or before.kind != "NAME" or before.word is not None or len(before.text) > 30:
            return None
        if self.at_statement and token.kind not in (":", "="):
            guess = nearest(before.text, STATEMENTS)
            if guess is not None and before.text not in STATEMENTS:
                return errors.MisspeltWord(span=self.span(before), meant=guess)
        first = self.item_start()
        third = self.tokens[2] if first is not None and 3 <= self.index <= 6 else None
        if third is not None and third.kind == "NAME" and third.word is None and nearest(third.text, ("from",)) is not None:
            return errors.StepAfterStep(span=self.span(third), meant="from")
        if first is not None and self.index - first <= 3:
            word = self.tokens[first]
            guess = nearest(word.text, ITEMS) if word.kind == "NAME" and len(word.text) <= 30 else None
            if guess is not None and word.text not in ITEMS:
                return errors.MisspeltWord(span=self.span(word), meant=guess)
        return None

    def item_start(self) -> int | None:
        """The token that begins the present item, when the trouble is in its first words."""
        if self.implied or any(o.kind == "{" for o in self.openers):
            return None
        return 0 if self.index <= 6 else None

    def where(self, token: Token) -> Diagnostic | None:
        before = self.before
        if before is None or before.word not in ("KEEP", "DROP") or "WHERE" not in self.wanted:
            return None
        swap = token.kind == "NAME" and token.text in ("if", "when", "rows", "were", "whre", "wher", "unless", "filter", "on")
        edit = Edit(self.span(token), "where") if swap and token.text != "unless" else Edit(self.at(token.start), "where ")
        return errors.MissingMark(
            span=self.span(token),
            mark="where",
            after=f"`{before.text}`",
            edit=edit,
            safe=token.text != "unless",
            label=f"expected `{before.text} where condition`",
        )

    def reason(self, token: Token) -> Diagnostic | None:
        """The name or reason behind a filter, rule, test or vote."""
        before = self.before
        if token.kind in ("STRING", "BLOCK") and "AS" in self.wanted and ":" not in self.wanted and not self.inner():
            edit = Edit(self.at(token.start), "as ")
            return errors.MissingMark(span=self.span(token), mark="as", before=f"`{shown(token.text)}`", edit=edit)
        if before is None or before.word != "AS":
            return None
        if self.wanted == {"STRING"} and token.kind == "NAME":
            return errors.WrongShape(
                span=self.span(token),
                message="the reason behind `as` is a text",
                label="in double quotes",
                fixes=(replace_fix(self.span(token), f'"{token.text}"'),),
            )
        if self.wanted == {"NAME", "QUOTED"} and token.kind == "STRING":
            name = token.text[1:-1]
            good = name.isidentifier() and name not in RESERVED
            return errors.WrongShape(
                span=self.span(token),
                message="the name behind `as` is a name, not a text",
                label="without quotes",
                fixes=(replace_fix(self.span(token), name),) if good else (),
            )
        return None

    def inner(self) -> bool:
        """Whether an open parenthesis or square bracket stands around the token."""
        return bool(self.openers) and self.openers[-1].kind in "(["

    # Expressions --------------------------------------------------------------------------------------------------

    def prefix(self, token: Token) -> Diagnostic | None:
        """``f"..."``, as Python writes texts with values in them."""
        before = self.before
        touches = before is not None and before.kind == "NAME" and before.end == token.start and len(before.text) < 3
        if before is None or not touches or token.kind not in ("STRING", "BLOCK"):
            return None
        return errors.WrongShape(
            span=Span(self.source, before.start, token.end),
            message=f"strings have no prefix `{shown(before.text)}`",
            help=('texts are joined with `||`: `"a" || b`',) if before.text.lower() == "f" else (),
        )

    def list_type(self, token: Token) -> Diagnostic | None:
        """``list<text>``, as other languages write the type of a list."""
        inner, opened, outer = self.before, self.back(2), self.back(3)
        if token.kind != ">" or inner is None or opened is None or opened.kind != "<" or outer is None:
            return None
        if outer.text.lower() not in ("list", "array", "sequence"):
            return None
        return ForeignOperator(span=self.span(outer).to(self.span(token)), meant=f"[{inner.text}]", note="the type of a list")

    def comparison(self, token: Token) -> Diagnostic | None:
        before = self.before
        kind = self.kind(token)
        if kind == "NOT" and (following := self.ahead(1)) is not None:
            kind = self.kind(following)
        if kind in ARITHMETIC and "|>" in self.wanted and kind not in self.wanted:
            return errors.LoosePipe(span=self.span(token))
        if kind == "||" and "OR" in self.wanted and kind not in self.wanted:
            return ForeignOperator(span=self.span(token), meant="or", note="`||` joins texts")
        if kind in COMPARISONS and "AND" in self.wanted and "==" not in self.wanted:
            joined = next((t for t in reversed(self.tokens[: self.index]) if t.kind in COMPARISONS or t.kind == "||"), None)
            if joined is not None and joined.kind == "||":
                where = self.span(joined)
                return ForeignOperator(span=where, meant="or", note="`||` joins texts")
            if (written := self.list_type(token)) is not None:
                return written
            return errors.ChainedComparison(span=self.span(token))
        if token.kind == "," and before is not None and len(self.openers) >= 1 and self.openers[-1].kind == "(":
            opener = self.openers[-1]
            position = next(i for i, t in enumerate(self.tokens) if t is opener)
            if position and self.tokens[position - 1].word == "IN":
                closer = self.closer(position)
                return errors.ParenthesisList(span=self.span(opener), closer=self.span(closer) if closer is not None else None)
        if token.kind == "/" and before is not None and before.word == "MATCHES":
            line = self.source.text.find("\n", token.start)
            end = self.source.text.find("/", token.end, line if line >= 0 else len(self.source.text))
            return errors.BareRegex(span=Span(self.source, token.start, end + 1 if end >= 0 else token.end), closed=end >= 0)
        return None

    def closer(self, position: int) -> Token | None:
        """The bracket that closes the one at ``position``."""
        depth = 0
        for token in self.tokens[position:]:
            depth += (token.kind in PARTNER) - (token.kind in OPENER)
            if depth == 0:
                return token
        return None

    def sequence(self, token: Token) -> Diagnostic | None:
        """A reader without ``=``, a statement that assigns to something other than a column."""
        before, earlier = self.before, self.back(2)
        if token.kind == "(" and self.at_name and before is not None and earlier is not None and not self.openers:
            edit = Edit(self.at(before.start), "= ")
            return errors.MissingMark(
                span=self.span(before), mark="=", after=f"`{shown(earlier.text)}`", edit=edit, label="a reader stands behind `=`"
            )
        if token.kind == "=" and "=>" in self.wanted:
            return ForeignOperator(span=self.span(token), meant="=>")
        if token.kind == "=" and before is not None and earlier is not None and earlier.kind == ".":
            return errors.WrongShape(
                span=self.span(token),
                message="only a column can be given a value, not a field inside one",
                help=("make the struct anew: `s = {a: 1, b: s.b}`",),
            )
        return None

    def other_languages(self, token: Token) -> Diagnostic | None:
        before = self.before
        after = self.ahead(1)
        text = self.source.text
        if token.kind == "//" and not text[text.rfind("\n", 0, token.start) + 1 : token.start].strip():
            end = text.find("\n", token.start)
            whole = Span(self.source, token.start, end if end >= 0 else len(text))
            return ForeignComment(span=whole, mark=self.span(token))
        if token.kind == ":" and after is not None and after.kind == ":" and after.start == token.end:
            return errors.WrongShape(
                span=Span(self.source, token.start, after.end),
                message="a type is changed with `cast(value as type)`",
            )
        for number, early in enumerate(self.tokens[: max(0, self.index - 1)]):
            value = early.text == "if" and early.kind == "NAME" and self.tokens[number + 1].kind in ("NAME", "QUOTED")
            if value and "\n" not in self.source.text[early.start : token.start]:
                return errors.WrongShape(span=self.span(early), message="there is no `if` in expressions", help=(FORMS["CASE"],))
        names = [t.text for t in (before, token) if t is not None and t.kind == "NAME"]
        if any(name in ("if", "elif") for name in names) or (before is not None and before.kind == "NAME" and before.text == "else"):
            where = token if token.text in ("if", "elif") else before
            assert where is not None
            return errors.WrongShape(
                span=self.span(where),
                message=f"there is no `{where.text}` in expressions",
                help=(FORMS["CASE"],),
            )
        return None

    # Marks that are missing ---------------------------------------------------------------------------------------

    def colon(self, token: Token) -> Diagnostic | None:
        before = self.before
        kind = self.kind(token)
        if before is None or ":" not in self.wanted or before.kind not in ("NAME", "QUOTED"):
            return None
        if kind in LITERALS or kind == "[":
            edit = Edit(self.at(before.end), ":")
            return errors.MissingMark(span=self.span(token), mark=":", after=f"`{shown(before.text)}`", edit=edit)
        if self.at_statement:
            name = shown(before.text)
            return errors.WrongShape(
                span=self.span(token),
                message=f"unexpected {self.describe(token)} after `{name}`",
                label="expected `:`, `=` or `(`",
                help=(FORMS["statement"],),
            )
        return None

    def comma(self, token: Token) -> Diagnostic | None:
        before = self.before
        if "," not in self.wanted or not self.inner() or before is None:
            return None
        if self.kind(token) not in VALUES or not ({before.kind} <= LITERALS | {"NAME", "QUOTED", ")", "]", "}"}):
            return None
        opener = self.openers[-1]
        if token.kind == "{":
            return errors.UnclosedBracket(span=self.span(opener), found=self.span(token), found_text="before this")
        return errors.MissingMark(
            span=self.span(token),
            mark=",",
            after=f"`{shown(before.text)}`",
            edit=Edit(self.at(before.end), ","),
            safe=before.kind in LITERALS and token.kind in LITERALS,
            label=f"expected `,` or `{PARTNER[opener.kind]}` before this",
            also=(Label(self.span(opener), f"this `{opener.text}` is open"),),
        )

    # Anything else ------------------------------------------------------------------------------------------------

    def plain(self, token: Token) -> Diagnostic:
        phrase = self.phrase()
        also: tuple[Label, ...] = ()
        if self.openers and (closer := PARTNER.get(self.openers[-1].kind, "END")) in self.wanted and self.openers[-1].kind != "{":
            opener = self.openers[-1]
            also = (Label(self.span(opener), f"this `{opener.text}` is open"),)
            if closer == "END" and token.kind in OPENER:
                return errors.Unexpected(span=self.span(token), found=self.describe(token), wanted="`end`", also=also)
        help_ = self.form()
        fixes: tuple[Fix, ...] = ()
        if self.wanted == {"STRING"} and token.kind == "NAME":
            last = next((t for t, following in pairwise(self.tokens[self.index :]) if following.word == "AS"), token)
            where = self.span(token).to(self.span(last))
            fixes = (replace_fix(where, f'"{where.text}"', "write it in double quotes"),) if "\n" not in where.text else ()
        return errors.Unexpected(span=self.span(token), found=self.describe(token), wanted=phrase, also=also, help=help_, fixes=fixes)

    def form(self) -> tuple[str, ...]:
        """The form of the item or statement that the trouble is in."""
        if self.openers and self.openers[-1].word == "CASE":
            return (FORMS["CASE"],)
        if any(o.kind == "{" for o in self.openers):
            return ()
        first = self.tokens[self.implied] if len(self.tokens) > self.implied else None
        if first is None or self.index > 8:
            return ()
        if first.word in FORMS:
            return (FORMS[first.word],)
        if self.whole != "statement" and first.kind == "NAME" and self.index <= 3:
            return (FORMS["step"],)
        return ()

    def describe(self, token: Token) -> str:
        kinds = {"STRING": "string ", "BLOCK": "block ", "REGEX": "regular expression "}
        return f"{kinds.get(token.kind, '')}`{shown(token.text)}`"

    def phrase(self) -> str:
        """What could come next, in words."""
        wanted = set(self.wanted)
        words: list[str] = []
        if {"NUMBER", "NAME", "("} <= wanted:
            words.append("a value")
            wanted -= VALUES
        if self.at_name:
            return "a name"
        if {"RECIPE", "IMPORT", "NAME"} <= wanted and ":" not in wanted:
            words.append("a step")
            wanted -= SOFT | {"NAME", "QUOTED"}
        elif {"KEEP", "DROP", "NAME"} <= wanted:
            words.append("a statement")
            wanted -= SOFT | {"NAME", "QUOTED"}
        if {"AND", "OR"} <= wanted:
            operators = wanted & OPERATORS
            wanted -= operators
            if not wanted:
                words.append("an operator")
        if {"STRING", "BLOCK"} <= wanted:
            words.append("a text in quotes")
            wanted -= {"STRING", "BLOCK"}
        if "NAME" in wanted:
            words.append("a name")
            wanted -= {"NAME", "QUOTED"} | SOFT
        if "STRING" in wanted:
            words.append("a string")
            wanted.discard("STRING")
        if "NUMBER" in wanted:
            words.append("a number")
            wanted -= {"NUMBER", "PERCENT", "UNIT"}
        words.extend(sorted(f"`{kind.lower() if kind.isalpha() else kind}`" for kind in wanted))
        if len(words) > 6:
            words = [*words[:6], "..."]
        return join(words) if words else "the end"
