"""``docs``, ``explain RULE``, ``graph``, ``compile``, ``init``: what needs no results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_harness import GOOD, Run

from recipec.registry import PACKAGES, names
from recipec.report import rules


def test_docs_list_everything(recipec: Run) -> None:
    done = recipec("docs")
    assert done.status == 0
    for name in (*names("step"), *names("operator"), *names("function")):
        assert f"\n  {name} " in done.out
    assert max(map(len, done.out.splitlines())) <= 120


def test_docs_list_the_rules_and_the_commands(recipec: Run) -> None:
    out = recipec("docs").out
    science, _, rest = out.partition("Rules of data science\n")[2].partition("Rules of the language\n")
    for name in rules.names():
        assert f"  {name} " in (science if rules.index()[name][1].startswith("recipec.lints") else rest)
    assert "\n  check " in rest.partition("Commands\n")[2]


def test_docs_of_one_thing(recipec: Run) -> None:
    done = recipec("docs", "clean")
    assert done.out.startswith("clean NAME from INPUT { ... }")
    assert "settings\n" in done.out
    assert recipec("docs", "clean", "--format", "md").out.startswith("## Step kinds\n\n### `clean`\n")
    (entry,) = json.loads(recipec("docs", "clean", "--format", "json").out)
    assert (entry["group"], entry["name"]) == ("step", "clean")


def test_docs_of_a_name_in_two_groups(recipec: Run) -> None:
    out = recipec("docs", "csv").out
    assert "   reader" in out
    assert "   format" in out


def test_docs_of_duckdb_functions(recipec: Run) -> None:
    done = recipec("docs", "levenshtein")
    assert done.status == 0
    assert "levenshtein(" in done.out
    assert "-> int" in done.out
    assert json.loads(recipec("docs", "levenshtein", "--format", "json").out)[0]["group"] == "duckdb"


@pytest.mark.parametrize(
    ("name", "words"),
    [("clen", "did you mean `clean`?"), ("qqqqqq", "nothing is called `qqqqqq`"), ("chekc", "did you mean `check`?")],
)
def test_docs_of_what_is_not_there(name: str, words: str, recipec: Run) -> None:
    done = recipec("docs", name)
    assert done.status == 2
    assert words in done.err


def test_docs_of_rules_and_commands(recipec: Run) -> None:
    assert recipec("docs", "unknown-column").out == recipec("explain", "unknown-column").out
    assert recipec("docs", "gc").out == recipec("gc", "--help").out
    (facts,) = json.loads(recipec("docs", "gc", "--format", "json").out)
    assert facts["name"] == "gc"
    assert recipec("docs", "W313", "--format", "md").out.startswith("### `unused-name`")


def test_the_whole_reference_has_everything(recipec: Run) -> None:
    from recipec.cli import all_verbs
    from recipec.report import rules

    md = recipec("docs", "--format", "md").out
    made = json.loads(recipec("docs", "--format", "json").out)
    listed = {(e["group"], e["name"]) for e in made}
    for group in PACKAGES:
        for name in names(group) if group != "lint" else ():  # type: ignore[arg-type]
            assert f"### `{name}`\n" in md, name
            assert (group, name) in listed
    for name in rules.names():
        assert f"### `{name}`\n" in md, name
        assert ("rule", name) in listed
    for verb in all_verbs():
        assert f"### `recipec {verb}`\n" in md, verb
        assert f"\n  {verb} " in recipec("docs").out
    assert [e["name"] for e in made if not e["doc"].strip()] == []


def test_the_schema_and_what_it_describes(recipec: Run, good: Path) -> None:
    schema = json.loads(recipec("docs", "--format", "schema").out)
    made = json.loads(recipec("compile", "--format", "resolved").out)
    assert [s["name"] for s in made["steps"]] == ["rows", "tidy"]
    assert set(schema["required"]) == set(made)
    assert [s["name"] for s in json.loads(recipec("compile", "--only", "rows", "--format", "resolved").out)["steps"]] == ["rows"]
    try:
        import jsonschema
    except ImportError:
        return
    jsonschema.validate(made, schema)


def test_explain_a_rule(recipec: Run) -> None:
    done = recipec("explain", "e201")
    assert done.status == 0
    assert done.out.startswith("unknown-column   E201, error\n")
    assert recipec("explain", "unknown-column").out == done.out
    done = recipec("explain", "unknwon-column")
    assert (done.status, "did you mean `unknown-column`?" in done.err) == (2, True)
    assert "unknown-column" in recipec("explain").out


def test_graph(recipec: Run, good: Path) -> None:
    done = recipec("graph")
    assert done.status == 0
    assert done.out.splitlines()[0].split() == ["●", "rows", "source", 'csv("rows.csv")']
    assert "-->" in recipec("graph", "--format", "mermaid").out
    assert "->" in recipec("graph", "--format", "dot").out
    assert json.loads(recipec("graph", "good.recipe", "--format", "json").out)["edges"] == [{"from": "rows", "to": "tidy", "part": None}]


def test_an_export_of_a_split_is_one_edge_with_its_parts(recipec: Run, good: Path) -> None:
    good.write_text(
        GOOD + 'split final from tidy { train: 80%  test: 20% }\nexport out from final { to: "o"  format: csv() }\n', encoding="utf-8"
    )
    edges = [line.strip() for line in recipec("graph", "--format", "mermaid").out.splitlines() if "-->" in line]
    assert edges == ["s0 --> s1", "s1 --> s2", 's2 -->|"train, test"| s3']
    assert '"final" -> "out" [label="train, test"];' in recipec("graph", "--format", "dot").out
    assert recipec("graph").out.splitlines()[-1].endswith('to "o"  ← final (train, test)')


def test_graph_without_data_and_with_mistakes(recipec: Run, good: Path) -> None:
    (good.parent / "rows.csv").unlink()
    good.write_text(GOOD.replace("n > 1", "m > 1"), encoding="utf-8")
    done = recipec("graph")
    assert done.status == 0
    assert "tidy" in done.out
    good.write_text(GOOD + "clean {", encoding="utf-8")
    done = recipec("graph")
    assert done.status == 1
    assert "error[" in done.err
    assert "rows" in done.out


def test_graph_of_imports_and_loops(recipec: Run, good: Path) -> None:
    (good.parent / "common.recipe").write_text(GOOD, encoding="utf-8")
    main = good.parent / "main.recipe"
    main.write_text(
        'import "common.recipe" as common\nclean a from common.tidy {}\nrepeat 2 as round { clean b from a { keep where n > round } }\n',
        encoding="utf-8",
    )
    found = json.loads(recipec("graph", "main.recipe", "--format", "json").out)
    assert [n["name"] for n in found["nodes"]][:2] == ["common.rows", "common.tidy"]
    assert {"from": "common.tidy", "to": "a", "part": None} in found["edges"]
    assert {"from": "a", "to": "b@2", "part": None} in found["edges"]


def test_compile(recipec: Run, good: Path) -> None:
    import duckdb

    done = recipec("compile")
    assert done.status == 0
    assert "-- rows: source: done by recipec, not by SQL" in done.out
    con = duckdb.connect()
    con.execute("CREATE TABLE rows AS SELECT md5_number(id)::UUID AS _key, NULL::UUID AS _parent, * FROM read_csv('rows.csv')")
    con.execute(done.out)
    assert con.execute("SELECT id, length FROM tidy").fetchall() == [("b", 2)]
    assert [s["name"] for s in json.loads(recipec("compile", "--only", "tidy", "--format", "json").out)] == ["tidy"]


def test_init(recipec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = recipec("init", "我的 shop")
    assert done.status == 0
    path = tmp_path / "我的 shop" / "我的_shop.recipe"
    assert path.is_file()
    monkeypatch.chdir(path.parent)
    assert recipec("check").status == 0
    assert recipec("fmt", "--check").status == 0
    written = path.read_text(encoding="utf-8")
    done = recipec("init")
    assert (done.status, "is there already; nothing was written" in done.err) == (2, True)
    assert path.read_text(encoding="utf-8") == written


def test_init_writes_nothing_where_one_file_is_in_the_way(recipec: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "messages.csv").write_text("mine", encoding="utf-8")
    assert recipec("init").status == 2
    assert list(tmp_path.glob("*.recipe")) == []


def test_init_where_nothing_can_be_written(recipec: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = recipec("init", "file/below")
    assert (done.status, "cannot write" in done.err) == (2, True)
