"""The loop: transformers' Trainer, with our batches, our loss, our evaluation, and a watch that reports, stops and saves."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json
from recipec.training._artifact import disk
from recipec.training._batches import in_order
from recipec.training._share import IDLE, Counted, Portions

if TYPE_CHECKING:
    from recipec.training._env import Env
    from recipec.training._store import Store

MARK = "run.json"
"""In a checkpoint, written last: the run key. A checkpoint without it was cut off."""
SAVE_SECONDS = 60.0
SAVE_SHARE = 0.02
"""Checkpoints take no more than this share of the time."""


@dataclass(frozen=True)
class Moment:
    """How far a training is. ``doing`` is ``tokenise``, ``train`` or ``evaluate``; ``rate`` is steps (or rows) a second."""

    doing: str
    done: int
    total: int
    loss: float | None = None
    rate: float | None = None
    learning_rate: float | None = None
    scores: dict[str, float] = field(default_factory=dict)


Progress = Callable[[Moment], None]


@dataclass
class Watch:
    """What is known while the loop runs, and what stops it."""

    env: Env
    key: dict[str, Json]
    progress: Progress
    interrupted: Callable[[], bool]
    every: int
    """Steps between two evaluations."""
    total: int
    stopped: str = ""
    """``interrupted`` or ``early``; empty while neither."""
    loss: float | None = None
    begun: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)
    save_took: float = 0.0
    first: int = 0
    """The step that this process began at."""
    seconds: float = 0.0

    def evaluations(self, state: Any) -> list[dict[str, Any]]:
        return [entry for entry in state.log_history if "eval_loss" in entry]

    def best(self, state: Any) -> tuple[int, int] | None:
        """(step of the best evaluation, evaluations since), as ``stop:`` sees it; None before the first."""
        stop = self.env.spec.stop
        done = self.evaluations(state)
        if stop is None or not done:
            return None
        sign = 1 if stop.on == "loss" else -1
        values = [sign * e.get(f"eval_{stop.on}", math.inf) for e in done]
        place = values.index(min(values))
        return int(done[place]["step"]), len(done) - 1 - place

    def best_folder(self, step: int) -> Path:
        return self.env.folder / f"best-{step}"


@cache
def classes() -> tuple[Any, Any]:
    """(Trainer, TrainerCallback) of ours: made late, since transformers is heavy."""
    import torch
    import transformers

    # As values without types: theirs differ from one version to the next.
    trainer: Any = transformers.Trainer
    callback: Any = transformers.TrainerCallback

    class Loop(trainer):  # type: ignore[misc]
        def __init__(self, env: Env, watch: Watch, train: Any, batches: Any, validation: Store | None, **rest: Any) -> None:
            self.env, self.watch, self.batches, self.validation = env, watch, batches, validation
            super().__init__(train_dataset=train, data_collator=self.collated, **rest)
            self.loss_is_scaled_for_ga = env.facts.get("by_token", False)

        def collated(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
            idle = rows[0].pop(IDLE, None) is not None
            batch = self.env.task.collate(self.env, rows)
            return {**batch, IDLE: torch.tensor(1)} if idle else batch

        def get_train_dataloader(self) -> Any:
            share = self.env.share
            if share.count > 1:
                # Not accelerate's: it would give each process whole batches, and so multiply the batch of a step.
                rows: Any = Counted(self.train_dataset)
                portions: Any = Portions(self.batches, share)
                return torch.utils.data.DataLoader(rows, batch_sampler=portions, collate_fn=self.data_collator)
            loader = torch.utils.data.DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator)
            return self.accelerator.prepare(loader)

        def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
            if not self.loss_is_scaled_for_ga or not batch_samples:
                return None
            shift = self.env.facts.get("shift", 0)
            count = torch.stack([(b["labels"][..., shift:] != -100).sum() * (IDLE not in b) for b in batch_samples]).sum()
            self.env.share.idle = False
            return self.env.share.total(count.to(device))

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            share = self.env.share
            share.idle = inputs.pop(IDLE, None) is not None
            loss, outputs = self.env.task.loss(self.env, model, inputs, num_items_in_batch)
            if share.count > 1:
                # Gradients are averaged over the processes, and the shares are to be added.
                loss = loss * (0 if share.idle else share.count)
            return (loss, outputs) if return_outputs else loss

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            loss = super().training_step(model, inputs, num_items_in_batch)
            # On an accelerator, reading the loss waits for it: not at every step.
            if (loss.device.type == "cpu" or self.state.global_step % 10 == 0) and not torch.isfinite(loss):
                spec = self.env.spec
                more = "; fp16 overflows where bf16 and fp32 do not" if self.args.fp16 else ""
                raise DataError(
                    f"the loss is not a number at step {self.state.global_step + 1} of {self.watch.total}",
                    f"lower learning_rate (it is {spec.learning_rate:g}) or max_norm, or raise warmup{more}",
                )
            return loss

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            assert self.validation is not None
            found = self.measure(self.validation)
            named = {f"eval_{k}": v for k, v in found.items()}
            self.log(dict(named))
            self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
            if self.watch.stopped == "interrupted" and self.state.global_step < self.watch.total:
                self.control.should_save = self.control.should_training_stop = True
            return named

        def measure(self, rows: Store) -> dict[str, float]:
            """The scores on validation. Nothing random is drawn, so that training goes on as if it had not been."""
            env, share = self.env, self.env.share
            scores = env.task.scores(env)
            self.model.eval()
            size = max(1, self.args.per_device_eval_batch_size)
            batches = in_order(rows.lengths, size)
            with torch.no_grad(), share.separately():
                for n in range(share.rank, len(batches), share.count):
                    places = batches[n]
                    inputs = self._prepare_inputs(env.task.collate(env, [rows[p] for p in places]))
                    with self.compute_loss_context_manager():
                        loss, outputs = env.task.loss(env, self.model, inputs, None)
                    scores.add(inputs, outputs, float(loss))
                    try:
                        self.watch.progress(Moment("evaluate", n + 1, len(batches)))
                    except KeyboardInterrupt:
                        # It is ended all the same: a checkpoint without its scores would stop early elsewhere than the undisturbed training.
                        self.watch.stopped = "interrupted"
            self.model.train()
            return share.result(scores)

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            begun = time.monotonic()
            with disk(Path(self.args.output_dir)):
                super()._save_checkpoint(model, trial)
                # What each process draws from goes into the checkpoint too; it is whole once all have written it.
                self.env.share.wait()
                if self.env.share.first:
                    self.marked()
            self.watch.saved, self.watch.save_took = time.monotonic(), time.monotonic() - begun

        def marked(self) -> None:
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            mark = folder / f"{MARK}.making"
            mark.write_text(json.dumps(self.watch.key), encoding="utf-8")
            mark.rename(folder / MARK)

    class Watcher(callback):  # type: ignore[misc]
        def __init__(self, watch: Watch) -> None:
            self.watch = watch

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.watch.begun = self.watch.saved = time.monotonic()
            self.watch.first = state.global_step

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            watch, step = self.watch, state.global_step
            now = time.monotonic()
            spec, share = watch.env.spec, watch.env.share
            if watch.env.facts.get("evaluates") and (step % watch.every == 0 or step == watch.total):
                control.should_evaluate = True
            save = now - watch.saved > max(SAVE_SECONDS, watch.save_took / SAVE_SHARE)
            if spec.checkpoint_every is not None:
                save = step % spec.checkpoint_every == 0
            rate = (step - watch.first) / max(now - watch.begun, 1e-9)
            stop = False
            try:
                watch.progress(Moment("train", step, watch.total, watch.loss, rate))
                stop = watch.interrupted()
            except KeyboardInterrupt:
                stop = True
            # Clocks and people decide: all processes do what the first one sees.
            save, stop = share.agreed(save, stop)
            control.should_save |= save
            if stop:
                watch.stopped = "interrupted"
                control.should_save = control.should_training_stop = True
            if step == watch.total:
                # Done: there is nothing to go on with, and a training gone on from here would take a step too many.
                watch.stopped, control.should_save = "", False
            watch.seconds = time.monotonic() - watch.begun

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                self.watch.loss = float(logs["loss"])

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **rest: Any) -> None:
            watch = self.watch
            found = watch.best(state)
            if found is None or watch.env.spec.stop is None:
                return
            step, since = found
            if step == state.global_step:
                if watch.env.share.first:
                    save_trained(rest["model"], watch.best_folder(step))
            elif since >= watch.env.spec.stop.patience:
                watch.stopped = "early"
                control.should_training_stop, control.should_save = True, False

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            # Weights that were the best before are let go only now: a checkpoint says that they will not be asked for again.
            found = self.watch.best(state)
            for folder in self.watch.env.folder.glob("best-*") if self.watch.env.share.first else ():
                if found is None or folder != self.watch.best_folder(found[0]):
                    shutil.rmtree(folder, ignore_errors=True)

    return Loop, Watcher


def save_trained(model: Any, folder: Path) -> None:
    """The weights that are trained, as one file."""
    from safetensors.torch import save_file

    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    making.mkdir(parents=True)
    with disk(folder):
        weights = {n: p.detach().cpu().contiguous().clone() for n, p in model.named_parameters() if p.requires_grad}
        save_file(weights, making / "trained.safetensors")
    making.rename(folder)


def load_trained(model: Any, folder: Path) -> None:
    """Put back what :func:`save_trained` wrote."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(folder / "trained.safetensors")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in weights:
                weight.copy_(weights[name])
