"""Which findings are shown: ``[tool.recipec]``, the command line, silences; and what a check says of wrong configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recipec.cli import main

RECIPE = """\
recipe "r" { seed: 1 }
source rows = csv("rows.csv") { key: id }
clean tidy from rows { drop where length(text) < 0 }
clean other from rows { text = upper(text) }
export out from tidy { to: "build/out"  format: parquet() }
"""
Check = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECIPEC_NO_CACHE", "1")
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.recipe").write_text(RECIPE)
    (tmp_path / "deep" / "b.recipe").write_text(RECIPE.replace("rows.csv", "../rows.csv"))

    def run(config: str | None, *options: str) -> tuple[int, list[str], str]:
        import recipec.cli._config as module

        module._in.cache_clear()
        if config is not None:
            (tmp_path / "pyproject.toml").write_text(config)
        status = main(["check", *(options or ["a.recipe"]), "--format", "concise"])
        out, err = capsys.readouterr()
        return status, [line for line in out.splitlines() if "[" in line], err

    return run


def test_without_configuration(check: Check) -> None:
    status, lines, _ = check(None)
    assert status == 1
    assert [line.partition(": ")[2].split(" ")[0].rstrip(":") for line in lines] == ["warning[rule-never-fires]", "warning[unused-step]"]


@pytest.mark.parametrize(
    ("config", "options", "status", "names"),
    [
        ('[tool.recipec]\nselect = ["W312"]', [], 1, ["warning[unused-step]"]),
        ('[tool.recipec]\nignore = ["unused-step", "rule-never-fires"]', [], 0, []),
        ('[tool.recipec]\nignore = ["unused-step"]', ["--ignore", "rule-never-fires"], 0, []),
        ('[tool.recipec]\nignore = ["unused-step"]', ["--select", "unused-step"], 1, ["warning[unused-step]"]),
        ('[tool.recipec]\nselect = ["unused-step"]', ["--select", "rule-never-fires"], 1, ["warning[rule-never-fires]"]),
        ('[tool.recipec.severity]\nunused-step = "error"\nW309 = "note"', [], 1, ["note[rule-never-fires]", "error[unused-step]"]),
        ('[tool.recipec.severity]\nunused-step = "note"\nW309 = "note"', ["--severity", "warning"], 0, []),
        ('[tool.other]\nselect = ["recipec"]', [], 1, ["warning[rule-never-fires]", "warning[unused-step]"]),
    ],
)
def test_the_command_line_comes_first(check: Check, config: str, options: list[str], status: int, names: list[str]) -> None:
    done, lines, _ = check(config, "a.recipe", *options)
    assert done == status
    assert [line.partition(": ")[2].split(" ")[0] for line in lines] == names


def test_the_nearest_table_counts(check: Check, tmp_path: Path) -> None:
    (tmp_path / "deep" / "pyproject.toml").write_text('[tool.recipec]\nselect = ["unused-step"]')
    _, lines, _ = check('[tool.recipec]\nignore = ["unused-step"]', "a.recipe", "deep/b.recipe")
    assert [(line.partition(":")[0], line.partition("[")[2].partition("]")[0]) for line in lines] == [
        ("a.recipe", "rule-never-fires"),
        ("deep/b.recipe", "unused-step"),
    ]


def test_configuration_hides_no_error(check: Check, tmp_path: Path) -> None:
    (tmp_path / "a.recipe").write_text(RECIPE.replace("upper", "uper"))
    config = '[tool.recipec]\nselect = ["unused-step"]'
    status, lines, _ = check(config)
    assert status == 1
    assert "error[unknown-function]" in lines[0]
    assert check(config, "a.recipe", "--ignore", "unknown-function")[0] == 0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('[tool.recipec]\nselect = ["unused-stp"]', "no rule `unused-stp`; did you mean `unused-step`?"),
        ("[tool.recipec]\nselct = []", "[tool.recipec] has no `selct`; did you mean `select`?"),
        ('[tool.recipec]\nselect = "unused-step"', "`select` must be a list of rules"),
        ('[tool.recipec]\nseverity = { unused-step = "fatal" }', "`fatal` is no severity, for `unused-step`"),
        ('[tool.recipec]\nseverity = { unused-step = "eror" }', "did you mean `error`?"),
        ('[tool.recipec]\nseverity = ["unused-step"]', "`severity` says error, warning or note of rules"),
        ('[tool.recipec]\nselect = ["W301"]\nignore = ["W301"]', "in `select` and in `ignore`"),
        ('[tool.recipec]\nignore = ["unknown-function"]', "`ignore` cannot hold `unknown-function`"),
        ('[tool.recipec]\nseverity = { E204 = "note" }', "`severity` cannot hold `unknown-function`"),
        ("[tool]\nrecipec = 3", "`tool.recipec` must be a table"),
        ("[tool.recipec\n", "not TOML"),
    ],
)
def test_wrong_configuration(check: Check, config: str, words: str) -> None:
    status, _, err = check(config)
    assert status == 2
    assert words in err
    assert "pyproject.toml" in err


def test_an_unused_silence_is_mended(check: Check, tmp_path: Path) -> None:
    silent = RECIPE.replace("clean other", "# allow: unused-step because we look\nclean other").replace(
        "< 0 }", "< 3 }  # allow: rule-never-fires because no"
    )
    (tmp_path / "a.recipe").write_text(silent)
    status, lines, _ = check(None)
    assert (status, len(lines)) == (1, 1)
    assert check(None, "a.recipe", "--fix")[0] == 0
    assert (tmp_path / "a.recipe").read_text() == silent.replace("  # allow: rule-never-fires because no", "")
    (tmp_path / "a.recipe").write_text(RECIPE.replace("< 0", "< 3").replace("clean tidy", "# allow: unused-step because\nclean tidy", 1))
    assert check(None, "a.recipe", "--fix")[1][-1].count("unused-step") == 1
