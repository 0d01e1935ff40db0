"""Models of settings and arguments: declared like pydantic's, and validated by pydantic, but only when there is something
to say.

Importing pydantic and building its validators takes longer than checking a whole recipe. Most values are plainly right: an
int where an int is wanted. :meth:`Settings.model_validate` accepts those itself; whatever it is not sure of, and every
error, goes to the pydantic model of the same fields, made on first use (:func:`strict`). The tests hold the two against each
other: what the quick way accepts, pydantic accepts with the same result.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from keyword import iskeyword
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

MISSING: Any = ...
_BOUNDS = ("ge", "gt", "le", "lt", "min_length", "max_length")
F = TypeVar("F", bound=Callable[..., Any])


class Constraint:
    """A bound of a field, as metadata: one of ``ge gt le lt min_length max_length``."""

    def __init__(self, kind: str, value: Any) -> None:
        self.kind, self.value = kind, value
        setattr(self, kind, value)

    def holds(self, value: Any) -> bool:
        match self.kind:
            case "ge":
                return bool(value >= self.value)
            case "gt":
                return bool(value > self.value)
            case "le":
                return bool(value <= self.value)
            case "lt":
                return bool(value < self.value)
            case "min_length":
                return bool(len(value) >= self.value)
            case _:
                return bool(len(value) <= self.value)


class FieldInfo:
    """A field: its annotation, default (``MISSING`` where it must be given), bounds and other metadata."""

    def __init__(
        self,
        default: Any = MISSING,
        *,
        default_factory: Callable[[], Any] | None = None,
        description: str | None = None,
        json_schema_extra: Mapping[str, Any] | None = None,
        **bounds: Any,
    ) -> None:
        unknown = set(bounds) - set(_BOUNDS)
        if unknown:
            raise TypeError(f"unknown bounds: {', '.join(sorted(unknown))}")
        self.default, self.default_factory = default, default_factory
        self.description, self.json_schema_extra = description, json_schema_extra
        self.constraints = tuple(Constraint(k, v) for k, v in bounds.items() if v is not None)
        self.metadata: tuple[Any, ...] = self.constraints
        self.annotation: Any = None

    def is_required(self) -> bool:
        return self.default is MISSING and self.default_factory is None

    def get_default(self, *, call_default_factory: bool = True) -> Any:
        if self.default_factory is not None:
            return self.default_factory() if call_default_factory else None
        return self.default.copy() if isinstance(self.default, (list, dict, set)) else self.default


def Field(default: Any = MISSING, **facts: Any) -> Any:
    """A field with bounds: ``Field(0, ge=0)``. Bounds: ``ge gt le lt min_length max_length``."""
    return FieldInfo(default, **facts)


def named(default: Any = MISSING, **constraints: Any) -> Any:
    """A field of a model with ``rest`` that is given by name only: ``dedupe(a, b, near: 85%)``."""
    return FieldInfo(default, json_schema_extra={"named": True}, **constraints)


def model_validator(*, mode: Literal["after"] = "after") -> Callable[[F], F]:
    """Mark a method that looks at the whole model once its fields are right; it returns ``self`` or raises ValueError."""

    def mark(method: F) -> F:
        method.__recipec_validator__ = mode  # type: ignore[attr-defined]
        return method

    return mark


class _Unsure(Exception):
    """The quick way cannot say that a value is right."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, named, FieldInfo))
class Model(type):
    """The metaclass of models: collects fields when they are first asked for."""

    _fields: dict[str, FieldInfo] | None
    _checks: tuple[Callable[[Any], Any], ...]

    @property
    def model_fields(cls) -> dict[str, FieldInfo]:
        if "_fields" not in cls.__dict__:
            cls._fields = collect(cls)
        found = cls._fields
        assert found is not None
        return found

    @property
    def validators(cls) -> dict[str, Callable[[Any], Any]]:
        return {n: m for base in reversed(cls.__mro__) for n, m in vars(base).items() if hasattr(m, "__recipec_validator__")}


def collect(cls: Model) -> dict[str, FieldInfo]:
    hints = get_type_hints(cls, include_extras=True)
    out: dict[str, FieldInfo] = {}
    for base in reversed(cls.__mro__):
        for name in vars(base).get("__annotations__", {}):
            if name.startswith("_") or (get_origin(hints[name]) is not None and "ClassVar" in str(get_origin(hints[name]))):
                continue
            default = vars(base).get(name, MISSING)
            info = default if isinstance(default, FieldInfo) else FieldInfo(default)
            annotation = hints[name]
            if get_origin(annotation) is Annotated:
                annotation, *extra = get_args(annotation)
                info.metadata = (*info.constraints, *extra)
            info.annotation = annotation
            # A name that Python keeps for itself is written `with_` in the class, and is `with` to everyone else.
            out[name[:-1] if name.endswith("_") and iskeyword(name[:-1]) else name] = info
    return out


class Settings(metaclass=Model):
    """Base of every model of settings (``key: value``) and of call arguments. Field order is positional order.

    Beside plain Python types a field may have the types below, which the resolver makes from the recipe:

    ``Expression``   any expression over the columns in scope, typed by the binder
    ``ColumnName``   the name of a column in scope
    ``TableRef``     another step, or a part of a split (an edge of the graph)
    ``ColumnRef``    a column of another step: ``bench.question`` (an edge of the graph)
    ``Arrows``       ``old => new`` pairs
    ``TypeMap``      ``{ name: type, ... }``, DuckDB types by column
    ``Word``         a text that may stand without quotes
    ``Inner``        a nested call, resolved against the classes that the field's ``Choices`` name
    ``Secret``       ``env("NAME")`` or a string; its value is never printed, stored or fingerprinted

    A field called like a word of Python (``with``, ``from``) is declared and read with an underscore behind: ``with_``.

    The field ``rest`` (a list or tuple), where there is one, takes all further positional arguments. Values are frozen.
    """

    also: ClassVar[Mapping[str, str]] = {}
    """Names that people may write for a field, and the field: ``path`` for ``to``."""

    def __init__(self, **values: Any) -> None:
        made = type(self).model_validate(values)
        self.__dict__.update(made.__dict__)

    @classmethod
    def model_validate(cls: type[S], values: Mapping[str, Any]) -> S:
        """An instance of the model, or pydantic's ValidationError."""
        fields = cls.model_fields
        try:
            if not set(values) <= set(fields):
                raise _Unsure
            out: dict[str, Any] = {}
            for name, info in fields.items():
                if name in values:
                    out[name] = fit(values[name], info.annotation)
                    if out[name] is not None and not all(c.holds(out[name]) for c in info.constraints):
                        raise _Unsure
                elif info.is_required():
                    raise _Unsure
                else:
                    out[name] = info.get_default()
            made = cls._made(out)
            for check in cls.validators.values():
                check(made)
        except (_Unsure, ValueError, TypeError):
            return cls._made(strict(cls, values))
        return made

    @classmethod
    def _made(cls: type[S], values: Mapping[str, Any]) -> S:
        made = object.__new__(cls)
        made.__dict__.update(values)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __getattribute__(self, name: str) -> Any:
        if name.endswith("_") and name[:-1] in object.__getattribute__(self, "__dict__"):
            name = name[:-1]
        return object.__getattribute__(self, name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), tuple(repr(v) for v in self.__dict__.values())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

    def model_dump(self) -> dict[str, Any]:
        return dict(self.__dict__)


S = TypeVar("S", bound=Settings)


def fit(value: Any, annotation: Any) -> Any:
    """``value`` as a field of that annotation holds it. Raises _Unsure for whatever is not plainly right."""
    origin = get_origin(annotation)
    if annotation is Any:
        return value
    if origin is Annotated:
        return fit(value, get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        options = get_args(annotation)
        # A value that is of one of the types as it stands is that one, before any is converted.
        for exact in (True, False):
            for option in options:
                if exact and option in (int, float, str, bool) and type(value) is not option:
                    continue
                try:
                    return fit(value, option)
                except _Unsure:
                    continue
        raise _Unsure
    if annotation is None or annotation is type(None):
        return accept(value, value is None)
    if origin is Literal:
        return accept(value, any(type(value) is type(a) and value == a for a in get_args(annotation)))
    if origin is list or annotation is list:
        accept(value, isinstance(value, (list, tuple)))
        items = get_args(annotation)
        return [fit(v, items[0]) for v in value] if items else list(value)
    if origin is tuple:
        items = get_args(annotation)
        accept(value, isinstance(value, (list, tuple)) and len(items) == 2 and items[1] is Ellipsis)
        return tuple(fit(v, items[0]) for v in value)
    if origin is dict:
        key, item = get_args(annotation)
        accept(value, isinstance(value, dict))
        return {fit(k, key): fit(v, item) for k, v in value.items()}
    if annotation is float:
        accept(value, isinstance(value, (int, float)) and not isinstance(value, bool))
        return float(value)
    if annotation is int:
        return accept(value, type(value) is int)
    if isinstance(annotation, type):
        return accept(value, isinstance(value, annotation) and not (annotation is not bool and isinstance(value, bool)))
    raise _Unsure


def accept(value: Any, right: bool) -> Any:
    if not right:
        raise _Unsure
    return value


# pydantic -------------------------------------------------------------------------------------------------------------

_strict: dict[type, Any] = {}


def strict_model(cls: type[Settings]) -> Any:
    """The pydantic model of the same fields: for errors, for conversions, and for JSON Schema."""
    import pydantic

    if cls not in _strict:
        fields: dict[str, Any] = {}
        for name, info in cls.model_fields.items():
            bounds = {c.kind: c.value for c in info.constraints}
            facts: dict[str, Any] = {"description": info.description, **bounds}
            if info.default_factory is not None:
                facts["default_factory"] = info.default_factory
            elif info.default is not MISSING:
                facts["default"] = info.default
            annotation = exact(info.annotation)
            extra = [m for m in info.metadata if not isinstance(m, Constraint)]
            for item in extra:
                annotation = Annotated[annotation, item]
            fields[name] = (annotation, pydantic.Field(**facts))
        validators: dict[str, Any] = {n: pydantic.model_validator(mode="after")(m) for n, m in cls.validators.items()}
        config = pydantic.ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
        _strict[cls] = pydantic.create_model(cls.__name__, __config__=config, __validators__=validators, **fields)
    return _strict[cls]


def strict(cls: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """pydantic's own reading of the values; raises its ValidationError."""
    made = strict_model(cls).model_validate(dict(values))
    return {name: getattr(made, name) for name in cls.model_fields}


def validate(value: Any, annotation: Any) -> Any:
    """One value against an annotation; raises pydantic's ValidationError."""
    try:
        return fit(value, annotation)
    except _Unsure:
        from pydantic import TypeAdapter

        return TypeAdapter(exact(annotation)).validate_python(value)


def exact(annotation: Any) -> Any:
    """The annotation, its numbers and truth values without pydantic's leniency: ``"1"`` is a text, and ``true`` no number. What comes from
    the environment has no other form than a text."""
    from pydantic import BeforeValidator
    from pydantic_core import PydanticCustomError

    if annotation in (int, float, bool):

        def check(value: Any) -> Any:
            if type(value) is str or isinstance(value, bool) != (annotation is bool and not isinstance(value, str)):
                raise PydanticCustomError(f"{annotation.__name__}_type", "Input should be another type")
            return value

        return Annotated[annotation, BeforeValidator(check)]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[exact(inner[0]), *inner[1:]]
    if origin in (Union, types.UnionType):
        return Union[tuple(exact(a) for a in inner)]  # noqa: UP007
    if origin in (list, tuple, dict):
        return origin[tuple(a if a is Ellipsis else exact(a) for a in inner)]
    return annotation
