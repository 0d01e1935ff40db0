"""``novel(text, rouge_l: 70%)``"""

from __future__ import annotations

from recipec.api import ColumnName, ColumnRef, Operator, Rewrite, RunTools, Schema, Settings, Traits, named, operator, quote
from recipec.operators._quality import check_text
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree


class NovelParams(Settings):
    text: ColumnName
    rouge_l: float = named(0.7)
    against: list[ColumnRef] = named([])


@operator("novel")
class Novel(Operator):
    """Keep the rows whose text is unlike every text kept before: self-instruct's filter.

    ```recipe
    clean fresh from instructions { novel(instruction, rouge_l: 70%, against: seeds.instruction) }
    ```

    Rows come in key order. One is dropped under the reason "not novel" when the ROUGE-L F-measure of its words and those of a row
    kept before it, or of a text of ``against``, is more than ``rouge_l``; it names that row and the measure. Words are runs of letters
    and digits in small letters; in Chinese, Japanese and Thai each letter is one. Null and texts without a word are like nothing.

    In a ``generate`` step it is also written as a filter: ``keep where rouge_l(question, others) < 70%``.

    How many words a text shares with each kept before it is counted for all of them at once; only those that share enough to reach the
    bound are compared in order. 10,000 questions of 45 words take two seconds; the cost grows with the square of the rows.

    Source: Wang et al. 2023, Self-Instruct (arXiv:2212.10560), section 2.2; ROUGE-L: Lin 2004.
    """

    Params = NovelParams
    traits = Traits(scope="global", changes_rows=True, removes_duplicates=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        column: ColumnName = self.params.text
        check_text(bind, schema, "novel", column)
        bound: float = self.params.rouge_l
        if not 0 < bound <= 1:
            message = f"`rouge_l` is a share: more than 0 % and at most 100 %, not {bound * 100:g} %"
            bind.report(BadValue(span=call.call.span, message=message, help=("rouge_l: 70%",)))
        for ref in self.params.against:
            if ref.type != "VARCHAR" and not ref.table.schema.unknown:
                message = f"`against` is text; `{ref.table}.{ref.column}` is {shown(ref.type)}"
                bind.report(WrongType(span=ref.table.span or call.call.span, message=message))
        listed = [(str(ref.table), quote(ref.column)) for ref in self.params.against]

        def prepare(tools: RunTools, table: str) -> None:
            from recipec.fast.novelty import repeated

            repeated(tools, table, column.sql, [(tools.relations[at], c) for at, c in listed], bound)

        why = "CASE WHEN i._why IS NULL AND s._key IS NOT NULL THEN {why[0]} ELSE i._why END"
        because = "CASE WHEN i._why IS NULL AND s._key IS NOT NULL THEN s.because ELSE i._because END"
        columns = projection(schema, why=why, because=because, prefix="i.")
        query = f"SELECT {columns} FROM {{input}} AS i LEFT JOIN {{scratch}}repeated AS s ON i._key = s._key"
        return Rewrite(query, schema, ("not novel",), prepare=prepare)
