"""The parse tables: made by lark from ``grammar/recipe.lark``, kept as plain data, loaded without importing lark.

lark's LALR generator is the one authority on the grammar; running its tables takes a page of code
(:mod:`recipec.syntax.machine`), so a warm start neither imports lark (about 70 ms of CPU) nor unpickles anything. The
tables lie as JSON in the user's own cache folder: a damaged or foreign file is at worst ignored, and can never run code.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Any

from recipec.record import record

FORMAT = 3
"""Number of the layout of the cached data; part of the cache key."""

STARTS = ("start", "item", "block", "expr")
"""The symbols that a parse can begin with: a whole file, and the pieces that error recovery parses by themselves."""


class GrammarMissing(RuntimeError):
    """The installation is broken: ``recipe.lark`` is neither in the package nor in the repository."""


@record(frozen=True)
class Rule:
    """One production. ``action`` names the builder's method; ``splice`` the children that are lists to be laid flat."""

    origin: int
    action: str
    length: int
    passes: bool
    helper: bool
    splice: tuple[int, ...]


@record(frozen=True)
class Tables:
    """LALR(1) tables and terminals. Terminals that are literals are named by their text: ``"=>"``.

    ``actions[state][terminal]`` is the state to shift to, or ``-1 - n`` to reduce by rule ``n``.
    ``gotos[state][origin]`` is the state after reducing to that nonterminal.
    """

    rules: tuple[Rule, ...]
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[int, int], ...]
    starts: dict[str, int]
    ends: dict[str, int]
    terminals: tuple[tuple[str, str], ...]
    """(name, regular expression), in the order to try them; without the words of ``keywords``."""
    keywords: dict[str, tuple[str, str]]
    """word -> (terminal, regular expression that must match behind the word)."""


def grammar_path() -> Path:
    """Where the grammar lies: in a wheel beside the code, in an editable install at the repository's top."""
    package = Path(__file__).resolve().parents[1]
    for path in (package / "_grammar" / "recipe.lark", package.parent / "grammar" / "recipe.lark"):
        if path.is_file():
            return path
    raise GrammarMissing(f"recipe.lark is missing beside {package}; install recipec again")


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/recipec``, or ``~/.cache/recipec``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base and os.path.isabs(base) else Path.home() / ".cache"
    return home / "recipec"


@cache
def tables() -> Tables:
    """The tables, from the cache when it holds those of this grammar, else from lark (and then cached)."""
    grammar = grammar_path().read_bytes()
    key = blake2b(f"{FORMAT} {STARTS} ".encode() + grammar, digest_size=16).hexdigest()
    try:
        path = cache_folder() / f"grammar-{key}.json"
    except RuntimeError:  # no home folder to be found
        return _from_data(_generate(grammar.decode()))
    data = _read(path)
    if data is not None:
        try:
            return _from_data(data)
        except (LookupError, TypeError, ValueError):
            pass  # not what was written: as good as absent
    data = _generate(grammar.decode())
    _write(path, data)
    return _from_data(data)


def _ours(path: Path) -> bool:
    """Whether nobody but this user can have written ``path``."""
    if os.name != "posix":
        return True
    status = path.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _read(path: Path) -> Any:
    """The cached data, or None when absent, foreign or damaged."""
    try:
        if not (_ours(path.parent) and _ours(path)):
            return None
        digest, _, body = path.read_bytes().partition(b"\n")
        if digest != blake2b(body, digest_size=16).hexdigest().encode():
            return None
        return json.loads(body)
    except (OSError, ValueError):
        return None


def _write(path: Path, data: Any) -> None:
    """Put the data in place whole or not at all. A cache that cannot be written only costs time."""
    body = json.dumps(data, separators=(",", ":")).encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(path.parent):
            return
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(blake2b(body, digest_size=16).hexdigest().encode() + b"\n" + body)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
    except OSError:
        pass


def _from_data(data: Any) -> Tables:
    return Tables(
        rules=tuple(Rule(o, a, n, p, h, tuple(s)) for o, a, n, p, h, s in data["rules"]),
        actions=tuple(dict(zip(keys, codes, strict=True)) for keys, codes in data["actions"]),
        gotos=tuple(dict(zip(keys, codes, strict=True)) for keys, codes in data["gotos"]),
        starts=data["starts"],
        ends=data["ends"],
        terminals=tuple((name, pattern) for name, pattern in data["terminals"]),
        keywords={word: (name, tail) for word, name, tail in data["keywords"]},
    )


def _generate(grammar: str) -> dict[str, Any]:
    """Have lark make the tables, as plain data for JSON."""
    from lark import Lark
    from lark.grammar import Rule as LarkRule
    from lark.lexer import Lexer, PatternStr
    from lark.parsers.lalr_analysis import Shift

    class NoLexer(Lexer):
        """Keeps lark from checking and compiling lexers that nobody will run."""

        def __init__(self, conf: object) -> None:
            pass

        def lex(self, *_: Any) -> Any:
            raise NotImplementedError

    parser = Lark(grammar, parser="lalr", lexer=NoLexer, start=list(STARTS), maybe_placeholders=False)
    table = parser.parser.parser._parse_table  # no public name for it in lark 1.x

    literal = {t.name: t.pattern.value for t in parser.terminals if isinstance(t.pattern, PatternStr)}
    keywords, terminals = [], []
    for terminal in sorted(parser.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name)):
        pattern, word = terminal.pattern.to_regexp(), terminal.name.lower()
        if pattern.startswith(word):
            keywords.append((word, terminal.name, pattern.removeprefix(word)))
        else:
            terminals.append((literal.get(terminal.name, terminal.name), pattern))

    origins: dict[str, int] = {}
    numbers: dict[LarkRule, int] = {rule: number for number, rule in enumerate(parser.rules)}
    rules = []
    for rule in parser.rules:
        names = [symbol.name for symbol in rule.expansion]
        origin = rule.origin.name
        rules.append(
            (
                origins.setdefault(origin, len(origins)),
                rule.alias or origin,
                len(names),
                bool(rule.options.expand1 and len(names) == 1 and not rule.alias),
                origin.startswith("_"),
                [i for i, s in enumerate(rule.expansion) if not s.is_term and s.name.startswith("_")],
            )
        )
    for start in STARTS:  # lark's rules for its own start symbols are not among the grammar's
        origins.setdefault(start, len(origins))
    # lark numbers its states differently in every process; here they are numbered by how they are reached
    order = [table.start_states[start] for start in STARTS]
    renumber = {state: number for number, state in enumerate(order)}
    for state in order:
        for _, (action, argument) in sorted(table.states[state].items(), key=itemgetter(0)):
            if action is Shift and argument not in renumber:
                renumber[argument] = len(order)
                order.append(argument)
    actions: list[tuple[list[str], list[int]]] = []
    gotos: list[tuple[list[int], list[int]]] = []
    for state in order:
        keys: list[str] = []
        codes: list[int] = []
        gokeys: list[int] = []
        gocodes: list[int] = []
        for symbol, (action, argument) in sorted(table.states[state].items(), key=itemgetter(0)):
            if action is not Shift:
                keys.append(literal.get(symbol, symbol))
                codes.append(-1 - numbers[argument])
            elif symbol in origins:
                gokeys.append(origins[symbol])
                gocodes.append(renumber[argument])
            else:
                keys.append(literal.get(symbol, symbol))
                codes.append(renumber[argument])
        actions.append((keys, codes))
        gotos.append((gokeys, gocodes))
    return {
        "rules": rules,
        "actions": actions,
        "gotos": gotos,
        "starts": {name: renumber[table.start_states[name]] for name in STARTS},
        "ends": {name: renumber[table.end_states[name]] for name in STARTS},
        "terminals": terminals,
        "keywords": keywords,
    }


@cache
def scanner() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """One regular expression for every terminal that is no word, and the terminal of each of its groups."""
    names = tables().terminals
    return re.compile("|".join(f"({pattern})" for _, pattern in names)), tuple(name for name, _ in names)


@cache
def word_ends() -> dict[str, tuple[str, re.Pattern[str]]]:
    """word -> (terminal, compiled pattern of what must stand behind it)."""
    return {word: (name, re.compile(tail)) for word, (name, tail) in tables().keywords.items()}
