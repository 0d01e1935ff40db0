"""Running a generate step: prompts, answers, and the rows that they make."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.api import ORDER, Json, StepFailed, quote
from recipec.engines.context import RunContext
from recipec.identity import derived_key
from recipec.resolve.types import INTEGERS, struct_fields

if TYPE_CHECKING:
    from recipec.models.requests import Request

CHUNK = 20_000
MANY = 1000
"""Items of one answer that get keys of their own; more are cut, and counted."""
_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.S)


@dataclass
class Made:
    """``table`` holds the rows made: ``_key``, ``_parent``, the input's columns and the answer's."""

    table: str
    rows: int
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spent: dict[str, Json] = field(default_factory=dict)


def generated(plan: Any, ctx: RunContext) -> Made:
    """Ask about every row, and put the answers into a table."""
    from recipec.models._base import spending
    from recipec.models.requests import Failure

    source = ctx.relation(ctx.step.inputs[0])
    model = ctx.model(plan.model)
    rows = ctx.rows(ctx.step.inputs[0])
    answers, made = ctx.temp("answers"), Made(ctx.temp("generated"), rows)
    ctx.con.execute(f"CREATE TEMP TABLE {answers} (_key UUID, n BIGINT, a VARCHAR)")
    prompts = ctx.temp("prompts")
    ctx.execute(
        f"CREATE TEMP TABLE {prompts} AS SELECT row_number() OVER (ORDER BY _key) - 1 AS n, _key::VARCHAR AS k, p FROM "
        f"(SELECT _key, {plan.prompt} AS p FROM {source}) WHERE p IS NOT NULL"
    )
    total = int(ctx.one(f"SELECT count(*) FROM {prompts}")[0])
    schema = asked_of(plan)
    expected = ctx.quote(model)
    if expected is not None:
        for part in blocks(ctx, prompts, total):
            count(plan, expected, part)
        ctx.agree(expected.estimate(""))
    before = dict(model.spent())
    bad: list[tuple[str, str]] = []
    failed = cut = 0
    start = 0
    for part in blocks(ctx, prompts, total):
        keys, places, texts = [], [], []
        done = 0
        for id, outcome in model.answers(requests(part, plan.samples), schema=schema):
            done += 1
            if done % 16 == 0:
                ctx.progress((start + done / plan.samples) / total, model.telling())
            key, _, sample = id.rpartition("/")
            if isinstance(outcome, Failure):
                failed += 1
                bad.append((outcome.kind, outcome.message))
                continue
            found, problem = read(outcome.text, outcome.finish, plan.answers.types, plan.answers.many)
            if found is None:
                bad.append((f"not of the asked form: {problem}", outcome.text))
                continue
            cut += max(0, len(found) - MANY)
            for place, item in enumerate(found[:MANY]):
                keys.append(key)
                places.append(int(sample) * MANY + place)
                texts.append(item)
        put(ctx, answers, keys, places, texts)
        start += len(part)
    asked = total * plan.samples
    if failed > plan.max_failed * max(asked, 1):
        kind, message = next(b for b in bad if not b[0].startswith("not of"))
        raise StepFailed(
            f"{failed:,} of {asked:,} prompts got no answer from `{plan.model}`: {kind}: {message}",
            "what was answered is kept: run again to ask for the rest, or raise `max_failed`",
        )
    if bad:
        ctx.set_aside(f"model {plan.model}", bad)
    joined(plan, ctx, source, answers, made.table)
    if failed:
        made.dropped["no answer"] = failed
    if len(bad) > failed:
        made.dropped["not of the asked form"] = len(bad) - failed
        made.notes.append(f"{len(bad) - failed:,} answers are not of the asked form: recipec bad {ctx.step.name}")
    if cut:
        made.notes.append(f"{cut:,} items beyond the first {MANY:,} of an answer are left out")
    if rows > total:
        made.dropped["no prompt"] = rows - total
    made.notes.extend(f"{plan.model}: {n}" for n in model.notices())
    made.spent = spending(before, model.spent())
    return made


def blocks(ctx: RunContext, prompts: str, rows: int) -> Iterator[list[tuple[str, Any]]]:
    """(key, prompt), so many at a time."""
    for start in range(0, rows, CHUNK):
        yield ctx.con.execute(f"SELECT k, p FROM {prompts} WHERE n BETWEEN {start} AND {start + CHUNK - 1} ORDER BY n").fetchall()


def asked_of(plan: Any) -> Json | None:
    """The JSON Schema that is asked of an answer."""
    return schema_of(plan.answers.types, plan.answers.many) if plan.answers.types and plan.constrain else None


def count(plan: Any, quote: Any, part: Sequence[tuple[str, Any]]) -> None:
    """Add what is asked for these rows to a quote."""
    quote.add(requests(part, plan.samples), schema=asked_of(plan))


def requests(part: Sequence[tuple[str, Any]], samples: int) -> Iterator[Request]:
    from recipec.models.requests import Request

    for sample in range(samples):
        for key, prompt in part:
            yield Request.of(f"{key}/{sample}", prompt, sample)


def put(ctx: RunContext, table: str, keys: Sequence[str], places: Sequence[int], texts: Sequence[str]) -> None:
    import pyarrow as pa

    columns: dict[str, Any] = {"k": pa.array(keys, pa.string()), "n": pa.array(places, pa.int64()), "a": pa.array(texts, pa.string())}
    ctx.con.register("__generated", pa.table(columns))
    try:
        ctx.con.execute(f"INSERT INTO {table} SELECT k::UUID, n, a FROM __generated")
    finally:
        ctx.con.unregister("__generated")


def joined(plan: Any, ctx: RunContext, source: str, answers: str, table: str) -> None:
    """The rows of the input with their answers."""
    fields = plan.answers.types
    if fields:
        shape = "STRUCT(" + ", ".join(f"{quote(n)} {t}" for n, t in fields.items()) + ")"
        given = f"(SELECT _key, n, (a::JSON)::{shape} AS a FROM {answers})"
        made = {name: f"a.a.{quote(name)}" for name in fields}
    else:
        given, made = answers, {plan.column: "a.a"}
    if plan.rows:
        key = derived_key("s._key", "generate", "a.n")
        hidden = [f"{key} AS _key", "s._key AS _parent"]
    else:
        hidden = ["s._key", "s._parent"]
    hidden += [f"s.{ORDER}"] if plan.source.ordered else []
    listed = [f"{made[c.name]} AS {quote(c.name)}" if c.name in made else f"s.{quote(c.name)}" for c in plan.given.columns]
    ctx.execute(
        f"CREATE TEMP TABLE {table} AS SELECT {', '.join([*hidden, *listed])} FROM {source} AS s JOIN {given} AS a ON s._key = a._key"
    )


# Answers --------------------------------------------------------------------------------------------------------------


def read(text: str, finish: str, types: Mapping[str, str], many: bool) -> tuple[list[str] | None, str]:
    """The items of an answer, each as canonical JSON (or the text itself where no form is asked for); or None and what is wrong.

    Nothing is mended: only a fence of three backticks around the whole is taken off."""
    if not types:
        return [text], ""
    if finish == "length":
        return None, "it was cut off"
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except ValueError:
        return None, "no JSON"
    if many and isinstance(value, dict) and list(value) == ["items"]:
        # Servers want an object at the top: the schema asks for the list under this name.
        value = value["items"]
    items = value if many else [value]
    if not isinstance(items, list):
        return None, "no list"
    for item in items:
        problem = misfit(item, "STRUCT(" + ", ".join(f"{quote(n)} {t}" for n, t in types.items()) + ")")
        if problem:
            return None, problem
    return [json.dumps({n: item[n] for n in types}, ensure_ascii=False) for item in items], ""


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
    if type == "BOOLEAN":
        return "" if isinstance(value, bool) else f"{where} is not true or false"
    if type in INTEGERS:
        return "" if isinstance(value, int) and not isinstance(value, bool) else f"{where} is no whole number"
    if type in ("DOUBLE", "FLOAT") or type.startswith("DECIMAL"):
        return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{where} is no number"
    if type.startswith("MAP("):
        return "" if isinstance(value, dict) else f"{where} is no object"
    return "" if isinstance(value, str) else f"{where} is no text"


def schema_of(types: Mapping[str, str], many: bool) -> dict[str, Json]:
    """The JSON Schema of an answer; a list stands under ``items``, since servers want an object at the top."""
    one = json_schema("STRUCT(" + ", ".join(f"{quote(n)} {t}" for n, t in types.items()) + ")")
    if not many:
        return one
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": one}},
        "required": ["items"],
        "additionalProperties": False,
    }


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
    return {"type": "object"} if type.startswith("MAP(") else {"type": "string"}
