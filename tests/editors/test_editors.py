"""What is made for editors and web pages is as the grammar and the registry would make it now."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from recipec.cli._analysis import analyse
from recipec.editors import schema, textmate, words
from recipec.source import Source

TOP = Path(__file__).resolve().parents[2]
RECIPES = sorted((TOP / "recipes").glob("*.recipe"))


@pytest.mark.parametrize("path", textmate.files(TOP / "grammar"), ids=lambda p: p.parent.name)
def test_the_textmate_grammar_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == textmate.text(), "python -m recipec.editors.textmate"


def test_every_word_of_the_grammar_has_a_colour() -> None:
    assert set(words.keywords()) == {*words.OPERATORS, *words.ITEMS, *words.STATEMENTS, *words.FLOW, *words.CONSTANTS}


def test_the_textmate_grammar_names_what_it_includes() -> None:
    made = textmate.grammar()
    included = set(re.findall(r'"include": "#([\w-]+)"', json.dumps(made)))
    assert included == set(made["repository"])


def test_the_extension_has_what_it_names() -> None:
    folder = TOP / "grammar" / "vscode"
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    contributed = manifest["contributes"]
    grammars, languages = contributed["grammars"], contributed["languages"]
    named = [manifest["main"], *(item["path"] for item in grammars), *(item["configuration"] for item in languages)]
    assert all((folder / name).is_file() for name in named)
    json.loads((folder / "language-configuration.json").read_text(encoding="utf-8"))
    assert grammars[0]["scopeName"] == textmate.SCOPE


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_pygments_knows_every_character(path: Path) -> None:
    pytest.importorskip("pygments")
    from pygments.token import Error, Text

    from recipec.editors.pygments import RecipeLexer

    text = path.read_text(encoding="utf-8")
    made = list(RecipeLexer(stripnl=False, ensurenl=False).get_tokens(text))
    assert "".join(value for _, value in made) == text
    assert not [value for kind, value in made if kind in (Error, Text)]


def test_pygments_colours_by_meaning() -> None:
    pytest.importorskip("pygments")
    from pygments.token import Keyword, Name, Number, Operator

    from recipec.editors.pygments import RecipeLexer

    made = dict((value, kind) for kind, value in RecipeLexer().get_tokens("clean 干净 from a { x = trim(b) |> upper  near: 85%  when: 1 }"))
    wanted = {"clean": Keyword.Type, "干净": Name.Class, "trim": Name.Function, "upper": Name.Function, "near": Name.Attribute,
              "when": Name.Attribute, "85%": Number, "|>": Operator, "from": Keyword}  # fmt: skip
    assert {value: made[value] for value in wanted} == wanted


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_resolved_recipes_fit_their_schema(path: Path) -> None:
    program = analyse(Source(str(path), path.read_text(encoding="utf-8")), {}, offline=True)
    made = schema.document(program)
    assert json.loads(json.dumps(made)) == made
    whole = schema.schema()
    assert mismatches(made, whole, whole["$defs"]) == []


def test_the_schema_refuses_what_is_not_a_resolved_recipe() -> None:
    whole = schema.schema()
    step = {"name": "a", "kind": "clean", "inputs": [], "reads": [], "settings": {"colour": "red"}, "tables": {}, "meaning": {}}
    made: dict[str, Any] = {"format": 1, "name": "x", "header": {}, "params": {}, "steps": [step], "more": 1}
    found = mismatches(made, whole, whole["$defs"])
    assert any("more" in f for f in found)
    assert any("header" in f and "version" in f for f in found)
    assert any("steps" in f for f in found)


def mismatches(value: Any, rule: dict[str, Any], defs: dict[str, Any], at: str = "") -> list[str]:
    """What of JSON Schema these schemas use, checked as its specification says; every mismatch with its place."""
    if "$ref" in rule:
        return mismatches(value, defs[rule["$ref"].rpartition("/")[2]], defs, at)
    if "oneOf" in rule:
        fitting = [r for r in rule["oneOf"] if not mismatches(value, r, defs, at)]
        return [] if len(fitting) == 1 else [f"{at}: fits {len(fitting)} of the choices"]
    if "const" in rule and value != rule["const"]:
        return [f"{at}: is not {rule['const']!r}"]
    types: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in rule and not isinstance(value, types[rule["type"]]):
        return [f"{at}: is no {rule['type']}"]
    out: list[str] = []
    if isinstance(value, dict):
        out += [f"{at}: lacks {key}" for key in rule.get("required", []) if key not in value]
        others = rule.get("additionalProperties", True)
        for key, inner in value.items():
            known = rule.get("properties", {}).get(key)
            if known is not None:
                out += mismatches(inner, known, defs, f"{at}.{key}")
            elif isinstance(others, dict):
                out += mismatches(inner, others, defs, f"{at}.{key}")
            elif not others:
                out.append(f"{at}: has {key}")
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            out.append(f"{at}: has {len(value)} items")
        for number, inner in enumerate(value):
            out += mismatches(inner, rule.get("items", {}), defs, f"{at}[{number}]")
    return out


def test_the_schema_knows_all_that_a_step_can_call() -> None:
    from recipec.editors.schema import CALLED, schema
    from recipec.registry import names

    defs = schema()["$defs"]
    assert {f"{group}.{name}" for group in CALLED for name in names(group)} | set(names("step")) <= set(defs)
    assert set(defs["train"]["properties"]["blocks"]["properties"]["search"]["properties"]) >= {"learning_rate", "epochs", "trials", "on"}
    assert "iterations" in defs["combiner.dawid_skene"]["properties"]["arguments"]["properties"]
    assert {"prompt", "answer", "with"} <= set(defs["generate"]["properties"]["settings"]["properties"])


SEARCH = """\
source rows = csv("rows.csv") { columns: { text: text, label: text } }
train clf from rows {
  task: classify(text => label)
  base: scratch(layers: 2)
  validation: rows
  search { epochs: [2, 3]  on: f1 }
}
label topic from rows { classes: ["a", "b"]  vote knn(rows, k: 5)  vote keywords({a: ["x"]})  combine: dawid_skene(iterations: 10) }
evaluate scores from rows { model: clf  gold: label  metrics: [accuracy, f1(average: macro)] }
"""


def test_a_resolved_recipe_holds_its_calls_and_blocks() -> None:
    from recipec.editors.schema import document
    from recipec.resolve.loading import load
    from recipec.source import Source

    program = load(Source("r.recipe", SEARCH), offline=True)
    program.resolve()
    steps = {s["name"]: s for s in document(program)["steps"]}
    assert steps["clf"]["blocks"] == {"search": {"epochs": "[2, 3]", "on": "f1"}}
    assert steps["clf"]["calls"] == [{"group": "task", "name": "classify", "arguments": {"pairs": "text => label"}}]
    assert [(c["group"], c["name"]) for c in steps["topic"]["calls"]] == [
        ("vote", "knn"), ("vote", "keywords"), ("combiner", "dawid_skene"),
    ]  # fmt: skip
    assert steps["scores"]["calls"][1] == {"group": "metric", "name": "f1", "arguments": {"average": "macro"}}
