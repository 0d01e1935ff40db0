"""Which examples stand in a prompt: the same for all rows, or those most like the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Field, ModelRef, Settings, TableRef, Word, quote
from recipec.resolve.arguments import Choices

if TYPE_CHECKING:
    import numpy as np

    from recipec.engines.context import RunContext

    Matrix = np.ndarray[Any, Any]


class FixedParams(Settings):
    table: TableRef
    k: int = Field(8, ge=1, le=1000)
    text: Word = Word("text")
    label: Word = Word("label")


class LikeParams(Settings):
    table: TableRef
    k: int = Field(4, ge=1, le=1000)
    text: Word = Word("text")
    label: Word = Word("label")
    with_: ModelRef | None = None


class DiverseParams(LikeParams):
    balance: float = Field(0.5, ge=0, le=1)


EXAMPLES = Choices(
    (("fixed", FixedParams), ("nearest", LikeParams), ("diverse", DiverseParams), ("balanced", LikeParams)), what="choice of examples"
)
BLOCK = 512


@dataclass(frozen=True)
class Pool:
    """Labelled examples, in key order."""

    keys: list[str]
    texts: list[str]
    labels: list[str]


def pool(ctx: RunContext, table: TableRef, text: str, label: str) -> Pool:
    """The labelled rows of a table; those without text or label are left out. DataError where none is left."""
    rows = ctx.con.execute(
        f"SELECT _key::VARCHAR, {quote(text)}::VARCHAR, {quote(label)}::VARCHAR FROM {ctx.relation(table)} "
        f"WHERE {quote(text)} IS NOT NULL AND {quote(label)} IS NOT NULL ORDER BY _key"
    ).fetchall()
    if not rows:
        raise DataError(f"`{table}` has no labelled example", f"its columns `{text}` and `{label}` are read")
    return Pool(*(list(c) for c in zip(*rows, strict=True)))


def likeness(ctx: RunContext, by: ModelRef | None, texts: Sequence[str]) -> Callable[[Sequence[str]], Matrix]:
    """A function from texts to vectors of length 1, by the model or by shared words; ``texts`` are what it learns rarity from."""
    if by is not None:
        model = ctx.model(by)
        return lambda given: model.embed(list(given))
    from recipec.fast.lexical import Lexical

    return Lexical(texts).vectors


def chosen(ctx: RunContext, name: str, params: Any, queries: Sequence[tuple[str, str]], found: Pool, vectors: Any) -> list[list[int]]:
    """For each query (key, text) the places in the pool of its examples, least alike first. A row is never its own example: neither
    the row of its key nor one with the same text."""
    import numpy as np

    if name == "fixed":
        return [list(range(min(params.k, len(found.texts)))) for _ in queries]
    embed, known = vectors
    out: list[list[int]] = []
    labels = sorted(set(found.labels))
    for start in range(0, len(queries), BLOCK):
        part = queries[start : start + BLOCK]
        similar = embed([t for _, t in part]) @ known.T
        for (key, text), row in zip(part, similar, strict=True):
            own = (
                [i for i, (k, t) in enumerate(zip(found.keys, found.texts, strict=True)) if k == key or t == text]
                if _has(found, key, text)
                else []
            )
            row = row.astype(np.float64)
            row[own] = -np.inf
            order = np.lexsort((np.arange(len(row)), -np.round(row, 6)))
            usable = [int(i) for i in order[: max(64, params.k * 8)] if row[i] > -np.inf]
            if name == "nearest":
                picked = usable[: params.k]
            elif name == "diverse":
                picked = diverse(usable, row, known, params.k, params.balance)
            else:
                picked = balanced([int(i) for i in order if row[i] > -np.inf], found.labels, labels, params.k)
            out.append(sorted(picked, key=lambda i: (round(float(row[i]), 6), -i)))
    return out


def _has(found: Pool, key: str, text: str) -> bool:
    index = found.__dict__.get("_index")
    if index is None:
        index = set(found.keys) | set(found.texts)
        object.__setattr__(found, "_index", index)
    return key in index or text in index


def diverse(usable: list[int], row: Any, known: Any, k: int, balance: float) -> list[int]:
    """Maximal marginal relevance (Carbonell & Goldstein 1998): like the query, and unlike those already chosen."""
    picked: list[int] = []
    rest = list(usable)
    while rest and len(picked) < k:
        scores = [(1 - balance) * float(row[i]) - balance * max((float(known[i] @ known[j]) for j in picked), default=0.0) for i in rest]
        best = max(range(len(rest)), key=lambda n: (round(scores[n], 6), -n))
        picked.append(rest.pop(best))
    return picked


def balanced(order: list[int], labels: Sequence[str], classes: Sequence[str], k: int) -> list[int]:
    """The nearest of each class in turn, until there are ``k``."""
    queues = {c: [i for i in order if labels[i] == c] for c in classes}
    picked: list[int] = []
    while len(picked) < k and any(queues.values()):
        for c in classes:
            if queues[c] and len(picked) < k:
                picked.append(queues[c].pop(0))
    return picked
