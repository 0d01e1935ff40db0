"""Where augmenters have other words from: a table of the recipe, WordNet, or the vectors of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Annotated

from recipec.api import ColumnName, ModelRef, RunTools, Settings, TableRef, literal, quote
from recipec.augmenters._wordnet import ENGLISH, groups, lacks
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import meaning_of
from recipec.resolve.problems import BadValue, WrongType
from recipec.resolve.types import shown
from recipec.settings import Field
from recipec.syntax import tree


class WordNetParams(Settings):
    language: str = ENGLISH


class NeighboursParams(Settings):
    model: ModelRef
    k: int = Field(5, ge=1, le=100)
    near: float = Field(0.6, gt=0, le=1)
    words: int = Field(20_000, ge=2, le=1_000_000)


SOURCES = Choices((("wordnet", WordNetParams), ("neighbours", NeighboursParams)), what="source of words")


class FromParams(Settings):
    text: ColumnName
    from_: Annotated[Inner | TableRef, SOURCES]
    rate: float = Field(0.1, gt=0, le=1)


class SpanParams(Settings):
    text: ColumnName
    rate: float = Field(0.1, gt=0, le=1)
    words: TableRef | None = None


def dictionary(bind: StepBinder, words: TableRef | None) -> tuple[str, Callable[[RunTools, str], None] | None]:
    """The name of the file with the terms of a table that stay together, and what writes it."""
    if words is None:
        return "", None
    type = words.schema.types.get("word", "VARCHAR" if words.schema.unknown else None)
    if type != "VARCHAR":
        message = f"`{words}` has no column `word`" if type is None else f"`{words}.word` must be text, not {shown(type)}"
        bind.report(
            WrongType(span=words.span or bind.node.head, message=message, help=("words that stay together are in the column `word`",))
        )
    name = f"terms-{md5(str(words).encode(), usedforsecurity=False).hexdigest()[:12]}.parquet"

    def write(tools: RunTools, relation: str) -> None:
        table = tools.relations[str(words)]
        # A table of synonyms names more words than it has entries.
        more = f" UNION SELECT synonym FROM {table}" if words.schema.types.get("synonym") == "VARCHAR" else ""
        # Only that a term is there counts; the other of the pair is never used.
        listed = f"SELECT word FROM {table}{more}"
        terms = f"SELECT DISTINCT word AS term, word || '_' AS other FROM ({listed}) WHERE word IS NOT NULL ORDER BY 1"
        tools.con.execute(f"COPY ({terms}) TO {literal(str(Path(tools.folder) / 'augment' / name))} (FORMAT parquet)")

    return name, write


def check_words(bind: StepBinder, source: Inner | TableRef | None) -> None:
    """A table of words has the columns ``word`` and ``synonym``: a text, or a list of texts."""
    if isinstance(source, Inner) and source.name == "neighbours" and not source.params.model.can("embed"):
        span = source.params.model.span or bind.node.head
        bind.report(
            BadValue(span=span, message=f"`{source.params.model}` does not embed texts", help=('model e = embedding("models/minilm")',))
        )
    if isinstance(source, Inner) and source.name == "wordnet":
        lacking_data, help = lacks(source.params.language)
        if lacking_data:
            calls = [op.call for op in bind.statements(tree.Op)]
            written = next((a.value.span for c in calls for a in c.args if a.name is not None and a.name.id == "from"), None)
            bind.report(BadValue(span=written or bind.node.head, message=f"`wordnet()` needs {lacking_data}", help=help))
    if not isinstance(source, TableRef) or source.schema.unknown:
        return
    types = source.schema.types
    span = source.span or bind.node.head
    lacking = [c for c in ("word", "synonym") if c not in types]
    if lacking:
        message = f"`{source}` has no column `{lacking[0]}`"
        bind.report(WrongType(span=span, message=message, help=("a table of words has the columns `word` and `synonym`",)))
        return
    for column, good in (("word", ("VARCHAR",)), ("synonym", ("VARCHAR", "VARCHAR[]"))):
        if types[column] not in good:
            bind.report(WrongType(span=span, message=f"`{source}.{column}` must be text, not {shown(types[column])}"))


def file_of(source: Inner | TableRef, text: str) -> str:
    """The name of the file with a source's pairs, the same for all augmenters of a step that read it for a column."""
    words = str(source) if isinstance(source, TableRef) else f"{source.name} {meaning_of(source.params)} {text}"
    return f"words-{md5(words.encode(), usedforsecurity=False).hexdigest()[:12]}.parquet"


def writer(source: Inner | TableRef, text: str) -> Callable[[RunTools, str], None]:
    """What writes the pairs of words into the folder that augmenters read, once before the copies are made."""

    def write(tools: RunTools, relation: str) -> None:
        path = Path(tools.folder) / "augment" / file_of(source, text)
        if path.exists():
            return
        if isinstance(source, TableRef):
            synonym = "unnest(synonym)" if source.schema.types.get("synonym") == "VARCHAR[]" else "synonym"
            query = f"SELECT word AS term, {synonym} AS other FROM {tools.relations[str(source)]} WHERE word IS NOT NULL"
            pairs = f"SELECT DISTINCT * FROM ({query}) WHERE other IS NOT NULL ORDER BY ALL"
            tools.con.execute(f"COPY ({pairs}) TO {literal(str(path))} (FORMAT parquet)")
        elif source.name == "wordnet":
            write_wordnet(path, source.params.language)
        else:
            write_neighbours(tools, relation, text, source.params, path)

    return write


def write_neighbours(tools: RunTools, relation: str, text: str, given: NeighboursParams, path: Path) -> None:
    """For each of the commonest words of the texts, those whose vectors lie nearest by the cosine."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from recipec.fast.text_words import words_of

    counts: Counter[str] = Counter()
    result = tools.con.cursor().execute(f"SELECT {quote(text)} FROM {relation} WHERE {quote(text)} IS NOT NULL")
    while rows := result.fetchmany(10_000):
        for (value,) in rows:
            counts.update(word.lower() for word in words_of(value) if not word.isdigit())
    words = sorted(counts, key=lambda w: (-counts[w], w))[: given.words]
    terms: list[str] = []
    others: list[str] = []
    if len(words) > 1:
        vectors = np.asarray(tools.model(given.model).embed(words), np.float32)
        for start in range(0, len(words), 1_000):
            likeness = vectors[start : start + 1_000] @ vectors.T
            likeness[np.arange(len(likeness)), start + np.arange(len(likeness))] = -1
            near = np.argsort(-likeness, axis=1, kind="stable")[:, : given.k]
            for i, places in enumerate(near.tolist()):
                chosen = [words[j] for j in places if likeness[i, j] >= given.near]
                terms += [words[start + i]] * len(chosen)
                others += chosen
    pq.write_table(pa.table({"term": pa.array(terms, pa.string()), "other": pa.array(others, pa.string())}), path)


def write_wordnet(path: Path, language: str) -> None:
    """WordNet's synonyms, as EDA takes them: the other words of every meaning that a word has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pairs = sorted({(a, b) for group in groups(language) for a in group for b in group if a.lower() != b.lower()})
    pq.write_table(pa.table({"term": [a for a, _ in pairs], "other": [b for _, b in pairs]}), path)
