"""``Predictor``: what a trained model says of new rows. Batched by length, answers in the order of the rows.

The same rows in the same call give the same numbers. A row's numbers can differ in their last bits with its company in the
batch, so tables are predicted in key order and in one call, or in calls cut at the same places.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.training import _bases
from recipec.training._base import Folder, TrainSpec
from recipec.training._batches import in_order
from recipec.training._env import Env
from recipec.training._fit import precise, require, task_of, threads
from recipec.training._quiet import quiet

if TYPE_CHECKING:
    import numpy as np

AUTO = {
    "classify": "AutoModelForSequenceClassification",
    "regress": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
    "generate": "AutoModelForCausalLM",
    "prefer": "AutoModelForCausalLM",
    "embed": "AutoModel",
}
Tell = Callable[[int, int], None]


class Predictor:
    """A trained model in a folder, ready to be asked. ``precision`` is that of the computation: ``auto`` takes bf16 where the
    machine has it, which moves probabilities by about 0.01; the default is fp32."""

    def __init__(self, folder: Path | str, *, threads: int | None = None, batch_size: int = 32, precision: str = "fp32") -> None:
        require()
        folder = Path(folder).absolute()
        known = _bases.facts(folder)
        if known is None:
            raise DataError(f"`{folder}` is not the result of a `train` step", "it has no recipec.json")
        self.folder, self.known, self.batch_size = folder, known, batch_size
        self.threads, self.precision = threads, precise(precision)
        self.task_name: str = known["task"]
        self.form: str = known["form"]
        self.classes: list[str] = list(known["classes"])
        self.notes: list[str] = []
        task = task_of(self.task_name)
        with quiet(self.notes):
            spec = TrainSpec.read(known["spec"], Folder(str(folder)))
            tokenizer = _bases.tokenizer_of(folder, spec)
            self.env = Env(spec, task, tokenizer, _bases.config_of(folder), folder, folder, self.classes, self.notes)
            self.env.facts.update(known["task_facts"])
            self.model = self._load()

    def _load(self) -> Any:
        import torch
        import transformers

        cls = getattr(transformers, AUTO[self.task_name])
        where = self.folder
        adapted = (self.folder / "adapter_config.json").exists()
        config = self.env.config
        if adapted:
            where = _bases.base_of_adapter(self.folder, self.known)
            if self.classes:
                config.num_labels, config.id2label = len(self.classes), dict(enumerate(self.classes))
        model = cls.from_pretrained(where, config=config, dtype=torch.float32, ignore_mismatched_sizes=adapted)
        if adapted:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(self.folder))
            if not model.peft_config["default"].is_prompt_learning:
                model = model.merge_and_unload()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return model.to(self.device).eval()

    def need(self, *tasks: str) -> None:
        if self.task_name not in tasks:
            raise DataError(f"the model in `{self.folder.name}` was trained to {self.task_name}, not to {tasks[0]}")

    # Answers

    def classify(self, texts: Sequence[str], tell: Tell | None = None) -> np.ndarray[Any, Any]:
        """Probabilities [rows, classes], float32, in the order of ``classes``. Under several labels each stands for itself;
        else a row sums to 1. An empty text is asked as it is."""
        import numpy as np
        import torch

        self.need("classify")
        ids = self._tokens(texts)
        out = np.zeros((len(ids), len(self.classes)), dtype=np.float32)
        for places, outputs in self._run(ids, tell):
            logits = outputs.logits.float()
            out[places] = (torch.sigmoid(logits) if self.form == "multi" else torch.softmax(logits, dim=-1)).cpu().numpy()
        return out

    # Batches

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        encoder = self.env.fast(self.env.max_length)
        return [e.ids for i in range(0, len(texts), 1000) for e in encoder.encode_batch(list(texts[i : i + 1000]))]

    def _run(self, ids: Sequence[Sequence[int]], tell: Tell | None, **more: Any) -> Any:
        """(places, outputs) of every batch, the longest rows first."""
        import torch

        from recipec.training._tensors import padded

        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or threads())
        done = 0
        try:
            for places in in_order(self._lengths(ids), self.batch_size):
                batch = padded(self.env, [ids[p] for p in places])
                with torch.inference_mode(), self._autocast():
                    outputs = self.model(**{k: v.to(self.device) for k, v in batch.items()}, **more)
                yield places, outputs
                done += len(places)
                if tell is not None:
                    tell(done, len(ids))
        finally:
            torch.set_num_threads(before)

    def _autocast(self) -> Any:
        import torch

        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        return torch.autocast(self.device.type, dtype=kind, enabled=kind is not None)

    @staticmethod
    def _lengths(ids: Sequence[Sequence[int]]) -> Any:
        import numpy as np

        return np.array([len(i) for i in ids], dtype=np.int64)


def facts_of(folder: Path | str) -> dict[str, Any]:
    """``recipec.json`` of a trained model: task, classes, spec, metrics, lineage."""
    made: dict[str, Any] = json.loads((Path(folder) / _bases.FACTS).read_text(encoding="utf-8"))
    return made
