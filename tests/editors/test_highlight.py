"""The TextMate grammar in VS Code's own engine, held against recipec's own lexer on every correct recipe of the repository.

Needs node with ``vscode-textmate`` and ``vscode-oniguruma``: ``npm install`` in this folder, or NODE_PATH. Skipped without.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from recipec.source import Source
from recipec.syntax.lexer import scan
from recipec.syntax.tables import word_ends

HERE = Path(__file__).parent
TOP = HERE.parents[1]
RECIPES = sorted([*(TOP / "recipes").glob("*.recipe"), *(TOP / "tests" / "recipes").glob("*.recipe")])
NODE = shutil.which("node")
WANTED = {
    "COMMENT": ("comment.",),
    "STRING": ("string.quoted",),
    "BLOCK": ("string.", "meta.embedded"),
    "NUMBER": ("constant.numeric",),
    "PERCENT": ("constant.numeric",),
    "REGEX": ("string.regexp",),
    "QUOTED": ("variable.",),
}
"""By the lexer's kind of token, what a scope of it begins with."""
WORDS = ("keyword.", "constant.language", "storage.", "support.", "variable.other.property", "entity.")
"""What a keyword may be coloured as; one that is a setting's name (``when: 1``) is that."""


def ready() -> bool:
    if NODE is None:
        return False
    script = "require.resolve('vscode-textmate'); require.resolve('vscode-oniguruma')"
    return subprocess.run([NODE, "-e", script], cwd=HERE, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def coloured() -> dict[Path, list[list[str]]]:
    """For each recipe, the scopes of each character."""
    if not ready():
        pytest.skip("node, vscode-textmate and vscode-oniguruma are not all installed: npm install in tests/editors")
    assert NODE is not None
    command = [NODE, "highlight.js", *map(str, RECIPES)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    out: dict[Path, list[list[str]]] = {}
    for path, line in zip(RECIPES, done.stdout.splitlines(), strict=True):
        source = Source(str(path), path.read_text(encoding="utf-8"))
        scopes: list[list[str]] = [[] for _ in source.text]
        for number, start, end, names in json.loads(line):
            for offset in range(source.offset16(number, start), source.offset16(number, end)):
                scopes[offset] = names
        out[path] = scopes
    return out


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.parent.name}-{p.stem}")
def test_what_the_lexer_sees_is_what_the_editor_colours(path: Path, coloured: dict[Path, list[list[str]]]) -> None:
    text = path.read_text(encoding="utf-8")
    scopes = coloured[path]
    keywords = {terminal for terminal, _ in word_ends().values()}
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    for token in scan(Source(str(path), text)).tokens:
        if token.kind == "BLANK":
            continue
        inner = [scopes[i] for i in range(token.start, token.end) if not text[i].isspace()]
        wanted = WANTED.get(token.kind)
        if token.kind == "NAME" and token.word in keywords:
            wanted = (*WORDS, "variable.")
        elif wanted is None and not token.kind.isupper():
            wanted = (
                ("keyword.operator", "punctuation.", "storage.", "constant.")
                if token.text in ("==", "|>", "=>", "!=", "<=", ">=")
                else None
            )
        seen[token.kind] += 1
        if wanted is not None and not all(any(s.startswith(wanted) for s in names) for names in inner):
            line, column = Source("", text).place(token.start)
            wrong.append(f"{line}:{column} {token.kind} {token.text[:40]!r} is {inner[0]}")
        if token.kind == "NAME" and any(s.startswith(("comment.", "string.")) for names in inner for s in names):
            wrong.append(f"{Source('', text).place(token.start)} name {token.text!r} is {inner[0]}")
    assert wrong == []
    assert seen["NAME"] > 5


@pytest.mark.parametrize(
    ("recipe", "piece", "scope"),
    [
        ("clean 干净 from a { limit(3) }", "clean", "storage.type"),
        ("clean 干净 from a { limit(3) }", "干净", "entity.name"),
        ("clean 干净 from a { limit(3) }", "from", "keyword"),
        ("clean x from a { limit(3) }", "limit", "entity.name.function"),
        ("clean x from a { n = 85% }", "85%", "constant.numeric"),
        ("clean x from a { keep where t matches r/a\"b/i }", "r/a\"b/i", "string.regexp"),
        ("clean x from a { n = `odd \" column` + 1 }", "`odd \" column`", "variable"),
        ("clean x from a { t = \"a # b\" }", "\"a # b\"", "string.quoted"),
        ("clean x from a { n = 1 # \"b\n}", "# \"b", "comment"),
        ('sql q from a """select 1""" { key: n }', "key", "variable.other.property"),
        ("source a = csv(\"a.csv\", header: true)", "true", "constant.language"),
        ("clean x from a { t = b |> trim }", "|>", "keyword.operator"),
    ],
)  # fmt: skip
def test_pieces(recipe: str, piece: str, scope: str, tmp_path: Path) -> None:
    if not ready():
        pytest.skip("node, vscode-textmate and vscode-oniguruma are not all installed: npm install in tests/editors")
    assert NODE is not None
    path = tmp_path / "a.recipe"
    path.write_text(recipe, encoding="utf-8")
    done = subprocess.run([NODE, "highlight.js", str(path)], cwd=HERE, capture_output=True, text=True, check=True, timeout=60)
    at = recipe.index(piece)
    source = Source("a", recipe)
    for number, start, end, names in json.loads(done.stdout):
        low, high = source.offset16(number, start), source.offset16(number, end)
        if low < at + len(piece) and at < high and recipe[low:high].strip():
            assert any(s.startswith(scope) for s in names), (recipe[low:high], names)
