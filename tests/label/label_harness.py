"""Literate tests of label steps: Markdown with data, recipes and what they give; and a model that answers from a list.

````
```data NAME        a file beside the recipes below it
```recipe           a recipe, run with one thread, and again with two on the files with their lines the other way round
```is QUERY         rows that the query gives, ``|`` between values; the answer to the recipe above
```says STEP        notes that the step must give, a line each, as a part of one
```dropped STEP     reason: count
```fails STEP       the step's error, as a part of it
```recipe wrong     a recipe that does not check: ``# MESSAGE`` at the end of a line is part of an error there, and there are no others
````
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipec.api import Json, ModelFacts, Settings
from recipec.models._base import Model, ModelSettings, Opening, Provider
from recipec.models.requests import Answer, Failure, Request
from recipec.registry import announce

_BLOCK = re.compile(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", re.M | re.S)


@dataclass
class Case:
    """A recipe with what is expected of it, and the files before it."""

    name: str
    text: str
    wrong: bool
    files: Mapping[str, str]
    wanted: list[tuple[str, str, str]] = field(default_factory=list)


def cases(path: Path) -> list[Case]:
    files: dict[str, str] = {}
    out: list[Case] = []
    text = path.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        form, rest, body = block[1], (block[2] or "").strip(), block[3]
        if form == "data":
            files[rest] = body
        elif form == "recipe":
            line = text.count("\n", 0, block.start()) + 1
            out.append(Case(f"{path.stem}:{line}", body, rest == "wrong", dict(files)))
        else:
            out[-1].wanted.append((form, rest, body.strip("\n")))
    return out


def other_way_round(name: str, text: str) -> str:
    """A file with its rows in the opposite order."""
    lines = text.splitlines(keepends=True)
    return "".join([lines[0], *reversed(lines[1:])]) if name.endswith((".csv", ".tsv")) else text


# A model that answers from a list

ANSWERS: dict[str, Sequence[str]] = {}
"""What ``canned()`` answers to a prompt, one text a sample; ``!`` fails, and a text that ends in an ellipsis was cut off."""


class CannedParams(Settings):
    does: str = "complete"


class Canned(Provider):
    """Answers prompts from :data:`ANSWERS`, and any other with ``?``."""

    Params = CannedParams
    name = "canned"

    def facts(self, settings: ModelSettings) -> ModelFacts:
        return ModelFacts(provider="canned", name="canned", does=frozenset({self.params.does}))

    def meaning(self) -> Mapping[str, Json]:
        return {}

    def open(self, opening: Opening) -> Model:
        return CannedModel()


class CannedModel(Model):
    name = "canned"

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        # In no order, as a server would.
        for request in sorted(requests, key=lambda r: r.id[::-1]):
            prompt = request.prompt if request.prompt is not None else request.messages[-1].content if request.messages else ""
            said = ANSWERS.get(prompt, "?")
            text = said if isinstance(said, str) else said[request.sample % len(said)]
            if text == "!":
                yield request.id, Failure("timeout", "no answer in 1 s", 1)
            else:
                yield request.id, Answer(text.rstrip("…"), "length" if text.endswith("…") else "stop", None, None, None, "canned", "")


announce("provider", "canned", Canned)


def shown(value: Any) -> str:
    """A value as the tests write it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + " ".join(shown(v) for v in value) + "]"
    return str(value)
