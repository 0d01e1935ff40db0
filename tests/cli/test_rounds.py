"""``show`` of a loop's evaluation: every round, and what it added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipec.cli import main

RECIPE = """recipe "loop" { version: "1.0.0" }
sql rows \"\"\"select i as id, case when i % 3 = 0 then 'a' else 'b' end as gold, 'b' as said from range(30) r(i)\"\"\" { key: id }
clean guess from rows { said = said }
repeat 3 as round {
  clean guess from guess { said = case when id % 10 < 4 then gold else said end }
  evaluate score from guess { predicted: said  gold: gold  metrics: [accuracy]  bootstrap: 50 }
}
"""


def test_every_round_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "loop.recipe"
    path.write_text(RECIPE, encoding="utf-8")
    assert main(["run", str(path)]) == 0
    capsys.readouterr()
    assert main(["show", str(path), "score", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["round"] for r in rows] == [1, 2, 3]
    assert all(0 < r["accuracy"] <= 1 for r in rows)
    assert main(["show", str(path), "score"]) == 0
    told = capsys.readouterr().out
    assert "round 2: guess: rows 30 · score: accuracy " in told
    assert "score: 3 rows" in told
    assert main(["show", str(path), "score@2", "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert "round" not in one
    assert one["accuracy"] == rows[1]["accuracy"]
