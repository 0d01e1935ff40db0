"""What a function of the expression language is: Python that writes SQL, and kernels for what SQL cannot do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from recipec.record import record
from recipec.registry import announce, find

REQUIRED: Any = inspect.Parameter.empty


class SQL(str):
    """The SQL text of an argument, handed to a function's body. Use it in an f-string, as often as needed."""


@record(frozen=True)
class Parameter:
    """``type`` is a DuckDB type, ``ANY``, or for a constant the Python type. Constants arrive as Python values."""

    name: str
    type: str
    default: Any = REQUIRED
    constant: bool = False
    pytype: Any = None


@record(frozen=True)
class Kernel:
    """A batch function: called with pyarrow arrays (one per SQL argument), returns one array of the same length.

    ``target`` is ``"package.module:function"``, imported only when a run needs it. ``processes`` says that it holds the
    interpreter lock and so goes to the process pool; others run in the engine's own threads. Nulls arrive as nulls and
    the kernel decides. ``version`` goes into fingerprints: raise it when the answers change.
    """

    name: str
    target: str
    args: tuple[str, ...]
    returns: str
    processes: bool = True
    version: int = 1
    given: tuple[str, ...] = ()
    """Texts that the target gets before the arrays, the same for every batch."""

    def __call__(self, *args: str) -> SQL:
        KERNELS[self.name] = self
        return SQL(f"{self.sql_name}({', '.join(args)})")

    @property
    def sql_name(self) -> str:
        return f"__{self.name}"


KERNELS: dict[str, Kernel] = {}
"""Every kernel that some lowered expression of this process calls."""


@record(frozen=True)
class Function:
    """A function of the expression language. ``body`` maps SQL texts (and constants) to SQL text."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    body: Callable[..., str]
    version: int = 1
    random: bool = False
    doc: str = ""

    @property
    def signature(self) -> str:
        def one(p: Parameter) -> str:
            return f"{p.name}: {p.type}" + ("" if p.default is REQUIRED else f" = {p.default!r}")

        return f"{self.name}({', '.join(map(one, self.parameters))}) -> {self.returns}"


_SQL_TYPES = {"Text": "VARCHAR", "Int": "BIGINT", "Float": "DOUBLE", "Bool": "BOOLEAN", "Texts": "VARCHAR[]", "Any": "ANY"}


def function(name: str, *, returns: str | None = None, version: int = 1) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Mark a Python function that writes SQL as a function of the language.

    Its parameters are annotated ``Text``, ``Int``, ``Float``, ``Bool``, ``Texts`` (a list) or ``Any`` for SQL
    arguments, and plain Python types (``int``, ``str``, ``list[str]``, ``Literal[...]``) for arguments that must be
    constants of the recipe. ``-> Text`` and so on gives the type of the result, or ``returns`` a DuckDB type.
    Its docstring is its documentation, with examples: ``>>> words("a b")`` and the value on the next line, as Python
    would print it (run by the tests).
    """

    def mark(body: Callable[..., str]) -> Callable[..., str]:
        annotations = body.__annotations__
        parameters = []
        for p in inspect.signature(body).parameters.values():
            note = str(annotations[p.name])
            if note in _SQL_TYPES:
                parameters.append(Parameter(p.name, _SQL_TYPES[note], p.default))
            else:
                parameters.append(Parameter(p.name, note, p.default, constant=True, pytype=note))
        result = returns or _SQL_TYPES[str(annotations["return"])]
        made = Function(name, tuple(parameters), result, body, version=version, doc=inspect.cleandoc(body.__doc__ or ""))
        announce("function", name, made)
        return body

    return mark


# Annotations for @function bodies: at run time all of these are SQL texts.
Text = SQL
Int = SQL
Float = SQL
Bool = SQL
Texts = SQL


def find_function(name: str) -> Function | None:
    """recipec's own function of that name, if there is one."""
    found: Function | None = find("function", name, plugins=False)
    return found
