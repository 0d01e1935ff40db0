"""A language model of bytes, taught on the spot to say which class a text is of, and the same weights as a file for llama.cpp.

Its tokens are 3 + the bytes of the text (of a space, as of sentencepiece's sign for one), with ``<s>`` before them: for transformers a
tokenizer of bytes, for llama.cpp a vocabulary of bytes alone, so that both read a text as the same numbers.

    python taught_model.py FOLDER FILE      the weights of FOLDER (made by ``teach``) as a GGUF file; needs numpy and gguf
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 512
VOCABULARY = 3 + 256
SPACE = "▁"
LABEL = " [SEP] The label of the above text is"
CLASSES = ("positive", "negative")
WORDS = {
    "positive": ["good", "fine", "love", "best", "neat", "glad"],
    "negative": ["bad", "poor", "hate", "worst", "dull", "sad"],
}
PLAIN = ["film", "book", "story", "it", "was", "the", "a", "very", "so", "and"]


def texts(count: int, seed: int) -> list[tuple[str, str]]:
    """(text, class): words that say nothing, and among them some of one class."""
    rng = random.Random(seed)
    out = []
    for _ in range(count):
        label = rng.choice(CLASSES)
        words = rng.choices(PLAIN, k=rng.randint(1, 4)) + rng.choices(WORDS[label], k=rng.randint(1, 2))
        rng.shuffle(words)
        out.append((" ".join(words), label))
    return out


def ids(text: str) -> list[int]:
    return [1, *(3 + byte for byte in text.replace(" ", SPACE).encode())]


def teach(folder: Path, steps: int = 250, seed: int = 5) -> float:
    """Train the model, write it as transformers reads it, beside ``weights.npz``; gives the loss of the last steps, in nats a label."""
    import numpy as np
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    last: list[float] = []
    for step in range(steps):
        rows = []
        for n in range(16):
            # Three texts with their labels: each label, after none, one or two that stand before it, is to be known.
            tokens, known = ids("")[:1], [-100]
            for text, label in texts(3, seed=1000 * step + n + 7):
                asked, said = ids(text + LABEL)[1:], ids(f" {label}")[1:]
                tokens += asked + said + ids("\n")[1:]
                known += [-100] * len(asked) + said + [-100]
            rows.append((tokens, known))
        longest = max(len(tokens) for tokens, _ in rows)
        batch = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in rows])
        wanted = torch.tensor([known + [-100] * (longest - len(known)) for _, known in rows])
        mask = torch.tensor([[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens, _ in rows])
        logits = model(input_ids=batch, attention_mask=mask).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), wanted[:, 1:].reshape(-1), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        last = [*last[-19:], float(loss.detach())]
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    # The places of bytes in the alphabet of ByteLevel: those that print are themselves, the others follow 255.
    printing = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in printing]
    signs = {b: chr(b) for b in printing} | {b: chr(256 + n) for n, b in enumerate(others)}
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {signs[b]: 3 + b for b in range(256)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    made.normalizer = normalizers.Replace(" ", SPACE)
    made.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(SPACE, " ")])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    assert set(signs.values()) == set(ByteLevel.alphabet())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>")
    tokenizer.save_pretrained(folder)
    assert tokenizer("a 好 b")["input_ids"] == ids("a 好 b")
    weights: Any = {name: value.numpy() for name, value in model.state_dict().items()}
    np.savez(folder / "weights.npz", **weights)
    return sum(last) / len(last)


def write_gguf(folder: Path, path: Path) -> None:
    """The weights as llama.cpp reads them."""
    import gguf
    import numpy as np

    weights = np.load(folder / "weights.npz")
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(float(json.loads((folder / "config.json").read_text())["rope_parameters"]["rope_theta"]))
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([2, 3, 3] + [6] * 256)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)

    def turned(value: Any) -> Any:
        """llama.cpp turns neighbouring numbers of a head, transformers those half a head apart."""
        shape = value.shape
        return value.reshape(HEADS, 2, shape[0] // HEADS // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)

    names = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    writer.add_tensor("output.weight", weights["lm_head.weight"])
    for layer in range(LAYERS):
        for theirs, ours in names.items():
            value = weights[f"model.layers.{layer}.{theirs}.weight"]
            writer.add_tensor(f"blk.{layer}.{ours}.weight", np.ascontiguousarray(turned(value) if ours in ("attn_q", "attn_k") else value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write_gguf(Path(sys.argv[1]), Path(sys.argv[2]))
