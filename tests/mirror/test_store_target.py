"""Exports into object stores, and the index of an export's files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from s3_harness import Bucket, wait

REPOSITORY = str(Path(__file__).resolve().parents[2])


def write(export: str, rows: int = 20, more: str = "") -> None:
    Path("rows.csv").write_text("id,text\n" + "".join(f"{i},text {i}{more}\n" for i in range(rows)), encoding="utf-8")
    recipe = f'recipe "shop" {{ version: "1.0.0" }}\nsource goods = csv("rows.csv") {{ key: id }}\nexport out from goods {{ {export} }}\n'
    Path("a.recipe").write_text(recipe, encoding="utf-8")


def index(bucket: Bucket, place: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bucket.read(f"{place}/_index.json"))
    return found


def rows(bucket: Bucket, place: str = "out") -> list[int]:
    """The ids of what the index says is there."""
    return sorted(
        json.loads(line)["id"] for f in index(bucket, place)["files"] for line in bucket.read(f"{place}/{f['path']}").splitlines()
    )


def test_shards_and_their_index(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://bucket/out"  format: jsonl()  shards: 3')
    done = recipec("run")
    assert done.status == 0, done.err
    assert "20 rows → s3://bucket/out   3 files" in done.out
    found = index(bucket)
    assert [f["rows"] for f in found["files"]] == [7, 7, 6]
    assert found["format"] == "jsonl"
    assert found["columns"] == {"goods": {"id": "BIGINT", "text": "VARCHAR"}}
    assert rows(bucket) == list(range(20))
    assert sorted(bucket.keys()) == sorted(["out/_index.json", *(f"out/{f['path']}" for f in found["files"])])
    assert bucket.door.puts()[-1] == "out/_index.json"
    bucket.door.asked.clear()
    assert "2 reused" in recipec("run").out
    assert bucket.door.puts() == []


def test_replaced_in_one_step_and_the_old_is_gone(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://bucket/out"  format: jsonl()')
    assert recipec("run").status == 0
    old = index(bucket)
    write('to: "s3://bucket/out"  format: jsonl()', rows=5)
    seen: list[bool] = []

    def look(method: str, path: str) -> int | None:
        if method in ("PUT", "POST", "DELETE"):
            # Whoever reads by the index, at any moment, finds all its files.
            there = set(bucket.keys())
            seen.append(method in ("DELETE", "POST") or all(f"out/{f['path']}" in there for f in index(bucket)["files"]))
        return None

    bucket.door.before = look
    assert recipec("run").status == 0
    assert seen
    assert all(seen)
    assert index(bucket)["files"] != old["files"]
    assert len(bucket.keys()) == 2
    assert rows(bucket) == list(range(5))


def test_appended_and_never_the_same_twice(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://bucket/out"  format: jsonl()  mode: append', rows=3)
    assert recipec("run").status == 0
    write('to: "s3://bucket/out"  format: jsonl()  mode: append', rows=2, more="!")
    assert recipec("run").status == 0
    assert rows(bucket) == [0, 0, 1, 1, 2]
    assert recipec("run", "--workspace", "other").status == 0
    assert rows(bucket) == [0, 0, 1, 1, 2]
    write('to: "s3://bucket/out"  format: jsonl()  mode: append  columns: [id]', rows=2)
    done = recipec("run")
    assert done.status == 1
    assert "has other columns in `goods`: `text`" in done.err
    write('to: "s3://bucket/out"  format: parquet()  mode: append', rows=2)
    assert "holds jsonl files, and parquet is to be appended" in recipec("run").err


def test_what_is_gone_is_delivered_again(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://bucket/out"  format: jsonl()')
    assert recipec("run").status == 0
    bucket.delete(f"out/{index(bucket)['files'][0]['path']}")
    assert "2 reused" in recipec("plan").out.replace("2 steps: ", "")
    assert "1 run, 1 reused" in recipec("run").out
    assert rows(bucket) == list(range(20))
    bucket.door.close()
    assert recipec("run").status == 0, "what cannot be asked is believed"


def test_one_object(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://bucket/out/one.jsonl"  format: jsonl()', rows=3)
    assert recipec("run").status == 0
    assert bucket.keys() == ["out/one.jsonl"]
    write('to: "s3://bucket/out/one.jsonl"  format: jsonl()', rows=4)
    assert recipec("run").status == 0
    assert len(bucket.read("out/one.jsonl").splitlines()) == 4
    bucket.put("out/one.jsonl", "changed")
    assert "1 run, 1 reused" in recipec("run").out


def test_what_others_wrote_stays(recipec: Any, bucket: Bucket) -> None:
    bucket.put("out/precious.txt", "mine")
    write('to: "s3://bucket/out"  format: jsonl()')
    done = recipec("run")
    assert done.status == 1
    assert "`s3://bucket/out` holds objects that no export wrote: precious.txt" in done.err
    assert bucket.keys() == ["out/precious.txt"]


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ('to: "s3://bucket"  format: jsonl()', "names no folder or file in a bucket"),
        ('to: "s3://bucket/*/x"  format: jsonl()', "is a pattern, and an export goes to one place"),
        ('to: "https://example.org/x"  format: jsonl()', "no way to write to `https://`"),
        ('to: "s3://bucket/a.jsonl"  format: jsonl()  mode: append', "is one file, and nothing can be appended to it"),
        ('to: "out"  format: jsonl()  mode: append', "a folder of this machine is replaced as a whole"),
        ('to: "s3://bucket/x"  format: jsonl()  private: true', "`private` is for the Hugging Face hub"),
        ('to: "s3://bucket/x.csv"  format: jsonl()', "does not write `.csv` files"),
        ('to: "a.jsonl"  format: jsonl()  index: true', "one file needs no index"),
    ],
)
def test_wrong_settings(recipec: Any, export: str, message: str) -> None:
    write(export)
    done = recipec("check", "a.recipe")
    assert done.status == 1
    assert message in done.out + done.err


def test_two_exports_to_one_place(recipec: Any) -> None:
    write('to: "s3://bucket/x"  format: jsonl()')
    text = Path("a.recipe").read_text() + 'export more from goods { to: "s3://bucket/x/y"  format: jsonl() }\n'
    Path("a.recipe").write_text(text)
    done = recipec("check", "a.recipe")
    assert "`out` writes there too" in done.out + done.err


def test_no_bucket_and_no_pass(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://no-such-bucket/out"  format: jsonl()')
    done = recipec("run")
    assert done.status == 1
    assert "no-such-bucket" in done.err
    bucket.door.before = lambda method, path: 403
    write('to: "s3://bucket/out"  format: jsonl()')
    done = recipec("run")
    assert "s3://bucket/out may not be written" in done.err
    assert "AWS_ACCESS_KEY_ID" in done.err


def test_killed_in_the_middle_and_run_again(recipec: Any, bucket: Bucket) -> None:
    write('to: "s3://bucket/out"  format: jsonl()  shards: 12', rows=600)
    assert recipec("run").status == 0
    before = index(bucket)
    write('to: "s3://bucket/out"  format: jsonl()  shards: 12', rows=500)
    bucket.door.asked.clear()
    stop: list[Any] = []

    def hold(method: str, path: str) -> int | None:
        if method == "PUT" and len(bucket.door.puts()) > 6 and stop:
            wait(lambda: stop[0].poll() is not None)
            return 500
        return None

    bucket.door.before = hold
    env = {**os.environ, "PYTHONPATH": REPOSITORY}
    stop.append(subprocess.Popen([sys.executable, "-m", "recipec", "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env))
    wait(lambda: len(bucket.door.puts()) > 6, 60)
    stop[0].send_signal(signal.SIGKILL)
    stop[0].communicate()
    bucket.door.before = lambda method, path: None
    assert index(bucket) == before, "a reader still has the old export, whole"
    assert len(rows(bucket)) == 600
    had = len(bucket.keys()) - 13
    assert had > 0
    bucket.door.asked.clear()
    done = recipec("run")
    assert done.status == 0, done.err
    assert len(bucket.door.puts()) == 12 - had + 1
    assert rows(bucket) == list(range(500))
    assert len(bucket.keys()) == 13


def test_an_index_of_local_shards(recipec: Any) -> None:
    write('to: "out"  format: parquet()  shards: 3  index: true')
    assert recipec("run").status == 0
    found = json.loads(Path("out/_index.json").read_text())
    assert [(f["path"], f["rows"]) for f in found["files"]] == [
        ("goods-00000-of-00003.parquet", 7),
        ("goods-00001-of-00003.parquet", 7),
        ("goods-00002-of-00003.parquet", 6),
    ]
    assert [f["bytes"] for f in found["files"]] == [p.stat().st_size for p in sorted(Path("out").glob("*.parquet"))]
    write('to: "out"  format: parquet()  shards: 2  index: true')
    assert recipec("run").status == 0
    assert len(list(Path("out").iterdir())) == 3


@pytest.mark.parametrize("to", ["s3://bucket/in/rows.csv", "s3://bucket/in"])
def test_a_source_is_not_written_over(recipec: Any, bucket: Bucket, to: str) -> None:
    bucket.put("in/rows.csv", b"id,text\n1,one\n")
    recipe = f"""recipe "shop" {{ version: "1.0.0" }}
source goods = csv("s3://bucket/in/*.csv") {{ key: id }}
export out from goods {{ to: "{to}"  format: csv()  columns: [id] }}
"""
    Path("a.recipe").write_text(recipe, encoding="utf-8")
    done = recipec("run")
    assert done.status == 1
    assert f"`{to}` holds `s3://bucket/in/rows.csv`, which `goods` reads" in done.out + done.err
    assert bucket.keys() == ["in/rows.csv"]
    assert bucket.read("in/rows.csv") == b"id,text\n1,one\n"
