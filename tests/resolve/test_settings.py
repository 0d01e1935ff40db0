"""The quick way of settings against pydantic: what it accepts, pydantic accepts with the same result."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recipec.api import Field, Settings, model_validator, named
from recipec.settings import _Unsure, fit, strict, strict_model


class Sample(Settings):
    count: int = Field(3, ge=0, le=10)
    share: float = 0.5
    name: str = Field("a", min_length=1)
    word: Literal["first", "last"] = "first"
    maybe: int | None = None
    either: int | float | str = 1
    flag: bool = False
    items: list[str] = []
    pairs: dict[str, float] = {}
    fixed: tuple[int, ...] = ()
    near: float | None = named(None, gt=0, le=1)

    @model_validator(mode="after")
    def not_both(self) -> Sample:
        if self.flag and self.count == 0:
            raise ValueError("a flag needs a count")
        return self


scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-20, 20), st.floats(allow_nan=False, width=32), st.sampled_from(["", "a", "first", "last", "7"])
)
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.sampled_from(["x", "y"]), scalars, max_size=2))


@given(st.dictionaries(st.sampled_from([*Sample.model_fields, "other"]), values, max_size=4))
def test_the_quick_way_says_what_pydantic_says(given_values: dict[str, Any]) -> None:
    try:
        made: dict[str, Any] | None = Sample.model_validate(given_values).model_dump()
    except ValidationError:
        made = None
    try:
        wanted: dict[str, Any] | None = strict(Sample, given_values)
    except ValidationError:
        wanted = None
    assert made == wanted
    if made is not None and wanted is not None:
        assert {k: type(v) for k, v in made.items()} == {k: type(v) for k, v in wanted.items()}


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"), [(3, float, 3.0), (3, int | float, 3), (2.5, int | float, 2.5), ([1, "a"], list[Any], [1, "a"])]
)
def test_values_are_held_as_their_annotation_says(value: Any, annotation: Any, wanted: Any) -> None:
    assert fit(value, annotation) == wanted
    assert type(fit(value, annotation)) is type(wanted)


def test_a_bool_is_no_number() -> None:
    with pytest.raises(_Unsure):
        fit(True, int)


def test_models_are_frozen_and_say_their_fields() -> None:
    sample = Sample(count=4)
    with pytest.raises(AttributeError, match="frozen"):
        sample.count = 5  # type: ignore[misc]
    assert sample == Sample(count=4)
    assert sample != Sample(count=5)
    assert strict_model(Sample).model_json_schema()["properties"]["count"] == {
        "default": 3,
        "maximum": 10,
        "minimum": 0,
        "title": "Count",
        "type": "integer",
    }
