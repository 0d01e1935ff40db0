"""From a model's words to a class: the part of an answer that is cached apart from the answer itself."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


def folded(text: str) -> str:
    """A text as answers are compared: NFKC, case folded, without punctuation at its ends and with single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _EDGES.sub("", " ".join(plain.split()))


class Reader:
    """Reads the class out of an answer.

    In this order: an object of JSON with a ``label``; the whole answer is a class, or a word for one (``words``); the answer begins with
    one (``positive, because ...``); exactly one class is mentioned as a whole word. A class that is part of another (``related`` in
    ``not related``) counts only where the longer one does not stand. None where nothing or more than one fits.
    """

    def __init__(self, classes: Sequence[str], words: Mapping[str, str | Sequence[str]] | None = None) -> None:
        given = [(name, code) for code, name in enumerate(classes)]
        for name, said in (words or {}).items():
            given += [(word, list(classes).index(name)) for word in ([said] if isinstance(said, str) else said)]
        self.exact = {" ".join(word.casefold().split()): code for word, code in reversed(given)}
        # `C++` and `C#` are told apart as they stand, and not by their letters.
        meant: dict[str, set[int]] = {}
        for word, code in given:
            meant.setdefault(folded(word), set()).add(code)
        self.codes = {word: codes.pop() for word, codes in meant.items() if word and len(codes) == 1}
        longest = sorted((re.escape(w) for w in self.codes if w), key=len, reverse=True)
        edge = r"(?<![^\W_])" if all(w.isascii() for w in self.codes) else ""
        end = r"(?![^\W_])" if edge else ""
        self.mention = re.compile(f"{edge}({'|'.join(longest)}){end}") if longest else None

    def __call__(self, answer: str) -> int | None:
        text = answer.strip()
        if text.startswith("```"):
            text = re.sub(r"^```\w*\s*|\s*```$", "", text)
        if text.startswith("{"):
            try:
                made = json.loads(text)
            except (ValueError, RecursionError):
                made = None
            if isinstance(made, dict):
                said = made.get("label", next(iter(made.values()), None) if len(made) == 1 else None)
                return self.named(said) if isinstance(said, str) else None
        if (code := self.named(text)) is not None:
            return code
        plain = folded(text)
        if self.mention is None:
            return None
        found = self.mention.match(plain)
        if found is not None and not plain[found.end() :][:1].isalnum():
            return self.codes[found[1]]
        mentioned = {self.codes[m] for m in self.mention.findall(plain)}
        return mentioned.pop() if len(mentioned) == 1 else None

    def named(self, text: str) -> int | None:
        """The class that the whole text names."""
        exact = self.exact.get(" ".join(text.casefold().split()))
        return exact if exact is not None else self.codes.get(folded(text))
