"""Running an evaluate step: gold and predictions from tables and models, scores into a table of one row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json, Outcome, literal, quote
from recipec.metrics import bootstrap
from recipec.metrics._base import HOW
from recipec.metrics._data import (
    ClassData,
    Data,
    MultiLabelData,
    TagData,
    class_data,
    loss_data,
    multilabel_data,
    number_data,
    rows_of,
    tag_data,
    text_data,
)

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.steps.evaluate import Answering, EvaluatePlan

WORST = 20
MOST = 150
"""Classes up to which a confusion matrix is kept."""


def evaluate(plan: EvaluatePlan, ctx: RunContext) -> Outcome:
    """Measure, and make the step's table. DataError where there is nothing to measure."""
    source = ctx.relation(ctx.step.inputs[0])
    rows = ctx.rows(ctx.step.inputs[0])
    extra = [f"({sql})" for _, sql in plan.slices] + ([f"({plan.group})"] if plan.group else [])
    listed = ", ".join(["_key::VARCHAR", plan.gold, *extra])
    found = ctx.con.execute(f"SELECT {listed} FROM {source} ORDER BY _key").fetchall()
    if not found:
        raise DataError("there are no rows to measure", "is the part empty? recipec show says")
    gold = [r[1] for r in found]
    data = collected(plan, ctx, source, plan.answering, gold)
    outcome = Outcome(rows_in=rows, rows_out=1)
    for reason, count in data.left_out.items():
        outcome.notes.append(f"{rows_of(count)} {'is' if count == 1 else 'are'} left out: {reason}")
    outcome.notes.extend(data.notes)
    if data.rows == 0:
        why = "; ".join(f"{reason} in {count:,}" for reason, count in data.left_out.items() if count)
        raise DataError(f"no row can be measured: {why}", f"`gold` is {plan.gold}")
    kept = data.kept.tolist() if data.kept is not None else list(range(len(gold)))
    groups = [found[i][-1] for i in kept] if plan.group else None
    other = collected(plan, ctx, source, plan.against, gold) if plan.against is not None else None
    values: dict[str, Any] = {"rows": data.rows}
    shown: list[str] = []
    told: list[str] = []
    facts: dict[str, Json] = {"kind": plan.kind, "metrics": {}, "predictions": plan.answering.name}
    for name, metric in plan.metrics:
        score = metric.score(data)
        span = bootstrap.interval(metric, data, resamples=plan.bootstrap, seed=plan.seed, groups=groups) if plan.bootstrap else None
        low, high = (known(span.low), known(span.high)) if span is not None else (None, None)
        values |= {name: score.known, f"{name}_low": low, f"{name}_high": high}
        facts["metrics"][name] = {"value": score.known, "low": low, "high": high, "notes": list(score.notes)}
        outcome.notes.extend(f"{name}: {n}" for n in score.notes if not n.startswith(HOW))
        how = "".join(f", {n}" for n in score.notes if n.startswith(HOW))
        shown.append(f"{name} {brief(score.known)}" + (f" ({brief(low)} to {brief(high)}{how})" if low is not None else how))
        if other is not None:
            compared = bootstrap.compare(metric, data, other, resamples=plan.bootstrap or 1000, seed=plan.seed, groups=groups)
            values |= {f"{name}_against": known(compared.second), f"{name}_p": known(compared.p_value)}
            assert plan.against is not None
            said = compared.sentence(plan.answering.name, plan.against.name)
            facts["metrics"][name] |= {"against": known(compared.second), "p": known(compared.p_value), "said": said}
            told.append(f"{name}: {said}")
    # What is true of the data is said once, not by every metric.
    outcome.notes = [
        n for n in dict.fromkeys(outcome.notes) if not any(n == f"{name}: {o}" for name, _ in plan.metrics for o in data.notes)
    ]
    told.insert(0, " · ".join(shown))
    if isinstance(data, ClassData):
        common = max(range(len(data.classes)), key=lambda c: (int((data.gold == c).sum()), -c))
        share = float((data.gold == common).mean())
        facts["majority"] = {"class": data.classes[common], "accuracy": share}
        told.insert(1, f'always answering "{data.classes[common]}" would be right on {share:.1%}')
    facts |= tables(data, [found[i][0] for i in range(len(found))])
    sliced = slices_of(plan, data, found, kept, groups)
    facts["slices"] = sliced["gaps"]
    told += sliced["said"]
    outcome.extra |= {"scores": without_nan(facts), "told": told}
    write(plan, ctx, values, sliced["rows"])
    return outcome


def known(value: float | None) -> float | None:
    """A number for a table: NaN is no number."""
    return None if value is None or math.isnan(value) else float(value)


def without_nan(value: Json) -> Json:
    """A value for JSON, which has no NaN."""
    if isinstance(value, float):
        return known(value)
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    return [without_nan(v) for v in value] if isinstance(value, (list, tuple)) else value


def brief(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def collected(plan: EvaluatePlan, ctx: RunContext, source: str, answering: Answering, gold: Sequence[Any]) -> Data:
    """Gold and one answerer's predictions, as what the metrics measure."""
    predicted: Sequence[Any]
    probabilities: Any = None
    classes: list[str] | None = None
    if answering.does == "score":
        return loss_data(*losses(ctx, source, answering, gold))
    if answering.model is not None:
        predicted, probabilities, classes = asked(ctx, source, answering)
    else:
        column = f", {answering.probabilities}" if answering.probabilities else ""
        rows = ctx.con.execute(f"SELECT {answering.column}{column} FROM {source} ORDER BY _key").fetchall()
        predicted = [r[0] for r in rows]
        if answering.probabilities:
            maps = [r[1] or {} for r in rows]
            classes = sorted({str(k) for m in maps for k in m})
            probabilities = [[m.get(c, 0.0) if m else float("nan") for c in classes] for m in maps]
    match plan.kind:
        case "classes":
            return classes_data(gold, predicted, probabilities, classes)
        case "multilabel":
            return sets_data(gold, predicted, classes, probabilities)
        case "tags":
            return tag_data(gold, predicted)
        case "texts":
            return text_data(gold, predicted)
        case _:
            import numpy as np

            return number_data(np.array(gold, dtype=np.float64), np.array(predicted, dtype=np.float64))


def losses(ctx: RunContext, source: str, answering: Answering, gold: Sequence[Any]) -> tuple[list[float], list[float]]:
    """How probable a language model holds the gold texts: summed log-probabilities and token counts, NaN where it cannot say."""
    from recipec.steps.predict import requests

    assert answering.model is not None
    model = ctx.model(answering.model)
    rows = ctx.con.execute(f"SELECT _key::VARCHAR, ({answering.given}) FROM {source} ORDER BY _key").fetchall()
    places = [i for i, g in enumerate(gold) if g is not None]
    asked = [next(iter(requests([rows[i]]))) if rows[i][1] is not None else None for i in places]
    found = model.losses(
        asked, [gold[i] for i in places], lambda done: ctx.progress(done / len(places) if places else None, answering.name)
    )
    sums, tokens = [math.nan] * len(rows), [math.nan] * len(rows)
    for place, one in zip(places, found, strict=True):
        if one is not None:
            sums[place], tokens[place] = float(one[0]), float(one[1])
    return sums, tokens


def sets_data(gold: Sequence[Any], predicted: Sequence[Any], classes: list[str] | None, probabilities: Any) -> MultiLabelData:
    """Sets of classes as texts. A gold class that the model does not know is there all the same, with no probability: rows of it are wrong."""
    import numpy as np

    truth = [None if g is None else [text(c) for c in g if c is not None] for g in gold]
    guess = [None if p is None else [text(c) for c in (p if isinstance(p, (list, tuple)) else [p]) if c is not None] for p in predicted]
    if classes is not None:
        strangers = sorted({c for g in truth if g is not None for c in g} - set(classes))
        if strangers:
            probabilities = np.hstack([np.asarray(probabilities, dtype=np.float64), np.zeros((len(truth), len(strangers)))])
            classes = [*classes, *strangers]
    return multilabel_data(truth, guess, classes, probabilities)


def classes_data(gold: Sequence[Any], predicted: Sequence[Any], probabilities: Any, classes: list[str] | None) -> ClassData:
    """Classes as texts. A gold class that the model does not know is there all the same, with no probability: rows of it are wrong."""
    import numpy as np

    truth = [None if g is None else text(g) for g in gold]
    guess = [None if p is None else text(p) for p in predicted]
    if classes is not None:
        strangers = sorted({g for g in truth if g is not None} - set(classes))
        probabilities = np.asarray(probabilities, dtype=np.float64).reshape(len(truth), len(classes))
        if strangers:
            probabilities = np.hstack([probabilities, np.zeros((len(truth), len(strangers)))])
            classes = [*classes, *strangers]
    return class_data(truth, guess, probabilities, classes)


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def asked(ctx: RunContext, source: str, answering: Answering) -> tuple[list[Any], Any, list[str] | None]:
    """A model's answers in key order, with probabilities and classes where it gives them."""
    import numpy as np

    assert answering.model is not None
    model = ctx.model(answering.model)
    rows = ctx.con.execute(f"SELECT _key::VARCHAR, ({answering.given}) FROM {source} ORDER BY _key").fetchall()
    places = [i for i, (_, x) in enumerate(rows) if x is not None]
    given = [rows[i][1] for i in places]
    out: list[Any] = [None] * len(rows)

    def progress(done: int) -> None:
        ctx.progress(done / len(given) if given else None, answering.name)

    if answering.does in ("classify", "several"):
        from recipec.steps.predict import above_half

        names, found = model.classify(given, progress)
        found = np.asarray(found, dtype=np.float64).round(6)
        whole = np.full((len(rows), len(names)), np.nan)
        whole[places] = found
        if answering.does == "several":
            for place, made_set in zip(places, above_half(names, found), strict=True):
                out[place] = made_set
            return out, whole, [str(n) for n in names]
        for place, row in zip(places, found, strict=True):
            out[place] = names[int(row.argmax())]
        return out, whole, [str(n) for n in names]
    if answering.does == "complete":
        from recipec.steps.predict import completions

        failed: list[tuple[str, str, str]] = []
        answers = completions(model, [rows[i] for i in places], failed)
        if len(failed) > 0.01 * len(rows):
            raise DataError(f"{len(failed):,} of {len(rows):,} rows got no answer: {failed[0][2]}", "what was answered is kept; run again")
        return [answers.get(k) for k, _ in rows], None, None
    made = model.tag(given, progress) if answering.does == "tag" else model.regress(given)
    for place, value in zip(places, made, strict=True):
        out[place] = value
    return out, None, None


def tables(data: Data, keys: Sequence[str]) -> dict[str, Json]:
    """The tables, curves and errors that the report shows."""
    from recipec.metrics.tables import class_table, confusion_matrix, entity_table, label_table, token_table

    out: dict[str, Json] = {}
    if isinstance(data, ClassData):
        from recipec.metrics.errors import confused, worst

        out["table"] = asdict(class_table(data))
        matrix = confusion_matrix(data)
        if len(data.classes) <= MOST:
            out["confusion"] = asdict(matrix)
        out["worst"] = [{**asdict(w), "key": keys[w.row]} for w in worst(data, WORST)]
        out["confused"] = [asdict(p) for p in confused(data, WORST)]
        if data.probabilities is not None:
            out["curves"] = curves(data)
    elif isinstance(data, TagData):
        out["table"] = asdict(entity_table(data))
        out["tokens"] = asdict(token_table(data, outside=False))
    elif isinstance(data, MultiLabelData):
        out["table"] = asdict(label_table(data))
    return out


def curves(data: ClassData) -> dict[str, Json]:
    """ROC, precision-recall and calibration curves, thinned; of the second class where there are two, else over all."""
    from recipec.metrics import curves as drawn

    names = [data.classes[-1]] if len(data.classes) == 2 else list(drawn.most_frequent(data, 5))
    return {
        "roc": [asdict(drawn.roc(data, n)) for n in names],
        "precision_recall": [asdict(drawn.precision_recall(data, n)) for n in names],
        "calibration": asdict(drawn.calibration(data)),
    }


def slices_of(plan: EvaluatePlan, data: Data, found: Sequence[Any], kept: Sequence[int], groups: Sequence[Any] | None) -> dict[str, Any]:
    """Every metric on every slice: rows for the table, gaps, and what is worth saying."""
    from recipec.metrics.slices import slices

    rows: list[dict[str, Json]] = []
    gaps: list[dict[str, Json]] = []
    said: list[str] = []
    for number, (name, _) in enumerate(plan.slices):
        values = [found[i][2 + number] for i in kept]
        for title, metric in plan.metrics:
            made = slices(metric, data, values, resamples=plan.bootstrap or 200, seed=plan.seed, groups=groups)
            for s in made.slices:
                rest = s.against_rest.value if s.against_rest is not None else None
                rows.append(
                    {"slice": name, "value": s.name, "rows": s.rows, "metric": title, "score": known(s.score.value), "low": known(s.score.low),
                     "high": known(s.score.high), "rest": known(rest), "small": s.small}
                )  # fmt: skip
            gap = made.gap_interval
            if gap is not None:
                ends = {"low": known(gap.low), "high": known(gap.high), "worst": made.worst, "best": made.best}
                gaps.append({"slice": name, "metric": title, "gap": known(made.gap), **ends})
                if gap.known and gap.low > 0:
                    said.append(
                        f"{title} by {name}: {made.best} is ahead of {made.worst} by {brief(made.gap)} ({brief(gap.low)} to {brief(gap.high)})"
                    )
    return {"rows": rows, "gaps": gaps, "said": said}


def write(plan: EvaluatePlan, ctx: RunContext, values: dict[str, Any], sliced: Sequence[dict[str, Json]]) -> None:
    """The table of one row."""
    columns: list[str] = []
    for column in plan.schema.columns:
        value = list(sliced) if column.name == "slices" else values.get(column.name)
        sql = literal(value) if value is not None and value != [] else "NULL" if value is None else "[]"
        columns.append(f"({sql})::{column.type} AS {quote(column.name)}")
    ctx.execute(f"CREATE TABLE {ctx.target} AS SELECT md5_number('evaluate')::UUID AS _key, NULL::UUID AS _parent, {', '.join(columns)}")
