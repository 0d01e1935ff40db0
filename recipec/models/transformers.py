"""``transformers``: a local folder with a model, loaded into this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from recipec.api import DataError, Field, Json, ModelFacts, Settings, provider
from recipec.models._base import ModelSettings, Opening, Provider
from recipec.places import Places, bytes_at

if TYPE_CHECKING:
    from recipec.models._base import Model

DOES = {
    "ForCausalLM": ("complete", "score"),
    "ForSequenceClassification": ("classify",),
    "ForTokenClassification": ("tag",),
    "ForMaskedLM": ("fill", "embed"),
    "LMHeadModel": ("complete", "score"),
}
"""What a model can do, by the end of its architecture's name; any other one embeds."""


class TransformersParams(Settings):
    path: str
    temperature: float = Field(0.0, ge=0)
    max_tokens: int = Field(256, ge=1)
    seed: int = 0
    batch_tokens: int = Field(8192, ge=64)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


@provider("transformers")
class Transformers(Provider):
    """A model in a local folder, as ``save_pretrained`` writes it, run by the library transformers in this process.

    ```recipe
    model lm = transformers("models/tiny-lm", max_tokens: 50)
    ```

    What it can do follows from its architecture: a causal model completes prompts and scores given answers (the sum of the
    log-probabilities of the answer's tokens after the prompt's), a sequence classifier classifies, a token classifier tags, anything else
    embeds (the mean of the last layer over the tokens, of length 1). Texts of similar length share a batch of at most ``batch_tokens``
    tokens, and what a text gets does not depend on the others in its batch beyond rounding. Templates with roles go through the
    tokenizer's chat template. Needs ``pip install 'recipec[train]'``.
    """

    Params = TransformersParams
    params: TransformersParams

    def files(self) -> Sequence[str]:
        return (self.params.path,)

    def facts(self, settings: ModelSettings) -> ModelFacts:
        return ModelFacts(provider="transformers", name=self.params.path, does=self.does(), pinned=True, priced=True)

    def does(self) -> frozenset[str]:
        try:
            path = self.folder / self.params.path / "config.json"
            config = json.loads("{}" if Places(self.folder).unfit(path, "") else bytes_at(path))
            if not isinstance(config, dict):
                raise ValueError
        except (OSError, ValueError, RecursionError, DataError):
            return frozenset({"complete", "score", "classify", "tag", "embed", "fill"})
        names = [str(a) for a in config.get("architectures") or ()]
        found = [what for end, what in DOES.items() for a in names if a.endswith(end)]
        return frozenset(found[0]) if found else frozenset({"embed"})

    def meaning(self) -> Mapping[str, Json]:
        given = self.params
        return {
            "temperature": given.temperature, "max_tokens": given.max_tokens, "seed": given.seed, "precision": given.precision,
        }  # fmt: skip

    def open(self, opening: Opening) -> Model:
        from recipec.models.local import LocalModel

        return LocalModel(self.params, opening, self.facts(opening.settings))
