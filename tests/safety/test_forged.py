"""A workspace that came along with somebody's recipe: whatever lies in it is data, and nothing of it is executed, followed out or removed elsewhere."""

from __future__ import annotations

import json
import pickle
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from recipec.cli import main

RECIPE = 'source x = csv("x.csv") { key: id  columns: { id: int, text: text } }\nclean c from x { y = upper(text) }\nexport e from c { to: "build/e.jsonl"  format: jsonl() }\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe that has been run, and something precious beside it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "t.recipe").write_text(RECIPE, encoding="utf-8")
    (folder / "x.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "work").write_text("SECRETWORD", encoding="utf-8")
    monkeypatch.chdir(folder)
    assert main(["run", "t.recipe"]) == 0
    return folder


def database(place: Path) -> Any:
    import duckdb

    return duckdb.connect(str(place / ".recipec" / "work.duckdb"))


VERBS = (["run", "t.recipe"], ["plan", "t.recipe"], ["show", "t.recipe", "c"], ["gc"], ["report", "t.recipe", "--to", "r.html"])
JOURNALS = {
    "a key that is a path": "UPDATE recipec.steps SET run_key = '../../../precious' WHERE step = 'c'",
    "a key from the root": "UPDATE recipec.steps SET run_key = '/tmp/recipec-nothing' WHERE step = 'c'",
    "a key that is SQL": "UPDATE recipec.steps SET run_key = 'x; COPY (SELECT 1) TO ''{precious}/made''; --' WHERE step = 'c'",
    "no key": "UPDATE recipec.steps SET run_key = '' WHERE step = 'c'",
    "no JSON": "ALTER TABLE recipec.steps ALTER extra TYPE VARCHAR; UPDATE recipec.steps SET extra = '{{'",
    "another shape": "UPDATE recipec.steps SET parts = '{{\"a\": 1}}'",
    "deep JSON": "ALTER TABLE recipec.steps ALTER meaning TYPE VARCHAR; UPDATE recipec.steps SET meaning = repeat('[', 200000)",
    "no table": "DROP TABLE recipec.steps",
    "another table": "DROP TABLE recipec.steps; CREATE TABLE recipec.steps (a INT)",
}


@pytest.mark.parametrize("what", JOURNALS)
def test_a_forged_journal_is_refused(place: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with database(place) as con:
        con.execute(JOURNALS[what].format(precious=place.parent / "precious"))
    for verb in VERBS:
        status = main(verb)
        said = "".join(capsys.readouterr())
        assert status in (1, 2), (verb, said)
        assert "it is damaged" in said or "run again" in said
        assert "Traceback" not in said
        assert "bug in recipec" not in said
    assert sorted(p.name for p in (place.parent / "precious").iterdir()) == ["work"]


VIEWS = (
    "CREATE OR REPLACE VIEW {view} AS SELECT NULL::UUID AS _key, NULL::UUID AS _parent, 1::BIGINT AS id, content AS text, content AS y FROM read_text('{precious}/work')",
    "CREATE OR REPLACE MACRO upper(a) AS (SELECT content FROM read_text('{precious}/work'))",
    "CREATE OR REPLACE MACRO count(a) AS (SELECT content FROM read_text('{precious}/work'))",
    "INSERT INTO recipec.names VALUES ('main', 'zz', 'SELECT 1; COPY (SELECT 1) TO ''{precious}/made''', 'other.recipe', 'zz', '{key}')",
    "INSERT INTO recipec.names VALUES ('main', 'zz', 'SELECT * FROM read_text(''{precious}/work'')', 'other.recipe', 'zz', '{key}')",
    'UPDATE recipec.steps SET extra = \'{{"files": [{{"path": "../../../precious/work", "size": 1, "digest": "", "mtime_ns": 1}}], "to": "../precious"}}\'',
    'UPDATE recipec.steps SET extra = \'{{"rows": {{"workspace": "/", "files": [["../../../../precious/work"]], "types": {{"a": "BIGINT"}}}}}}\'',
    'UPDATE recipec.steps SET extra = \'{{"caches": {{"tokens": ["../../../precious"]}}, "lasting": ["../../precious"]}}\'',
)


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_a_forged_database_reads_and_writes_nothing_elsewhere(place: Path, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with database(place) as con:
        (key,) = con.execute("SELECT run_key FROM recipec.steps WHERE step = 'c'").fetchone() or ("",)
        con.execute(VIEWS[number].format(view=f"store.v_{key}", key=key, precious=place.parent / "precious"))
    (place / "x.csv").write_text("id,text\n1,a\n3,c\n", encoding="utf-8")
    for verb in VERBS:
        main(verb)
        said = "".join(capsys.readouterr())
        assert "SECRETWORD" not in said
        assert "Traceback" not in said
        assert "bug in recipec" not in said, said
    assert "SECRETWORD" not in "".join(p.read_text(encoding="utf-8") for p in place.glob("build/*"))
    assert [(p.name, p.read_text(encoding="utf-8")) for p in (place.parent / "precious").iterdir()] == [("work", "SECRETWORD")]


@pytest.mark.parametrize(
    "name", ["artifacts/a/model/x", "tokens/k/y", "trials/z", "new/deep/er/x", "ledger/answers-0001.jsonl", "mirror/k", "logs/t"]
)
def test_no_link_anywhere_in_it(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / ".recipec" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(place.parent / "precious")
    for verb in VERBS:
        assert main(verb) == 2
        assert "is a link" in "".join(capsys.readouterr())
    assert (place.parent / "precious" / "work").exists()


class Evil:
    """What runs a program when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (str(self.mark), "w")


def test_what_is_written_here_would_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran"))).close()
    assert (tmp_path / "ran").exists()


def forged(path: Path, mark: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(Evil(mark)))


NAMES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "pytorch_model.bin")


@pytest.mark.parametrize(
    "name", [n if n in ("optimizer.pt", "pytorch_model.bin") else pytest.param(n, marks=pytest.mark.slow) for n in NAMES]
)
def test_nothing_of_a_checkpoint_is_executed(tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from recipec.api import DataError
    from recipec.training._fit import fit
    from recipec.training._trainer import Moment
    from tests.training.training_harness import spec_of, topic_rows

    spec = spec_of("classify", "single", "text", "label", epochs=1, batch_size=8, checkpoint_every=1)

    def stop(moment: Moment) -> None:
        if moment.doing == "train" and moment.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(spec, topic_rows(40), tmp_path / "m", progress=stop)
    (*_, last) = sorted((tmp_path / "m.work").glob("checkpoint-*"))
    assert (last / name).exists() or name == "pytorch_model.bin"
    forged(last / name, tmp_path / "ran")
    if name == "pytorch_model.bin":
        (last / "model.safetensors").unlink()
    try:
        fit(spec, topic_rows(40), tmp_path / "m")
    except DataError as refused:
        said = f"{refused.message} {refused.help}"
    else:
        said = "went on" if name == "training_args.bin" else ""
    assert "cannot be read" in said or said == "went on"
    assert not (tmp_path / "ran").exists()


def test_nothing_of_a_trained_model_is_executed(tmp_path: Path) -> None:
    """Weights that are a pickle, and code that lies with a model."""
    pytest.importorskip("torch", reason="needs the extra train")
    from safetensors import SafetensorError

    from recipec.api import DataError
    from recipec.training._fit import fit
    from recipec.training._predict import Predictor
    from tests.training.training_harness import spec_of, topic_rows

    folder = tmp_path / "m"
    fit(spec_of("classify", "single", "text", "label", epochs=1, batch_size=8), topic_rows(16), folder)
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\n", encoding="utf-8")
    whole = (folder / "model.safetensors").rename(tmp_path / "whole")
    for name in ("pytorch_model.bin", "model.safetensors", "adapter_model.bin"):
        forged(folder / name, mark)
        with pytest.raises((DataError, OSError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError)):
            Predictor(folder).classify(["a"])
        (folder / name).unlink()
    whole.rename(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    right = dict(config)
    for change in ({"auto_map": {n: "evil.Evil" for n in ("AutoConfig", "AutoModelForSequenceClassification")}}, {"model_type": "evil"}):
        config = right | {"auto_map": {"AutoConfig": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}} | change
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        with suppress(DataError, OSError, ValueError):
            Predictor(folder).classify(["a"])
    assert not mark.exists()
    assert "evil" not in sys.modules
