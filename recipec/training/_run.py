"""The training itself: a store of rows in, the model's folder out. Where several processes train together, all of them run this; the first
reports and writes."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from recipec.api import DataError, Json
from recipec.training import _bases
from recipec.training._adapters import adapt, counts
from recipec.training._artifact import hash_of, write
from recipec.training._base import FrozenParams, FullParams, Ledger, TrainSpec, plain
from recipec.training._batches import Batches
from recipec.training._env import Env
from recipec.training._store import Store, key_of
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
    machine: str = "cpu"
    """``cpu``, or the GPU's name."""


def learn(
    env: Env,
    train: Store,
    valid: Store | None,
    folder: Path,
    at: Path,
    tell: Progress,
    asked: Callable[[], bool],
    lineage: str | None,
    track: Path | None,
) -> TrainResult | None:
    """Train, and write the model to ``folder``. None in all processes but the first. Raises KeyboardInterrupt once its checkpoint is written, and
    DataError."""
    import torch
    import transformers
    from transformers.trainer_callback import PrinterCallback

    spec, share = env.spec, env.share
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
    together = f" in {share.count} processes" if share.count > 1 else ""
    tell(Moment(f"wants about {wanted / 1e6:,.0f} MB{together}", 0, total))
    seed_all(spec.seed)
    model = env.task.model(env)
    under: Path | None = None
    if env.base is None and not isinstance(spec.adapter, (FullParams, FrozenParams)):
        # A base made from scratch exists nowhere else: it goes along with its adapter.
        under = at / "base"
        if share.first:
            model.save_pretrained(under)
    model = adapt(model, spec.adapter, spec.task)
    with starving(lambda: "before its first step"):
        env.task.begin(env, model, [store for store in (train, valid) if store is not None])
    trained, everything = counts(model)
    if not trained:
        raise DataError("no weight would be trained", "take another adapter")
    if share.first:
        room(at, trained, everything)
    watch = Watch(env, key, tell, asked, every, total)
    loop_class, watcher_class = classes()
    # What is not trained in a step is looked for: embeddings leave the head of a base alone. Gradients then keep the groups in which they are
    # summed, so that a training gone on from a checkpoint sums them as before. Buffers are the same everywhere.
    arguments_of: Any = transformers.TrainingArguments
    arguments = arguments_of(
        output_dir=str(at), max_steps=total, per_device_train_batch_size=max(1, spec.batch_size // share.count),
        per_device_eval_batch_size=max(32, spec.batch_size), gradient_accumulation_steps=spec.accumulate,
        learning_rate=spec.learning_rate, lr_scheduler_type=spec.schedule if spec.schedule != "constant" or not spec.warmup else "constant_with_warmup",
        warmup_steps=spec.warmup, weight_decay=spec.weight_decay, max_grad_norm=spec.max_norm, seed=spec.seed, data_seed=spec.seed,
        logging_steps=max(1, total // 100), logging_first_step=True, logging_nan_inf_filter=False, save_strategy="no", save_total_limit=2,
        eval_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(), bf16=spec.precision == "bf16", fp16=spec.precision == "fp16", label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(), ddp_broadcast_buffers=False, ddp_find_unused_parameters=True,
    )  # fmt: skip
    if arguments.device.type == "cuda":
        # One process has one device, however many the machine has: else transformers would spread every batch over all of them.
        arguments._n_gpu = 1
    loop = loop_class(env, watch, dataset, batches, valid, model=model, args=arguments, processing_class=None)
    loop.remove_callback(PrinterCallback)
    loop.add_callback(watcher_class(watch))
    if spec.track != "none" and share.first:
        loop.add_callback(tracking(spec.track, track if track is not None else folder.with_name(f"{folder.name}.logs")))
    if share.rank:
        # What is dropped out is drawn anew in each process.
        torch.manual_seed(spec.seed + SPREAD * share.rank)
    with starving(lambda: f"at step {loop.state.global_step + 1:,} of {total:,}"), reading(checkpoint):
        loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
    if watch.stopped == "interrupted" and loop.state.global_step < total:
        raise KeyboardInterrupt(f"its checkpoint of step {loop.state.global_step:,} of {total:,}")
    if not share.first:
        return None
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
        wanted, marked_tokens(env, train), str(key["device"]),
    )  # fmt: skip


HUNGRY = ("out of memory", "can't allocate memory", "alloc_failed")
"""What torch says, on a GPU or a processor, when memory ends."""


@contextmanager
def starving(where: Callable[[], str]) -> Iterator[None]:
    """Memory that ends, as an error of the training."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(said in str(error).lower() for said in HUNGRY):
            raise
        raise DataError(
            f"the training ran out of memory {where()}",
            "a smaller batch_size (with accumulate, so that a step sees as many rows), a smaller max_length, or adapter: lora() want less",
        ) from None


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
        "devices": env.spec.devices,
        "rows": train.digest,
        "validation": valid.digest if valid is not None else None,
        "base": _bases.digest(env.base) if env.base is not None else plain(env.spec.base),
        "tokenizer": fingerprint(env),
        "classes": env.classes,
        "task_version": env.task.version,
        **{k: v for k, v in env.spec.json().items() if k not in idle},
        **{f"version of {k}": v for k, v in used.items()},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


SPREAD = 1_000_003
"""Between the seeds of two processes of one training."""
SHOWN_ROWS = 2
SHOWN_TOKENS = 300


def wants(env: Env) -> int:
    """Bytes of memory that the training wants in all its processes, estimated from the model's shape; told of where it is more than the
    machine, or each GPU, has free."""
    import torch

    from recipec.training._preview import memory

    found = memory(env)
    if torch.cuda.is_available():
        wanted, (free, _), of = found.each, torch.cuda.mem_get_info(), "the GPU's memory"
        much = wanted > free
    else:
        try:
            size = os.sysconf("SC_PAGE_SIZE")
            free = os.sysconf("SC_AVPHYS_PAGES") * size
            wanted, of = found.total, "memory"
            much = wanted > max(free, os.sysconf("SC_PHYS_PAGES") * size // 2)
        except (ValueError, OSError, AttributeError):
            return found.total
    if much:
        env.note(
            f"about {wanted / 1e9:.1f} GB of {of} are wanted, and {free / 1e9:.1f} GB are free: a smaller batch_size or max_length wants less"
        )
    return found.total


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
    with reading(found[-1]):
        made = json.loads((found[-1] / MARK).read_text(encoding="utf-8"))
    now = json.loads(json.dumps(key))
    for name in dict.fromkeys([*made, *now]):
        if made.get(name) != now.get(name):
            raise DataError(
                f"the checkpoint in `{at.name}` was made with another `{name}`: {brief(made.get(name))}, now {brief(now.get(name))}",
                "put it back to go on, or train anew (the checkpoint is then thrown away)",
            )
    return found[-1]


def let_go(at: Path) -> None:
    """Remove what a training worked with. Marks go first: a process may be killed here, and a checkpoint of which part is gone is none."""
    try:
        for mark in at.rglob(f"checkpoint-*/{MARK}"):
            mark.unlink()
    except OSError:
        return  # It stays as it is, whole.
    shutil.rmtree(at, ignore_errors=True)


@contextmanager
def reading(checkpoint: Path | None) -> Iterator[None]:
    """What of a checkpoint cannot be read: it is damaged, or somebody put objects into it that would be code, which nobody executes."""
    from safetensors import SafetensorError

    try:
        yield
    except (UnpicklingError, EOFError, RuntimeError, SafetensorError, json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        other = isinstance(error, RuntimeError) and "PytorchStreamReader" not in str(error)
        # A file whose middle is gone is an invalid argument to whoever looks for its end.
        if checkpoint is None or other or (isinstance(error, OSError) and error.errno != errno.EINVAL):
            raise
        raise DataError(
            f"the checkpoint `{checkpoint.parent.name}/{checkpoint.name}` cannot be read: it is damaged, or not one that recipec wrote",
            f"remove {checkpoint} and run again: the training goes on from the one before it, or begins anew",
        ) from None


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


def fingerprint(env: Env) -> str:
    """What stands for a tokenizer and its template."""
    tokenizer = env.tokenizer
    special = sorted((k, str(v)) for k, v in tokenizer.special_tokens_map.items())
    return key_of([env.fast().to_str(), special, getattr(tokenizer, "chat_template", None)])


def seed_all(seed: int) -> None:
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.manual_seed(seed)
