"""``fit``: rows in, a folder with a trained model out."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recipec.api import DataError, Json
from recipec.registry import find as registered
from recipec.training import _bases
from recipec.training._adapters import adapt, counts
from recipec.training._artifact import hash_of, write
from recipec.training._base import (
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
    plain,
)
from recipec.training._batches import Batches
from recipec.training._env import Env
from recipec.training._quiet import quiet
from recipec.training._store import VERSION, Store, encode, key_of
from recipec.training._trainer import MARK, Moment, Progress, Watch, classes, load_trained


@dataclass
class TrainResult:
    """``metrics`` are the scores on validation of the weights that are kept (empty without validation); ``history`` one
    entry a look: step, epoch, and loss or scores; ``seconds`` those of the steps that this process ran."""

    folder: Path
    hash: str
    metrics: dict[str, float]
    ledger: Ledger
    validation_ledger: Ledger | None
    trained_parameters: int
    total_parameters: int
    history: list[dict[str, float]]
    seconds: float
    steps: int
    steps_per_second: float
    stopped: str
    """``early`` where early stopping ended the training; else empty."""
    best_step: int | None
    classes: list[str]
    spec: TrainSpec
    versions: dict[str, str]
    key: dict[str, Json]
    notes: list[str] = field(default_factory=list)
    stores: tuple[str, ...] = ()
    """Folders of the cache that it read its rows from, by name."""
    memory: int = 0
    """Bytes that it was estimated to want."""
    shown: tuple[tuple[tuple[str, bool], ...], ...] = ()
    """The first rows as tokens, each with whether it is trained; of tasks whose tokens are."""


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
) -> TrainResult:
    """Train and write the model to ``folder``.

    ``cache`` keeps tokenised rows from one training to the next; ``work`` has the checkpoints (default: beside ``folder``) and
    is removed at the end. With ``resume``, a checkpoint found in ``work`` is gone on from, and one that was made of anything
    else (rows, settings, base, versions, threads) is refused with the field named; without, it is thrown away.
    ``interrupted`` is asked after every step; where it says yes, or ``progress`` raises KeyboardInterrupt, or Ctrl-C is pressed in
    the main thread, a checkpoint is written and KeyboardInterrupt raised. ``lineage`` is put into ``recipec.json``. ``track`` is the
    folder for what is tracked in files (TensorBoard); default: beside ``folder``.

    Raises DataError for everything that makes a training impossible or worthless.
    """
    folder = Path(folder).absolute()
    at = Path(work).absolute() if work is not None else folder.with_name(f"{folder.name}.work")
    stores = Path(cache).absolute() if cache is not None else at / "encoded"
    tell: Progress = progress if progress is not None else lambda _: None
    notes: list[str] = []
    require()
    tracker(spec.track)
    if not resume:
        shutil.rmtree(at, ignore_errors=True)
    at.mkdir(parents=True, exist_ok=True)
    with quiet(notes), settled(spec), heard(interrupted) as asked:
        env, train, valid = prepare(spec, rows, validation, at, stores, tell)
        env.notes = notes
        result = _train(env, train, valid, folder, at, tell, asked, lineage, Path(track).absolute() if track is not None else None)
    shutil.rmtree(at, ignore_errors=True)
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


DECODERS = ("generate", "prefer")
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
        threads=spec.threads or threads(),
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


def threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def fingerprint(env: Env) -> str:
    """What stands for a tokenizer and its template."""
    tokenizer = env.tokenizer
    special = sorted((k, str(v)) for k, v in tokenizer.special_tokens_map.items())
    return key_of([env.fast().to_str(), special, getattr(tokenizer, "chat_template", None)])


# The run --------------------------------------------------------------------------------------------------------------


def _train(
    env: Env,
    train: Store,
    valid: Store | None,
    folder: Path,
    at: Path,
    tell: Progress,
    asked: Callable[[], bool],
    lineage: str | None,
    track: Path | None,
) -> TrainResult:
    import torch
    import transformers
    from transformers.trainer_callback import PrinterCallback

    spec = env.spec
    assert spec.batch_size is not None
    dataset, lengths = env.task.arranged(env, train)
    batches = Batches(lengths, spec.batch_size, spec.seed, tokens=spec.batch_tokens, by_length=spec.group_by_length)
    an_epoch = -(-len(batches) // spec.accumulate)
    total = spec.steps if spec.steps is not None else max(1, math.ceil((spec.epochs or 1) * an_epoch))
    every = min(spec.evaluate_every or an_epoch, total)
    key = run_key(env, train, valid)
    checkpoint = resumable(at, key)
    env.facts["evaluates"] = valid is not None
    wanted = wants(env)
    tell(Moment(f"wants about {wanted / 1e6:,.0f} MB", 0, total))
    seed_all(spec.seed)
    model = env.task.model(env)
    under: Path | None = None
    if env.base is None and not isinstance(spec.adapter, (FullParams, FrozenParams)):
        # A base made from scratch exists nowhere else: it goes along with its adapter.
        under = at / "base"
        model.save_pretrained(under)
    model = adapt(model, spec.adapter, spec.task)
    env.task.begin(env, model, [store for store in (train, valid) if store is not None])
    trained, everything = counts(model)
    if not trained:
        raise DataError("no weight would be trained", "take another adapter")
    room(at, trained, everything)
    watch = Watch(env, key, tell, asked, every, total)
    loop_class, watcher_class = classes()
    arguments_of: Any = transformers.TrainingArguments
    arguments = arguments_of(
        output_dir=str(at), max_steps=total, per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=max(32, spec.batch_size), gradient_accumulation_steps=spec.accumulate,
        learning_rate=spec.learning_rate, lr_scheduler_type=spec.schedule if spec.schedule != "constant" or not spec.warmup else "constant_with_warmup",
        warmup_steps=spec.warmup, weight_decay=spec.weight_decay, max_grad_norm=spec.max_norm, seed=spec.seed, data_seed=spec.seed,
        logging_steps=max(1, total // 100), logging_first_step=True, logging_nan_inf_filter=False, save_strategy="no", save_total_limit=2,
        eval_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(), bf16=spec.precision == "bf16", fp16=spec.precision == "fp16", label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    loop = loop_class(env, watch, dataset, batches, valid, model=model, args=arguments, processing_class=None)
    loop.remove_callback(PrinterCallback)
    loop.add_callback(watcher_class(watch))
    if spec.track != "none":
        loop.add_callback(tracking(spec.track, track if track is not None else folder.with_name(f"{folder.name}.logs")))
    loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
    if watch.stopped == "interrupted" and loop.state.global_step < total:
        raise KeyboardInterrupt(f"its checkpoint of step {loop.state.global_step:,} of {total:,}")
    best = watch.best(loop.state)
    if best is not None and best[0] != loop.state.global_step:
        load_trained(loop.model, watch.best_folder(best[0]))
    history = [{k: v for k, v in e.items() if isinstance(v, (int, float))} for e in loop.state.log_history if "train_runtime" not in e]
    measured = [e for e in watch.evaluations(loop.state) if best is None or e["step"] == best[0]]
    metrics = {k.removeprefix("eval_"): v for k, v in (measured[-1] if measured else {}).items() if k.startswith("eval_")}
    done = loop.state.global_step - watch.first
    loop.model.eval()
    facts = {
        "recipec": 1, "task": spec.task, "form": spec.form, "spec": plain_spec(spec), "classes": env.classes, "base": key["base"],
        "run": key, "lineage": lineage, "metrics": metrics, "ledger": train.ledger.json(), "versions": versions(),
        "task_facts": env.task.facts(env),
    }  # fmt: skip
    write(folder, loop.model, env.tokenizer, facts, base=under)
    return TrainResult(
        folder, hash_of(folder), metrics, train.ledger, valid.ledger if valid is not None else None, trained, everything, history,
        watch.seconds, loop.state.global_step, done / max(watch.seconds, 1e-9), "early" if watch.stopped == "early" else "",
        best[0] if best else None, env.classes, spec, versions(), key, env.notes,
        tuple(p.name for p in (train.folder, valid.folder if valid is not None else None, env.facts.get("tokenizer")) if p is not None),
        wanted, marked_tokens(env, train),
    )  # fmt: skip


def tracker(name: str) -> None:
    """Raise DataError where the package of a tracker, which has its name, is missing: before anything is read, not after an hour."""
    from importlib.util import find_spec

    if name != "none" and find_spec(name) is None:
        raise DataError(f"track: {name} needs the package `{name}`", f"pip install {name}, or leave `track` out")


def tracking(name: str, folder: Path) -> Any:
    """The callback that writes the losses and scores where the tracker wants them: TensorBoard's files to ``folder``, the others where
    their own environment variables say."""
    import transformers.integrations as known

    makers: Any = known
    if name == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        return makers.TensorBoardCallback(SummaryWriter(log_dir=str(folder)))
    return makers.WandbCallback() if name == "wandb" else makers.MLflowCallback()


def plain_spec(spec: TrainSpec) -> Json:
    return {k: plain(v) for k, v in spec.json().items()}


def versions() -> dict[str, str]:
    """Of what decides the weights' bytes."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from recipec import __version__

    found = {"recipec": __version__, "python": platform.python_version()}
    for name in ("torch", "transformers", "tokenizers", "accelerate", "peft", "trl"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def run_key(env: Env, train: Store, valid: Store | None) -> dict[str, Json]:
    """Everything that decides the weights, by field."""
    import torch

    # What only says when to look or to save changes no weight.
    idle = {"checkpoint_every", "track", "base"}
    used = {k: v for k, v in versions().items() if k not in ("recipec", "python")}
    return {
        "rows": train.digest,
        "validation": valid.digest if valid is not None else None,
        "base": _bases.digest(env.base) if env.base is not None else plain(env.spec.base),
        "tokenizer": fingerprint(env),
        "classes": env.classes,
        "task_version": env.task.version,
        **{k: v for k, v in env.spec.json().items() if k not in idle},
        **{f"version of {k}": v for k, v in used.items()},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "devices": max(1, torch.cuda.device_count()),
    }


SHOWN_ROWS = 2
SHOWN_TOKENS = 300


def wants(env: Env) -> int:
    """Bytes of memory that the training wants, estimated from the model's shape; told of where it is more than the machine has free."""
    from recipec.training._preview import memory

    found = memory(env).total
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return found
    if found > max(free, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2):
        env.note(
            f"about {found / 1e9:.1f} GB of memory are wanted, and {free / 1e9:.1f} GB are free: a smaller batch_size or max_length wants less"
        )
    return found


def marked_tokens(env: Env, store: Store) -> tuple[tuple[tuple[str, bool], ...], ...]:
    """The first rows as the model saw them, where single tokens are trained."""
    rows = [store[place] for place in range(min(SHOWN_ROWS, len(store)))]
    if env.task.name != "generate":
        return ()
    return tuple(
        tuple((env.tokenizer.decode([int(t)]), int(label) != -100) for t, label in zip(r["input_ids"], r["labels"], strict=True))[
            :SHOWN_TOKENS
        ]
        for r in rows
    )


def resumable(at: Path, key: dict[str, Json]) -> Path | None:
    """The newest whole checkpoint. One made of anything else is refused."""
    found = sorted((p for p in at.glob("checkpoint-*") if (p / MARK).exists()), key=lambda p: int(p.name.partition("-")[2]))
    if not found:
        return None
    made = json.loads((found[-1] / MARK).read_text(encoding="utf-8"))
    now = json.loads(json.dumps(key))
    for name in dict.fromkeys([*made, *now]):
        if made.get(name) != now.get(name):
            raise DataError(
                f"the checkpoint in `{at.name}` was made with another `{name}`: {brief(made.get(name))}, now {brief(now.get(name))}",
                "put it back to go on, or train anew (the checkpoint is then thrown away)",
            )
    return found[-1]


def brief(value: Json) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def room(at: Path, trained: int, everything: int) -> None:
    """Raise DataError where the disk cannot hold the result and two checkpoints."""
    wanted = 4 * everything + 2 * (4 * everything + 8 * trained)
    free = shutil.disk_usage(at).free
    if free < wanted:
        raise DataError(
            f"the training writes {wanted / 1e6:,.0f} MB (the model and two checkpoints), and the disk has {free / 1e6:,.0f} MB left",
            "make room",
        )


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


def seed_all(seed: int) -> None:
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.manual_seed(seed)


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
