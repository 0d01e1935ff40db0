"""What the quality presets share: measures kept by text, and rules that compare them with bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar, Literal

from recipec.api import ColumnName, Json, Operator, Rewrite, RunTools, Schema, Traits, literal, quote
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree


@dataclass(frozen=True)
class Family:
    """Measures found together: what they are called, their types, and the function that finds them.

    ``version`` goes into the key of the table that keeps them: raise it when the numbers change.
    """

    name: str
    target: str
    columns: Mapping[str, str]
    version: int = 1

    def key(self, options: Mapping[str, Json], tokens: bool) -> str:
        text = json.dumps([self.name, self.version, dict(options), tokens], sort_keys=True)
        return blake2b(text.encode(), digest_size=12).hexdigest()


def numbers(*names: str, **whole: str) -> dict[str, str]:
    return {**{n: "DOUBLE" for n in names}, **whole}


QUALITY = Family(
    "gopher_quality",
    "recipec.fast.quality_rules:quality",
    {
        "words": "BIGINT",
        **numbers("mean_word_length", "hash_ratio", "ellipsis_ratio", "bullet_lines", "ellipsis_lines", "alpha_words"),
        "stopwords": "BIGINT",
    },
)
REPETITION = Family(
    "gopher_repetition",
    "recipec.fast.quality_rules:repetition",
    {
        "length": "BIGINT",
        **numbers("duplicate_lines", "duplicate_paragraphs", "duplicate_line_chars", "duplicate_paragraph_chars"),
        **numbers(*(f"top_{n}gram" for n in range(2, 5)), *(f"duplicate_{n}gram" for n in range(5, 11))),
    },
)
C4 = Family(
    "c4",
    "recipec.fast.quality_c4:c4",
    {"sentences": "BIGINT", "lorem_ipsum": "BIGINT", "curly_bracket": "BIGINT", "lines_removed": "BIGINT", "text": "VARCHAR"},
)
FINEWEB = Family(
    "fineweb",
    "recipec.fast.quality_rules:fineweb",
    {"lines": "BIGINT", **numbers("ended_lines", "short_lines", "duplicate_line_chars", "newlines")},
)
JUICER = Family(
    "data_juicer",
    "recipec.fast.quality_juicer:juicer",
    {
        **{"length": "BIGINT", "words": "BIGINT"},
        **numbers("alnum_ratio", "special_ratio", "digit_ratio", "mean_line_length"),
        "max_line_length": "BIGINT",
        **numbers("char_repetition", "word_repetition", "stopword_ratio", "flagged_ratio"),
    },
)
FAMILIES = {f.name: f for f in (QUALITY, REPETITION, C4, FINEWEB, JUICER)}


@dataclass(frozen=True)
class Rule:
    """Rows whose ``measure`` is below (``min``) or above (``max``) the parameter ``bound`` are dropped, called ``words``."""

    measure: str
    sense: Literal["min", "max"]
    bound: str
    words: str


def told(measure: str, sign: str, bound: float | int) -> str:
    """SQL for ``2.1 < 3``: the measured value, rounded where that still shows it to be on the wrong side."""
    short = f"round({measure}::DOUBLE, 4)"
    limit = f"{bound:g}" if abs(bound) < 1e6 else str(bound)
    cases = (
        f"WHEN {short} <> {measure} AND ({short} = {float(bound)!r} OR {short} = 0) THEN {measure}::VARCHAR",
        f"WHEN {short} = trunc({short}) AND abs({short}) < 1e15 THEN {short}::BIGINT::VARCHAR",
    )
    return f"(CASE {' '.join(cases)} ELSE {short}::VARCHAR END) || {literal(f' {sign} {limit}')}"


def decide(rules: Sequence[tuple[str, str, str]], because: str = "_because") -> tuple[str, str]:
    """SQL for ``_why`` and ``_because`` from (condition, why, because), the first that holds; rows dropped before stay as they are."""
    whys = " ".join(f"WHEN {condition} THEN {why}" for condition, why, _ in rules)
    texts = " ".join(f"WHEN {condition} THEN {text}" for condition, _, text in rules)
    return (
        f"CASE WHEN i._why IS NOT NULL THEN i._why {whys} END",
        f"CASE WHEN i._why IS NOT NULL THEN i.{because} {texts} END",
    )


def check_text(bind: StepBinder, schema: Schema, name: str, column: ColumnName, tokens: ColumnName | None = None) -> None:
    """Report columns of other types than text, and a list of texts for ``tokens``."""
    if schema.unknown:
        return
    if column.type != "VARCHAR":
        bind.report(WrongType(span=column.span, message=f"`{name}` measures text; `{column.name}` is {shown(column.type)}"))
    if tokens is not None and tokens.type != "VARCHAR[]":
        bind.report(WrongType(span=tokens.span, message=f"`tokens` is a list of texts; `{tokens.name}` is {shown(tokens.type)}"))


def measuring(family: Family, column: str, tokens: str | None, options: Mapping[str, Json], scratch: str = "") -> Any:
    """The ``prepare`` of a rewrite whose query reads the measures as ``{scratch}<scratch>m``, by ``_key``."""
    key = family.key(options, tokens is not None)

    def prepare(tools: RunTools, table: str) -> None:
        from dataclasses import replace

        from recipec.fast.quality_run import measure_texts

        mine = replace(tools, scratch=tools.scratch + scratch)
        measure_texts(mine, table, column, tokens, tools.lasting(key), family.target, options, family.columns)

    return prepare


class Preset(Operator):
    """An operator that measures a text and drops the rows that break one of its rules."""

    traits = Traits(changes_rows=True)
    family: ClassVar[Family]
    prefix: ClassVar[str]
    rules: ClassVar[tuple[Rule, ...]]
    first: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Rules without a bound, before the others: SQL over the measures ``m``, and their words."""

    def options(self) -> dict[str, Json]:
        """What decides the measures, beside the text."""
        return {}

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        p = self.params
        column: ColumnName = p.text
        tokens: ColumnName | None = getattr(p, "tokens", None)
        check_text(bind, schema, self.name, column, tokens)
        self.check_ranges(bind, call)
        reasons: list[str] = []
        found: list[tuple[str, str, str]] = []

        def why(words: str) -> str:
            if words not in reasons:
                reasons.append(words)
            return "{why[" + str(reasons.index(words)) + "]}"

        for condition, words in self.first:
            found.append((condition, why(f"{self.prefix}: {words}"), literal(words)))
        for rule in self.rules:
            bound = getattr(p, rule.bound)
            if bound is not None:
                sign = "<" if rule.sense == "min" else ">"
                measure = f"m.{quote(rule.measure)}"
                found.append((f"{measure} {sign} {bound!r}", why(f"{self.prefix}: {rule.words}"), told(measure, sign, bound)))
        if not found:
            bind.report(BadValue(span=call.call.span, message=f"`{self.name}` has no bound left: it would drop nothing"))
        made, because = decide(found)
        listed = projection(schema, self.changes(), why=made, because=because, prefix="i.")
        query = f"SELECT {listed} FROM {{input}} AS i LEFT JOIN {{scratch}}m AS m ON i._key = m._key"
        prepare = measuring(self.family, column.sql, tokens.sql if tokens is not None else None, self.options())
        return Rewrite(query, schema, tuple(reasons), prepare=prepare)

    def changes(self) -> dict[str, str]:
        """Other SQL for some columns of the result, over the input ``i`` and the measures ``m``."""
        return {}

    def check_ranges(self, bind: StepBinder, call: tree.Op) -> None:
        """A least bound above the greatest keeps nothing: that is a mistake, not a filter."""
        least = {r.measure: r for r in self.rules if r.sense == "min"}
        for rule in self.rules:
            other = least.get(rule.measure)
            if rule.sense == "min" or other is None:
                continue
            low, high = getattr(self.params, other.bound), getattr(self.params, rule.bound)
            if low is not None and high is not None and low > high:
                message = f"no row can have at least {low:g} (`{other.bound}`) and at most {high:g} (`{rule.bound}`)"
                bind.report(BadValue(span=self.place(call, other.bound, rule.bound), message=message))

    @staticmethod
    def place(call: tree.Op, *names: str) -> Any:
        given = [a for a in call.call.args if a.name is not None and a.name.id in names]
        return given[0].span if given else call.call.span


__all__ = ["C4", "FAMILIES", "FINEWEB", "JUICER", "QUALITY", "REPETITION", "Family", "Preset", "Rule", "check_text", "measuring"]
