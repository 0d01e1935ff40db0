"""Verbs on what a run built: plan, run, show, explain, bad, test, gc."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from cli_harness import GOOD, ROWS, Run


def test_run_and_plan(recipec: Run, good: Path) -> None:
    done = recipec("plan")
    assert done.status == 0
    assert "  + rows" in done.out
    assert "2 to run" in done.out
    assert not (good.parent / ".recipec").exists()
    done = recipec("run")
    assert done.status == 0, done.err
    assert "2 → 1 row   small 1" in done.out
    assert done.out.splitlines()[-1].endswith("recipec show good.recipe tidy")
    again = recipec("run", "good.recipe")
    assert "2 reused" in again.out
    assert "  = rows   2 rows   reused" in recipec("plan").out
    good.write_text(GOOD.replace("n > 1", "n > 0"), encoding="utf-8")
    done = recipec("plan")
    assert "  ~ tidy" in done.out
    assert "n > 1 -> n > 0" in done.out


def test_a_changed_parameter_is_seen_in_the_plan(recipec: Run, good: Path) -> None:
    good.write_text("param least: int = 1\n" + GOOD.replace("n > 1", "n > least"), encoding="utf-8")
    recipec("run")
    assert "n > 1 -> n > 0" in recipec("plan", "--set", "least=0").out


def test_run_as_json(recipec: Run, good: Path) -> None:
    plan = json.loads(recipec("plan", "--format", "json").out)
    assert [(s["name"], s["status"]) for s in plan["steps"]] == [("rows", "run"), ("tidy", "run")]
    done = recipec("run", "--format", "json")
    steps = {s["name"]: s for s in json.loads(done.out)["steps"]}
    assert steps["tidy"] | {"seconds": 0} == {
        "name": "tidy", "kind": "clean", "status": "run", "why": "new", "rows_in": 2, "rows_out": 1, "dropped": {"small": 1}, "seconds": 0,
        "changed": True, "notes": [],
    }  # fmt: skip
    assert "tidy" in done.err
    assert json.loads(recipec("run", "--format", "json").out)["steps"][0]["status"] == "reused"


def test_only(recipec: Run, good: Path) -> None:
    good.write_text(GOOD + "\nclean more from rows { keep where n > 0 }\n", encoding="utf-8")
    assert recipec("run", "--only", "tidy").status == 0
    assert "more" not in recipec("plan", "--only", "rows,tidy").out
    done = recipec("run", "--only", "tdy")
    assert (done.status, "did you mean `tidy`?" in done.err) == (2, True)


def test_mistakes_stop_a_run_before_it_begins(recipec: Run, good: Path) -> None:
    good.write_text(GOOD.replace("n > 1", "m > 1"), encoding="utf-8")
    for verb in ("plan", "run", "compile", "test"):
        done = recipec(verb)
        assert done.status == 1
        assert "error[unknown-column]" in done.err
        assert "nothing was run" in done.err
    assert not (good.parent / ".recipec").exists()


def test_a_failed_step(recipec: Run, good: Path) -> None:
    good.write_text(GOOD.replace("{ key: id }", '{ key: id  expect n < 2 as "few" }') + "\nclean more from tidy {}\n", encoding="utf-8")
    done = recipec("run")
    assert done.status == 1
    assert "✗ expect few: 1 row breaks it" in done.out
    assert "b   你好  2" in done.out
    assert "skipped: `rows` did not finish" in done.out
    assert "error[step-failed]" in done.err
    assert "good.recipe:1:42" in done.err
    assert "failed in" in done.out
    result = json.loads(recipec("run", "--format", "json").out)
    assert [s["status"] for s in result["steps"]] == ["failed", "skipped", "skipped"]
    assert result["steps"][0]["error"]["message"].startswith("expect few")


def test_an_interrupted_run(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.steps.clean import Clean

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Clean, "run", interrupted)
        done = recipec("run")
    assert done.status == 130
    assert "to go on: recipec run good.recipe" in done.out
    assert "1 run, 1 reused" in recipec("run").out


def test_a_workspace_elsewhere(recipec: Run, good: Path, tmp_path: Path) -> None:
    assert recipec("run", "--workspace", "else/where").status == 0
    assert (tmp_path / "else" / "where" / "work.duckdb").exists()
    assert "id" in recipec("show", "tidy", "--workspace", "else/where").out
    assert recipec("show", "tidy").status == 2


def test_show(recipec: Run, inside: Path) -> None:
    done = recipec("show", "tidy", "--limit", "3")
    assert done.status == 0
    assert done.out.splitlines()[0].split() == ["id", "topic", "text"]
    assert done.out.splitlines()[-1] == "tidy: 3 of 16 rows, --limit 16 for more"
    assert recipec("show", "shop.recipe", "tidy").out.splitlines()[-1] == "tidy: 16 rows"
    assert recipec("show", "final.test").out.splitlines()[-1] == "final.test: 3 rows"
    long = recipec("show", "tidy", "--where", "id = 'm05'", "--long").out
    assert "text   包裹什么时候到？已经等了一个星期。\n" in long


def test_show_formats(recipec: Run, inside: Path) -> None:
    found = json.loads(recipec("show", "tidy", "--format", "json", "--limit", "0", "--sort", "id desc").out)
    assert len(found) == 16
    assert found[0] == {"id": "m18", "topic": "sizing", "text": "鞋子偏大还是偏小？"}
    out = recipec("show", "tidy", "--format", "csv", "--limit", "0", "--columns", "text,id").out
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["text", "id"]
    assert len(rows) == 17
    assert json.loads(recipec("show", "tidy", "--format", "json", "--where", "false").out) == []


def test_show_dropped(recipec: Run, inside: Path) -> None:
    out = recipec("show", "tidy", "--dropped").out
    assert "too short" in out
    assert "ok" in out
    assert recipec("show", "tidy", "--dropped", "duplicate").out.splitlines()[-1] == "tidy: 1 row"
    done = recipec("show", "tidy", "--dropped", "to short")
    assert (done.status, "did you mean `too short`?" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["tdy"], "no step `tdy`; did you mean `tidy`?"),
        (["final.tset"], "no step `final.tset`; did you mean `final.test`?"),
        (["out"], "`out` is a export: it has no table to show"),
        (["tidy", "--where", "txt = 1"], "--where: "),
        (["tidy", "--sort", "length("], "--sort: "),
        (["tidy", "--columns", "txt"], "no column `txt`; did you mean `text`?"),
        (["nothere.recipe", "tidy"], "no file `nothere.recipe`"),
        (["a", "b", "c"], "too many arguments"),
    ],
)
def test_show_what_is_not_there(argv: list[str], words: str, recipec: Run, inside: Path) -> None:
    done = recipec("show", *argv)
    assert done.status == 2
    assert words in done.err.splitlines()[0]


def test_a_step_that_is_not_built(recipec: Run, inside: Path) -> None:
    # It may stand in the recipe: what is listed is what there is a table of.
    done = recipec("bad", "nobody")
    assert (done.status, "built so far: " in done.err) == (2, True)


def test_explain_a_row(recipec: Run, inside: Path) -> None:
    done = recipec("explain", "tidy", "m09")
    assert done.status == 0
    assert done.out.startswith("m09   ")
    assert "text changed by fix_unicode" in done.out
    done = recipec("explain", "final", "m09", "--diff")
    assert "-  Iâ€™d like" in done.out
    assert "+  I’d like" in done.out
    assert "in part" in done.out
    assert "dropped: too short" in recipec("explain", "tidy", "m10").out
    (life,) = json.loads(recipec("explain", "shop.recipe", "tidy", "m09", "--format", "json").out)
    assert life["label"] == "m09"
    done = recipec("explain", "tidy", "m99")
    assert (done.status, "no row `m99`" in done.err) == (2, True)


def test_bad(recipec: Run, good: Path) -> None:
    good.write_text(GOOD.replace("{ key: id }", "{ key: id  columns: { id: text, text: text, n: int }  max_bad: 50% }"), encoding="utf-8")
    (good.parent / "rows.csv").write_text(ROWS + "c,oops,many\n", encoding="utf-8")
    assert recipec("run").status == 0
    out = recipec("bad", "rows").out
    assert "rows.csv row" in out
    assert "many" in out
    assert out.splitlines()[-1] == "rows: 1 of 1 bad rows"
    (record,) = json.loads(recipec("bad", "good.recipe", "rows", "--format", "json").out)
    assert record["file"] == "rows.csv"
    done = recipec("bad", "tidy")
    assert (done.status, "recipec show tidy --dropped" in done.err) == (2, True)


def test_tests_alone(recipec: Run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shop, copy)
    monkeypatch.chdir(copy)
    done = recipec("test")
    assert done.status == 0
    assert done.out.splitlines()[-1].startswith("3 tests: 3 hold")
    recipe = copy / "shop.recipe"
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace("expect unique(id)", 'expect unique(topic)\n  expect warn id > "m02"'), encoding="utf-8"
    )
    done = recipec("test")
    assert done.status == 1
    assert "✗ unique(topic): 15 rows break it" in done.out
    assert '! id > "m02": 2 rows break it' in done.out
    assert {t["status"] for t in json.loads(recipec("test", "--format", "json").out)} == {"holds", "warns", "fails"}


def test_tests_of_what_is_not_built(recipec: Run, good: Path) -> None:
    good.write_text(GOOD, encoding="utf-8")
    recipec("run")
    done = recipec("test")
    assert (done.status, "has no tests" in done.err) == (2, True)
    good.write_text(GOOD + "\nclean more from rows { expect n > 0 }\n", encoding="utf-8")
    done = recipec("test")
    assert (done.status, "(not built)" in done.out) == (1, True)


def test_gc(recipec: Run, good: Path) -> None:
    assert recipec("gc").status == 2
    recipec("run")
    good.write_text(GOOD.replace("n > 1", "n > 0"), encoding="utf-8")
    recipec("run")
    done = recipec("gc")
    assert done.status == 0
    assert done.out.startswith("1 result removed, 2 kept")
    assert json.loads(recipec("gc", "--format", "json").out)["removed"] == 0


def test_several_recipes_in_a_folder(recipec: Run, good: Path) -> None:
    other = good.with_name("other.recipe")
    other.write_text(GOOD.replace("tidy", "neat"), encoding="utf-8")
    done = recipec("run")
    assert (done.status, done.err.splitlines()[0]) == (2, "recipec: several recipes in this folder: good.recipe, other.recipe")
    assert recipec("run", "good.recipe").status == recipec("run", "other.recipe").status == 0
    assert recipec("show", "neat").status == 0
    assert recipec("explain", "neat", "b").status == 0
    done = recipec("show", "rows")
    assert (done.status, "is a step of several recipes: good.recipe, other.recipe" in done.err) == (2, True)
    assert recipec("show", "other.recipe", "rows").status == 0
