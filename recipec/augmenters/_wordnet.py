"""WordNet's words of one meaning: English from its own files, wherever they lie; other languages from NLTK's Open Multilingual WordNet."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from recipec.api import DataError

ENGLISH = "eng"
PARTS = ("noun", "verb", "adj", "adv")
MARKER = re.compile(r"\((?:a|p|ip)\)$")
"""Where an adjective may stand, written behind it."""
HELP = (
    "pip install nltk && python -c \"import nltk; nltk.download('wordnet')\", or Debian's package wordnet-base",
    "or give the words in a table with the columns `word` and `synonym`: from: STEP",
)
MORE_HELP = ("pip install nltk && python -c \"import nltk; nltk.download('wordnet'); nltk.download('omw-1.4')\"", HELP[1])


def roots() -> list[Path]:
    """The folders in which NLTK looks for its data."""
    prefix = Path(sys.prefix)
    folders = [Path(f) for f in os.environ.get("NLTK_DATA", "").split(os.pathsep) if f]
    folders += [Path.home() / "nltk_data", prefix / "nltk_data", prefix / "share/nltk_data", prefix / "lib/nltk_data"]
    folders += [Path(f"{root}/nltk_data") for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    if os.name == "nt":
        folders += [Path(f"{drive}:/nltk_data") for drive in "CDE"] + [Path(os.environ.get("APPDATA", "C:/")) / "nltk_data"]
    return folders


def files() -> Path | None:
    """The folder or the zip with WordNet's files: NLTK's, or where WordNet's own programs look (``WNSEARCHDIR``, ``WNHOME``, the system's)."""
    own = [Path(os.environ["WNSEARCHDIR"])] if os.environ.get("WNSEARCHDIR") else []
    own += [Path(os.environ["WNHOME"]) / "dict"] if os.environ.get("WNHOME") else []
    nltk = [f / "corpora" / name for f in roots() for name in ("wordnet", "wordnet.zip")]
    for place in [*own, *nltk, Path("/usr/share/wordnet")]:
        if (place / "data.noun").is_file() or (place.suffix == ".zip" and place.is_file()):
            return place
    return None


def lacks(language: str) -> tuple[str, tuple[str, ...]]:
    """What is not there for a language, without importing NLTK, which takes longer than the whole check, and the help; empty where nothing
    is."""
    if language == ENGLISH:
        return ("", ()) if files() is not None else ("WordNet's files, which are nowhere that they are looked for", HELP)
    if find_spec("nltk") is None:
        return "the package nltk for languages other than English, which is not installed", MORE_HELP
    omw = any((f / "corpora" / name).exists() for f in roots() for name in ("omw-1.4", "omw-1.4.zip", "omw", "omw.zip"))
    return ("", ()) if omw else ("NLTK's corpus `omw-1.4`, which is in none of its folders", MORE_HELP)


def groups(language: str) -> list[list[str]]:
    """The words of every meaning. DataError where they cannot be had."""
    if language != ENGLISH:
        return of_nltk(language)
    place = files()
    if place is None:
        raise DataError("wordnet() needs WordNet's files", "; ".join(HELP))
    try:
        return [words for part in PARTS for words in synsets(lines(place, f"data.{part}"))]
    except (OSError, KeyError, BadZipFile) as error:
        raise DataError(f"wordnet(): cannot read {place}: {error}", "; ".join(HELP)) from None
    except (ValueError, IndexError):
        raise DataError(f"wordnet(): {place} does not hold WordNet's files", "; ".join(HELP)) from None


def lines(place: Path, name: str) -> Iterator[str]:
    if place.suffix == ".zip":
        with ZipFile(place) as packed, packed.open(f"wordnet/{name}") as raw:
            yield from io.TextIOWrapper(raw, "utf-8")
        return
    with (place / name).open(encoding="utf-8") as file:
        yield from file


def synsets(data: Iterator[str]) -> Iterator[list[str]]:
    """Of a file of the form that wndb(5WN) describes: a line a meaning, ``offset lexfile type count word id word id ...``, the count in
    hexadecimal; lines of the licence begin with a space."""
    for line in data:
        if line[:1] != " " and line.strip():
            fields = line.split(" ", 4)
            words = fields[4].split(" ", 2 * int(fields[3], 16))[: 2 * int(fields[3], 16) : 2]
            yield [MARKER.sub("", word).replace("_", " ") for word in words]


def of_nltk(language: str) -> list[list[str]]:
    """The same of another language."""
    try:
        wordnet = import_module("nltk.corpus").wordnet
        refused: type[Exception] = import_module("nltk.corpus.reader.wordnet").WordNetError
    except ImportError:
        raise DataError("wordnet() of another language needs the package nltk", MORE_HELP[0]) from None
    try:
        return [[lemma.replace("_", " ") for lemma in s.lemma_names(language)] for s in wordnet.all_synsets()]
    except (LookupError, OSError):
        raise DataError("wordnet() of another language needs NLTK's corpora `wordnet` and `omw-1.4`", MORE_HELP[0]) from None
    except refused as error:
        raise DataError(f"wordnet(): {error}", 'language: "eng"') from None
