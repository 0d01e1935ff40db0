"""``by: suspect_labels(minilm, topic)``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import ColumnName, DataError, Expression, Json, ModelRef, Schema, Settings, Traits, named, quote, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, WrongType
from recipec.resolve.types import shown
from recipec.selectors._base import CAN, Selecting, Selector, rounded, text_of
from recipec.selectors._uncertain import probabilities, source
from recipec.selectors._vectors import vectors
from recipec.syntax import tree

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


class SuspectParams(Settings):
    model: ModelRef | None = None
    label: ColumnName
    text: Expression | None = named(None)
    probabilities: ColumnName | None = named(None)
    folds: int = named(5, ge=2, le=50)
    choose: Literal["suspects", "trusted"] = named("suspects")


@selector("suspect_labels")
class SuspectLabels(Selector):
    """Rows whose label is likely wrong, by confident learning; or, with ``choose: trusted``, the others.

    ```recipe
    model minilm = embedding("models/minilm")
    select look_again from train { by: suspect_labels(minilm, topic, text: description) }
    select clean_set from train { by: suspect_labels(minilm, topic, text: description, choose: trusted) }
    ```

    Needed are probabilities by models that have not seen the row. With an embedding model they are made here: logistic regression over
    its vectors, in ``folds`` (5) folds. ``probabilities: column`` takes those of ``predict`` steps instead (train on all folds of a split but
    one, predict that one). A classifier as model is asked as it is, which is right only where it was not trained on these rows.

    The score is the probability of the most probable other class less that of the label, from -1 to 1. Without ``take`` all suspects are
    chosen, the worst first. ``NAME_suggested`` is the most probable class. The others are dropped as "label not suspect" (or "label
    suspect"); rows without a label or text have no score. Northcutt et al., 2021, "Confident learning".
    """

    Params = SuspectParams
    params: SuspectParams
    what = "margin against its label"
    decides = True
    columns = {"_suggested": "VARCHAR"}
    traits = Traits(reads_label=True, fits_on_data=True)

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.refusal = "label not suspect" if params.choose == "suspects" else "label suspect"

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        given, model = self.params, self.params.model
        self.text: Expression | None = None
        source(bind, schema, call, model, given.probabilities, self.name)
        if given.label.type.endswith("]") or given.label.type.startswith(("MAP", "STRUCT")):
            message = f"a label is one value; `{given.label.name}` is {shown(given.label.type)}"
            bind.report(WrongType(span=given.label.span, message=message))
        if model is not None:
            if not model.can("classify") and not model.can("embed"):
                message = f"`{model}` can neither embed nor classify texts"
                bind.report(BadValue(span=model.span or call.span, message=message, help=(CAN["embed"][1],)))
            self.text = text_of(bind, schema, given.text, call, model)

    @property
    def asked(self) -> bool:
        """Whether a classifier is asked as it is."""
        model = self.params.model
        return model is not None and model.facts is not None and "classify" in model.facts.does

    def meaning(self) -> Json:
        return self.text.meaning if self.text is not None else None

    def embeds(self) -> Sequence[tuple[ModelRef, str]]:
        return [(self.params.model, self.text.sql)] if self.text is not None and self.params.model is not None and not self.asked else []

    def score(self, given: Selecting) -> list[str]:
        import numpy as np
        import pyarrow as pa

        from recipec.fast.select_noise import find_noise

        label = f"({quote(self.params.label.name)})::VARCHAR"
        found = given.ctx.con.execute(f"SELECT __n, {label}, __r FROM {given.rows} WHERE {label} IS NOT NULL ORDER BY __n").fetchall()
        classes = sorted({r[1] for r in found})
        if len(classes) < 2:
            raise DataError(
                f"the labels in `{self.params.label.name}` are of {len(classes)} class{'es' * (len(classes) != 1)}",
                "suspect labels are found where there are two or more",
            )
        code = {c: i for i, c in enumerate(classes)}
        places = np.array([r[0] for r in found], np.int64)
        labels = np.array([code[r[1]] for r in found], np.int64)
        notes: list[str] = []
        if self.text is not None and not self.asked:
            there, p = self.folded(given, places, labels, np.array([r[2] for r in found], np.uint64), len(classes))
        else:
            there, p = self.told(given, places, classes, notes)
        places, labels = places[there], labels[there]
        made = find_noise(labels, p)
        passes = made.suspect if self.params.choose == "suspects" else ~made.suspect
        score = rounded(made.margin)
        given.write(
            n=places, score=score, sort=score if self.params.choose == "suspects" else -score, passes=passes,
            _suggested=pa.array([classes[b] for b in made.best.tolist()], pa.string()),
            note=pa.array([f"likely {classes[b]}" if s else None for b, s in zip(made.best.tolist(), made.suspect.tolist(), strict=True)], pa.string()),
        )  # fmt: skip
        share = float(made.suspect.mean()) if len(places) else 0.0
        return [*notes, f"{int(made.suspect.sum()):,} of {len(places):,} labels are suspect ({share:.1%})"]

    def folded(self, given: Selecting, places: Matrix, labels: Matrix, chance: Matrix, classes: int) -> tuple[Matrix, Matrix]:
        """(which of the labelled rows have a vector, their probabilities by models of the other folds)."""
        import numpy as np

        from recipec.fast.select_logistic import out_of_fold

        assert self.text is not None
        embedded, found = vectors(given, self.params.model, self.text)
        at = np.searchsorted(embedded, places)
        there = np.flatnonzero(embedded[np.minimum(at, len(embedded) - 1)] == places) if len(embedded) else np.zeros(0, np.int64)
        # Folds by chance, alike in their labels.
        own = labels[there]
        order = np.lexsort((places[there], chance[there], own))
        fold = np.zeros(len(there), np.int64)
        fold[order] = np.arange(len(there)) % self.params.folds
        mine = found if len(there) == len(embedded) else found[at[there]]
        return there, rounded(out_of_fold(mine, own, fold, classes, lambda s: given.progress(s, "out of fold"))).astype(np.float32)

    def told(self, given: Selecting, places: Matrix, classes: list[str], notes: list[str]) -> tuple[Matrix, Matrix]:
        """(which of the labelled rows have probabilities, those of the labels' classes)."""
        import numpy as np

        position = np.full(given.count, -1, np.int64)
        position[places] = np.arange(len(places))
        there: list[Matrix] = []
        parts: list[Matrix] = []
        strange: set[str] = set()
        for rows, names, found in probabilities(given, self.params.model, self.text, self.params.probabilities):
            strange |= set(classes) - set(names)
            own = position[np.array(rows, np.int64)]
            p = np.zeros((len(rows), len(classes)), np.float32)
            for i, name in enumerate(names):
                if name in classes:
                    p[:, classes.index(name)] = found[:, i]
            there.append(own[own >= 0])
            parts.append(p[own >= 0])
        if self.asked:
            notes.append(f"the probabilities are those of `{self.params.model}`: where it was trained on these rows, they find too little")
        if strange:
            notes.append(f"labels without a probability: {', '.join(sorted(strange)[:6])}")
        if not parts:
            return np.zeros(0, np.int64), np.zeros((0, len(classes)), np.float32)
        return np.concatenate(there), np.concatenate(parts)
