"""The grammar itself: free of conflicts, and read alike by lark and by the machine that runs its tables."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from grow import Grower
from lark import Lark
from lark.exceptions import GrammarError, LexError, UnexpectedInput

from recipec.source import Source
from recipec.syntax import tables as tables_module
from recipec.syntax.machine import Stuck, TooDeep, expected
from recipec.syntax.parse import accepts, parse
from recipec.syntax.recover import Parser
from recipec.syntax.tables import STARTS, cache_folder, grammar_path, tables

GRAMMAR = grammar_path().read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lark() -> Lark:
    """Strict: a conflict of rules, or of terminals of one priority, is an error."""
    return Lark(GRAMMAR, parser="lalr", start=list(STARTS), strict=True, maybe_placeholders=False)


def test_no_conflicts(lark: Lark) -> None:
    assert {rule.origin.name for rule in lark.rules} >= {"step", "expr", "block"}


@pytest.mark.parametrize(
    "change",
    [
        ("?concat: sum (", "?concat: sum | concat concat | sum ("),  # ambiguous rules
        ("COMMENT: /#", "OTHER: /#+[a-z]/\nstray: OTHER\nCOMMENT: /#"),  # overlapping terminals
    ],
)
def test_strict_mode_would_tell(change: tuple[str, str]) -> None:
    changed = GRAMMAR.replace(*change).replace("?item: header", "?item: header | stray" if "stray" in change[1] else "?item: header")
    with pytest.raises((GrammarError, LexError)):
        Lark(changed, parser="lalr", start=list(STARTS), strict=True, maybe_placeholders=False)


def lark_takes(lark: Lark, text: str) -> bool:
    try:
        lark.parse(text, start="start")
    except UnexpectedInput:
        return False
    return True


def machine_takes(text: str) -> bool:
    """As the tables say, without any of the repairs."""
    from recipec.syntax.lexer import TRIVIA, scan

    source = Source("x", text)
    lexed = scan(source)
    if lexed.diagnostics:
        return False
    parser = Parser(source, tables(), [], [])
    try:
        parser.run([token for token in lexed.tokens if token.kind not in TRIVIA], "start")
    except (Stuck, TooDeep):
        return False
    return not any(d.name in ("equals-for-comparison", "foreign-word") for d in parser.diagnostics)


@pytest.mark.parametrize("seed", range(60))
def test_machine_is_lark(lark: Lark, seed: int) -> None:
    grower = Grower(seed, size=15)
    text = grower.laid(grower.file())
    assert lark_takes(lark, text)
    assert machine_takes(text)
    damaged = grower.damaged(text)
    if "--" not in damaged and "\0" not in damaged and "/*" not in damaged:
        assert lark_takes(lark, damaged) == machine_takes(damaged)


def test_words_of_the_grammar_are_lower_case() -> None:
    assert all(word == word.lower() and terminal == word.upper() for word, (terminal, _) in tables().keywords.items())


# The cache of the tables


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tables.cache_clear()
    yield tmp_path / "recipec"
    tables.cache_clear()


def the_file(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def test_cache_is_private_and_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tables()
    assert cache_folder() == cache
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(the_file(cache).stat().st_mode) == 0o600

    def never(grammar: str) -> dict[str, object]:
        raise AssertionError("the tables were made again")

    monkeypatch.setattr(tables_module, "_generate", never)
    tables.cache_clear()
    assert tables() == first


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "another shape"])
def test_damaged_cache_is_made_again(cache: Path, damage: str) -> None:
    first = tables()
    path = the_file(cache)
    whole = path.read_bytes()
    if damage == "another shape":
        from hashlib import blake2b

        body = json.dumps({"rules": 3}).encode()
        path.write_bytes(blake2b(body, digest_size=16).hexdigest().encode() + b"\n" + body)
    else:
        path.write_bytes({"truncated": whole[:5000], "altered": whole.replace(b"KEEP", b"KEEQ"), "empty": b""}[damage])
    tables.cache_clear()
    assert tables() == first
    assert path.read_bytes() == whole


def test_cache_that_others_can_write_is_not_read(cache: Path) -> None:
    first = tables()
    path = the_file(cache)
    path.write_bytes(b"nonsense")
    cache.chmod(0o777)
    tables.cache_clear()
    assert tables() == first
    assert path.read_bytes() == b"nonsense"


def test_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipec").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tables.cache_clear()
    assert tables().rules
    tables.cache_clear()


def test_warm_start_does_not_import_lark() -> None:
    import subprocess
    import sys

    tables()
    code = (
        "import sys\nfrom recipec.source import Source\nfrom recipec.syntax.format import format_source\n"
        "format_source(Source('x', 'clean a from b { limit(3) }'))\n"
        "print([m for m in ('lark', 'pydantic', 'duckdb', 'tempfile') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


# Completion


@pytest.mark.parametrize(
    ("text", "words", "name", "value"),
    [
        ("", {"recipe", "import", "param", "def", "template", "repeat"}, True, False),
        ("clean tidy ", {"from"}, True, False),
        ("clean tidy from raw { ", {"keep", "drop", "when", "expect", "vote"}, True, False),
        ("clean tidy from raw { ke", {"keep", "drop"}, True, False),
        ("clean tidy from raw { keep ", {"where"}, False, False),
        ("clean tidy from raw { keep where ", {"not", "case", "true", "null"}, True, True),
        ("clean tidy from raw { keep where a ", {"and", "or", "in", "like", "is", "between", "matches", "as"}, True, False),
        ("clean broken from { from\n\nclean tidy from raw { x = case ", {"when"}, True, True),
    ],
)
def test_accepts(text: str, words: set[str], name: bool, value: bool) -> None:
    answer = accepts(Source("x", text + "nonsense after }{"), len(text))
    assert not {"then", "else", "end", "until"} & set(answer.words)
    assert words <= set(answer.words)
    assert (answer.name, answer.value) == (name, value)


def test_accepts_no_words_that_would_be_names() -> None:
    text = "clean tidy from raw { "
    assert accepts(Source("x", text), len(text)).words == ("drop", "expect", "keep", "vote", "when")


def test_accepts_gives_the_half_word() -> None:
    assert accepts(Source("x", "clean tidy fr"), 13).typed == "fr"


def test_accepts_nothing_in_what_is_broken() -> None:
    assert accepts(Source("x", "clean tidy from raw { = = "), 26).words == ()


def test_expected_is_what_the_parser_takes() -> None:
    """Every terminal that is said to come next does."""
    starting = expected(tables(), [tables().starts["start"]])
    samples = {"NAME": "x", "QUOTED": "`x`"}
    for kind in starting:
        text = samples.get(kind, kind.lower())
        _, diagnostics = parse(Source("x", text))
        assert all(d.span.start >= len(text) or d.name != "unexpected" for d in diagnostics), kind
