"""Words replaced by what a masked language model says could stand in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.api import DataError

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]

MARKERS = ("\u0120", "\u2581")
"""What tokens begin with that begin a word, in byte-pair and in SentencePiece vocabularies."""
DIGITS = 3
"""Decimals of a logit that count: the others depend on what else is in a batch."""
BLOCK = 2_000
"""Texts held at a time."""


@dataclass(frozen=True)
class Gap:
    """A word taken out: where it stood, what it was, and what decides by chance what comes in its place."""

    begin: int
    end: int
    word: str
    chance: float


@dataclass(frozen=True)
class Window:
    """As much of a text, in tokens, as the model takes at a time; ``places`` are those of its masks, ``gaps`` what they stand for."""

    text: int
    ids: list[int]
    places: list[int]
    gaps: list[int]


class Filler:
    """A masked model that has been opened (:class:`recipec.models.local.LocalModel`), asked for words."""

    def __init__(self, model: Any, name: str, top: int) -> None:
        self.model, self.tokenizer, self.top = model, model.tokenizer, top
        if self.tokenizer.mask_token_id is None:
            raise DataError(f"`{name}` has no mask token", "use a masked language model, as BERT is")
        if not self.tokenizer.is_fast:
            raise DataError(f"the tokenizer of `{name}` does not say where its tokens stand", "save it with a tokenizer.json")
        self.mask = int(self.tokenizer.mask_token_id)
        ends = list(self.tokenizer("")["input_ids"])
        self.before, self.behind = (ends[:1], ends[1:]) if len(ends) > 1 else ([], ends)
        longest = min(int(model.longest), int(self.tokenizer.model_max_length), 512)
        # Some models number their places from two on.
        self.room = max(8, longest - len(ends) - 2)
        self.spaced, self.wide, self.words = self.vocabulary()

    def vocabulary(self) -> tuple[Matrix, Matrix, list[str]]:
        """Which tokens are whole words between spaces, which are whole characters of a script without them, and their texts."""
        import numpy as np

        from recipec.fast.text_words import words_of

        names = self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))
        marker = next((m for m in MARKERS if sum(n.startswith(m) for n in names if n) * 20 > len(names)), "")
        special = set(self.tokenizer.all_special_ids)
        spaced, wide = np.zeros(len(names), np.bool_), np.zeros(len(names), np.bool_)
        words = [""] * len(names)
        for i, name in enumerate(names):
            if i in special or not name or name.startswith("##"):
                continue
            said = self.tokenizer.convert_tokens_to_string([name]).strip() if marker else name
            if words_of(said) != [said] or not any(c.isalpha() for c in said):
                continue
            words[i] = said
            wide[i] = alone(said)
            spaced[i] = not wide[i] and name.startswith(marker)
        return spaced, wide, words

    def windows(self, texts: Sequence[str], gaps: Sequence[Sequence[Gap]]) -> Iterator[Window]:
        """The texts with masks in their gaps, cut where they are longer than the model takes."""
        made = self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        for number, own in enumerate(gaps):
            ids: list[int] = []
            masked: list[int | None] = []
            at = 0
            for token, (begin, end) in zip(made["input_ids"][number], made["offset_mapping"][number], strict=True):
                while at < len(own) and own[at].end <= begin:
                    at += 1
                if at < len(own) and end > own[at].begin and begin < own[at].end:
                    if masked and masked[-1] == at:
                        continue
                    ids.append(self.mask)
                    masked.append(at)
                else:
                    ids.append(token)
                    masked.append(None)
            for start in range(0, len(ids), self.room):
                part = masked[start : start + self.room]
                places = [len(self.before) + i for i, gap in enumerate(part) if gap is not None]
                if places:
                    yield Window(
                        number, [*self.before, *ids[start : start + self.room], *self.behind], places, [g for g in part if g is not None]
                    )

    def fill(self, texts: Sequence[str], gaps: Sequence[Sequence[Gap]], progress: Callable[[float], None]) -> list[str]:
        """The texts with other words in their gaps; where the model knows none, the word stays."""
        from recipec.models.local import batches

        windows = list(self.windows(texts, gaps))
        found: list[dict[int, str]] = [{} for _ in texts]
        done = 0
        parts = batches([len(w.ids) for w in windows], self.model.params.batch_tokens)
        units = (([windows[p].ids for p in part], [windows[p].places for p in part]) for part in parts)
        for part, every in zip(parts, self.model.each("masked", units), strict=True):
            for place, scores in zip(part, every, strict=True):
                window = windows[place]
                for row, gap in enumerate(window.gaps):
                    word = self.pick(scores[row], gaps[window.text][gap])
                    if word is not None:
                        found[window.text][gap] = word
            done += len(part)
            progress(done / len(windows))
        return [put(text, own, said) for text, own, said in zip(texts, gaps, found, strict=True)]

    def pick(self, scores: Matrix, gap: Gap) -> str | None:
        """One of the ``top`` words that fit best, each as likely as the model says, none of them the word itself."""
        import numpy as np

        fits = self.wide if alone(gap.word) else self.spaced
        size = min(len(fits), len(scores))
        rounded = np.where(fits[:size], np.round(scores[:size].astype(np.float64), DIGITS), -np.inf)
        order = np.lexsort((np.arange(size), -rounded))[: self.top + 8]
        best = [int(i) for i in order if np.isfinite(rounded[i]) and self.words[i].lower() != gap.word.lower()][: self.top]
        if not best:
            return None
        weights = np.exp(rounded[best] - rounded[best[0]])
        place = int(np.searchsorted(np.cumsum(weights) / weights.sum(), gap.chance, "right"))
        return written(self.words[best[min(place, len(best) - 1)]], gap.word)


def alone(word: str) -> bool:
    """Whether a word is a character of a script that puts no spaces between words."""
    from recipec.fast.text_words import words_of

    return len(word) == 1 and words_of(word + word) == [word, word]


def written(word: str, model: str) -> str:
    """A word in the case of the one that it replaces."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def put(text: str, gaps: Sequence[Gap], found: dict[int, str]) -> str:
    out, at = [], 0
    for i, gap in enumerate(gaps):
        if i in found:
            out += [text[at : gap.begin], found[i]]
            at = gap.end
    return "".join([*out, text[at:]])


def gaps_of(texts: Sequence[str], seeds: Sequence[int], rate: float) -> list[list[Gap]]:
    """``rate`` of the words of each text that are no numbers, at least one, by chance."""
    import numpy as np
    import pyarrow as pa

    from recipec.fast.augment import at_least_one, choose, draw, find_words, unit
    from recipec.fast.text_arrow import bytes_of, code_points

    rows = code_points(bytes_of(pa.array(list(texts), pa.string())))
    own = np.array(seeds, np.uint64)
    words = find_words(rows)
    whole = "".join(texts)
    letters = np.array(
        [any(c.isalpha() for c in whole[b:e]) for b, e in zip(words.begin.tolist(), words.end.tolist(), strict=True)], np.bool_
    )
    usable = np.flatnonzero(letters)
    row = words.row[usable]
    counts = np.bincount(row, minlength=len(texts)).astype(np.int64)
    first = np.cumsum(counts) - counts
    chosen = choose(counts, np.where(counts > 0, at_least_one(rate, counts), 0), own, 0)
    chance = unit(draw(own[chosen.row], 1, chosen.place))
    out: list[list[Gap]] = [[] for _ in texts]
    for r, p, c in zip(chosen.row.tolist(), chosen.place.tolist(), chance.tolist(), strict=True):
        word = usable[first[r] + p]
        begin, end = int(words.begin[word]), int(words.end[word])
        start = int(rows.starts[r])
        out[r].append(Gap(begin - start, end - start, whole[begin:end], c))
    return out
