"""recipec from Python: what the README shows, the forms of tables, what is said when something is wrong."""

from __future__ import annotations

import datetime
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import recipec

ROOT = Path(__file__).resolve().parents[2]
ROWS = "id,text,n,at\na,Hello there,1,2026-01-01\nb,你好 <b>,2,2026-01-02\nc,Thanks,3,2026-01-03\n"
RECIPE = """\
recipe "shop" { version: "1.0.0"  seed: 7 }
param least: int = 2
param words_out: [text] = ["x"]

source rows = csv("rows.csv") { key: id  columns: { id: text, text: text, n: int, at: date } }

clean tidy from rows {
  length = length(text)
  drop where n < least as "small"
  drop where text in words_out as "out"
}

split final from tidy { train: 50%  test: rest }

expect apart from final.train, final.test { expect overlap(final.train.text, final.test.text) == 0 }
"""


@pytest.fixture
def shop(tmp_path: Path) -> recipec.Recipe:
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "shop.recipe").write_text(RECIPE, encoding="utf-8")
    return recipec.load(tmp_path / "shop.recipe")


def write(shop: recipec.Recipe, old: str, new: str) -> None:
    text = shop.text
    assert old in text
    Path(shop.path).write_text(text.replace(old, new), encoding="utf-8")


def test_what_the_readme_shows(shop: recipec.Recipe) -> None:
    assert shop.check().ok
    run = shop.run(set={"least": 3})
    assert [row["text"] for row in run["tidy"]] == ["Thanks"]
    assert run["tidy"].counts["small"] == 2
    run = shop.run()
    # A table's order is that of its keys, whatever the file's.
    assert run["tidy"].rows() == [
        {"id": "c", "text": "Thanks", "n": 3, "at": datetime.date(2026, 1, 3), "length": 6},
        {"id": "b", "text": "你好 <b>", "n": 2, "at": datetime.date(2026, 1, 2), "length": 6},
    ]
    assert run.sql("select count(*) as n from final.train").rows() == [{"n": 1}]
    assert run["tidy"].sql("select sum(n)::int as s from this").rows() == [{"s": 5}]
    assert [s["status"] for s in run.steps] == ["reused", "run", "run", "run"]
    assert (run.seconds or 0) > 0


def test_forms_of_a_table(shop: recipec.Recipe) -> None:
    table = shop.run()["tidy"]
    assert len(table) == 2
    assert table.columns == {"id": "VARCHAR", "text": "VARCHAR", "n": "BIGINT", "at": "DATE", "length": "BIGINT"}
    assert table.arrow().column("id").to_pylist() == ["c", "b"]
    assert table.head(1).rows()[0]["id"] == "c"
    assert list(table.with_keys().columns)[:2] == ["_key", "_parent"]
    assert [(r["reason"], r["id"], r["text"]) for r in table.dropped()] == [("small", "a", "Hello there")]
    assert len(table.dropped("out")) == 0
    assert "2 rows" in repr(table)


def test_pandas(shop: recipec.Recipe) -> None:
    pytest.importorskip("pandas", reason="the frame is pandas'")
    frame = shop.run()["tidy"].df()
    assert list(frame["id"]) == ["c", "b"]
    assert list(frame.columns) == ["id", "text", "n", "at", "length"]


def test_polars(shop: recipec.Recipe) -> None:
    pytest.importorskip("polars", reason="the frame is polars'")
    assert shop.run()["tidy"].polars()["n"].to_list() == [3, 2]


@pytest.mark.parametrize("form", ["df", "polars"])
def test_a_frame_that_is_not_installed_is_said(shop: recipec.Recipe, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    name = {"df": "pandas", "polars": "polars"}[form]
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *rest: None if n == name else real(n, *rest))
    table = shop.run()["tidy"]
    with pytest.raises(recipec.RecipecError, match=f"{name} is not installed") as caught:
        getattr(table, form)()
    assert caught.value.help.startswith(f"pip install {name}")


def test_parts_and_names(shop: recipec.Recipe) -> None:
    run = shop.run()
    assert set(run) == {"rows", "tidy", "final", "final.train", "final.test"}
    assert "final.train" in run
    assert len(run["final.train"]) + len(run["final.test"]) == len(run["final"]) == 2
    with pytest.raises(recipec.RecipecError, match="no step `tody`; did you mean `tidy`"):
        _ = run["tody"]
    with pytest.raises(recipec.RecipecError, match="`apart` is an expect: it has no table"):
        _ = run["apart"]


def test_results_are_there_without_a_run(shop: recipec.Recipe) -> None:
    with pytest.raises(recipec.RecipecError, match="nothing is built yet"):
        shop.results()
    shop.run(only="tidy")
    again = recipec.load(shop.path).results()
    assert set(again) == {"rows", "tidy"}
    assert len(again["tidy"]) == 2
    assert again.steps == []


def test_a_plan(shop: recipec.Recipe) -> None:
    assert shop.plan().to_run == ["rows", "tidy", "final", "apart"]
    shop.run()
    assert shop.plan().to_run == []
    plan = shop.plan(set={"least": 3})
    assert plan.why("tidy").startswith('drop "small"')
    assert shop.plan(only="rows").data()["steps"][0]["status"] == "reused"
    assert "2 reused" in str(shop.plan(only=["tidy"]))
    with pytest.raises(recipec.RecipecError, match="no step `tdy`; did you mean `tidy`"):
        shop.plan(only="tdy")


def test_steps_and_columns_without_a_run(shop: recipec.Recipe) -> None:
    steps = {s.name: s for s in shop.steps}
    assert steps["tidy"].columns["length"] == "BIGINT"
    assert steps["tidy"].reads == ("rows",)
    assert set(steps["final"].tables) == {"", "train", "test"}


def test_an_edit_counts_at_once(shop: recipec.Recipe) -> None:
    assert len(shop.run()["tidy"]) == 2
    write(shop, "n < least", "n < least + 1")
    assert len(shop.run()["tidy"]) == 1


def test_errors_of_a_recipe(shop: recipec.Recipe) -> None:
    write(shop, "length(text)", "lenght(text)")
    found = shop.check()
    assert not found.ok
    assert [d.name for d in found] == ["unknown-function"]
    assert found.data()[0]["line"] == 8
    assert "did you mean `length`?" in str(found)
    with pytest.raises(recipec.RecipeInvalid, match=r"error\[unknown-function\]") as caught:
        shop.run()
    assert caught.value.findings.errors
    with pytest.raises(recipec.RecipeInvalid):
        shop.plan()
    assert caught.value._render_traceback_()[0].startswith("RecipeInvalid: error[unknown-function]")


def test_rules_and_their_configuration(shop: recipec.Recipe, tmp_path: Path) -> None:
    write(shop, "expect apart", 'export out from tidy { to: "out"  format: jsonl() }\nparam never: int = 1\nexpect apart')
    assert [d.name for d in shop.check().warnings] == ["ungrouped-split", "unused-name"]
    (tmp_path / "pyproject.toml").write_text('[tool.recipec]\nignore = ["unused-name", "ungrouped-split"]\n', encoding="utf-8")
    from recipec.cli import _config

    _config._in.cache_clear()
    assert not shop.check()


def test_a_failed_test(shop: recipec.Recipe) -> None:
    write(shop, 'as "out"', 'as "out"\n  expect n > 2 as "large enough"')
    with pytest.raises(recipec.RunFailed, match="large enough") as caught:
        shop.run()
    assert "你好" in str(caught.value)
    assert [s.name for s in caught.value.steps] == ["tidy"]
    assert len(caught.value.run["rows"]) == 3


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda run: run.sql("drop view tidy").rows(), "one query, please"),
        (lambda run: run.sql("select 1; select 2").rows(), "one query, please"),
        (lambda run: run.sql("selec 1").rows(), "syntax error"),
        (lambda run: run.sql("select nope from tidy").rows(), 'column "nope" not found'),
        (lambda run: run["tidy"].dropped("smal"), "did you mean `small`"),
        (lambda run: run.explain("tidy", "zzz"), "zzz"),
    ],
)
def test_what_cannot_be_asked(shop: recipec.Recipe, act: Any, words: str) -> None:
    run = shop.run()
    with pytest.raises(recipec.RecipecError, match=words):
        act(run)


def test_what_cannot_be_loaded(tmp_path: Path, shop: recipec.Recipe) -> None:
    with pytest.raises(recipec.RecipecError, match=r"no file .*; did you mean"):
        recipec.load(tmp_path / "shp.recipe")
    assert recipec.load(tmp_path).path == shop.path
    with pytest.raises(recipec.RecipeInvalid, match="--set lest: the recipe has no such parameter"):
        shop.run(set={"lest": 2})
    with pytest.raises(recipec.RecipecError, match="a parameter cannot be a object"):
        shop.run(set={"least": object()})


def test_values_of_parameters(shop: recipec.Recipe) -> None:
    assert shop.run(set={"words_out": ["Thanks", '"'], "least": 0})["tidy"].counts == {"small": 0, "out": 1}
    with pytest.raises(recipec.RecipeInvalid, match="not an int"):
        shop.run(set={"least": "two"})


def test_a_recipe_in_a_text(tmp_path: Path, shop: recipec.Recipe) -> None:
    made = recipec.loads(RECIPE, path=tmp_path / "typed.recipe")
    assert len(made.run()["tidy"]) == 2
    assert made.formatted() == made.formatted()
    assert "SELECT" in made.sql()["tidy"][0].upper()
    with pytest.raises(recipec.RecipeInvalid):
        recipec.loads("clean {").formatted()


def test_the_life_of_a_row(shop: recipec.Recipe) -> None:
    lives = shop.run().explain("final", "a")
    assert [e.kept for e in lives[0].events] == [True, False]
    assert "small" in str(lives)


class Reader(HTMLParser):
    """Fails on tags that do not match; collects the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag != "b", "not escaped"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_a_notebook_shows(shop: recipec.Recipe) -> None:
    assert "length: int" in Reader(shop._repr_html_()).text
    assert "run: new" in Reader(shop.plan()._repr_html_()).text
    run = shop.run()
    assert "small 1" in Reader(run._repr_html_()).text
    assert "你好 <b>" in Reader(run["tidy"]._repr_html_()).text
    assert "2 rows" in Reader(run["tidy"]._repr_html_()).text
    assert "small" in Reader(run.explain("final", "a")._repr_html_()).text
    assert "rows" in Reader(shop.results()._repr_html_()).text
    assert "ungrouped-split" in Reader(shop.check()._repr_html_()).text
    assert (
        Reader(recipec.loads("param a: int = 1", path=Path(shop.path).with_name("b.recipe")).check()._repr_html_()).text
        == "nothing to report"
    )
    write(shop, "length(text)", 'lenght("<b>")')
    assert 'lenght("<b>")' in Reader(shop.check()._repr_html_()).text
    assert 'lenght("<b>")' in Reader(shop._repr_html_()).text


def test_a_notebook(shop: recipec.Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    shell = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is not installed").InteractiveShell()
    shell.run_cell(f"import recipec; r = recipec.load({shop.path!r}); run = r.run()")
    html, _ = shell.display_formatter.format(shell.run_cell("run['tidy']").result)
    assert "<table>" in html["text/html"]
    capsys.readouterr()
    shell.run_cell("run['tody']")
    said = capsys.readouterr().out
    assert "RecipecError: no step `tody`; did you mean `tidy`?" in said
    assert "Traceback" not in said


def test_a_script_needs_no_guard(tmp_path: Path, shop: recipec.Recipe) -> None:
    """Slow functions run in processes of their own: these must not run the script again."""
    write(shop, "length = length(text)", "length = length(text)\n  text = fix_unicode(strip_html(text))")
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            import recipec
            print("once")
            run = recipec.load({shop.path!r}).run(progress=True)
            print(len(run["tidy"]))
        """),
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["once", "2"]
    assert "2 rows" in done.stderr


def test_importing_recipec_loads_nothing() -> None:
    script = "import recipec, sys; print(*(m for m in sys.modules if m.startswith('recipec') or m in ('duckdb', 'pydantic', 'pathlib')))"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.split() == ["recipec"]
    assert {"load", "Recipe", "RecipecError"} <= set(dir(recipec))
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        recipec.laod  # noqa: B018


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_another_run_at_work_is_said(shop: recipec.Recipe) -> None:
    from recipec.workspace.database import open_workspace

    run = shop.run()
    with open_workspace(shop.workspace, doing="run"), pytest.raises(recipec.RecipecError):
        run["tidy"].rows()
    assert len(run["tidy"]) == 2


def test_an_interrupt_stops_the_query_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.face import recipe as face

    stopped = threading.Event()
    presses: Iterator[bool] = iter([True, False, False])

    class Impatient(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            if next(presses, False):
                raise KeyboardInterrupt
            super().join(timeout)

    def work() -> None:
        assert stopped.wait(20)
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr(face.threading, "Thread", Impatient)
    with pytest.raises(KeyboardInterrupt):
        face.interruptible(work, stopped.set)


def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import re
    import shutil

    pytest.importorskip("pandas", reason="the README makes a data frame")
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns(".recipec", "build"))
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(block, scope)
    assert scope["run"].sql("select count(*) as n from final.train").rows()[0]["n"] > 5
    assert scope["run"]["tidy"].dropped("too short").rows()
