"""Every row that comes in goes out, or is dropped under a reason that can be shown, or is set aside as bad."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from recipec.plan.explain import Life, explain

if TYPE_CHECKING:
    from tests.conftest import Lab, Ran

RECIPE = """\
recipe "messy" { seed: 7  version: "1.2.0" }

source rows = csv("rows.csv") {
  key: id
  columns: { id: text, text: text, section: text, n: int }
  repeated: drop
  max_bad: 20%
}
source bench = csv("bench.csv") { key: id }
clean tidy from rows {
  drop where text is null                 as "no text"
  text = text |> squeeze_space
  drop where words(text) < 4              as "short"
  keep where section in ["web", "games", "sound"] as "other section"
  dedupe(text)
  dedupe(text, near: 60%)
  dedupe(text, across: [bench])
}
clean pieces from tidy { piece = split_words(text)  explode(piece)  drop where length(piece) < 3 as "a short word" }
clean some from tidy { sample(50%)  limit(40) }
python few from tidy { call: "few:few"  columns: { id: text, text: text } }
split parts from tidy { train: 70%  test: 20% }
mix both from some, few { missing: null }
"""
FEW = """
import pyarrow.compute as pc

def few(batch):
    return batch.filter(pc.less(batch.column("n"), 30)).select(["_key", "id", "text"])
"""


def messy(rows: list[dict[str, Any]]) -> str:
    """Lines as they come: keys twice, numbers that are none, a line cut off."""
    chance = random.Random(3)
    lines = ["id,text,section,n"]
    for row in rows:
        text = "" if row["text"] is None else f'"{row["text"]}"'
        n = "many" if chance.random() < 0.05 else row["n"]
        lines.append(f"{row['id']},{text},{row['section']},{n}")
        if chance.random() < 0.04:
            lines.append(f"{row['id']},another text of the same key,web,{row['n']}")
    lines.insert(20, "cut,off")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, rows: Any, request: pytest.FixtureRequest) -> Lab:
    from importlib import import_module

    lab: Lab = import_module("tests.conftest").Lab(tmp_path_factory.mktemp("messy"))
    made = rows(300)
    lab.write("rows.csv", messy(made))
    kept = [r for r in made if r["text"] and len(str(r["text"]).split()) > 8]
    lab.write("bench.csv", "id,text\n" + "".join(f'b{i},"{r["text"]}"\n' for i, r in enumerate(kept[50:53])))
    lab.write("few.py", FEW)
    return lab


@pytest.fixture(scope="module")
def ran(lab: Lab) -> Ran:
    return lab.run(RECIPE)


def test_the_sums_are_right(ran: Ran) -> None:
    for step in ran.result.steps:
        built = step.built
        assert built is not None
        added = {"pieces"}
        if step.name in added:
            continue
        assert built.rows_in == built.rows_out + sum(built.dropped.values()), step.name
    tidy = ran.dropped("tidy")
    assert set(tidy) == {"no text", "short", "other section", "duplicate", "near-duplicate", "duplicate of bench"}
    assert ran["tidy"].built is not None
    assert ran["rows"].built is not None
    assert ran["tidy"].built.rows_in == ran["rows"].built.rows_out
    assert {"does not parse", "key repeated"} == set(ran.dropped("rows"))


def test_exploded_rows_are_counted_too(ran: Ran) -> None:
    built = ran["pieces"].built
    assert built is not None
    words = ran.rows("select sum(len(split_words)) from (select regexp_split_to_array(trim(text), '\\s+') as split_words from tidy)")[0][0]
    assert built.rows_in == ran.rows("select count(*) from tidy")[0][0]
    made = built.rows_out + built.dropped["a short word"]
    assert 0 < made <= 2 * words
    assert ran.rows("select count(*) from pieces p join tidy t on p._parent = t._key") == [(built.rows_out,)]


def test_what_the_books_say(ran: Ran) -> None:
    for step in ran.result.steps:
        built = step.built
        assert built is not None
        facts = ran.rows(f"select rows_in, rows_out, step, recipe from recipec.steps where run_key = '{built.run_key}'")
        assert facts == [(built.rows_in, built.rows_out, step.name, "test.recipe")]
        assert ran.rows(f"select run_key from recipec.current where step = '{step.name}'") == [(built.run_key,)]
        seen = dict(ran.rows(f"select reason, count(*) from recipec.dropped where step = '{step.name}' group by 1"))
        counted = {
            r: n for r, n in built.dropped.items() if n and r not in ("does not parse", "key repeated") and not r.startswith("left out by")
        }
        assert seen == counted, step.name
        assert ran.rows(f'select count(*) from "{step.name}"') == [(built.rows_out,)]
    assert ran.rows("select run, recipe, version, status, finished >= started from recipec.runs") == [
        (1, "test.recipe", "1.2.0", "done", True)
    ]


def test_no_row_is_both_kept_and_dropped(ran: Ran) -> None:
    assert ran.rows("select count(*) from recipec.dropped d join tidy t using (_key) where d.step = 'tidy'") == [(0,)]
    assert ran.rows(
        "select count(*) from rows where _key not in (select _key from tidy union all select _key from recipec.dropped where step = 'tidy')"
    ) == [(0,)]
    parts = ran.rows("select (select count(*) from parts.train), (select count(*) from parts.test), (select count(*) from parts)")[0]
    assert parts[0] + parts[1] == parts[2]
    assert ran.rows("select count(*) from parts.train join parts.test using (_key)") == [(0,)]


def test_lineage_has_every_child_and_its_parent(ran: Ran) -> None:
    assert ran.rows("select count(*) from recipec.lineage where step = 'pieces'")[0][0] >= ran.rows("select count(*) from pieces")[0][0]
    assert ran.rows("select count(*) from recipec.lineage l where step = 'pieces' and _parent not in (select _key from tidy)") == [(0,)]


def test_bad_rows_are_kept_with_their_place(ran: Ran) -> None:
    dropped = ran.dropped("rows")
    bad = ran.rows("select file, row, reason, text from recipec.bad order by row nulls last")
    assert len(bad) == sum(dropped.values())
    cut = [b for b in bad if b[3] == "cut,off"]
    assert len(cut) == 1
    assert cut[0][:2] == ("rows.csv", 20)
    assert sum("many" in b[3] for b in bad) == dropped["does not parse"] - 1


def test_too_many_bad_rows_fail_with_examples(lab: Lab) -> None:
    place = type(lab)(lab.folder / "strict")
    place.write("rows.csv", "id,n\n" + "".join(f"{i},{'x' if i % 10 == 0 else i}\n" for i in range(100)))
    text = 'source rows = csv("rows.csv") { key: id  columns: { id: text, n: int }  max_bad: 5% }\n'
    failed = place.run(text, good=False)
    error = failed["rows"].error
    assert error is not None
    assert "10 of 100 rows do not parse (10.0%)" in error.message
    assert "max_bad: 5%" in error.message
    assert len(error.rows) == 5  # type: ignore[attr-defined]
    assert {"file", "row", "text"} <= set(error.rows[0])  # type: ignore[attr-defined]
    assert place.run(text.replace("5%", "10%"))["rows"].status in ("run", "reused")
    assert place.run(text.replace("5%", "9%"), good=False)["rows"].status == "failed"


def test_keys_that_repeat(lab: Lab) -> None:
    place = type(lab)(lab.folder / "repeat")
    lines = ["a,1", "b,2", "a,3", "a,1", "c,4", "b,5"]
    place.write("rows.csv", "id,n\n" + "\n".join(lines) + "\n")
    text = 'source rows = csv("rows.csv") { key: id }\n'
    failed = place.run(text, good=False)
    assert "the key (id) is not unique: 3 rows repeat a key" in failed.error("rows")
    assert failed["rows"].error.rows[0] == {"id": "a", "rows": 3}  # type: ignore[union-attr]
    seen = set()
    for seed in range(6):
        random.Random(seed).shuffle(lines)
        place.write("rows.csv", "id,n\n" + "\n".join(lines) + "\n")
        ran = place.run(text.replace("key: id", "key: id  repeated: drop"))
        assert ran.dropped("rows") == {"key repeated": 3}
        seen.add(tuple(ran.rows("select id, n from rows order by id")))
    assert len(seen) == 1


def lives(lab: Lab, step: str, key: str) -> list[Life]:
    program = lab.sound(RECIPE)
    with lab.open() as workspace:
        return explain(program, workspace, step, key)


def first(ran: Ran, reason: str, step: str = "tidy") -> str:
    query = (
        f"select r.id from rows r join recipec.dropped d using (_key) where d.step = '{step}' and d.reason = '{reason}' order by 1 limit 1"
    )
    return str(ran.rows(query)[0][0])


def test_the_life_of_a_kept_row(lab: Lab, ran: Ran) -> None:
    key = str(ran.rows("select min(id) from parts.train")[0][0])
    (life,) = lives(lab, "tidy", key)
    assert life.label == key
    seen = {e.step: e for e in life.events}
    assert seen["rows"].kept
    assert seen["tidy"].kept
    assert seen["parts"].parts == ("train",)
    assert {e.step for e in life.events if e.step == "pieces"} == {"pieces"}


@pytest.mark.parametrize("reason", ["no text", "short", "other section"])
def test_the_life_of_a_dropped_row(lab: Lab, ran: Ran, reason: str) -> None:
    (life,) = lives(lab, "tidy", first(ran, reason))
    last = life.events[-1]
    assert (last.step, last.kept, last.reason) == ("tidy", False, reason)
    assert life.events[0].values["id"] == life.label


@pytest.mark.parametrize(
    ("reason", "words"), [("duplicate", "the same as r"), ("near-duplicate", "near-duplicate of r"), ("duplicate of bench", "bench")]
)
def test_the_life_of_a_duplicate_names_the_other_row(lab: Lab, ran: Ran, reason: str, words: str) -> None:
    (life,) = lives(lab, "tidy", first(ran, reason))
    last = life.events[-1]
    assert (last.kept, last.reason) == (False, reason)
    assert words in (last.because or "")
    if reason == "near-duplicate":
        assert "Jaccard" in (last.because or "")


def test_the_life_of_a_row_that_became_many(lab: Lab, ran: Ran) -> None:
    key = str(ran.rows("select min(id) from tidy")[0][0])
    (life,) = lives(lab, "pieces", key)
    children = [e for e in life.events if e.step == "pieces"]
    assert len(children) > 1
    assert all(e.parent is not None for e in children)
    # And from a child upwards.
    child = children[0].key
    (again,) = lives(lab, "pieces", child)
    assert again.label == key
    assert {e.step for e in again.events} >= {"rows", "tidy", "pieces"}


def test_a_row_that_is_not_there(lab: Lab, ran: Ran) -> None:
    from recipec.api import DataError

    with pytest.raises(DataError, match="no row `nothere`"):
        lives(lab, "tidy", "nothere")


def test_rows_of_two_sources_with_one_key_have_lives_of_their_own(lab: Lab) -> None:
    place = type(lab)(lab.folder / "twins")
    for name in ("a", "b"):
        place.write(f"{name}.csv", f"id,text\n1,of {name}\n2,also of {name}\n")
    text = """
      source a = csv("a.csv") { key: id }
      source b = csv("b.csv") { key: id }
      clean x from a { size = length(text) }
      clean y from b { size = length(text) }
      mix all_rows from x, y {}
    """
    ran = place.run(text)
    assert ran.rows("select count(*), count(distinct _key) from all_rows") == [(4, 4)]
    with place.open() as workspace:
        (life,) = explain(place.sound(text), workspace, "x", "1")
    assert {e.step for e in life.events} == {"a", "x", "all_rows"}


def test_a_failed_test_stops_what_is_below_and_nothing_else(lab: Lab, recipec: Any) -> None:
    place = type(lab)(lab.folder / "failing")
    place.write("rows.csv", "id,n\na,1\nb,2\nc,3\n")
    place.write(
        "test.recipe",
        """
        source rows = csv("rows.csv") { key: id }
        clean bad from rows { expect n < 3 as "small numbers"  expect warn n < 2 }
        clean below from bad { m = n + 1 }
        export lost from below { to: "build/lost"  format: csv() }
        clean good from rows { m = n * 2 }
        export kept from good { to: "build/kept"  format: csv() }
        expect sound from rows { expect rows(rows) == 4 }
        """,
    )
    done = recipec(place.folder, "run", "test.recipe", "--format", "json")
    assert done.returncode == 1
    import json

    facts = {s["name"]: s for s in json.loads(done.stdout)["steps"]}
    assert {n: s["status"] for n, s in facts.items()} == {
        "rows": "run", "bad": "failed", "below": "skipped", "lost": "skipped", "good": "run", "kept": "run", "sound": "failed"
    }  # fmt: skip
    assert "small numbers" in done.stderr
    assert "1 row breaks it" in done.stderr
    assert (place.folder / "build/kept/good.csv").is_file()
    assert not (place.folder / "build/lost").exists()
    assert place.rows("select status from recipec.runs") == [("failed",)]
    assert recipec(place.folder, "run", "test.recipe").returncode == 1
