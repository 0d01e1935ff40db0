"""What tasks write is, byte for byte, what is written without a cluster."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from recipec.engines.ray.runner import Cutting

SOURCE = """recipe "exports" { seed: 3 }
source rows = jsonl("rows.jsonl") {
  key: id  columns: { id: text, text: text, n: int, day: date, odd: double, answer: text }
}
"""
RECIPE = (
    SOURCE
    + """
clean sorted from rows { sort(n)  limit(9) }
split parts from rows { train: 70%  test: 30% }
export plain from rows { to: "build/plain"  format: parquet(row_group: 20)  shards: 5  index: true }
export lines from parts { to: "build/lines"  format: jsonl()  shards: 3  keys: true  columns: [text, n, day] }
export packed from sorted { to: "build/packed"  format: jsonl(compression: gzip)  shards: 4  columns: [id, n] }
export sheet from sorted { to: "build/sheet"  format: csv()  shards: 12  columns: [id, text, n] }
export said from rows { to: "build/said"  format: messages(user: text, assistant: answer, keep: [odd])  shards: 3 }
export one from rows { to: "build/one.jsonl"  format: jsonl()  columns: [id, text] }
"""
)


def write_rows(folder: Path) -> None:
    chance = random.Random(5)
    rows = []
    for i in range(230):
        text = " ".join(chance.choice(["red", "绿色", "deep\n", '"kind"', "a,b"]) for _ in range(chance.randint(0, 30)))
        day = f"2024-{chance.randint(1, 12):02}-01"
        rows.append({"id": f"r{i}", "text": text, "n": i * 31 % 40, "day": day, "odd": i / 7 if i % 5 else None, "answer": text + "!"})
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")


def written(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_are_equal_to_the_byte(both: Any, tmp_path: Path) -> None:
    """Digests of all files are in what is compared; here also the index, and that a cut in two rounds is the same."""
    write_rows(tmp_path)
    cutting = Cutting(shard_bytes=20_000, shard_rows=20, most_files=12)
    ways = both(tmp_path / "exports.recipe", RECIPE, tmp_path, cutting=cutting)
    assert {n: w["way"] if w else None for n, w in ways.items() if n in ("plain", "lines", "packed", "sheet", "said", "one")} == {
        "plain": "narrow", "lines": "narrow", "packed": "narrow", "sheet": "narrow", "said": "narrow", "one": None,
    }  # fmt: skip
    assert ways["sheet"]["tasks"] > 12, "a task for each file"
    found = written(tmp_path / "build")
    assert len(found) == 5 + 1 + 2 * 3 + 4 + 12 + 3 + 1
    index = json.loads(found["plain/_index.json"])
    assert [f["rows"] for f in index["files"]] == [46] * 5
    assert not list((tmp_path / "ray" / "tmp").rglob("*.parquet")), "nothing stays behind"


def test_rows_that_cannot_be_written_are_told_in_the_same_words(both: Any, tmp_path: Path) -> None:
    write_rows(tmp_path)
    text = SOURCE + (
        'clean worse from rows { odd = case when n > 30 then cast("nan" as double) else odd end }\n'
        'export plain from worse { to: "build/plain"  format: jsonl()  shards: 5  columns: [id, odd] }\n'
    )
    both(tmp_path / "exports.recipe", text, tmp_path, fails=True)
    assert not written(tmp_path / "build")


def test_an_export_over_its_own(both: Any, tmp_path: Path) -> None:
    """The second run's files take the place of the first's; a table without rows is written as files without rows."""
    write_rows(tmp_path)
    text = (
        SOURCE
        + 'clean none from rows { keep where n > 1000 }\nexport plain from none { to: "build/plain"  format: parquet()  shards: 3 }\n'
    )
    both(tmp_path / "exports.recipe", text, tmp_path)
    assert len(written(tmp_path / "build")) == 3
