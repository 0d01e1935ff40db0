"""``fit``: rows in, a folder with a trained model out."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.registry import find as registered
from recipec.training import _bases
from recipec.training._base import (
    DECODERS,
    Defaults,
    DoraParams,
    FrozenParams,
    FullParams,
    Ledger,
    LoraParams,
    PrefixParams,
    PromptParams,
    Rows,
    ScratchParams,
    Task,
    TrainSpec,
    need,
)
from recipec.training._cores import threads
from recipec.training._env import Env
from recipec.training._quiet import quiet
from recipec.training._run import TrainResult, fingerprint, learn, let_go, resumable, run_key, tracker
from recipec.training._share import processes
from recipec.training._store import VERSION, Store, encode, key_of
from recipec.training._trainer import Moment, Progress

if TYPE_CHECKING:
    from recipec.training._together import Crew


def fit(
    spec: TrainSpec,
    rows: Rows,
    folder: Path | str,
    *,
    validation: Rows | None = None,
    cache: Path | str | None = None,
    work: Path | str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    interrupted: Callable[[], bool] | None = None,
    lineage: str | None = None,
    track: Path | str | None = None,
    crew: Crew | None = None,
) -> TrainResult:
    """Train and write the model to ``folder``.

    ``cache`` keeps tokenised rows from one training to the next; ``work`` has the checkpoints (default: beside ``folder``) and
    is removed at the end. With ``resume``, a checkpoint found in ``work`` is gone on from, and one that was made of anything
    else (rows, settings, base, versions, threads) is refused with the field named; without, it is thrown away.
    ``interrupted`` is asked after every step; where it says yes, or ``progress`` raises KeyboardInterrupt, or Ctrl-C is pressed in
    the main thread, a checkpoint is written and KeyboardInterrupt raised. ``lineage`` is put into ``recipec.json``. ``track`` is the
    folder for what is tracked in files (TensorBoard); default: beside ``folder``. ``crew`` has the processes of a training on several devices,
    where they are to serve more than one training.

    Raises DataError for everything that makes a training impossible or worthless.
    """
    folder = Path(folder).absolute()
    at = Path(work).absolute() if work is not None else folder.with_name(f"{folder.name}.work")
    stores = Path(cache).absolute() if cache is not None else at / "encoded"
    tell: Progress = progress if progress is not None else lambda _: None
    notes: list[str] = []
    require()
    tracker(spec.track)
    spec = replace(spec, devices=processes(spec.devices, threads()))
    if not resume:
        let_go(at)
    at.mkdir(parents=True, exist_ok=True)
    with quiet(notes), settled(spec), heard(interrupted) as asked:
        env, train, valid = prepare(spec, rows, validation, at, stores, tell)
        env.notes = notes
        logs = Path(track).absolute() if track is not None else None
        result: TrainResult | None
        if env.spec.devices == 1:
            result = learn(env, train, valid, folder, at, tell, asked, lineage, logs)
        else:
            from recipec.training._together import Crew, Job

            # What cannot be gone on from is known before processes are started.
            resumable(at, run_key(env, train, valid))
            job = Job(env, train.folder, valid.folder if valid is not None else None, folder, at, lineage, logs)
            with nullcontext(crew) if crew is not None else Crew() as together:
                result = together.train(job, tell, asked)
        assert result is not None
    let_go(at)
    return result


def prepare(
    spec: TrainSpec, rows: Rows, validation: Rows | None, at: Path, stores: Path, tell: Progress
) -> tuple[Env, Store, Store | None]:
    """Everything before the first step: the tokenizer, the classes, the rows as tokens, the checks."""
    task = task_of(spec.task)
    content = rows.content()
    env = environment(spec, task, rows, content, at, stores)
    task.survey(env, rows)
    train = encoded(env, rows, content, stores, tell)
    valid = encoded(env, validation, validation.content(), stores, tell) if validation is not None else None
    if not len(train):
        raise DataError("no row is left to train on", why(train.ledger))
    if valid is not None and not len(valid):
        task.check(env, train, valid)
        raise DataError("no row is left to validate on", why(valid.ledger))
    task.check(env, train, valid)
    return env, train, valid


def task_of(name: str) -> Task:
    cls = registered("task", name)
    if cls is None:
        raise DataError(f"there is no task `{name}`")
    made: Task = cls()
    return made


def why(ledger: Ledger) -> str:
    if not ledger.rows:
        return "the table is empty"
    return "all were dropped: " + ", ".join(f"{reason} {n:,}" for reason, n in ledger.dropped.items())


def environment(spec: TrainSpec, task: Task, rows: Rows, content: str, at: Path, stores: Path) -> Env:
    """The tokenizer and the configuration of the base, and the settings with their defaults."""
    defaults = task.defaults(spec)
    decoder = spec.task in DECODERS
    base = _bases.find(spec.base)
    if base is None:
        assert isinstance(spec.base, ScratchParams)
        tokenizer = scratch(spec.base, task, spec, rows, content, stores, decoder)
        config = _bases.scratch_config(spec.base, tokenizer, decoder=decoder)
    else:
        tokenizer = _bases.tokenizer_of(base, spec)
        config = _bases.config_of(base)
    if defaults.wide_rate is not None and base is not None and (getattr(config, "hidden_size", None) or 0) > NARROW:
        defaults = replace(defaults, learning_rate=defaults.wide_rate)
    spec = filled(spec, defaults, _bases.positions(config, tokenizer))
    return Env(spec, task, tokenizer, config, base, at, facts={"tokenizer": Path(tokenizer.name_or_path)} if base is None else {})


NARROW = 512
"""The width of layers up to which a base counts as small (MiniLM has 384). Small ones learn at higher rates."""


def scratch(p: ScratchParams, task: Task, spec: TrainSpec, rows: Rows, content: str, stores: Path, decoder: bool) -> Any:
    """The tokenizer made from the rows, kept for the next training on them."""
    import tokenizers
    from transformers import AutoTokenizer

    key = key_of(["scratch", VERSION, content, p.vocab, p.max_length, decoder, spec.task, spec.form, tokenizers.__version__])
    place = stores / f"tokenizer-{key}"
    if not place.exists():
        made = _bases.scratch_tokenizer((t for b in rows.read() for t in task.texts(b, spec)), p, decoder=decoder)
        making = stores / f"tokenizer-{key}.making"
        shutil.rmtree(making, ignore_errors=True)
        made.save_pretrained(making)
        making.rename(place)
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def filled(spec: TrainSpec, defaults: Defaults, most: int | None) -> TrainSpec:
    """The settings with every default put in."""
    if spec.max_length is not None and most is not None and spec.max_length > most:
        raise DataError(f"max_length is {spec.max_length}, and the base takes {most} tokens", f"max_length: {most}, or another base")
    rate = spec.learning_rate
    if rate is None:
        match spec.adapter:
            case LoraParams() | DoraParams():
                rate = max(defaults.learning_rate, 5e-4)
            case FrozenParams() | PrefixParams() | PromptParams():
                rate = max(defaults.learning_rate, 1e-2 if not isinstance(spec.adapter, FrozenParams) else 1e-3)
            case FullParams():
                rate = defaults.learning_rate
    length = spec.max_length if spec.max_length is not None else min(defaults.max_length, most or defaults.max_length)
    if isinstance(spec.adapter, (PromptParams, PrefixParams)) and most is not None and spec.max_length is None:
        length = min(length, most - spec.adapter.tokens)
    return replace(
        spec,
        learning_rate=rate,
        epochs=spec.epochs if spec.epochs is not None or spec.steps is not None else defaults.epochs,
        batch_size=spec.batch_size if spec.batch_size is not None else defaults.batch_size,
        max_length=length,
        long=spec.long or defaults.long,
        precision=precise(spec.precision, small=isinstance(spec.base, ScratchParams)),
        threads=spec.threads or max(1, threads() // int(spec.devices)),
    )


def precise(asked: str, *, small: bool = False) -> Any:
    """The precision to compute in; ``auto`` is bf16 where the machine has it in hardware, else fp32. On a processor, ``small``
    models gain nothing from it."""
    import torch

    if asked != "auto":
        if asked == "fp16" and not torch.cuda.is_available():
            raise DataError("precision: fp16 needs a GPU", "take bf16 or fp32")
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    capable = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16" if not small and (capable.get("avx512_bf16") or capable.get("amx_bf16")) else "fp32"


def encoded(env: Env, rows: Rows, content: str, stores: Path, tell: Progress) -> Store:
    import tokenizers

    spec, task = env.spec, env.task
    decides = {
        "version": VERSION, "task": [task.name, task.version], "form": spec.form, "roles": spec.roles, "rows": content,
        "tokenizer": fingerprint(env), "tokenizers": tokenizers.__version__, "max_length": spec.max_length, "long": spec.long,
        "classes": env.classes, "loss_on": spec.loss_on, "template": spec.template,
    }  # fmt: skip
    stores.mkdir(parents=True, exist_ok=True)
    return encode(env, rows, stores, key_of(decides), lambda done, total: tell(Moment("tokenise", done, total)))


# Surroundings ---------------------------------------------------------------------------------------------------------


def require() -> None:
    """Raise DataError where a package is missing. To be called before torch is imported."""
    # By default torch's threads spin while they wait for each other; where anything else wants the cores too, a training then runs
    # tens of times slower (measured: 5 steps a second against 180). Read by the library once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("torch", "transformers", "accelerate"):
        try:
            __import__(name)
        except ImportError:
            raise need("training", name) from None


@contextmanager
def settled(spec: TrainSpec) -> Iterator[None]:
    """Threads and random states for a training, put back afterwards."""
    import random

    import numpy as np
    import torch

    before, drawn, counted = random.getstate(), np.random.get_state(), torch.get_num_threads()
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(spec.threads or threads())
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(drawn)
        torch.set_num_threads(counted)
        if torch.cuda.is_available():
            torch.use_deterministic_algorithms(False)


@contextmanager
def heard(asked: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
    """Whether to stop: as the caller says, or once Ctrl-C was pressed. A second press stops at once."""
    pressed = threading.Event()

    def hear(number: int, frame: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    main = threading.current_thread() is threading.main_thread()
    old = signal.signal(signal.SIGINT, hear) if main else None
    try:
        yield lambda: pressed.is_set() or (asked is not None and asked())
    finally:
        if main:
            signal.signal(signal.SIGINT, old)
