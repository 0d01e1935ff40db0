"""``source``: keys, rows that do not parse, and what makes it read again. The readers have tests of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CSV = "id,name,n\n1,a,10\n2,中文,20\n3,,x\n4,d,\n"


def test_keys_from_a_column_or_the_place(lab: Any) -> None:
    lab.write("a.csv", CSV.replace("x", "30"))
    lab.write("b.csv", "id,name,n\n1,a,10\n")
    ran = lab.run("""
      source keyed = csv("a.csv") { key: id }
      source placed = csv(["a.csv", "b.csv"])
      source pair = csv("*.csv") { key: [id]  repeated: drop }
    """)
    assert ran.rows("select count(*), count(distinct _key) from placed") == [(5, 5)]
    assert ran.rows("select id from placed where id <> 1 order by _key") == [(2,), (3,), (4,)]
    assert ran.rows("select count(*) from pair") == [(4,)]
    assert ran.rows("select count(*) from placed where name = 'a'") == [(2,)]


def test_shuffled_rows_of_a_keyed_file_are_the_same_table(lab: Any) -> None:
    recipe = 'source a = csv("a.csv") { key: id }\nclean k from a { sample(50%) }\nexport out from k { to: "out.jsonl"  format: jsonl() }'
    body = [f"{i},name {i}" for i in range(200)]
    lab.write("a.csv", "\n".join(["id,name", *body]) + "\n")
    lab.run(recipe)
    before = (lab.folder / "out.jsonl").read_bytes()
    lab.write("a.csv", "\n".join(["id,name", *reversed(body)]) + "\n")
    ran = lab.run(recipe)
    assert ran.statuses == {"a": "run", "k": "reused", "out": "reused"}
    assert not ran["a"].changed
    assert (lab.folder / "out.jsonl").read_bytes() == before


def test_a_key_of_files_without_a_byte(lab: Any) -> None:
    lab.write("a.csv", "")
    lab.write("b.csv", "")
    lab.write("c.csv", "n\n1\n")
    found = lab.check("""
      source one = csv("a.csv") { key: id }
      source two = csv(["a.csv", "b.csv"]) { key: id }
      source some = csv(["a.csv", "c.csv"]) { key: id }
      source declared = csv("a.csv") { key: id  columns: { id: int } }
    """)
    assert [d.message for d in found if d.severity == "error"] == [
        "no column `id` in `one`: `a.csv` is empty",
        "no column `id` in `two`: its 2 files are empty",
        "no column `id` in `some`",
    ]


def test_keys_that_repeat_or_are_null(lab: Any) -> None:
    lab.write("a.csv", "id,name\n1,b\n1,a\n2,c\n2,c\n3,d\n")
    lab.write("n.csv", "id,name\n1,b\n,a\n")
    ran = lab.run(
        'source a = csv("a.csv") { key: id }\nsource n = csv("n.csv") { key: id }\nsource d = csv("a.csv") { key: id  repeated: drop }',
        good=False,
    )
    assert ran.error("a") == "the key (id) is not unique: 2 rows repeat a key that another row has"
    assert ran["a"].error.rows == [{"id": 1, "rows": 2}, {"id": 2, "rows": 2}]
    assert ran.error("n") == "the key (id) is null in 1 row"
    assert ran.rows("select count(*) from d") == [(3,)]
    assert ran.dropped("d") == {"key repeated": 2}
    chosen = ran.rows("select name from d where id = 1")
    lab.write("a.csv", "id,name\n3,d\n2,c\n2,c\n1,a\n1,b\n")
    assert lab.run('source d = csv("a.csv") { key: id  repeated: drop }').rows("select name from d where id = 1") == chosen


def test_bad_rows_are_kept_aside_and_counted(lab: Any) -> None:
    lab.write("a.csv", CSV + "".join(f"{i},x,{i}\n" for i in range(5, 300)))
    recipe = 'source a = csv("a.csv") { key: id  columns: { id: int, name: text, n: int } }'
    ran = lab.run(recipe)
    assert ran["a"].built.rows_in == 299
    assert ran["a"].built.rows_out == 298
    ((file, row, reason, text),) = ran.rows("select file, row, reason, text from recipec.bad")
    assert (file, text.strip()) == ("a.csv", "3,,x")
    assert row in (3, 4)
    assert "n" in reason
    assert ran.dropped("a") == {"does not parse": 1}


def test_too_many_bad_rows_fail_the_step(lab: Any) -> None:
    lab.write("a.csv", CSV)
    recipe = 'source a = csv("a.csv") { columns: { id: int, name: text, n: int } MORE }'
    ran = lab.run(recipe.replace("MORE", ""), good=False)
    assert ran.error("a") == "1 of 4 rows do not parse (25.0%), more than `max_bad: 1%` allows"
    assert ran.rows("select file, reason from recipec.bad") == [("a.csv", ran.rows("select reason from recipec.bad")[0][0])]
    assert ran["a"].error.rows
    assert lab.run(recipe.replace("MORE", "max_bad: 30%")).rows("select count(*) from a") == [(3,)]


def test_its_tests_run_on_the_rows_read(lab: Any) -> None:
    lab.write("a.csv", CSV.replace("x", "30"))
    ran = lab.run(
        'source a = csv("a.csv") { key: id  expect unique(name)  expect not_null(n) as "numbers"  expect count() == 4 }', good=False
    )
    assert ran.error("a") == "expect numbers: 1 row breaks it"


def test_what_makes_it_read_again(lab: Any) -> None:
    recipe = 'source a = csv("a.csv") { key: id }\nclean k from a { x = n }'
    lab.write("a.csv", "id,n\n1,2\n")
    lab.run(recipe)
    assert lab.run(recipe).statuses == {"a": "reused", "k": "reused"}
    (lab.folder / "a.csv").rename(lab.folder / "b.csv")
    moved = recipe.replace("a.csv", "b.csv")
    assert lab.run(moved).statuses == {"a": "reused", "k": "reused"}, "the name of a keyed file is not what it says"
    lab.write("b.csv", "id,n\n1,3\n")
    plan = lab.plan(moved)
    assert (plan["a"].status, plan["a"].why) == ("run", "file b.csv changed")
    assert plan["k"].why == "input `a` changes"
    assert lab.run(moved).rows("select x from k") == [(3,)]
    assert lab.plan(moved.replace("key: id", "key: id  columns: { id: int, n: text }"))["a"].why.startswith("columns: ")
    assert lab.run(moved.replace("key: id", 'key: id  description: "the rows"')).statuses == {"a": "reused", "k": "reused"}


def test_an_empty_file(lab: Any) -> None:
    lab.write("a.csv", "id,n\n")
    ran = lab.run('source a = csv("a.csv") { key: id  columns: { id: int, n: text } }')
    assert ran.rows("select count(*) from a") == [(0,)]


def test_a_file_that_is_gone_between_check_and_run(lab: Any) -> None:
    from recipec.engines.runner import run
    from recipec.plan.planner import make_plan

    path = lab.write("a.csv", "id,n\n1,2\n")
    program = lab.sound('source a = csv("a.csv") { key: id }\nsql b """select 1 as id""" { key: id }')
    with lab.open() as workspace:
        plan = make_plan(program, workspace)
        path.unlink()
        result = run(plan, workspace)
    assert [s.status for s in result.steps] == ["failed", "run"]
    assert result.steps[0].error is not None
    assert result.steps[0].error.message == "cannot read `a.csv`: No such file or directory"


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_file_that_changes_while_it_is_read(lab: Any, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.readers import csv

    path = lab.write("a.csv", "id,n\n1,2\n")
    cls = next(c for c in vars(csv).values() if isinstance(c, type) and getattr(c, "name", "") == "csv")
    load = cls.load

    def slow(self: Any, ctx: Any) -> None:
        if at == "before":
            path.write_text("id,n\n1,9\n", encoding="utf-8")
        load(self, ctx)
        if at == "after":
            path.write_text("id,n\n1,8\n", encoding="utf-8")

    monkeypatch.setattr(cls, "load", slow)
    ran = lab.run('source a = csv("a.csv") { key: id }', good=False)
    assert ran.error("a") == "a source file changed while it was read"
    monkeypatch.undo()
    assert lab.run('source a = csv("a.csv") { key: id }').rows("select n from a") == [(9 if at == "before" else 8,)]


@pytest.mark.parametrize(("path", "name"), [("a.md", "a.md"), ("docs/b.md", "docs/b.md"), ("../c.md", "../c.md")])
def test_a_file_is_named_from_the_folder_of_the_recipe(path: str, name: str) -> None:
    from recipec.steps.source import relative_name

    assert relative_name(Path(path), Path(), {}) == name
    assert relative_name(Path("/", "top", path), Path("/top"), {}) == name


def test_a_file_at_the_top_is_named_from_the_folder_of_the_recipe() -> None:
    from recipec.steps.source import relative_name

    assert relative_name(Path("/a.md"), Path("/data"), {}) == "../a.md"
