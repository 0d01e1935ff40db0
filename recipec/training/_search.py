"""``search { learning_rate: [1e-5, 5e-5]  epochs: [2, 3] }``: the trials of a search, found at check. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from recipec.api import Json, Settings
from recipec.resolve import arguments
from recipec.resolve.arguments import Inner
from recipec.resolve.chain import meaning_of
from recipec.resolve.problems import BadValue, MissingSetting, WrongArguments, WrongForm
from recipec.settings import Field
from recipec.syntax import tree
from recipec.training._base import ADAPTER_NAMES, ADAPTERS, Task

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder

MOST = 1000
"""Trials that a search may ask for."""
UNASKED = 32
"""Trials that a search makes without being told how many it may."""


class SearchSettings(Settings):
    learning_rate: list[float] = []
    epochs: list[float] = []
    steps: list[int] = []
    batch_size: list[int] = []
    accumulate: list[int] = []
    schedule: list[Literal["linear", "cosine", "constant"]] = []
    warmup: list[float] = []
    weight_decay: list[float] = []
    max_norm: list[float] = []
    dropout: list[float] = []
    label_smoothing: list[float] = []
    max_length: list[int] = []
    beta: list[float] = []
    adapter: list[Annotated[Inner, ADAPTERS]] = []
    trials: int | None = Field(None, ge=1, le=MOST)
    on: Literal["loss", "accuracy", "f1"] | None = None


OWN = ("trials", "on")
"""Settings of the search itself; the others are of the training, each with the values to try."""
SHIFTING = ("label_smoothing", "beta", "max_length")
"""Settings that change what the loss counts, so that losses of different values cannot be compared."""


@dataclass(frozen=True)
class Search:
    """``trials`` are changes of the specification, each by field; ``on`` is the score on validation that decides; ``grid`` is how many
    combinations there are."""

    trials: tuple[tuple[tuple[str, Any], ...], ...]
    on: str
    grid: int

    @property
    def sign(self) -> int:
        """What a score is multiplied by, so that less is better."""
        return 1 if self.on == "loss" else -1


def bind_search(
    bind: StepBinder, op: tree.Op, task: Task, known: type[Settings], stop: str | None, seed: int
) -> tuple[Search, Json] | None:
    """The trials, and what they mean; None after reporting. ``known`` are the settings of the training, whose bounds hold for every value;
    ``stop`` is what early stopping looks at."""
    before = len(bind.findings.errors)
    if op.call.args or op.name is not None:
        example = "search { learning_rate: [1e-4, 4e-4]  epochs: [2, 4] }"
        bind.report(WrongForm(span=op.call.span, message="`search` takes a block, and nothing in brackets", help=(example,)))
        return None
    written: list[tree.Setting] = []
    for statement in op.body or ():
        if isinstance(statement, tree.Setting):
            written.append(statement)
        else:
            bind.report(WrongForm(span=statement.span, message="`search` takes settings with the values to try: epochs: [2, 3]"))
    made: SearchSettings | None = arguments.settings(bind, SearchSettings, written, bind.schema, what="`search`", span=op.span)
    if made is None:
        return None
    nodes = {s.key.id: s.value for s in written}
    values = {s.key.id: tuple(getattr(made, s.key.id)) for s in written if s.key.id not in OWN}
    if not values:
        bind.report(
            MissingSetting(span=op.span, message="`search` needs a setting to try values of", help=("learning_rate: [1e-4, 4e-4]",))
        )
        return None
    outside = {s.key.id: s for s in bind.statements(tree.Setting)}
    for name, listed in values.items():
        check_values(bind, nodes[name], name, listed, known)
        if name in outside:
            bind.report(
                WrongArguments(span=outside[name].key.span, message=f"`{name}` is searched for, and set here", help=("keep one of them",))
            )
    for one, other in (("epochs", "steps"), ("batch_size", "batch_tokens")):
        both = {n for n in (one, other) if n in values} | {n for n in (one, other) if n in outside}
        if len(both) == 2:
            place = nodes.get(other, nodes.get(one))
            assert place is not None
            bind.report(BadValue(span=place.span, message=f"a training has `{one}` or `{other}`, not both"))
    on = made.on or stop or ("f1" if "f1" in task.metrics else "loss")
    if on not in task.metrics:
        message = f"`{task.name}` is not measured by `{on}`"
        bind.report(
            BadValue(span=nodes["on"].span if "on" in nodes else op.span, message=message, help=(f"it has {', '.join(task.metrics)}",))
        )
    shifting = [n for n in SHIFTING if len(values.get(n, ())) > 1]
    if on == "loss" and shifting:
        others = [m for m in ("f1", "accuracy") if m in task.metrics]
        message = f"`{shifting[0]}` changes what the loss counts: trials cannot be compared by it"
        bind.report(
            BadValue(span=nodes[shifting[0]].span, message=message, help=(f"on: {others[0]}",) if others else ("give it one value",))
        )
    grid = prod(len(v) for v in values.values())
    if grid > UNASKED and made.trials is None:
        help = ("trials: 12 makes twelve of them, drawn by the seed",)
        bind.report(MissingSetting(span=op.span, message=f"these are {grid:,} trainings: say how many to make at most", help=help))
    if len(bind.findings.errors) > before:
        return None
    trials = drawn(values, grid, made.trials, seed)
    meaning: dict[str, Json] = {"trials": [[[n, meaning_of(v)] for n, v in trial] for trial in trials], "on": on}
    return Search(trials, on, grid), meaning


def drawn(values: dict[str, tuple[Any, ...]], grid: int, most: int | None, seed: int) -> tuple[tuple[tuple[str, Any], ...], ...]:
    """All combinations, or ``most`` of them, drawn by the seed. Which ones does not depend on the order of the settings or values."""
    every = (tuple(zip(values, each, strict=True)) for each in product(*values.values()))
    if most is None or grid <= most:
        return tuple(every)

    def rank(trial: tuple[tuple[str, Any], ...]) -> bytes:
        return blake2b(f"{seed} {sorted((n, repr(v)) for n, v in trial)}".encode(), digest_size=16).digest()

    # A grid too large to be listed is cut: nobody tries a hundred thousand trainings.
    listed = list(islice(every, 100_000))
    chosen = set(sorted(range(len(listed)), key=lambda i: rank(listed[i]))[:most])
    return tuple(t for i, t in enumerate(listed) if i in chosen)


BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def check_values(bind: StepBinder, node: tree.Expr, name: str, values: Sequence[Any], known: type[Settings]) -> None:
    """Every value must be one that the setting itself would take, and stand once."""
    items = node.items if isinstance(node, tree.ListExpr) else ()
    if not values:
        bind.report(BadValue(span=node.span, message=f"`{name}` has no value to try"))
    seen: list[Any] = []
    for n, value in enumerate(values):
        span = items[n].span if n < len(items) else node.span
        wrong = next((c for c in known.model_fields[name].constraints if not c.holds(value)), None)
        if wrong is not None:
            bind.report(BadValue(span=span, message=f"`{name}` must be {BOUNDS[wrong.kind]} {wrong.value:g}"))
        elif value in seen:
            bind.report(WrongArguments(span=span, message="this value is there twice", help=("keep one of them",)))
        seen.append(value)


def changes(trial: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A trial as fields of the specification."""
    return {name: value.params if isinstance(value, Inner) else value for name, value in trial}


def shown_value(value: Any) -> str:
    """A value of a trial as a recipe has it."""
    if isinstance(value, Inner):
        usual = type(value.params)().model_dump()
        given = ", ".join(f"{k}: {v}" for k, v in value.params.model_dump().items() if v != usual.get(k))
        return f"{ADAPTER_NAMES[type(value.params)]}({given})"
    return f"{value:g}" if isinstance(value, float) else str(value)
