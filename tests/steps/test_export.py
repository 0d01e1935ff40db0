"""``export``: what is written where, and what is left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROWS = 'sql t """select i as id, \'中文 😀 \' || i as s, [i, i + 1] as l from range(20) r(i)""" { key: id }\nsplit parts from t { train: 75%  test: rest }\n'


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_split_a_table_and_a_single_file(lab: Any) -> None:
    ran = lab.run(f"""{ROWS}
      export folder from parts {{ to: "out/folder"  format: jsonl() }}
      export single from t {{ to: "out/one/all.jsonl"  format: jsonl()  columns: [s, id] }}
      export two from parts.test, t {{ to: "out/two"  format: csv()  columns: [id] }}
      export keyed from parts.train {{ to: "out/keyed"  format: jsonl()  keys: true  columns: [id] }}
      export shards from t {{ to: "out/shards"  format: jsonl()  shards: 3  columns: [id] }}
      export zipped from t {{ to: "out/zipped.jsonl.gz"  format: jsonl() }}
    """)
    found = tree(lab.folder / "out")
    assert set(found) >= {
        "folder/train.jsonl",
        "folder/test.jsonl",
        "one/all.jsonl",
        "two/test.csv",
        "two/t.csv",
        "keyed/train.jsonl",
        "zipped.jsonl.gz",
    }
    keys = [r[0] for r in ran.rows("select id from t order by _key")]
    assert [r["id"] for r in lines(lab.folder / "out/one/all.jsonl")] == keys
    assert list(lines(lab.folder / "out/one/all.jsonl")[0]) == ["s", "id"]
    assert list(lines(lab.folder / "out/keyed/train.jsonl")[0]) == ["_key", "_parent", "id"]
    assert lines(lab.folder / "out/folder/train.jsonl")[0]["s"].startswith("中文 😀 ")
    shards = sorted(n for n in found if n.startswith("shards/"))
    assert len(shards) == 3
    assert [r["id"] for n in shards for r in lines(lab.folder / "out" / n)] == keys
    assert found["zipped.jsonl.gz"][:2] == b"\x1f\x8b"
    assert ran["folder"].built.rows_out == 20
    assert not list(lab.folder.rglob("*.recipec-*"))


def test_same_rows_same_bytes_and_replaced_as_a_whole(lab: Any) -> None:
    recipe = ROWS + 'export out from parts { to: "out"  format: jsonl() }'
    lab.run(recipe)
    before = tree(lab.folder / "out")
    lab.run(recipe.replace("75%", "50%").replace("train:", "learn:"))
    assert set(tree(lab.folder / "out")) == {"learn.jsonl", "test.jsonl"}
    ran = lab.run(recipe)
    assert ran.statuses == {"t": "reused", "parts": "reused", "out": "run"}
    assert tree(lab.folder / "out") == before


def test_files_gone_or_changed_are_written_again(lab: Any) -> None:
    recipe = ROWS + 'export out from parts { to: "out"  format: jsonl() }\nexport one from t { to: "one.jsonl"  format: jsonl() }'
    lab.run(recipe)
    before = tree(lab.folder / "out")
    path = lab.folder / "out/test.jsonl"
    path.unlink()
    assert lab.plan(recipe)["out"].why == "`test.jsonl` is gone"
    assert lab.run(recipe).statuses["out"] == "run"
    path.write_bytes(before["test.jsonl"].replace(b"1", b"2"))
    assert lab.plan(recipe)["out"].why == "`test.jsonl` was changed"
    assert lab.run(recipe).statuses["out"] == "run"
    assert tree(lab.folder / "out") == before
    os.utime(path, (1, 1))
    assert lab.run(recipe).statuses["out"] == "reused", "touched, but the same bytes"
    for p in (lab.folder / "out").iterdir():
        p.unlink()
    (lab.folder / "out").rmdir()
    assert lab.plan(recipe)["out"].why == "`out` is gone"
    (lab.folder / "one.jsonl").unlink()
    ran = lab.run(recipe)
    assert (ran.statuses["out"], ran.statuses["one"], ran.statuses["t"]) == ("run", "run", "reused")
    assert tree(lab.folder / "out") == before


def test_strangers_files_are_left_alone(lab: Any) -> None:
    recipe = ROWS + 'export out from parts { to: "out"  format: jsonl() }'
    lab.write("out/notes.txt", "mine")
    ran = lab.run(recipe, good=False)
    assert ran.error("out") == "`out` holds files that this export did not write: notes.txt"
    assert tree(lab.folder / "out") == {"notes.txt": b"mine"}
    (lab.folder / "out/notes.txt").rename(lab.folder / "out/README.md")
    assert lab.run(recipe, good=False).error("out") == "`out` holds files that this export did not write: README.md"
    (lab.folder / "out/README.md").unlink()
    lab.run(recipe)
    lab.write("out/more.txt", "mine")
    assert lab.run(recipe).statuses["out"] == "reused"
    assert lab.run(recipe.replace("75%", "50%"), good=False).error("out").endswith("more.txt")


def test_places_that_are_taken(lab: Any) -> None:
    lab.write("a.jsonl/x.txt", "")
    lab.write("b", "")
    ran = lab.run(ROWS + 'export one from t { to: "a.jsonl"  format: jsonl() }\nexport two from t { to: "b"  format: jsonl() }', good=False)
    assert ran.error("one") == "`a.jsonl` is a folder"
    assert ran.error("two") == "`b` is a file"


def test_sources_are_never_replaced(lab: Any) -> None:
    lab.write("data/train.csv", "id\n1\n2\n")
    recipe = 'source a = csv("data/train.csv") { key: id }\nsplit s from a { train: 50%  test: rest }\n'
    ran = lab.run(
        recipe
        + 'export out from s { to: "data"  format: csv() }\nexport one from a { to: "data/train.csv"  format: csv() }'.replace(
            "export one", "#"
        ),
        good=False,
    )
    assert ran.error("out") == "`data` holds `data/train.csv`, which `a` reads"
    ran = lab.run(recipe + 'export one from a { to: "data/train.csv"  format: csv() }', good=False)
    assert "which `a` reads" in ran.error("one")
    assert tree(lab.folder / "data") == {"train.csv": b"id\n1\n2\n"}


def test_two_exports_to_one_place(lab: Any) -> None:
    found = lab.check(
        ROWS
        + 'export a from t { to: "out"  format: jsonl() }\nexport b from t { to: "out/b.jsonl"  format: jsonl() }\nexport c from t { to: "./out"  format: csv()  columns: [id] }'
    )
    assert [(d.name, d.span.place, d.message) for d in found] == [
        ("bad-value", (4, 23), "`a` writes there too: each would remove the other's files"),
        ("bad-value", (5, 23), "`a` writes there too: each would remove the other's files"),
    ]


def test_a_format_that_refuses_rows_leaves_what_was_there(lab: Any) -> None:
    good = "sql t \"\"\"select 1 as id, [{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}] as messages\"\"\" { key: id }\nexport out from t { to: \"out\"  format: messages() }"
    lab.run(good)
    before = tree(lab.folder / "out")
    ran = lab.run(good.replace("'user'", "'nobody'"), good=False)
    assert ran["out"].status == "failed"
    assert tree(lab.folder / "out") == before
    assert not list(lab.folder.glob(".out*"))


def test_the_order_setting_is_put_back_after_a_failure(lab: Any) -> None:
    lab.write("out/x.txt", "")
    lab.run(ROWS + 'export out from t { to: "out"  format: jsonl() }\nclean k from t { x = 1 }', good=False)
    with lab.open() as workspace:
        assert workspace.con.execute("select current_setting('preserve_insertion_order')").fetchone() == (False,)


def test_the_card_of_a_hugging_face_folder_says_where_rows_came_from(lab: Any) -> None:
    lab.write("a.csv", "id,text\n1,x\n2,yy\n3,zzz\n")
    recipe = 'recipe "demo" { version: "1.2.0"  license: "MIT" }\nsource a = csv("a.csv") { key: id }\nclean k from a { drop where length(text) > 2 as "too long" }\nexport out from k { to: "hub"  format: huggingface() }'
    lab.run(recipe)
    card = (lab.folder / "hub/README.md").read_text(encoding="utf-8")
    for part in ("demo", "1.2.0", "mit", "a.csv", "too long"):
        assert part in card.lower() or part in card, part
    assert lab.run(recipe.replace('"1.2.0"', '"1.3.0"')).statuses == {"a": "reused", "k": "reused", "out": "run"}


@pytest.mark.parametrize("name", ["parquet", "jsonl", "csv"])
def test_an_export_read_back_is_the_table(lab: Any, name: str) -> None:
    import duckdb

    recipe = f'sql t """select i as id, case when i % 3 = 0 then null when i = 4 then \'\' else \'a,"b"\' || chr(10) || i end as s, i / 7 as f, i % 2 = 0 as b from range(50) r(i)""" {{ key: id }}\nexport out from t {{ to: "t.{name}"  format: {name}() }}'
    ran = lab.run(recipe)
    wanted = ran.rows("select id, s, f, b from t order by id")
    path = str(lab.folder / f"t.{name}")
    reader = {
        "parquet": f"read_parquet('{path}')",
        "jsonl": f"read_json('{path}')",
        "csv": f"read_csv('{path}', header = true, types = {{'s': 'VARCHAR'}})",
    }[name]
    back = duckdb.sql(f"select id, s, f, b from {reader} order by id").fetchall()
    if name == "csv":
        wanted = [(i, s or None, f, b) for i, s, f, b in wanted]
        back = [(i, s or None, f, b) for i, s, f, b in back]
    assert back == wanted
