"""What an answer means, whatever it looks like."""

from __future__ import annotations

import pytest

from recipec.votes._answers import Reader


@pytest.mark.parametrize("opening", ["[", '{"label":', '{"a":['])
def test_json_nested_beyond_what_can_be_read_is_no_class(opening: str) -> None:
    assert Reader(["spam", "ham"])(opening * 100_000) is None
