"""``dedupe(text)``, ``dedupe(a, b)``, ``dedupe(text, near: 85%)``, ``dedupe(text, meaning: 95%, with: m)``, ``dedupe(text, unit: line)``"""

from __future__ import annotations

from typing import Annotated, Literal

from recipec.api import (
    ORDER,
    ColumnName,
    Expression,
    Meeting,
    ModelRef,
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
from recipec.operators import _dedupe_near as near
from recipec.operators._dedupe_parts import without_repeated
from recipec.operators._sql import projection
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, WrongArguments, WrongType
from recipec.resolve.types import shown
from recipec.settings import model_validator
from recipec.syntax import tree


class NoParams(Settings):
    pass


class BestParams(Settings):
    expr: Expression


MOST_BITS = 6
"""Of 64 bits that may differ by ``by: simhash``: :data:`recipec.fast.simhash.FARTHEST`, which is not imported by a check."""
KEEP = Choices((("first", NoParams), ("longest", NoParams), ("best", BestParams)), what="way to keep one")


class DedupeParams(Settings):
    rest: tuple[ColumnName, ...] = ()
    near: float | None = named(None, gt=0, le=1)
    by: Literal["auto", "words", "characters", "simhash"] = named("auto")
    ngram: int | None = named(None, ge=1, le=50)
    meaning: float | None = named(None, gt=0, le=1)
    unit: Literal["line", "paragraph"] | None = named(None)
    min_length: int = named(0, ge=0)
    loose: bool = named(False)
    keep: Annotated[Inner, KEEP] | None = named(None)
    across: list[TableRef] = named([])

    @model_validator(mode="after")
    def one_way(self) -> DedupeParams:
        ways = [name for name in ("near", "meaning", "unit") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"`{ways[0]}` and `{ways[1]}` are two ways to find duplicates: give each a `dedupe` of its own")
        if self.near is None and (self.ngram is not None or self.by != "auto"):
            raise ValueError("`ngram` and `by` say how near-duplicates are compared: they need `near: 85%`")
        if self.by == "simhash" and self.near is not None and near.bits_apart(self.near) > MOST_BITS:
            raise ValueError("`by: simhash` takes `near: 90%` or more: below that, unrelated texts come near by chance")
        if self.unit is None and (self.min_length or self.loose):
            raise ValueError("`min_length` and `loose` say which lines are the same: they need `unit: line` or `unit: paragraph`")
        if (self.meaning is None) != (getattr(self, "with") is None):
            raise ValueError("to compare by meaning takes a threshold and a model: `meaning: 95%, with: m`")
        if ways and len(self.rest) != 1:
            found = {"near": "near-duplicates are found", "meaning": "meaning is compared", "unit": "lines are compared"}[ways[0]]
            raise ValueError(f"{found} in one column of text")
        return self


# A keyword of Python, so that it cannot be written as a field of the class.
DedupeParams.__annotations__["with"] = "ModelRef | None"
setattr(DedupeParams, "with", named(None))


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
    where one of them is null is never a duplicate.

    ``near: 85%`` drops rows whose text is nearly that of another: their
    sets of 5-grams (``ngram``) of words, or of characters for Chinese and Japanese (``by``), after lower-casing and taking
    digits, accents and punctuation away, have a Jaccard similarity of at least 85 %. Candidates come from MinHash (Broder
    1997) in bands; every one is then compared by its true similarity, so nothing below the threshold is ever dropped for
    being alike to its neighbour. Rows alike step by step form one cluster.

    ``near: 95%, by: simhash`` compares 64-bit fingerprints in its place (Charikar 2002): texts of which at least 95 % of the bits
    agree, hence all but 3. Every such pair is found (Manku, Jain & Das Sarma 2007). The fingerprint is of 3-grams (``ngram``) of
    words, of characters in Chinese and its like; it takes ``near: 90%`` or more.

    ``meaning: 95%, with: m`` drops rows that say the same in other words: the model ``m`` (a ``model`` step that embeds) makes
    a vector of every text, and texts with a cosine of at least 95 % are alike. All pairs are compared, exactly, in blocks, so the
    cost is quadratic: a minute for 100,000 rows on two cores beside the embedding. Blank texts are alike to none. Vectors are kept by text and
    model: to move the threshold embeds nothing again.

    ``unit: line`` takes lines out of the texts that another text, or the same one, has before them: of equal lines the first
    stays, of the row that ``keep`` prefers. ``unit: paragraph`` does so with paragraphs, which lie between blank lines. White space at
    the ends of a line does not count; blank lines, and lines under ``min_length`` characters (0), stay. ``loose: true`` compares lines
    in small letters with digits as 0 and without accents and punctuation, as CCNet does (Wenzek et al. 2020). A text of which
    nothing is left is dropped under "duplicate lines"; one that loses nothing keeps every byte.

    ```recipe
    clean tidy from packages {
      dedupe(description, unit: line, min_length: 20)
      dedupe(description, near: 95%, by: simhash)
    }
    ```

    ``keep`` says which row of a cluster stays: the ``first`` by key (the default), the ``longest``, or the one with the
    greatest ``best(expr)``. Every dropped row names the row that it duplicates: ``recipec explain STEP KEY``.

    ``across: [bench]`` also drops the rows that duplicate a row of those tables, which must have the same columns; the
    tables themselves are only read.
    """

    Params = DedupeParams
    rewrites = "unit"
    traits = Traits(scope="global", changes_rows=True, removes_duplicates=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        p: DedupeParams = self.params
        if len({c.name for c in p.rest}) < len(p.rest):
            bind.report(WrongArguments(span=call.call.span, message="a column is named twice"))
        if p.near is not None or p.meaning is not None or p.unit is not None:
            return self.in_text(bind, schema, p)
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
        meeting = Meeting(digest, {str(ref): same(names) for ref in p.across})
        return Rewrite(query, schema, reasons, prepare=nothing, meeting=meeting)

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

    def in_text(self, bind: StepBinder, schema: Schema, p: DedupeParams) -> Rewrite:
        column = p.rest[0]
        if column.type != "VARCHAR" and not schema.unknown:
            found = "near-duplicates are found in text" if p.unit is None else f"{p.unit}s are parts of a text"
            bind.report(WrongType(span=column.span, message=f"{found}; `{column.name}` is {shown(column.type)}"))
        self.check_across(bind, schema, [column.name])
        preferred = self.preferred(schema, [column.name])
        if p.unit is not None:
            return without_repeated(schema, p, column, p.unit, preferred)
        model: ModelRef | None = getattr(p, "with")
        if model is not None:
            if not model.can("embed") and model.span is not None:
                bind.report(BadValue(span=model.span, message=f"the model `{model}` cannot embed texts", help=("name a model that can",)))
            return near.alike(schema, p, column, preferred, near.by_meaning(p, model), "same meaning", near.COSINE)
        if p.by == "simhash":
            return near.alike(schema, p, column, preferred, near.by_simhash(p), "near-duplicate", near.SIMHASH)
        return near.by_bands(
            p, column, preferred, near.alike(schema, p, column, preferred, near.by_minhash(p), "near-duplicate", near.JACCARD)
        )


def same(names: list[str]) -> str:
    """Equal for rows that say the same in these columns. Equal texts have equal MD5; 128 bits keep two different texts of
    any real table apart, and are small to group by."""
    return "md5_number(" + " || chr(31) || ".join(f"{quote(n)}::VARCHAR" for n in names) + ")"


def known(names: list[str]) -> str:
    return " AND ".join(f"{quote(n)} IS NOT NULL" for n in names)


def nothing(tools: RunTools, table: str) -> None:
    """The rewrite reads its input twice: it needs a table, and nothing else."""
