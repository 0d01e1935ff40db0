"""``tag``: every word of a sentence gets a tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import Arrows, DataError, Expression, Schema, Settings, task
from recipec.source import Span
from recipec.training._base import (
    Defaults,
    Dropped,
    Encoded,
    Rows,
    Scores,
    ScratchParams,
    Task,
    TaskBound,
    TrainSpec,
    is_texts,
    sides,
    typed,
)

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder
    from recipec.training._env import Env

NONE = -100
"""What the losses of torch and transformers pass over."""
STRANGE = "not one of the tags: "


class TagParams(Settings):
    pairs: Arrows | None = None


@task("tag")
class Tag(Task):
    """Teaches a model to tag the words of a sentence, as for named entities.

    ```recipe
    train ner from news.train {
      task: tag(tokens => tags)
      base: scratch(layers: 2, width: 128)
      validation: news.validation
    }
    ```

    Both columns are lists of texts, one tag a word: ``B-PER``, ``I-PER``, ``O``, or tags without prefixes. A word that the
    tokenizer cuts is trained on its first piece alone. A null tag is not trained. The score ``f1`` is that of whole entities, as
    seqeval counts them.

    Sentences longer than ``max_length`` tokens lose their end in training, and are counted as truncated; in prediction they are
    tagged in several parts, so that no word goes without. Rows whose lists differ in length are dropped and counted.
    """

    Params = TagParams
    metrics = ("loss", "accuracy", "f1")
    shares = True

    def bind(self, bind: StepBinder, params: TagParams, schema: Schema, span: Span) -> TaskBound | None:
        pair = sides(bind, params.pairs, schema, span, "tag(tokens => tags)")
        if pair is None:
            return None
        roles: dict[str, Expression] = dict(zip(("tokens", "tags"), pair, strict=True))
        ok = typed(bind, roles["tokens"], is_texts, "a list of words", "split it: string_split(text, ' ')")
        ok &= typed(bind, roles["tags"], is_texts, "a list of tags, one a word")
        return TaskBound("tags", roles, frozenset(roles["tags"].columns)) if ok else None

    def defaults(self, spec: TrainSpec) -> Defaults:
        small = isinstance(spec.base, ScratchParams)
        return Defaults(1e-3 if small else 1e-4, 10 if small else 3, 16, 256, "truncate")

    # Rows

    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        # Words one by one, as they are encoded.
        return (w for words in batch.column("tokens").to_pylist() for w in words or () if w)

    def survey(self, env: Env, rows: Rows) -> None:
        found: set[str] = set(env.spec.classes or ())
        if not found:
            for batch in rows.read():
                found.update(t for tags in batch.column("tags").to_pylist() for t in tags or () if t is not None)
        env.classes = whole(found)

    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        index = {c: i for i, c in enumerate(env.classes)}
        sentences = [[w or "" for w in words or ()] for words in batch.column("tokens").to_pylist()]
        encodings = env.fast(env.max_length).encode_batch(sentences, is_pretokenized=True)
        for words, tags, e in zip(sentences, batch.column("tags").to_pylist(), encodings, strict=True):
            if not words:
                yield Dropped("no words")
            elif tags is None or not any(t is not None for t in tags):
                yield Dropped("no tags")
            elif len(tags) != len(words):
                yield Dropped("not as many tags as words")
            elif (strange := next((t for t in tags if t is not None and t not in index), None)) is not None:
                yield Dropped(f"{STRANGE}`{strange}`")
            elif e.overflowing and env.spec.long == "drop":
                yield Dropped(f"longer than {env.max_length} tokens")
            else:
                labels = [NONE if w is None or tags[w] is None else index[tags[w]] for w in firsts(e.word_ids)]
                yield Encoded({"input_ids": e.ids, "labels": labels}, {}, "cut at the end" if e.overflowing else "")

    def check(self, env: Env, train: Any, validation: Any) -> None:
        import numpy as np

        flat = train.ragged["labels"][0]
        counts = np.bincount(flat[flat >= 0], minlength=len(env.classes)).astype(np.float64)
        if (counts > 0).sum() < 2:
            raise DataError(
                f"every word of the training rows has the tag `{env.classes[int(counts.argmax())]}`: there is nothing to tell apart",
                "tagging needs two tags",
            )
        strange = [r.removeprefix(STRANGE) for r in (validation.ledger.dropped if validation is not None else {}) if r.startswith(STRANGE)]
        if strange:
            raise DataError(
                f"validation has the tag {', '.join(strange[:5])}, and training no entity of its type",
                "split so that every part has every type",
            )
        weights = env.spec.class_weights
        if weights == "balanced":
            env.facts["weights"] = [float(counts.sum() / ((counts > 0).sum() * n)) if n else 1.0 for n in counts]
        elif isinstance(weights, tuple):
            given = dict(weights)
            unknown = sorted(set(given) - set(env.classes))
            if unknown:
                raise DataError(f"class_weights names `{unknown[0]}`, which is no tag", f"the tags are {', '.join(env.classes)}")
            env.facts["weights"] = [float(given.get(c, 1.0)) for c in env.classes]

    # The model

    def model(self, env: Env) -> Any:
        from recipec.training._bases import load

        env.facts["by_token"] = True
        return load(
            env, "AutoModelForTokenClassification", num_labels=len(env.classes), id2label=dict(enumerate(env.classes)),
            label2id={c: i for i, c in enumerate(env.classes)},
        )  # fmt: skip

    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        from recipec.training._tensors import filled, padded

        return {**padded(env, [r["input_ids"] for r in rows]), "labels": filled([r["labels"] for r in rows], NONE)}

    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional as F

        labels = inputs["labels"]
        outputs = model(**{n: t for n, t in inputs.items() if n != "labels"})
        # A prefix or a prompt adds places before the sentence.
        logits = outputs.logits[:, -labels.shape[1] :].float()
        known = env.facts.get("weights")
        weights = None if known is None else torch.tensor(known, device=logits.device)
        total = F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), weight=weights, ignore_index=NONE, reduction="sum",
            label_smoothing=env.spec.label_smoothing,
        )  # fmt: skip
        return total / (items if items is not None else (labels != NONE).sum()).clamp_min(1), outputs

    def scores(self, env: Env) -> Scores:
        return _Scores(env.classes)


def whole(tags: set[str]) -> list[str]:
    """The tags in order, ``O`` first; of a type that has a ``B-`` or an ``I-``, both."""
    out = set(tags)
    for tag in tags:
        prefix, _, kind = tag.partition("-")
        if kind and prefix in ("B", "I"):
            out |= {f"B-{kind}", f"I-{kind}"}
    return sorted(out, key=lambda t: (t != "O", t.partition("-")[2] or t, t))


def firsts(words: Sequence[int | None]) -> Iterator[int | None]:
    """For each token the word that it begins, or None."""
    before: int | None = None
    for word in words:
        yield word if word != before else None
        before = word


class _Scores(Scores):
    gathers = ("loss", "right", "words", "gold", "said")

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes
        self.loss = self.right = self.words = 0.0
        self.gold: list[list[str]] = []
        self.said: list[list[str]] = []

    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None:
        labels = inputs["labels"].cpu()
        said = outputs.logits[:, -labels.shape[1] :].argmax(-1).cpu()
        there = labels != NONE
        count = int(there.sum())
        self.loss += loss * count
        self.words += count
        self.right += int((said[there] == labels[there]).sum())
        for g, s, mask in zip(labels, said, there, strict=True):
            self.gold.append([self.classes[i] for i in g[mask].tolist()])
            self.said.append([self.classes[i] for i in s[mask].tolist()])

    def result(self) -> dict[str, float]:
        from recipec.training._scores import entity_f1

        words = max(1.0, self.words)
        return {"loss": self.loss / words, "accuracy": self.right / words, "f1": entity_f1(self.gold, self.said)}
