"""The result of a ``train`` step as a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import Json, ModelFacts
from recipec.models._base import Model
from recipec.models.requests import Answer, Failure, Request

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


class TrainedModel(Model):
    """A trained folder, loaded when it is first asked."""

    def __init__(self, folder: Path, name: str, facts: ModelFacts | None) -> None:
        self.folder, self.name, self.facts = folder, name, facts or ModelFacts()
        self._predictor: Any = None

    @property
    def predictor(self) -> Any:
        if self._predictor is None:
            from recipec.training._predict import Predictor

            self._predictor = Predictor(self.folder)
        return self._predictor

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes, from the folder, without loading the weights."""
        from recipec.training._predict import facts_of

        return tuple(facts_of(self.folder)["classes"])

    def classify(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> tuple[tuple[str, ...], Matrix]:
        found = self.predictor.classify(texts, lambda done, _: progress(done))
        return tuple(str(c) for c in self.predictor.classes), found

    def tag(self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None) -> list[list[str]]:
        made: list[list[str]] = self.predictor.tag(tokens, lambda done, _: progress(done))[0]
        return made

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Matrix:
        made: Matrix = self.predictor.embed(texts, lambda done, _: progress(done))
        return made

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        asked = list(requests)
        prompts = [r.prompt if r.prompt is not None else [{"role": m.role, "content": m.content} for m in r.messages or ()] for r in asked]
        for request, text in zip(asked, self.predictor.generate(prompts, tell=lambda done, _: progress(done)), strict=True):
            yield request.id, Answer(text, "stop", None, None, None, self.name, "")
