"""``embedding``: a model that turns texts into vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recipec.api import Field, Json, ModelFacts, Secret, Settings, provider
from recipec.models._base import ModelSettings, Opening, Provider
from recipec.models.openai import address, host_of, key_of, place_of

if TYPE_CHECKING:
    from recipec.models._base import Model
    from recipec.models.vectors import VectorQuote


class EmbeddingParams(Settings):
    path: str
    base_url: str | Secret | None = None
    api_key: Secret | None = None
    max_length: int = Field(256, ge=8)
    batch_tokens: int = Field(16384, ge=64)
    prefix: str = ""


@provider("embedding")
class Embedding(Provider):
    """Vectors of texts: from a local folder, or with ``base_url`` from a server with the OpenAI protocol.

    ```recipe
    model minilm = embedding("models/minilm")
    ```

    A local folder holds a transformer as ``save_pretrained`` or sentence-transformers writes it; the vector is the mean of the last
    layer over the tokens (or its first token, where the folder's pooling says so), and has length 1. Texts longer than ``max_length``
    tokens are cut. ``prefix`` stands before each text, for models that were trained so (``"query: "``).

    ```recipe
    model nomic = embedding("nomic-embed-text", base_url: env("EMBED_URL"), api_key: env("EMBED_KEY")) { price_in: 0.02  budget_usd: 1 }
    ```

    With ``base_url`` the texts go to ``/embeddings`` of that server, many in a request of about ``batch_tokens`` tokens; a batch that the
    server refuses is halved. The vectors, made to length 1, are kept in the workspace beside the answers of other models, four bytes a
    number, and a text is paid for once. Limits, budgets and retries are those of every model; only ``price_in`` counts. How long a
    text may be is the server's affair. ``api_key`` is read when it is used, and written nowhere.
    """

    Params = EmbeddingParams
    params: EmbeddingParams

    def files(self) -> Sequence[str]:
        return () if self.params.base_url is not None else (self.params.path,)

    def facts(self, settings: ModelSettings) -> ModelFacts:
        served = self.params.base_url is not None
        return ModelFacts(
            provider="embedding",
            name=self.params.path,
            does=frozenset({"embed"}),
            external=served,
            host=host_of(self.params.base_url),
            priced=not served or settings.price_in is not None,
        )

    def meaning(self) -> Mapping[str, Json]:
        given = self.params
        named = {"model": given.path, "base_url": place_of(given.base_url)} if given.base_url is not None else {}
        return {**named, "max_length": given.max_length, "prefix": given.prefix}

    def open(self, opening: Opening) -> Model:
        if self.params.base_url is not None:
            from recipec.models.vectors import ServedEmbedding

            url = address(opening.name, self.params.base_url)
            return ServedEmbedding(self.params, opening, self.facts(opening.settings), url, key_of(opening.name, self.params.api_key))
        from recipec.models.local import LocalEmbedding

        return LocalEmbedding(self.params, opening, self.facts(opening.settings))

    def quote(self, opening: Opening) -> VectorQuote | None:
        if self.params.base_url is None:
            return None
        from recipec.models.vectors import quote

        return quote(self.params, opening, address(opening.name, self.params.base_url))
