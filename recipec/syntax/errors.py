"""Mistakes in how tokens follow each other. Each docstring is a page of ``explain``. For those inside tokens see ``token_errors``."""

from __future__ import annotations

from recipec.diagnostics import Diagnostic, Edit, Fix, Label, certain, replace_fix
from recipec.record import record
from recipec.source import Span
from recipec.syntax.tree import Expr, Field


@record(frozen=True, kw_only=True)
class Unexpected(Diagnostic):
    """Something that cannot stand where it stands; the label says what could.

    The parser reads from the left and stops at the first thing that no recipe can have there, so the slip is at that place
    or shortly before it. The rest of the file is checked all the same: a broken statement hides no other.

    Bad: ``accept: >= 80%``. Good: ``accept: confidence >= 80%``.
    """

    name = "unexpected"
    code = "E100"
    found: str
    wanted: str

    def __post_init__(self) -> None:
        self.put(message=f"unexpected {self.found}", label=self.label or f"expected {self.wanted}")


@record(frozen=True, kw_only=True)
class UnclosedBracket(Diagnostic):
    """A bracket or brace without its partner.

    Bad: ``clean tidy from raw { dedupe(text }``. Good: ``clean tidy from raw { dedupe(text) }``.
    """

    name = "unclosed-bracket"
    code = "E101"
    found: Span | None = None
    """Where the parser saw that it is missing."""
    found_text: str = ""

    def __post_init__(self) -> None:
        opener = self.span.text
        closer = {"(": ")", "[": "]", "{": "}"}.get(opener, opener)
        self.put(
            message=f"this `{opener}` is never closed",
            label=f"`{closer}` is missing",
            also=(Label(self.found, self.found_text),) if self.found is not None else (),
        )


@record(frozen=True, kw_only=True)
class StrayBracket(Diagnostic):
    """A closing bracket or brace that closes nothing, or not what is open.

    Bad: ``dedupe(text])``. Good: ``dedupe(text)``.
    """

    name = "stray-bracket"
    code = "E102"
    opener: Span | None = None

    def __post_init__(self) -> None:
        closer = self.span.text
        if self.opener is None:
            self.put(
                message=f"this `{closer}` closes nothing",
                label="nothing is open here",
                help=("remove it, or look above for a bracket that was closed too early",),
            )
        else:
            self.put(
                message=f"`{closer}` does not close `{self.opener.text}`",
                also=(Label(self.opener, "this is open"),),
            )


@record(frozen=True, kw_only=True)
class EqualsForComparison(Diagnostic):
    """A single ``=`` in a condition. ``==`` compares; ``=`` only gives a column its value.

    Bad: ``keep where label = "spam"``. Good: ``keep where label == "spam"``.
    """

    name = "equals-for-comparison"
    code = "E109"

    def __post_init__(self) -> None:
        self.put(message="`==` compares; `=` gives a column its value", label="write `==`", fixes=(replace_fix(self.span, "=="),))


@record(frozen=True, kw_only=True)
class ReservedWord(Diagnostic):
    """A word of the language used as a name.

    Only the words of expressions are reserved: ``and or not in is like ilike matches between as case true false null lambda``.
    A column or step of such a name is written in backticks. Before a colon, and behind a point, every word is a name.

    Bad: ``in = 3``. Good: ```in` = 3``.
    """

    name = "reserved-word"
    code = "E120"

    def __post_init__(self) -> None:
        word = self.span.text
        self.put(
            message=f"`{word}` is a word of the language",
            label="as a name it stands in backticks",
            fixes=(replace_fix(self.span, f"`{word}`", f"write `` `{word}` ``"),),
        )


@record(frozen=True, kw_only=True)
class MissingMark(Diagnostic):
    """A colon, comma or word is missing between two things.

    A setting has a colon (``seed: 7``), a filter the word ``where``, a reason the word ``as``, a list its commas.

    Bad: ``keep n > 1``. Good: ``keep where n > 1``.
    """

    name = "missing-mark"
    code = "E121"
    mark: str
    after: str = ""
    before: str = ""
    edit: Edit
    safe: bool = True

    def __post_init__(self) -> None:
        self.put(
            message=f"`{self.mark}` is missing " + (f"before {self.before}" if self.before else f"after {self.after}"),
            label=self.label or f"expected `{self.mark}` before this",
            fixes=(Fix(f"insert `{self.mark}`" if not self.edit.span.text else f"write `{self.mark}`", (self.edit,), self.safe),),
        )


@record(frozen=True, kw_only=True)
class MisspeltWord(Diagnostic):
    """A word that is almost one of the language, where only a word of the language makes sense of what follows.

    Bad: ``dorp where n < 1``. Good: ``drop where n < 1``.
    """

    name = "misspelt-word"
    code = "E122"
    meant: str

    def __post_init__(self) -> None:
        self.put(
            message=f"`{self.span.text}` begins nothing that goes on like this",
            label=f"did you mean `{self.meant}`?",
            fixes=(replace_fix(self.span, self.meant, safe=False),),
        )


@record(frozen=True, kw_only=True)
class WrongShape(Diagnostic):
    """A statement or item that begins well and goes on in a way that its form does not allow; the help shows the form.

    Bad: ``dedupe text``. Good: ``dedupe(text)``.
    """

    name = "wrong-shape"
    code = "E123"


@record(frozen=True, kw_only=True)
class ChainedComparison(Diagnostic):
    """Two comparisons in a row. Comparisons do not chain: the result of the first would be compared with the third value.

    Bad: ``keep where 1 < n < 9``. Good: ``keep where n > 1 and n < 9``, or ``keep where n between 2 and 8``.
    """

    name = "chained-comparison"
    code = "E124"

    def __post_init__(self) -> None:
        self.put(
            message="comparisons do not chain",
            label=f"a second comparison: `{self.span.text}`",
            help=self.help or ("join two comparisons with `and`, or use `x between low and high`",),
        )


@record(frozen=True, kw_only=True)
class LoosePipe(Diagnostic):
    """Arithmetic behind a pipe without parentheses.

    ``|>`` binds looser than arithmetic, so that ``first || last |> trim`` trims the whole; what comes behind a pipe's
    function would be left over. Comparisons need no parentheses: ``text |> length > 3``.

    Bad: ``text |> length + 1``. Good: ``(text |> length) + 1``, or ``length(text) + 1``.
    """

    name = "loose-pipe"
    code = "E125"

    def __post_init__(self) -> None:
        self.put(
            message=f"`{self.span.text}` cannot follow a pipe",
            label="put the pipe in parentheses: `(a |> f) " + self.span.text + " ...`",
        )


@record(frozen=True, kw_only=True)
class NotCallable(Diagnostic):
    """Parentheses behind something that is not a function's name.

    Functions are not values here, and values have no methods: ``f(x).g()`` is written ``f(x) |> g``.

    Bad: ``trim(text).upper()``. Good: ``trim(text) |> upper``.
    """

    name = "not-callable"
    code = "E126"
    func: Expr

    def __post_init__(self) -> None:
        func = self.func
        if isinstance(func, Field):
            dot = Span(self.span.source, func.base.span.end, func.name.span.start)
            fix = (replace_fix(dot, " |> ", "write it as a pipe", safe=False),)
            self.put(message="values have no methods", label=f"write `... |> {func.name.id}`", fixes=fix)
        else:
            self.put(message="only a function's name can be called", label="this is a value")


@record(frozen=True, kw_only=True)
class ParenthesisList(Diagnostic):
    """A list in parentheses, as SQL writes it behind ``in``. Lists stand in square brackets.

    Bad: ``label in ("a", "b")``. Good: ``label in ["a", "b"]``.
    """

    name = "parenthesis-list"
    code = "E127"
    closer: Span | None = None

    def __post_init__(self) -> None:
        fix = () if self.closer is None else (Fix("write `[...]`", (Edit(self.span, "["), Edit(self.closer, "]"))),)
        self.put(message="a list stands in square brackets", label="write `[...]`", fixes=fix)


@record(frozen=True, kw_only=True)
class BareRegex(Diagnostic):
    r"""A regular expression without its ``r``, which would be a division.

    Bad: ``text matches /foo/``. Good: ``text matches r/foo/``.
    """

    name = "bare-regex"
    code = "E128"
    closed: bool

    def __post_init__(self) -> None:
        start = Span(self.span.source, self.span.start, self.span.start)
        self.put(
            message="a regular expression is written `r/.../`",
            label="`r` is missing before this",
            fixes=(Fix("write `r/.../`", (Edit(start, "r"),)),) if self.closed else (),
        )


@record(frozen=True, kw_only=True)
class LooseLambda(Diagnostic):
    """A function where a value is wanted. ``lambda`` stands only as an argument; a function for the whole recipe is a ``def``.

    Bad: ``f = lambda x: x + 1``. Good: ``list_transform(xs, lambda x: x + 1)``, or ``def f(x) = x + 1`` outside of steps.
    """

    name = "loose-lambda"
    code = "E134"

    def __post_init__(self) -> None:
        self.put(
            message="a function can only be an argument",
            label="no value of its own",
            help=("`list_transform(xs, lambda x: x + 1)`, or `def f(x) = x + 1` outside of steps",),
        )


@record(frozen=True, kw_only=True)
class BadRound(Diagnostic):
    """A round that is no whole number. ``clf@2`` is the step ``clf`` of the second round of a ``repeat``, ``clf@0`` that from before the loop.

    Bad: ``clf@1.5``. Good: ``clf@1``.
    """

    name = "bad-round"
    code = "E129"

    def __post_init__(self) -> None:
        self.put(message="rounds are whole numbers, counted from 1; 0 is the step from before the loop", label="not a round")


@record(frozen=True, kw_only=True)
class StepAfterStep(Diagnostic):
    """A step that says nothing but its kind and name, with another on the same line: a word between them is wrong.

    Bad: ``clean tidy form raw { ... }``. Good: ``clean tidy from raw { ... }``.
    """

    name = "step-after-step"
    code = "E130"
    meant: str | None = None

    def __post_init__(self) -> None:
        word, meant = self.span.text, self.meant
        said = f"`{word}` stands where `{meant}` must" if meant else f"`{word}` begins a second step on this line"
        self.put(
            message=said,
            label=f"did you mean `{meant}`?" if meant else "a step is `KIND name from inputs { ... }`",
            fixes=(replace_fix(self.span, meant, safe=certain(word, meant, (meant,))),) if meant else (),
        )


@record(frozen=True, kw_only=True)
class TooDeeplyNested(Diagnostic):
    """Brackets, operators or blocks nested more than a hundred deep.

    No recipe written by a person comes near; the bound keeps a damaged or generated file from using up the memory. A long
    ``or``, ``and`` or ``||`` chain counts little; a sum of a hundred terms is better a ``list_sum([...])``.

    Bad: a hundred opening brackets, one in the other. Good: ``a or b or c``, without brackets.
    """

    name = "too-deeply-nested"
    code = "E131"

    def __post_init__(self) -> None:
        self.put(message="nested more than 100 levels deep", label="the first level too many")


@record(frozen=True, kw_only=True)
class FileTooLarge(Diagnostic):
    """A file of more than a million characters, or a hundred thousand words, signs and blanks.

    Recipes are written by people; long lists of words or rows belong in a data file that a ``source`` reads.

    Bad: ``classes: [...]`` with a hundred thousand names. Good: the names in a file that a ``source`` reads.
    """

    name = "file-too-large"
    code = "E132"
    what: str

    def __post_init__(self) -> None:
        self.put(
            message=f"this file is too large for a recipe: more than {self.what}",
            help=("put long lists into a data file, and read it with a `source`",),
        )


@record(frozen=True, kw_only=True)
class TooManyErrors(Diagnostic):
    """More than a hundred syntax errors: probably not a recipe at all. Those before this place are shown.

    Bad: a CSV file with the ending ``.recipe``. Good: a recipe that reads it: ``source rows = csv("rows.csv") {}``.
    """

    name = "too-many-errors"
    code = "E133"

    def __post_init__(self) -> None:
        self.put(message="too many errors: the rest of the file is not shown", label="is this a recipe?")
