"""The result of a ``train`` step as a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json, ModelFacts
from recipec.models._base import Model
from recipec.models.requests import Answer, Failure, Request

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


class TrainedModel(Model):
    """A trained folder, loaded when it is first asked."""

    apart = True

    def __init__(self, folder: Path, name: str, facts: ModelFacts | None) -> None:
        self.folder, self.name, self.facts = folder, name, facts or ModelFacts()
        self._predictor: Any = None

    @property
    def predictor(self) -> Any:
        if self._predictor is None:
            from recipec.training._predict import Predictor

            self._predictor = Predictor(self.folder)
            for member in (self._predictor, *self._predictor.others):
                member.each = self.each
        return self._predictor

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "folder": self.folder.absolute(), "_predictor": None}

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

    def tag_surely(
        self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None
    ) -> tuple[list[list[str]], list[list[float]] | None]:
        tags, sure = self.predictor.tag(tokens, lambda done, _: progress(done))
        return tags, sure

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Matrix:
        made: Matrix = self.predictor.embed(texts, lambda done, _: progress(done))
        return made

    def regress(self, texts: Sequence[str]) -> Sequence[float]:
        """A number for every text."""
        return [float(x) for x in self.predictor.regress(texts)]

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        asked = list(requests)
        made = self.predictor.generate([prompt_of(r) for r in asked], tell=lambda done, _: progress(done))
        for request, answer in zip(asked, made, strict=True):
            yield request.id, Answer(answer.text, "stop" if answer.finished else "length", None, None, None, self.name, "")

    def scores(
        self, requests: Iterable[Request], choices: Sequence[str], *, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, list[float] | Failure | None]]:
        """The log-probability of a choice and of the answer's end after it, as the model was trained to give them."""
        asked = list(requests)
        roles = tuple(self.predictor.known["spec"]["roles"])
        rows: dict[str, list[Any]] = {role: [] for role in roles}
        for request in asked:
            prompt = prompt_of(request)
            for choice in choices:
                if "messages" in roles:
                    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
                    rows["messages"].append([*turns, {"role": "assistant", "content": choice.strip()}])
                    continue
                if not isinstance(prompt, str):
                    raise DataError(f"`{self.name}` was trained on texts, not on messages", "use a template without roles")
                for role in roles:
                    rows[role].append(prompt if role == "prompt" else choice if role == "answer" else None)
        found = self.predictor.logprobs(rows, lambda done, _: progress(done // max(1, len(choices))))
        for number, request in enumerate(asked):
            part = found[number * len(choices) : (number + 1) * len(choices)]
            if any(p is None for p in part):
                yield request.id, Failure("refused", "the prompt is too long for the model", 1)
            else:
                yield request.id, [float(p[0]) for p in part]

    def losses(
        self, prompts: Sequence[Request | None], answers: Sequence[Any], progress: Callable[[int], None] = lambda done: None
    ) -> list[tuple[float, int] | None]:
        """For every answer (a text, or messages), after its prompt where it has one, its log-probability and how many tokens it is of: those
        that the model was trained to give. None where it is too long, or has none. DataError where the model was trained on another form."""
        roles = tuple(self.predictor.known["spec"]["roles"])
        rows: dict[str, list[Any]] = {role: [] for role in roles}
        for request, answer in zip(prompts, answers, strict=True):
            prompt = prompt_of(request) if request is not None else None
            if "messages" in roles:
                if isinstance(answer, str):
                    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt or []
                    answer = [*turns, {"role": "assistant", "content": answer}]
                rows["messages"].append(answer)
                continue
            if not isinstance(answer, str) or not (prompt is None or isinstance(prompt, str)):
                raise DataError(
                    f"`{self.name}` was trained on texts, not on messages", "use a template without roles, and a gold column of texts"
                )
            for role in roles:
                rows[role].append((prompt or "") if role == "prompt" else answer if role == "answer" else None)
        made: list[tuple[float, int] | None] = self.predictor.logprobs(rows, lambda done, _: progress(done))
        return made


def prompt_of(request: Request) -> str | list[dict[str, str]]:
    """A request's prompt as the predictor takes it: a text, or messages."""
    return request.prompt if request.prompt is not None else [{"role": m.role, "content": m.content} for m in request.messages or ()]
