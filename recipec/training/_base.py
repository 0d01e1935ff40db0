"""What a fine-tuning task is, and everything that decides a training: imported at check, so nothing heavy here.

A task is one file: ``@task("classify")`` on a subclass of :class:`Task`. At check, :meth:`Task.bind` gives the expressions
that it reads, by role (``text``, ``label``), typed; at run the rows come as Arrow batches with one column a role, and the
same class encodes them, makes the model, the loss and the scores.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Arrows, DataError, Expression, Json, Schema, Settings
from recipec.resolve.arguments import Choices
from recipec.resolve.problems import WrongArguments, WrongType
from recipec.resolve.types import shown
from recipec.settings import Field
from recipec.source import Span

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder
    from recipec.training._env import Env
    from recipec.training._store import Store

# Bases ----------------------------------------------------------------------------------------------------------------


class ScratchParams(Settings):
    """``scratch(layers: 2, width: 128)``: a small transformer with random weights and a tokenizer made from the training
    text, so that a recipe runs with no download. ``vocab`` bounds the tokens (bytes are always among them), ``max_length``
    the positions."""

    layers: int = Field(2, ge=1, le=96)
    width: int = Field(128, ge=8, le=16384)
    heads: int = Field(4, ge=1, le=128)
    vocab: int = Field(8000, ge=300, le=500_000)
    max_length: int = Field(256, ge=8, le=131_072)


BASES = Choices((("scratch", ScratchParams),), what="base")
DECODERS = ("generate", "prefer")
"""Tasks whose bases write."""


def misshapen(p: ScratchParams, *, decoder: bool) -> tuple[str, str] | None:
    """(what is wrong, what to do) of a ``scratch`` that no model can have the shape of."""
    if p.width % p.heads:
        return f"scratch: a width of {p.width} cannot be shared by {p.heads} heads", "let heads divide width"
    if decoder and (p.width // p.heads) % 2:
        return f"scratch: {p.width} / {p.heads} dimensions a head is odd", "let width / heads be even"
    return None


@dataclass(frozen=True)
class Folder:
    """A model in a folder of this machine: of Hugging Face's kind, or the result of another ``train`` step."""

    path: str


@dataclass(frozen=True)
class Hub:
    """A model on the Hugging Face hub; ``revision`` should be a commit."""

    name: str
    revision: str | None = None


Base = Folder | Hub | ScratchParams

# Adapters, stops ------------------------------------------------------------------------------------------------------


class FullParams(Settings):
    """Every weight is trained."""


class LoraParams(Settings):
    """Low-rank updates (Hu et al. 2021) of ``targets`` (default: all linear layers of the body); scaled by alpha / rank,
    where alpha is twice the rank by default."""

    rank: int = Field(8, ge=1, le=1024)
    alpha: float | None = None
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    targets: list[str] = []


class DoraParams(LoraParams):
    """LoRA with the weights' lengths trained apart from their directions (Liu et al. 2024)."""


class PrefixParams(Settings):
    """Trained keys and values before every layer (Li and Liang 2021)."""

    tokens: int = Field(20, ge=1, le=1000)


class PromptParams(Settings):
    """Trained embeddings before the text (Lester et al. 2021)."""

    tokens: int = Field(20, ge=1, le=1000)


class FrozenParams(Settings):
    """Only the head on top of the base is trained."""


Adapter = FullParams | LoraParams | DoraParams | PrefixParams | PromptParams | FrozenParams
ADAPTERS = Choices(
    (
        ("full", FullParams),
        ("lora", LoraParams),
        ("dora", DoraParams),
        ("prefix", PrefixParams),
        ("prompt", PromptParams),
        ("frozen", FrozenParams),
    ),
    what="adapter",
)
ADAPTER_NAMES: dict[type, str] = {model: name for name, model in ADAPTERS.options}


class EarlyParams(Settings):
    """``early(patience: 2, on: f1)``: end after so many evaluations on validation without a gain, and keep the best weights."""

    patience: int = Field(2, ge=1, le=1000)
    on: Literal["loss", "accuracy", "f1"] = "loss"


STOPS = Choices((("early", EarlyParams),), what="way to stop")

# The specification ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainSpec:
    """Everything that decides a training, beside the rows.

    ``roles`` are the columns of the rows' batches; ``form`` how the task reads them (``single`` or ``multi`` labels,
    ``messages`` or ``pair``, ``dpo`` ...). None means the task's own default, see :meth:`Task.defaults`.

    ``warmup`` below 1 is a share of the steps, else their number. ``batch_size`` counts rows; ``batch_tokens``, where
    given, bounds the tokens of a batch instead. ``long`` says what becomes of rows longer than ``max_length`` tokens.
    ``evaluate_every`` and ``checkpoint_every`` are in steps; by default an evaluation follows every epoch, and a
    checkpoint is written about once a minute. ``devices`` is how many processes train together (see ``_share``); all that is said of a batch
    is said of theirs together. ``threads`` are those of one process.
    """

    task: str
    form: str
    roles: tuple[str, ...]
    base: Base
    adapter: Adapter = FullParams()  # noqa: RUF009 - frozen
    classes: tuple[str, ...] | None = None
    epochs: float | None = None
    steps: int | None = None
    learning_rate: float | None = None
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = 0.1
    batch_size: int | None = None
    batch_tokens: int | None = None
    accumulate: int = 1
    max_length: int | None = None
    long: Literal["truncate", "drop"] | None = None
    weight_decay: float = 0.01
    max_norm: float = 1.0
    dropout: float | None = None
    label_smoothing: float = 0.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    class_weights: Literal["none", "balanced"] | tuple[tuple[str, float], ...] = "none"
    loss_on: Literal["assistant", "completion", "all"] = "assistant"
    template: str | None = None
    """A chat template (Jinja) in place of the base's own; ``plain`` is recipec's own (see ``_chat.PLAIN``)."""
    beta: float = 0.1
    stop: EarlyParams | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    seed: int = 0
    packing: bool = False
    group_by_length: bool = True
    threads: int | None = None
    track: Literal["none", "tensorboard", "wandb", "mlflow"] = "none"
    devices: int | Literal["auto"] = 1

    @classmethod
    def read(cls, values: Mapping[str, Json], base: Base) -> TrainSpec:
        """The specification that :meth:`json` wrote, on another base: for prediction, where the adapter is in the folder."""
        simple = {f.name: values[f.name] for f in fields(cls) if f.name in values and f.name not in ("base", "adapter", "stop")}
        simple = {k: tuple(v) if isinstance(v, list) else v for k, v in simple.items()}
        return cls(base=base, **simple)

    def json(self) -> dict[str, Json]:
        """Flat and JSON-able, by field: for the run key, ``recipec.json`` and ``plan``."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}


def plain(value: Any) -> Json:
    """A setting as JSON has it; a model of settings says which one it is."""
    if isinstance(value, Settings):
        name = ADAPTER_NAMES.get(type(value), type(value).__name__.removesuffix("Params").lower())
        return {"is": name, **{k: plain(v) for k, v in value.model_dump().items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__.lower(), **{k: plain(v) for k, v in asdict(value).items()}}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


# Rows -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Rows to train on, to be read more than once: ``read()`` gives Arrow record batches with one column a role, in key
    order. ``digest`` stands for their content and order; None lets it be computed, which reads them once more."""

    read: Callable[[], Iterable[Any]]
    count: int
    digest: str | None = None

    @staticmethod
    def of(columns: Mapping[str, Sequence[Any]], batch: int = 1000) -> Rows:
        """Rows in memory."""
        import pyarrow as pa

        table = pa.table({name: pa.array(list(values)) for name, values in columns.items()})
        return Rows(_Batches(table, batch), table.num_rows)

    @staticmethod
    def table(table: Any, digest: str | None = None) -> Rows:
        """Rows of an Arrow table, that can be sent to another process."""
        return Rows(_Batches(table), table.num_rows, digest)

    def content(self) -> str:
        """A digest of the values in order, however they are cut into batches."""
        from hashlib import blake2b

        if self.digest is not None:
            return self.digest
        state: dict[str, Any] = {}
        for batch in self.read():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                digest = state.setdefault(name, blake2b(digest_size=16))
                digest.update(
                    json.dumps(column.to_pylist(), ensure_ascii=False, default=str, separators=(",", ":"))[1:-1].encode(
                        "utf-8", "surrogatepass"
                    )
                    + b","
                )
        whole = blake2b(digest_size=16)
        for name in sorted(state):
            whole.update(name.encode() + b"\0" + state[name].digest())
        return whole.hexdigest()


@dataclass(frozen=True)
class _Batches:
    """A table in batches of so many rows at most."""

    table: Any
    size: int = 10_000

    def __call__(self) -> Iterator[Any]:
        return iter(self.table.to_batches(max_chunksize=self.size))


@dataclass
class Ledger:
    """What became of every row: ``kept`` (of which ``truncated``), and ``dropped`` by reason. ``marks`` has the place of
    each row that was not kept whole, from 0 in reading order, with the reason's number in ``reasons``."""

    kept: int = 0
    truncated: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.kept + sum(self.dropped.values())

    def drop(self, place: int, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self.mark(place, reason)

    def mark(self, place: int, reason: str) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)
        self.marks.append((place, self.reasons.index(reason)))

    def json(self) -> dict[str, Json]:
        return {"rows": self.rows, "kept": self.kept, "truncated": self.truncated, "dropped": dict(self.dropped)}


class Dropped(Exception):
    """Raised while a row is encoded: the row is counted under the reason and left out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Encoded:
    """One row as numbers: ``ragged`` lists of token ids by name, ``fixed`` numbers or vectors by name."""

    ragged: dict[str, Sequence[int]]
    fixed: dict[str, Any] = field(default_factory=dict)
    truncated: str = ""
    """What was cut off, where something was."""


# Tasks ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaskBound:
    """A task on a schema: what it reads, by role, and in which form. ``label`` names the columns that hold the answers."""

    form: str
    roles: Mapping[str, Expression]
    label: frozenset[str] = frozenset()

    @property
    def meaning(self) -> dict[str, Json]:
        return {"form": self.form, **{f"role {name}": e.meaning for name, e in self.roles.items()}}


@dataclass(frozen=True)
class Defaults:
    """A task's settings where the recipe gives none."""

    learning_rate: float
    epochs: float
    batch_size: int
    max_length: int
    long: Literal["truncate", "drop"]
    head: bool = True
    """Whether the model has a head that ``frozen`` leaves to be trained."""
    wide_rate: float | None = None
    """The learning rate where all weights of a base with layers wider than 512 are trained; None for the same as elsewhere."""


class Task(ABC):
    """``classify(text => label)``: what a model is taught. The docstring of a subclass is its documentation."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    """Scores on validation, of those that stopping and searching can go by."""
    main: ClassVar[str] = "input_ids"
    """The ragged column whose length counts in batches."""
    shares: ClassVar[bool] = False
    """Whether :meth:`loss` gives a process's share of the loss (see ``_share``), so that several processes can train together."""

    # At check

    @abstractmethod
    def bind(self, bind: StepBinder, params: Any, schema: Schema, span: Span) -> TaskBound | None:
        """What the task reads of the schema; None after reporting what is wrong."""

    @abstractmethod
    def defaults(self, spec: TrainSpec) -> Defaults: ...

    # At run

    @abstractmethod
    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        """The texts of a batch that a scratch tokenizer is made from."""

    def survey(self, env: Env, rows: Rows) -> None:  # noqa: B027 - few tasks have anything to do here
        """A first pass over the rows, before any is encoded: find the classes."""

    def start(self, env: Env) -> None:  # noqa: B027
        """Called before the first row of a table is encoded."""

    @abstractmethod
    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        """Rows as numbers, one result a row, in order."""

    def check(self, env: Env, train: Any, validation: Any) -> None:  # noqa: B027
        """Raise DataError for what would make the training worthless. Both are :class:`recipec.training._store.Store`."""

    @abstractmethod
    def model(self, env: Env) -> Any:
        """The model, its new weights from the seed that is set."""

    def begin(self, env: Env, model: Any, stores: list[Store]) -> None:  # noqa: B027
        """Called with the model before its first step, and with the rows of training and validation."""

    @abstractmethod
    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch as tensors."""

    @abstractmethod
    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        """(loss, outputs) of a batch. ``items`` is the number of trained tokens in all batches of this step, or None."""

    @abstractmethod
    def scores(self, env: Env) -> Scores:
        """What gathers the outputs on validation."""

    def arranged(self, env: Env, store: Store) -> tuple[Any, Any]:
        """(examples by place, their lengths): what batches are made of. Packing puts several rows into one."""
        return store, store.lengths

    def facts(self, env: Env) -> dict[str, Json]:
        """What prediction must know beside the specification and the classes."""
        return {}


class Scores(ABC):
    """Gathers a model's answers on validation, batch by batch, and gives its metrics (``loss`` always among them)."""

    gathers: ClassVar[tuple[str, ...]] = ()
    """Its numbers and lists that grow batch by batch: those of several processes are put together."""

    @abstractmethod
    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None: ...

    @abstractmethod
    def result(self) -> dict[str, float]: ...

    def join(self, other: Scores) -> None:
        """Add what another process gathered."""
        for name in self.gathers:
            setattr(self, name, getattr(self, name) + getattr(other, name))


# Help for binds -------------------------------------------------------------------------------------------------------


def sides(bind: StepBinder, pairs: Arrows | None, schema: Schema, span: Span, example: str) -> tuple[Expression, Expression] | None:
    """The two expressions of the one ``input => answer`` that a task takes."""
    if pairs is None or len(pairs.pairs) != 1:
        bind.report(WrongArguments(span=span, message="this task wants one `input => answer`", help=(f"task: {example}",)))
        return None
    left, right = pairs.pairs[0]
    # Both are looked at, so that one check tells the problems of both.
    given, answer = bind.expression(left, schema), bind.expression(right, schema)
    return None if given is None or answer is None else (given, answer)


def typed(bind: StepBinder, e: Expression, right: Callable[[str], bool], wanted: str, *help: str) -> bool:
    """Whether an expression's type is right; reported where it is not."""
    if right(e.type) or any(i.schema.unknown for i in bind.inputs):
        return True
    bind.report(WrongType(span=e.node.span, message=f"this must be {wanted}, and is {shown(e.type)}", help=help))
    return False


def is_text(type: str) -> bool:
    return type in ("VARCHAR", '"NULL"') or type.startswith("ENUM")


def is_texts(type: str) -> bool:
    return type.endswith("[]") and is_text(type[:-2])


def need(what: str, package: str) -> DataError:
    """The error for a package that is not installed."""
    return DataError(f"{what} needs the package `{package}`", "pip install 'recipec[train]'")
