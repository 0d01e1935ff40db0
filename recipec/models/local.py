"""Models of this machine, through transformers and torch.

Whoever asks cuts texts into tokens and these into batches; what needs the weights is a *unit*, a method of a batch of tokens that goes through
:meth:`recipec.models._base.Model.each`: it is done in this process, or by those of a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json, ModelFacts
from recipec.models._base import Model, Opening
from recipec.models.requests import Answer, Failure, Request

if TYPE_CHECKING:
    import numpy as np

    from recipec.models.embedding import EmbeddingParams
    from recipec.models.transformers import TransformersParams

    Matrix = np.ndarray[Any, Any]

EXTRA = "pip install 'recipec[train]'"


@contextmanager
def loading(what: str) -> Iterator[None]:
    """What goes wrong while a model is loaded, as a message for people; the libraries' own chatter is kept down."""
    try:
        import transformers
    except ImportError as error:
        raise DataError(f"{what} needs transformers and torch: {error.name} is not installed", EXTRA) from None
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call,unused-ignore]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        said = str(error).strip().splitlines()
        raise DataError(
            f"{what} cannot be loaded: {said[0] if said else type(error).__name__}",
            "the folder must hold config.json, weights and tokenizer",
        ) from None


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Places in batches of similar length, the longest first, so that no batch has more than ``budget`` tokens with its padding."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    out: list[list[int]] = []
    for place in order:
        if out and (len(out[-1]) + 1) * max(1, lengths[out[-1][0]]) <= budget:
            out[-1].append(place)
        else:
            out.append([place])
    return out


class Loaded(Model):
    """A model from a folder. Its weights are loaded when they are first asked, by the process that does the work."""

    apart = True

    def __init__(self, params: Any, opening: Opening, facts: ModelFacts) -> None:
        self.name, self.facts, self.params = opening.name, facts, params
        self.folder = (opening.base / params.path).resolve()
        self.begin()
        # What is wrong with the folder is to be told at once.
        _ = self.tokenizer, self.config, self.model if opening.here else None

    def begin(self) -> None:
        """Called of every process's own."""

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "params": self.params, "folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.begin()

    @cached_property
    def tokenizer(self) -> Any:
        with loading(f"`{self.name}`"):
            from transformers import AutoTokenizer

            made: Any = AutoTokenizer.from_pretrained(str(self.folder), trust_remote_code=False)
        if made.pad_token is None:
            made.pad_token = made.eos_token or made.unk_token
        return made

    @cached_property
    def config(self) -> Any:
        with loading(f"`{self.name}`"):
            from transformers import AutoConfig

            return AutoConfig.from_pretrained(str(self.folder), trust_remote_code=False)

    @cached_property
    def model(self) -> Any:
        with loading(f"`{self.name}`"):
            return self.load().eval().to(device())

    def load(self) -> Any:
        from transformers import AutoModel

        return AutoModel.from_pretrained(str(self.folder), trust_remote_code=False)

    @property
    def body(self) -> Any:
        """The model without a head."""
        return self.model

    # Units of work

    def pool(self, ids: Sequence[Sequence[int]], first: bool) -> Matrix:
        """The last layer over the tokens of each text, its mean or its ``first``, of length 1."""
        import numpy as np
        import torch

        given = self.tokenizer.pad({"input_ids": list(ids)}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            layer = self.body(**given).last_hidden_state
            mask = given["attention_mask"].unsqueeze(-1).to(layer.dtype)
            found = layer[:, 0] if first else (layer * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return np.asarray(torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy())

    def pooled(self, texts: Sequence[str], ids: Sequence[Sequence[int]], first: bool, progress: Callable[[int], None]) -> Matrix:
        """A vector for each text. ``ids`` are those of the distinct texts: equal ones are embedded once."""
        import numpy as np

        width = int(self.config.hidden_size)
        if not texts:
            return np.zeros((0, width), np.float32)
        distinct = list(dict.fromkeys(texts))
        out = np.zeros((len(distinct), width), np.float32)
        done = 0
        parts = batches([len(i) for i in ids], self.params.batch_tokens)
        for part, found in zip(parts, self.each("pool", (([ids[i] for i in part], first) for part in parts)), strict=True):
            out[part] = found
            done += len(part)
            progress(done)
        place = {t: i for i, t in enumerate(distinct)}
        return np.asarray(out[[place[t] for t in texts]], np.float32)


class LocalEmbedding(Loaded):
    """A transformer whose last layer, pooled, is a text's vector."""

    params: EmbeddingParams

    def begin(self) -> None:
        self.first = pooling(self.folder) == "cls"

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Matrix:
        longest = min(self.params.max_length, int(getattr(self.config, "max_position_embeddings", self.params.max_length)))
        given = [self.params.prefix + t for t in dict.fromkeys(texts)]
        ids = self.tokenizer(given, truncation=True, max_length=longest)["input_ids"] if texts else []
        return self.pooled(texts, ids, self.first, progress)


def pooling(folder: Path) -> str:
    """``cls`` where a sentence-transformers folder says so, else ``mean``."""
    try:
        told = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "mean"
    return "cls" if told.get("pooling_mode_cls_token") else "mean"


class LocalModel(Loaded):
    """A causal model, a classifier or a tagger from a folder."""

    params: TransformersParams

    def begin(self) -> None:
        self.calls = 0

    def load(self) -> Any:
        import torch
        import transformers

        kind = {
            "complete": transformers.AutoModelForCausalLM, "classify": transformers.AutoModelForSequenceClassification,
            "tag": transformers.AutoModelForTokenClassification, "fill": transformers.AutoModelForMaskedLM,
        }  # fmt: skip
        auto: Any = next((kind[w] for w in ("complete", "classify", "tag", "fill") if w in self.facts.does), transformers.AutoModel)
        types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        dtype = types.get(self.params.precision, torch.bfloat16 if device() == "cuda" else torch.float32)
        return auto.from_pretrained(str(self.folder), dtype=dtype, trust_remote_code=False)

    @property
    def body(self) -> Any:
        return self.model.base_model

    @property
    def longest(self) -> int:
        return int(getattr(self.config, "max_position_embeddings", None) or 1 << 20)

    def spent(self) -> dict[str, Json]:
        return {"calls": self.calls, "usd": 0.0}

    # Text

    def ids(self, request: Request) -> list[int]:
        """The tokens of a request's prompt."""
        if request.messages is not None:
            if not getattr(self.tokenizer, "chat_template", None):
                raise DataError(
                    f"`{self.name}` has no chat template, and the template has roles",
                    'use a template without roles: template ask(text) """..."""',
                )
            chat = [{"role": m.role, "content": m.content} for m in request.messages]
            made = self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)
            return list(made["input_ids"])
        return list(self.tokenizer(request.prompt or "", add_special_tokens=True)["input_ids"]) or [self.start()]

    def start(self) -> int:
        """A token to begin with, for an empty prompt."""
        found = self.tokenizer.bos_token_id
        return int(found if found is not None else self.tokenizer.eos_token_id or 0)

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        if "complete" not in self.facts.does:
            raise self.cannot("complete prompts")
        asked = list(requests)
        prompts = [self.ids(r) for r in asked]
        done, given = 0, self.params
        room = self.longest - given.max_tokens
        parts = batches([len(p) + given.max_tokens for p in prompts], given.batch_tokens)
        fits = [[i for i in part if len(prompts[i]) <= room] for part in parts]
        units = (([prompts[i] for i in fit], given.seed + 1_000_003 * asked[fit[0]].sample) for fit in fits if fit)
        made = self.each("complete", units, keep=True)
        for part, fit in zip(parts, fits, strict=True):
            for i in part:
                if i not in fit:
                    message = f"the prompt has {len(prompts[i]):,} tokens; there is room for {max(room, 0):,}"
                    yield asked[i].id, Failure("refused", message, 1)
            if not fit:
                continue
            for i, (text, finish, count) in zip(fit, next(made), strict=True):
                self.calls += 1
                yield asked[i].id, Answer(text, finish, len(prompts[i]), count, None, given.path, "")
            done += len(part)
            progress(done)

    def complete(self, prompts: Sequence[list[int]], seed: int) -> list[tuple[str, str, int]]:
        """What the model writes after each prompt, why it ended there, and of how many tokens it is."""
        import torch

        given = self.params
        self.tokenizer.padding_side = "left"
        batch = self.tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self.model.device)
        options: dict[str, Any] = {
            "do_sample": given.temperature > 0,
            "max_new_tokens": given.max_tokens,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        if given.temperature > 0:
            options["temperature"] = given.temperature
            torch.manual_seed(seed)
        with torch.inference_mode():
            made = self.model.generate(**batch, **options)
        out = []
        for row in made[:, batch["input_ids"].shape[1] :].tolist():
            stops = [n for n, token in enumerate(row) if token == self.tokenizer.eos_token_id]
            cut = row[: stops[0]] if stops else row
            out.append((self.tokenizer.decode(cut, skip_special_tokens=True), "stop" if stops else "length", len(cut)))
        return out

    def scores(
        self, requests: Iterable[Request], choices: Sequence[str], *, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, list[float] | Failure | None]]:
        if "score" not in self.facts.does:
            raise self.cannot("score given answers")
        asked = list(requests)
        rows: list[tuple[int, int, list[int], int]] = []
        out: list[list[float]] = [[0.0] * len(choices) for _ in asked]
        failed: dict[int, Failure] = {}
        for i, request in enumerate(asked):
            prompt = self.ids(request)
            for j, choice in enumerate(choices):
                whole, begin = self.joined(request, prompt, choice)
                if len(whole) > self.longest:
                    failed[i] = Failure("refused", f"prompt and answer have {len(whole):,} tokens; the model takes {self.longest:,}", 1)
                rows.append((i, j, whole, begin))
        rows = [r for r in rows if r[0] not in failed]
        done = 0
        for part, values in self.measured(rows):
            for place, value in zip(part, values, strict=True):
                out[rows[place][0]][rows[place][1]] = value
            done += len(part)
            progress(done // len(choices))
        self.calls += len(asked)
        for i, request in enumerate(asked):
            yield request.id, failed.get(i, out[i])

    def losses(
        self, prompts: Sequence[Request | None], answers: Sequence[Any], progress: Callable[[int], None] = lambda done: None
    ) -> list[tuple[float, int] | None]:
        """For every answer, after its prompt where it has one, its log-probability in nats and how many tokens it is of; of an answer alone
        the first token is not counted where nothing stands before it. None where it is too long, or has no token."""
        out: list[tuple[float, int] | None] = [None] * len(answers)
        rows: list[tuple[int, int, list[int], int]] = []
        for i, (request, answer) in enumerate(zip(prompts, answers, strict=True)):
            if not isinstance(answer, str):
                raise DataError(f"`{self.name}` scores texts, and the gold column holds lists", "name a column of texts: gold: answer")
            asked = request or Request(str(i), prompt="")
            prompt = self.ids(asked)
            whole, begin = self.joined(asked, prompt, answer)
            if begin < len(whole) <= self.longest:
                rows.append((i, 0, whole, begin))
        done = 0
        for part, values in self.measured(rows):
            for place, value in zip(part, values, strict=True):
                i, _, whole, begin = rows[place]
                out[i] = value, len(whole) - begin
            done += len(part)
            progress(done)
        self.calls += len(answers)
        return out

    def measured(self, rows: Sequence[tuple[int, int, list[int], int]]) -> Iterator[tuple[list[int], list[float]]]:
        """(places, what :meth:`logprobs` gives for them), batch by batch."""
        parts = batches([len(r[2]) for r in rows], self.params.batch_tokens)
        yield from zip(parts, self.each("logprobs", (([rows[p] for p in part],) for part in parts)), strict=True)

    def joined(self, request: Request, prompt: list[int], choice: str) -> tuple[list[int], int]:
        """The tokens of prompt and choice together, and where the choice's begin: the first token that differs from the prompt's own,
        since a tokenizer may join the two where they meet."""
        if request.messages is None:
            whole = list(self.tokenizer((request.prompt or "") + choice, add_special_tokens=True)["input_ids"])
            end = self.tokenizer.eos_token_id
            if whole and prompt and whole[-1] == prompt[-1] == end and len(whole) > 1:
                whole = whole[:-1]
            shared = 0
            while shared < min(len(prompt), len(whole)) and prompt[shared] == whole[shared]:
                shared += 1
            return whole, max(1, min(shared, len(whole) - 1))
        own = list(self.tokenizer(choice, add_special_tokens=False)["input_ids"])
        return prompt + own, len(prompt)

    def logprobs(self, rows: Sequence[tuple[int, int, list[int], int]]) -> list[float]:
        """The summed log-probability, in nats, of each row's tokens from where its choice begins."""
        import torch

        self.tokenizer.padding_side = "right"
        batch = self.tokenizer.pad({"input_ids": [r[2] for r in rows]}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**{k: v for k, v in batch.items() if k != "token_type_ids"}).logits.float()
            found = torch.log_softmax(logits[:, :-1], -1).gather(-1, batch["input_ids"][:, 1:].unsqueeze(-1)).squeeze(-1)
        return [float(found[n, begin - 1 : len(whole) - 1].double().sum()) for n, (_, _, whole, begin) in enumerate(rows)]

    # Classes and tags

    def classify(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> tuple[tuple[str, ...], Matrix]:
        import numpy as np

        if "classify" not in self.facts.does:
            raise self.cannot("classify texts")
        names = self.config.id2label
        classes = tuple(str(names[i]) for i in range(len(names)))
        out = np.zeros((len(texts), len(classes)), np.float64)
        ids = self.tokenizer(list(texts), truncation=True, max_length=min(self.longest, 512))["input_ids"] if texts else []
        done = 0
        parts = batches([len(i) for i in ids], self.params.batch_tokens)
        for part, found in zip(parts, self.each("shares", (([ids[i] for i in part],) for part in parts)), strict=True):
            out[part] = found
            done += len(part)
            progress(done)
        self.calls += len(texts)
        return classes, out

    def shares(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """The probabilities of all classes, for each text."""
        import numpy as np
        import torch

        batch = self.tokenizer.pad({"input_ids": list(ids)}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            return np.asarray(torch.softmax(self.model(**batch).logits.double(), -1).cpu().numpy())

    def best(self, ids: Sequence[Sequence[int]]) -> tuple[Matrix, Matrix]:
        """(the likeliest class, how likely it is) of each token."""
        import torch

        batch = self.tokenizer.pad({"input_ids": list(ids)}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            found = torch.softmax(self.model(**batch).logits.float(), -1).max(-1)
        return found.indices.cpu().numpy(), found.values.cpu().numpy()

    def masked(self, ids: Sequence[Sequence[int]], places: Sequence[Sequence[int]]) -> list[Matrix]:
        """For each text what the model says of each of its masks: [masks, vocabulary]."""
        import torch

        self.tokenizer.padding_side = "right"
        batch = self.tokenizer.pad({"input_ids": list(ids)}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**batch).logits
            return [logits[n, own].float().cpu().numpy() for n, own in enumerate(places)]

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Matrix:
        if "embed" not in self.facts.does:
            raise self.cannot("embed texts")
        longest = min(self.longest, 512)
        ids = self.tokenizer(list(dict.fromkeys(texts)), truncation=True, max_length=longest)["input_ids"] if texts else []
        return self.pooled(texts, ids, False, progress)

    def tag(self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None) -> list[list[str]]:
        return self.tag_surely(tokens, progress)[0]

    def tag_surely(
        self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None
    ) -> tuple[list[list[str]], list[list[float]]]:
        """The tag of each word's first token. A sentence longer than the model is tagged in pieces; a word of no token is ``O``."""
        if "tag" not in self.facts.does:
            raise self.cannot("tag tokens")
        names = {int(i): str(name) for i, name in self.config.id2label.items()}
        pieces = [(row, begin, words) for row, sentence in enumerate(tokens) for begin, words in self.windows(list(sentence))]
        out = [["O"] * len(sentence) for sentence in tokens]
        sure = [[0.0] * len(sentence) for sentence in tokens]
        made = [self.tokenizer(words, is_split_into_words=True, truncation=True, max_length=self.longest) for _, _, words in pieces]
        done = 0
        parts = batches([len(m["input_ids"]) for m in made], self.params.batch_tokens)
        units = (([made[i]["input_ids"] for i in part],) for part in parts)
        for part, (best, likely) in zip(parts, self.each("best", units), strict=True):
            for n, i in enumerate(part):
                row, begin, _ = pieces[i]
                seen: set[int] = set()
                for at, word in enumerate(made[i].word_ids()):
                    if word is not None and word not in seen:
                        seen.add(word)
                        out[row][begin + word] = names[int(best[n, at])]
                        sure[row][begin + word] = float(likely[n, at])
            done += len(part)
            progress(min(done, len(tokens)))
        self.calls += len(tokens)
        return out, sure

    def windows(self, words: list[str]) -> Iterator[tuple[int, list[str]]]:
        """The sentence in pieces of as many words as the model takes, each with the place where it begins."""
        counts = [len(i) for i in self.tokenizer(words, add_special_tokens=False)["input_ids"]] if words else []
        room = max(1, self.longest - self.tokenizer.num_special_tokens_to_add())
        begin, size = 0, 0
        for place, count in enumerate(counts):
            if size and size + count > room:
                yield begin, words[begin:place]
                begin, size = place, 0
            size += count
        if words:
            yield begin, words[begin:]
