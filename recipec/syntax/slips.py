"""What is no token as it should be: from other languages, other keyboards, or unfinished.

Where it is clear what was meant (other quotes, a full-width comma, ``&&``), the token gets the kind of what was meant, so
that the parser can go on, and a finding says how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from recipec.diagnostics import Diagnostic
from recipec.source import Source, Span
from recipec.syntax import token_errors as errors
from recipec.syntax.lexer import HABITS, Lexed
from recipec.syntax.machine import Token
from recipec.syntax.tables import scanner

MAX_FINDINGS = 100
"""Errors of one file that are reported; what comes behind them is very likely noise."""

OPERATORS = {
    "<>": ("!=", "!=", ""),
    "===": ("==", "==", ""),
    "!==": ("!=", "!=", ""),
    "&&": ("AND", "and", ""),
    ":=": ("=", "=", ""),
    "=~": ("MATCHES", "matches", "regular expressions are written `r/.../`"),
    "->": ("=>", "=>", "a function of its own is written `lambda x: ...`"),
    "^": ("**", "**", ""),
    "!": ("NOT", "not ", ""),
    "&": ("AND", "and", ""),
    "|": ("|>", "|>", "`or` is written `or`"),
}
"""Operators of other languages: the kind meant, what to write, a note."""

WIDE = {
    "、": ",", "。": ".", "【": "[", "】": "]", "〔": "[", "〕": "]", "《": "<", "》": ">", "≥": ">=", "≤": "<=", "≠": "!=",
    "×": "*", "÷": "/", "−": "-", "–": "-", "—": "-", "‐": "-", "⇒": "=>", "→": "=>", "∧": "and", "∨": "or", "¬": "not",
}  # fmt: skip
"""Signs meant as plain ones, beside the full-width forms of ASCII."""

QUOTES = {"'": "'", "“": "”", "”": "”", "„": "“”", "‘": "’", "’": "’", "「": "」", "『": "』", "«": "»", "＂": "＂", "＇": "＇"}
"""Opening quotes that are not ours, and what closes them; a straight ``"`` closes the curved ones too."""

INVISIBLE = frozenset("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_BAD_NUMBER = re.compile(r"[0-9\uff10-\uff19](?:[\w.\uff0e]*\w)?|\.[0-9]\w*")
_MORE_NUMBER = re.compile(r"(?:\.[0-9]+)+")
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
_NAMES = r"[^\W\d]\w*[ \t]+[^\W\d]\w*[ \t]*"
_HEAD = re.compile(
    rf'^(?:{_NAMES}(?:from\b|=|\{{|"""|\([^()\n]*\)[ \t]*(?:"""|=|\{{))|(?:recipe|import)[ \t]+"|param[ \t]+\w+[ \t]*:|repeat[ \t])',
    re.MULTILINE,
)
"""The first line of an item as text rarely has it."""
_HEAD_WITH_BLOCK = re.compile(rf'^{_NAMES}(?:\([^()\n]*\)|from\b[^"\n]*)?[ \t]*"""', re.MULTILINE)
_SCALE = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}

_BARE = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_LOOSE_DASHES = re.compile(r"(?<=\s)--(?=\s|$)", re.MULTILINE)
_HABIT = re.compile(r"&&|[\^!&|]")
"""Operators of other languages that no terminal matches, ..."""
_HALF_HABIT = re.compile(r"<>|===|!==|:=|=~|->")
"""... and those of whose beginning one does."""
_AFTER_VALUE_WORD = re.compile(r"\s*(?:[:.(]|=(?!=))")
_AFTER_WORD = re.compile(r"\s*(?::|=(?!=))")
_SINGLE = re.compile(r"'(?:[^'\\\n]|\\.|'')*'")
_TRIPLE = re.compile(r"'''(?:[^'\\]|\\.|'(?!''))*'''", re.DOTALL)


class Slips:
    """What no terminal matches, and what one matches and nobody means."""

    def __init__(self, source: Source, lexed: Lexed) -> None:
        self.source = source
        self.lexed = lexed
        self.tokens = lexed.tokens
        self.restarts = 0

    def add(self, kind: str, start: int, end: int) -> int:
        """Append the token and return its end."""
        self.tokens.append(Token(kind, start, end, self.source.text[start:end]))
        return end

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def report(self, make: Callable[[], Diagnostic], *, fatal: bool = False) -> None:
        if len(self.lexed.diagnostics) < MAX_FINDINGS:
            diagnostic = make()
            self.lexed.diagnostics.append(diagnostic)
            if fatal:
                self.lexed.fatal.append(diagnostic.span.start)

    # Signs that terminals do match --------------------------------------------------------------------------------

    def habit(self, token: Token) -> None:
        """Note on a name like ``AND`` or ``None`` which word it may be meant as; the parser decides."""
        import unicodedata

        word = HABITS.get(token.text, "")
        if not word:  # full-width letters
            word = HABITS.get(unicodedata.normalize("NFKC", token.text).upper(), "")
        after = _AFTER_VALUE_WORD if word in ("TRUE", "FALSE", "NULL") else _AFTER_WORD
        if word and not after.match(self.source.text, token.end):
            token.habit = word
            self.lexed.habits = True

    def suspect(self, kind: str, start: int) -> bool:
        """Whether the sign at ``start`` begins something from another language; if so, it is taken as what is meant."""
        if kind == ".":
            last = self.tokens[-1] if self.tokens else None
            if last is not None and last.kind == "NUMBER" and last.end == start and not self.is_round():
                more = _MORE_NUMBER.match(self.source.text, start)  # `1.0.0`, a version
                return self.number(self.tokens.pop().start, more.end() if more is not None else start + 1) > start
            number = _BAD_NUMBER.match(self.source.text, start)
            return number is not None and self.number(start, number.end()) > start
        if self.operator(start, _HALF_HABIT):
            return True
        if kind == "/" and (regex := _BARE.match(self.source.text, start)) is not None and not self.source.text.startswith("/*", start):
            return self.regex(start, regex.end())
        return kind in ("-", "/") and self.comment(start)

    def regex(self, start: int, end: int) -> bool:
        """Take ``/.../`` where a value must come as a regular expression."""
        from recipec.syntax.errors import BareRegex

        self.tokens.append(Token("REGEX", start, end, "r" + self.source.text[start:end]))
        self.report(lambda: BareRegex(span=self.span(start, end), closed=True))
        return True

    def is_round(self) -> bool:
        """Whether the number before is that of a round, as in ``clf@2.labels``."""
        return len(self.tokens) > 1 and self.tokens[-2].kind == "@"

    def operator(self, start: int, pattern: re.Pattern[str]) -> bool:
        """Take an operator of another language as the one that is meant."""
        found = pattern.match(self.source.text, start)
        if found is None:
            return False
        kind, meant, note = OPERATORS[found[0]]
        end = self.add(kind, start, found.end())
        safe = found[0] not in ("->", "^", "&", "|", "=~")
        self.report(lambda: errors.ForeignOperator(span=self.span(start, end), meant=meant, note=note, safe=safe))
        return True

    def comment(self, start: int) -> bool:
        """Take ``-- text`` and ``/* text */`` as comments."""
        text = self.source.text
        if text.startswith("/*", start):
            closed = text.find("*/", start)
            end = len(text) if closed < 0 else closed + 2
        elif text.startswith("--", start) and (_LOOSE_DASHES.match(text, start) or self.first_on_line(start)):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        else:
            return False
        self.add("UNKNOWN", start, end)
        self.report(lambda: errors.ForeignComment(span=self.span(start, end), mark=self.span(start, start + 2)))
        return True

    def first_on_line(self, start: int) -> bool:
        text = self.source.text
        return not text[max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1 : start].strip()

    def unreadable(self) -> None:
        for found in _UNREADABLE.finditer(self.source.text):
            if len(self.lexed.diagnostics) >= MAX_FINDINGS:
                break
            place = self.span(*found.span())
            self.report(lambda place=place: errors.UnreadableText(span=place), fatal=True)  # type: ignore[misc]

    # What no terminal matches -------------------------------------------------------------------------------------

    def unmatched(self, start: int) -> int:
        """Make a token of what lies at ``start`` and return its end."""
        text = self.source.text
        sign = text[start]
        if sign == '"':
            return self.block(start) if text.startswith('"""', start) else self.string(start)
        if sign in QUOTES:
            return self.quotes(start)
        if sign == "`":
            end = self.rest_of_line(start)
            self.report(lambda: errors.UnclosedName(span=self.span(start, end)), fatal=True)
            return self.add("QUOTED", start, end)
        if sign == "r":
            end = self.rest_of_line(start)
            self.report(lambda: errors.UnclosedRegex(span=self.span(start, end)), fatal=True)
            return self.add("REGEX", start, end)
        number = _BAD_NUMBER.match(text, start)
        if number is not None:
            return self.number(start, number.end())
        if sign in ";；":
            self.report(lambda: errors.StraySemicolon(span=self.span(start, start + 1)))
            return self.add("UNKNOWN", start, start + 1)
        if self.operator(start, _HABIT):
            return self.tokens[-1].end
        return self.sign(start)

    def rest_of_line(self, start: int) -> int:
        """Where the text of this line ends."""
        line = self.source.text[start : start + 2000].splitlines()[0]
        return start + max(1, len(line.rstrip()))

    def string(self, start: int) -> int:
        end = self.rest_of_line(start)
        self.report(lambda: errors.UnclosedString(span=self.span(start, end)), fatal=True)
        return self.add("STRING", start, end)

    def block(self, start: int) -> int:
        """An odd number of triple quotes. The culprit is the first block that swallows the head of another, or the last."""
        text = self.source.text
        if self.restarts < 8:
            for number, token in enumerate(self.tokens):
                swallowed = _HEAD_WITH_BLOCK.search(text, token.start + 3, token.end) if token.kind == "BLOCK" else None
                if swallowed is not None:
                    del self.tokens[number:]
                    self.lexed.diagnostics = [d for d in self.lexed.diagnostics if d.span.start < token.start]
                    self.lexed.fatal = [offset for offset in self.lexed.fatal if offset < token.start]
                    self.restarts += 1
                    return self.unclosed_block(token.start, swallowed.start())
        head = _HEAD.search(text, start + 3)
        return self.unclosed_block(start, head.start() if head is not None else len(text))

    def unclosed_block(self, start: int, limit: int) -> int:
        text = self.source.text
        end = max(start + 3, start + len(text[start:limit].rstrip()))
        opener, until = self.span(start, start + 3), self.span(end, end)
        self.report(lambda: errors.UnclosedBlock(span=opener, until=until), fatal=True)
        return self.add("BLOCK", start, end)

    def quotes(self, start: int) -> int:
        """A string in other quotes, if its line closes it."""
        text = self.source.text
        if text.startswith("'''", start):
            found = _TRIPLE.match(text, start)
            if found is not None:
                meant = '"""' + found[0][3:-3] + '"""'
                end = found.end()
                self.report(lambda: errors.WrongQuotes(span=self.span(start, end), meant=meant))
                return self.add("BLOCK", start, end)
        line = self.rest_of_line(start)
        if text[start] == "'":
            found = _SINGLE.match(text, start)
            end = found.end() if found is not None else 0
            inner = text[start + 1 : end - 1].replace("''", "'").replace("\\'", "'")
        else:
            closers = QUOTES[text[start]] + '"'
            end = next((i + 1 for i in range(start + 1, line) if text[i] in closers), 0)
            inner = text[start + 1 : end - 1]
        if not end:
            self.report(lambda: errors.UnknownCharacter(span=self.span(start, start + 1), note=NOTE_QUOTE), fatal=True)
            return self.add("UNKNOWN", start, start + 1)
        meant = '"' + re.sub(r'(\\.)|"', lambda m: m[1] or '\\"', inner) + '"'
        self.report(lambda: errors.WrongQuotes(span=self.span(start, end), meant=meant))
        return self.add("STRING", start, end)

    def number(self, start: int, end: int) -> int:
        """``10k``, ``.5``, ``１０``: a number all the same."""
        import unicodedata

        written = self.source.text[start:end]
        plain = unicodedata.normalize("NFKC", written)
        scaled = re.fullmatch(r"([0-9][0-9_]*)([kKmMbB])", plain)
        meant: str | None = None
        if scaled is not None and len(plain) < 12:
            meant = f"{int(scaled[1].replace('_', '').strip() or 0) * _SCALE[scaled[2].lower()]:_}"
        elif re.fullmatch(r"\.[0-9]+", plain):
            # Behind a name, `x.5`, a zero would become part of the name.
            meant = (
                "0" + plain
                if not self.source.text[start - 1 : start].isidentifier() and not self.source.text[start - 1 : start].isdigit()
                else None
            )
        elif plain != written and re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", plain):
            meant = plain
        elif re.fullmatch(r"[0-9]+\.", plain):
            meant = plain + "0"
        elif re.fullmatch(r"[0-9]+(?:\.[0-9]+){2,}", plain):  # a version
            self.tokens.append(Token("STRING", start, end, f'"{plain}"'))
            self.report(lambda: errors.BadNumber(span=self.span(start, end), meant=f'"{plain}"'))
            return end
        self.report(lambda: errors.BadNumber(span=self.span(start, end), meant=meant))
        return self.add("NUMBER", start, end)

    def sign(self, start: int) -> int:
        """A sign that is not of the language: a full-width form of one that is, or one that means nothing."""
        import unicodedata

        text = self.source.text
        sign = text[start]
        if sign in INVISIBLE:
            self.report(lambda: errors.UnknownCharacter(span=self.span(start, start + 1), invisible=True))
            return self.add("UNKNOWN", start, start + 1)
        plain = WIDE.get(sign) or unicodedata.normalize("NFKC", sign)
        end = start + 1
        wide = sum(1 for _ in plain) == 1 and ord(plain) < 128 and plain != sign
        if wide and end < len(text):  # ＝＝ and ！＝ are one sign each
            double = plain + unicodedata.normalize("NFKC", text[end])
            if double in ("==", "!=", "<=", ">=", "=>", "||", "|>", "**", "//"):
                plain, end = double, end + 1
        if sign in WIDE or wide:
            last = self.tokens[-1] if self.tokens else None
            if plain == "%" and last is not None and last.end == start and last.kind == "NUMBER":
                last.kind, last.end, last.text = "PERCENT", end, text[last.start : end]
                self.report(lambda: errors.WideSign(span=self.span(start, end), meant=plain))
                return end
            found = scanner()[0].fullmatch(plain)
            kind = plain.upper() if plain in ("and", "or", "not") else "UNKNOWN"
            if kind == "UNKNOWN" and found is not None:
                kind = scanner()[1][found.lastindex - 1]  # type: ignore[operator]
            self.report(lambda: errors.WideSign(span=self.span(start, end), meant=plain), fatal=kind == "UNKNOWN")
            return self.add(kind, start, end)
        while end < len(text) and text[end] == sign:
            end += 1
        if not _UNREADABLE.match(sign):
            note = NOTES.get(sign, "")
            self.report(lambda: errors.UnknownCharacter(span=self.span(start, end), note=note), fatal=True)
        return self.add("UNKNOWN", start, end)


NOTE_QUOTE = 'strings stand between straight double quotes: `"..."`'
NOTES = {
    "$": "parameters are used by their plain names",
    "?": "a choice is written `case when ... then ... else ... end`",
    "~": "a pattern is tried with `text matches r/.../`",
    "\\": "a line goes on by itself: newlines mean nothing",
}
