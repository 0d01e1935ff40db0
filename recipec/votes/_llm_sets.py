"""What a language model's answer means where it names several things: classes of a row, or entities among its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipec.votes._answers import Reader
from recipec.votes._base import Mode, Tagging, Voting
from recipec.votes._tally import Lists, Spans

if TYPE_CHECKING:
    from recipec.models._base import Model
    from recipec.models.requests import Failure

NONE = frozenset({"none", "nothing", "no class", "n/a", "无", "没有", "无类别"})
"""Answers that name no class, and mean it."""


def schema(mode: Mode, classes: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of an answer. Servers want an object at the top."""
    one: dict[str, Any] = {"type": "string", "enum": list(classes)}
    name = "labels"
    if mode == "tags":
        name = "entities"
        one = {
            "type": "object", "properties": {"text": {"type": "string"}, "tag": one}, "required": ["text", "tag"], "additionalProperties": False,
        }  # fmt: skip
    return {
        "type": "object", "properties": {name: {"type": "array", "items": one}}, "required": [name], "additionalProperties": False,
    }  # fmt: skip


def collector(voting: Voting) -> Lists | Spans:
    return Spans(voting) if isinstance(voting, Tagging) else Lists(voting)


def asked(
    model: Model,
    voting: Voting,
    requests: Any,
    keys: Sequence[str],
    form: Any,
    words: Mapping[str, str],
    into: Lists | Spans,
    progress: Any,
) -> None:
    """Ask, read the answers and put them into ``into``: what is in more than half of a row's answers stands."""
    from recipec.models.requests import Failure

    read = Reader(voting.classes, words)
    rows: dict[str, tuple[int, list[str]]] = {}
    if isinstance(voting, Tagging) and keys:
        found = voting.ctx.con.execute(
            f"SELECT _key::VARCHAR, n, tokens FROM {voting.rows} WHERE _key BETWEEN ?::UUID AND ?::UUID", [keys[0], keys[-1]]
        ).fetchall()
        rows = {key: (n, tokens) for key, n, tokens in found}
    answers: dict[str, list[frozenset[Any]]] = {}
    failures: dict[str, Failure] = {}
    for key, answer in model.answers(requests, schema=form, progress=progress):
        if isinstance(answer, Failure):
            failures[key] = answer
            continue
        text = answer.text if answer.finish != "length" else f"{answer.text} (cut off)"
        made: frozenset[Any] | None
        # A list that was cut off is no answer: what it does not name may have been to come.
        if answer.finish == "length":
            made = None
        elif isinstance(voting, Tagging):
            made = entities(answer.text, rows[key][1], read, into) if key in rows else frozenset()
        else:
            made = classes(answer.text, read, into)
        if made is None:
            into.odd(text)
        else:
            answers.setdefault(key, []).append(made)
    for key in keys:
        said = answers.get(key)
        if said is None:
            if key in failures:
                into.fail(key, failures[key].kind, failures[key].message)
            continue
        counts: dict[Any, int] = {}
        for one in said:
            for item in one:
                counts[item] = counts.get(item, 0) + 1
        kept = sorted(item for item, n in counts.items() if 2 * n > len(said))
        if isinstance(into, Lists):
            into.add(key, kept, [counts.get(c, 0) / len(said) for c in range(len(voting.classes))])
        elif key in rows:
            into.add(rows[key][0], kept)


def classes(text: str, read: Reader, into: Lists | Spans) -> frozenset[int] | None:
    """The classes that an answer names; None where it says nothing that can be understood."""
    from recipec.labels.spans import listed

    if text.strip().strip(".。").casefold() in NONE:
        return frozenset()
    names = listed(text)
    if names is None:
        return None
    codes = [read.named(n) for n in names]
    strangers = [n for n, c in zip(names, codes, strict=True) if c is None]
    known = frozenset(c for c in codes if c is not None)
    if strangers and not known:
        # Not a list with strange names in it, but a sentence.
        code = read(text)
        return frozenset({code}) if code is not None else None
    for name in strangers:
        into.odd(name)
    return known


def entities(text: str, tokens: Sequence[str], read: Reader, into: Lists | Spans) -> frozenset[tuple[int, int, int]] | None:
    """The entities that an answer names, as (start, stop, tag); None where it is no list of them."""
    from recipec.labels.spans import answered, located

    said = answered(text)
    if said is None:
        return None
    known: list[tuple[str, int]] = []
    for name, tag in said:
        code = read.named(tag)
        if code is None:
            into.odd(tag)
        else:
            known.append((name, code))
    places, lost = located(tokens, known)
    for name in lost:
        into.odd(name)
    return frozenset(places)
