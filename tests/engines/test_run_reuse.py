"""What runs again, and why: fingerprints of meaning, early cut-off, what a plan says."""

from __future__ import annotations

from typing import Any

import pytest

RECIPE = '''
recipe "demo" { version: "1.0.0"  seed: 3  description: "rows" }
param least: int = 3
def long(t) = length(t) > least
sql rows """select i as id, repeat('x', (i % 7)::int) as s, i % 4 as c from range(200) r(i)""" { key: id }
clean tidy from rows {
  description: "the long ones"
  drop where not long(s) as "short"
  n = length(s) * 2
  sample(90%)
}
clean small from tidy { keep where c < 2  expect unique(id) }
split final from small { train: 80%  test: rest  stratify: c }
sql counted from final.train """select c, count(*) as n from final.train group by c""" { key: c }
expect sound from final { expect rows(final.train) > rows(final.test) }
export out from final { to: "out"  format: jsonl() }
'''
STEPS = ("rows", "tidy", "small", "final", "counted", "sound", "out")


def statuses(lab: Any, text: str, **options: Any) -> dict[str, str]:
    return {k: v for k, v in lab.run(text, **options).statuses.items() if v != "reused"}


def test_nothing_to_do(lab: Any) -> None:
    first = lab.run(RECIPE)
    assert first.statuses == dict.fromkeys(STEPS, "run")
    runs = lab.rows("select count(*) from recipec.runs")
    second = lab.run(RECIPE)
    assert second.statuses == dict.fromkeys(STEPS, "reused")
    assert all(p.status == "reuse" for p in second.plan.steps)
    assert lab.rows("select count(*) from recipec.runs") == runs, "a run with nothing to do is no run"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("clean tidy from rows {", "# a comment\nclean   tidy from rows {   # another"),
        ('description: "the long ones"', 'description: "others"'),
        ('description: "rows"', 'description: "other rows"'),
        ('  description: "the long ones"\n', ""),
        ("def long(t) = length(t) > least", "def long(text) = length(text) > least"),
        ("long(s)", "(length(s) > least)"),
        ("long", "longish"),
        ("param least: int = 3", "param smallest: int = 3"),
        ('version: "1.0.0"', 'version: "2.0.0"'),
        ("n = length(s) * 2", "n=(length(s)*2)"),
        ("select i as id, repeat", "select\n  i as id, -- why\n  repeat"),
        ("expect unique(id) }", "}"),
    ],
)
def test_what_means_the_same_runs_nothing(lab: Any, old: str, new: str) -> None:
    lab.run(RECIPE)
    text = RECIPE.replace(old, new)
    if new.startswith("param smallest"):
        text = text.replace("> least", "> smallest")
    assert text != RECIPE
    assert statuses(lab, text) == ({"small": "run"} if "unique" in old else {})


def test_renaming_a_step_runs_nothing(lab: Any) -> None:
    lab.run(RECIPE)
    renamed = RECIPE.replace("tidy", "neat").replace("final", "cut").replace("rows ", "raw ").replace("from rows", "from raw")
    ran = lab.run(renamed)
    assert {k for k, v in ran.statuses.items() if v != "reused"} <= {"counted", "sound"}, "a query names its tables"
    assert ran.rows("select count(*) from neat")[0][0] > 0
    assert lab.rows("select count(*) from information_schema.tables where table_schema = 'main' and table_name in ('tidy', 'rows')") == [
        (0,)
    ]
    assert lab.rows("select count(*) from information_schema.schemata where schema_name = 'final'") == [(0,)]


def test_a_threshold_runs_its_step_and_those_below(lab: Any) -> None:
    lab.run(RECIPE)
    changed = RECIPE.replace("least: int = 3", "least: int = 4")
    plan = lab.plan(changed)
    assert [p.name for p in plan.to_run] == ["tidy", "small", "final", "counted", "sound", "out"]
    assert plan["tidy"].why.startswith('drop "short"')
    assert plan["small"].why == "input `tidy` changes"
    assert statuses(lab, changed) == dict.fromkeys(("tidy", "small", "final", "counted", "sound", "out"), "run")
    assert statuses(lab, RECIPE) == {"out": "run"}, "the old results are kept; the files are written again"


def test_what_comes_out_the_same_stops_there(lab: Any) -> None:
    lab.run(RECIPE)
    ran = lab.run(RECIPE.replace('as "short"', 'as "short"\n  drop where length(s) > 100 as "never"'))
    assert {k: v for k, v in ran.statuses.items() if v != "reused"} == {"tidy": "run"}
    assert not ran["tidy"].changed
    again = lab.run(RECIPE.replace('as "short"', 'as "too short"'))
    assert {k for k, v in again.statuses.items() if v != "reused"} == {"tidy"}, "other words for the reason, the same rows"
    assert again.rows("select distinct reason from recipec.dropped where step = 'tidy' and reason like '%short'") == [("too short",)]


def test_a_column_that_nobody_reads_still_counts(lab: Any) -> None:
    lab.run(RECIPE)
    ran = lab.run(RECIPE.replace("n = length(s) * 2", "n = length(s) * 3"))
    assert ran["small"].status == "run"
    assert ran["counted"].status == "reused" or not ran["counted"].changed


def test_the_plan_names_the_field_with_old_and_new(lab: Any) -> None:
    lab.run(RECIPE)
    why = {
        "sample(90%)": ("sample(80%)", "tidy", "sample: sample(90%) -> sample(80%)"),
        "train: 80%": ("train: 70%", "final", "part train: 0.8 -> 0.7"),
        "stratify: c": ("stratify: s", "final", "stratify: c -> s"),
        "keep where c < 2": ("keep where c < 3", "small", "keep where: c < 2 -> c < 3"),
        "jsonl()": ("parquet()", "out", "format: "),
        "seed: 3": ("seed: 4", "tidy", "seed: 3 -> 4"),
        "n = length(s) * 2": ("n = length(s) * 2  m = 1", "tidy", "column m added"),
        '"out"': ('"other"', "out", "to: out -> other"),
        "select c, count(*) as n": ("select c, count(*) + 1 as n", "counted", "query: select c, count(*) as n from"),
        "i % 4": ("i % 5", "rows", "query: "),
    }
    for old, (new, step, text) in why.items():
        planned = lab.plan(RECIPE.replace(old, new))[step]
        assert planned.status == "run"
        assert planned.why.startswith(text), (step, planned.why)


def test_statements_in_another_order(lab: Any) -> None:
    recipe = 'sql t """select i as id, i % 3 as c from range(9) r(i)""" { key: id }\nclean k from t { A  B }'
    a, b = 'drop where c == 1 as "one"', "x = c * 2"
    lab.run(recipe.replace("A", a).replace("B", b))
    plan = lab.plan(recipe.replace("A", b).replace("B", a))
    assert plan["k"].why == "the order of its statements"


def test_only_some_steps(lab: Any) -> None:
    ran = lab.run(RECIPE, only=["small"])
    assert ran.statuses == {"rows": "run", "tidy": "run", "small": "run"}
    assert lab.run(RECIPE, only=["out"]).statuses == {"rows": "reused", "tidy": "reused", "small": "reused", "final": "run", "out": "run"}


def test_kinds_of_newer_versions_run_again(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.operators.sample import Sample
    from recipec.steps.split import Split

    lab.run(RECIPE)
    monkeypatch.setattr(Split, "version", 99)
    plan = lab.plan(RECIPE)
    assert plan["final"].why.startswith("kind: split@")
    monkeypatch.undo()
    monkeypatch.setattr(Sample, "version", 99)
    assert lab.plan(RECIPE)["tidy"].status == "run"


def test_set_on_the_command_line(lab: Any) -> None:
    lab.run(RECIPE)
    assert statuses(lab, RECIPE, sets={"least": "3"}) == {}
    assert statuses(lab, RECIPE, sets={"least": "5"})["tidy"] == "run"


def test_a_secret_decides_but_is_not_written_down(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = 'param token: text = env("RECIPEC_TEST_TOKEN")\nsql t """select 1 as id""" { key: id }\nclean k from t { x = length(token) }'
    monkeypatch.setenv("RECIPEC_TEST_TOKEN", "hunter2-very-secret")
    lab.run(recipe)
    assert lab.run(recipe).statuses["k"] == "reused"
    assert b"hunter2" not in (lab.workspace / "work.duckdb").read_bytes()
    monkeypatch.setenv("RECIPEC_TEST_TOKEN", "other")
    assert lab.run(recipe).rows("select x from k") == [(5,)]


def test_two_recipes_in_one_folder(lab: Any) -> None:
    one = 'sql t """select 1 as id""" { key: id }\nclean k from t { x = 1 }'
    two = one.replace("x = 1", "x = 2")
    lab.run(one, name="one.recipe")
    assert lab.run(two, name="two.recipe").statuses == {"t": "reused", "k": "run"}
    assert lab.run(one, name="one.recipe").statuses == {"t": "reused", "k": "reused"}
    assert lab.rows("select x from k") == [(1,)]


def test_a_changed_test_is_tried_again_on_the_same_rows(lab: Any) -> None:
    recipe = (
        'sql t """select i as id from range(5) r(i)""" { key: id }\nclean k from t { x = id  expect x < N }\nclean below from k { y = 1 }'
    )
    lab.run(recipe.replace("N", "10"))
    ran = lab.run(recipe.replace("N", "3"), good=False)
    assert ran.statuses == {"t": "reused", "k": "failed", "below": "skipped"}
    plan = lab.plan(recipe.replace("N", "9"))
    assert {p.name: p.why for p in plan.to_run}.keys() <= {"k", "below"}
    assert lab.run(recipe.replace("N", "9")).statuses == {"t": "reused", "k": "run", "below": "reused"}


def test_new_tests_leave_what_is_below_alone_in_the_plan_too(lab: Any) -> None:
    recipe = 'sql t """select i as id from range(5) r(i)""" { key: id }\nclean k from t { x = id  drop where id > N  expect x < 10 }\nclean below from k { y = 1 }'
    lab.run(recipe.replace("N", "7"))
    lab.run(recipe.replace("N", "8"))
    plan = lab.plan(recipe.replace("N", "8").replace("x < 10", "x < 9"))
    assert {p.name: p.why for p in plan.to_run} == {"k": "its tests changed"}
    assert lab.run(recipe.replace("N", "8").replace("x < 10", "x < 9")).statuses == {"t": "reused", "k": "run", "below": "reused"}
