"""``vote crowd``"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from recipec.api import Json, Schema, Settings, TableRef, Word, literal, named, quote, vote
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree
from recipec.votes._arguments import check_columns
from recipec.votes._ballot import Ballot
from recipec.votes._base import Vote, Voted, Voting
from recipec.votes._items import ROW, answered
from recipec.votes._tally import Lists

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class CrowdParams(Settings):
    votes: TableRef
    worker: Word = named(Word("worker"))
    item: list[Word] = named([Word("item")])
    answer: Word = named(Word("answer"))
    by: Literal["dawid_skene", "one_coin", "majority"] = named("dawid_skene")
    gold: Literal["fix", "ignore"] = named("ignore")


@vote("crowd")
class Crowd(Vote):
    """What people answered: a table with a row for each answer of a worker to an item.

    ```recipe
    source answers = csv("data/answers.csv") { columns: { worker: text, item: text, answer: text } }
    label topic from pool {
      classes: ["games", "sound"]
      vote crowd(answers, worker: worker, item: item, answer: answer)
    }
    ```

    ``item`` holds the source's key of the row that was answered (the value of its ``key:`` column; ``item: [a, b]`` where the key has several), or the
    row's ``_key``, for rows whose source declares no key and for rows made from others; ``answer`` is a class. The workers'
    answers are put together by Dawid and Skene's model (1979), in which each worker has a table of errors: the vote is its most probable class,
    the confidence that class's probability, and ``recipec labels`` shows every worker's skill. ``by: one_coin`` gives each worker one number
    instead, ``by: majority`` counts heads; where two classes are even the row has no label, under the reason "unsure". ``gold: fix``
    lets the step's gold teach the workers' tables. Answers to items that are not among the rows are not used, and are counted.

    In a step of several classes (``many: true``) a worker's answer to an item is a list, or several rows; it says no to what is not in it;
    a null answer says nothing. ``recipec annotate`` lets people answer on a page: ``annotations`` reads what they said.
    """

    Params = CrowdParams
    params: CrowdParams
    modes = frozenset({"class", "many"})

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        given = self.params
        check_columns(bind, given.votes, {"worker": [given.worker], "item": given.item, "answer": [given.answer]}, call.call)

    def meaning(self) -> Json:
        return None

    def brings(self, ctx: RunContext) -> tuple[str, ...] | None:
        name = quote(self.params.answer)
        if self.params.votes.schema.types.get(str(self.params.answer), "").endswith("[]"):
            name = f"unnest({name})"
            listed = ctx.con.execute(
                f"SELECT DISTINCT x::VARCHAR FROM (SELECT {name} AS x FROM {ctx.relation(self.params.votes)})"
            ).fetchall()
            return tuple(sorted(r[0] for r in listed if r[0] is not None))
        rows = ctx.con.execute(
            f"SELECT DISTINCT {name}::VARCHAR FROM {ctx.relation(self.params.votes)} WHERE {name} IS NOT NULL"
        ).fetchall()
        return tuple(sorted(r[0] for r in rows))

    def several(self, voting: Voting) -> Voted:
        """Each class as a question of yes and no: a worker says yes to the classes that its answers to an item name."""
        from recipec.labels.crowd import answers, combine

        given, ctx = self.params, voting.ctx
        worker, answer = quote(given.worker), quote(given.answer)
        gold = ctx.step.bound.plan.settings.gold if given.gold == "fix" else None
        listed = f"c.{answer}" if given.votes.schema.types.get(str(given.answer), "").endswith("[]") else f"[c.{answer}]"
        base = voting.temp("answers")
        ctx.execute(
            f"CREATE TEMP TABLE {base} AS SELECT s._key AS item, c.{worker}::VARCHAR AS worker, list_transform(flatten(list({listed})), "
            f"lambda x: x::VARCHAR) AS said{f', any_value(s.{gold.sql}) AS gold' if gold is not None else ''} "
            f"FROM {answered(ctx.relation(given.votes), given.item)} AS c JOIN {voting.relation} AS s ON s._key = c.{ROW} "
            f"WHERE c.{worker} IS NOT NULL AND c.{answer} IS NOT NULL GROUP BY ALL"
        )
        sure: dict[str, list[float]] = {}
        notes: list[str] = []
        for code, name in enumerate(voting.classes):
            yes = f"CASE WHEN list_contains({{}}, {literal(name)}) THEN 'yes' ELSE 'no' END"
            known = f", CASE WHEN gold IS NOT NULL THEN {yes.format('gold')} END AS gold" if gold is not None else ""
            found = answers(
                ctx.con, f"(SELECT item, worker, {yes.format('said')} AS answer{known} FROM {base})", item="item", worker="worker",
                answer="answer", classes=("no", "yes"), gold="gold" if gold is not None else None, scratch=f"{ctx.scratch}c{code}_",
            )  # fmt: skip
            crowd = combine(found, method=given.by)
            keys = ctx.con.execute(f"SELECT item::VARCHAR FROM {found.table} ORDER BY _item").fetchall()
            for (key,), row in zip(keys, crowd.probabilities, strict=True):
                sure.setdefault(key, []).append(float(row[1]))
            notes += [f"{voting.name}: {n}" for n in crowd.notes if f"{voting.name}: {n}" not in notes]
        lists = Lists(voting)
        for key, shares in sure.items():
            lists.add(key, [c for c, p in enumerate(shares) if p > 0.5], shares)
        lists.write()
        strange = f"SELECT x, count(*) FROM (SELECT unnest(said) AS x FROM {base}) WHERE NOT list_contains({literal(list(voting.classes))}, x) GROUP BY x"
        return Voted(soft=True, whole=True, notes=notes, strange=dict(ctx.con.execute(strange).fetchall()))

    def run(self, voting: Voting) -> Voted:
        if voting.mode == "many":
            return self.several(voting)
        import numpy as np

        from recipec.labels.crowd import answers, combine

        given, ctx = self.params, voting.ctx
        worker, answer = quote(given.worker), quote(given.answer)
        gold = ctx.step.bound.plan.settings.gold
        # Keys are made of the item's value as the source made them of its `key:` column.
        joined = (
            f"(SELECT s._key AS item, c.{worker}::VARCHAR AS worker, c.{answer}::VARCHAR AS answer"
            f"{f', s.{gold.sql}::VARCHAR AS gold' if gold is not None and self.params.gold == 'fix' else ''} "
            f"FROM {answered(ctx.relation(given.votes), given.item)} AS c JOIN {voting.relation} AS s ON s._key = c.{ROW})"
        )
        fixed = "gold" if gold is not None and given.gold == "fix" else None
        found = answers(
            ctx.con,
            joined,
            item="item",
            worker="worker",
            answer="answer",
            classes=voting.classes,
            gold=fixed,
            scratch=f"{voting.ctx.scratch}c_",
        )
        whole = int(ctx.one(f"SELECT count(*) FROM {ctx.relation(given.votes)}")[0])
        matched = int(ctx.one(f"SELECT count(*) FROM {joined} AS j")[0])
        # Which answers they are is told with the votes.
        crowd = combine(replace(found, strange=0), method=given.by)
        # Rows of items: the class of the greatest probability; where two are even, those.
        heard = np.bincount(found.item, weights=found.count, minlength=found.items) > 0
        sure = [[float(p) for p in row] for row in crowd.probabilities]
        ballot = Ballot(voting)
        keys = [k for (k,) in ctx.con.execute(f"SELECT item::VARCHAR FROM {found.table} ORDER BY _item").fetchall()]
        for key, code, row, said in zip(keys, crowd.decided.tolist(), sure, heard.tolist(), strict=True):
            if code >= 0:
                ballot.add(key, code, row)
            elif said:
                ballot.tie(key, row)
        ballot.write()
        strange = ctx.con.execute(
            f"SELECT answer, count(*) FROM {joined} AS j WHERE worker IS NOT NULL AND NOT list_contains({literal(list(voting.classes))}, answer) GROUP BY 1"
        ).fetchall()
        voted = Voted(soft=True, notes=[f"{voting.name}: {n}" for n in crowd.notes], strange=dict(strange))
        if matched < whole:
            lost = whole - matched
            told = "is for an item that is" if lost == 1 else "are for items that are"
            voted.notes.append(f"{voting.name}: {lost:,} of {whole:,} answers {told} not among the rows")
        counts = np.bincount(found.worker, weights=found.count, minlength=len(found.workers)).astype(int)
        order = np.argsort(-counts, kind="stable")[:200]
        voted.facts = {
            "workers": [
                {"worker": found.workers[w], "answers": int(counts[w]), "skill": round(float(crowd.skill[w]), 6),
                 "right": crowd.on_gold[w][0], "judged": crowd.on_gold[w][1], "confusion": np.round(crowd.confusion[w], 6).tolist()}
                for w in order
            ],
            "fleiss": crowd.agreement.fleiss, "alpha": crowd.agreement.alpha, "prior": [round(float(p), 6) for p in crowd.prior],
        }  # fmt: skip
        return voted
