"""``classify``: a text gets one class, several, or a distribution over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from recipec.api import Arrows, DataError, Expression, Schema, Settings, task
from recipec.resolve.types import INTEGERS, is_number
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
    is_text,
    is_texts,
    sides,
    typed,
)

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder
    from recipec.training._env import Env


class ClassifyParams(Settings):
    pairs: Arrows | None = None
    confidence: Expression | None = None
    probabilities: Expression | None = None
    weight: Expression | None = None


@task("classify")
class Classify(Task):
    """Teaches a model to tell the class of a text.

    ```recipe
    train clf from final.train {
      task: classify(description => topic)
      base: scratch(layers: 2, width: 128)
      validation: final.validation
    }
    ```

    The answer is a column of text, of whole numbers or of booleans (one class a row), or a list of texts (any number of classes a row:
    a multi-label classifier). The classes are those of the training rows, in order of their names, or those of ``classes:``.

    ``confidence: topic_confidence`` trains on what a ``label`` step was sure of: a row of confidence 0.8 counts 0.8 for its
    class, and the rest is shared by the others. ``probabilities: p`` gives the whole distribution, as a map from class to
    probability. ``weight: w`` lets a row count more or less than others.

    Texts longer than ``max_length`` tokens lose their end, and are counted as truncated. Rows without text or class are dropped
    and counted. A class of the validation rows that no training row has is an error, and so is a single class.

    By default a base is trained for 4 epochs in batches of 16 rows, at a learning rate of 3e-4 where its layers are at most 512 wide (MiniLM),
    and of 5e-5 where they are wider, as the authors of BERT advise; one made from scratch for 10 epochs at 1e-3.
    """

    Params = ClassifyParams
    metrics = ("loss", "accuracy", "f1")
    shares = True

    def bind(self, bind: StepBinder, params: ClassifyParams, schema: Schema, span: Span) -> TaskBound | None:
        pair = sides(bind, params.pairs, schema, span, "classify(text => label)")
        if pair is None:
            return None
        text, label = pair
        roles: dict[str, Expression] = {"text": text, "label": label}
        ok = typed(bind, text, is_text, "text", "cast it: cast(x as text)")
        ok &= typed(
            bind,
            label,
            lambda t: is_text(t) or is_texts(t) or t in INTEGERS or t == "BOOLEAN",
            "a class (text, int or bool) or a list of texts",
        )
        form = "multi" if is_texts(label.type) else "single"
        answers = set(label.columns)
        if params.confidence is not None:
            ok &= typed(bind, params.confidence, is_number, "a number from 0 to 1")
            roles["confidence"], form = params.confidence, "soft"
        if params.probabilities is not None:
            ok &= typed(bind, params.probabilities, lambda t: t.startswith(("MAP(VARCHAR,", "STRUCT(")), "a map from class to probability")
            roles["probabilities"], form = params.probabilities, "soft"
        if params.weight is not None:
            ok &= typed(bind, params.weight, is_number, "a number")
            roles["weight"] = params.weight
        answers |= {c for name in ("confidence", "probabilities") if name in roles for c in roles[name].columns}
        if form == "soft" and is_texts(label.type):
            ok = typed(bind, label, is_text, "one class, where there are confidences")
        return TaskBound(form, roles, frozenset(answers)) if ok else None

    def defaults(self, spec: TrainSpec) -> Defaults:
        small = isinstance(spec.base, ScratchParams)
        # Of 3e-4 and 16 rows, 4e-4 and 64, 1e-4 and 16 (3 epochs), the first did best with MiniLM on 3,000 rows of banking77 (77 intents:
        # accuracy 0.87, 0.81, 0.61) and, by a little, of package summaries (10 sections: macro F1 0.722, 0.709, 0.709).
        return Defaults(1e-3 if small else 3e-4, 10 if small else 4, 16, 256, "truncate", wide_rate=5e-5)

    # Rows

    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        return (t for t in batch.column("text").to_pylist() if t)

    def survey(self, env: Env, rows: Rows) -> None:
        if env.spec.classes is not None:
            env.classes = list(env.spec.classes)
            return
        found: set[Any] = set()
        for batch in rows.read():
            for value in batch.column("label").to_pylist():
                if isinstance(value, list):
                    found.update(value)
                else:
                    found.add(value)
            if "probabilities" in batch.schema.names:
                for p in batch.column("probabilities").to_pylist():
                    found.update(dict(p or {}))
        found.discard(None)
        env.classes = [class_name(v) for v in (sorted(found) if all(isinstance(v, int) for v in found) else sorted(map(class_name, found)))]

    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        index = {c: i for i, c in enumerate(env.classes)}
        form = env.spec.form
        texts = batch.column("text").to_pylist()
        names = batch.schema.names
        labels, confidences, distributions, weights = (
            batch.column(n).to_pylist() if n in names else [None] * len(texts) for n in ("label", "confidence", "probabilities", "weight")
        )
        encodings = env.fast(env.max_length).encode_batch([t or "" for t in texts])
        for text, e, label, confidence, distribution, weight in zip(
            texts, encodings, labels, confidences, distributions, weights, strict=True
        ):
            if not text or not text.strip():
                yield Dropped("no text")
                continue
            try:
                fixed = target(index, form, label, confidence, distribution)
            except Dropped as dropped:
                yield dropped
                continue
            if "weight" in names:
                if weight is None or not weight >= 0 or weight == float("inf"):
                    yield Dropped("no weight")
                    continue
                fixed["weight"] = float(weight)
            if e.overflowing and env.spec.long == "drop":
                yield Dropped(f"longer than {env.max_length} tokens")
                continue
            yield Encoded({"input_ids": e.ids}, fixed, "cut at the end" if e.overflowing else "")

    def check(self, env: Env, train: Any, validation: Any) -> None:
        import numpy as np

        classes = env.classes
        if len(classes) < 2:
            only = f"only the class `{classes[0]}`" if classes else "no class at all"
            raise DataError(f"the training rows have {only}: there is nothing to tell apart", "a classifier needs two classes")
        if env.spec.form == "multi":
            counts = train.fixed["target"].sum(axis=0)
        else:
            counts = np.bincount(train.fixed["label"].astype(np.int64), minlength=len(classes)).astype(np.float64)
            if env.spec.form == "soft":
                counts = train.fixed["target"].sum(axis=0)
        missing = [c for c, n in zip(classes, counts, strict=True) if n == 0]
        if missing:
            raise DataError(
                f"no training row has the class {listed(missing)}",
                "a model cannot learn a class that it never sees: take it out of `classes`, or split with `stratify`",
            )
        strange = [r for r in (validation.ledger.dropped if validation is not None else {}) if r.startswith(STRANGE)]
        if strange:
            raise DataError(
                f"validation has the class {listed([r.removeprefix(STRANGE).strip('`') for r in strange])}, which no training row has",
                "split with `stratify: label`, so that every part has every class",
            )
        weights = env.spec.class_weights
        if weights == "none":
            return
        if isinstance(weights, tuple):
            given = dict(weights)
            unknown = sorted(set(given) - set(classes))
            if unknown:
                raise DataError(f"class_weights names {listed(unknown)}, which is no class", f"the classes are {listed(classes)}")
            env.facts["weights"] = [float(given.get(c, 1.0)) for c in classes]
        elif env.spec.form == "multi":
            env.facts["weights"] = [float((len(train) - n) / n) for n in counts]
        else:
            env.facts["weights"] = [float(counts.sum() / (len(classes) * n)) for n in counts]

    # The model

    def model(self, env: Env) -> Any:
        from recipec.training._bases import load

        kind = {"single": "single_label_classification", "soft": "single_label_classification", "multi": "multi_label_classification"}
        return load(
            env, "AutoModelForSequenceClassification", num_labels=len(env.classes), id2label=dict(enumerate(env.classes)),
            label2id={c: i for i, c in enumerate(env.classes)}, problem_type=kind[env.spec.form],
        )  # fmt: skip

    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        from recipec.training._tensors import padded

        batch = padded(env, [r["input_ids"] for r in rows])
        for name in ("label", "target", "weight"):
            if name in rows[0]:
                values = torch.from_numpy(np.stack([r[name] for r in rows]))
                batch[f"_{name}"] = values.long() if name == "label" else values
        return batch

    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional as F

        given = {n: t for n, t in inputs.items() if not n.startswith("_")}
        outputs = model(**given)
        logits = outputs.logits.float()
        known = env.facts.get("weights")
        weights = None if known is None else torch.tensor(known, device=logits.device)
        smooth = env.spec.label_smoothing
        size = torch.ones(len(logits), device=logits.device)
        if env.spec.form == "single":
            label = inputs["_label"]
            each = F.cross_entropy(logits, label, weight=weights, label_smoothing=smooth, reduction="none")
            if weights is not None:
                size = weights[label]
        elif env.spec.form == "soft":
            aim = inputs["_target"] * (1 - smooth) + smooth / logits.shape[-1]
            if weights is not None:
                size = (aim * weights).sum(-1)
                aim = aim * weights
            each = -(aim * F.log_softmax(logits, dim=-1)).sum(-1)
        else:
            aim = inputs["_target"] * (1 - smooth) + smooth / 2
            each = F.binary_cross_entropy_with_logits(logits, aim, pos_weight=weights, reduction="none").mean(-1)
        if "_weight" in inputs:
            each, size = each * inputs["_weight"], size * inputs["_weight"]
        return each.sum() / env.share.total(size.sum()).clamp_min(1e-8), outputs

    def scores(self, env: Env) -> Scores:
        return _Scores(env.spec.form == "multi", len(env.classes))


STRANGE = "not one of the classes: "


def target(index: Mapping[str, int], form: str, label: Any, confidence: Any, distribution: Any) -> dict[str, Any]:
    """A row's answer as numbers: the class, and under several or soft labels a vector over the classes."""
    if form == "multi":
        if label is None:
            raise Dropped("no label")
        vector = [0.0] * len(index)
        for name in label:
            if name not in index:
                raise Dropped(f"{STRANGE}`{name}`")
            vector[index[name]] = 1.0
        return {"target": vector}
    if distribution is not None:
        shares = {class_name(k): float(v or 0.0) for k, v in dict(distribution).items()}
        total = sum(shares.values())
        if not total > 0 or min(shares.values()) < 0 or total == float("inf"):
            raise Dropped("no probabilities")
        strange = next((n for n, v in shares.items() if v > 0 and n not in index), None)
        if strange is not None:
            raise Dropped(f"{STRANGE}`{strange}`")
        vector = [0.0] * len(index)
        for name, share in shares.items():
            if share > 0:
                vector[index[name]] = share / total
        best = max(range(len(vector)), key=lambda i: vector[i])
        return {"label": float(index.get(class_name(label), best) if label is not None else best), "target": vector}
    if label is None:
        raise Dropped("no label")
    name = class_name(label)
    if name not in index:
        raise Dropped(f"{STRANGE}`{name}`")
    place = index[name]
    if form == "single":
        return {"label": float(place)}
    sure = 1.0 if confidence is None else float(confidence)
    if not 0 <= sure <= 1:
        raise Dropped("a confidence that is not between 0 and 1")
    rest = (1 - sure) / max(1, len(index) - 1)
    vector = [rest] * len(index)
    vector[place] = sure
    return {"label": float(place), "target": vector}


def class_name(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def listed(names: list[str]) -> str:
    """``a``, `b` and 3 more."""
    shown = ", ".join(f"`{n}`" for n in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


class _Scores(Scores):
    gathers = ("loss", "rows", "gold", "said")

    def __init__(self, multi: bool, classes: int) -> None:
        self.multi, self.classes = multi, classes
        self.loss, self.rows = 0.0, 0
        self.gold: list[Any] = []
        self.said: list[Any] = []

    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None:
        logits = outputs.logits.detach().float().cpu()
        self.loss += loss * len(logits)
        self.rows += len(logits)
        self.said.append((logits > 0).numpy() if self.multi else logits.argmax(-1).numpy())
        self.gold.append(inputs["_target"].cpu().numpy() > 0.5 if self.multi else inputs["_label"].cpu().numpy())

    def result(self) -> dict[str, float]:
        import numpy as np

        from recipec.training._scores import f1_of, macro_f1

        gold, said = np.concatenate(self.gold), np.concatenate(self.said)
        if self.multi:
            f1 = f1_of(float((gold & said).sum()), float(said.sum()), float(gold.sum()))
            return {"loss": self.loss / self.rows, "accuracy": float((gold == said).all(axis=1).mean()), "f1": f1}
        return {"loss": self.loss / self.rows, "accuracy": float((gold == said).mean()), "f1": macro_f1(gold, said, self.classes)}
