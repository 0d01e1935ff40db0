"""What runs again, what does not, and what the plan says about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Lab

RECIPE = """\
recipe "shop" { seed: 7 }
param least: int = 10

source rows = csv("rows.csv") { key: id  expect unique(id) }
clean long from rows { drop where text is null as "no text"  drop where length(text) < least as "short" }
clean loud from long { text = upper(text)  size = length(text) }
split parts from loud { train: 80%  test: 20%  stratify: section }
expect sound from parts.train, parts.test { expect rows(parts.test) > 1 }
export out from parts { to: "build/out"  format: jsonl() }
"""


@pytest.fixture
def shop(lab: Lab, rows: Any, as_csv: Any) -> Lab:
    lab.write("rows.csv", as_csv(rows(120)))
    old = 1_600_000_000
    os.utime(lab.folder / "rows.csv", (old, old))
    lab.run(RECIPE)
    return lab


def ran(lab: Lab, text: str, **options: Any) -> list[str]:
    """The steps that a run ran."""
    return [n for n, s in lab.run(text, **options).statuses.items() if s == "run"]


def test_a_second_run_runs_nothing(shop: Lab) -> None:
    assert ran(shop, RECIPE) == []
    assert {p.status for p in shop.plan(RECIPE).steps} == {"reuse"}
    assert shop.rows("select count(*) from recipec.runs") == [(1,)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("clean long", "# a comment\nclean long"),
        ("{ text = upper(text)  size = length(text) }", "{\n  text = text |> upper,\n  size = length(text)\n}"),
        ('source rows = csv("rows.csv") {', 'source rows = csv("rows.csv") { description: "all of it" '),
        ('recipe "shop" {', 'recipe "shop" { description: "of a shop"  tags: ["a"] '),
        ("length(text) < least", "length(text) < 10"),
        ("train: 80%", "train: 0.8"),
    ],
    ids=["comment", "layout", "description", "header", "param", "number"],
)
def test_what_means_the_same_runs_nothing(shop: Lab, old: str, new: str) -> None:
    assert old in RECIPE
    assert ran(shop, RECIPE.replace(old, new)) == []


def test_a_renamed_step_runs_nothing_and_is_found_under_its_new_name(shop: Lab) -> None:
    assert ran(shop, RECIPE.replace("loud", "shouted")) == []
    assert shop.rows("select count(*) > 0 from shouted") == [(True,)]
    tables = {r[0] for r in shop.rows("select table_name from information_schema.tables where table_schema = 'main'")}
    assert "loud" not in tables


def test_steps_in_another_order_run_nothing(shop: Lab) -> None:
    head, *steps = RECIPE.split("\n\n")
    lines = steps[0].splitlines()
    assert ran(shop, head + "\n" + "\n".join(reversed(lines))) == []


def test_a_threshold_runs_its_step_and_those_below(shop: Lab) -> None:
    other = RECIPE.replace("least: int = 10", "least: int = 60")
    plan = shop.plan(other)
    assert [p.name for p in plan.to_run] == ["long", "loud", "parts", "sound", "out"]
    assert "10" in plan["long"].why
    assert "60" in plan["long"].why
    assert "`long`" in plan["loud"].why
    assert ran(shop, other) == ["long", "loud", "parts", "sound", "out"]


def test_early_cut_off(shop: Lab) -> None:
    """No text is shorter than three letters, so the threshold of 3 keeps what 2 keeps: what is below is reused."""
    start = RECIPE.replace("int = 10", "int = 2")
    shop.run(start)
    other = RECIPE.replace("int = 10", "int = 3")
    assert [p.name for p in shop.plan(other).to_run] == ["long", "loud", "parts", "sound", "out"]
    again = shop.run(other)
    assert [n for n, s in again.statuses.items() if s == "run"] == ["long"]
    assert not again["long"].changed
    assert ran(shop, other) == []
    assert ran(shop, start) == []


def test_a_value_changed_and_changed_back_is_found_again(shop: Lab) -> None:
    before = shop.rows("select * from parts.train order by _key")
    other = RECIPE.replace("int = 10", "int = 60")
    shop.run(other)
    assert shop.rows("select * from parts.train order by _key") != before
    # The files are those of the other value, so they are written again; no table is made again.
    assert ran(shop, RECIPE) == ["out"]
    assert shop.rows("select * from parts.train order by _key") == before
    assert ran(shop, other) == ["out"]


def test_why_names_the_field_with_old_and_new_value(shop: Lab) -> None:
    cases = {
        ("train: 80%  test: 20%", "train: 70%  test: 30%"): ("parts", "0.8", "0.7"),
        ("stratify: section", "stratify: customer"): ("parts", "section", "customer"),
        ("seed: 7", "seed: 8"): ("parts", "7", "8"),
        ("upper(text)", "lower(text)"): ("loud", "upper(text)", "lower(text)"),
        ("jsonl()", "csv()"): ("out", "jsonl", "csv"),
        ("build/out", "build/in"): ("out", "build/out", "build/in"),
        ("size = length(text)", ""): ("loud", "size", "removed"),
        ('as "short"', 'as "too short"'): ("long", "short", "too short"),
        ("key: id ", "key: [id, section] "): ("rows", "id", "section"),
    }
    for (old, new), (step, *words) in cases.items():
        assert old in RECIPE
        plan = shop.plan(RECIPE.replace(old, new))
        assert plan.to_run[0].name == step, new
        assert all(w in plan[step].why for w in words), plan[step].why


def test_a_changed_test_tests_again_and_no_more(shop: Lab) -> None:
    other = RECIPE.replace("unique(id)", "unique(id)  expect n >= 0")
    plan = shop.plan(other)
    assert [p.name for p in plan.to_run] == ["rows"]
    assert "test" in plan["rows"].why
    assert ran(shop, other) == ["rows"]
    assert ran(shop, other) == []
    assert ran(shop, RECIPE.replace("parts.test) > 1", "parts.test) > 2")) == ["rows", "sound"]


def test_a_failed_test_is_tested_again(shop: Lab) -> None:
    other = RECIPE.replace("unique(id)", "n > 1000")
    for _ in range(2):
        failed = shop.run(other, good=False)
        assert failed["rows"].status == "failed"
        assert {s for n, s in failed.statuses.items() if n != "rows"} == {"skipped"}
    assert ran(shop, RECIPE) in ([], ["rows"])


def test_a_changed_source_file_runs_again(shop: Lab) -> None:
    path = shop.folder / "rows.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    plan = shop.plan(RECIPE)
    assert plan["rows"].why == "file rows.csv changed"
    assert ran(shop, RECIPE) == ["rows", "long", "loud", "parts", "sound", "out"]
    # The same rows in another order are another file and the same table.
    path.write_text("".join([lines[0], *reversed(lines[1:-1])]), encoding="utf-8")
    assert ran(shop, RECIPE) == ["rows"]
    # The same bytes at another time are the same file.
    os.utime(path)
    assert ran(shop, RECIPE) == []
    # A change that leaves size and time alone is not overlooked when it follows at once.
    text = path.read_text(encoding="utf-8")
    stat = path.stat()
    path.write_text(text.replace("c1", "c2"), encoding="utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ran(shop, RECIPE)[:1] == ["rows"]


def test_a_file_gone_or_changed_is_written_again(shop: Lab) -> None:
    train = shop.folder / "build/out/train.jsonl"
    before = train.read_bytes()
    train.unlink()
    assert shop.plan(RECIPE)["out"].why == "`train.jsonl` is gone"
    assert ran(shop, RECIPE) == ["out"]
    train.write_bytes(b"x" * len(before))
    assert shop.plan(RECIPE)["out"].why == "`train.jsonl` was changed"
    assert ran(shop, RECIPE) == ["out"]
    assert train.read_bytes() == before
    train.touch()
    assert ran(shop, RECIPE) == []


def test_files_that_no_export_wrote_are_left_alone(shop: Lab) -> None:
    (shop.folder / "build/out/notes.txt").write_text("mine")
    (shop.folder / "build/out/test.jsonl").unlink()
    failed = shop.run(RECIPE, good=False)
    assert "notes.txt" in failed.error("out")
    assert (shop.folder / "build/out/notes.txt").read_text() == "mine"


def test_only_runs_a_step_and_what_it_reads(lab: Lab, rows: Any, as_csv: Any) -> None:
    lab.write("rows.csv", as_csv(rows(120)))
    assert list(lab.run(RECIPE, only=["loud"]).statuses) == ["rows", "long", "loud"]
    assert not (lab.folder / "build").exists()
    lab.run(RECIPE)
    # What was not asked for stays as it was, to be looked at.
    lab.run(RECIPE, only=["long"])
    assert lab.rows("select count(*) > 0 from parts.train") == [(True,)]
    assert lab.rows("select count(*) from recipec.dropped where step = 'long'") != [(0,)]
    assert ran(lab, RECIPE) == []


def test_params_from_outside(shop: Lab) -> None:
    other = shop.run(RECIPE, sets={"least": "60"})
    assert "long" in [n for n, s in other.statuses.items() if s == "run"]
    assert ran(shop, RECIPE.replace("int = 10", "int = 60")) == []


def test_two_recipes_share_a_workspace(shop: Lab) -> None:
    """Each finds its own results, and what both mean is made once."""
    other = (
        RECIPE.replace("loud", "quiet")
        .replace("upper", "lower")
        .replace("build/out", "build/other")
        .replace("least: int = 10", "least: int = 20")
    )
    assert "rows" not in ran(shop, other, name="other.recipe")
    assert ran(shop, RECIPE) == []
    assert ran(shop, other, name="other.recipe") == []
    tables = {r[0] for r in shop.rows("select table_name from information_schema.tables where table_schema = 'main'")}
    assert {"rows", "long", "loud", "quiet"} <= tables
    # A name that both have means the last run's.
    assert shop.rows("select min(length(text)) >= 20 from long") == [(True,)]
    shop.run(RECIPE)
    assert shop.rows("select min(length(text)) >= 20 from long") == [(False,)]
    assert {r[0] for r in shop.rows("select distinct step from recipec.dropped")} == {"long"}


def test_gc_keeps_what_the_last_runs_made(shop: Lab) -> None:
    from recipec.engines.runner import prune

    shop.run(RECIPE.replace("int = 10", "int = 60"))
    with shop.open() as workspace:
        gone = prune(workspace)
    assert len(gone) >= 3
    assert ran(shop, RECIPE.replace("int = 10", "int = 60")) == []
    assert ran(shop, RECIPE) == ["long", "loud", "parts", "sound", "out"]


def test_the_same_file_in_other_places(lab: Lab, rows: Any, as_csv: Any, everything: Any) -> None:
    """A workspace elsewhere, a folder of another name: the same rows, keys and bytes."""
    seen = []
    for name in ("one", "二"):
        place = type(lab)(lab.folder / name)
        place.write("rows.csv", as_csv(rows(50)))
        seen.append(everything(place, place.run(RECIPE.replace("key: id  expect unique(id)", ""))))
    assert seen[0] == seen[1]
    assert Path(lab.folder / "二" / "build" / "out").is_dir()
