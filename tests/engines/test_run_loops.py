"""``repeat``: rounds are steps of their own, and end when the condition holds."""

from __future__ import annotations

from typing import Any

RECIPE = '''
sql pool """select i as id, 0 as score from range(10) r(i)""" { key: id }
repeat 4 as round {
  clean pool from pool { score = score + round }
  sql best from pool """select 1 as one, max(score) as score, count(*) as n from pool""" { key: one }
} UNTIL
clean after from pool { x = score }
clean first from pool@1 { x = score }
'''


def run(lab: Any, until: str, good: bool = True) -> Any:
    return lab.run(RECIPE.replace("UNTIL", until), good=good)


def test_rounds_build_on_each_other(lab: Any) -> None:
    ran = run(lab, "")
    assert [s for s in ran.statuses if s.startswith("pool")] == ["pool@0", "pool@1", "pool@2", "pool@3", "pool@4"]
    assert ran.rows("select distinct x from after") == [(1 + 2 + 3 + 4,)]
    assert ran.rows("select distinct x from first") == [(1,)]
    assert ran.rows('select distinct score from "pool@2"') == [(3,)]
    assert ran.rows("select distinct score from pool") == [(10,)], "after the loop the name is the last round's"


def test_until_stops_and_the_rest_stands_for_that_round(lab: Any) -> None:
    ran = run(lab, "until best.score >= 3")
    assert ran["pool@2"].status == "run"
    assert (ran["pool@3"].status, ran["pool@3"].why) == ("skipped", "`until` held after round 2")
    assert ran["best@4"].status == "skipped"
    assert ran.rows("select distinct x from after") == [(3,)]
    assert ran.rows("select score from best") == [(3,)]
    again = run(lab, "until best.score >= 3")
    assert {s for n, s in again.statuses.items() if "@3" not in n and "@4" not in n} == {"reused"}
    assert run(lab, "until best.score >= 5").rows("select distinct x from after") == [(6,)]
    assert run(lab, "until best.score >= 3").statuses["after"] == "reused"


def test_conditions(lab: Any) -> None:
    assert run(lab, "until gain(best.score) > 2").rows("select distinct x from after") == [(6,)]
    assert run(lab, "until gain(best.score) >= 1").rows("select distinct x from after") == [(3,)], "there is no gain in the first round"
    assert run(lab, "until best.n > 100").rows("select distinct x from after") == [(10,)]
    assert run(lab, "until best.score in [1, 6] and not (best.n < 5)").rows("select distinct x from after") == [(1,)]
    assert run(lab, "until case when best.n == 10 then best.score > 2 else false end").rows("select distinct x from after") == [(3,)]


def test_a_condition_that_reads_many_rows_fails_the_step(lab: Any) -> None:
    ran = run(lab, "until pool.score > 3", good=False)
    assert ran.error("pool@2") == "`until` reads `pool.score`, but `pool` has several rows in round 1"
    assert ran["after"].status == "skipped"
    assert ran["first"].status == "run"


def test_a_round_that_fails_stops_those_after_it(lab: Any) -> None:
    recipe = RECIPE.replace("score = score + round", "score = score + round  expect score < 5").replace("UNTIL", "")
    ran = lab.run(recipe, good=False)
    assert ran.statuses["pool@3"] == "failed"
    assert ran.statuses["pool@4"] == "skipped"
    assert ran.statuses["after"] == "skipped"
    assert ran.statuses["first"] == "run"
    assert lab.rows("select distinct x from first") == [(1,)]


def test_more_rounds_run_only_the_new_ones(lab: Any) -> None:
    run(lab, "")
    ran = lab.run(RECIPE.replace("UNTIL", "").replace("repeat 4", "repeat 5"))
    assert {n for n, s in ran.statuses.items() if s != "reused"} == {"pool@5", "best@5", "after"}
    fewer = lab.run(RECIPE.replace("UNTIL", "").replace("repeat 4", "repeat 2"))
    assert set(fewer.statuses.values()) - {"reused"} <= {"run"}
    assert fewer.rows("select distinct x from after") == [(3,)]
    assert lab.rows("select count(*) from information_schema.tables where table_schema = 'main' and table_name = 'pool@4'") == [(0,)]


def test_a_loop_of_an_import(lab: Any) -> None:
    lab.write("lib/loop.recipe", RECIPE.replace("UNTIL", "until best.score >= 3"))
    ran = lab.run('import "lib/loop.recipe" as l\nclean k from l.after { y = x }\nclean r from l.first { y = x }')
    assert ran.rows("select distinct y from k") == [(3,)]
    assert ran.rows("select distinct y from r") == [(1,)]
