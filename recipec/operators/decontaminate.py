"""``decontaminate(text, against: bench.question)``"""

from __future__ import annotations

from recipec.api import ColumnName, ColumnRef, Field, Operator, Rewrite, RunTools, Schema, Settings, Traits, operator, quote
from recipec.operators._quality import check_text
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree


class DecontaminateParams(Settings):
    text: ColumnName
    against: list[ColumnRef]
    ngram: int = Field(13, ge=1, le=200)


@operator("decontaminate")
class Decontaminate(Operator):
    """Drop the rows that share a run of words with a benchmark, so that what is trained on is not what is tested on.

    ```recipe
    clean lessons from train { decontaminate(question, against: test.question, ngram: 13) }
    ```

    A row is dropped when any 13 words in a row (``ngram``) of its text stand in any text of the columns ``against``
    (``bench.question``, or several: ``[bench.question, bench.answer]``). Words are runs of letters and digits, in small letters, full
    width as half width; punctuation, emoji and white space part them and do not count. In Chinese, Japanese and Thai each letter
    is a word. Of a reference text with fewer words nothing can be shared but all of it: rows of just these words are dropped.
    Null shares nothing.

    The reason is "contaminated"; each dropped row tells the words it shares and the reference's row
    (``recipec show lessons --dropped contaminated``). The reference is only read. Its n-grams are held in memory, of as much text at
    a time as a 24th of DuckDB's share of ``--memory`` (29 MB with ``--memory 1GB``, never more than 256 MB): a larger reference takes
    several passes over the rows, and more memory fewer of them.

    Source: 13-grams are GPT-3's (Brown et al. 2020, arXiv:2005.14165, appendix C); DataTrove takes 12.
    """

    Params = DecontaminateParams
    traits = Traits(changes_rows=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        column: ColumnName = self.params.text
        check_text(bind, schema, "decontaminate", column)
        against: list[ColumnRef] = list(self.params.against)
        for ref in against:
            if ref.type != "VARCHAR" and not ref.table.schema.unknown:
                message = f"`against` is text; `{ref.table}.{ref.column}` is {shown(ref.type)}"
                bind.report(WrongType(span=ref.table.span or call.call.span, message=message))
        listed = [(f"{ref.table}.{ref.column}", str(ref.table), quote(ref.column)) for ref in against]
        ngram: int = self.params.ngram

        def prepare(tools: RunTools, table: str) -> None:
            from recipec.fast.quality_decontaminate import contaminated

            contaminated(tools, table, column.sql, [(name, tools.relations[at], c) for name, at, c in listed], ngram)

        why = "CASE WHEN i._why IS NULL AND s._key IS NOT NULL THEN {why[0]} ELSE i._why END"
        because = "CASE WHEN i._why IS NULL AND s._key IS NOT NULL THEN s.because ELSE i._because END"
        columns = projection(schema, why=why, because=because, prefix="i.")
        query = f"SELECT {columns} FROM {{input}} AS i LEFT JOIN {{scratch}}shared AS s ON i._key = s._key"
        return Rewrite(query, schema, ("contaminated",), prepare=prepare)
