"""``webdataset()``: tar shards, as the package of that name reads them back."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

RECIPE = """
source rows = jsonl("rows.jsonl") {{ key: id  columns: {{ id: int, caption: text, tags: [text], label: int }} }}
clean made from rows {{ picture = encode(caption) }}
export out from made {{ to: "out"  shards: {shards}  format: webdataset({arguments})  {more} }}
"""
ROWS = "".join(f'{{"id": {i}, "caption": "图 {i}", "tags": ["a", "b{i}"], "label": {i % 3}}}\n' for i in range(10))


def exported(lab: Any, arguments: str = "", shards: int = 1, more: str = "", good: bool = True) -> Any:
    lab.write("rows.jsonl", ROWS)
    return lab.run(RECIPE.format(arguments=arguments, shards=shards, more=more), good=good)


def samples(folder: Path) -> list[dict[str, Any]]:
    webdataset = pytest.importorskip("webdataset")
    out: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.tar")):
        out += list(webdataset.WebDataset(str(path), shardshuffle=False).decode())
    return out


def test_the_package_reads_it_back(lab: Any) -> None:
    exported(lab, 'files: { picture: "bin", caption: "txt", label: "cls", tags: "tags.json" }', shards=3)
    found = samples(lab.folder / "out")
    assert len(found) == 10
    one = next(s for s in found if s["txt"] == "图 4")
    assert one["cls"] == 1
    assert one["tags.json"] == ["a", "b4"]
    assert one["bin"] == "图 4".encode()
    assert sorted(s["__key__"] for s in found) == [f"{i:09d}" for i in range(10)]
    assert [p.name for p in sorted((lab.folder / "out").iterdir())] == [f"made-{i:05d}-of-00003.tar" for i in range(3)]


def test_whole_rows_and_names_of_their_own(lab: Any) -> None:
    exported(lab, "name: id", more="columns: [id, caption, tags]  index: true")
    found = {s["__key__"]: s["json"] for s in samples(lab.folder / "out")}
    assert found["7"] == {"id": 7, "caption": "图 7", "tags": ["a", "b7"]}
    assert '"rows": 10' in (lab.folder / "out" / "_index.json").read_text()


def test_the_same_rows_give_the_same_bytes(lab: Any) -> None:
    digests = set()
    for order in (ROWS, "".join(reversed(ROWS.splitlines(keepends=True)))):
        exported(lab, 'files: { caption: "txt" }')
        lab.write("rows.jsonl", order)
        lab.run(RECIPE.format(arguments='files: { caption: "txt" }', shards=1, more=""))
        digests.add(hashlib.sha256((lab.folder / "out" / "made.tar").read_bytes()).hexdigest())
    assert len(digests) == 1
    with tarfile.open(lab.folder / "out" / "made.tar") as tar:
        assert {(m.mtime, m.uid, m.mode) for m in tar} == {(0, 0, 0o644)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('files: { photo: "jpg" }', "`photo` is to be a file, and is not exported"),
        ('files: { caption: "t x" }', "`t x` cannot be the ending of a file"),
        ('files: { caption: "txt", label: "txt" }', "two columns would be the file `txt` of a sample"),
        ("name: tags", "`tags` cannot name samples"),
        ("", "JSON cannot hold column `picture`"),
    ],
)
def test_wrong_arguments(lab: Any, arguments: str, message: str) -> None:
    lab.write("rows.jsonl", ROWS)
    program = lab.program(RECIPE.format(arguments=arguments, shards=1, more=""))
    assert any(message in d.message for d in program.findings.errors), [d.message for d in program.findings.errors]


def test_names_that_are_none(lab: Any) -> None:
    ran = exported(lab, 'name: caption, files: { label: "cls" }', good=False)
    assert "cannot name a sample" in ran.error("out")
    ran = exported(lab, 'name: label, files: { caption: "txt" }', good=False)
    assert "two samples are called" in ran.error("out")
