"""Sources that lie elsewhere: what run, fetch, plan, check, lock and gc do with their copies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mirror_harness import Elsewhere

import recipec as face

RECIPE = """recipe "shop" { version: "1.0.0"  seed: 7 }

source goods = csv("fake://*.csv") { key: id }

clean cheap from goods { keep where price < 10 }
"""


@pytest.fixture
def shop(fake: Elsewhere) -> Elsewhere:
    fake.put("a.csv", "id,price\n1,5\n2,50\n")
    fake.put("b.csv", "id,price\n3,7\n")
    Path("shop.recipe").write_text(RECIPE, encoding="utf-8")
    return fake


def test_a_run_copies_and_a_second_one_only_asks(recipec: Any, shop: Elsewhere) -> None:
    done = recipec("run")
    assert done.status == 0, done.err
    assert "2 files came, 31 B   fake://*.csv" in done.out
    assert shop.copied == ["a.csv", "b.csv"]
    done = recipec("run")
    assert "2 files, unchanged" in done.out
    assert "2 reused" in done.out
    assert len(shop.copied) == 2


def test_one_changed_file_is_one_copy_and_what_went_is_gone(recipec: Any, shop: Elsewhere) -> None:
    assert recipec("run").status == 0
    shop.put("b.csv", "id,price\n3,7\n4,8\n")
    done = recipec("run")
    assert "1 file came, 17 B; 1 unchanged" in done.out
    assert shop.copied == ["a.csv", "b.csv", "b.csv"]
    assert "3 rows" in done.out
    (shop.folder / "b.csv").unlink()
    assert "1 unchanged; 1 gone" in recipec("run").out
    copies = [p.name for p in Path(".recipec/mirror").rglob("*.csv")]
    assert len(copies) == 1


def test_check_and_plan_open_nothing_and_know_the_last_copy(recipec: Any, shop: Elsewhere) -> None:
    shop.up = False
    assert recipec("check", "shop.recipe").status == 0
    assert "fake://*.csv is not copied yet" in recipec("plan").out
    shop.up = True
    assert recipec("run").status == 0
    shop.up = False
    shop.asked = 0
    Path("shop.recipe").write_text(RECIPE.replace("price < 10", "prise < 10"), encoding="utf-8")
    done = recipec("check", "shop.recipe")
    assert done.status == 1
    assert "did you mean `price`?" in done.out + done.err
    Path("shop.recipe").write_text(RECIPE, encoding="utf-8")
    assert "reused   as of the last copy" in recipec("plan").out
    assert shop.asked == 0


def test_columns_that_came_with_the_copy_are_checked_before_anything_runs(recipec: Any, shop: Elsewhere) -> None:
    Path("shop.recipe").write_text(RECIPE.replace("price < 10", "prise < 10"), encoding="utf-8")
    done = recipec("run")
    assert done.status == 1
    assert "did you mean `price`?" in done.err
    assert "nothing was run" in done.err


def test_a_server_that_is_down(recipec: Any, shop: Elsewhere) -> None:
    shop.up = False
    done = recipec("run")
    assert done.status == 1
    assert "cannot be reached: connection refused" in done.err
    assert "shop.recipe:3:" in done.err
    assert "is the server up?" in done.err
    done = recipec("run", "--no-fetch")
    assert done.status == 1
    assert "fake://*.csv has not been copied yet" in done.err
    assert "recipec fetch" in done.err
    shop.up = True
    assert recipec("run").status == 0
    shop.up = False
    done = recipec("run")
    assert done.status == 1
    assert "go on with the last copy: recipec run shop.recipe --no-fetch" in done.err
    done = recipec("run", "--no-fetch")
    assert done.status == 0
    assert "2 reused" in done.out


def test_fetch_alone(recipec: Any, shop: Elsewhere) -> None:
    assert "2 files came" in recipec("fetch").out
    shop.put("a.csv", "id,price\n1,5\n")
    (one,) = json.loads(recipec("fetch", "shop.recipe", "goods", "--format", "json").out)
    assert {k: one[k] for k in ("step", "address", "status", "came", "unchanged", "gone")} == {
        "step": "goods", "address": "fake://*.csv", "status": "changed", "came": 1, "unchanged": 1, "gone": 0,
    }  # fmt: skip
    assert recipec("run", "--no-fetch").status == 0
    assert recipec("fetch", "prise").status == 2
    Path("other.recipe").write_text('source x = csv("y.csv") { columns: { id: int } }\n', encoding="utf-8")
    Path("y.csv").write_text("id\n1\n", encoding="utf-8")
    assert "nothing to fetch" in recipec("fetch", "other.recipe").out


def test_plan_online_asks_and_copies_nothing(recipec: Any, shop: Elsewhere) -> None:
    assert recipec("run").status == 0
    assert "as of the last copy" not in recipec("plan", "--online").out
    shop.put("a.csv", "id,price\n1,5\n")
    plan = recipec("plan", "--online").out
    assert "~ goods" in plan
    assert "changed at fake://*.csv" in plan
    assert "input `goods` changes" in plan
    assert len(shop.copied) == 2
    shop.up = False
    assert recipec("plan", "--online").status == 2


def test_what_was_copied_is_in_the_lock_and_drift_is_told(recipec: Any, shop: Elsewhere) -> None:
    done = recipec("lock")
    assert done.status == 2
    assert "fake://*.csv has not been copied yet, so what it holds is not known" in done.err
    assert recipec("run").status == 0
    assert recipec("lock").status == 0
    text = Path("shop.lock").read_text("utf-8")
    assert '"fake://a.csv" = ' in text
    assert '"files of fake://*.csv" = 2' in text
    assert recipec("run", "--locked").status == 0
    shop.put("c.csv", "id,price\n9,9\n")
    done = recipec("run", "--locked")
    assert done.status == 1
    assert "source goods: changed at fake://*.csv" in done.err
    assert len(shop.copied) == 2, "the copy that the lock speaks of stays"
    assert recipec("run").status == 0
    done = recipec("run", "--locked")
    assert "source goods: files of fake://*.csv: 2 -> 3" in done.err


def test_a_stopped_copy_keeps_what_came(recipec: Any, shop: Elsewhere) -> None:
    def stop(name: str) -> None:
        if name == "b.csv":
            raise KeyboardInterrupt

    shop.stop = stop
    done = recipec("run")
    assert done.status == 130
    assert "what has been copied is kept" in done.out
    shop.stop = None
    assert recipec("run").status == 0
    assert shop.copied == ["a.csv", "b.csv"]


def test_gc_removes_copies_that_no_result_is_made_of(recipec: Any, shop: Elsewhere) -> None:
    assert recipec("fetch").status == 0
    Path("other.recipe").write_text('source x = csv("fake://a.csv") { key: id }\n', encoding="utf-8")
    assert recipec("run", "other.recipe").status == 0
    recipec("gc")
    assert len(list(Path(".recipec/mirror").glob("*/current.json"))) == 2, "what is copied for a recipe not run yet stays"
    assert recipec("run", "shop.recipe").status == 0
    Path("shop.recipe").write_text(RECIPE.replace("fake://*.csv", "fake://b.csv"), encoding="utf-8")
    assert recipec("run", "shop.recipe").status == 0
    assert "1 copy of what lies elsewhere removed" in recipec("gc").out
    assert recipec("run", "--no-fetch", "shop.recipe").status == 0
    assert recipec("run", "--no-fetch", "other.recipe").status == 0


def test_a_copy_that_somebody_damaged_is_made_again(recipec: Any, shop: Elsewhere) -> None:
    assert recipec("run").status == 0
    next(Path(".recipec/mirror").rglob("*-a.csv")).unlink()
    assert recipec("run").status == 0
    assert shop.copied == ["a.csv", "b.csv", "a.csv"]


def test_from_python(shop: Elsewhere) -> None:
    recipe = face.load("shop.recipe")
    with pytest.raises(face.RunFailed, match="not been copied yet"):
        recipe.run(fetch=False, progress=False)
    assert len(recipe.run(progress=False)["cheap"]) == 2
    shop.up = False
    with pytest.raises(face.RunFailed, match="cannot be reached"):
        recipe.run(progress=False)
    recipe.run(progress=False, fetch=False)
    shop.up = True
    recipe.fetch(progress=False)


def test_an_address_that_nobody_can_open(recipec: Any) -> None:
    Path("a.recipe").write_text('source x = csv("gopher://a/b.csv") { columns: { id: int } }\n', encoding="utf-8")
    done = recipec("check", "a.recipe")
    assert done.status == 1
    assert "no way to read `gopher://`" in done.out + done.err


def test_the_page_about_places_elsewhere(recipec: Any) -> None:
    done = recipec("docs", "mirror")
    assert done.status == 0
    assert "--no-fetch" in done.out
    assert done.out == recipec("docs", "addresses").out
