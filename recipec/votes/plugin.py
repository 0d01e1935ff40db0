"""``vote plugin``"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from recipec.api import DataError, Schema, Settings, SourceFile, named, quote, vote
from recipec.resolve.binder import StepBinder
from recipec.resolve.called import called
from recipec.syntax import tree
from recipec.votes._ballot import Ballot
from recipec.votes._base import Tagging, Vote, Voted, Voting
from recipec.votes._tally import Lists, Spans, Tally


class PluginParams(Settings):
    call: str
    batch: int = named(10_000, ge=1, le=10_000_000)
    version: str = named("")


@vote("plugin")
class Plugin(Vote):
    """A Python function of your own, asked about batches of rows.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      vote plugin("voters:by_length") as by_length
    }
    ```

    ``module:function`` is a file beside the recipe and a function in it. It gets a ``pyarrow.RecordBatch`` of the input's columns and ``_key``,
    and gives back a list or an Arrow array with one answer a row: the name of a class, or None to abstain. In a step of several classes
    an answer is a list of names, an empty one for none of the classes; in a step with ``tags`` a list of tags, one a token (``B-PER``, ``PER`` or
    ``O``), with None for a token to abstain on. What is none of the classes abstains and is counted.

    ```python
    def by_length(batch):
        return ["games" if len(text) > 80 else None for text in batch["text"].to_pylist()]
    ```

    The function's file is part of the step's fingerprint; what it imports is not: raise ``version`` when that changes. Batches are of ``batch`` rows in
    key order, and the function must not depend on how they are cut. Checking and planning a recipe never run it.
    """

    Params = PluginParams
    params: PluginParams
    modes = frozenset({"class", "many", "tags"})
    alone = True
    file: Path
    shown: str
    function: str

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        span = call.call.args[0].value.span if call.call.args else call.call.span
        self.columns = schema.names
        found = called(bind, self.params.call, span, what="a plug-in", example='vote plugin("voters:by_length")')
        if found is not None:
            self.file, self.shown, self.function = found.file, found.shown, found.function

    def files(self) -> Sequence[SourceFile]:
        return (SourceFile(self.file, self.shown),)

    def run(self, voting: Voting) -> Voted:
        from recipec.steps.python import PythonPlan, load

        ctx = voting.ctx
        function = load(PythonPlan(self.file, self.function, Schema(), self.params.batch))
        listed = ", ".join(["_key::VARCHAR AS _key", *map(quote, self.columns)])
        source = voting.relation
        if isinstance(voting, Tagging):
            source = f"(SELECT s.*, k.n AS __n FROM {voting.relation} AS s JOIN {voting.rows} AS k ON k._key = s._key)"
            listed += ", __n"
        into: Any = Spans(voting) if isinstance(voting, Tagging) else Lists(voting) if voting.mode == "many" else Ballot(voting)
        rows = int(ctx.one(f"SELECT count(*) FROM {voting.relation}")[0])
        done = 0
        # A connection of its own: the step's own one takes in the votes meanwhile.
        temp = voting.temp("rows_to_ask")
        ctx.execute(f"CREATE TEMP TABLE {temp} AS SELECT row_number() OVER (ORDER BY _key) - 1 AS __place, {listed} FROM {source}")
        for start in range(0, rows, self.params.batch):
            voting.progress(done, rows)
            query = (
                f"SELECT * EXCLUDE (__place) FROM {temp} WHERE __place BETWEEN {start} AND {start + self.params.batch - 1} ORDER BY __place"
            )
            table: Any = ctx.con.sql(query).to_arrow_table()
            table = table.combine_chunks()
            if not table.num_rows:
                break
            places = table.column("__n").to_pylist() if isinstance(voting, Tagging) else []
            if places:
                table = table.drop_columns(["__n"])
            answers = self.ask(function, table.to_batches(max_chunksize=table.num_rows)[0])
            keys = table.column("_key").to_pylist()
            if isinstance(voting, Tagging):
                tokens = table.column(self.tokens).to_pylist()
                for n, words, tags in zip(places, tokens, answers, strict=True):
                    self.tag(voting, into, n, words, tags)
            else:
                for key, answer in zip(keys, answers, strict=True):
                    self.cast(voting, into, key, answer)
            into.flush()
            done += table.num_rows
        into.write()
        ctx.con.execute(f"DROP TABLE {temp}")
        return Voted(whole=voting.mode != "class", strange=into.strange)

    def ask(self, function: Any, batch: Any) -> list[Any]:
        """The function's answers to a batch, one a row; DataError for what is none."""
        import pyarrow as pa

        from recipec.steps.python import line_of

        try:
            # Standard output is recipec's: it may be JSON for another program.
            with redirect_stdout(sys.stderr):
                answer = function(batch)
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            where = f"in {self.shown}{line_of(error, self.file)}"
            raise DataError(f"{self.function} failed: {type(error).__name__}: {error}", where) from error
        if isinstance(answer, (pa.Array, pa.ChunkedArray)):
            answer = answer.to_pylist()
        if not isinstance(answer, (list, tuple)):
            raise DataError(f"{self.function} returned {type(answer).__name__}", "return a list or an Arrow array with one answer a row")
        if len(answer) != batch.num_rows:
            raise DataError(
                f"{self.function} was given {batch.num_rows:,} rows and returned {len(answer):,} answers",
                "None stands for a row without one",
            )
        return list(answer)

    def wrong(self, answer: Any, wanted: str) -> DataError:
        return DataError(f"{self.function} answered {answer!r:.60}", f"an answer is {wanted}")

    def cast(self, voting: Voting, into: Any, key: str, answer: Any) -> None:
        """A row's answer: the name of a class, or a list of names."""
        if answer is None:
            return
        if voting.mode == "many":
            if not isinstance(answer, (list, tuple)) or not all(isinstance(a, str) for a in answer):
                raise self.wrong(answer, "a list of names of classes, or None")
            into.add(key, sorted({c for a in answer if (c := self.code(voting, into, a)) is not None}))
            return
        if not isinstance(answer, str):
            raise self.wrong(answer, "the name of a class, or None")
        code = self.code(voting, into, answer)
        if code is not None:
            into.add(key, code)

    @staticmethod
    def code(voting: Voting, into: Tally | Ballot, name: str) -> int | None:
        code = voting.code(name)
        if code is None:
            into.odd(name)
        return code

    def tag(self, voting: Tagging, into: Spans, n: int, words: Sequence[str], tags: Any) -> None:
        """A row's answer: a list of tags, one a token."""
        from recipec.labels.spans import spans

        if tags is None:
            return
        if not isinstance(tags, (list, tuple)) or not all(t is None or isinstance(t, str) for t in tags):
            raise self.wrong(tags, "a list of tags, or None")
        if len(tags) != len(words):
            raise DataError(f"{self.function} gave {len(tags):,} tags for {len(words):,} tokens", "one tag a token; None abstains")
        found = [(a, b, c if (c := self.code(voting, into, kind)) is not None else -1) for a, b, kind in spans(tags)]
        # A token without a tag is nobody's.
        found += [(i, i + 1, -1) for i, t in enumerate(tags) if t is None]
        into.add(n, found)
