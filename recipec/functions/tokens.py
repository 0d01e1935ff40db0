"""Tokens: how long a text is for a model."""

from __future__ import annotations

from recipec.api import Int, Kernel, Text, function, literal

_TOKENS = Kernel("tokens", "recipec.fast.text_tokens:tokens", ("VARCHAR", "VARCHAR", "BOOLEAN"), "BIGINT", processes=False)


@function("tokens")
def tokens(text: Text, tokenizer: str, special: bool = False) -> Int:
    r"""How many tokens a text has for a model: its `tokenizer` is the model's folder, or its file `tokenizer.json`.

    `special: true` counts the tokens that the tokenizer puts at the start and end, too. Truncation and padding that the file asks for are
    left off. Nothing is downloaded. Needs `pip install 'recipec[text]'`.

    ```recipe
    drop where tokens(text, "models/base") > 2048 as "too long"
    ```
    """
    return _TOKENS(text, literal(tokenizer), literal(special))
