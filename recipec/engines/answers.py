"""What a model answered, held against the form that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recipec.api import Json, quote
from recipec.resolve.types import INTEGERS, struct_fields

FORM, CUT, REFUSED, EMPTY = "not of the asked form", "cut off", "refused", "empty"
"""Why an answer makes no row. ``cut off``: it reached ``max_tokens``; ``refused``: the server says that it, or the model, refuses."""
REFUSALS = frozenset({"refusal", "content_filter"})
_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.S)


@dataclass(frozen=True)
class Form:
    """The form of an answer: its fields and their types; none for a plain text. ``choices`` are the only values that a field, or each
    item of a field that is a list, may have. ``many``: a list of such answers."""

    types: Mapping[str, str]
    choices: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    many: bool = False

    @property
    def struct(self) -> str:
        return "STRUCT(" + ", ".join(f"{quote(n)} {t}" for n, t in self.types.items()) + ")"

    @property
    def schema(self) -> dict[str, Json]:
        """The JSON Schema; a list stands under ``items``, since servers want an object at the top."""
        one = json_schema(self.struct)
        for name, values in self.choices.items():
            place = one["properties"][name]
            (place["items"] if self.types[name].endswith("[]") else place)["enum"] = list(values)
        if not self.many:
            return one
        listed = {"items": {"type": "array", "items": one}}
        return {"type": "object", "properties": listed, "required": ["items"], "additionalProperties": False}

    def problem(self, item: Json) -> str:
        """What is wrong with an answer, or one of a list; empty where nothing is."""
        found = misfit(item, self.struct)
        if found:
            return found
        for name, values in self.choices.items():
            for value in item[name] if self.types[name].endswith("[]") else [item[name]]:
                if value not in values:
                    return f"`{name}` is {json.dumps(value, ensure_ascii=False)[:60]}, none of {', '.join(map(str, values))}"
        return ""


@dataclass
class Read:
    """What stands in an answer: ``items`` by their place, each as canonical JSON (or the text itself where no form is asked for), and what is
    wrong with it, or with single items of a list, as (reason, what is wrong, text)."""

    items: list[tuple[int, str]] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)


def read(text: str, finish: str, form: Form, keep_cut: bool = False) -> Read:
    """Read an answer. Nothing is mended: only a fence of three backticks around the whole is taken off. An item of a list that is not of the
    form leaves the others as they are. ``keep_cut`` takes a plain text that was cut off."""

    def wrong(reason: str, said: str = "") -> Read:
        return Read([], [(reason, said, text)])

    if finish in REFUSALS:
        return wrong(REFUSED)
    if finish == "length" and not (keep_cut and not form.types):
        return wrong(CUT, "it reached max_tokens")
    if not text.strip():
        return wrong(EMPTY)
    if not form.types:
        return Read([(0, text)])
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return wrong(FORM, "no JSON")
    if form.many and isinstance(value, dict) and list(value) == ["items"]:
        value = value["items"]
    items = value if form.many else [value]
    if not isinstance(items, list):
        return wrong(FORM, "no list")
    if not items:
        return wrong(EMPTY, "a list without items")
    made = Read()
    for place, item in enumerate(items):
        if said := form.problem(item):
            made.wrong.append((FORM, said, json.dumps(item, ensure_ascii=False) if form.many else text))
        else:
            made.items.append((place, json.dumps({n: item[n] for n in form.types}, ensure_ascii=False)))
    return made


def misfit(value: Json, type: str, where: str = "it") -> str:
    """What is wrong with a value of JSON that should be of a DuckDB type; empty where nothing is."""
    if type.endswith("[]"):
        if not isinstance(value, list):
            return f"{where} is no list"
        return next((p for i, v in enumerate(value) if (p := misfit(v, type[:-2], f"{where}[{i}]"))), "")
    fields = struct_fields(type)
    if fields:
        if not isinstance(value, dict):
            return f"{where} is no object"
        for name, inner in fields.items():
            if name not in value:
                return f"`{name}` is missing"
            if (problem := misfit(value[name], inner, f"`{name}`")) != "":
                return problem
        return ""
    if type == "JSON":
        return ""
    if type == "BOOLEAN":
        return "" if isinstance(value, bool) else f"{where} is not true or false"
    if type in INTEGERS:
        return "" if isinstance(value, int) and not isinstance(value, bool) else f"{where} is no whole number"
    if type in ("DOUBLE", "FLOAT") or type.startswith("DECIMAL"):
        return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{where} is no number"
    if type.startswith("MAP("):
        return "" if isinstance(value, dict) else f"{where} is no object"
    return "" if isinstance(value, str) else f"{where} is no text"


def json_schema(type: str) -> dict[str, Json]:
    """The JSON Schema of a DuckDB type."""
    if type.endswith("[]"):
        return {"type": "array", "items": json_schema(type[:-2])}
    fields = struct_fields(type)
    if fields:
        properties = {name: json_schema(inner) for name, inner in fields.items()}
        return {"type": "object", "properties": properties, "required": list(fields), "additionalProperties": False}
    if type == "BOOLEAN":
        return {"type": "boolean"}
    if type in INTEGERS:
        return {"type": "integer"}
    if type in ("DOUBLE", "FLOAT") or type.startswith("DECIMAL"):
        return {"type": "number"}
    if type == "JSON":
        return {}
    if type in FORMATS:
        return {"type": "string", "format": FORMATS[type]}
    return {"type": "object"} if type.startswith("MAP(") else {"type": "string"}


FORMATS = {"DATE": "date", "TIMESTAMP": "date-time", "TIME": "time", "UUID": "uuid"}


def unfit(con: Any, texts: Sequence[str], struct: str) -> dict[int, str]:
    """Places of answers whose values their types do not take (a date that is none, a number too large), and what the database says. They
    are found by halving: where all fit, which is the usual case, the database looks once."""
    import duckdb

    found: dict[int, str] = {}
    queue = [(0, len(texts))] if texts else []
    # What fails would end the transaction of the step.
    apart = con.cursor()
    while queue:
        start, end = queue.pop()
        try:
            apart.execute(f"SELECT count((t::JSON)::{struct}) FROM (SELECT unnest(?) AS t)", [list(texts[start:end])]).fetchall()
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            if end - start == 1:
                found[start] = str(error).strip().splitlines()[0].partition("Error: ")[2] or "its values are not of their types"
            else:
                middle = (start + end) // 2
                queue += [(start, middle), (middle, end)]
    apart.close()
    return found
