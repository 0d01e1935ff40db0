"""Rows in an object store: tables need no disk that all machines share, and one engine reuses what the other built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipec.api import DataError
from recipec.workspace import rows

RECIPE = """recipe "stored" { seed: 2 }
source notes = jsonl("notes-*.jsonl") { key: id  columns: { id: int, text: text, kind: text } }
clean tidy from notes { text = upper(text)  dedupe(text)  dedupe(text, near: 80%) }
label kinds from tidy { classes: ["a", "b"]  when kind == "a" => "a" as a  when id % 3 > 0 => "b" as b  combine: majority(ties: first) }
split final from kinds { train: 80%  test: 20%  stratify: kind  group: near_duplicates(text, near: 60%) }
mix more from final.train, tidy { weights: { "final.train": 2  tidy: 1 }  missing: null }
select some from final.train { take: 30  by: dsir(text, target: final.test.text) }
clean sorted from more { sort(id)  limit(100) }
export out from final { to: "build/out"  format: parquet()  shards: 2 }
"""


@pytest.mark.parametrize("said", ["bucket/folder", "s3://bucket", "http://host/folder", "s3://a/*", "s3://key@bucket/x", "s3://b/../c"])
def test_what_is_no_address(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(rows.VARIABLE, said)
    with pytest.raises(DataError, match="which names no folder of a bucket"):
        rows.address()


def test_a_workspace_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(rows.VARIABLE, raising=False)
    assert rows.place(tmp_path) is None
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(rows.VARIABLE, "s3://bucket/folder/")
    found = rows.place(tmp_path)
    assert found is not None
    assert found.startswith("s3://bucket/folder/")
    assert rows.place(tmp_path) == found
    (tmp_path / rows.ID).write_text("../other")
    with pytest.raises(DataError, match="holds no name of a folder"):
        rows.place(tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    made = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


def run(folder: Path, workspace: str, *words: str, **environment: str) -> str:
    """Standard output of recipec."""
    command = [sys.executable, "-m", "recipec", *words, *["stored.recipe"] * (words[0] != "gc"), "--workspace", workspace]
    given = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RAY_", "RECIPEC_ROWS"))},
        "RECIPEC_TRUST": os.sep,
        **environment,
    }
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_rows_in_a_store(server: str, tmp_path: Path) -> None:
    from tests.mirror.s3_harness import Bucket

    bucket = Bucket(server)
    for file in range(3):
        made = [
            {"id": file * 100 + i, "text": f"a note of {i * 7919 % 71} and {file} {i % 13} " * 6, "kind": "ab"[i % 2]} for i in range(100)
        ]
        (tmp_path / f"notes-{file}.jsonl").write_text("".join(json.dumps(m) + "\n" for m in made), encoding="utf-8")
    (tmp_path / "stored.recipe").write_text(RECIPE, encoding="utf-8")
    store = {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server, "AWS_DEFAULT_REGION": "us-east-1",
        "RECIPEC_ROWS": f"s3://{bucket.name}/rows",
    }  # fmt: skip
    run(tmp_path, "there", "run", "--engine", "ray", **store)
    assert not list((tmp_path / "there").rglob("*.parquet")), "no file of a table stays on the disk"
    name = (tmp_path / "there" / "rows-id").read_text().strip()
    keys = bucket.keys()
    assert keys
    assert all(k.startswith(f"rows/{name}/artifacts/") and k.endswith(".parquet") for k in keys), "what was of the run alone is gone"
    written = {p.name: p.read_bytes() for p in (tmp_path / "build" / "out").rglob("*.parquet")}
    run(tmp_path, "here", "run")
    assert written == {p.name: p.read_bytes() for p in (tmp_path / "build" / "out").rglob("*.parquet")}

    # What one engine built the other reuses, and goes on from.
    assert "reuse" in run(tmp_path, "there", "plan", **store)
    again = RECIPE.replace("limit(100)", "limit(60)")
    (tmp_path / "stored.recipe").write_text(again, encoding="utf-8")
    run(tmp_path, "there", "run", **store)
    run(tmp_path, "here", "run")
    assert compared(tmp_path, "there", store) == compared(tmp_path, "here", {})

    # Without the setting nothing reaches the store: the plan says so, and the rows are made again.
    assert "its rows lie in a store: set RECIPEC_ROWS" in run(tmp_path, "there", "plan")
    run(tmp_path, "there", "run")
    run(tmp_path, "there", "gc", **store)
    assert not bucket.keys(), "results that are gone take their objects along"


def compared(folder: Path, workspace: str, environment: dict[str, str]) -> dict[str, Any]:
    """All tables of a workspace, as the process that has its environment reads them."""
    code = (
        "import sys, json; from pathlib import Path; from recipec.workspace.database import open_workspace\n"
        "with open_workspace(Path(sys.argv[1]), doing='test', create=False) as w:\n"
        "    names = [r[0] for r in w.con.execute(\"select table_name from information_schema.tables where table_schema = 'main'\").fetchall()]\n"
        "    print(json.dumps({n: w.con.execute(f'select t::varchar from \"{n}\" t order by _key').fetchall() for n in sorted(names)}))\n"
    )
    given = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RECIPEC_ROWS"))} | environment
    done = subprocess.run([sys.executable, "-c", code, workspace], cwd=folder, env=given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert len(found) > 4
    return found
