"""Mistakes inside single tokens: quotes, escapes, numbers, signs from other languages. Each docstring is a page of ``explain``.

Most of these do not stop the parser: it reads the token that was meant and goes on, so that the rest of the statement is
checked too.
"""

from __future__ import annotations

from recipec.diagnostics import Diagnostic, Edit, Fix, replace_fix
from recipec.record import record
from recipec.source import Span


@record(frozen=True, kw_only=True)
class UnclosedString(Diagnostic):
    """A string that its line does not close.

    A string ends on the line that it begins on; a text of several lines stands between three quotes on each side.

    Bad: ``to: "build/out``. Good: ``to: "build/out"``.
    """

    name = "unclosed-string"
    code = "E103"

    def __post_init__(self) -> None:
        self.put(
            message="this string is not closed on its line",
            label='a `"` is missing at its end',
            help=('a text of several lines stands between `"""` and `"""`',),
        )


@record(frozen=True, kw_only=True)
class UnclosedBlock(Diagnostic):
    """A block of text without the three quotes that end it.

    Everything behind the opening quotes is text until three quotes close it, so one that is forgotten swallows the steps
    that follow. The place shown is the block that has to end where the next one begins, or at the end of the file.

    Bad: a template whose last line is ``Answer:``. Good: the same with a last line that ends in three quotes.
    """

    name = "unclosed-block"
    code = "E104"
    until: Span

    def __post_init__(self) -> None:
        self.put(
            message='this block is never closed: `"""` is missing behind it',
            label="the text begins here",
            also=self.also,
            help=('put `"""` behind the last line of the text',),
        )


@record(frozen=True, kw_only=True)
class UnclosedRegex(Diagnostic):
    r"""A regular expression that its line does not close.

    ``r/`` begins a regular expression and the next ``/`` ends it; a slash inside is written ``\/`` or stands in ``[...]``.
    A ``[`` that no ``]`` closes hides the end. To divide a column named ``r``, put a blank before the slash.

    Bad: ``text matches r/foo``. Good: ``text matches r/foo/``.
    """

    name = "unclosed-regex"
    code = "E105"

    def __post_init__(self) -> None:
        bracket = "[" in self.span.text
        self.put(
            message="this regular expression is not closed on its line",
            label="its `[` is never closed, so no `/` can end it" if bracket else "a `/` is missing at its end",
            help=("a slash inside is written `\\/`; to divide a column named r, write `r / 2`",),
        )


@record(frozen=True, kw_only=True)
class UnclosedName(Diagnostic):
    """A name in backticks that its line does not close, or with nothing between them.

    Bad: ```keep where `odd column > 3```. Good: ``keep where `odd column` > 3``.
    """

    name = "unclosed-name"
    code = "E106"

    def __post_init__(self) -> None:
        self.put(message="this name in backticks is not closed", label="a backtick is missing at its end")


@record(frozen=True, kw_only=True)
class WrongQuotes(Diagnostic):
    """A string in other quotes than ``"``: single ones, or the curved and angled ones of word processors and Chinese text.

    Strings stand between straight double quotes; there is one way to write them, so that the same recipe always looks the
    same. An apostrophe inside needs nothing.

    Bad: ``label == 'spam'``. Good: ``label == "spam"``.
    """

    name = "wrong-quotes"
    code = "E107"
    meant: str
    """The string in the right quotes."""

    def __post_init__(self) -> None:
        self.put(
            message='a string stands between straight double quotes: `"..."`',
            label="other quotes",
            fixes=(replace_fix(self.span, self.meant, "write it in double quotes"),),
        )


@record(frozen=True, kw_only=True)
class ForeignOperator(Diagnostic):
    """An operator as another language writes it.

    ``&&`` is ``and``, ``||`` between conditions is ``or`` (alone it joins texts), ``!x`` is ``not x``, ``<>`` is ``!=``,
    ``===`` is ``==``, ``^`` is ``**``, ``:=`` is ``=``, ``=~`` is ``matches``, ``->`` is ``=>``.

    Bad: ``keep where n > 1 && n < 9``. Good: ``keep where n > 1 and n < 9``.
    """

    name = "foreign-operator"
    code = "E108"
    meant: str
    note: str = ""
    safe: bool = True

    def __post_init__(self) -> None:
        self.put(
            message=f"`{self.span.text}` is written `{self.meant.strip()}` here",
            help=(self.note,) if self.note else (),
            fixes=(replace_fix(self.span, self.meant, f"write `{self.meant.strip()}`", safe=self.safe),),
        )


@record(frozen=True, kw_only=True)
class ForeignWord(Diagnostic):
    """A word as SQL or Python writes it: ``AND``, ``True``, ``None``.

    The words of the language are in small letters, ``None`` is ``null``. A column that really has such a name stands in
    backticks.

    Bad: ``keep where a == True AND b is not None``. Good: ``keep where a == true and b is not null``.
    """

    name = "foreign-word"
    code = "E110"
    meant: str

    def __post_init__(self) -> None:
        written = self.span.text
        self.put(
            message=f"`{written}` is written `{self.meant}`",
            label="words of the language are in small letters" if written.lower() == self.meant else "",
            help=(f"a column of this name stands in backticks: `` `{written}` ``",),
            fixes=(replace_fix(self.span, self.meant),),
        )


@record(frozen=True, kw_only=True)
class WideSign(Diagnostic):
    """A sign of Chinese or Japanese typing, or of a word processor, where the plain one is meant.

    Full-width commas, colons, brackets and digits look alike and are other characters. They are fine inside strings,
    blocks, comments and regular expressions.

    Bad: ``select(id，text)``. Good: ``select(id, text)``.
    """

    name = "wide-sign"
    code = "E111"
    meant: str

    def __post_init__(self) -> None:
        written = self.span.text
        self.put(
            message=f"`{written}` (U+{ord(written[0]):04X}) is not `{self.meant}`",
            label="a full-width or typographic sign",
            fixes=(replace_fix(self.span, self.meant, f"write `{self.meant}`"),),
        )


@record(frozen=True, kw_only=True)
class UnknownCharacter(Diagnostic):
    """A character that means nothing outside strings and comments.

    Some cannot be seen: a zero-width blank or a mark of text direction, copied from a web page. The message gives the
    character's number and name; the fix takes an invisible one out.

    Bad: ``keep where n > 1 ?``. Good: ``keep where n > 1``.
    """

    name = "unknown-character"
    code = "E112"
    invisible: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        import unicodedata

        first = self.span.text[0]
        called = unicodedata.name(first, "").lower()
        point = f"U+{ord(first):04X}" + (f", {called}" if called else "")
        fix = Fix("remove it", (Edit(self.span, ""),))
        shown = self.span.text if len(self.span.text) <= 20 else self.span.text[:20] + "…"
        self.put(
            message=f"an invisible character ({point})" if self.invisible else f"`{shown}` means nothing here ({point})",
            help=(self.note,) if self.note else (),
            fixes=(fix,) if self.invisible else (),
        )


@record(frozen=True, kw_only=True)
class UnreadableText(Diagnostic):
    """A NUL or half of a surrogate pair: the file is not text, or was damaged.

    Neither can be stored in a database or written as UTF-8, not even inside a string.

    Bad: a recipe saved as UTF-16. Good: the same recipe saved as UTF-8.
    """

    name = "unreadable-text"
    code = "E113"

    def __post_init__(self) -> None:
        code = ord(self.span.text)
        self.put(
            message=f"the character U+{code:04X} cannot stand in a recipe",
            label="a NUL" if code == 0 else "half of a surrogate pair",
            help=("is the file text? save it as UTF-8",),
            fixes=(Fix("remove it", (Edit(self.span, ""),), safe=False),),
        )


@record(frozen=True, kw_only=True)
class BadEscape(Diagnostic):
    r"""A backslash in a string with something behind it that means nothing.

    Known are ``\n \t \r \b \f \" \' \\ \/``, ``\xHH``, ``\uHHHH``, ``\u{H...}`` and ``\UHHHHHHHH``, for characters that exist.
    A regular expression is written ``r/.../``, where backslashes need no doubling; blocks in three quotes have no escapes.

    Bad: ``"\d+"``. Good: ``r/\d+/``, or ``"\\d+"``.
    """

    name = "bad-escape"
    code = "E114"

    def __post_init__(self) -> None:
        written = self.span.text
        number = written[1:2] in ("u", "U", "x", "0")
        self.put(
            message=f"`{written}` is no escape",
            label="no character has this number" if number and len(written) > 3 else "",
            help=() if number else ("a backslash itself is written `\\\\`; a regular expression `r/.../`",),
            fixes=() if number else (replace_fix(self.span, "\\" + written),),
        )


@record(frozen=True, kw_only=True)
class BadNumber(Diagnostic):
    """A number with something in it that does not belong.

    Numbers are ``12``, ``1_000``, ``0.5``, ``1e-5``, ``80%``; ``tokens`` and ``rows`` may stand behind one as its unit,
    with a blank between. A digit stands on both sides of the point.

    Bad: ``limit(10k)``. Good: ``limit(10_000)``.
    """

    name = "bad-number"
    code = "E115"
    meant: str | None = None

    def __post_init__(self) -> None:
        written = self.span.text if len(self.span.text) <= 30 else self.span.text[:30] + "…"
        self.put(
            message=f"`{written}` is not a number",
            label=f"did you mean `{self.meant}`?" if self.meant else "",
            help=() if self.meant else ("numbers are written `12`, `1_000`, `0.5`, `1e-5`, `80%`",),
            fixes=(replace_fix(self.span, self.meant),) if self.meant else (),
        )


@record(frozen=True, kw_only=True)
class NumberTooLarge(Diagnostic):
    """A number beyond what the database can hold: 38 digits, or a float's range.

    Bad: ``seed: 1e999``. Good: ``seed: 7``.
    """

    name = "number-too-large"
    code = "E116"

    def __post_init__(self) -> None:
        self.put(message="this number is larger than any that can be stored", label="at most 38 digits, or 1.7e308")


@record(frozen=True, kw_only=True)
class StraySemicolon(Diagnostic):
    """A semicolon. Statements stand behind each other; nothing ends them, and a comma between two is allowed.

    Bad: ``limit(3); sort(n)``. Good: ``limit(3)  sort(n)``.
    """

    name = "stray-semicolon"
    code = "E117"

    def __post_init__(self) -> None:
        self.put(
            message="statements need no semicolon",
            fixes=(Fix("remove it", (Edit(self.span, ""),)),),
        )


@record(frozen=True, kw_only=True)
class ForeignComment(Diagnostic):
    """A comment as SQL or C writes it. Here ``#`` begins one, and it ends with its line.

    Bad: ``-- rows of one word``. Good: ``# rows of one word``.
    """

    name = "foreign-comment"
    code = "E118"
    mark: Span

    def __post_init__(self) -> None:
        lines = self.span.text.count("\n")
        self.put(
            message="comments begin with `#`",
            fixes=() if lines else (replace_fix(self.mark, "#"),),
        )
