"""The filters and tests of templates: Jinja's own, held to bounds, and with SQL's sense of null."""

from __future__ import annotations

import json
from collections.abc import Callable, Sized
from functools import wraps
from itertools import islice
from types import GeneratorType
from typing import Any

from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.runtime import Undefined
from jinja2.tests import TESTS as DEFAULT_TESTS

from recipec.templates.language import FILTERS, LARGEST, LONGEST_RANGE, TESTS, WIDEST


class Null(Exception):
    """A null was about to be printed: the value of the whole template is null."""


class Refused(Exception):
    """What a template must not do; the message says what and why."""


SIZED: tuple[type[Sized], ...] = (str, list, tuple, dict, range, type({}.keys()), type({}.values()), type({}.items()))
TAKE_NULL = frozenset({"default", "d", "tojson"})
WIDTHS = frozenset({"center", "indent", "batch", "slice", "round"})


PART = 4
"""What it costs to look at one part of a list or struct."""


def weigh(value: Any, spend: Callable[[int], None]) -> Any:
    """The value again, its parts paid for: a list that holds a list twice is as large as both. Refuses what is not there, and what would be a
    text of more than ``LARGEST``."""
    waiting, letters, parts = [value], 0, 0
    while waiting:
        inner = waiting.pop()
        parts += 1
        if isinstance(inner, str):
            letters += len(inner)
        elif isinstance(inner, dict):
            waiting += [*inner, *inner.values()]
        elif isinstance(inner, (list, tuple)):
            waiting += inner
        elif isinstance(inner, Undefined):
            str(inner)  # raises what is undefined
        if letters > LARGEST:
            raise Refused(f"this makes more than {LARGEST:,} characters")
        if parts % 1024 == 0:
            spend(PART * 1024)
    spend(PART * (parts % 1024))
    return value


def pay(value: Any, spend: Callable[[int], None]) -> Any:
    """The value again, what it costs to look through it paid for."""
    if isinstance(value, str):
        spend(len(value) // 16)
    elif isinstance(value, (list, tuple, dict)):
        weigh(value, spend)
    elif isinstance(value, range):
        spend(len(value))
    return value


def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """Another value for one that is not there, null, or (with ``boolean``) empty."""
    return default_value if value is None or isinstance(value, Undefined) or (boolean and not value) else value


def tojson(value: Any, indent: int | None = None) -> str:
    """JSON as other programs write it: no HTML escapes, letters of all scripts as they are."""
    return json.dumps(value, ensure_ascii=False, indent=None if indent is None else min(int(indent), 16))


def replaced(text: str, old: str, new: str, count: int | None = None) -> str:
    most = text.count(old) if count is None else min(count, text.count(old))
    if most * (len(new) - len(old)) + len(text) > LARGEST:
        raise Refused(f"this makes more than {LARGEST:,} characters")
    return text.replace(old, new, -1 if count is None else count)


def _replace(value: Any, old: str, new: str, count: int | None = None) -> str:
    return replaced(str(value), str(old), str(new), count)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = str(value)
    added = width if isinstance(width, int) else len(width)
    if (text.count("\n") + 1) * max(added, 0) + len(text) > LARGEST:
        raise Refused(f"this makes more than {LARGEST:,} characters")
    made: str = DEFAULT_FILTERS["indent"](text, width, first, blank)
    return made


OWN: dict[str, Callable[..., Any]] = {"default": default, "d": default, "tojson": tojson, "replace": _replace, "indent": _indent}


def bounded(name: str, work: Callable[..., Any], spend: Callable[[int], None]) -> Callable[..., Any]:
    """A filter that refuses nulls that it would print and widths without measure, gives lists in place of generators, and pays for
    the size of what it looks at."""
    place = 1 if getattr(work, "jinja_pass_arg", None) is not None else 0

    @wraps(work)
    def run(*args: Any, **named: Any) -> Any:
        value = args[place]
        if value is None and name not in TAKE_NULL:
            raise Null
        if isinstance(value, SIZED):
            spend(len(value))
        if name in WIDTHS:
            wide = next((a for a in (*args[place + 1 :], *named.values()) if isinstance(a, int) and abs(a) > WIDEST), None)
            if wide is not None:
                raise Refused(f"`{name}` with {wide:,}: {WIDEST:,} is the most")
        if name == "join":
            value = list(value) if not isinstance(value, (list, tuple, str)) else value
            if any(item is None for item in value) and not named.get("attribute"):
                raise Null
            between = args[place + 1] if len(args) > place + 1 else named.get("d", "")
            if len(value) * len(str(between)) + sum(len(i) if isinstance(i, str) else 20 for i in value) > LARGEST:
                raise Refused(f"this makes more than {LARGEST:,} characters")
        if name == "sum":
            start = args[place + 2] if len(args) > place + 2 else named.get("start", 0)
            if not isinstance(start, (int, float)):
                raise Refused("`sum` adds numbers; lists are put together with +, texts with join")
        made = work(*args, **named)
        if isinstance(made, GeneratorType):
            made = list(islice(made, LONGEST_RANGE + 1))
            if len(made) > LONGEST_RANGE:
                raise Refused(f"`{name}` makes more than {LONGEST_RANGE:,} items")
        if isinstance(made, (str, list)):
            spend(len(made))
        return weigh(made, spend) if name in ("batch", "slice") else made

    return run


def filter_table(spend: Callable[[int], None]) -> dict[str, Callable[..., Any]]:
    """The filters of one sandbox, which pay from its budget."""
    works: dict[str, Any] = dict(DEFAULT_FILTERS)
    works.update(OWN)
    return {name: bounded(name, works[name], spend) for name in sorted(FILTERS)}


def test_table(spend: Callable[[int], None]) -> dict[str, Any]:
    """The tests of one sandbox, which pay for what they compare."""

    def paid(work: Any) -> Callable[..., Any]:
        @wraps(work)
        def run(*args: Any) -> Any:
            for arg in args if len(args) > 1 else ():
                pay(arg, spend)
            return work(*args)

        return run

    return {name: paid(DEFAULT_TESTS[name]) for name in sorted(TESTS)}
