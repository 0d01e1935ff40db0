"""Files read side by side give the rows that are read of all together: columns inferred, keys repeated, archives, files that are broken."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import duckdb

HEAD = 'recipe "sources" { seed: 3 }\n'
RECIPE = (
    HEAD
    + """
source table = csv("t/*.csv") { max_bad: 20% }
source lists = jsonl("l/*.jsonl") { key: id }
source tight = parquet("p/*.parquet") { key: id }
source docs = markdown("m/*.md")
source plain = lines("m/*.md")
source whole = json("j/*.json") { max_bad: 50% }
source said = json("j/*.json") { columns: { id: int, text: text }  max_bad: 50% }
source packed = jsonl(["a/*.zip!*.jsonl", "a/*.tar.gz!*.jsonl"]) { key: id  max_bad: 20%  columns: { id: int, text: text } }
source one = jsonl("a/one.zip") { max_bad: 20% }
source notes = markdown(["a/two.zip!**/*.md", "a/three.tar.gz!**/*.md"])
source once = jsonl("r/*.jsonl") { key: id  repeated: drop  columns: { id: int, text: text, n: hugeint } }
clean all from once { keep where n > 2 }
"""
)


def write(folder: Path) -> None:
    for name in "tlpmjar":
        (folder / name).mkdir()
    for n in range(12):
        # Columns in another order, fractions only in the second file.
        names = ("id", "text", "n") if n % 2 else ("n", "id", "text")
        rows = [{"id": str(n * 10 + i), "text": f"a, {i}", "n": "1.5" if n == 2 else str(i)} for i in range(5)]
        lines = [",".join(names), *(",".join(f'"{r[c]}"' for c in names) for r in rows), *(["x"] if n == 3 else [])]
        (folder / "t" / f"{n:02}.csv").write_text("\n".join(lines), encoding="utf-8")
    for n in range(3):
        lists: list[Any] = [{"id": n * 10 + i, "n": 0.5 if n == 2 else i, **({"more": [i, None]} if n == 1 else {})} for i in range(10)]
        (folder / "l" / f"{n}.jsonl").write_text("\n".join(map(json.dumps, lists)), encoding="utf-8")
        (folder / "m" / f"{n}.md").write_text(f"---\ntitle: Nr. {n}\n---\n# Head\n\nText *{n}*.\n", encoding="utf-8")
        kind = "INTEGER" if n else "DOUBLE"
        duckdb.connect().execute(
            f"COPY (SELECT {n * 10} + i AS id, i::{kind} AS x, [i] AS list FROM range(10) r(i)) TO '{folder}/p/{n}.parquet' (FORMAT parquet)"
        )
        (folder / "j" / f"{n}.json").write_text(json.dumps([{"id": n * 10 + i, "text": f"x{i}"} for i in range(4)]), encoding="utf-8")
        # Of some keys there are two rows or three, in this file and in others; one is there twice as it is.
        again = [{"id": i % 13, "text": f"t{(i * 7 + n) % 5}", "n": i} for i in range(14)] + [{"id": 3, "text": "same", "n": 1 << 70}]
        (folder / "r" / f"{n}.jsonl").write_text("\n".join(map(json.dumps, again)), encoding="utf-8")
    (folder / "j" / "broken.json").write_text('[{"id": 5, "text": "x"}, {"id": ', encoding="utf-8")

    def lines_of(first: int) -> bytes:
        return "\n".join(json.dumps({"id": first + i, "text": f"y{i}"}) for i in range(6)).encode()

    with zipfile.ZipFile(folder / "a" / "one.zip", "w") as made:
        made.writestr("rows.jsonl", lines_of(0) + b'\n{"id": "no')
    with zipfile.ZipFile(folder / "a" / "two.zip", "w") as made:
        made.writestr("a.jsonl", lines_of(100))
        made.writestr("b.jsonl", lines_of(200))
        made.writestr("in/n.md", "# N\n\nnote\n")
    with tarfile.open(folder / "a" / "three.tar.gz", "w:gz") as tar:
        for name, data in (("c.jsonl", lines_of(300)), ("docs/d.md", b"# D\n\nnote\n")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_files_side_by_side(both: Any, tmp_path: Path) -> None:
    write(tmp_path)
    ways = both(tmp_path / "sources.recipe", RECIPE, tmp_path)
    assert {n: (w["way"], w["tasks"]) if w else None for n, w in ways.items() if n not in ("once", "all")} == {
        "table": ("rows", 12), "lists": ("rows", 3), "tight": ("rows", 3), "docs": ("rows", 3), "plain": ("rows", 3), "whole": ("rows", 4),
        "said": ("rows", 4), "packed": ("rows", 3), "one": ("rows", 1), "notes": ("rows", 2),
    }  # fmt: skip
    assert ways["once"]["tasks"] > 3, "shards with rows that are left out are written anew"


def test_a_value_that_no_sample_shows(both: Any, tmp_path: Path) -> None:
    """It stands in a file that is not looked at: the source fails, in the words of who counts in all files."""
    (tmp_path / "t").mkdir()
    for n in range(12):
        (tmp_path / "t" / f"{n:02}.csv").write_text("id,n\n" + "\n".join(f"{n * 10 + i},{'x' if n in (1, 4) else i}" for i in range(5)))
    both(tmp_path / "sources.recipe", HEAD + 'source table = csv("t/*.csv")\n', tmp_path, fails=True)


def test_a_key_that_is_repeated_and_null(both: Any, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    for n in range(2):
        rows = [{"id": i if n else (None if i == 3 else i + 10), "text": "x"} for i in range(5)]
        (tmp_path / "r" / f"{n}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    text = HEAD + 'source rows = jsonl("r/*.jsonl") { key: id  repeated: drop  columns: { id: int, text: text } }\n'
    both(tmp_path / "sources.recipe", text, tmp_path, fails=True)
