"""``label``: votes on every row, and the label that they add up to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal

from recipec.api import (
    Asking,
    Bound,
    Column,
    ColumnName,
    Expression,
    Field,
    Json,
    Kind,
    Made,
    Outcome,
    Schema,
    Settings,
    Traits,
    Use,
    Word,
    step,
)
from recipec.combiners._base import Combiner, wrong_prior
from recipec.diagnostics import Label as Mark
from recipec.diagnostics import nearest, replace_fix
from recipec.registry import find
from recipec.registry import names as registry_names
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.bounds import beyond
from recipec.resolve.chain import Test, bind_test, meaning_of, merge, one_line
from recipec.resolve.columns import name_problem
from recipec.resolve.problems import BadValue, DuplicateName, MissingSetting, UnknownOperator, WrongForm, WrongType
from recipec.resolve.types import accepts, shown
from recipec.resolve.uses import asked
from recipec.steps._label_modes import OUTSIDE, RESULTS, cannot_vote, check_gold, mode_of, names_of, token_column, written
from recipec.syntax import tree
from recipec.votes._base import SAID, Mode, Vote

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

COMBINERS = Choices(group="combiner", what="way to combine votes")
NO_VOTE, UNSURE = "no vote", "unsure"


class LabelSettings(Settings):
    classes: list[Word] | None = None
    many: bool = False
    tags: list[Word] | None = None
    tokens: ColumnName | None = None
    accept: Expression | None = None
    combine: Annotated[Inner | None, COMBINERS] = None
    unsure: Literal["drop", "keep"] = "drop"
    into: Word | None = None
    gold: ColumnName | None = None
    prior: dict[str, float] | None = None
    calibrate: Literal["temperature", "isotonic"] | None = None
    max_failed: float = Field(0.01, ge=0, le=1)
    guidelines: str = ""
    description: str = ""


@dataclass(frozen=True)
class Voter:
    """One voter: a rule (``condition`` and ``label`` are SQL), or a vote. ``polarity`` are the classes that it can vote for, None for any."""

    name: str
    kind: str
    meaning: Json
    condition: str = ""
    label: str = ""
    constant: str | None = None
    vote: Vote | None = None


@dataclass(frozen=True)
class LabelPlan:
    column: str
    classes: tuple[str, ...] | None
    voters: tuple[Voter, ...]
    combiner: Combiner | None
    accept: str | None
    settings: LabelSettings
    salt: str
    seed: int
    tests: tuple[Test, ...]
    schema: Schema
    given: Schema
    mode: Mode = "class"
    tokens: str = ""


@step("label")
class Label(Kind):
    """Gives every row a class, by the votes of rules, models, neighbours and people.

    ```recipe
    label topic from tidy {
      classes: ["games", "science", "sound", "web"]
      when section in ["games", "science", "sound", "web"]         => section as by_section
      when description matches r/\\b(player|puzzle|arcade)\\b/i      => "games" as game_words
      when description matches r/\\b(audio|midi|synthesi[sz]er)\\b/i => "sound" as sound_words
      combine: dawid_skene()
      accept: confidence >= 80%
    }
    ```

    A rule votes for its class where its condition is true, and abstains elsewhere. ``vote llm(...)``, ``vote classifier(m)``,
    ``vote knn(seeds)``, ``vote keywords({...})``, ``vote crowd(...)`` and others vote beside the rules: ``recipec docs`` lists them. A
    voter's name is what follows ``as``.

    ``combine`` says how the votes of a row become one label: ``majority()`` (the default; ties abstain), ``weighted()``,
    ``first()``, ``dawid_skene()``, ``one_coin()``, ``label_model()``. Where a single voter gives probabilities, they are the
    confidence. ``prior: {games: 40%, ...}`` tells a model how common the classes are.

    The result has the columns of its input and three more: ``topic``, ``topic_confidence`` (0 to 1) and ``topic_votes`` (from voter to
    vote). ``into: label`` names the column. Rows on which nobody votes are dropped under the reason "no vote", those whose
    votes are even or for which ``accept`` is not true under "unsure"; with ``unsure: keep`` they stay, with a null label.
    ``accept`` sees the columns, ``confidence`` and the label.

    ``many: true`` gives a row every class that fits, as a list. Each class is then a question of yes and no: a rule, whose label may be a list
    too, says yes and nothing more; a model or a person says no to the classes that it does not name. A row gets a class when yes is decided, or where
    ``accept`` is true for it, with the probability of yes as ``confidence``; ``topic_confidence`` lists those of its classes. A row to which a model
    or a person gives no class has an empty list.

    ``tags: ["PER", "LOC"]`` tags tokens instead of rows:

    ```recipe
    label entities from news {
      tags: ["PER", "LOC", "ORG"]
      vote gazetteer(people.line, tag: "PER")                  as known_people
      vote pattern(r/[A-Z]\\w+ (Inc|Corp|Ltd)\\b/, tag: "ORG")  as companies
      combine: majority()
      gold: tags
    }
    ```

    The tokens are the column ``tokens``, a list of texts, or the one that the setting of this name says. Voters vote for the type of each token, and what
    combines classes combines these; a token on which nobody votes, or on which votes are even, is outside (``O``). The result is one tag a
    token in IOB2 (``B-PER``, ``I-PER``, ``O``), always well formed: an entity begins where the type changes, or where most voters for it
    begin one. ``entities_confidence`` is that of the least sure token that got a vote, null where no token did; with ``accept`` such rows are dropped
    under "no vote", else all their tokens are outside. ``recipec labels entities`` counts whole entities, by voter and type, right and wrong on gold.

    ``gold: column`` names known classes: they say how good each voter is (``recipec labels topic``). ``dawid_skene``
    and its kin (``one_coin``, ``mace``) learn from them too and leave these rows their class, unless told ``gold: ignore``; ``weighted()``
    without weights takes its weights from them, ``label_model`` the classes' shares; ``majority`` does not use them.
    ``calibrate: temperature`` or ``isotonic`` sets the confidence right by them. A row that a model's server did not answer for
    abstains; it is counted, shown by ``recipec bad``, and asked again by the next run. More than ``max_failed`` of them fail the
    step; what was answered is kept, and not paid for again.
    """

    Settings = LabelSettings
    level = "labels"
    gaps = True
    takes = frozenset({"when", "vote", "expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: LabelSettings | None = bind.settings(skip=["accept"])
        before = len(bind.findings.errors)
        column = str(settings.into) if settings is not None and settings.into else bind.name
        mode = mode_of(bind, settings)
        classes = names_of(bind, settings, mode)
        tokens = token_column(bind, settings, bind.schema) if mode == "tags" else ""
        voters = self.voters(bind, classes, mode, tokens)
        made = self.known(voters, classes)
        schema = self.result(bind, column, settings, mode)
        accept = self.accept(bind, column, mode)
        if settings is not None:
            check_gold(bind, settings, mode)
        if mode == "tags" and made is not None:
            made = (OUTSIDE, *made)
        combiner = self.combiner(bind, settings, voters, made, mode)
        tests = [bind_test(bind, e, schema) for e in bind.statements(tree.Expect)]
        # A voter may be missing without an error of its own: its template is wrong, which was told there.
        incomplete = len(voters) < len(self.votes_of(bind)) or None in tests
        if settings is None or len(bind.findings.errors) > before or incomplete:
            return None
        traits = Traits(scope="row", changes_rows=settings.unsure == "drop" or accept is not None, changes_columns=True)
        for voter in voters:
            if voter.vote is not None:
                traits = merge(traits, voter.vote.traits)
        if (combiner is not None and combiner.learns) or settings.calibrate is not None:
            by_gold = combiner is not None and combiner.uses_gold and getattr(combiner.params, "gold", "") != "ignore"
            learns_gold = settings.gold is not None and (by_gold or settings.calibrate is not None)
            traits = merge(traits, Traits(scope="global", fits_on_data=True, reads_label=learns_gold))
        meaning: dict[str, Json] = {"classes": list(classes) if classes is not None else None, "column": column}
        shown_fields: dict[str, str] = {}
        for voter, node in zip(voters, self.votes_of(bind), strict=True):
            meaning[f"voter {voter.name}"] = voter.meaning
            shown_fields[f"voter {voter.name}"] = one_line(node.span)
        meaning["order"] = [v.name for v in voters]
        if mode != "class":
            meaning["mode"] = [mode, tokens]
        for name in ("combine", "unsure", "gold", "prior", "calibrate", "max_failed"):
            meaning[f"settings.{name}"] = meaning_of(getattr(settings, name))
        meaning["settings.accept"] = accept.meaning if accept is not None else None
        for setting in bind.statements(tree.Setting):
            shown_fields[f"settings.{setting.key.id}"] = one_line(setting.value.span)
        salt = bind.salt("label") if self.random(combiner, voters) else "label"
        return bind.bound(
            outputs={"": schema},
            meaning=meaning,
            shown=shown_fields,
            plan=LabelPlan(
                column, classes, tuple(voters), combiner, accept.sql if accept is not None else None, settings, salt, bind.seed,
                tuple(t for t in tests if t is not None), schema, bind.schema, mode, tokens,
            ),
            traits=traits,
            files=tuple(dict.fromkeys(f for v in voters if v.vote is not None for f in v.vote.files())),
            uses=self.uses(bind, settings, voters),
            made=self.columns(column, self.known(voters, classes), voters, settings),
            tests=tuple(t for t in tests if t is not None),
        )  # fmt: skip

    # The pieces of a label step

    @staticmethod
    def votes_of(bind: StepBinder) -> list[Any]:
        """Rules and votes, in the order written."""
        return [s for s in bind.node.body if isinstance(s, tree.When) or (isinstance(s, tree.Op) and s.vote)]

    @staticmethod
    def uses(bind: StepBinder, settings: LabelSettings, voters: Sequence[Voter]) -> tuple[Use, ...]:
        """What the voters' models get, and the gold that they are held against."""
        found = [
            u
            for v in voters
            if v.vote is not None
            for u in asked(bind.inputs[0], v.vote.params, getattr(v.vote, "column", ""), bind.node.head)
        ]
        return (*found, *([Use("gold", bind.inputs[0], settings.gold)] if settings.gold is not None else []))

    @classmethod
    def columns(cls, column: str, classes: tuple[str, ...] | None, voters: Sequence[Voter], settings: LabelSettings) -> tuple[Made, ...]:
        label = Made(column, "label", classes, cls.reached(voters, classes), settings.unsure == "keep")
        return label, Made(f"{column}_confidence", "confidence"), Made(f"{column}_votes", "votes")

    @staticmethod
    def reached(voters: Sequence[Voter], classes: tuple[str, ...] | None) -> frozenset[str] | None:
        """The classes that a voter can vote for; None where it is not known."""
        found: set[str] = set()
        for voter in voters:
            if classes is None or (voter.vote is None and voter.constant is None):
                return None
            if voter.vote is None:
                found.add(voter.constant or "")
            else:
                known = voter.vote.known()
                found.update(voter.vote.polarity(classes if known is None else [c for c in known if c in classes]))
        return frozenset(found)

    @staticmethod
    def random(combiner: Combiner | None, voters: Sequence[Voter]) -> bool:
        return (combiner is not None and combiner.random) or any(v.vote is not None and v.vote.traits.random for v in voters)

    def voters(self, bind: StepBinder, classes: tuple[str, ...] | None, mode: Mode, tokens: str) -> list[Voter]:
        nodes = self.votes_of(bind)
        if not nodes:
            help = ('when text matches r/free/i => "spam"', "vote llm(lm, ask(text))")
            if mode == "tags":
                help = ('vote gazetteer(people.name, tag: "PER")', 'vote pattern(r/[A-Z]\\w+ Ltd/, tag: "ORG")')
            bind.report(MissingSetting(span=bind.node.head, message="`label` has no voter", help=help))
        out: list[Voter] = []
        places: dict[str, int] = {}
        for number, node in enumerate(nodes, 1):
            rule = isinstance(node, tree.When)
            made = self.rule(bind, node, classes, number, mode) if rule else self.vote(bind, node, classes, mode, tokens)
            if made is None:
                continue
            if made.name in places:
                at = node.name.span if node.name is not None else node.span
                said = "give each a name of its own: `... as name`"
                first = nodes[places[made.name]]
                also = (Mark(first.name.span if first.name is not None else first.span, "the first is here"),)
                bind.report(DuplicateName(span=at, message=f"two voters are called `{made.name}`", also=also, help=(said,)))
                continue
            out.append(made)
            places[made.name] = number - 1
        return out

    @staticmethod
    def rule(bind: StepBinder, node: tree.When, classes: tuple[str, ...] | None, number: int, mode: Mode) -> Voter | None:
        if mode == "tags":
            cannot_vote(bind, node.span, "a rule", ("class",), mode)
            return None
        if classes is None and not any(s.key.id == "classes" for s in bind.statements(tree.Setting)):
            # Told once.
            if number == 1:
                bind.report(MissingSetting(span=bind.node.head, message="rules need `classes`", help=('classes: ["spam", "ham"]',)))
            bind.expression(node.condition, bind.schema, condition=True, what="`when`")
            return None
        condition = bind.expression(node.condition, bind.schema, condition=True, what="`when`")
        given = node.label
        if isinstance(given, tree.Name) and classes is not None and given.id in classes and given.id not in bind.schema.types:
            fix = replace_fix(given.span, f'"{given.id}"')
            bind.report(BadValue(span=given.span, message="a class stands in quotes", label=f'write "{given.id}"', fixes=(fix,)))
            return None
        name = node.name.id if node.name is not None else f"rule_{number}"
        label = bind.expression(node.label, bind.schema)
        if condition is None or label is None:
            return None
        constant = bind.text(node.label)
        if constant is not None and classes is not None and constant not in classes:
            guess = nearest(constant, classes)
            problem = BadValue(
                span=node.label.span, message=f'"{constant}" is none of the classes', help=(f"classes: {', '.join(classes)}",)
            )
            if guess:
                problem.put(label=f'did you mean "{guess}"?')
            bind.report(problem)
            return None
        several = mode == "many" and label.type == "VARCHAR[]"
        if not several and not accepts("VARCHAR", label.type) and not bind.schema.unknown:
            what = "the name of a class, or a list of names" if mode == "many" else "the name of a class"
            bind.report(WrongType(span=node.label.span, message=f"a rule gives {what}; this is {shown(label.type)}"))
            return None
        made = f"({label.sql})" if several else f"[{label.sql}]" if mode == "many" else label.sql
        return Voter(name, "rule", [condition.meaning, label.meaning], condition.sql, made, constant)

    @staticmethod
    def vote(bind: StepBinder, node: tree.Op, classes: tuple[str, ...] | None, mode: Mode, tokens: str) -> Voter | None:
        if not isinstance(node.call.func, tree.Name):
            bind.report(WrongForm(span=node.call.func.span, message="a vote is a plain name"))
            return None
        cls: type[Vote] | None = find("vote", node.call.func.id)
        if cls is None:
            problem = UnknownOperator(span=node.call.func.span, wanted=node.call.func.id, candidates=tuple(registry_names("vote")))
            problem.suggest(f"no vote `{node.call.func.id}`", listing="votes")
            bind.report(problem)
            return None
        if node.body is not None:
            bind.report(WrongForm(span=node.span, message=f"`vote {cls.name}` takes no block"))
            return None
        if mode not in cls.modes:
            cannot_vote(bind, node.call.func.span, f"`{cls.name}`", [m for m in SAID if m in cls.modes], mode)
            return None
        before = len(bind.findings.errors)
        params = bind.arguments(cls.Params, node.call)
        if params is None:
            return None
        vote = cls(params)
        vote.mode, vote.tokens = mode, tokens
        vote.bind(bind, bind.schema, classes, node)
        if len(bind.findings.errors) > before:
            return None
        name = node.name.id if node.name is not None else cls.name
        return Voter(name, cls.name, [f"{cls.name}@{cls.version}", meaning_of(params), vote.meaning()], vote=vote)

    @staticmethod
    def known(voters: Sequence[Voter], classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The classes as far as they are known when checking."""
        if classes is not None:
            return classes
        brought = [v.vote.known() for v in voters if v.vote is not None]
        return next((c for c in brought if c is not None), None)

    @staticmethod
    def result(bind: StepBinder, column: str, settings: LabelSettings | None, mode: Mode) -> Schema:
        schema = bind.schema
        if settings is not None and settings.into is None and column in schema.types:
            message = f"`{bind.table_name.strip('`')}` has a column `{column}` already"
            help = (f"say what is meant to be replaced: into: {column}", "or call the step another name")
            bind.report(DuplicateName(span=bind.node.name.span, message=message, help=help))
        for end, type in RESULTS[mode].items():
            name = column + end
            others = [c for c in schema.names if c != name]
            problem = name_problem(tree.Name(name, False, span=bind.node.name.span), others)
            if problem is not None:
                bind.report(problem)
            schema = schema.with_column(Column(name, type, bind.node.name.span))
        return schema

    @staticmethod
    def accept(bind: StepBinder, column: str, mode: Mode) -> Expression | None:
        node = written(bind, "accept")
        if node is None:
            return None
        schema = bind.schema
        # Of several classes each is asked about by itself.
        label = "VARCHAR[]" if mode == "tags" else "VARCHAR"
        for name, type in {"confidence": "DOUBLE", "label": label, column: label}.items():
            schema = schema.with_column(Column(name, type))
        for problem in beyond(node, lambda n: 1.0 if isinstance(n, tree.Name) and n.id == "confidence" else math.inf):
            bind.report(problem)
        return bind.expression(node, schema, condition=True, what="`accept`")

    @staticmethod
    def combiner(
        bind: StepBinder, settings: LabelSettings | None, voters: list[Voter], classes: tuple[str, ...] | None, mode: Mode
    ) -> Combiner | None:
        if settings is None:
            return None
        if settings.prior is not None and classes is not None:
            at = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "prior")
            strangers = [c for c in settings.prior if c not in classes]
            missing = [c for c in classes if c not in settings.prior]
            if strangers or missing:
                message = f'`prior` names "{strangers[0]}", which is no class' if strangers else f'`prior` has no share for "{missing[0]}"'
                bind.report(BadValue(span=at.span, message=message, help=(f"classes: {', '.join(classes)}",)))
            elif mode == "many":
                wrong = next((c for c, p in settings.prior.items() if not 0 < p < 1), None)
                if wrong is not None:
                    bind.report(BadValue(span=at.span, message=f'the share of rows of "{wrong}" must lie between 0% and 100%'))
            else:
                for message, help in wrong_prior([settings.prior[c] for c in classes], classes):
                    bind.report(BadValue(span=at.span, message=message, help=(help,) if help else ()))
        chosen = settings.combine
        if chosen is None:
            if len(voters) < 2:
                return None
            cls = find("combiner", "majority")
            assert cls is not None
            return cls(cls.Params())  # type: ignore[no-any-return]
        combiner: Combiner = chosen.cls(chosen.params)
        node = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "combine")
        # Several classes are as many questions of yes and no.
        asked = ("no", "yes") if mode == "many" else classes or ()
        if len(voters) < len(Label.votes_of(bind)):
            return combiner  # of a voter that is missing enough is said
        for message, help in combiner.check([v.name for v in voters], asked, gold=settings.gold is not None):
            bind.report(BadValue(span=node.span, message=message, help=(help,) if help else ()))
        return combiner

    def run(self, plan: LabelPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.tests import run_tests

        module = import_module({"class": "recipec.votes._run", "many": "recipec.votes._many", "tags": "recipec.votes._tags"}[plan.mode])
        outcome: Outcome = module.label(plan, ctx)
        run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
        return outcome

    @classmethod
    def askings(cls, plan: LabelPlan) -> Sequence[Asking]:
        classes = cls.known(plan.voters, plan.classes)
        found = [v.vote.asking(v.name, classes) for v in plan.voters if v.vote is not None]
        return [a for a in found if a is not None]

    @classmethod
    def stale(cls, plan: Any, extra: Mapping[str, Json]) -> str | None:
        failed = sum(v.get("failed", 0) for v in extra.get("voters", ()))
        return f"{failed:,} row{'s' * (failed != 1)} got no answer" if failed else None
