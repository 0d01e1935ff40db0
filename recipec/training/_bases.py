"""Where a training starts: a folder, a hub name, an earlier training's result, or scratch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.training._base import Base, Folder, Hub, ScratchParams, TrainSpec, misshapen, need

if TYPE_CHECKING:
    from recipec.training._env import Env

FACTS = "recipec.json"
WRITTEN = ("task", "form", "classes", "spec", "task_facts")
"""What stands in it in every case."""
WEIGHTS = (".safetensors", ".bin")
HEADS = ("classifier", "score")


def find(base: Base) -> Path | None:
    """The folder of a base; None for scratch. Raises DataError where it is not there."""
    match base:
        case ScratchParams():
            return None
        case Folder(path):
            folder = Path(path)
            if not (folder / "config.json").exists() and not (folder / FACTS).exists():
                raise DataError(
                    f"`{path}` is no model" if folder.is_dir() else f"there is no folder `{path}`",
                    "a base is a folder with config.json, weights and a tokenizer, a name on the hub, another train step, or scratch()",
                )
            if (facts(folder) or {}).get("members"):
                raise DataError(
                    "the base is an ensemble: there is no one model to go on from",
                    "train it without `ensemble`, or take one of its members",
                )
            return folder
        case Hub(name, revision):
            return download(name, revision)


def download(name: str, revision: str | None) -> Path:
    """A model of the hub, as it lies in the hub's own cache."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise need("a base on the hub", "huggingface_hub") from None
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except HFValidationError:
        raise DataError(f"`{name}` is neither a folder nor a name on the hub", "a name is `owner/model`") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"the base `{name}` could not be fetched: {first}", "check the name, the revision and the network") from None


def digest(folder: Path) -> str:
    """What stands for a base: the contents of its configuration, tokenizer and weights."""
    state = blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".txt", ".model", ".jinja", *WEIGHTS) and path.name != FACTS:
            state.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                while part := file.read(1 << 22):
                    state.update(part)
    return state.hexdigest()


def facts(folder: Path) -> dict[str, Any] | None:
    """``recipec.json`` of an earlier training's result; None for other models. Raises DataError for one that this version cannot read."""
    path = folder / FACTS
    if not path.exists():
        return None
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if all(name in read for name in WRITTEN) and all(name in read["spec"] for name in ("task", "form", "roles", "max_length")):
            return read
    except (ValueError, TypeError, RecursionError):
        pass
    raise DataError(f"`{path}` is not as this version of recipec writes it", "use the recipec that wrote it, or train the model again")


def tokenizer_of(folder: Path, spec: TrainSpec) -> Any:
    """The tokenizer in a folder. Only those with a fast half will do: they know where in the text a token lies."""
    from transformers import AutoTokenizer

    more = {"add_prefix_space": True} if spec.task == "tag" and model_type(folder) in ("roberta", "gpt2", "longformer", "bart") else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **more)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"the base in `{folder}` has no tokenizer that can be read: {first}", "it needs tokenizer.json") from None
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise DataError(f"the tokenizer in `{folder}` is of the slow kind", "save it with tokenizer.json (transformers does on save)")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def model_type(folder: Path) -> str:
    path = folder / "config.json"
    return str(json.loads(path.read_text(encoding="utf-8")).get("model_type", "")) if path.exists() else ""


def config_of(folder: Path) -> Any:
    from transformers import AutoConfig

    where = folder
    known = facts(folder)
    if known is not None and not (folder / "config.json").exists():
        where = base_of_adapter(folder, known)
    try:
        return AutoConfig.from_pretrained(where, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the model in `{where}` cannot be read: {str(error).strip().splitlines()[0]}") from None


def base_of_adapter(folder: Path, known: dict[str, Any]) -> Path:
    """The folder of the weights that an adapter changes."""
    own = folder / "base"
    if own.is_dir():
        return own
    base = known["spec"]["base"]
    found = find(Folder(base["path"]) if base["is"] == "folder" else Hub(base["name"], base["revision"]))
    assert found is not None
    if digest(found) != known["base"]:
        raise DataError(
            f"the base `{found}` is not the one that the adapter in `{folder}` was trained on", "put the old base back, or train again"
        )
    return found


def positions(config: Any, tokenizer: Any) -> int | None:
    """The most tokens that a model takes; None where nothing bounds them."""
    bounds = []
    most = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if isinstance(most, int) and most > 0:
        # Roberta and its kin count positions from the padding's id on.
        offset = (config.pad_token_id or 0) + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer") else 0
        bounds.append(most - offset)
    if isinstance(tokenizer.model_max_length, int) and tokenizer.model_max_length < 10_000_000:
        bounds.append(tokenizer.model_max_length)
    return min(bounds) if bounds else None


def load(env: Env, auto: str, **changes: Any) -> Any:
    """The model of a kind (``AutoModelForTokenClassification``) on the base, new weights from torch's seed."""
    import torch
    import transformers

    cls = getattr(transformers, auto)
    config = env.config
    for name, value in changes.items():
        setattr(config, name, value)
    if env.spec.dropout is not None:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, env.spec.dropout)
    if config.pad_token_id is None:
        config.pad_token_id = env.tokenizer.pad_token_id
    if env.base is None:
        model = cls.from_config(config)
    else:
        model = read(env.base, cls, config)
        known = facts(env.base)
        if known is not None and "num_labels" in changes and known.get("classes") != env.classes:
            renew_head(model)
    return model.to(torch.float32)


DROPOUTS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "attention_dropout", "dropout", "resid_pdrop",
    "embd_pdrop", "attn_pdrop", "seq_classif_dropout", "embedding_dropout", "mlp_dropout",
)  # fmt: skip


def read(folder: Path, cls: Any, config: Any) -> Any:
    """A model from a folder, an adapter's weights merged into it."""
    import torch

    known = facts(folder)
    adapted = known is not None and (folder / "adapter_config.json").exists()
    where = base_of_adapter(folder, known) if adapted and known is not None else folder
    try:
        model = cls.from_pretrained(where, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"the model in `{where}` cannot be used for this task: {first}") from None
    if adapted:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(folder))
        if model.peft_config["default"].is_prompt_learning:
            raise DataError(f"`{folder}` is a prefix or a prompt: it cannot be a base", "take lora() there, or train from the same base")
        model = model.merge_and_unload().requires_grad_(True)
    return model


def renew_head(model: Any) -> None:
    """New weights for the head of a classifier: those that it has were for other classes."""
    import torch

    scale = getattr(model.config, "initializer_range", 0.02)
    for name in HEADS:
        head = getattr(model, name, None)
        if head is None:
            continue
        for part in head.modules():
            if isinstance(part, torch.nn.Linear):
                torch.nn.init.normal_(part.weight, std=scale)
                if part.bias is not None:
                    torch.nn.init.zeros_(part.bias)


# Scratch --------------------------------------------------------------------------------------------------------------

PAD, UNKNOWN, BEGIN, SEPARATOR, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
END = "<|end|>"
ROLE_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
CHAT = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def scratch_tokenizer(texts: Iterable[str], p: ScratchParams, *, decoder: bool) -> Any:
    """A byte-level BPE tokenizer of the texts: any script, any byte, nothing unknown. Characters of Chinese and Japanese
    stand alone; words of other scripts are split where GPT-2 splits them."""
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    fast: Any = transformers.PreTrainedTokenizerFast
    made = Tokenizer(models.BPE())
    alone = pre_tokenizers.Split(Regex(r"[\p{Han}\p{Hiragana}\p{Katakana}]"), "isolated")
    # In an encoder a word is the same word at the start of a text and inside.
    made.pre_tokenizer = pre_tokenizers.Sequence([alone, pre_tokenizers.ByteLevel(add_prefix_space=not decoder, use_regex=True)])
    made.decoder = decoders.ByteLevel()
    special = [PAD, END, *ROLE_TOKENS] if decoder else [PAD, UNKNOWN, BEGIN, SEPARATOR, MASK]
    trainer = trainers.BpeTrainer(
        vocab_size=p.vocab,
        min_frequency=2,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer=trainer)
    if decoder:
        tokenizer = fast(tokenizer_object=made, pad_token=PAD, eos_token=END, model_max_length=p.max_length)
        tokenizer.chat_template = CHAT
        return tokenizer
    made.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {SEPARATOR}",
        pair=f"{BEGIN} $A {SEPARATOR} $B:1 {SEPARATOR}:1",
        special_tokens=[(BEGIN, made.token_to_id(BEGIN)), (SEPARATOR, made.token_to_id(SEPARATOR))],
    )
    return fast(
        tokenizer_object=made, pad_token=PAD, unk_token=UNKNOWN, cls_token=BEGIN, sep_token=SEPARATOR, mask_token=MASK,
        model_max_length=p.max_length,
    )  # fmt: skip


def scratch_config(p: ScratchParams, tokenizer: Any, *, decoder: bool) -> Any:
    """A small BERT (for tasks that read) or Llama (for tasks that write)."""
    from transformers import BertConfig, LlamaConfig

    if (wrong := misshapen(p, decoder=decoder)) is not None:
        raise DataError(*wrong)
    # The usual 0.02 suits a width of 768; narrow layers would start with next to no signal.
    scale = max(0.02, 0.5 / math.sqrt(p.width))
    if decoder:
        return LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=p.width, num_hidden_layers=p.layers, num_attention_heads=p.heads,
            num_key_value_heads=p.heads, intermediate_size=4 * p.width, max_position_embeddings=p.max_length, initializer_range=scale,
            pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None, tie_word_embeddings=True,
        )  # fmt: skip
    return BertConfig(
        vocab_size=len(tokenizer), hidden_size=p.width, num_hidden_layers=p.layers, num_attention_heads=p.heads,
        intermediate_size=4 * p.width, max_position_embeddings=p.max_length, pad_token_id=tokenizer.pad_token_id,
        initializer_range=scale,
    )  # fmt: skip
