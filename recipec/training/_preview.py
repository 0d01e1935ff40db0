"""Before the first step: what the first rows look like to the model, which of them are kept, and what memory the training wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from recipec.training._adapters import adapt, counts
from recipec.training._base import Dropped, Folder, FullParams, Ledger, Rows, TrainSpec
from recipec.training._cores import threads
from recipec.training._fit import environment, prepare, require, settled, task_of
from recipec.training._quiet import quiet
from recipec.training._share import processes

if TYPE_CHECKING:
    from recipec.training._env import Env

ENOUGH = 1000
"""Rows of a large table that are looked at, and that a scratch tokenizer is then made from; the training's own sees them all."""
TOKEN_BYTES = 34
"""Bytes that one token leaves behind for the backward pass in a layer, for each unit of width, at two bytes a number
(Korthikanti et al. 2022, without the matrix of attention, which is not kept)."""


@dataclass(frozen=True)
class Shown:
    """A row as the model sees it: its tokens, each with whether it is trained (for classes and numbers none is: ``answer`` says what
    is), or why it is dropped."""

    tokens: tuple[tuple[str, bool], ...]
    answer: str = ""
    dropped: str = ""
    truncated: str = ""


@dataclass(frozen=True)
class Memory:
    """Bytes, estimated: the parts (of one process, save the activations) and ``total``. Activations are those of the largest batch there can be."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    trained_parameters: int
    total_parameters: int
    processes: int = 1
    """Each has the weights, gradients and moments; the activations are shared."""

    @property
    def each(self) -> int:
        """What one process wants."""
        return self.weights + self.gradients + self.optimizer + self.activations // self.processes

    @property
    def total(self) -> int:
        return self.each * self.processes


WHOLE = 10_000
"""Rows up to which all are made into tokens and checked; of more, the first :data:`ENOUGH` are."""


class Preview(NamedTuple):
    """``shown`` are the first rows as the model sees them, ``ledger`` says what becomes of all that were looked at; ``spec`` are the settings
    with their defaults."""

    shown: list[Shown]
    memory: Memory
    spec: TrainSpec
    ledger: Ledger


def preview(spec: TrainSpec, rows: Rows, n: int = 3, validation: Rows | None = None) -> Preview:
    """What a training would see, without training. DataError as from the training itself, where the rows are few enough to look at all."""
    require()
    # A number is taken as it is: what is looked at here may be trained on a machine with more.
    spec = replace(spec, devices=processes("auto", threads()) if spec.devices == "auto" else spec.devices)
    with TemporaryDirectory() as at, quiet([]), settled(spec):
        if rows.count <= WHOLE and (validation is None or validation.count <= WHOLE):
            env, store, _ = prepare(spec, rows, validation, Path(at), Path(at), lambda _: None)
            env.task.start(env)
            return Preview(list(_shown(env, _first(rows, n), n, Ledger())), memory(env), env.spec, store.ledger)
        first = _first(rows, max(n, ENOUGH))
        env = environment(spec, task_of(spec.task), first, first.content(), Path(at), Path(at))
        env.task.survey(env, rows)
        env.task.start(env)
        ledger = Ledger()
        shown = list(_shown(env, first, n, ledger))
        return Preview(shown, memory(env), env.spec, ledger)


def _first(rows: Rows, n: int) -> Rows:
    def read() -> Iterator[Any]:
        left = n
        for batch in rows.read():
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return

    return Rows(read, min(n, rows.count))


def _shown(env: Env, rows: Rows, n: int, ledger: Ledger) -> Iterator[Shown]:
    """The first ``n`` rows; all that are given are entered into the ledger."""
    place = -1
    for batch in rows.read():
        for made in env.task.encode(env, batch):
            place += 1
            if isinstance(made, Dropped):
                ledger.drop(place, made.reason)
                if place < n:
                    yield Shown((), dropped=made.reason)
                continue
            ledger.kept += 1
            ledger.truncated += bool(made.truncated)
            if place >= n:
                continue
            labels = made.ragged.get("labels")
            tokens: list[tuple[str, bool]] = []
            for name, ids in made.ragged.items():
                if name != "labels":
                    tokens += [(env.tokenizer.decode([t]), labels is not None and labels[i] != -100) for i, t in enumerate(ids)]
            yield Shown(tuple(tokens), _answer(env, made), truncated=made.truncated)


def _answer(env: Env, made: Any) -> str:
    if "target" in made.fixed and isinstance(made.fixed["target"], list):
        shares = zip(env.classes, made.fixed["target"], strict=True)
        return ", ".join(name if share == 1 else f"{name} {share:.2f}" for name, share in shares if share > 0)
    if "label" in made.fixed:
        return env.classes[int(made.fixed["label"])]
    if "target" in made.fixed:
        return f"{made.fixed['target']:g}"
    if env.classes:
        return " ".join(env.classes[i] for i in made.ragged["labels"] if i != -100)
    return ""


def memory(env: Env) -> Memory:
    """From the shape of the model, without its weights."""
    import torch

    spec = env.spec
    # Shapes alone: a model on the device `meta` has no numbers.
    shape = replace(spec, base=Folder(""))
    blank = type(env)(shape, env.task, env.tokenizer, env.config, None, env.folder, env.classes, [], dict(env.facts))
    with torch.device("meta"):
        model = env.task.model(blank)
        if not isinstance(spec.adapter, FullParams):
            model = adapt(model, spec.adapter, spec.task)
    trained, everything = counts(model)
    config = env.config
    width, layers = int(config.hidden_size), int(config.num_hidden_layers)
    size = 2 if spec.precision in ("bf16", "fp16") else 4
    assert spec.batch_size is not None
    tokens = spec.batch_tokens or spec.batch_size * env.max_length
    activations = tokens * width * layers * TOKEN_BYTES * size // 2
    if spec.task in ("generate", "prefer"):
        # Scores over the vocabulary, and their gradients, in full precision.
        activations += tokens * int(config.vocab_size) * 8
    return Memory(4 * everything, 4 * trained, 8 * trained, activations, trained, everything, int(spec.devices))
