"""Models of half a megabyte with random weights, written on the spot, to serve with real servers.

``python tiny_models.py gguf FILE`` (needs gguf) or ``python tiny_models.py transformers FOLDER`` (needs torch, transformers).
"""

from __future__ import annotations

import sys
from pathlib import Path

WORDS = ("▁positive", "▁negative", "▁good", "▁bad", "▁text", "▁label", "▁the", "好", "坏", "answer")
CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def write_gguf(path: Path) -> None:
    """A llama with a sentencepiece vocabulary: all bytes, ASCII, and a few words with the pieces they are merged from."""
    import gguf
    import numpy as np

    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    more = (
        [chr(code) for code in range(33, 127)] + ["▁"] + [word[:size] for word in WORDS for size in range(2, len(word) + 1)] + list("好坏")
    )
    tokens = ["<unk>", "<s>", "</s>", *pieces, *dict.fromkeys(more)]
    types = [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259)
    scores = [0.0] * 259 + [float(len(token)) - 100 for token in tokens[259:]]
    width, layers, heads, inner = 64, 2, 4, 128
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT)
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> object:
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    ones = np.ones(width, np.float32)
    writer.add_tensor("token_embd.weight", weights(len(tokens), width))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", weights(len(tokens), width))
    for layer in range(layers):
        block = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{name}.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}{name}.weight", weights(width, width))
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"{block}{name}.weight", weights(inner, width))
        writer.add_tensor(f"{block}ffn_down.weight", weights(width, inner))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_transformers(folder: Path) -> None:
    """A llama on bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = {char: at for at, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=alphabet | {"<eos>": 256}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<eos>", pad_token="<eos>")
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        eos_token_id=256,
        pad_token_id=256,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


if __name__ == "__main__":
    {"gguf": write_gguf, "transformers": write_transformers}[sys.argv[1]](Path(sys.argv[2]))
