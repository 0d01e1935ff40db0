"""What a label step gives its rows: one class, several, or a tag for every token; and what that asks of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import Schema
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, DuplicateName, MissingSetting, WrongForm, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree
from recipec.votes._base import SAID, Mode

if TYPE_CHECKING:
    from recipec.steps.label import LabelSettings

RESULTS: dict[Mode, dict[str, str]] = {
    "class": {"": "VARCHAR", "_confidence": "DOUBLE", "_votes": "MAP(VARCHAR, VARCHAR)"},
    "many": {"": "VARCHAR[]", "_confidence": "DOUBLE[]", "_votes": "MAP(VARCHAR, VARCHAR[])"},
    "tags": {"": "VARCHAR[]", "_confidence": "DOUBLE", "_votes": "MAP(VARCHAR, VARCHAR[])"},
}
"""The columns that a step adds: what follows its name, and the type."""
OUTSIDE = "O"


def written(bind: StepBinder, name: str) -> tree.Expr | None:
    """What the recipe writes for a setting."""
    found: tree.Expr | None = next((s.value for s in bind.statements(tree.Setting) if s.key.id == name), None)
    return found


def mode_of(bind: StepBinder, settings: LabelSettings | None) -> Mode:
    """The mode, also where other settings are wrong. Reports settings that do not go together."""
    tags, many = written(bind, "tags"), written(bind, "many")
    if tags is not None:
        for other in ("classes", "many"):
            node = written(bind, other)
            if node is not None and not (isinstance(node, tree.Bool) and not node.value):
                message = f"`tags` and `{other}` do not go together: a step labels tokens, or rows"
                bind.report(WrongForm(span=node.span, message=message, help=("make two label steps",)))
        return "tags"
    if written(bind, "tokens") is not None:
        node = written(bind, "tokens")
        assert node is not None
        bind.report(WrongForm(span=node.span, message="`tokens` is for steps with tags", help=('tags: ["PER", "LOC", "ORG"]',)))
    wanted = settings.many if settings is not None else many is not None and not (isinstance(many, tree.Bool) and not many.value)
    return "many" if wanted else "class"


def names_of(bind: StepBinder, settings: LabelSettings | None, mode: Mode) -> tuple[str, ...] | None:
    """The classes, or the types of tags, that the step declares. Reports names that cannot be."""
    setting = "tags" if mode == "tags" else "classes"
    given = getattr(settings, setting) if settings is not None else None
    node = written(bind, setting)
    if given is None or node is None:
        return None
    names = [str(c) for c in given]
    what = "tag" if mode == "tags" else "class"
    again = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if again is not None:
        bind.report(DuplicateName(span=node.span, message=f'the {what} "{again}" is listed twice'))
    elif mode == "tags" and not names:
        bind.report(BadValue(span=node.span, message="there must be a tag", help=('tags: ["PER", "LOC", "ORG"]',)))
    elif mode == "class" and len(names) < 2:
        bind.report(BadValue(span=node.span, message="a label needs two classes at least", help=('classes: ["spam", "ham"]',)))
    elif mode == "many" and not names:
        bind.report(BadValue(span=node.span, message="there must be a class", help=('classes: ["urgent", "billing"]',)))
    elif any(not n.strip() for n in names):
        bind.report(BadValue(span=node.span, message=f"a {what} needs a name"))
    elif mode == "tags":
        prefixed = next((n for n in names if n == OUTSIDE or (n[:2] in ("B-", "I-") and n[2:])), None)
        if prefixed is not None:
            types = list(dict.fromkeys(n[2:] if n[:2] in ("B-", "I-") else n for n in names if n != OUTSIDE))
            said = ", ".join(f'"{t}"' for t in types)
            help: tuple[str, ...] = (f"tags: [{said}]", "B-, I- and O are made from them")
            bind.report(BadValue(span=node.span, message=f'"{prefixed}" is a tag of a token; `tags` are the types of entities', help=help))
    return tuple(dict.fromkeys(names))


def token_column(bind: StepBinder, settings: LabelSettings | None, schema: Schema) -> str:
    """The column of tokens: the one named, ``tokens``, or the only list of texts beside the gold."""
    if settings is None:
        return "tokens"
    if settings.tokens is not None:
        if settings.tokens.type != "VARCHAR[]" and not schema.unknown:
            split = ('split it: tokens = string_split(text, " ")',)
            bind.report(
                WrongType(
                    span=settings.tokens.span, message=f"tokens are a list of texts; this is {shown(settings.tokens.type)}", help=split
                )
            )
        return settings.tokens.name
    lists = [c.name for c in schema.columns if c.type == "VARCHAR[]" and (settings.gold is None or c.name != settings.gold.name)]
    if "tokens" in lists or schema.unknown:
        return "tokens"
    if len(lists) != 1:
        hint: tuple[str, ...]
        there = f"lists of texts: {', '.join(f'`{n}`' for n in lists)}" if lists else "no column is a list of texts"
        hint = ("tokens: NAME", there) if lists else ('tokens = string_split(text, " ") in a clean step', there)
        bind.report(MissingSetting(span=bind.node.head, message="which column holds the tokens?", help=hint))
        return "tokens"
    return lists[0]


def check_gold(bind: StepBinder, settings: LabelSettings, mode: Mode) -> None:
    """Gold must be of the kind that the step gives."""
    if settings.calibrate is not None and settings.gold is None:
        node = written(bind, "calibrate")
        assert node is not None
        bind.report(MissingSetting(span=node.span, message="calibrating needs rows of known class", help=("gold: COLUMN",)))
    gold = settings.gold
    if gold is None or bind.schema.unknown:
        return
    listed = gold.type.endswith("[]")
    if mode == "class" and listed:
        help = ("many: true, for rows of several classes",)
        bind.report(WrongType(span=gold.span, message=f"gold is a class a row; `{gold.name}` is {shown(gold.type)}", help=help))
    elif mode != "class" and gold.type != "VARCHAR[]":
        what = "a list of tags, one a token" if mode == "tags" else "a list of classes"
        mend = (f"make it in a clean step: {gold.name} = [{gold.name}]",) if mode == "many" and gold.type == "VARCHAR" else ()
        bind.report(WrongType(span=gold.span, message=f"gold is {what}; `{gold.name}` is {shown(gold.type)}", help=mend))


def cannot_vote(bind: StepBinder, span: Any, what: str, modes: Sequence[Mode], mode: Mode) -> None:
    """Report a voter that does not vote in such a step."""
    help = {
        "tags": 'vote gazetteer(t.name, tag: "PER"), vote pattern(r/.../, tag: "ORG"), vote llm(...), vote classifier(m), vote plugin(...)',
        "many": "rules, vote keywords(...), vote llm(...), vote classifier(m), vote crowd(...), vote plugin(...)",
        "class": "it votes in a step with `tags`",
    }[mode]
    message = f"{what} gives {' or '.join(SAID[m] for m in modes)}; this step wants {SAID[mode]}"
    bind.report(WrongForm(span=span, message=message, help=(help,)))
