"""``record`` is ``dataclass``: the same classes made by both behave alike."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, ClassVar

import pytest

from recipec.record import record


def family(make: Callable[..., Any]) -> dict[str, Any]:
    @make(frozen=True)
    class Point:
        """A point."""

        x: int
        y: int = 2
        tags: tuple[str, ...] = ()
        place: object = field(default=None, compare=False, repr=False)
        shared: ClassVar[int] = 7

        @property
        def sum(self) -> int:
            return self.x + self.y

    @make(frozen=True, kw_only=True)
    class Named(Point):
        name: str = ""

        def __post_init__(self) -> None:
            object.__setattr__(self, "name", self.name or f"{self.x}/{self.y}")

    @make
    class Heap:
        items: list[int] = field(default_factory=list)
        size: int = field(init=False)
        _hidden: int = 0

        def __post_init__(self) -> None:
            self.size = len(self.items)

    @make(frozen=True, eq=False)
    class One:
        value: int

    @make(frozen=True, repr=False)
    class Quiet(One):
        def __repr__(self) -> str:
            return "quiet"

    class Loose(Point):
        """No record itself: it may have attributes of its own."""

    @dataclass(frozen=True)
    class Below(Point):
        z: int = 3

    return {c.__name__: c for c in (Point, Named, Heap, One, Quiet, Loose, Below)}


OURS, THEIRS = family(record), family(dataclass)
MADE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "plain": lambda f: f["Point"](1),
    "by name": lambda f: f["Point"](x=1, tags=("a",), place=object()),
    "too few": lambda f: f["Point"](),
    "too many": lambda f: f["Point"](1, 2, (), None, 5),
    "unknown": lambda f: f["Point"](1, z=2),
    "below": lambda f: f["Named"](1, name="n"),
    "filled": lambda f: f["Named"](1, 3),
    "by position": lambda f: f["Named"](1, 2, (), None, "n"),
    "heap": lambda f: f["Heap"]([1, 2]),
    "empty": lambda f: f["Heap"](),
    "no size": lambda f: f["Heap"]([], 1, 2),
    "one": lambda f: f["One"](1),
    "quiet": lambda f: f["Quiet"](1),
    "loose": lambda f: f["Loose"](1),
    "dataclass below": lambda f: f["Below"](1, z=4),
    "replaced": lambda f: dataclasses.replace(f["Point"](1), y=5),
}


def said(value: Any) -> Any:
    return type(value).__name__, repr(value).replace("family.<locals>.", ""), dataclasses.asdict(value)


@pytest.mark.parametrize("name", MADE)
def test_instances_are_alike(name: str) -> None:
    try:
        theirs = MADE[name](THEIRS)
    except TypeError:
        with pytest.raises(TypeError):
            MADE[name](OURS)
        return
    ours = MADE[name](OURS)
    if "place" not in name and name != "by name":
        assert said(ours) == said(theirs)
    again = MADE[name](OURS)
    assert (ours == again) == (theirs == MADE[name](THEIRS))
    assert (type(ours).__hash__ is None) == (type(theirs).__hash__ is None)
    if type(ours).__hash__ is not None and ours == again:
        assert hash(ours) == hash(again)
    assert copy.deepcopy(ours).__dict__.keys() == ours.__dict__.keys()


@pytest.mark.parametrize("name", OURS)
def test_classes_are_alike(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]

    def facts(cls: Any) -> Any:
        return [(f.name, f.type, f.init, f.compare, f.repr, f.kw_only, f.default) for f in dataclasses.fields(cls)]

    assert facts(ours) == facts(theirs)
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__dataclass_params__.frozen == theirs.__dataclass_params__.frozen


@pytest.mark.parametrize("name", ["Point", "Named", "One", "Quiet", "Below", "Loose", "Heap"])
def test_frozen_is_frozen(name: str) -> None:
    for made in (OURS[name], THEIRS[name]):
        value = made([1]) if name == "Heap" else made(1)
        known = "items" if name == "Heap" else "value" if name in ("One", "Quiet") else "x"
        if name == "Heap":
            value.items = []
            continue
        with pytest.raises(FrozenInstanceError):
            setattr(value, known, 2)
        with pytest.raises(FrozenInstanceError):
            delattr(value, known)
        if name == "Loose":
            value.own = 1
            assert value.own == 1
            del value.own
        else:
            with pytest.raises(FrozenInstanceError):
                value.own = 1


def test_what_differs_in_class_is_not_equal() -> None:
    assert OURS["Point"](1) != OURS["Loose"](1)
    assert OURS["Point"](1) == OURS["Point"](1, place=object())
    assert len({OURS["Point"](1), OURS["Point"](1), OURS["Point"](2)}) == 2


@record(frozen=True)
class Kept:
    a: int
    b: tuple[int, ...] = ()


def test_values_go_through_pickle() -> None:
    assert pickle.loads(pickle.dumps(Kept(1, (2,)))) == Kept(1, (2,))


def test_patterns_match() -> None:
    match Kept(1, (2,)):
        case Kept(a, b=(second,)):
            assert (a, second) == (1, 2)
        case _:
            pytest.fail("no match")
