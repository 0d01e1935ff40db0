"""``vote pattern``"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipec.api import Expression, Json, Schema, Settings, Word, named, vote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree
from recipec.votes._base import Tagging, Vote, Voted, Voting
from recipec.votes._tokens import Space, check_tag, joined

BLOCK = 100_000
OPEN, CLOSE = "\x01", "\x02"


class PatternParams(Settings):
    pattern: Expression
    tag: Word
    space: Space = named("auto")


@vote("pattern")
class Pattern(Vote):
    """Tags the tokens in which a regular expression matches.

    ```recipe
    label entities from news {
      tags: ["PER", "ORG"]
      vote pattern(r/[A-Z]\\w+ (Inc|Corp|Ltd)\\b/, tag: "ORG") as companies
    }
    ```

    The expression reads the tokens with a space between them, but none beside a Chinese or Japanese character: ``space: always`` and
    ``space: never`` say otherwise. Every token that a match touches is tagged, as one entity; ``i`` after the expression takes either case.
    Tokens that do not match are not voted on.
    """

    Params = PatternParams
    params: PatternParams
    modes = frozenset({"tags"})
    alone = True

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        check_tag(bind, self.params.tag, classes, call)
        node = self.params.pattern.node
        if not isinstance(node, (tree.Regex, tree.String)):
            bind.report(BadValue(span=node.span, message="a pattern stands between slashes", help=("r/[A-Z]\\w+ Ltd\\b/",)))
            return
        # The binder reads a regular expression only where it is used as one.
        text = tree.String("", span=node.span)
        bind.expression(tree.Binary("matches", text, node, op_span=node.span, span=node.span), Schema(), condition=True)

    def meaning(self) -> Json:
        return None

    def polarity(self, classes: Sequence[str]) -> Sequence[str]:
        return [str(self.params.tag)]

    def brings(self, ctx: object) -> tuple[str, ...] | None:
        return (str(self.params.tag),)

    def run(self, voting: Voting) -> Voted:
        assert isinstance(voting, Tagging)
        import pyarrow as pa

        ctx, pattern = voting.ctx, self.params.pattern.sql
        texts, places = joined(voting, self.params.space)
        marked, found = voting.temp("marked"), voting.temp("matches")
        ctx.execute(
            f"CREATE TEMP TABLE {marked} AS SELECT n, regexp_replace(text, '(' || {pattern} || ')', chr(1) || '\\0' || chr(2), 'g') AS t "
            f"FROM {texts} WHERE regexp_matches(text, {pattern})"
        )
        ctx.con.execute(f"CREATE TEMP TABLE {found} (n BIGINT, a INTEGER, b INTEGER)")
        count = int(ctx.one(f"SELECT count(*) FROM {marked}")[0])
        for start in range(0, count, BLOCK):
            voting.progress(start, count)
            rows = ctx.con.execute(f"SELECT n, t FROM {marked} ORDER BY n LIMIT {BLOCK} OFFSET {start}").fetchall()
            lines = [(n, a, b) for n, t in rows for a, b in matches(t)]
            columns = list(zip(*lines, strict=True)) if lines else [(), (), ()]
            ctx.con.register("__matches", pa.table({c: pa.array(v, pa.int64()) for c, v in zip(("n", "a", "b"), columns, strict=True)}))
            try:
                ctx.con.execute(f"INSERT INTO {found} SELECT n, a, b FROM __matches")
            finally:
                ctx.con.unregister("__matches")
        ctx.execute(
            f"CREATE TEMP TABLE {voting.out} AS SELECT f.n, min(p.i)::INTEGER AS start, (max(p.i) + 1)::INTEGER AS stop, "
            f"{voting.code(str(self.params.tag))}::SMALLINT AS tag FROM {found} AS f JOIN {places} AS p ON p.n = f.n AND p.a < f.b AND p.b > f.a "
            "GROUP BY f.n, f.a"
        )
        for table in (marked, found):
            ctx.con.execute(f"DROP TABLE {table}")
        return Voted()


def matches(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the marked stretches that are not empty, as places in the text without its marks."""
    size = 0
    pieces = text.split(OPEN)
    size += len(pieces[0])
    for piece in pieces[1:]:
        inside, _, after = piece.partition(CLOSE)
        if inside:
            yield size, size + len(inside)
        size += len(inside) + len(after)
