"""What DuckDB's binder refuses, said in the recipe's words and at its place.

The binder names a position in the SQL for most refusals; the SQL remembers which words of the recipe each piece came
from (:mod:`recipec.resolve.sql`). Where it names none, the guilty node is found by what the message speaks of.
"""

from __future__ import annotations

import re
from typing import TypeVar

from recipec.api import find_function, literal
from recipec.diagnostics import Diagnostic, certain, nearest, replace_fix
from recipec.resolve.aggregates import first_aggregate
from recipec.resolve.expr import Lowerer
from recipec.resolve.problems import BadRegex, BinderRefused, TooLarge, UnknownColumn, WrongType
from recipec.resolve.sql import Fragment
from recipec.resolve.types import shown
from recipec.resolve.typing import Refused, Typing
from recipec.source import Span
from recipec.syntax import tree

D = TypeVar("D", bound=Diagnostic)

_REGEX_FUNCTIONS = re.compile(r"regexp_|string_split_regex|str_split_regex|list_extract_all")


def explain_refusal(problem: Refused, whole: Fragment, offset: int, lowerer: Lowerer, typing: Typing, node: tree.Node) -> Diagnostic:
    """The finding for a refusal of ``whole``, whose SQL starts at ``offset`` of what was bound, lowered from ``node``."""
    place = whole.locate(problem.position - offset) if problem.position is not None else None
    inside = place is not None and place.end > place.start and place.source is node.span.source
    span = place if place is not None and inside else node.span
    message = problem.message.split("\n")[0].rstrip(".!")
    subtype, name = problem.details.get("error_subtype", ""), problem.details.get("name", "")
    if problem.kind == "InvalidInput" and (regex := bad_regex(message, node, typing)) is not None:
        return regex
    if problem.kind == "Constant":
        return TooLarge(
            span=span, message=message, help=("it would be computed before any row is read: give it from outside, or make it smaller",)
        )
    if problem.kind == "Catalog" and name:
        call = next((n for n in tree.walk(node) if isinstance(n, tree.Call) and isinstance(n.func, tree.Name) and n.func.id == name), None)
        if call is not None and isinstance(call.func, tree.Name):
            return lowerer.unknown_function(call.func, (*sorted(typing.functions("scalar")), *sorted(typing.functions("macro"))))
    called = first_aggregate(node)
    if called is not None and ("GROUP BY" in message or "aggregate" in message):
        return looks_at_many(called)
    if message.startswith("Window functions"):
        return WrongType(
            span=span,
            message=f"{described(span)} looks at other rows; here each row stands alone",
            help=("window functions stand in `sql` steps",),
        )
    if subtype == "COLUMN_NOT_FOUND" and name:
        unknown = UnknownColumn(span=span, wanted=name, candidates=tuple(lowerer.columns))
        unknown.suggest(f"no column `{name}` in {lowerer.table}", listing=f"{lowerer.table} has")
        return unknown
    if subtype == "NO_MATCHING_FUNCTION" or message.startswith("Could not choose a best candidate"):
        return no_match(problem, span, node, typing)
    if message.startswith("Could not find key"):
        return no_field(problem, node)
    if "ARRAY_SLICE" in message:
        guilty = next((n for n in tree.walk(node) if isinstance(n, tree.Index) and n.slice), node)
        return WrongType(span=guilty.span, message="`[from:to]` cuts texts and lists, and this is neither")
    if "Cannot deduce template type" in message:
        return WrongType(span=span, message=f"{described(span)}: the types do not go together", help=("cast one side: cast(x as int)",))
    if "does not support the supplied arguments" in message:
        forms = [line.strip() for line in problem.message.split("\n")[2:] if line.strip()]
        help = tuple("its form: " + readable(f.replace('"', "")) for f in forms[:4])
        return WrongType(span=span, message=f"{described(span)} does not take these arguments", help=help)
    if message.startswith(("Cannot compare", "Cannot mix", "Cannot concatenate")):
        # The position is that of the left side; what is wrong is both together.
        around = spanning(node, span, tree.Binary, tree.Between, tree.Case) or node
        if (together := unlike(message, around)) is not None:
            return together
        span = around.span
    if problem.kind in ("Binder", "Conversion", "Parser", "Catalog", "InvalidInput", "OutOfRange", "NotImplemented"):
        return WrongType(span=span, message=readable(message)[:300], help=hints(message))
    return BinderRefused(span=span, message=readable(message)[:300])


_UNLIKE = re.compile(r"Cannot (?:compare|mix) values of type (.+?) and (?:type )?(.+?)(?: in .*)?(?: - .*)?$")


def unlike(message: str, around: tree.Node) -> WrongType | None:
    """Two values that should be of one type: the sides of a comparison, the branches of a ``case``."""
    found = _UNLIKE.match(message)
    if found is None:
        return None
    one, other = (re.sub(r"\binteger\b", "int", readable(t)) for t in found.groups())
    cast = "cast one of them: cast(x as text)"
    match around:
        case tree.Case():
            return WrongType(
                span=around.span,
                message=f"the branches of this `case` give {one} and {other}",
                help=("let every branch give one type: cast(x as text), or null",),
            )
        case _ if "IN/ANY/ALL" in message:
            return WrongType(span=around.span, message=f"`in` cannot compare {one} with {other}", help=(cast,))
        case tree.Binary(op=op):
            among = one.startswith("[") != other.startswith("[")
            return WrongType(
                span=around.span,
                message=f"`{op}` cannot compare {one} with {other}",
                help=("one of a list: x in [1, 2]; its length: len(x)" if among else cast,),
            )
        case _:
            what = "`between` cannot compare" if isinstance(around, tree.Between) else "no type is that of"
            return WrongType(span=around.span, message=f"{what} {one} and {other}", help=(cast,))


def looks_at_many(called: tree.Name) -> WrongType:
    """``keep where count(x) > 1``: an aggregate where each row stands alone."""
    return WrongType(
        span=called.span,
        message=f"`{called.id}` looks at many rows; here each row stands alone",
        help=("aggregates stand in `expect` and in `sql` steps",),
    )


def mixes_rows(called: tree.Name, problem: Refused, whole: Fragment, offset: int) -> WrongType:
    """``expect count() > 3 and length(text) > 3``: a test of all rows and of each."""
    place = whole.locate(problem.position - offset) if problem.position is not None else None
    span = place or called.span
    return WrongType(
        span=span,
        message=f"`{called.id}` looks at all rows, and {described(span)} at each",
        help=("make two tests of it",),
    )


def at(node: tree.Node, span: Span) -> tree.Node | None:
    """The outermost node below ``node`` that stands exactly at ``span``."""
    return next((n for n in tree.walk(node) if (n.span.start, n.span.end) == (span.start, span.end)), None)


def spanning(node: tree.Node, span: Span, *kinds: type[tree.Node]) -> tree.Node | None:
    """The innermost node of some kinds whose text holds ``span`` and more."""
    found: tree.Node | None = None
    for n in tree.walk(node):
        wider = n.span.start <= span.start and span.end <= n.span.end and (n.span.start, n.span.end) != (span.start, span.end)
        if wider and isinstance(n, kinds):
            found = n
    return found


def bad_regex(message: str, node: tree.Node, typing: Typing) -> BadRegex | None:
    """The regular expression, literal or text, that RE2 does not take."""
    suspects: list[tree.Regex | tree.String] = [n for n in tree.walk(node) if isinstance(n, tree.Regex)]
    for n in tree.walk(node):
        if isinstance(n, tree.Binary) and n.op in ("matches", "not matches") and isinstance(n.right, tree.String):
            suspects.append(n.right)
        elif isinstance(n, tree.Call) and _REGEX_FUNCTIONS.match(n.func.span.text):
            suspects += [a.value for a in n.args if isinstance(a.value, tree.String)]
    guilty = next((n for n in suspects if not _compiles(n, typing)), None)
    if guilty is None:
        return None
    said, help = regex_words(message)
    return BadRegex(span=guilty.span, message=said, help=help)


def bad_regexes(node: tree.Node, typing: Typing) -> list[Diagnostic]:
    """The regular expressions in ``node`` that RE2 does not take."""
    out: list[Diagnostic] = []
    for n in tree.walk(node):
        if isinstance(n, tree.Regex):
            try:
                typing.types(f"SELECT regexp_matches('', {literal(n.pattern)})")
            except Refused as problem:
                said, help = regex_words(problem.message.split("\n")[0].rstrip(".!"))
                out.append(BadRegex(span=n.span, message=said, help=help))
    return out


REGEX_WORDS = {
    "missing )": "a `(` of this regular expression is never closed",
    "missing ]": "a `[` of this regular expression is never closed",
    "unexpected )": "a `)` of this regular expression closes nothing",
    "no argument for repetition operator": "`{}` in this regular expression has nothing to repeat",
    "bad repetition operator": "`{}` in this regular expression repeats what is repeated already",
    "invalid character class range": "the range `{}` of this regular expression runs backwards",
    "invalid repetition size": "`{}` repeats more often than the 1,000 times that are allowed",
    "trailing \\": "this regular expression ends in a backslash with nothing behind it",
}
"""RE2's refusals, by their beginnings, for people."""


def regex_words(message: str) -> tuple[str, tuple[str, ...]]:
    """What is wrong with a regular expression, and what would be right."""
    kind, _, piece = message.partition(": ")
    piece = piece.strip()
    if kind == "invalid perl operator" and piece.startswith(("(?=", "(?!", "(?<=", "(?<!")):
        return (
            f"`{piece}` looks around: a regular expression here sees only what it matches",
            ("make two conditions of it: text matches r/foo/ and not text matches r/foobar/",),
        )
    if kind == "invalid escape sequence":
        back = piece[1:].isdigit()
        said = f"`{piece}` {'refers back to what was matched, which RE2 cannot' if back else 'means nothing in a regular expression'}"
        return said, () if back else ("a backslash stands before a sign that means itself (\\. \\() or in \\b \\d \\s \\w",)
    words = next(
        (said for begin, said in REGEX_WORDS.items() if message.startswith(begin)), "bad regular expression: " + message.replace("{", "{{")
    )
    help = (
        ("a sign that means itself is written with a backslash: \\( \\[ \\*",) if "backslash" not in words and "range" not in words else ()
    )
    return words.format(piece), help


def _compiles(node: tree.Regex | tree.String, typing: Typing) -> bool:
    pattern = node.pattern if isinstance(node, tree.Regex) else node.value
    try:
        typing.types(f"SELECT regexp_matches('', {literal(pattern)})")
    except Refused:
        return False
    return True


METHODS = {"len": "length", "size": "length", "lowercase": "lower", "uppercase": "upper", "strip": "trim", "lstrip": "ltrim", "rstrip": "rtrim",
           "startswith": "starts_with", "endswith": "ends_with", "includes": "contains"}  # fmt: skip
"""Functions by the names that methods of texts have in other languages."""


def as_function(problem: D, whole: tree.Node, base: tree.Node, function: str, arguments: str = "") -> D:
    """``text.length``: what other languages write behind a value, a function takes."""
    written = f"{function}({base.span.text}{arguments and f', {arguments}'})"
    problem.put(label=f"write `{written}`", fixes=(replace_fix(whole.span, written, safe=False),), help=())
    return problem


def no_match(problem: Refused, span: Span, node: tree.Node, typing: Typing) -> WrongType:
    """A function or operator whose arguments have types that it does not take."""
    call = problem.details.get("call") or re.sub(r'.*function call "(.*?)"\..*', r"\1", problem.message.split("\n")[0])
    given = [readable(t) for t in split_types(call.partition("(")[2].removesuffix(")"))]
    named = at(node, span)
    if problem.details.get("name") == "**":
        named = spanning(node, span, tree.Binary)
    match named:
        case tree.Field(base=base, name=field):
            message = f"`{base.span.text}` is {given[0] if given else 'no struct'}: it has no field `{field.id}`"
            function = METHODS.get(field.id, field.id)
            if find_function(function) is None and function not in typing.functions("scalar"):
                return WrongType(span=field.span, message=message)
            return as_function(WrongType(span=field.span, message=message), named, base, function)
        case tree.Index():
            return WrongType(span=span, message=f"`[ ]` takes an element of a list, a text or a struct; this is {given[0]}")
        case tree.Binary(op="in" | "not in", right=right):
            return WrongType(
                span=right.span,
                message=f"`in` needs a list on its right; this is {given[0] if given else 'none'}",
                help=('a list: ["a", "b"]; a text in a text: contains(text, "part")',),
            )
        case tree.Binary(op="like" | "not like" | "ilike" | "not ilike" | "matches" | "not matches" as op):
            return WrongType(
                span=span, message=f"`{op}` compares texts; here are {' and '.join(given[:2])}", help=("cast it: cast(x as text)",)
            )
        case tree.Binary(op=op):
            texts = op == "+" and "text" in given
            return WrongType(
                span=named.span,
                message=f"`{op}` does not take {' and '.join(given)}",
                help=("texts are joined with `||`" if texts else "cast one side: cast(x as int)",),
                fixes=(replace_fix(named.op_span, "||"),) if given == ["text", "text"] and texts else (),
            )
        case tree.Unary(op=op):
            return WrongType(span=span, message=f"`{op}` does not take {' and '.join(given)}", help=("cast it: cast(x as int)",))
    name = named.func.span.text if isinstance(named, tree.Call) else problem.details.get("name", "") or span.text
    forms = [f for f in candidates(problem) if f]
    help = tuple(f"it takes {f}" for f in forms[:4]) or ("cast the argument: cast(x as int)",)
    return WrongType(span=span, message=f"`{name}` does not take {' and '.join(given) or 'nothing'}", help=help)


def candidates(problem: Refused) -> list[str]:
    """The forms of a function as the binder lists them, readable: ``upper(string text) -> text``."""
    lines = [line.strip() for line in problem.message.split("\n") if line.startswith("\t") and "(" in line]
    return [readable(line.replace('"', "").replace(", /)", ")")) for line in lines]


def no_field(problem: Refused, node: tree.Node) -> WrongType:
    """``point.z`` where the struct has x and y."""
    wanted = re.search(r'key "(.*?)"', problem.message)
    name = wanted[1] if wanted else ""
    known = re.findall(r'"((?:[^"]|"")*)"', problem.message.partition("Candidate Entries:")[2])
    field = next((n.name for n in tree.walk(node) if isinstance(n, tree.Field) and n.name.id == name), None)
    guess = nearest(name, known)
    return WrongType(
        span=field.span if field is not None else node.span,
        message=f"the struct has no field `{name}`",
        label=f"did you mean `{guess}`?" if guess else "",
        help=(f"among its fields: {', '.join(known)}",) if known else (),
        fixes=(replace_fix(field.span, guess, safe=certain(name, guess, known)),) if guess and field is not None else (),
    )


def described(span: Span) -> str:
    return f"`{' '.join(span.text.split())}`"


def split_types(text: str) -> list[str]:
    """``INTEGER, STRUCT(a INTEGER, b VARCHAR)`` taken apart at its outermost commas."""
    out, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            out.append("")
        else:
            out[-1] += c
    return [t.strip() for t in out if t.strip()]


def hints(message: str) -> tuple[str, ...]:
    if "Cannot compare" in message or "Cannot mix" in message:
        return ("cast one side: cast(x as text)",)
    if "Cannot concatenate" in message:
        return ("|| joins texts, or lists of one type",)
    if "lambda" in message:
        return ("lambda x: expression",)
    return ()


def readable(text: str) -> str:
    """A message of the binder with types in the recipe's words."""
    plain = text.replace("STRING_LITERAL", "VARCHAR").replace("INTEGER_LITERAL", "BIGINT").replace("_LITERAL", "").replace('"NULL"', "null")
    plain = plain.replace(" - an explicit cast is required", "").strip()
    return re.sub(r"\b(VARCHAR|BIGINT|DOUBLE|BOOLEAN|INTEGER|DATE|TIMESTAMP)((?:\[\])*)", lambda m: shown(m[1] + m[2]), plain)


def wrong_condition(type: str, span: Span, what: str) -> WrongType:
    """``keep where words(text)``: a value where a condition is needed."""
    return WrongType(
        span=span,
        message=f"{what} needs a condition, true or false; this is {shown(type)}",
        help=("compare it: words(text) >= 5",) if type not in ("VARCHAR",) else ('compare it: section == "games"',),
    )
