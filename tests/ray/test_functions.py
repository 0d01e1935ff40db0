"""Functions of the recipe's own, and queries: the rows, the failures and their words are those of a run without a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipec import trust
from recipec.api import DataError, Schema
from recipec.engines.ray.code import Code
from recipec.engines.ray.functions import Asking, Run, call
from recipec.engines.ray.shards import Rows
from recipec.engines.ray.tasks import Job, Setting
from recipec.steps.python import PythonPlan

HEAD = """recipe "functions" { seed: 3 }
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, text: text, n: hugeint } }
"""
RECIPE = (
    HEAD
    + """
python scored from rows { call: "own:score"  columns: { id: int, text: text, place: int, size: int }  batch: 7 }
python parted from scored { call: "own:part"  columns: { word: text }  batch: 10 }
clean after from parted { dedupe(word)  size = length(word) }
sql counted from scored, rows \"\"\"
  select s.size, count(*) as n, sum(r.n) as total, list(s.id order by s.id) as ids, '{files} {input}' as braces
  from scored s join rows r using (id) group by s.size
\"\"\" { key: size  expect n > 0 }
sql kept from rows \"\"\" select * from rows where n % 3 = 0 \"\"\"
sql again from parted \"\"\" select distinct word, upper(word) as big from parted \"\"\"
clean last from kept { sort(n)  limit(20) }
expect sane from counted { expect rows(counted) > 1 }
"""
)
OWN = '''
import pyarrow as pa

def score(batch):
    """Keeps its place in the batch: how rows are cut is as without a cluster."""
    kept = [i for i, n in enumerate(batch.column("n").to_pylist()) if int(n) % 5]
    made = batch.take(pa.array(kept, pa.int64()))
    texts = made.column("text").to_pylist()
    return pa.table({"_key": made.column("_key"), "id": made.column("id"), "text": texts, "place": kept,
                     "size": [len(t) % 4 + batch.num_rows * 0 for t in texts]})

def part(batch):
    keys, words = [], []
    for key, text in zip(batch.column("_key").to_pylist(), batch.column("text").to_pylist()):
        for word in text.split()[:3]:
            keys.append(key)
            words.append(word)
    return pa.table({"_key": keys, "word": words})

def breaks(batch):
    if 77 in batch.column("id").to_pylist():
        raise ValueError("no such row")
    return batch

def differs(batch):
    whole = 3 in batch.column("id").to_pylist()
    return pa.table({"_key": batch.column("_key"), "x": [1 if whole else 1.5] * batch.num_rows})

def nothing(batch):
    return pa.table({"x": pa.array([], pa.int64()), "_key": pa.array([], pa.string())})
'''


def write(folder: Path) -> None:
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    lines = [json.dumps({"id": i, "text": f"text {i % 11} {'中' * (i % 3)} w{i * 7 % 20}", "n": i << 70}) for i in range(120)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_rows_are_equal(both: Any, tmp_path: Path) -> None:
    write(tmp_path)
    with trust.trusting(tmp_path):
        ways = both(tmp_path / "functions.recipe", RECIPE, tmp_path)
    assert {n: ways[n]["way"] for n in ("scored", "parted", "counted", "kept", "again")} == {
        "scored": "narrow", "parted": "narrow", "counted": "one", "kept": "one", "again": "one",
    }  # fmt: skip
    assert ways["scored"]["tasks"] > 3


@pytest.mark.parametrize(
    "step",
    [
        'python bad from rows { call: "own:breaks"  columns: { id: int }  batch: 10 }',
        'python bad from rows { call: "own:differs"  columns: { x: float }  batch: 10 }',
        'python bad from rows { call: "own:nothing"  columns: { x: int }  batch: 10 }',
        'sql bad from rows """ select cast(text as integer) as x from rows """ { key: x }',
        'sql bad from rows """ select n % 3 as x from rows """ { key: x }',
    ],
    ids=["fails", "types", "none", "cast", "key"],
)
def test_what_goes_wrong_is_told_in_the_same_words(both: Any, tmp_path: Path, step: str) -> None:
    write(tmp_path)
    with trust.trusting(tmp_path):
        both(tmp_path / "functions.recipe", HEAD + step + "\n", tmp_path, fails=True)


def test_a_machine_executes_the_file_that_was_allowed_and_no_other(cluster: Any, tmp_path: Path) -> None:
    write(tmp_path)
    plan = PythonPlan(tmp_path / "own.py", "breaks", Schema(), 10)
    asking = Asking(plan, Code(plan.file, "0" * 32), ())
    with pytest.raises(DataError, match="is not, on every machine, the file that it is where you started"):
        cluster.map(call, [Setting({}, None, str(tmp_path)), Job(str(tmp_path / "out")), asking], [Run(0, Rows(()), 0)], lambda s, t: None)


def test_nothing_is_executed_that_is_not_trusted(both: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.VARIABLE, "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    write(tmp_path)
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + OWN, encoding="utf-8")
    both(tmp_path / "functions.recipe", HEAD + 'python bad from rows { call: "own:score"  columns: { id: int } }\n', tmp_path, fails=True)
    assert not (tmp_path / "ran").exists()
