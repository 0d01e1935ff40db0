"""The TextMate grammar of recipes.

Words come from ``recipe.lark`` and step kinds from the registry; operators and functions are known by their form, so that a new one is
coloured without a new grammar. ``python -m recipec.editors.textmate`` writes the files under ``grammar/``; with ``--check``
it says whether they are as they would be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from recipec.editors.words import CONSTANTS, FLOW, ITEMS, OPERATORS, STATEMENTS, kinds

SCOPE = "source.recipe"
NAME = r"[\p{L}_][\p{L}\p{M}\p{N}_]*"


def grammar() -> dict[str, Any]:
    """The grammar as data."""

    def words(listed: tuple[str, ...] | list[str]) -> str:
        # A word before a colon is a name: `when: x` is a setting.
        return rf"\b({'|'.join(listed)})\b(?!\s*:(?!=))"

    def rule(scope: str, match: str, **captures: str) -> dict[str, Any]:
        out: dict[str, Any] = {"match": match}
        if scope:
            out["name"] = f"{scope}.recipe"
        if captures:
            out["captures"] = {k.lstrip("c"): {"name": f"{v}.recipe"} for k, v in captures.items()}
        return out

    def include(*listed: str) -> list[dict[str, str]]:
        return [{"include": f"#{name}"} for name in listed]

    step_names = {"c1": "storage.type.step", "c2": "entity.name.class"}
    quoted_end = r'"""(?!")'
    number = r"\b[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+)?"
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "Recipe",
        "scopeName": SCOPE,
        "fileTypes": ["recipe"],
        "patterns": include("comment", "sql-step", "template", "step", "item", "code"),
        "repository": {
            "comment": rule("comment.line.number-sign", r"#.*$"),
            "sql-step": {
                "begin": rf"^\s*(sql)\s+({NAME})\b",
                "beginCaptures": {"1": {"name": "storage.type.step.recipe"}, "2": {"name": "entity.name.class.recipe"}},
                # Behind the closing quotes: an end at the quotes themselves would be found at the opening ones first.
                "end": r'(?<=""")|(?=^\s*\})',
                "patterns": [
                    {
                        "begin": '"""',
                        "beginCaptures": {"0": {"name": "string.quoted.triple.recipe"}},
                        "end": quoted_end,
                        "endCaptures": {"0": {"name": "string.quoted.triple.recipe"}},
                        "contentName": "meta.embedded.block.sql",
                        "patterns": [{"include": "source.sql"}],
                    },
                    *include("comment", "code"),
                ],
            },
            "template": rule("", rf"^\s*(template)\s+({NAME})", c1="storage.type", c2="entity.name.function"),
            "step": rule("", rf"^\s*({'|'.join(kinds())})\s+({NAME})(?=\s*(?:from\b|=|\{{|\"|$))", **step_names),
            "item": {
                "patterns": [
                    rule("", rf"^\s*(def)\s+({NAME})", c1="storage.type", c2="entity.name.function"),
                    rule("", rf"^\s*(param)\s+({NAME})", c1="storage.type", c2="variable.parameter"),
                    # A kind that another distribution brings, or one mistyped.
                    rule("", rf"^({NAME})\s+({NAME})(?=\s+from\b|\s*\{{)", **step_names),
                ]
            },
            "code": {
                "patterns": include("block", "string", "regex", "quoted", "number", "setting", "keyword", "call", "sign"),
            },
            "block": {
                "name": "string.quoted.triple.recipe",
                "begin": '"""',
                "end": quoted_end,
                "patterns": [
                    rule("comment.block.jinja", r"\{#.*?#\}"),
                    {
                        "name": "meta.embedded.inline.jinja.recipe",
                        "begin": r"\{[{%]-?",
                        "end": r"-?[}%]\}",
                        "patterns": [
                            rule("keyword.control.jinja", r"\b(for|in|endfor|if|elif|else|endif|set|is|not|and|or|loop|endset)\b"),
                            rule("variable.other.jinja", NAME),
                        ],
                    },
                ],
            },
            "string": {
                "name": "string.quoted.double.recipe",
                "begin": '"(?!"")',
                "end": '"|$',
                "patterns": [rule("constant.character.escape", r"\\.")],
            },
            "regex": rule("string.regexp", r"\br/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*"),
            "quoted": rule("variable.other.quoted", r"`(?:[^`\n]|``)+`"),
            "number": {
                "patterns": [
                    rule("constant.numeric", rf"{number}%(?![\w(])"),
                    rule("constant.numeric", rf"{number}[ \t]+(?:tokens|rows)\b"),
                    rule("constant.numeric", number),
                ]
            },
            "setting": rule("variable.other.property", rf"{NAME}(?=\s*:(?!=))"),
            "keyword": {
                "patterns": [
                    rule("constant.language", words(CONSTANTS)),
                    rule("keyword.operator.word", words(OPERATORS)),
                    rule("keyword.control", words([*STATEMENTS, *FLOW])),
                    rule("keyword.other", words(ITEMS)),
                ]
            },
            "call": {
                "patterns": [
                    rule("entity.name.function", rf"{NAME}(?=\s*\()"),
                    rule("", rf"(\|>)\s*({NAME})", c1="keyword.operator", c2="entity.name.function"),
                ]
            },
            "sign": rule("keyword.operator", r"\|>|=>|==|!=|<=|>=|\|\||\*\*|//|[-+*/%<>=]"),
        },
    }


def text() -> str:
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


def files(top: Path) -> list[Path]:
    """Where the grammar is kept: for everybody, and in the extension's own folder, because it is packed alone."""
    return [top / "recipe.tmLanguage.json", top / "vscode" / "syntaxes" / "recipe.tmLanguage.json"]


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` name those that are out of date (exit status 1)."""
    from recipec.syntax.tables import grammar_path

    status, wanted = 0, text()
    for path in files(grammar_path().parent):
        if path.is_file() and path.read_text(encoding="utf-8") == wanted:
            continue
        if "--check" in arguments:
            print(f"{path} is out of date: python -m recipec.editors.textmate")
            status = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
