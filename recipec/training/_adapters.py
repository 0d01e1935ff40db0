"""Which weights are trained: all, the head's, or an adapter's (through PEFT)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from recipec.api import DataError
from recipec.training._base import Adapter, DoraParams, FrozenParams, FullParams, LoraParams, PrefixParams, PromptParams, need
from recipec.training._bases import HEADS

KINDS = {
    "classify": "SEQ_CLS",
    "regress": "SEQ_CLS",
    "tag": "TOKEN_CLS",
    "generate": "CAUSAL_LM",
    "prefer": "CAUSAL_LM",
    "embed": "FEATURE_EXTRACTION",
}


def adapt(model: Any, adapter: Adapter, task: str) -> Any:
    """The model with the adapter on it, the other weights frozen."""
    match adapter:
        case FullParams():
            return model
        case FrozenParams():
            return freeze(model)
        case _:
            return wrap(model, adapter, task)


def freeze(model: Any) -> Any:
    heads = [h for h in HEADS if getattr(model, h, None) is not None]
    if not heads:
        raise DataError("`adapter: frozen` leaves nothing to train: this model has no head", "take adapter: lora()")
    for name, weight in model.named_parameters():
        # BERT's pooler stands before the head and starts from nothing in most bases.
        weight.requires_grad = name.split(".")[0] in heads or ".pooler." in name
    return model


def wrap(model: Any, adapter: Adapter, task: str) -> Any:
    try:
        peft: Any = import_module("peft")
    except ImportError:
        raise need("an adapter", "peft") from None
    kind = getattr(peft.TaskType, KINDS[task])
    config: Any
    match adapter:
        case LoraParams():
            targets: Any = list(adapter.targets) or "all-linear"
            config = peft.LoraConfig(
                task_type=kind, r=adapter.rank, lora_alpha=adapter.alpha if adapter.alpha is not None else 2 * adapter.rank,
                lora_dropout=adapter.dropout, target_modules=targets, use_dora=isinstance(adapter, DoraParams),
                modules_to_save=[h for h in HEADS if getattr(model, h, None) is not None] or None,
            )  # fmt: skip
            if isinstance(targets, str):
                # The head is trained whole: an update of low rank to new weights would be no update of anything.
                config.exclude_modules = rf".*\b({'|'.join((*HEADS, 'lm_head'))})\b.*"
        case PrefixParams():
            config = peft.PrefixTuningConfig(task_type=kind, num_virtual_tokens=adapter.tokens)
        case PromptParams():
            config = peft.PromptTuningConfig(task_type=kind, num_virtual_tokens=adapter.tokens)
        case _:
            raise AssertionError(adapter)
    try:
        return peft.get_peft_model(model, config)
    except (ValueError, AttributeError, KeyError, NotImplementedError) as error:
        names = sorted({n.rpartition(".")[2] for n, m in model.named_modules() if type(m).__name__ in ("Linear", "Conv1D")})
        raise DataError(
            f"this adapter does not fit the base: {str(error).strip().splitlines()[0]}", f"the base's linear layers: {', '.join(names)}"
        ) from None


def counts(model: Any) -> tuple[int, int]:
    """(trained, all) weights."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trained, sum(p.numel() for p in model.parameters())
