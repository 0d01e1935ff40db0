"""Recipes for Pygments: ``pygmentize -l recipe``, and code blocks of Sphinx and MkDocs."""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text, Whitespace

from recipec.editors.words import CONSTANTS, FLOW, ITEMS, OPERATORS, STATEMENTS, kinds, name_pattern

NAME = name_pattern()
_BEHIND = r"\b(?!\s*:(?!=))"
_NUMBER = r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+)?"


class RecipeLexer(RegexLexer):  # type: ignore[misc]
    """Colours by form: a name before a parenthesis is a function, one before a colon a setting."""

    name = "Recipe"
    aliases: ClassVar[list[str]] = ["recipe"]
    filenames: ClassVar[list[str]] = ["*.recipe"]
    mimetypes: ClassVar[list[str]] = ["text/x-recipe"]
    url = ""
    version_added = ""

    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\r\n]*", Comment.Single),
            (r'"""', String.Doc, "block"),
            (r'"', String.Double, "string"),
            (r"r/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*", String.Regex),
            (r"`(?:[^`\n]|``)+`", Name.Variable),
            (rf"(def|template)(\s+)({NAME})", bygroups(Keyword.Declaration, Whitespace, Name.Function)),
            (rf"(param)(\s+)({NAME})", bygroups(Keyword.Declaration, Whitespace, Name.Variable)),
            (
                rf"({'|'.join(kinds())})(\s+)({NAME})(?=\s*(?:from\b|=|\{{|\"))",
                bygroups(Keyword.Type, Whitespace, Name.Class),
            ),
            (words(CONSTANTS, prefix=r"\b", suffix=_BEHIND), Keyword.Constant),
            (words(OPERATORS, prefix=r"\b", suffix=_BEHIND), Operator.Word),
            (words((*ITEMS, *STATEMENTS, *FLOW), prefix=r"\b", suffix=_BEHIND), Keyword),
            (rf"({NAME})(?=\s*:)", Name.Attribute),
            (rf"({NAME})(?=\s*\()", Name.Function),
            (rf"(\|>)(\s*)({NAME})", bygroups(Operator, Whitespace, Name.Function)),
            (NAME, Name),
            (rf"{_NUMBER}%(?![\w(])", Number),
            (rf"{_NUMBER}[ \t]+(?:tokens|rows)\b", Number),
            (_NUMBER, Number),
            (r"\|>|=>|==|!=|<=|>=|\|\||\*\*|//|[-+*/%<>=@]", Operator),
            (r"[][(){},.:]", Punctuation),
            (r".", Text),
        ],
        "string": [(r'[^"\\\n]+', String.Double), (r"\\.", String.Escape), (r'"', String.Double, "#pop"), (r"\n", Whitespace, "#pop")],
        "block": [
            (r"\{[{%#].*?[}%#]\}", String.Interpol),
            (r'"""(?!")', String.Doc, "#pop"),
            (r'[^"{\\]+', String.Doc),
            (r'\\"""', String.Escape),
            (r'["{\\]', String.Doc),
        ],
    }
