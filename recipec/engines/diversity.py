"""What copies are like beside their originals, on a sample: lengths, shared words, how varied they are, the nearest ones, and the copies
that lie among originals of another class."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from recipec.api import Json, quote
from recipec.rand import rank64

if TYPE_CHECKING:
    import numpy as np

    from recipec.engines.context import RunContext

    Matrix = np.ndarray[Any, Any]

PAIRS = 500
"""Copies looked at, with their originals; drawn by key, so that they are the same in every run."""
COMPARED = 100
"""Texts whose self-BLEU is measured, each against the 99 others."""
NEAREST = 3
AROUND = 2_000
"""Originals, drawn by key, among which a copy's neighbours are looked for,"""
NEIGHBOURS = 5
"""and how many of them are asked for their class."""
PLACES = 4_096
"""Dimensions of the vectors of words."""
FLIPS = 5
MOST_CLASSES = 200
LONGEST = 2_000
"""Characters of a text that are read."""


def compare(ctx: RunContext, source: str, column: str, seed: int, label: str | None = None) -> dict[str, Json]:
    """Measures of the copies in ``ctx.target`` that are kept, beside those of their originals in ``source``; empty without copies.

    ``words``: quartiles of the number of words. ``distinct``: the share of different words and of different pairs of words (distinct-1 and
    distinct-2, Li et al., NAACL 2016). ``self_bleu``: how like each other the texts are (Zhu et al., SIGIR 2018), 0 to 1. ``spread``: 1 minus
    the mean cosine of two texts' vectors (:class:`recipec.fast.lexical.Lexical`; ``keeps_meaning`` tells it of a model's). Each is a pair,
    originals first; the originals are those of the copies, each once. ``shared``: least, median and greatest share of words that a copy has
    in common with its original (Jaccard). ``nearest``: the copies that share most without being equal, as original, copy and share.

    With a column of labels also ``classes``, the rows of each class before and after, and ``flips``: copies whose label is suspect, since
    most of the five nearest originals, their own aside, have another class, while their original's neighbours agree with it. ``found`` is
    their number, ``of`` how many copies were judged, ``rows`` some of them as original, copy, label and the neighbours' class.
    """
    from recipec.fast.lexical import Lexical
    from recipec.fast.text_words import words_of

    c = quote(column)
    chance = rank64(seed, "diversity", "k._key")
    class_ = f"o.{quote(label)}::VARCHAR" if label is not None else "NULL::VARCHAR"
    rows = ctx.con.execute(
        f"SELECT o._key::VARCHAR, left(o.{c}, {LONGEST}), left(k.{c}, {LONGEST}), {class_} FROM ("
        f"SELECT k._parent, k.{c}, {chance} AS r, k._key FROM {ctx.target} AS k WHERE k._why IS NULL AND k._because IS NOT NULL AND k.{c} IS NOT NULL "
        f"ORDER BY r, k._key LIMIT {PAIRS}) AS k JOIN {source} AS o ON k._parent = o._key ORDER BY k.r, k._key"
    ).fetchall()
    rows = [r for r in rows if r[1] is not None]
    if not rows:
        return {}
    texts = list({key: text for key, text, _, _ in rows}.values())
    before = [words_of(text.lower()) for text in texts]
    after = [words_of(copy.lower()) for _, _, copy, _ in rows]
    shares = []
    for (_, text, copy, _), new in zip(rows, after, strict=True):
        old, made = set(words_of(text.lower())), set(new)
        shares.append((len(old & made) / len(old | made) if old | made else float(text == copy), text, copy))
    found = [s for s, _, _ in shares]
    nearest = sorted((s for s in shares if s[1] != s[2]), key=lambda s: (-s[0], s[2]))[:NEAREST]
    # A larger sample has fewer new words: both sides are measured on as many texts.
    many = min(len(before), len(after))
    sides = (before[:many], after[:many])
    lexical = Lexical(texts, PLACES)
    out: dict[str, Json] = {
        "column": column,
        "sample": len(rows),
        "words": [quartiles([len(w) for w in side]) for side in (before, after)],
        "distinct": [[distinct(side, n) for n in (1, 2)] for side in sides],
        "self_bleu": [self_bleu(side[:COMPARED]) for side in sides],
        "spread": [spread(lexical.vectors(side[:many])) for side in (texts, [copy for _, _, copy, _ in rows])],
        "shared": [round(min(found), 4), round(median(found), 4), round(max(found), 4)],
        "nearest": [[text, copy, round(share, 4)] for share, text, copy in nearest],
    }
    if label is not None:
        out["label"], out["classes"] = label, classes(ctx, source, label)
        out["flips"] = flips(ctx, source, c, quote(label), seed, rows)
    return out


def told_of(found: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The measures in a line, and what is to be warned of."""
    if not found:
        return [], []
    two = [d[1] for d in found["distinct"]]
    said = [
        f"{name} {after:.2f} ({before:.2f})"
        for name, (before, after) in (("distinct-2", two), ("self-BLEU", found["self_bleu"]), ("spread", found["spread"]))
        if before is not None and after is not None
    ]
    lines = (
        [f"of the copies (their originals): {', '.join(said)}; a copy shares {found['shared'][1]:.0%} of the words (median)"]
        if said
        else []
    )
    moved = found.get("flips") or {"found": 0}
    if not moved["found"]:
        return lines, []
    suspect = f"{moved['found']:,} of {moved['of']:,} copies looked at lie among originals of another `{found['label']}`: recipec report shows them"
    return lines, [suspect]


def spread(vectors: Matrix) -> float | None:
    """1 minus the mean cosine of two different texts; None for fewer than two with a word."""
    known = vectors[vectors.any(axis=1)]
    n = len(known)
    if n < 2:
        return None
    whole = known.astype("float64").sum(axis=0)
    # The square of the sum has every pair twice, and every text with itself once.
    return round(1 - float((whole @ whole - n) / (n * (n - 1))), 4)


def classes(ctx: RunContext, source: str, label: str) -> Json:
    """(class, rows before, rows after), the largest first."""
    name = quote(label)
    rows = ctx.con.execute(
        f"SELECT coalesce(o.c, k.c) AS c, coalesce(o.n, 0), coalesce(k.n, 0) FROM (SELECT {name}::VARCHAR AS c, count(*) AS n FROM {source} "
        f"WHERE {name} IS NOT NULL GROUP BY 1) AS o FULL JOIN (SELECT {name}::VARCHAR AS c, count(*) AS n FROM {ctx.target} WHERE _why IS NULL AND "
        f"{name} IS NOT NULL GROUP BY 1) AS k USING (c) ORDER BY 3 DESC, 2 DESC, 1 LIMIT {MOST_CLASSES}"
    ).fetchall()
    return [list(r) for r in rows]


def flips(ctx: RunContext, source: str, text: str, label: str, seed: int, pairs: Sequence[tuple[str, str, str, str | None]]) -> Json:
    """The copies among ``pairs`` (original's key, original, copy, label) that have moved among originals of another class."""
    import numpy as np

    from recipec.fast.lexical import Lexical

    chance = rank64(seed, "diversity/around", "_key")
    known = ctx.con.execute(
        f"SELECT _key::VARCHAR, left({text}, {LONGEST}), {label}::VARCHAR FROM {source} WHERE {text} IS NOT NULL AND {label} IS NOT NULL "
        f"ORDER BY {chance}, _key LIMIT {AROUND}"
    ).fetchall()
    judged = [p for p in pairs if p[3] is not None]
    if len({k[2] for k in known}) < 2 or len(known) <= NEIGHBOURS or not judged:
        return {"found": 0, "of": 0, "rows": []}
    lexical = Lexical([t for _, t, _ in known], PLACES)
    there = lexical.vectors([t for _, t, _ in known])
    place = {key: i for i, (key, _, _) in enumerate(known)}
    own = np.array([place.get(key, -1) for key, *_ in judged])

    def around(texts: Sequence[str]) -> list[str | None]:
        """The class that most of each text's neighbours have, its own original left out; None where there is none."""
        alike = np.round(lexical.vectors(texts) @ there.T, 5)
        alike[np.flatnonzero(own >= 0), own[own >= 0]] = -1
        out: list[str | None] = []
        for row in alike:
            near = [i for i in np.argsort(-row, kind="stable")[:NEIGHBOURS].tolist() if row[i] > 0]
            best, n = Counter(known[i][2] for i in near).most_common(1)[0] if near else (None, 0)
            out.append(best if n > NEIGHBOURS // 2 else None)
        return out

    was, now = around([p[1] for p in judged]), around([p[2] for p in judged])
    moved = [(p, b) for p, a, b in zip(judged, was, now, strict=True) if b is not None and b != p[3] == a]
    return {"found": len(moved), "of": len(judged), "rows": [[p[1], p[2], p[3], b] for p, b in moved[:FLIPS]]}


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
