"""A trained model as a folder for others: what transformers, PEFT or sentence-transformers reads, without this machine's paths.

The artifact of a training says where its base lies and how it was run, and keeps an adapter apart from what it changes. A release holds
what a reader needs and no more: an adapter is merged into its base where it can be, the chat template that the training used goes along, and
a regression answers on the scale of the training rows.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

from recipec.api import DataError
from recipec.training import _bases
from recipec.training._artifact import disk
from recipec.training._fit import require
from recipec.training._quiet import quiet

Adapter = Literal["merged", "apart"]
SOFT = ("prefix", "prompt")
"""Adapters that stand before the text: there is nothing to merge them into."""
CUT = ("classify", "regress", "embed")
"""Tasks whose texts lose their end at the length trained on; readers are told of it."""


def kind_of(known: dict[str, Any]) -> str:
    """``lora``, ``dora``, ``prefix``, ``prompt``; empty for a model whose own weights were trained."""
    name = str((known["spec"].get("adapter") or {}).get("is", "full"))
    return "" if name in ("full", "frozen") else name


def laid(known: dict[str, Any], asked: Adapter | None) -> Adapter | None:
    """How an adapter is written; None where there is none. Raises DataError for what cannot be."""
    kind = kind_of(known)
    if not kind:
        return None
    if asked == "merged" and kind in SOFT:
        raise DataError(f"a {kind} stands before the text: it cannot be merged into the base", "adapter: apart")
    return asked or ("apart" if kind in SOFT else "merged")


def release(folder: Path, to: Path, asked: Adapter | None = None) -> None:
    """Write the model in ``folder`` (the artifact of a training) to the empty folder ``to``. An ensemble's members become folders of their
    own. Raises DataError for an adapter that cannot be merged, and where the disk is full."""
    require()
    known = _bases.facts(folder)
    if known is None:
        raise DataError(f"`{folder.name}` is not the result of a `train` step", "it has no recipec.json")
    members = known.get("members") or [""]
    with disk(to), quiet([]):
        for member in members:
            one = to / member
            one.mkdir(parents=True, exist_ok=True)
            _one(folder / member, one, known, laid(known, asked))
    for path in to.rglob("*"):
        if path.is_file():
            path.chmod(0o644)  # safetensors writes for the owner alone


def _one(folder: Path, to: Path, known: dict[str, Any], how: Adapter | None) -> None:
    if how == "merged":
        from recipec.training._predict import Predictor

        made = Predictor(folder)
        if made.classes:
            made.model.config.label2id = {c: i for i, c in enumerate(made.classes)}
        made.model.save_pretrained(to)
        made.env.tokenizer.save_pretrained(to)
        (to / "README.md").unlink(missing_ok=True)
    else:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != _bases.FACTS:
                place = to / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
    if how == "apart":
        if (own := made_here(known)) is not None:
            release(own, to / "base")
        _base_named(to, known)
    _template(to, known)
    if known["task"] in CUT:
        _length(to, int(known["spec"]["max_length"]))
    if known["task"] == "regress" and how != "apart":
        _scaled(to, known["task_facts"])
    if known["task"] == "embed" and how != "apart":
        _sentences(to, int(known["spec"]["max_length"]))


def made_here(known: dict[str, Any]) -> Path | None:
    """The artifact of the training that the base comes from, where it is another ``train`` step's."""
    base = known["spec"]["base"]
    folder = Path(base["path"]) if base["is"] == "folder" else None
    return folder if folder is not None and _bases.facts(folder) is not None else None


def base_name(known: dict[str, Any]) -> str:
    """The base as others can find it: a name on the hub, else the last part of the folder's; empty for one that was made by the recipe."""
    base = known["spec"]["base"]
    if base["is"] == "hub":
        return str(base["name"])
    return Path(base["path"]).name if base["is"] == "folder" and made_here(known) is None else ""


def _base_named(to: Path, known: dict[str, Any]) -> None:
    """The adapter's own file says where its base is: not on this machine."""
    path = to / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    base = known["spec"]["base"]
    config["base_model_name_or_path"] = "base" if (to / "base").is_dir() else base_name(known)
    config["revision"] = base.get("revision") if base["is"] == "hub" else None
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _template(to: Path, known: dict[str, Any]) -> None:
    """The chat template that prompts were written by, where it is not the base's own."""
    template = known["task_facts"].get("template")
    if template is not None:
        (to / "chat_template.jinja").write_text(template, encoding="utf-8")


def _length(to: Path, most: int) -> None:
    path = to / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model_max_length"] = most
    path.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _scaled(to: Path, facts: dict[str, Any]) -> None:
    """The head of a regression with the scale of the training rows in it: it was trained on numbers of mean 0 and deviation 1."""
    from safetensors.torch import load_file, save_file

    path = to / "model.safetensors"
    weights = load_file(path)
    last = next((n for n in ("classifier.out_proj", "classifier", "score") if f"{n}.weight" in weights), None)
    if last is None or f"{last}.bias" not in weights:
        raise DataError(
            "this model's head has no constant: the numbers that it learned cannot be put on the scale of the rows",
            "take an encoder (BERT, RoBERTa) as the base",
        )
    weights[f"{last}.weight"] = weights[f"{last}.weight"] * facts["deviation"]
    weights[f"{last}.bias"] = weights[f"{last}.bias"] * facts["deviation"] + facts["mean"]
    save_file(weights, path, metadata={"format": "pt"})


def _sentences(to: Path, most: int) -> None:
    """What sentence-transformers asks for beside: the mean of the tokens' vectors, of length 1."""
    config = json.loads((to / "config.json").read_text(encoding="utf-8"))
    parts = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    listed = [{"idx": n, "name": str(n), "path": p, "type": f"sentence_transformers.models.{t}"} for n, (p, t) in enumerate(parts)]
    pooling = {"word_embedding_dimension": config["hidden_size"], "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    for name, what in (
        ("modules.json", listed), ("sentence_bert_config.json", {"max_seq_length": most, "do_lower_case": False}), ("1_Pooling/config.json", pooling),
    ):  # fmt: skip
        path = to / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(what, indent=2) + "\n", encoding="utf-8")
    (to / "2_Normalize").mkdir(exist_ok=True)
