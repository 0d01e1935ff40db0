"""What a model is to the recipe, and to the step that uses it.

A *provider* (``openai``, ``transformers``, ``embedding``) is a class found through the registry: its parameters, what is known of
its model before anything runs, and how to open it. An opened :class:`Model` answers prompts, scores given answers, embeds or
classifies texts; what it cannot do raises :class:`recipec.api.DataError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import DataError, Estimate, Field, Json, ModelFacts, Settings

if TYPE_CHECKING:
    import numpy as np

    from recipec.models.kept import Kept
    from recipec.models.quoting import Count
    from recipec.models.remembered import Remembered
    from recipec.models.requests import Answer, Failure, Request


class ModelSettings(Settings):
    """Settings of a ``model`` step. None of them changes an answer, so changing one re-runs nothing."""

    concurrency: int | None = Field(None, ge=1, le=4096)
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    timeout: float = Field(120.0, gt=0)
    retries: int = Field(5, ge=0, le=100)
    budget_usd: float | None = Field(None, ge=0)
    budget_tokens: int | None = Field(None, ge=0)
    price_in: float | None = Field(None, ge=0)
    price_out: float | None = Field(None, ge=0)
    prices: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Opening:
    """What a provider gets to open its model: the settings, the folder of the ledger, and where to say something."""

    settings: ModelSettings
    ledger: Path
    name: str
    note: Callable[[str], None]
    threads: int = 1
    base: Path = field(default=Path())
    """The recipe's folder: paths of local models are relative to it."""
    tell: Callable[[str], None] = lambda text: None
    """Where to say what is waited for, while it is."""
    here: bool = True
    """Whether a model of this machine does its work in this process, and loads its weights at once."""


class Provider(ABC):
    """``openai("name", base_url: ...)`` in a ``model`` step. Made with validated ``Params``."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init__(self, params: Any, folder: Path = Path()) -> None:
        self.params = params
        self.folder = folder
        """The recipe's: paths of local models are relative to it."""

    @abstractmethod
    def facts(self, settings: ModelSettings) -> ModelFacts:
        """What is known of the model before anything runs."""

    @abstractmethod
    def meaning(self) -> Mapping[str, Json]:
        """Everything that decides an answer, beside the prompt; no secrets."""

    def files(self) -> Sequence[str]:
        """Local folders or files, relative to the recipe, whose contents decide an answer."""
        return ()

    @abstractmethod
    def open(self, opening: Opening) -> Model: ...

    def quote(self, opening: Opening) -> Count | None:
        """What counts calls before they are made, without a network or a model; None for a model that runs here, whose calls cost
        nothing. Raises DataError where it cannot be known: the server's address is not set."""
        return None


def spending(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What a model was used for since ``before``, both as :meth:`Model.spent` gives them: the difference, number by number."""
    out: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        out[name] = value - old if isinstance(value, (int, float)) and isinstance(old, (int, float)) else value
    return out


class Model:
    """An opened model. A subclass overrides what it can do."""

    name: str = ""
    facts: ModelFacts = ModelFacts()
    agree: Callable[[Estimate], None] | None = None
    """Of the step that runs: tells people what calls will cost before they are made; None where nobody wants to know."""
    allowed: int = 0
    """Calls that people were told of, and that are not made yet."""
    remembered: Remembered | None = None
    """Where the vectors of a model that runs here are kept."""
    kept: Kept | None = None
    """Where the texts are kept that a model that runs here has written."""
    apart: ClassVar[bool] = False
    """Whether its work can be done by other processes: it can be pickled, without its weights, and whoever unpickles it loads them."""
    spread: Callable[[str, Iterable[tuple[Any, ...]]], Iterator[Any]] | None = None
    """Does units of its work in other processes, as :meth:`each` does here."""

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to do units of its work."""
        return {"name": self.name, "facts": self.facts}

    def each(self, method: str, units: Iterable[tuple[Any, ...]], *, keep: bool = False) -> Iterator[Any]:
        """What ``method`` (``logprobs``, ``predictor.unit``) gives for each unit, a tuple of its arguments, in their order. All that needs a
        model's weights goes through here, a batch at a time: on a cluster the units are done elsewhere, cut as they are here. With
        ``keep`` it gives texts, as (text, why it ended, tokens), and what is in the ledger is not made again."""

        def made(units: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            if self.spread is not None:
                return self.spread(method, units)
            own = attrgetter(method)(self)
            return (own(*unit) for unit in units)

        return made(units) if self.kept is None or not keep else self.kept.each(method, units, made)

    def cannot(self, what: str) -> DataError:
        return DataError(f"the model `{self.name}` cannot {what}", f"it can: {', '.join(sorted(self.facts.does)) or 'nothing'}")

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        """An answer, or why there is none, for every request, in any order. ``schema`` is the JSON Schema that an answer must keep.
        ``progress`` is told how many are done."""
        raise self.cannot("complete prompts")

    def scores(
        self, requests: Iterable[Request], choices: Sequence[str], *, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, list[float] | Failure | None]]:
        """For every request the summed log-probability of each choice after its prompt, in nats; None where the server tells none."""
        raise self.cannot("score given answers")

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> np.ndarray[Any, Any]:
        """One vector of length 1 a text: float32 [n, d]. What is remembered is not made again."""
        return self.vectors(texts, progress) if self.remembered is None else self.remembered.embed(texts, self.vectors, progress)

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> np.ndarray[Any, Any]:
        """What :meth:`embed` gives, made anew."""
        raise self.cannot("embed texts")

    def classify(
        self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None
    ) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
        """The classes, and the probability of each for every text: float [n, K]."""
        raise self.cannot("classify texts")

    def tag(self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None) -> list[list[str]]:
        """A tag for every token of every list of tokens."""
        raise self.cannot("tag tokens")

    def tag_surely(
        self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None
    ) -> tuple[list[list[str]], list[list[float]] | None]:
        """Tags as :meth:`tag` gives them, and how probable each is; None where the model does not tell."""
        return self.tag(tokens, progress), None

    def spent(self) -> Mapping[str, Json]:
        """What its answers cost in this run: calls, reused, failed, tokens_in, tokens_out, usd (None where no price is known)."""
        return {}

    def telling(self) -> str:
        """For the line of a step that is running: what was spent in this run, of how much, and how fast answers come."""
        return ""

    def quote(self) -> Count | None:
        """What counts calls before they are made; None for a model that runs here."""
        return None

    def notices(self) -> Sequence[str]:
        """What was found out about the server, for people."""
        return ()

    def close(self) -> None:
        """Let go of connections, files and memory."""
        if self.remembered is not None:
            self.remembered.close()
        if self.kept is not None:
            self.kept.close()
