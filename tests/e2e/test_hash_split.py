"""Parts: under ``assign: hash`` no row ever moves; exact shares are exact, in every stratum."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Lab

PACKAGES = Path(__file__).resolve().parents[3] / "shared" / "data" / "packages" / "packages.parquet"
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
SPLIT = "train: 80%  validation: 10%  test: 10%"


def generated(rows: int) -> str:
    """A table of so many rows in eleven strata of very different sizes; more rows leave the first ones as they are."""
    return f"""
      recipe "split" {{ seed: 7 }}
      sql t \"\"\"
        select 'k' || i as id, 's' || floor(sqrt((i * 7919) % 113))::int as stratum, 'g' || (i % 997) as family from range({rows}) r(i)
      \"\"\" {{ key: id }}
    """


def real(rows: int) -> str:
    return f"""
      recipe "split" {{ seed: 7 }}
      source all_rows = parquet("{PACKAGES}") {{ key: package  repeated: drop  columns: {{ package: text, section: text }} }}
      clean t from all_rows {{ id = package  stratum = section  select(id, stratum)  sort(id)  limit({rows}) }}
    """


DATA = [
    pytest.param(generated, 20_000, id="generated"),
    pytest.param(real, 60_000, id="packages", marks=pytest.mark.skipif(not PACKAGES.is_file(), reason="packages.parquet is not there")),
]


def parts(lab: Lab, name: str = "final") -> dict[str, str]:
    """Each row's part by its id."""
    union = " union all ".join(f"select id, '{p}' from {name}.{p}" for p in SHARES)
    return dict(lab.rows(union))


@pytest.mark.parametrize(("table", "rows"), DATA)
def test_a_thousand_more_rows_move_none_under_hash(lab: Lab, table: Any, rows: int) -> None:
    text = f"split final from t {{ {SPLIT}  assign: hash }}"
    lab.run(table(rows) + text)
    before = parts(lab)
    lab.run(table(rows + 1000) + text)
    after = parts(lab)
    assert len(before) == rows
    assert len(after) == rows + 1000
    assert [i for i, p in before.items() if after[i] != p] == []
    for found, total in ((before, rows), (after, rows + 1000)):
        for part, share in SHARES.items():
            got = sum(p == part for p in found.values())
            # Four standard deviations of a sample: less than one chance in ten thousand, and the seed is fixed.
            assert abs(got - share * total) <= 4 * sqrt(total * share * (1 - share)), part


def test_families_never_move_under_hash_either(lab: Lab) -> None:
    text = f"split final from t {{ {SPLIT}  assign: hash  group: family }}"
    lab.run(generated(20_000) + text)
    before = parts(lab)
    lab.run(generated(21_000) + text)
    after = parts(lab)
    assert all(after[i] == p for i, p in before.items())
    families: dict[int, set[str]] = {}
    for i, part in after.items():
        families.setdefault(int(i[1:]) % 997, set()).add(part)
    assert all(len(p) == 1 for p in families.values())


@pytest.mark.parametrize(("table", "rows"), DATA)
def test_exact_shares_to_within_one_row_in_every_stratum_and_in_all(lab: Lab, table: Any, rows: int) -> None:
    ran = lab.run(table(rows) + f"split final from t {{ {SPLIT}  stratify: stratum }}")
    strata = dict(ran.rows("select stratum, count(*) from final group by 1"))
    assert sum(strata.values()) == rows
    assert len(strata) > 8
    for part, share in SHARES.items():
        got = dict(ran.rows(f"select stratum, count(*) from final.{part} group by 1"))
        assert abs(sum(got.values()) - share * rows) < 1
        off = {s: got.get(s, 0) - share * n for s, n in strata.items()}
        assert all(abs(o) < 1 for o in off.values()), {s: o for s, o in off.items() if abs(o) >= 1}
    assert len(parts(lab)) == rows
