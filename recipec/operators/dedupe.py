"""``dedupe(text)``, ``dedupe(a, b)``, ``dedupe(text, near: 85%)``"""

from __future__ import annotations

from typing import Annotated, Literal

from recipec.api import (
    ORDER,
    ColumnName,
    DataError,
    Expression,
    Operator,
    Rewrite,
    RunTools,
    Schema,
    Settings,
    TableRef,
    Traits,
    literal,
    named,
    operator,
    quote,
)
from recipec.identity import derived_key
from recipec.operators._sql import projection
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments, WrongType
from recipec.resolve.types import shown
from recipec.settings import model_validator
from recipec.syntax import tree


class NoParams(Settings):
    pass


class BestParams(Settings):
    expr: Expression


KEEP = Choices((("first", NoParams), ("longest", NoParams), ("best", BestParams)), what="way to keep one")


class DedupeParams(Settings):
    rest: tuple[ColumnName, ...] = ()
    near: float | None = named(None, gt=0, le=1)
    by: Literal["auto", "words", "characters"] = named("auto")
    ngram: int | None = named(None, ge=1, le=50)
    keep: Annotated[Inner, KEEP] | None = named(None)
    across: list[TableRef] = named([])

    @model_validator(mode="after")
    def near_only(self) -> DedupeParams:
        if self.near is None and (self.ngram is not None or self.by != "auto"):
            raise ValueError("`ngram` and `by` say how near-duplicates are compared: they need `near: 85%`")
        if self.near is not None and len(self.rest) != 1:
            raise ValueError("near-duplicates are found in one column of text")
        return self


@operator("dedupe")
class Dedupe(Operator):
    """Of rows that say the same, keep one.

    ```recipe
    clean tidy from packages {
      dedupe(description)
      dedupe(description, near: 85%)
      dedupe(section, summary, keep: best(length(description)))
    }
    ```

    ``dedupe(a, b)`` drops rows equal in all the named columns (all columns, where none is named) to one that is kept; a row
    where one of them is null is never a duplicate. ``near: 85%`` drops rows whose text is nearly that of another: their
    sets of 5-grams (``ngram``) of words, or of characters for Chinese and Japanese (``by``), after lower-casing and taking
    digits, accents and punctuation away, have a Jaccard similarity of at least 85 %. Candidates come from MinHash (Broder
    1997) in bands; every one is then compared by its true similarity, so nothing below the threshold is ever dropped for
    being alike to its neighbour. Rows alike step by step form one cluster.

    ``keep`` says which row of a cluster stays: the ``first`` by key (the default), the ``longest``, or the one with the
    greatest ``best(expr)``. Every dropped row names the row that it duplicates: ``recipec explain STEP KEY``.

    ``across: [bench]`` also drops the rows that duplicate a row of those tables, which must have the same columns; the
    tables themselves are only read.
    """

    Params = DedupeParams
    traits = Traits(scope="global", changes_rows=True, removes_duplicates=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        p: DedupeParams = self.params
        if len({c.name for c in p.rest}) < len(p.rest):
            bind.report(WrongArguments(span=call.call.span, message="a column is named twice"))
        if p.near is not None:
            return self.near(bind, schema, p)
        names = [c.name for c in p.rest] or list(schema.names)
        if not names:
            bind.report(WrongArguments(span=call.call.span, message="there is no column to compare"))
        self.check_across(bind, schema, names)
        digest = f"CASE WHEN _why IS NULL AND {known(names)} THEN {same(names)} END"
        kept = (
            f"SELECT __same, arg_min(_key, {{'o': {self.preferred(schema, names)}, 'k': _key}}) AS _kept "
            f"FROM (SELECT *, {digest} AS __same FROM {{input}}) WHERE __same IS NOT NULL GROUP BY __same HAVING count(*) > 1"
        )
        duplicate = "d._kept IS NOT NULL AND d._kept <> i._key"
        whys, becauses = [], []
        for number, ref in enumerate(p.across):
            elsewhere = f"i.__same IN (SELECT {same(names)} FROM {ref.sql} WHERE {known(names)})"
            whys.append(f"WHEN {elsewhere} THEN {{why[{number + 1}]}}")
            becauses.append(f"WHEN {elsewhere} THEN {literal(f'the same as a row of {ref}')}")
        why = f"CASE WHEN i._why IS NOT NULL THEN i._why {' '.join(whys)} WHEN {duplicate} THEN {{why[0]}} END"
        because = f"CASE WHEN i._why IS NOT NULL THEN i._because {' '.join(becauses)} WHEN {duplicate} THEN 'the same as ' || d._kept END"
        listed = projection(schema, why=why, because=because, prefix="i.")
        query = f"SELECT {listed} FROM (SELECT *, {digest} AS __same FROM {{input}}) AS i LEFT JOIN ({kept}) AS d ON i.__same = d.__same"
        reasons = ("duplicate", *(f"duplicate of {ref}" for ref in p.across))
        return Rewrite(query, schema, reasons, prepare=nothing)

    def check_across(self, bind: StepBinder, schema: Schema, names: list[str]) -> None:
        for ref in self.params.across:
            lacking = [n for n in names if n not in ref.schema.types]
            if lacking and not ref.schema.unknown and ref.span is not None:
                message = f"`{ref}` has no column `{lacking[0]}` to compare"
                bind.report(WrongArguments(span=ref.span, message=message, help=("rename its column in a `clean` step first",)))

    def preferred(self, schema: Schema, names: list[str]) -> str:
        """SQL over the input, least for the row to keep; ties go to the smallest key."""
        keep: Inner | None = self.params.keep
        if keep is None or keep.name == "first":
            return ORDER if schema.ordered else "0"
        if keep.name == "longest":
            return "-(" + " + ".join(f"length({quote(n)}::VARCHAR)" for n in names) + ")"
        return f"coalesce(-({keep.params.expr.sql})::DOUBLE, 'inf'::DOUBLE)"

    def near(self, bind: StepBinder, schema: Schema, p: DedupeParams) -> Rewrite:
        column = p.rest[0]
        if column.type != "VARCHAR" and not schema.unknown:
            bind.report(WrongType(span=column.span, message=f"near-duplicates are found in text; `{column.name}` is {shown(column.type)}"))
        self.check_across(bind, schema, [column.name])
        preferred, threshold, by, ngram = self.preferred(schema, [column.name]), p.near or 1.0, p.by, p.ngram
        across = [str(ref) for ref in p.across]

        def prepare(tools: RunTools, table: str) -> None:
            from recipec.fast.minhash import near_duplicates

            rows = [f"SELECT _key, {column.sql} AS _text, 1 AS _own, {preferred} AS _preferred FROM {table} WHERE _why IS NULL"]
            for number, name in enumerate(across):
                # Rows of another table come before all, under keys of their own: the tables may share rows.
                key = derived_key("_key", "across", str(number))
                rows.append(f"SELECT {key}, {column.sql}, 0, 0 FROM {tools.relations[name]}")
            try:
                near_duplicates(
                    tools.con, " UNION ALL ".join(rows), text="_text", threshold=threshold, by=by, ngram=ngram, order="_own, _preferred",
                    out=f"{tools.scratch}near", scratch=tools.folder, progress=tools.progress,
                )  # fmt: skip
            except ValueError as error:
                raise DataError(str(error)) from None

        why = "CASE WHEN i._why IS NULL AND d._key IS NOT NULL THEN {why[0]} ELSE i._why END"
        told = "'near-duplicate of ' || d.neighbour || ' (Jaccard ' || format('{:.2f}', d.similarity) || '), kept ' || d.kept"
        because = f"CASE WHEN i._why IS NULL AND d._key IS NOT NULL THEN {told} ELSE i._because END"
        listed = projection(schema, why=why, because=because, prefix="i.")
        query = f"SELECT {listed} FROM {{input}} AS i LEFT JOIN {{scratch}}near AS d ON i._key = d._key"
        return Rewrite(query, schema, ("near-duplicate",), prepare=prepare)


def same(names: list[str]) -> str:
    """Equal for rows that say the same in these columns. Equal texts have equal MD5; 128 bits keep two different texts of
    any real table apart, and are small to group by."""
    return "md5_number(" + " || chr(31) || ".join(f"{quote(n)}::VARCHAR" for n in names) + ")"


def known(names: list[str]) -> str:
    return " AND ".join(f"{quote(n)} IS NOT NULL" for n in names)


def nothing(tools: RunTools, table: str) -> None:
    """The rewrite reads its input twice: it needs a table, and nothing else."""
