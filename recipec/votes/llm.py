"""``vote llm``"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from recipec.api import Asking, Json, ModelRef, PromptCall, Schema, Settings, Traits, named, quote, vote
from recipec.models._base import spending
from recipec.resolve.arguments import Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import meaning_of
from recipec.resolve.problems import BadValue, WrongArguments
from recipec.syntax import tree
from recipec.votes._answers import Reader
from recipec.votes._arguments import argument, check_columns, check_keys, written
from recipec.votes._ballot import Ballot
from recipec.votes._base import Tagging, Vote, Voted, Voting
from recipec.votes._examples import EXAMPLES, chosen, likeness, pool
from recipec.votes._llm_sets import asked, collector, schema

if TYPE_CHECKING:
    from recipec.models._base import Model
    from recipec.models.quoting import Quote
    from recipec.models.requests import Request

CHUNK = 20_000
"""Prompts held in memory at a time."""
PARSER = 1
"""Of the rules by which an answer is read: raise it when the same answer would mean another class."""


class LLMParams(Settings):
    model: ModelRef
    prompt: PromptCall
    examples: Annotated[Inner | None, EXAMPLES] = named(None)
    samples: int = named(1, ge=1, le=100)
    words: dict[str, str] = named({})
    constrain: bool = named(False)
    score: bool | None = named(None)


@vote("llm")
class LLM(Vote):
    """Asks a language model for the class: in-context learning.

    ```recipe
    template ask(text, examples) \"\"\"
    {% for e in examples %}{{ e.text }} [SEP] The label of the above text is {{ e.label }}
    {% endfor %}{{ text }} [SEP] The label of the above text is\"\"\"

    label sentiment from unlabeled {
      classes: ["positive", "negative"]
      vote llm(lm, ask(text), examples: nearest(seeds, k: 4))
      accept: confidence >= 70%
    }
    ```

    For a template without roles, the vote is the class with the greatest P(class | prompt): the sum of the log-probabilities of the
    class's tokens, as the server gives them. The confidence is the softmax of these sums over the classes. ``words`` says what stands for
    a class in the text: ``words: {positive: "good"}``. Where the server gives no log-probabilities, and for templates with roles,
    the answer is read: as JSON with a ``label``, as a class's name, as the only class it mentions; what is none of them abstains and is
    counted. ``constrain: true`` asks the server to answer with JSON whose ``label`` is one of the classes. ``samples: 5`` asks five times and
    votes (self-consistency, Wang et al. 2022); the confidence is the share, and where two classes are even there is no vote, under the
    reason "unsure". ``score: false`` reads answers in any case.

    ``examples`` fills the template's parameter ``examples`` with rows ``{text, label}`` of a table: ``fixed(t, k: 8)`` the first by key,
    ``nearest(t, k: 4)`` those most like the row, ``diverse(t, k: 4)`` like the row and unlike each other (maximal marginal relevance),
    ``balanced(t, k: 4)`` the nearest of each class in turn; the most alike stands last. Likeness is by shared words, or with
    ``with: minilm`` by the vectors of a model. The columns are ``text`` and ``label`` unless named: ``nearest(t, text: body, label: topic)``. A
    row is never its own example.

    Answers are kept, and how they are read is not part of what is asked: another ``words``, ``accept`` or ``combine`` asks for nothing again
    where answers are read. Where classes are scored, ``words`` are what is scored, so other words are asked for. Ten rows more are ten
    calls more, unless examples change for others too (``nearest(t)`` when ``t`` changes). ``recipec plan`` counts and prices the calls;
    ``recipec show STEP --render ask`` prints the prompts with their examples.

    In a step of several classes the answer is a list of them, as JSON or parted by commas; it says no to those that it does not name, and an
    empty list, or ``none``, to all. In a step with ``tags`` it is a JSON list of ``{"text": "Ada Moor", "tag": "PER"}``: the text is looked for
    among the row's tokens, and one that does not stand there, or has a tag that is none of the step's, is counted and shown. A text named
    once is meant wherever it stands. With ``samples`` what is in more than half of the answers stands.
    """

    Params = LLMParams
    params: LLMParams
    traits = Traits(external=True)
    modes = frozenset({"class", "many", "tags"})

    def bind(self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op) -> None:
        given = self.params
        if not given.model.can("complete"):
            bind.report(
                BadValue(span=call.call.args[0].span, message=f"`{given.model}` does not complete prompts", help=("use a language model",))
            )
        wanted = {"examples"} if given.examples is not None else set()
        missing = [p for p in given.prompt.open if p not in wanted]
        if missing:
            help = "examples: nearest(seeds, k: 4)" if missing == ["examples"] else f"it is defined as: template {given.prompt.prompt.form}"
            bind.report(WrongArguments(span=given.prompt.span, message=f"`{given.prompt.prompt.name}` needs `{missing[0]}`", help=(help,)))
        elif wanted and "examples" not in given.prompt.open:
            message = f"`{given.prompt.prompt.name}` has no open parameter `examples` to put them in"
            bind.report(WrongArguments(span=given.prompt.span, message=message, help=("template ask(text, examples) ...",)))
        if given.examples is not None:
            inner = argument(call.call, "examples")
            shown = inner if isinstance(inner, tree.Call) else call.call
            columns = {"text": [given.examples.params.text], "label": [given.examples.params.label]}
            check_columns(bind, given.examples.params.table, columns, shown)
            by = getattr(given.examples.params, "with_", None) if given.examples.name != "fixed" else None
            if by is not None and not by.can("embed"):
                at, help = written(shown, "with") or shown.span, 'model e = embedding("models/minilm")'
                bind.report(BadValue(span=at, message=f"`{by}` does not embed texts", help=(help,)))
        check_keys(bind, call.call, "words", given.words, classes)
        if given.score and self.mode != "class":
            said = "leave out `score`: the answer is read"
            at = written(call.call, "score") or call.call.span
            bind.report(BadValue(span=at, message="log-probabilities tell one class a row", help=(said,)))
        elif given.samples > 1 and given.score:
            at = written(call.call, "samples") or call.call.span
            bind.report(BadValue(span=at, message="log-probabilities need no samples", help=("leave out `samples` or `score`",)))

    def meaning(self) -> Json:
        return {"parser": PARSER, "examples": meaning_of(self.params.examples)}

    @property
    def scoring(self) -> bool:
        """Whether log-probabilities are asked for first."""
        given = self.params
        if self.mode != "class":
            return False
        if given.score is not None:
            return given.score
        return given.samples == 1 and not given.prompt.chat and not given.constrain and given.model.can("score")

    def run(self, voting: Voting) -> Voted:
        ctx = voting.ctx
        model: Model = ctx.model(self.params.model)
        ballot: Any = Ballot(voting) if self.mode == "class" else collector(voting)
        rows = self.render(voting)
        quote = ctx.quote(model)
        if quote is not None:
            for start in range(0, len(rows), CHUNK):
                self.count(quote, rows[start : start + CHUNK], voting.classes)
            ctx.agree(quote.estimate(voting.name))
        scoring = self.scoring
        done = 0
        before = dict(model.spent())
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            said = partial(self.said, voting, model, done, len(rows))
            if scoring and not self.scored(model, voting, part, ballot, said):
                # The server gives no log-probabilities: the answer is read instead.
                scoring = False
            if not scoring:
                self.asked(model, voting, part, ballot, said)
            done += len(part)
            ballot.flush()
        ballot.write()
        whole = self.mode != "class"
        voted = Voted(
            soft=self.mode != "tags", whole=whole, spent=spending(before, model.spent()), failed=ballot.failed, strange=ballot.strange
        )
        voted.facts["model"] = str(self.params.model)
        voted.notes.extend(f"{self.params.model}: {n}" for n in model.notices())
        return voted

    def said(self, voting: Voting, model: Model, before: int, rows: int, done: int) -> None:
        share = (before + (done if self.scoring else done // self.params.samples)) / rows if rows else None
        voting.ctx.progress(share, "  ".join(filter(None, (voting.name, model.telling()))))

    # Before anything is asked

    def asking(self, name: str, classes: Sequence[str] | None) -> Asking | None:
        inner = self.params.examples
        return Asking(
            self.params.model,
            lambda quote, part: self.count(quote, part, classes or ()),
            name,
            self.params.prompt,
            examples=self.picker if inner is not None else None,
            query=self.query(),
            only=f"len({quote(self.tokens)}) > 0" if self.mode == "tags" else "",
            slow=inner is not None and inner.name != "fixed",
        )

    def count(self, quote: Quote, part: Sequence[tuple[str, Any]], classes: Sequence[str]) -> None:
        """Add what is asked for these rows to a quote."""
        if self.scoring:
            choices = self.choices(part, classes)
            if quote.scores(choices, chat=False):
                quote.add(self.requests(part), choices=choices)
                return
        quote.add(self.requests(part), schema=self.schema(classes))

    # Prompts

    def render(self, voting: Voting) -> list[tuple[str, Any]]:
        """(key, prompt) for every row, in key order; a prompt is a text or a list of messages."""
        ctx, given = voting.ctx, self.params
        prompts = voting.temp("prompts")
        inner = voting.relation
        if isinstance(voting, Tagging):
            # A row without tokens has nothing to be asked about.
            inner = f"(SELECT * FROM {inner} WHERE _key IN (SELECT _key FROM {voting.rows}))"
        if given.examples is not None:
            # The examples' own name: the input may have a column of that name.
            inner = f"(SELECT s.*, x.examples AS __examples FROM {inner} AS s JOIN {self.examples(voting, inner)} AS x ON s._key = x._key)"
        rendered = given.prompt.sql(examples="__examples")
        ctx.execute(f"CREATE TEMP TABLE {prompts} AS SELECT _key, {rendered} AS prompt FROM {inner}")
        rows: list[tuple[str, Any]] = ctx.con.execute(
            f"SELECT _key::VARCHAR, prompt FROM {prompts} WHERE prompt IS NOT NULL ORDER BY _key"
        ).fetchall()
        ctx.con.execute(f"DROP TABLE {prompts}")
        return rows

    def query(self) -> str:
        """SQL for the text that examples are to be like: the first argument of the template."""
        first = next(iter(self.params.prompt.arguments.values()), None)
        return f"({first.sql})::VARCHAR" if first is not None else "''"

    def examples(self, voting: Voting, relation: str) -> str:
        """Make a table of ``_key`` and ``examples``, a list of ``{text, label}``, for the rows of ``relation``."""
        import pyarrow as pa

        ctx = voting.ctx
        queries = ctx.con.execute(f"SELECT _key::VARCHAR, coalesce({self.query()}, '') FROM {relation} ORDER BY _key").fetchall()
        listed = self.picker(ctx)(queries)
        kind = pa.list_(pa.struct([("text", pa.string()), ("label", pa.string())]))
        table = voting.temp("examples")
        ctx.con.register("__examples", pa.table({"k": pa.array([k for k, _ in queries]), "examples": pa.array(listed, kind)}))
        ctx.con.execute(f"CREATE TEMP TABLE {table} AS SELECT k::UUID AS _key, examples FROM __examples")
        ctx.con.unregister("__examples")
        return table

    def picker(self, ctx: Any) -> Callable[[Sequence[tuple[str, str]]], list[Any]]:
        """A function from rows, as (key, text), to the examples of each."""
        inner = self.params.examples
        assert inner is not None
        found = pool(ctx, inner.params.table, inner.params.text, inner.params.label)
        vectors = None
        if inner.name != "fixed":
            embed = likeness(ctx, inner.params.with_, found.texts)
            vectors = (embed, embed(found.texts))

        def pick(queries: Sequence[tuple[str, str]]) -> list[Any]:
            picked = chosen(ctx, inner.name, inner.params, queries, found, vectors)
            return [[{"text": found.texts[i], "label": found.labels[i]} for i in places] for places in picked]

        return pick

    def requests(self, part: Sequence[tuple[str, Any]]) -> Iterator[Request]:
        from recipec.models.requests import Request

        for sample in range(self.params.samples):
            for key, prompt in part:
                yield Request.of(key, prompt, sample)

    def choices(self, part: Sequence[tuple[str, Any]], classes: Sequence[str]) -> tuple[str, ...]:
        """What stands for each class after a prompt, as it would in a text: after a space, unless the prompt ends in one."""
        spaced = not any(isinstance(p, str) and p[-1:].isspace() for _, p in part[:1])
        wide = all(not w.isascii() for w in classes)
        lead = " " if spaced and not wide else ""
        return tuple(lead + self.params.words.get(c, c) for c in classes)

    def schema(self, classes: Sequence[str]) -> dict[str, Any] | None:
        """The JSON Schema asked of an answer."""
        if not self.params.constrain:
            return None
        if self.mode != "class":
            return schema(self.mode, classes)
        return {
            "type": "object", "properties": {"label": {"type": "string", "enum": list(classes)}}, "required": ["label"],
            "additionalProperties": False,
        }  # fmt: skip

    # Votes

    def scored(self, model: Model, voting: Voting, part: Sequence[tuple[str, Any]], ballot: Ballot, progress: Any) -> bool:
        """Vote by log-probabilities; False where the server gives none."""
        from recipec.models.requests import Failure

        choices = self.choices(part, voting.classes)
        for key, scores in model.scores(self.requests(part), choices, progress=progress):
            if scores is None:
                return False
            if isinstance(scores, Failure):
                ballot.fail(key, scores.kind, scores.message)
                continue
            if len(scores) < len(choices):
                # The server tells the likeliest tokens only, and none of them begins a class.
                ballot.odd("none of the classes begins with a likely token")
                continue
            top = max(scores)
            weights = [math.exp(s - top) for s in scores]
            whole = sum(weights)
            # The first of equals: rounding must not choose.
            best = next(i for i, s in enumerate(scores) if s >= top - 1e-9)
            ballot.add(key, best, [w / whole for w in weights])
        return True

    def asked(self, model: Model, voting: Voting, part: Sequence[tuple[str, Any]], ballot: Any, progress: Any) -> None:
        """Vote by the answers' words, the most frequent of the samples."""
        from recipec.models.requests import Failure

        if self.mode != "class":
            keys = [k for k, _ in part]
            asked(model, voting, self.requests(part), keys, self.schema(voting.classes), self.params.words, ballot, progress)
            return
        read = Reader(voting.classes, self.params.words)
        schema = self.schema(voting.classes)
        counts: dict[str, list[int]] = {}
        failures: dict[str, Failure] = {}
        for key, answer in model.answers(self.requests(part), schema=schema, progress=progress):
            if isinstance(answer, Failure):
                failures[key] = answer
                continue
            tally = counts.setdefault(key, [0] * len(voting.classes))
            code = read(answer.text)
            if code is None:
                ballot.odd(answer.text if answer.finish != "length" else f"{answer.text} (cut off)")
            else:
                tally[code] += 1
        for key, _ in part:
            tally = counts.get(key, [])
            whole, top = sum(tally), max(tally, default=0)
            if whole and tally.count(top) == 1:
                ballot.add(key, tally.index(top), [n / whole for n in tally])
            elif whole:
                ballot.tie(key, [n / whole for n in tally])
            elif key in failures and not whole:
                ballot.fail(key, failures[key].kind, failures[key].message)
