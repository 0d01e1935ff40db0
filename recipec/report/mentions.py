"""Settings, arguments, and the words and calls that these take, by their names: what ``recipec docs accept`` says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recipec.report.cells import wrap
from recipec.report.reference import ONE, REST, TITLES, Entry, Param, call_signature, entries, fields
from recipec.report.terminal import Terminal

SAID_AT_LENGTH = 4
"""Places of a name that are told with the text about them; of more, each is a line."""
LISTED = 24
"""Lines that are shown."""


@dataclass(frozen=True)
class Mention:
    """``name`` is ``what`` (``setting of label``). ``takes`` and ``default`` as a recipe writes them; ``said`` is what the page of ``page``
    says of it."""

    name: str
    what: str
    page: str
    takes: str = ""
    default: str | None = None
    said: str = ""


def mentions(name: str) -> list[Mention]:
    """All that is called ``name`` and is no entry of the reference itself."""
    found = [m for m in every() if m.name == name]
    # Of one setting the plain mention says more than that of its values.
    return sorted(found, key=lambda m: not m.what.startswith("setting"))


def every() -> Iterator[Mention]:
    from recipec.registry import find
    from recipec.resolve.modules import HeaderSettings

    for group in TITLES:
        for e in entries(group):
            owner = e.name if group == "step" else f"{ONE[group]} {e.name}"
            yield from of_params(e.params, "setting" if group == "step" else "argument", owner, e)
            for choice in e.choices:
                where = f"{choice.setting}: of {owner}"
                yield Mention(
                    choice.name, f"choice for {where}", e.name, call_signature(choice.name, choice.params), None, about(e, choice.name)
                )
                yield from of_params(choice.params, "argument", f"{choice.setting}: {choice.name}(...) of {owner}", e)
            cls: Any = find(group, e.name)
            blocks: dict[str, Any] = dict(cls.blocks) if group == "step" else {}
            for block, model in blocks.items():
                yield Mention(block, f"block of {owner}", e.name, f"{block} {{ ... }}", None, about(e, block))
                yield from of_params(fields(model)[0], "setting", f"{block} {{ ... }} of {owner}", e)
    for p in fields(HeaderSettings)[0]:
        yield Mention(p.name, "setting of the head, recipe", "recipe", p.type, p.default, p.doc)


def of_params(params: Sequence[Param], what: str, owner: str, e: Entry) -> Iterator[Mention]:
    for p in params:
        if p.name == REST:
            continue
        yield Mention(p.name, f"{what} of {owner}", e.name, p.type, p.default, p.doc or about(e, p.name))
        for word in p.type.partition(",")[0].strip("[]").split(" | "):
            if word.isidentifier() and word not in TYPES:
                yield Mention(word, f"value of {p.name}: of {owner}", e.name, "", None, p.doc or about(e, p.name))


TYPES = frozenset(
    ["text", "int", "number", "expression", "column", "step", "model", "anything", "call", "name", "true", "false", "nothing"]
)
"""Words of :func:`recipec.report.reference.type_words` that are no values."""


def about(e: Entry, name: str) -> str:
    """What the page of an entry says of a name: the item of a list of terms, or the paragraphs that name it."""
    term = re.search(rf"^( *)``{re.escape(name)}``\n((?:\1 +\S.*\n?)+)", e.doc, re.MULTILINE)
    if term is not None:
        return " ".join(term[2].split())
    named = re.compile(rf"`{re.escape(name)}[`:(]|`{re.escape(name)}: ")
    prose = re.sub(r"```.*?```", "", e.doc, flags=re.DOTALL)
    return "\n\n".join(filter(None, (sentences(" ".join(p.split()), named) for p in prose.split("\n\n"))))


def sentences(paragraph: str, named: re.Pattern[str]) -> str:
    """A whole paragraph that begins with the name; of another the sentences that have it."""
    if named.search(paragraph[:40]):
        return paragraph
    return " ".join(s for s in re.split(r"(?<=[.;:]) (?=[A-Z`])", paragraph) if named.search(s))


def mentions_page(found: Sequence[Mention], terminal: Terminal) -> str:
    """The places of a name, each with what it takes and what is said of it; of many places a line each."""
    room = min(terminal.width, 100)
    pages = list(dict.fromkeys(m.page for m in found))
    last = f"recipec docs {', '.join(pages[:SAID_AT_LENGTH])}{', ...' if len(pages) > SAID_AT_LENGTH else ''} says more"
    out: list[str] = []
    if len(found) > SAID_AT_LENGTH:
        out.append(terminal.paint("bold", found[0].name))
        for m in found[:LISTED]:
            out += [f"  {line}" for line in wrap(": ".join(filter(None, (m.what, taken(m)))), room - 2)]
        out += [f"  (+{len(found) - LISTED} more)"] if len(found) > LISTED else []
        return "\n".join([*out, "", last]) + "\n"
    for m in found:
        out.append(f"{terminal.paint('bold', m.name)}   {m.what}")
        out += [f"  {line}" for line in wrap(f"takes {taken(m)}", room - 2)] if m.takes else []
        for paragraph in filter(None, m.said.split("\n\n")):
            out += ["", *(f"  {line}" for line in wrap(paragraph.replace("``", "`"), room - 2))]
        out.append("")
    return "\n".join([*out, last]) + "\n"


def taken(m: Mention) -> str:
    return m.takes + ("" if m.default is None or not m.takes else f"; default {m.default}")


def mentions_markdown(found: Sequence[Mention]) -> str:
    parts = []
    for m in found:
        default = "" if m.default is None else f", default `{m.default}`"
        takes = f"takes `{m.takes}`{default}" if m.takes else ""
        parts.append("\n\n".join(filter(None, [f"### `{m.name}`: {m.what}", takes, m.said.replace("``", "`")])))
    return "\n\n".join(parts)


def mention_data(m: Mention) -> dict[str, Any]:
    return {"group": "setting", "name": m.name, "what": m.what, "page": m.page, "type": m.takes, "default": m.default, "doc": m.said}
