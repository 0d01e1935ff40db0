"""``Predictor``: what a trained model says of new rows. Batched by length, answers in the order of the rows.

The same rows in the same call give the same numbers. A row's numbers can differ in their last bits with its company in the
batch, so tables are predicted in key order and in one call, or in calls cut at the same places.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.training import _bases
from recipec.training._base import Encoded, Folder, TrainSpec
from recipec.training._batches import in_order
from recipec.training._cores import threads
from recipec.training._env import Env
from recipec.training._fit import precise, require, task_of
from recipec.training._quiet import quiet
from recipec.training.tag import firsts

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


@dataclass(frozen=True)
class Answer:
    """A generated text; ``finished`` says whether the model ended it itself."""

    text: str
    finished: bool


class Predictor:
    """A trained model in a folder, ready to be asked. ``precision`` is that of the computation: ``auto`` takes bf16 where the
    machine has it, which moves probabilities by about 0.01; the default is fp32."""

    each: Callable[..., Iterator[Any]] | None = None
    """Does units of work, as :meth:`recipec.models._base.Model.each` does; None: they are done here."""
    member = 0
    """Its place in an ensemble."""

    def __init__(self, folder: Path | str, *, threads: int | None = None, batch_size: int = 32, precision: str = "fp32") -> None:
        require()
        folder = Path(folder).absolute()
        known = _bases.facts(folder)
        if known is None:
            raise DataError(f"`{folder}` is not the result of a `train` step", "it has no recipec.json")
        members = [folder / name for name in known.get("members", ())]
        self.others = [Predictor(m, threads=threads, batch_size=batch_size, precision=precision) for m in members[1:]]
        """The further members of an ensemble; what is below is the first's."""
        for number, other in enumerate(self.others, 1):
            other.member = number
        folder = members[0] if members else folder
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
            task.start(self.env)

    @cached_property
    def model(self) -> Any:
        """The weights: loaded when they are first asked, by the process that does the work."""
        with quiet(self.notes):
            return self._load()

    @property
    def device(self) -> Any:
        import torch

        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

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
        model = cls.from_pretrained(where, config=config, dtype=torch.float32, ignore_mismatched_sizes=adapted, trust_remote_code=False)
        if adapted:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(self.folder))
            if not model.peft_config["default"].is_prompt_learning:
                model = model.merge_and_unload()
        return model.to(self.device).eval()

    def need(self, *tasks: str) -> None:
        if self.task_name not in tasks:
            raise DataError(f"the model in `{self.folder.name}` was trained to {self.task_name}, not to {tasks[0]}")

    # Answers

    def classify(self, texts: Sequence[str], tell: Tell | None = None) -> np.ndarray[Any, Any]:
        """Probabilities [rows, classes], float32, in the order of ``classes``. Under several labels each stands for itself;
        else a row sums to 1. An empty text is asked as it is."""
        import numpy as np

        self.need("classify")
        ids = self._tokens(texts)
        out = np.zeros((len(ids), len(self.classes)), dtype=np.float32)
        for places, found in self._run("classified", ids, tell):
            out[places] = found
        return self._mean(out, [other.classify(texts) for other in self.others])

    def regress(self, texts: Sequence[str], tell: Tell | None = None) -> np.ndarray[Any, Any]:
        """A number for every text, float32, on the scale of the training rows."""
        import numpy as np

        self.need("regress")
        ids = self._tokens(texts)
        out = np.zeros(len(ids), dtype=np.float32)
        for places, found in self._run("regressed", ids, tell):
            out[places] = found
        return self._mean(out, [other.regress(texts) for other in self.others])

    @staticmethod
    def _mean(own: np.ndarray[Any, Any], others: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """The mean of what the members of an ensemble say."""
        for other in others:
            own += other
        if others:
            own /= len(others) + 1
        return own

    def embed(self, texts: Sequence[str], tell: Tell | None = None) -> np.ndarray[Any, Any]:
        """Vectors of length 1 [rows, width], float32."""
        import numpy as np

        self.need("embed")
        ids = self._tokens(texts)
        out = np.zeros((len(ids), self.env.config.hidden_size), dtype=np.float32)
        for places, found in self._run("pooled", ids, tell):
            out[places] = found
        return out

    def tag(self, sentences: Sequence[Sequence[str]], tell: Tell | None = None) -> tuple[list[list[str]], list[list[float]]]:
        """A tag for every word, and how probable it is. A sentence longer than the model takes is tagged in parts."""
        import torch

        self.need("tag")
        words = [[w or "" for w in s] for s in sentences]
        parts = [(n, part) for n, s in enumerate(words) for part in self._windows(s)]
        encoder = self.env.fast(self.env.max_length)
        encodings = encoder.encode_batch([words[n][a:b] for n, (a, b) in parts], is_pretokenized=True)
        tags = [["O" if "O" in self.classes else self.classes[0]] * len(s) for s in words]
        sure = [[0.0] * len(s) for s in words]
        ids = [e.ids for e in encodings]
        # The members of an ensemble cut their batches alike.
        runs = (self._run("shares", ids, tell), *(other._run("shares", ids, None) for other in self.others))
        for (places, first), *more in zip(*runs, strict=True):
            best = (sum((torch.tensor(said) for _, said in more), torch.tensor(first)) / len(runs)).max(-1)
            for place, values, indices in zip(places, best.values.tolist(), best.indices.tolist(), strict=True):
                n, (a, _) = parts[place]
                for t, word in enumerate(firsts(encodings[place].word_ids)):
                    if word is not None:
                        tags[n][a + word], sure[n][a + word] = self.classes[indices[t]], values[t]
        return tags, sure

    def _windows(self, words: list[str]) -> list[tuple[int, int]]:
        """Stretches of words [begin, end) that fit into the model."""
        if not words:
            return []
        whole = self.env.fast().encode(words, is_pretokenized=True)
        most = self.env.max_length
        if len(whole.ids) <= most:
            return [(0, len(words))]
        sizes = [0] * len(words)
        for word in whole.word_ids:
            if word is not None:
                sizes[word] += 1
        most -= len(whole.ids) - sum(sizes)
        cuts, size = [0], 0
        for n, more in enumerate(sizes):
            if size and size + more > most:
                cuts.append(n)
                size = 0
            size += more
        return list(zip(cuts, [*cuts[1:], len(words)], strict=True))

    def generate(
        self,
        prompts: Sequence[str | Sequence[Mapping[str, str]]],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        tell: Tell | None = None,
    ) -> list[Answer]:
        """Answers to prompts (texts, or messages), tokenised as in training. A temperature of 0 takes the likeliest token."""
        self.need("generate", "prefer")
        ids = [self._prompt(p, max_tokens) for p in prompts]
        out = [Answer("", False)] * len(ids)
        done = 0
        # Each batch has chance of its own, by what was asked before it.
        before = (0, *accumulate(len(places) for places in in_order(self._lengths(ids), self.batch_size)))
        more = [(seed * 1_000_003 + begin, max_tokens, temperature, top_p) for begin in before]
        for places, found in self._run("written", ids, None, lambda n, places: more[n], keep=True):
            for place, (text, finish, _) in zip(places, found, strict=True):
                out[place] = Answer(text, finish == "stop")
            done += len(places)
            if tell is not None:
                tell(done, len(ids))
        return out

    def written(self, ids: Sequence[list[int]], seed: int, max_tokens: int, temperature: float, top_p: float) -> list[tuple[str, str, int]]:
        """What the model writes after each prompt, why it ended there, and of how many tokens it is."""
        import torch

        from recipec.training._tensors import padded

        stops = list(self.env.facts["stops"])
        how: dict[str, Any] = {"do_sample": False} if not temperature else {"do_sample": True, "temperature": temperature, "top_p": top_p}
        most = _bases.positions(self.env.config, self.env.tokenizer)
        with quiet(self.notes), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            batch = {k: v.to(self.device) for k, v in padded(self.env, ids, left=True).items()}
            room = max_tokens if most is None else min(max_tokens, most - batch["input_ids"].shape[1])
            with torch.inference_mode(), self._autocast():
                made = self.model.generate(
                    **batch, max_new_tokens=room, eos_token_id=stops, pad_token_id=self.env.tokenizer.pad_token_id, **how
                )
        out = []
        for line in made[:, batch["input_ids"].shape[1] :].tolist():
            end = next((i for i, t in enumerate(line) if t in stops), None)
            text = self.env.tokenizer.decode(line[:end], skip_special_tokens=True)
            out.append((text, "length" if end is None else "stop", len(line) if end is None else end))
        return out

    def _prompt(self, prompt: str | Sequence[Mapping[str, str]], more: int) -> list[int]:
        from recipec.training._chat import render
        from recipec.training.generate import exchange, opening

        template = self.env.facts["template"]
        if template is None:
            if not isinstance(prompt, str):
                raise DataError("this model was trained on texts, not on messages", "give it a text")
            ids = [*opening(self.env), *self.env.fast().encode(prompt, add_special_tokens=False).ids]
        else:
            messages = exchange(prompt, None) if isinstance(prompt, str) else list(prompt)
            ids = self.env.fast().encode(render(self.env, template, messages, opening=True), add_special_tokens=False).ids
        most = _bases.positions(self.env.config, self.env.tokenizer)
        if most is None:
            return ids
        # An answer may be as long as the model still takes. Only where a prompt leaves it less than a quarter, its beginning goes: the
        # end of a prompt says what is asked.
        return ids[-max(1, most - min(more, max(1, most // 4))) :]

    def logprobs(self, rows: Mapping[str, Sequence[Any]], tell: Tell | None = None) -> list[tuple[float, int] | None]:
        """For each row (columns as in training) the log-probability of its trained tokens, and how many they are: what perplexity is
        made of. None for a row that has none, or is too long."""
        import pyarrow as pa

        self.need("generate", "prefer")
        batch = pa.RecordBatch.from_pydict({k: pa.array(list(v)) for k, v in rows.items()})
        made = list(self.env.task.encode(self.env, batch))
        kept = [(n, m) for n, m in enumerate(made) if isinstance(m, Encoded)]
        out: list[tuple[float, int] | None] = [None] * len(made)
        ids = [m.ragged["input_ids"] for _, m in kept]
        for places, found in self._run("measured", ids, tell, lambda n, places: ([kept[p][1].ragged["labels"] for p in places],)):
            for place, one in zip(places, found, strict=True):
                out[kept[place][0]] = one
        return out

    # Units of work: each of one batch of tokens

    def unit(self, ids: Sequence[Sequence[int]], member: int, what: str, *more: Any) -> Any:
        """What a member of the ensemble makes of a batch."""
        import torch

        # Asked on this machine, a member does its own work; an actor holds the whole ensemble.
        who = self if member == self.member else self.others[member - 1]
        with who._threads():
            if what == "written":
                return who.written(ids, *more)  # type: ignore[arg-type]
            from recipec.training._tensors import padded

            batch = padded(who.env, ids)
            with torch.inference_mode(), who._autocast():
                outputs = who.model(**{k: v.to(who.device) for k, v in batch.items()})
            return getattr(who, what)(ids, outputs, *more)

    def classified(self, ids: Sequence[Sequence[int]], outputs: Any) -> Any:
        import torch

        logits = outputs.logits.float()
        return (torch.sigmoid(logits) if self.form == "multi" else torch.softmax(logits, dim=-1)).cpu().numpy()

    def regressed(self, ids: Sequence[Sequence[int]], outputs: Any) -> Any:
        return outputs.logits[:, 0].float().cpu().numpy() * self.env.facts["deviation"] + self.env.facts["mean"]

    def pooled(self, ids: Sequence[Sequence[int]], outputs: Any) -> Any:
        from recipec.training._tensors import filled
        from recipec.training.embed import pooled

        return pooled(outputs, filled([[1] * len(i) for i in ids], 0).to(self.device)).cpu().numpy()

    def shares(self, ids: Sequence[Sequence[int]], outputs: Any) -> Any:
        """The probabilities of all classes for each token."""
        return outputs.logits[:, -max(map(len, ids)) :].float().softmax(-1).cpu().numpy()

    def measured(self, ids: Sequence[Sequence[int]], outputs: Any, labels: Sequence[Any]) -> list[tuple[float, int]]:
        from torch.nn import functional as F

        from recipec.training._tensors import filled

        wanted = filled(labels, -100).to(self.device)[:, 1:]
        each = F.cross_entropy(outputs.logits[:, :-1].float().transpose(1, 2), wanted, ignore_index=-100, reduction="none").sum(1)
        return [(-total, count) for total, count in zip(each.tolist(), (wanted != -100).sum(1).tolist(), strict=True)]

    # Batches

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        encoder = self.env.fast(self.env.max_length)
        return [e.ids for i in range(0, len(texts), 1000) for e in encoder.encode_batch(list(texts[i : i + 1000]))]

    def _run(
        self,
        what: str,
        ids: Sequence[Sequence[int]],
        tell: Tell | None,
        more: Callable[[int, Sequence[int]], tuple[Any, ...]] = lambda number, places: (),
        *,
        keep: bool = False,
    ) -> Iterator[tuple[Any, Any]]:
        """(places, what the method ``what`` makes of them) of every batch, the longest rows first."""
        done = 0
        parts = list(in_order(self._lengths(ids), self.batch_size))
        units = (([list(ids[p]) for p in places], self.member, what, *more(n, places)) for n, places in enumerate(parts))
        made = (self.unit(*unit) for unit in units) if self.each is None else self.each("predictor.unit", units, keep=keep)
        for places, found in zip(parts, made, strict=True):
            yield places, found
            done += len(places)
            if tell is not None:
                tell(done, len(ids))

    @contextmanager
    def _threads(self) -> Iterator[None]:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or threads())
        try:
            yield
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
