"""Where augmenters have other words from: a table of the recipe, or WordNet."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from recipec.api import ColumnName, DataError, RunTools, Settings, TableRef, literal
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.settings import Field, FieldInfo, Model


class WordNetParams(Settings):
    language: str = "eng"


SOURCES = Choices((("wordnet", WordNetParams),), what="source of words")
_FROM = Annotated[Inner | TableRef, SOURCES]


def params(name: str, *, required: bool, rate: Any) -> Any:
    """A model of arguments ``text``, ``from`` and ``rate``: made by hand, as ``from`` is a word of Python."""
    annotations = {"text": ColumnName, "from": _FROM if required else _FROM | None, "rate": float if required else float | None}
    body: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__, "rate": rate}
    if not required:
        body["from"] = FieldInfo(None)
    return Model(name, (Settings,), body)


FromParams = params("FromParams", required=True, rate=Field(0.1, gt=0, le=1))


def source_of(made: Any) -> Inner | TableRef | None:
    found: Inner | TableRef | None = getattr(made, "from")
    return found


def check_words(bind: StepBinder, source: Inner | TableRef | None) -> None:
    """A table of words has the columns ``word`` and ``synonym``: a text, or a list of texts."""
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


def file_of(source: Inner | TableRef) -> str:
    """The name of the file with a source's pairs, the same for all augmenters of a step that read it."""
    words = str(source) if isinstance(source, TableRef) else f"{source.name}({source.params.language})"
    return f"words-{md5(words.encode(), usedforsecurity=False).hexdigest()[:12]}.parquet"


def writer(source: Inner | TableRef) -> Callable[[RunTools, str], None]:
    """What writes the pairs of words into the folder that augmenters read, once before the copies are made."""

    def write(tools: RunTools, relation: str) -> None:
        path = Path(tools.folder) / "augment" / file_of(source)
        if path.exists():
            return
        if isinstance(source, TableRef):
            synonym = "unnest(synonym)" if source.schema.types.get("synonym") == "VARCHAR[]" else "synonym"
            query = f"SELECT word AS term, {synonym} AS other FROM {tools.relations[str(source)]} WHERE word IS NOT NULL"
            pairs = f"SELECT DISTINCT * FROM ({query}) WHERE other IS NOT NULL ORDER BY ALL"
            tools.con.execute(f"COPY ({pairs}) TO {literal(str(path))} (FORMAT parquet)")
        else:
            write_wordnet(path, source.params.language)

    return write


def write_wordnet(path: Path, language: str) -> None:
    """WordNet's synonyms, as EDA takes them: the other lemmas of every synset that a word is in."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    help = "pip install nltk && python -c \"import nltk; nltk.download('wordnet')\", or give a table: from: STEP"
    try:
        wordnet = import_module("nltk.corpus").wordnet
        refused: type[Exception] = import_module("nltk.corpus.reader.wordnet").WordNetError
    except ImportError:
        raise DataError("wordnet() needs the package nltk", help) from None
    try:
        synsets = list(wordnet.all_synsets())
        groups = [[lemma.replace("_", " ") for lemma in s.lemma_names(language)] for s in synsets]
    except LookupError:
        raise DataError("wordnet() needs NLTK's corpus `wordnet`", help) from None
    except refused as error:
        raise DataError(f"wordnet(): {error}", 'language: "eng"') from None
    pairs = sorted({(a, b) for group in groups for a in group for b in group if a.lower() != b.lower()})
    pq.write_table(pa.table({"term": [a for a, _ in pairs], "other": [b for _, b in pairs]}), path)


__all__ = ["FromParams", "check_words", "file_of", "params", "source_of", "writer"]
