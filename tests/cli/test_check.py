"""``check``: findings, exit statuses, fixes, and which findings are shown."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from cli_harness import GOOD, Run

from recipec.cli import _files

WRONG = GOOD.replace("n > 1", "m > 1")
FIXABLE = GOOD.replace("length(text)", "lenght(text)")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_clean(recipec: Run, good: Path) -> None:
    done = recipec("check", "good.recipe")
    assert done.status == 0
    assert done.out.startswith("nothing to report in 1 file")


def test_findings(recipec: Run, good: Path) -> None:
    write(good, WRONG)
    done = recipec("check", "good.recipe")
    assert done.status == 1
    assert "error[unknown-column]: no column `m` in `tidy`" in done.out or "error[unknown-column]: no column `m`" in done.out
    assert "good.recipe:5:14" in done.out
    assert "1 finding (1 error" in done.out


def test_folders_and_no_arguments_mean_the_recipes_below(recipec: Run, good: Path) -> None:
    (good.parent / "deep" / ".hidden").mkdir(parents=True)
    write(good.parent / "deep" / "b.recipe", WRONG)
    write(good.parent / "deep" / ".hidden" / "c.recipe", "nonsense")
    done = recipec("check")
    assert "deep/b.recipe:1:" in done.out
    assert ".hidden" not in done.out
    assert recipec("check", "deep").status == 1
    assert recipec("check", "good.recipe", "good.recipe").out.count("in 1 file") == 1


def test_standard_input(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    done = recipec("check", "-", "--format", "concise")
    assert done.out.startswith("-:5:14: error[unknown-column]")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    done = recipec("check", "-", "--stdin-name", str(good), "--format", "json")
    assert json.loads(done.out)[0]["file"] == str(good)


def test_json(recipec: Run, good: Path) -> None:
    write(good, WRONG)
    done = recipec("check", "--format", "json")
    (finding,) = json.loads(done.out)
    assert finding["name"] == "unknown-column"
    assert (finding["line"], finding["column"], finding["end_line"], finding["end_column"]) == (5, 14, 5, 15)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"source a = csv('\xe9')", "bad.recipe:1:17: not UTF-8 text (byte 0xe9)"), (b"ok\n\xff\xfe", "bad.recipe:2:1: not UTF-8 text")],
)
def test_files_that_are_no_text(data: bytes, words: str, recipec: Run, good: Path) -> None:
    good.with_name("bad.recipe").write_bytes(data)
    done = recipec("check", "bad.recipe", "good.recipe")
    assert done.status == 2
    assert words in done.err
    assert "nothing to report" in done.out


def test_byte_order_marks_and_carriage_returns(recipec: Run, good: Path) -> None:
    good.write_bytes(b"\xef\xbb\xbf" + WRONG.replace("\n", "\r\n").encode())
    assert "good.recipe:5:14" in recipec("check").out


def test_files_that_may_not_be_read(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(_files, "open", refuse, raising=False)
    done = recipec("check", "good.recipe")
    assert (done.status, "cannot read `good.recipe`: Permission denied" in done.err) == (2, True)


def test_files_that_may_not_be_written(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write(good, FIXABLE)
    monkeypatch.setattr(os, "replace", refuse)
    done = recipec("check", "--fix")
    assert (done.status, "cannot write `good.recipe`: No space left on device" in done.err) == (2, True)
    assert good.read_text(encoding="utf-8") == FIXABLE
    assert [p.name for p in good.parent.iterdir() if p.name.startswith(".good")] == []


def test_fix(recipec: Run, good: Path) -> None:
    write(good, FIXABLE)
    good.chmod(0o640)
    done = recipec("check", "--fix")
    assert done.status == 0
    assert "1 finding mended" in done.out
    assert good.read_text(encoding="utf-8") == GOOD
    assert stat.S_IMODE(good.stat().st_mode) == 0o640


def test_fix_keeps_line_ends(recipec: Run, good: Path) -> None:
    write(good, FIXABLE.replace("\n", "\r\n"))
    recipec("check", "--fix")
    assert good.read_bytes() == GOOD.replace("\n", "\r\n").encode()


def test_diff_changes_nothing(recipec: Run, good: Path) -> None:
    write(good, FIXABLE)
    done = recipec("check", "--diff")
    assert done.status == 1
    assert "-  length = lenght(text)\n+  length = length(text)" in done.out
    assert good.read_text(encoding="utf-8") == FIXABLE
    write(good, GOOD)
    assert recipec("check", "--diff").status == 0


def test_unsafe_fixes(recipec: Run, good: Path) -> None:
    write(good, GOOD.replace("rows.csv", "row.csv"))
    recipec("check", "--fix")
    assert "row.csv" in good.read_text(encoding="utf-8")
    recipec("check", "--fix", "--unsafe-fixes")
    assert good.read_text(encoding="utf-8") == GOOD
    assert recipec("check", "--unsafe-fixes").status == 2


def test_fix_of_standard_input_goes_to_standard_output(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FIXABLE.encode())))
    done = recipec("check", "-", "--fix")
    assert done.out == GOOD
    assert "1 finding mended" in done.err


def test_a_fix_that_breaks_more_is_taken_back(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fix may only mend: a text with more errors than before is never written."""
    from recipec.diagnostics import UnknownName, replace_fix

    write(good, FIXABLE)

    def suggest(self: UnknownName, message: str, *, listing: str = "") -> None:
        self.put(message=message, fixes=(replace_fix(self.span, "}{ ) nonsense"),))

    monkeypatch.setattr(UnknownName, "suggest", suggest)
    assert recipec("check", "--fix").status == 1
    assert good.read_text(encoding="utf-8") == FIXABLE


def test_select_and_ignore(recipec: Run, good: Path) -> None:
    write(good, WRONG.replace("length(text)", "lenght(text)"))
    assert "2 findings" in recipec("check").out
    assert recipec("check", "--select", "E201").out.count("error[") == 1
    assert recipec("check", "--ignore", "unknown-function,unknown-column").status == 0
    done = recipec("check", "--select", "unknown-colum")
    assert (done.status, done.err.splitlines()[0]) == (2, "recipec: no rule `unknown-colum`; did you mean `unknown-column`?")


def test_severity_and_notes() -> None:
    """Notes are shown but are no failure."""
    from recipec.cli.check import failing
    from recipec.diagnostics import Diagnostic
    from recipec.source import Source

    note = Diagnostic(span=Source("a", "b").span(0, 1))
    note.put(severity="note")
    assert not failing([note])
    assert failing([note, Diagnostic(span=Source("a", "b").span(0, 1))])


def test_set(recipec: Run, good: Path) -> None:
    write(good, "param least: int\n" + GOOD.replace("n > 1", "n > least"))
    assert recipec("check").status == 1
    assert recipec("check", "--set", "least=1").status == 0
    assert recipec("check", "--set", "lest=1").status == 1
    assert recipec("check", "--set", "least=many").status == 1


def test_a_finding_in_an_imported_file_is_told_once(recipec: Run, good: Path) -> None:
    write(good.parent / "common.recipe", WRONG)
    for name in ("one", "two"):
        write(good.parent / f"{name}.recipe", f'import "common.recipe" as common\nclean {name} from common.tidy {{ keep where n > 1 }}\n')
    done = recipec("check", "--format", "concise")
    assert done.out.count("common.recipe:5:14") == 1


def test_wrong_configuration_is_told_of_clean_recipes_too(recipec: Run, good: Path) -> None:
    good.with_name("pyproject.toml").write_text("[tool.recipec]\nbogus = 1\n", encoding="utf-8")
    assert recipec("check", "good.recipe").status == 2


def test_fixing_goes_on_until_nothing_is_left(recipec: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fix in the syntax brings another mistake to light, whose fix is a second round's."""
    both = GOOD.replace("n > 1", "n > 1 && lenght(text) > 2")
    write(good, both)
    monkeypatch.setattr("recipec.cli.check.MOST_ROUNDS", 1)
    done = recipec("check", "--fix")
    assert "each of 1 rounds of fixes led to another" in done.err
    monkeypatch.setattr("recipec.cli.check.MOST_ROUNDS", 100)
    write(good, both)
    done = recipec("check", "--fix")
    assert "led to another" not in done.err
    assert "n > 1 and length(text) > 2" in good.read_text(encoding="utf-8")


def test_rules_that_contradict_or_name_nothing(recipec: Run, good: Path) -> None:
    assert "in --select and in --ignore" in recipec("check", "--select", "unused-step", "--ignore", "unused-step").err
    assert "names no rule" in recipec("check", "--select", "").err


def test_a_wrong_configuration_is_told_once(recipec: Run, good: Path) -> None:
    write(good.with_name("other.recipe"), GOOD)
    write(good.with_name("pyproject.toml"), '[tool.recipec]\nselct = ["unused-step"]\n')
    done = recipec("check")
    assert done.status == 2
    assert done.err.count("did you mean `select`?") == 1
