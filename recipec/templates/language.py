"""What the language of templates has, as names: what may be used, what is refused, and the bounds. Nothing of Jinja is imported.

It is Jinja2 without what reaches outside the template (files, Python's insides) or gives another answer tomorrow.
"""

from __future__ import annotations

ROLES = ("system", "developer", "user", "assistant", "tool")
"""Roles of the messages of a chat template."""

FILTERS = frozenset({
    "abs", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "first", "float", "groupby", "indent", "int", "items",
    "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select",
    "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode", "wordcount",
})  # fmt: skip
"""Jinja's filters that depend on their arguments alone and write plain text."""

TESTS = frozenset({
    "!=", "<", "<=", "==", ">", ">=", "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan",
    "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string",
    "true", "undefined", "upper",
})  # fmt: skip

TEXT_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower",
    "isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace",
    "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper",
})  # fmt: skip
STRUCT_METHODS = frozenset({"get", "items", "keys", "values"})
LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "depth", "depth0"})
LOOP_METHODS = frozenset({"cycle", "changed"})
METHODS = TEXT_METHODS | STRUCT_METHODS | LOOP_METHODS

FUNCTIONS = frozenset({"range"})

REFUSED_NAMES = {
    "self": "`self` reaches the template's own insides",
    "cycler": "`cycler` is an object of Python's: use loop.cycle(...)",
    "joiner": "`joiner` is an object of Python's: use loop.first or the filter join",
    "namespace": "`namespace` can be changed from everywhere: use filters (sum, select, map) in place of counting in a loop",
    "lipsum": "`lipsum` gives random text: the recipe would not build the same bytes again",
    "dict": "`dict` is Python's: write {'a': 1}",
}
REFUSED_FILTERS = {
    "attr": "`attr` reaches Python's insides: write x.name or x['name']",
    "random": "`random` gives something else every time: choose in the recipe, where random() is a function of the seed and the row",
    "format": "`format` can make texts of any length: join pieces with ~, or use round",
    "pprint": "`pprint` writes Python's own form: use tojson",
    **dict.fromkeys(
        ("e", "escape", "forceescape", "safe", "urlize", "xmlattr", "striptags"), "prompts are text, not HTML: nothing is escaped here"
    ),
}

LARGEST_TEXT = 64 * 1024
"""Characters of one template's text."""
LARGEST = 16_000_000
"""Characters that rendering one row may print, what inner parts print counted too."""
LONGEST_RANGE = 100_000
"""Numbers that one ``range`` may give, and items that one operation may make."""
WIDEST = 1_000
"""Columns that ``indent``, ``center`` and their kind may fill."""
LOOP_COST, CALL_COST = 16, 64
"""What one round of a loop, and one call, cost of ``LARGEST`` beside what they print: a million rounds are the most."""
