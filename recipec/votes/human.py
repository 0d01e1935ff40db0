"""``vote human``"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipec.api import Schema, Settings, TableRef, Word, named, quote, vote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree
from recipec.votes._arguments import check_columns, written
from recipec.votes._base import Tagging, Vote, Voted, Voting
from recipec.votes._items import ROW, answered
from recipec.votes._tally import Spans


class HumanParams(Settings):
    votes: TableRef
    worker: Word = named(Word("worker"))
    item: list[Word] = named([Word("item")])
    tags: Word = named(Word("tags"))


@dataclass(frozen=True)
class Marked:
    """A person's tags of a row, for :func:`recipec.labels.people.agreement`."""

    given: list[str]
    answers: None = None
    answer: None = None

    def tags(self) -> list[str]:
        return self.given

    @property
    def spans(self) -> tuple[tuple[int, int, str], ...]:
        from recipec.labels.spans import spans

        return tuple(spans(self.given))


@vote("human")
class Human(Vote):
    """Tokens that people marked: a table with a row for each person and row, and a list of tags, one a token.

    ```recipe
    source people_said = annotations("labels/entities.jsonl")
    label entities from news {
      tags: ["PER", "LOC"]
      vote human(people_said)
      vote pattern(r/[A-Z]\\w+ (City|County)/, tag: "LOC")
    }
    ```

    ``recipec annotate entities`` lets people mark the tokens. ``item`` holds the source's key of the row (a list of columns where the key has several),
    or its ``_key``; ``tags`` are in IOB2 or bare types. Where several people marked a row, each token is of the type, or outside, that most of them
    say, and abstains where they are even; an entity begins where most of those who mark the token begin one. What people did not mark
    is outside. An answer with another number of tags than the row has tokens is not used, and is counted: the tokens have changed since.

    For classes of rows see ``vote crowd``.
    """

    Params = HumanParams
    params: HumanParams
    modes = frozenset({"tags"})

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        params = self.params
        check_columns(bind, params.votes, {"worker": [params.worker], "item": params.item, "tags": [params.tags]}, call.call)
        given = params.votes.schema.types.get(str(params.tags), "VARCHAR[]")
        if given != "VARCHAR[]" and not params.votes.schema.unknown:
            at = written(call.call, "tags") or call.call.span
            bind.report(WrongType(span=at, message=f"tags are a list of texts; `{params.tags}` is {shown(given)}"))

    def run(self, voting: Voting) -> Voted:
        from recipec.labels.people import agreement

        assert isinstance(voting, Tagging)
        given, ctx = self.params, voting.ctx
        source = ctx.relation(given.votes)
        rows = ctx.con.execute(
            f"SELECT k.n, len(k.tokens), list({{'who': c.{quote(given.worker)}::VARCHAR, 'tags': c.{quote(given.tags)}}} "
            f"ORDER BY c.{quote(given.worker)}, c.{quote(given.tags)}) FROM "
            f"{answered(source, given.item)} AS c JOIN {voting.rows} AS k ON k._key = c.{ROW} "
            f"WHERE c.{quote(given.tags)} IS NOT NULL AND c.{quote(given.worker)} IS NOT NULL GROUP BY ALL ORDER BY k.n"
        ).fetchall()
        into = Spans(voting)
        place = {c: i for i, c in enumerate(voting.classes)}
        used = changed = 0
        said: dict[int, dict[str, Marked]] = {}
        for n, size, answers in rows:
            fitting = [a["tags"] for a in answers if len(a["tags"]) == size]
            said[n] = {a["who"]: Marked(a["tags"]) for a in answers if len(a["tags"]) == size}
            changed += len(answers) - len(fitting)
            used += len(answers)
            if not fitting:
                continue
            types = []
            for tags in fitting:
                types.append([self.kind(tag, place, into) for tag in tags])
            into.add(n, together(types, [[str(t).startswith("B-") for t in tags] for tags in fitting]))
        into.write()
        voted = Voted(whole=True, strange=into.strange, facts={"people": agreement(said, "tags", voting.classes)})
        whole = int(ctx.one(f"SELECT count(*) FROM {source} WHERE {quote(given.tags)} IS NOT NULL")[0])
        if used < whole:
            voted.notes.append(f"{voting.name}: {whole - used:,} of {whole:,} answers are for items that are not among the rows")
        if changed:
            voted.notes.append(
                f"{voting.name}: {changed:,} answers have another number of tags than their row has tokens, and are not used"
            )
        return voted

    @staticmethod
    def kind(tag: str | None, place: dict[str, int], into: Spans) -> int | None:
        """The place of a tag's type, -1 outside; None for a type that is none of the step's."""
        if tag is None or tag == "O":
            return -1
        name = tag[2:] if tag[:2] in ("B-", "I-") else tag
        if name not in place:
            into.odd(tag)
        return place.get(name)


def together(types: Sequence[Sequence[int | None]], begins: Sequence[Sequence[bool]]) -> list[tuple[int, int, int]]:
    """What people mark together, as (start, stop, type): by token the type that most say, -1 where they are even (then nobody votes on it).

    ``types[p][i]`` is what person ``p`` says of token ``i``: a type, -1 for outside, None for nothing.
    """
    out: list[tuple[int, int, int]] = []
    before: int | None = None
    for i, said in enumerate(zip(*types, strict=True)):
        counts: dict[int, int] = {}
        for kind in said:
            if kind is not None:
                counts[kind] = counts.get(kind, 0) + 1
        top = max(counts.values(), default=0)
        best = [k for k, c in counts.items() if c == top]
        if len(best) != 1:
            out.append((i, i + 1, -1))
            before = None
            continue
        kind = best[0]
        if kind == -1:
            before = None
            continue
        starts = sum(begins[p][i] for p, k in enumerate(said) if k == kind)
        if before == kind and 2 * starts <= top:
            start, _, _ = out[-1]
            out[-1] = (start, i + 1, kind)
        else:
            out.append((i, i + 1, kind))
        before = kind
    return out
