"""Prices from a file, and what a request can cost at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipec.models.budget import LONGEST_ANSWER, Account, Budget, Prices, worst_case
from recipec.models.prices import PriceError, read_prices


def test_prices_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('["qwen3-8b"]\nin = 0.05\nout = 0.4\n\n[local]\nin = 0\nout = 0\n\n["half"]\nin = 1\n', encoding="utf-8")
    prices = read_prices(path)
    assert prices["qwen3-8b"].cost(1_000_000, 500_000) == pytest.approx(0.25)
    assert prices["local"].cost(10, 10) == 0
    assert prices["half"].cost(10, 10) is None, "unknown is not 0"
    assert "another" not in prices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = \n[m]", "p.toml` is no TOML: .*line 1"),
        ("[qwen2.5]\nin = 1", r'p.toml:1: a name with a dot in it stands in quotes: \["qwen2.5"\]'),
        ("[a]\nin = 1\n\n[m]\nin = -1", "p.toml:5: `in` of `m` is -1"),
        ('["a.b"]\nout = nan', "p.toml:2: `out` of `a.b` is nan"),
        ("m = { in = 1, out = true }", "p.toml:1: `out` of `m` is True"),
        ("[m]\nint = 1", "p.toml:2: `m` has `int`; prices are written as"),
        ("m = 1", "p.toml:1: `m` is no table"),
        ('[m]\nin = "1"', "is '1'"),
    ],
)
def test_wrong_prices(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PriceError, match=message):
        read_prices(path, "p.toml")
    with pytest.raises(PriceError, match="cannot read"):
        read_prices(tmp_path / "none")


def test_the_worst_case() -> None:
    assert worst_case(100, 2, 50, None) == (100 + 3 * 16, 50)
    assert worst_case(100, 1, None, None) == (100 + 2 * 16, LONGEST_ANSWER)
    assert worst_case(100, 1, 500, (" a", " bc")) == (2 * (100 + 2 * 16) + 2 + 3, 2)


def test_reservations_come_and_go() -> None:
    account = Account(Budget(usd=1.0, tokens=1000), Prices(100.0, 1000.0))
    assert account.reserve(100, 500)
    assert not account.reserve(0, 500), "it would be a dollar and one cent"
    account.release(100, 500)
    account.book(100, 400)
    assert account.usd == pytest.approx(0.41)
    account.book_unsure(0, 500)
    assert account.usd == pytest.approx(0.91)
    assert not account.reserve(1, 0), "no token is left"
    assert account.reserve(0, 0)


@pytest.mark.parametrize(("kind", "values"), [(Prices, (-1.0, 0.0)), (Prices, (float("inf"), 0.0)), (Budget, (-1.0,)), (Budget, (1.0, -1))])
def test_wrong_values(kind: type, values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        kind(*values)
