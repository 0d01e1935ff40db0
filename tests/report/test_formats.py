"""The machine formats: each as its reader wants it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from samples import SOURCE, NoColumn, at, findings

from recipec import __version__
from recipec.report.formats import FORMATS, Report, relative, render
from recipec.report.terminal import Terminal

Make = Callable[..., Terminal]
CASES = findings()
NAMES = ("simple", "gap", "other-file", "several-lines", "unsafe-fix")


@pytest.fixture
def report() -> Report:
    return Report([CASES[n] for n in NAMES], [SOURCE.path, "clean.recipe"], 0.1234)


def test_every_format_has_its_file() -> None:
    folder = Path(__file__).parents[2] / "recipec" / "report" / "formats"
    assert {p.stem for p in folder.glob("*.py")} - {"__init__"} == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name: str, report: Report, terminal: Make, golden: Callable[[str, str], None]) -> None:
    golden(f"format-{name}.txt", render(name, report, terminal()).replace(__version__, "VERSION"))


@pytest.mark.parametrize("name", FORMATS)
def test_no_findings(name: str, terminal: Make) -> None:
    shown = render(name, Report([], ["a.recipe"]), terminal())
    if name in ("json", "gitlab"):
        assert json.loads(shown) == []
    elif name == "sarif":
        assert json.loads(shown)["runs"][0]["results"] == []
    elif name == "junit":
        assert ET.fromstring(shown).find("testsuite/testcase") is not None
    elif name == "text":
        assert shown == "nothing to report in 1 file, 0.00 s\n"
    else:
        assert shown == ""


def test_json_keeps_its_contract(report: Report, terminal: Make) -> None:
    found = json.loads(render("json", report, terminal()))
    wanted = {"name", "code", "severity", "message", "help", "file", "line", "column", "end_line", "end_column", "fixes"}
    assert all(wanted <= set(item) for item in found)
    first = found[0]
    assert (first["name"], first["code"], first["severity"], first["file"]) == ("no-such-column", "E000", "error", "packages.recipe")
    assert (first["line"], first["column"], first["end_line"], first["end_column"]) == (4, 14, 4, 24)
    (fix,) = first["fixes"]
    assert fix["safe"] is True
    assert fix["edits"] == [{"file": "packages.recipe", "line": 4, "column": 14, "end_line": 4, "end_column": 24, "text": "description"}]


def test_concise_lines_are_one_a_finding(report: Report, terminal: Make) -> None:
    lines = render("concise", report, terminal()).splitlines()
    assert len(lines) == len(NAMES)
    assert all(re.fullmatch(r".+:\d+:\d+: (error|warning|note)\[[\w-]+\] .+", line) for line in lines)


def test_what_stands_under_the_caret_is_said_in_every_form(terminal: Make) -> None:
    d = NoColumn(span=at("tidy"), message="no column `lable`", label="did you mean `label`?", help=("`tidy` has: label", "look again"))
    report = Report([d], [SOURCE.path])
    assert "no column `lable`; did you mean `label`?\n" in render("concise", report, terminal())
    (finding,) = json.loads(render("gitlab", report, terminal()))
    assert finding["description"] == "no column `lable`; did you mean `label`? `tidy` has: label. Look again"
    assert finding["severity"] in ("info", "minor", "major", "critical", "blocker")
    assert finding["location"] == {"path": "packages.recipe", "lines": {"begin": 3, "end": 3}}
    case = ET.fromstring(render("junit", report, terminal())).find("testsuite/testcase")
    assert case is not None
    assert case.get("name") == f"no-such-column 3:{d.span.place[1]}"


def test_github_commands_escape(terminal: Make) -> None:
    d = NoColumn(span=at("tidy"), message="100 %\nof: a, b", label="x")
    shown = render("github", Report([d], []), terminal())
    assert shown == (
        "::error title=recipec no-such-column,file=packages.recipe,line=3,endLine=3,col=7,endColumn=11::100 %25%0Aof: a, b; x\n"
    )


def test_gitlab_fingerprints_are_unique_and_outlive_moved_lines(terminal: Make) -> None:
    twice = [NoColumn(span=at("text"), message="same"), NoColumn(span=at("text", after=at("text").end), message="same")]
    one, two = (item["fingerprint"] for item in json.loads(render("gitlab", Report(twice, []), terminal())))
    assert one != two
    alone = json.loads(render("gitlab", Report(twice[1:], []), terminal()))
    assert alone[0]["fingerprint"] == one


JUNIT = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"},
    "testcase": {"name", "classname", "time", "group"},
    "failure": {"type", "message"},
}
"""Elements and their attributes in the schema of the Jenkins xUnit plugin."""


def test_junit_has_only_what_its_schema_has(report: Report, terminal: Make) -> None:
    root = ET.fromstring(render("junit", report, terminal()))
    assert all(set(element.attrib) <= JUNIT[element.tag] for element in root.iter())
    assert all({"name", "tests", "failures", "errors"} <= set(suite.attrib) for suite in root.iter("testsuite"))
    assert re.fullmatch(r"[0-9]{0,3}(\.[0-9]*)?", root.get("time") or "")


def test_junit_holds_what_xml_can(terminal: Make) -> None:
    d = NoColumn(span=at("tidy"), message='<&"> \x07 \ud800', help=("a\nb",))
    suite = ET.fromstring(render("junit", Report([d], [SOURCE.path]), terminal(unicode=False))).find("testsuite")
    assert suite is not None
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == '<&"> \ufffd \ufffd'
    assert "a\nb" in (failure.text or "")


def test_sarif_refers_to_its_rules(report: Report, terminal: Make) -> None:
    log = json.loads(render("sarif", report, terminal()))
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert log["version"] == "2.1.0"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    (change,) = run["results"][0]["fixes"][0]["artifactChanges"]
    (replacement,) = change["replacements"]
    assert replacement["insertedContent"] == {"text": "description"}
    assert run["results"][1]["relatedLocations"][0]["message"]["text"] == "copies are made here"


def test_sarif_shows_the_pages_of_rules(terminal: Make) -> None:
    from recipec.resolve.problems import UnknownColumn

    log = json.loads(render("sarif", Report([UnknownColumn(span=at("tidy"), wanted="tidy", message="m")], []), terminal()))
    (rule,) = log["runs"][0]["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"] == "A column that the table does not have"
    assert "`keep where description" in rule["help"]["markdown"]


def test_paths_are_relative_with_forward_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert relative(str(tmp_path / "a" / "b.recipe")) == "a/b.recipe"
    assert relative("./a/../b.recipe") == "b.recipe"
