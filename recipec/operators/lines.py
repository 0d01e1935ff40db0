"""``lines(text) { keep where ... }``"""

from __future__ import annotations

from recipec.api import Column, ColumnName, Json, Operator, Rewrite, RunTools, Schema, Settings, Traits, operator, quote
from recipec.operators._quality import check_text
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import ChainBuilder
from recipec.resolve.problems import WrongForm
from recipec.syntax import tree

_OF_A_LINE = 150
"""Bytes of memory that a line takes beside its own, while lines are put in order."""


class LinesParams(Settings):
    text: ColumnName


@operator("lines")
class Lines(Operator):
    """Filter and change a text line by line, and put what is left together again.

    ```recipe
    clean tidy from packages {
      lines(description) {
        line = trim(line)
        drop where line == "."
        keep where n > 1 or words(line) >= 3
      }
    }
    ```

    In the block there are two columns: ``line`` (without its line break) and ``n``, its number in the text from 1, which stays the same
    whatever lines go. It takes filters, and ``line = ...``. Lines end at a line feed, a carriage return, or both; they are put
    together with line feeds. A text of which no line is left is dropped under "no line left"; an empty text has one empty line.
    A null stays null, and a line that becomes null goes.
    """

    Params = LinesParams
    traits = Traits(changes_rows=True)
    takes_body = True
    rewrites = True

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        column: ColumnName = self.params.text
        check_text(bind, schema, "lines", column)
        self.inside: list[Json] = []
        body = call.body or ()
        if not body:
            bind.report(WrongForm(span=call.span, message="`lines` needs a block", help=('lines(text) { drop where line == "" }',)))
        wrong = False
        for statement in body:
            other = isinstance(statement, tree.Assign) and statement.column.id != "line"
            if other or not isinstance(statement, (tree.Assign, tree.Filter)):
                wrong = True
                bind.report(WrongForm(span=statement.span, message="`lines` takes filters, and `line = ...`"))
        builder = ChainBuilder(bind, Schema((Column("line", "VARCHAR"), Column("n", "BIGINT"))))
        chain = None if wrong or not body else builder.chain(body)
        if chain is None:
            return Rewrite("", schema)
        self.inside = [[name, value] for name, value, _ in chain.meaning]
        text = column.sql
        if chain.schema.types["line"] != "VARCHAR":
            bind.report(WrongForm(span=call.span, message="`line` must stay text", help=("line = cast(... as text)",)))

        def prepare(tools: RunTools, table: str) -> None:
            from recipec.fast.memory import limit_of

            apart, left = quote(tools.scratch + "apart"), quote(tools.scratch + "left")
            split = f"string_split(replace(replace({text}, chr(13) || chr(10), chr(10)), chr(13), chr(10)), chr(10))"
            rows = f"SELECT _key, _parent, {split} AS __lines FROM {table} WHERE _why IS NULL AND {text} IS NOT NULL"
            one = "unnest(__lines) AS line, unnest(range(1, len(__lines) + 1)) AS n"
            tools.con.execute(f"CREATE TEMP TABLE {apart} AS SELECT _key, _parent, {one} FROM ({rows})")
            done = f"SELECT _key, line, n FROM ({chain.sql(apart)}) WHERE _why IS NULL AND line IS NOT NULL"
            whole = f"SELECT _key, string_agg(line, chr(10) ORDER BY n) AS text FROM ({done}) WHERE {{0}} GROUP BY _key"
            # What DuckDB puts together in order it holds in memory: where the lines are many, some texts at a time.
            ((held,),) = tools.con.execute(f"SELECT coalesce(sum(2 * strlen(line) + {_OF_A_LINE}), 0) FROM {apart}").fetchall()
            passes = 1 + int(held) // max(limit_of(tools.con) // 2, 1)
            tools.con.execute(f"CREATE TEMP TABLE {left} AS {whole.format('false')}")
            for number in range(passes):
                tools.con.execute(f"INSERT INTO {left} {whole.format(f'hash(_key) % {passes} = {number}')}")
                tools.progress((number + 1) / passes)
            tools.con.execute(f"DROP TABLE {apart}")

        gone = f"i._why IS NULL AND i.{text} IS NOT NULL AND o._key IS NULL"
        changes = {column.name: f"CASE WHEN i._why IS NULL THEN o.text ELSE i.{text} END"}
        listed = projection(schema, changes, why=f"CASE WHEN {gone} THEN {{why[0]}} ELSE i._why END", because="i._because", prefix="i.")
        query = f"SELECT {listed} FROM {{input}} AS i LEFT JOIN {{scratch}}left AS o ON i._key = o._key"
        return Rewrite(query, schema, ("no line left",), prepare=prepare)

    def meaning(self, bind: StepBinder, call: tree.Op) -> Json:
        return self.inside
