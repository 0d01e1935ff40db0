"""What may stand next on a command line, for completion in shells."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from recipec.cli import COMMON, all_verbs, load
from recipec.cli._parser import choice, made

if TYPE_CHECKING:
    from recipec.resolve.program import Program

Offer = tuple[str, str]
"""A word and what it is (may be empty)."""
RULES = frozenset({"--select", "--ignore"})


def offers(words: list[str], current: str) -> list[Offer]:
    """The words that can follow ``words`` and begin with ``current``. Nothing means: the shell's own idea, files."""
    # bash makes words of their own of `=`: --format = js
    if current == "=":
        current = ""
        words = [*words, "="]
    if words[-1:] == ["="]:
        words = words[:-1]
    option, equals, value = current.partition("=")
    joined = equals and option.startswith("--")
    found = [(f"{option}={word}", about) for word, about in after([*words, option], value)] if joined else after(words, current)
    # An operator of clean steps may have the name of one of augment steps.
    unique = {word: about for word, about in reversed(found) if word.startswith(current)}
    return list(reversed(unique.items()))


def after(words: list[str], current: str) -> list[Offer]:
    verb = next((w for i, w in enumerate(words) if not w.startswith("-") and words[i - 1 : i] != ["--color"]), None)
    if words[-1:] == ["--color"]:
        return [(w, "") for w in ("auto", "always", "never")]
    if verb is None:
        if current.startswith("-"):
            return [*((o, "") for o in COMMON), ("--version", ""), ("--help", "")]
        return [*((v, first_line(v)) for v in all_verbs()), ("help", "What a verb does")]
    if verb == "help":
        return [(v, "") for v in all_verbs()]
    if verb not in all_verbs():
        return []
    actions = made(verb, load(verb))._actions
    rest = words[words.index(verb) + 1 :]
    action = next((a for a in actions if rest and rest[-1] in a.option_strings and a.nargs != 0), None)
    if action is not None and (action.nargs != "?" or not current.startswith("-")):
        return list(values(action, rest, current))
    if current.startswith("-"):
        return [(s, (a.help or "").replace("%%", "%")) for a in actions for s in a.option_strings if s.startswith("--")]
    return list(positional(verb, actions, rest, current))


def first_line(verb: str) -> str:
    return (load(verb).__doc__ or "").split("\n", 1)[0].rstrip(".")


def values(action: argparse.Action, words: list[str], current: str) -> Iterator[Offer]:
    """What an option takes."""
    option = action.option_strings[0]
    if isinstance(action.type, choice):
        yield from ((n, "") for n in action.type.names)
    elif option in RULES:
        from recipec.report.rules import names

        done = current.rpartition(",")[0]
        yield from ((f"{done},{n}" if done else n, "") for n in names())
    elif (program := at_hand(words)) is not None:
        match option:
            case "--only":
                yield from ((e.name, e.node.kind.id) for e in program.entries.values())
            case "--set":
                yield from ((f"{name}=", "") for name in program.root.params)
            case "--render":
                yield from ((name, "") for name in program.root.templates)
            case _:
                return


def positional(verb: str, actions: Iterable[argparse.Action], words: list[str], current: str) -> Iterator[Offer]:
    """What a verb takes beside options: recipes, steps, rules, names of the reference."""
    place = next((a for a in actions if not a.option_strings), None)
    if place is None:
        return
    if isinstance(place.type, choice):
        yield from ((n, "") for n in place.type.names if n != "offer")
    if verb == "docs":
        from recipec.registry import names
        from recipec.report.reference import TITLES

        yield from ((n, group) for group in TITLES for n in names(group))
        return
    meta = str(place.metavar or "")
    if "STEP" in meta and (program := at_hand(words)) is not None:
        yield from steps(program)
    if "RULE" in meta:
        from recipec.report.rules import names as rule_names

        yield from ((n, "rule") for n in rule_names())
    if "recipe" in meta or meta == "FILES":
        yield from recipes(current)


def steps(program: Program) -> Iterator[Offer]:
    """The steps of a recipe and the parts of its splits."""
    from recipec.registry import find
    from recipec.syntax import tree

    for entry in program.entries.values():
        yield entry.name, entry.node.kind.id
        kind = find("step", entry.node.kind.id, plugins=False)
        if kind is not None and "shares" in kind.takes:
            for item in entry.node.body:
                if isinstance(item, tree.Setting) and item.key.id not in kind.Settings.model_fields:
                    yield f"{entry.name}.{item.key.id}", "part"


def recipes(current: str) -> Iterator[Offer]:
    """Recipes in the folder that is being typed, and the folders in it."""
    folder = os.path.dirname(current)
    try:
        with os.scandir(folder or ".") as entries:
            found = sorted((e.name, e.is_dir()) for e in entries if not e.name.startswith("."))
    except OSError:
        return
    for name, is_folder in found:
        if is_folder or name.endswith(".recipe"):
            yield os.path.join(folder, name) + ("/" if is_folder else ""), ""


def at_hand(words: Iterable[str]) -> Program | None:
    """The recipe named among the words, or the only one of the folder, as far as it can be read."""
    from recipec.cli import _files
    from recipec.cli._errors import CannotRun
    from recipec.cli._project import find_recipe
    from recipec.resolve.loading import load as load_recipe

    named = next((w for w in words if w.endswith(".recipe")), None)
    try:
        return load_recipe(_files.read(find_recipe(named)), offline=True)
    except CannotRun:
        return None
