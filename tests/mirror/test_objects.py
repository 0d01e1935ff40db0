"""Objects in stores, on a local server that speaks S3."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from s3_harness import Bucket, wait

from recipec.api import DataError
from recipec.mirror import objects
from recipec.mirror.catalog import Arrival, Catalog
from recipec.mirror.objects import ObjectMirror

REPOSITORY = str(Path(__file__).resolve().parents[2])


def write(place: str, more: str = "{ key: id }") -> None:
    Path("a.recipe").write_text(f'source goods = csv("{place}") {more}\n', encoding="utf-8")


def filled(bucket: Bucket, objects: int) -> None:
    for i in range(objects):
        bucket.put(f"data/{i:04}.csv", f"id,price\n{2 * i},5\n{2 * i + 1},50\n")


def bring(folder: Path, address: str) -> Arrival:
    return Catalog(folder / "mirror").refresh(ObjectMirror(address), lambda done, total, what: None, lambda text: None)


def names(arrival: Arrival) -> list[str]:
    return [f.name for f in arrival.snapshot.files]


def test_a_glob_of_objects(recipec: Any, bucket: Bucket) -> None:
    filled(bucket, 20)
    write("s3://bucket/data/*.csv")
    done = recipec("run")
    assert done.status == 0, done.err
    assert "20 files came" in done.out
    assert "40 rows" in done.out
    assert sorted(bucket.door.gets()) == [f"data/{i:04}.csv" for i in range(20)]
    bucket.door.asked.clear()
    assert "20 files, unchanged" in recipec("run").out
    assert bucket.door.gets() == []
    bucket.put("data/0007.csv", "id,price\n14,6\n")
    bucket.put("data/new.csv", "id,price\n999,6\n")
    bucket.delete("data/0000.csv")
    assert "1 object changed, 1 new, 1 gone at s3://bucket/data/*.csv" in recipec("plan", "--online").out
    assert bucket.door.gets() == []
    assert "2 files came, 29 B; 18 unchanged; 1 gone" in recipec("run").out
    assert sorted(bucket.door.gets()) == ["data/0007.csv", "data/new.csv"]
    assert "unchanged" in recipec("run", "--format", "json").err


PATTERNS = {
    "data/a.csv": ["data/a.csv"],
    "data/*.csv": ["data/a.csv", "data/b.csv"],
    "*/a.csv": ["data/a.csv", "more/a.csv"],
    "data/**/*.csv": ["data/a.csv", "data/b.csv", "data/deep/er/c.csv"],
    "data/*/er/?.csv": ["data/deep/er/c.csv"],
    "**/c.csv": ["data/deep/er/c.csv"],
    "data/[!a].csv": ["data/b.csv"],
}
WRONG = [
    ("s3://bucket/none.csv", "there is no s3://bucket/none.csv", "is the bucket `bucket` right"),
    ("s3://no-such-bucket/*.csv", "there is no s3://no-such-bucket/*.csv", "is the bucket `no-such-bucket` right"),
    ("s3://bucket/x/*.csv", "there is no s3://bucket/x/*.csv", "the path in it"),
    ("s3://bucket/data/*.tsv", "no object matches s3://bucket/data/*.tsv", "`**/` is any folders"),
    ("s3://bucket/data", "s3://bucket/data is a folder", '"s3://bucket/data/*"'),
    ("s3://*/a.csv", "a bucket's name cannot be a pattern", "name the bucket"),
]


def test_patterns_and_wrong_addresses(tmp_path: Path, bucket: Bucket) -> None:
    for key in ("data/a.csv", "data/b.csv", "data/.hidden.csv", "data/deep/er/c.csv", "data/notes.txt", "more/a.csv", "data/"):
        bucket.put(key, "id\n1\n")
    for pattern, found in PATTERNS.items():
        assert names(bring(tmp_path, f"s3://bucket/{pattern}")) == [f"s3://bucket/{k}" for k in found], pattern
    for address, message, help in WRONG:
        with pytest.raises(DataError) as problem:
            bring(tmp_path, address)
        assert message in problem.value.message
        assert help in problem.value.help


def test_wrong_credentials_and_a_store_that_is_away(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.door.before = lambda method, path: 403
    with pytest.raises(DataError, match=r"s3://bucket/\*.csv may not be read: .*") as found:
        bring(tmp_path, "s3://bucket/*.csv")
    assert "AWS_ACCESS_KEY_ID" in found.value.help
    # A port that nobody listens at.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"s3://bucket/\*.csv cannot be read: .*Could not connect"):
        bring(tmp_path, "s3://bucket/*.csv")


def test_a_missing_package_is_told_at_check(recipec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *a: None if name == "gcsfs" else found(name, *a))
    write("gs://bucket/a.csv")
    done = recipec("check", "a.recipe")
    assert done.status == 1
    assert "`gs://bucket/a.csv` needs the package gcsfs" in done.out + done.err
    assert "pip install 'recipec[cloud]'" in done.out + done.err


def test_a_large_object_comes_in_pieces_and_is_gone_on_with(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK", 10_000)
    body = b"id\n" + b"".join(b"%06d\n" % i for i in range(10_000))
    bucket.put("big.csv", body)
    pieces = -(-len(body) // 10_000)

    def fail(method: str, path: str) -> int | None:
        return 403 if path == "/bucket/big.csv" and method == "GET" and len(bucket.door.gets()) > 3 else None

    bucket.door.before = fail
    with pytest.raises(DataError):
        bring(tmp_path, "s3://bucket/big.csv")
    bucket.door.before = lambda method, path: None
    before = len(bucket.door.gets())
    made = bring(tmp_path, "s3://bucket/big.csv")
    assert made.snapshot.files[0].path.read_bytes() == body
    assert len(bucket.door.gets()) - before == pieces - 3


def test_an_object_that_changes_while_it_is_copied(tmp_path: Path, bucket: Bucket) -> None:
    filled(bucket, 5)
    changed: list[str] = []

    def change(method: str, path: str) -> int | None:
        if path == "/bucket/data/0003.csv" and not changed:
            changed.append(path)
            bucket.put("data/0003.csv", "id,price\n6,1\n")
            bucket.put("data/0004.csv", "id,price\n8,1\n9,1\n")
        return None

    bucket.door.before = change
    made = bring(tmp_path, "s3://bucket/data/*.csv")
    assert made.snapshot.files[3].path.read_text() == "id,price\n6,1\n"
    assert made.snapshot.files[4].path.read_text() == "id,price\n8,1\n9,1\n"


def test_one_that_never_stands_still(tmp_path: Path, bucket: Bucket) -> None:
    filled(bucket, 2)
    count = iter(range(1000))

    def change(method: str, path: str) -> int | None:
        if "list-type" in path:
            bucket.put("data/0001.csv", f"id\n{next(count)}\n")
        return None

    bucket.door.before = change
    with pytest.raises(DataError, match="changes while it is copied"):
        bring(tmp_path, "s3://bucket/data/*.csv")


def killed(objects: int, bucket: Bucket, after: int) -> None:
    """Run the recipe in a process of its own, and kill it once so many objects are there."""
    run = subprocess.Popen(
        [sys.executable, "-m", "recipec", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": REPOSITORY},
    )
    wait(lambda: len(bucket.door.gets()) >= after or run.poll() is not None, 120)
    run.send_signal(signal.SIGKILL)
    run.communicate()


@pytest.mark.parametrize(
    "objects", [60, pytest.param(2000, marks=pytest.mark.skipif(not os.environ.get("RECIPEC_LONG"), reason="set RECIPEC_LONG=1"))]
)
def test_killed_in_the_middle_and_run_again(recipec: Any, bucket: Bucket, objects: int) -> None:
    filled(bucket, objects)
    write("s3://bucket/data/*.csv")
    killed(objects, bucket, objects // 2)
    had = [p for p in Path(".recipec/mirror").rglob("*.csv") if not p.name.endswith(".part")]
    assert 0 < len(had) < objects
    bucket.door.asked.clear()
    done = recipec("run")
    assert done.status == 0, done.err
    assert f"{2 * objects:,} rows" in done.out
    assert len(bucket.door.gets()) == objects - len(had)
    assert len(set(bucket.door.gets())) == objects - len(had)
    assert list(Path(".recipec").rglob("*.part")) == []
    bucket.put("data/0007.csv", "id,price\n14,6\n")
    bucket.door.asked.clear()
    assert f"1 file came, 14 B; {objects - 1:,} unchanged" in recipec("run").out
    assert bucket.door.gets() == ["data/0007.csv"]
