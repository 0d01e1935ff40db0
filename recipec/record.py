"""Dataclasses whose methods are written when they are first called.

``@dataclass`` compiles the source of up to six methods as soon as a class is defined; of the hundred classes that a check imports, most
are never made, and compiling their methods was a fifth of its time. ``@record`` takes the same classes and fields, and gives the same
behaviour: ``fields``, ``replace``, ``match`` and plain dataclasses below them work alike. Its ``__init__`` is written at the first
call; equality, hash and repr are one function for all classes. There are no slots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(cls: type | None = None, /, *, frozen: bool = False, kw_only: bool = False, eq: bool = True, repr: bool = True) -> Any:
        """As ``dataclasses.dataclass``."""
        if cls is None:
            return lambda cls: made(cls, frozen, kw_only, eq, repr)
        return made(cls, frozen, kw_only, eq, repr)


def made(cls: Any, frozen: bool, kw_only: bool, eq: bool, repr: bool) -> Any:
    own = vars(cls)
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # else dataclasses writes the signature there, which takes as long as all the rest
    # What frozen means is written here, once for all: dataclasses, which would write it for each class, is told of it afterwards.
    above: list[Any] = [b for b in cls.__mro__[1:] if "__record__" in vars(b) and b.__dataclass_params__.frozen]
    for base in above:
        base.__dataclass_params__.frozen = False
    try:
        dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    finally:
        for base in above:
            base.__dataclass_params__.frozen = True
    params = own["__dataclass_params__"]
    params.frozen, params.eq, params.repr, params.init = frozen, eq, repr, True
    cls.__record__ = True
    if "__init__" not in own:
        cls.__init__ = first(cls)
    if repr and "__repr__" not in own:
        cls.__repr__ = shown
    if eq and "__eq__" not in own:
        cls.__eq__ = equal
        cls.__hash__ = hashed if frozen else None
    if frozen:
        cls.__setattr__, cls.__delattr__ = refused, refused
    return cls


def first(cls: type[Any]) -> Callable[..., None]:
    """An ``__init__`` that writes the real one, and leaves the work to it."""

    def __init__(self: Any, *args: Any, **values: Any) -> None:
        cls.__init__ = written(cls)
        cls.__init__(self, *args, **values)

    return __init__


def written(cls: type[Any]) -> Callable[..., None]:
    """The ``__init__`` of a record."""
    scope: dict[str, Any] = {"_new": MISSING}
    positional: list[str] = []
    named: list[str] = []
    lines: list[str] = []
    frozen = cls.__dataclass_params__.frozen
    for f in dataclasses.fields(cls):
        value = f.name
        if f.default_factory is not MISSING:
            scope[f"_make_{f.name}"] = f.default_factory
            value = f"_make_{f.name}() if {f.name} is _new else {f.name}" if f.init else f"_make_{f.name}()"
        if f.init:
            (named if f.kw_only else positional).append(f.name + default(f, scope))
        elif f.default_factory is MISSING:
            continue  # a default stands in the class, anything else is set by __post_init__
        lines.append(f"_own[{f.name!r}] = {value}" if frozen else f"_self.{f.name} = {value}")
    if frozen:
        lines.insert(0, "_own = _self.__dict__")
    if hasattr(cls, "__post_init__"):
        lines.append("_self.__post_init__()")
    star = ["*", *named] if named else []
    exec(f"def __init__({', '.join(['_self', *positional, *star])}):\n " + "\n ".join(lines or ["pass"]), scope)
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def default(f: Field[Any], scope: dict[str, Any]) -> str:
    if f.default_factory is not MISSING:
        return "=_new"
    if f.default is MISSING:
        return ""
    scope[f"_default_{f.name}"] = f.default
    return f"=_default_{f.name}"


_VALUES: dict[type[Any], attrgetter[Any]] = {}


def values_of(cls: type[Any]) -> attrgetter[Any]:
    """What takes part in equality."""
    found = _VALUES.get(cls)
    if found is None:
        found = _VALUES[cls] = attrgetter("__class__", *(f.name for f in dataclasses.fields(cls) if f.compare))
    return found


def equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = values_of(type(self))
    return values(self) == values(other)


def hashed(self: Any) -> int:
    return hash(values_of(self.__class__)(self))


def shown(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in dataclasses.fields(self) if f.repr)})"


def refused(self: Any, name: str, *value: object) -> None:
    """Nothing of a frozen record is set or deleted. (A class below one that is no record may have attributes of its own.)"""
    cls = type(self)
    if "__dataclass_fields__" in vars(cls) or name in cls.__dataclass_fields__:
        raise FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")
    if value:
        object.__setattr__(self, name, *value)
    else:
        object.__delattr__(self, name)
