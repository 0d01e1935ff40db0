"""The model card: ``README.md`` with the header that the Hugging Face Hub reads, and what somebody must know before using the model.

As of the dataset card: its facts come from the run, and there is no date and no machine in it. The header's results are those of the
``evaluate`` steps that stand beside the model in the export; validation scores, which chose the weights, are told apart from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from recipec.api import ExportContext, Json
from recipec.formats._card import _authors, _cell, _licence, _number, _rebuild, _sources, _steps, _table, _text, _yaml, origin, tags

PIPELINES = {
    "classify": "text-classification",
    "regress": "text-classification",
    "tag": "token-classification",
    "generate": "text-generation",
    "prefer": "text-generation",
    "embed": "sentence-similarity",
}
"""The Hub's word for what a model of each task does."""
DOES = {
    "classify": "tells the class of a text",
    "regress": "gives a text a number",
    "tag": "tags the words of a sentence",
    "generate": "answers",
    "prefer": "answers, taught by answers that people preferred",
    "embed": "gives a text a vector; texts of like meaning lie close together",
}
USE = {
    "classify": 'from transformers import pipeline\n\nask = pipeline("text-classification", model="{here}")\nask("...", truncation=True)',
    "regress": (
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        'tokenizer, model = AutoTokenizer.from_pretrained("{here}"), AutoModelForSequenceClassification.from_pretrained("{here}")\n'
        'model(**tokenizer("...", truncation=True, return_tensors="pt")).logits[0, 0].item()'
    ),
    "tag": (
        'from transformers import pipeline\n\nask = pipeline("token-classification", model="{here}", aggregation_strategy="first")\nask("...")'
    ),
    "generate": 'from transformers import pipeline\n\nask = pipeline("text-generation", model="{here}")\nask({prompt})',
    "embed": 'from sentence_transformers import SentenceTransformer\n\nSentenceTransformer("{here}").encode(["..."])',
}
USE["prefer"] = USE["generate"]
SHOWN_CLASSES = 100


def model_card(ctx: ExportContext, adapter: Literal["merged", "apart"] | None) -> str:
    """``adapter`` is how the format was asked to write one."""
    from recipec.training import _bases
    from recipec.training._release import base_name, laid

    assert ctx.model is not None
    known = _bases.facts(ctx.model) or {}
    card = ctx.card
    how = laid(known, adapter)
    base = base_name(known)
    title = _text(card.get("recipe")) or "model"
    name = _text(card.get("model"))
    body = [
        _header(card, known, how, base, title, name),
        f"# {title}: {name}",
        _text(card.get("description")),
        _authors(card),
        _what(card, known, how, base),
        _use(known, how, base),
        _scores(card),
        _learned(card, known),
        origin(card, "tables", "Where the rows that it learned from came from"),
        _sources(card),
        _steps(card),
        _licence(card),
        _rebuild(card) + f" The weights' digest is `{_text((card.get('training') or {}).get('identity'))}`.",
    ]
    return "\n\n".join(b for b in body if b) + "\n"


def _header(card: Mapping[str, Json], known: Mapping[str, Any], how: str | None, base: str, title: str, name: str) -> str:
    task = known["task"]
    library = "peft" if how == "apart" else "sentence-transformers" if task == "embed" else "transformers"
    lines = ["---", f"library_name: {library}", f"pipeline_tag: {PIPELINES[task]}", *tags(card)]
    if known["spec"]["base"]["is"] == "hub":
        lines.append(f"base_model: {_yaml(base)}")
    results = [
        (s, metric, m["value"]) for s in card.get("scores") or () for metric, m in s["metrics"].items() if m.get("value") is not None
    ]
    if results:
        lines += ["model-index:", f"- name: {_yaml(f'{title}: {name}')}", "  results:"]
    for s in card.get("scores") or ():
        found = [(metric, value) for one, metric, value in results if one is s]
        if found:
            lines += [
                "  - task:",
                f"      type: {PIPELINES[task]}",
                "    dataset:",
                f"      name: {_yaml(s['on'])}",
                f"      type: {_yaml(title)}",
            ]
            lines.append("    metrics:")
            for metric, value in found:
                lines += [f"    - type: {metric}", f"      value: {value:.6g}", f"      name: {_yaml(metric + ' of ' + s['step'])}"]
    return "\n".join([*lines, "---"])


def _what(card: Mapping[str, Json], known: Mapping[str, Any], how: str | None, base: str) -> str:
    task = known["task"]
    step = _text(((card.get("training") or {}).get("settings") or {}).get("base"))
    scratch = known["spec"]["base"]["is"] == "scratch"
    start = (
        "trained from random weights"
        if scratch
        else f"fine-tuned from `{base}`"
        if base
        else f"trained further from the model of the step `{step}`"
    )
    if known["spec"]["base"]["is"] == "hub" and known["spec"]["base"].get("revision"):
        start += f" (revision `{known['spec']['base']['revision']}`)"
    parts = [f"This model {DOES[task]}. It was {start}."]
    members = known.get("members") or []
    if members:
        parts.append(
            f"It is an ensemble: the answer is the mean of the probabilities of {len(members)} models, in `{'`, `'.join(members)}`."
        )
    if how == "apart":
        where = "in `base/`" if not base else f"`{base}`"
        parts.append(f"The folder holds an adapter alone; the weights that it changes are {where}.")
    classes = known.get("classes") or []
    if classes:
        more = f", ... ({len(classes)} in all)" if len(classes) > SHOWN_CLASSES else ""
        parts.append(f"Its classes: {', '.join(f'`{_cell(c)}`' for c in classes[:SHOWN_CLASSES])}{more}.")
    return " ".join(parts)


def _use(known: Mapping[str, Any], how: str | None, base: str) -> str:
    task = known["task"]
    here = f"FOLDER/{known['members'][0]}" if known.get("members") else "FOLDER"
    if how == "apart":
        auto = {"classify": "SequenceClassification", "regress": "SequenceClassification", "tag": "TokenClassification"}.get(
            task, "CausalLM"
        )
        kind = "AutoModel" if task == "embed" else f"AutoModelFor{auto}"
        more = f", num_labels={len(known['classes'])}" if known.get("classes") else ", num_labels=1" if task == "regress" else ""
        code = (
            f"from peft import PeftModel\nfrom transformers import AutoTokenizer, {kind}\n\n"
            f'base = {kind}.from_pretrained("{base or here + "/base"}"{more})\n'
            f'model, tokenizer = PeftModel.from_pretrained(base, "{here}"), AutoTokenizer.from_pretrained("{here}")'
        )
    else:
        chat = known["task_facts"].get("template") is not None
        code = USE[task].replace("{here}", here).replace("{prompt}", '[{"role": "user", "content": "..."}]' if chat else '"..."')
    return f"## Use\n\n```python\n{code}\n```"


def _scores(card: Mapping[str, Json]) -> str:
    lines = []
    for s in card.get("scores") or ():
        for metric, m in s["metrics"].items():
            span = f"{m['low']:.4f} to {m['high']:.4f}" if m.get("low") is not None and m.get("high") is not None else ""
            lines.append(
                (s["step"], s["on"], _number(s["rows"]), metric, f"{m['value']:.4f}" if m["value"] is not None else "unknown", span)
            )
    if not lines:
        return "## Scores\n\nNone was measured on rows that were kept apart for it."
    most = [s for s in card.get("scores") or () if s.get("majority")]
    beside = "".join(
        f' On `{s["on"]}`, always answering "{s["majority"]["class"]}" would be right on {s["majority"]["accuracy"]:.1%}.' for s in most
    )
    head = ("step", "on", "rows", "metric", "value", "95 % interval")
    return f"## Scores\n\n{_table(head, lines)}\n\nIntervals are by bootstrap over the rows.{beside}"


def _learned(card: Mapping[str, Json], known: Mapping[str, Any]) -> str:
    t = card.get("training") or {}
    facts: list[tuple[str, str]] = [
        ("weights trained", f"{_number(t.get('trained'))} of {_number(t.get('parameters'))}"),
        ("rows", _number(t.get("rows"))),
        *((f"rows dropped: {reason}", _number(n)) for reason, n in (t.get("dropped") or {}).items()),
        *([("rows that lost their end", _number(t["truncated"]))] if t.get("truncated") else []),
        ("steps", _number(t.get("steps"))),
        *([("best step", _number(t["best_step"]))] if t.get("best_step") is not None else []),
        *((f"on validation: {name}", f"{value:.4f}") for name, value in sorted((t.get("metrics") or {}).items())),
        *((f"setting `{name}`", f"`{_text(value)}`") for name, value in (t.get("settings") or {}).items()),
        *((f"{name}", _text(value)) for name, value in (t.get("versions") or {}).items()),
    ]
    spec = {
        k: known["spec"][k]
        for k in ("learning_rate", "epochs", "batch_size", "max_length", "precision", "seed")
        if known["spec"].get(k) is not None
    }
    facts += [(f"used `{k}`", json.dumps(v, ensure_ascii=False)) for k, v in spec.items() if k not in (t.get("settings") or {})]
    return "## Training\n\n" + _table(("what", "value"), facts)


__all__ = ["model_card"]
