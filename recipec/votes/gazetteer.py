"""``vote gazetteer``"""

from __future__ import annotations

from collections.abc import Sequence

from recipec.api import ColumnRef, Json, Schema, Settings, Word, literal, named, quote, vote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree
from recipec.votes._base import Tagging, Vote, Voted, Voting
from recipec.votes._tokens import check_tag

LONGEST = 200
"""Characters of an entry; longer ones name nothing that stands in a sentence."""


class GazetteerParams(Settings):
    names: ColumnRef
    tag: Word
    case: bool = named(True)


@vote("gazetteer")
class Gazetteer(Vote):
    """Tags the tokens that are a name of a list, the longest where several fit.

    ```recipe
    source people = lines("data/people.txt")
    label entities from news {
      tags: ["PER", "LOC"]
      vote gazetteer(people.line, tag: "PER") as known_people
    }
    ```

    A name matches whole tokens. It need not be cut as the tokens are: ``Ada Moor`` is found in ``Ada`` ``Moor``, ``O'Neill`` in ``O`` ``'``
    ``Neill``, and ``李云`` in ``李`` ``云``; only a space in the name must stand between two tokens. Upper and lower case count unless ``case:
    false``. Of names that overlap, the one that begins first is taken, and of those the longest. Tokens that are in no name are not voted on.
    """

    Params = GazetteerParams
    params: GazetteerParams
    modes = frozenset({"tags"})
    alone = True

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        check_tag(bind, self.params.tag, classes, call)
        names = self.params.names
        if names.type != "VARCHAR" and not names.table.schema.unknown:
            bind.report(WrongType(span=call.call.args[0].span, message=f"names are texts; `{names.column}` is {shown(names.type)}"))
        if any(str(i) == str(names.table) for i in bind.inputs):
            said = "the names come from the rows to be tagged themselves"
            bind.report(BadValue(span=call.call.args[0].span, message=said, help=("a table of names: people.line",)))

    def meaning(self) -> Json:
        return None

    def polarity(self, classes: Sequence[str]) -> Sequence[str]:
        return [str(self.params.tag)]

    def brings(self, ctx: object) -> tuple[str, ...] | None:
        return (str(self.params.tag),)

    def known(self) -> tuple[str, ...] | None:
        return None

    def run(self, voting: Voting) -> Voted:
        """A walk through the names, all rows at once: a state is a stretch of tokens that some name begins with."""
        assert isinstance(voting, Tagging)
        ctx, given = voting.ctx, self.params
        entry = plain(quote(given.names.column), given.case)
        entries, prefixes, found = voting.temp("names"), voting.temp("prefixes"), voting.temp("found")
        ctx.con.execute(
            f"CREATE TEMP TABLE {entries} AS SELECT DISTINCT name FROM (SELECT trim(regexp_replace({entry}, '\\s+', ' ', 'g')) AS name "
            f"FROM {ctx.relation(given.names.table)}) WHERE name <> ''"
        )
        ctx.execute(
            f"CREATE TEMP TABLE {prefixes} AS SELECT left(name, k) AS p, bool_or(k = length(name)) AS whole FROM "
            f"(SELECT name, unnest(range(1, length(name) + 1)) AS k FROM {entries} WHERE length(name) <= {LONGEST}) "
            "WHERE substr(name, k, 1) <> ' ' GROUP BY p"
        )
        ctx.con.execute(f"CREATE TEMP TABLE {found} (n BIGINT, start INTEGER, stop INTEGER)")
        step = 0
        state = voting.temp("state_0")
        ctx.execute(
            f"CREATE TEMP TABLE {state} AS SELECT w.n, w.i AS start, w.i + 1 AS stop, q.p, q.whole FROM {voting.words} AS w "
            f"JOIN {prefixes} AS q ON q.p = {plain('w.w', given.case)}"
        )
        while int(ctx.one(f"SELECT count(*) FROM {state}")[0]):
            ctx.con.execute(f"INSERT INTO {found} SELECT n, start, stop FROM {state} WHERE whole")
            step += 1
            following = voting.temp(f"state_{step}")
            # A name's space stands between two tokens; where it has none, tokens may still part it.
            ctx.execute(
                f"CREATE TEMP TABLE {following} AS SELECT s.n, s.start, s.stop + 1 AS stop, q.p, q.whole FROM (SELECT s.n, s.start, s.stop, "
                f"unnest([s.p || {plain('w.w', given.case)}, s.p || ' ' || {plain('w.w', given.case)}]) AS p FROM {state} AS s "
                f"JOIN {voting.words} AS w ON w.n = s.n AND w.i = s.stop WHERE w.w <> '') AS s JOIN {prefixes} AS q ON q.p = s.p"
            )
            ctx.con.execute(f"DROP TABLE {state}")
            state = following
        tag = voting.code(str(given.tag))
        ctx.con.execute(
            f"CREATE TEMP TABLE {voting.out} AS SELECT n, start, max(stop) AS stop, {literal(tag)}::SMALLINT AS tag FROM {found} GROUP BY n, start"
        )
        voted = Voted()
        count = int(ctx.one(f"SELECT count(*) FROM {entries}")[0])
        long = int(ctx.one(f"SELECT count(*) FROM {entries} WHERE length(name) > {LONGEST}")[0])
        if not count:
            voted.notes.append(f"{voting.name}: `{given.names.table}` has no name in `{given.names.column}`")
        if long:
            voted.notes.append(f"{voting.name}: {long:,} names have more than {LONGEST} characters and are not looked for")
        voted.facts = {"names": count}
        for table in (entries, prefixes, found, state):
            ctx.con.execute(f"DROP TABLE {table}")
        return voted


def plain(sql: str, case: bool) -> str:
    """SQL for a text as names are compared: NFC, and in lower case unless case counts."""
    return f"nfc_normalize({sql})" if case else f"lower(nfc_normalize({sql}))"
