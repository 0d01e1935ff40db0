"""Data sets of the Hugging Face hub, read and written, on a server of this machine that answers as the hub does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hub_harness import Hub, Repo

from recipec.mirror import http

CARD = b"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.csv
  - split: test
    path: data/test.csv
---
# Words
"""
TRAIN = [b"id,text\n" + b"".join(b"%d,word %d\n" % (i, i) for i in range(n, n + 200)) for n in (0, 200)]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.001)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    if find_spec("huggingface_hub") is not None:
        # The hub's newer way of uploading large files speaks to servers that are not modelled here.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        # It reads the variable when it is imported, which may have been long ago.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    made = Hub()
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    yield made
    made.close()


@pytest.fixture
def words(hub: Hub) -> Hub:
    hub.repos["ann/words"] = Repo()
    hub.repos["ann/words"].commit(
        {
            "README.md": CARD,
            "data/train-0.csv": TRAIN[0],
            "data/train-1.csv": TRAIN[1],
            "data/test.csv": b"id,text\n900,x\n",
            "photo.png": b"x" * 5000,
        }
    )
    return hub


def write(source: str) -> None:
    Path("a.recipe").write_text(f"source words = {source} {{ key: id }}\n", encoding="utf-8")


def test_a_split_of_a_data_set(recipec: Any, words: Hub) -> None:
    write('hf("ann/words", split: "train")')
    assert recipec("check", "a.recipe").status == 0
    assert words.asked == []
    done = recipec("run")
    assert done.status == 0, done.err
    assert "400 rows" in done.out
    assert "2 files came" in done.out
    assert sorted(set(words.read())) == ["README.md", "data/train-0.csv", "data/train-1.csv"]
    words.asked.clear()
    assert "2 files, unchanged" in recipec("run").out
    assert [path for _, path, _ in words.asked] == ["/api/datasets/ann/words/revision/main"]


def test_a_new_revision_copies_what_changed(recipec: Any, words: Hub) -> None:
    write('hf("ann/words", split: "train")')
    assert recipec("run").status == 0
    repo = words.repos["ann/words"]
    repo.commit(repo.files | {"data/train-1.csv": b"id,text\n555,new\n"})
    assert "revision " in recipec("plan", "--online").out
    words.asked.clear()
    assert "1 file came, 16 B; 1 unchanged" in recipec("run").out
    assert words.read() == ["README.md", "data/train-1.csv"], "the card says which files are the split's"


def test_the_lock_pins_the_revision(recipec: Any, words: Hub) -> None:
    write('hf("ann/words", split: "test")')
    assert recipec("run").status == 0
    assert recipec("lock").status == 0
    repo = words.repos["ann/words"]
    first = repo.commits[-1][0]
    assert f'"revision of hf://datasets/ann/words" = "{first}"' in Path("a.lock").read_text("utf-8")
    repo.commit(repo.files | {"data/test.csv": b"id,text\n1,a\n2,b\n"})
    assert recipec("run", "--locked").status == 0
    done = recipec("run", "--locked", "--workspace", "fresh")
    assert done.status == 0, done.err
    assert "1 row" in done.out
    assert recipec("run").status == 0
    done = recipec("lock", "--check")
    assert done.status == 1
    assert "source words: revision of hf://datasets/ann/words" in done.out


def test_a_revision_by_name_and_by_commit(recipec: Any, words: Hub) -> None:
    repo = words.repos["ann/words"]
    first = repo.commits[-1][0]
    repo.commit(repo.files | {"data/test.csv": b"id,text\n1,a\n2,b\n"})
    write(f'hf("ann/words", split: "test", revision: "{first}")')
    done = recipec("run")
    assert "1 row" in done.out, done.err
    words.asked.clear()
    assert recipec("run").status == 0
    assert words.asked == [], "a commit never changes"
    write('hf("ann/words", split: "test", revision: "v9")')
    assert "there is no data set `ann/words` with a revision `v9` on the hub" in recipec("run").err


def test_files_of_a_data_set_for_other_readers(recipec: Any, words: Hub) -> None:
    write('csv("hf://datasets/ann/words/data/train-*.csv")')
    assert "400 rows" in recipec("run").out
    write('csv("hf://datasets/ann/words@main/none/*.csv")')
    assert "no file matches hf://datasets/ann/words/none/*.csv" in recipec("run").err
    write('csv("hf://datasets/ann/words")')
    done = recipec("check", "a.recipe")
    assert 'read it with hf("ann/words")' in done.out + done.err
    write('csv("hf://ann")')
    done = recipec("check", "a.recipe")
    assert "`hf://ann` names no data set of the hub" in done.out + done.err


def test_wrong_names_and_splits(recipec: Any, words: Hub) -> None:
    write('hf("ann/wards", split: "train")')
    done = recipec("run")
    assert "there is no data set `ann/wards` on the hub, or it is private" in done.err
    write('hf("ann/words", split: "trian")')
    done = recipec("run")
    assert "`ann/words` has no split `trian`" in done.err
    assert "did you mean `train`?" in done.err
    write('hf("ann/words")')
    assert "which split of `ann/words`?" in recipec("run").err
    words.fail["/revision/"] = 403
    write('hf("ann/words", split: "train")')
    assert "its owner wants you to agree to something first" in recipec("run").err


def test_tokens_go_to_the_hub_alone(recipec: Any, words: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    words.repos["ann/words"].private, words.token = True, "hf_secret"
    write('hf("ann/words", split: "train")')
    assert recipec("run").status == 1
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    words.asked.clear()
    assert recipec("run").status == 0
    assert {a for _, path, a in words.asked if path.startswith("/large/")} == {None}
    assert {a for _, path, a in words.asked if not path.startswith("/large/")} == {"Bearer hf_secret"}
    assert not any("hf_secret" in p.read_text("utf-8", "ignore") for p in Path(".recipec").rglob("*.json"))


def test_offline(recipec: Any, words: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    write('hf("ann/words", split: "train")')
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in recipec("run").err
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert recipec("run").status == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words.asked.clear()
    assert recipec("run").status == 0
    assert words.asked == []


def test_contents_that_are_not_what_the_list_says(recipec: Any, words: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Hub.entry
    monkeypatch.setattr(words, "entry", lambda path, data: entry(path, data if path == "README.md" else data + b"!"))
    write('hf("ann/words", split: "test")')
    assert "came with other contents than the hub's list says" in " ".join(recipec("run").out.split())


def test_a_local_folder_comes_first(recipec: Any, words: Hub) -> None:
    Path("ann/words").mkdir(parents=True)
    Path("ann/words/train.csv").write_text("id,text\n1,a\n", encoding="utf-8")
    write('hf("ann/words")')
    assert "1 row" in recipec("run").out
    assert words.asked == []


# Writing


def export(settings: str = "", rows: int = 300, format: str = "huggingface()") -> None:
    Path("rows.csv").write_text("id,text\n" + "".join(f"{i},text {i} {'x' * 40}\n" for i in range(rows)), encoding="utf-8")
    recipe = 'recipe "shop" { version: "2.1.0"  license: "mit" }\nsource goods = csv("rows.csv") { key: id }\n'
    Path("a.recipe").write_text(
        recipe + f'export out from goods {{ to: "hf://datasets/ann/shop"  format: {format}  {settings} }}\n', encoding="utf-8"
    )


def test_a_push_is_one_commit_to_a_private_repository(recipec: Any, hub: Hub) -> None:
    pytest.importorskip("huggingface_hub")
    export()
    done = recipec("run")
    assert done.status == 0, done.err
    repo = hub.repos["ann/shop"]
    assert repo.private
    assert len(repo.commits) == 2
    assert sorted(repo.files) == ["README.md", "_index.json", "train.parquet"]
    assert [(f["path"], f.get("rows")) for f in json.loads(repo.files["_index.json"])["files"]] == [
        ("README.md", None),
        ("train.parquet", 300),
    ]
    assert "2 reused" in recipec("run").out
    export(rows=10, format="jsonl()")
    assert recipec("run").status == 0
    assert len(repo.commits) == 3
    assert sorted(repo.files) == ["_index.json", "goods.jsonl"]
    assert len(repo.files["goods.jsonl"].splitlines()) == 10
    write('jsonl("hf://datasets/ann/shop/goods.jsonl")')
    assert "10 rows" in recipec("run").out


def test_a_push_that_is_refused(recipec: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    hub.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    export()
    done = recipec("run")
    assert "hf://datasets/ann/shop may not be written (401)" in done.err
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    hub.repos["ann/shop"] = Repo()
    hub.repos["ann/shop"].commit({"precious.csv": b"mine"})
    done = recipec("run")
    assert "holds files that no export wrote: precious.csv" in done.err
    assert list(hub.repos["ann/shop"].files) == ["precious.csv"]
    hub.repos["ann/shop"] = Repo()
    hub.fail["/commit/"] = 412
    assert "was changed by somebody else meanwhile" in recipec("run").err
    assert len(hub.repos["ann/shop"].commits) == 1
    hub.fail.clear()
    assert recipec("run").status == 0


def test_settings_of_a_push(recipec: Any, hub: Hub) -> None:
    export("private: false")
    pytest.importorskip("huggingface_hub")
    assert recipec("run").status == 0
    assert not hub.repos["ann/shop"].private
    export("mode: append")
    done = recipec("check", "a.recipe")
    assert "`hf://datasets/ann/shop` can only be replaced" in done.out + done.err
    hub.repos["ann/shop"].commit({})
    export("private: false")
    assert "1 run, 1 reused" in recipec("run").out
