"""What copies are like beside their originals, on a sample: lengths, shared words, how varied they are, and the nearest ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING

from recipec.api import Json, quote
from recipec.rand import rank64

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

PAIRS = 500
"""Copies looked at, with their originals; drawn by key, so that they are the same in every run."""
COMPARED = 100
"""Texts whose self-BLEU is measured, each against the 99 others."""
NEAREST = 3
LONGEST = 2_000
"""Characters of a text that are read."""


def compare(ctx: RunContext, source: str, column: str, seed: int) -> dict[str, Json]:
    """Measures of the copies in ``ctx.target`` that are kept, beside those of their originals in ``source``; empty without copies.

    ``words``: quartiles of the number of words. ``distinct``: the share of different words and of different pairs of words (distinct-1 and
    distinct-2, Li et al., NAACL 2016). ``self_bleu``: how like each other the texts are (Zhu et al., SIGIR 2018), 0 to 1. Each is a pair,
    originals first; the originals are those of the copies, each once. ``shared``: least, median and greatest share of words that a copy has
    in common with its original (Jaccard). ``nearest``: the copies that share most without being equal, as original, copy and share.
    """
    from recipec.fast.text_words import words_of

    c = quote(column)
    chance = rank64(seed, "diversity", "k._key")
    rows = ctx.con.execute(
        f"SELECT o._key::VARCHAR, left(o.{c}, {LONGEST}), left(k.{c}, {LONGEST}) FROM (SELECT k._parent, k.{c}, {chance} AS r, k._key FROM {ctx.target} AS k "
        f"WHERE k._why IS NULL AND k._because IS NOT NULL AND k.{c} IS NOT NULL ORDER BY r, k._key LIMIT {PAIRS}) AS k "
        f"JOIN {source} AS o ON k._parent = o._key ORDER BY k.r, k._key"
    ).fetchall()
    rows = [r for r in rows if r[1] is not None]
    if not rows:
        return {}
    originals = {key: words_of(text.lower()) for key, text, _ in rows}
    before = list(originals.values())
    after = [words_of(copy.lower()) for _, _, copy in rows]
    shares = []
    for (key, text, copy), new in zip(rows, after, strict=True):
        old, made = set(originals[key]), set(new)
        shares.append((len(old & made) / len(old | made) if old | made else float(text == copy), text, copy))
    found = [s for s, _, _ in shares]
    nearest = sorted((s for s in shares if s[1] != s[2]), key=lambda s: (-s[0], s[2]))[:NEAREST]
    # A larger sample has fewer new words: both sides are measured on as many texts.
    many = min(len(before), len(after))
    sides = (before[:many], after[:many])
    return {
        "column": column,
        "sample": len(rows),
        "words": [quartiles([len(w) for w in side]) for side in (before, after)],
        "distinct": [[distinct(side, n) for n in (1, 2)] for side in sides],
        "self_bleu": [self_bleu(side[:COMPARED]) for side in sides],
        "shared": [round(min(found), 4), round(median(found), 4), round(max(found), 4)],
        "nearest": [[text, copy, round(share, 4)] for share, text, copy in nearest],
    }


def quartiles(numbers: Sequence[int]) -> list[float]:
    return [round(q, 2) for q in quantiles(numbers, n=4)] if len(numbers) > 1 else [float(n) for n in numbers] * 3


def grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def distinct(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """Different n-grams over all n-grams; None where there is none."""
    every: Counter[tuple[str, ...]] = Counter()
    for words in texts:
        every.update(grams(words, n))
    return round(len(every) / every.total(), 4) if every else None


def self_bleu(texts: Sequence[Sequence[str]]) -> float | None:
    """The mean BLEU-4 of each text with all others as references: clipped n-gram precision, 1 added to both counts above unigrams (Lin and
    Och 2004), and the brevity penalty by the nearest length. None for fewer than two texts with words."""
    texts = [t for t in texts if t]
    if len(texts) < 2:
        return None
    logs = [0.0] * len(texts)
    for n in range(1, 5):
        counts = [grams(t, n) for t in texts]
        # The two greatest counts of an n-gram say what the greatest among the others is.
        most: dict[tuple[str, ...], tuple[int, int]] = {}
        for own in counts:
            for gram, count in own.items():
                first, second = most.get(gram, (0, 0))
                most[gram] = (count, first) if count > first else (first, max(second, count))
        for i, own in enumerate(counts):
            hits = sum(min(c, most[g][1] if most[g][0] == c else most[g][0]) for g, c in own.items())
            smooth = n > 1
            share = (hits + smooth) / (own.total() + smooth) if own or smooth else 0.0
            logs[i] += math.log(share) / 4 if share else -math.inf
    lengths = sorted(len(t) for t in texts)
    scores = []
    for text, log in zip(texts, logs, strict=True):
        others = lengths.copy()
        others.remove(len(text))
        near = min(others, key=lambda o: (abs(o - len(text)), o))
        scores.append(math.exp(log + min(0.0, 1 - near / len(text))))
    return round(sum(scores) / len(scores), 4)
