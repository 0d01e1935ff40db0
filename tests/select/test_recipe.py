"""The worked recipe's statements, and what ``explain`` says of a row chosen and of one that is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

RECIPE = '''recipe "r" { seed: 3 }
sql a """select i as id, i % 2 as part, (i * 37) % 100 as x from range(100) r(i)""" { key: id }
select k from a { take: 5  by: top(x)  per: part }
'''


def explained(folder: Path, key: str) -> str:
    command = [sys.executable, "-m", "recipec", "explain", "r.recipe", "k", key]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False
    ).stdout


def test_explain(lab: Any) -> None:
    lab.write("r.recipe", RECIPE)
    ran = lab.run(RECIPE, name="r.recipe")
    best = str(ran.rows("select _key from k where k_score = 99")[0][0])
    said = explained(lab.folder, best)
    assert "chosen: rank 1 of 50 of its kind: value 99" in said, said
    sixth = str(ran.rows("select _key from a where x = 88")[0][0])
    said = " ".join(explained(lab.folder, sixth).split())
    assert "dropped: not selected (rank 6 of 50 of its kind: value 88)" in said, said
