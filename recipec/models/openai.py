"""``openai``: a server that speaks the OpenAI protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit, urlunsplit

from recipec.api import DataError, Field, Json, ModelFacts, Secret, Settings, provider
from recipec.models._base import ModelSettings, Opening, Provider

if TYPE_CHECKING:
    from recipec.models._base import Model
    from recipec.models.quoting import Quote

HOSTED = "https://api.openai.com/v1"


class OpenAIParams(Settings):
    model: str
    base_url: str | Secret = HOSTED
    api_key: Secret | None = None
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    seed: int | None = None
    stop: list[str] = []
    mode: Literal["chat", "completion"] = "chat"
    extra: dict[str, Json] = {}


def revealed(value: str | Secret | None) -> str | None:
    return value.reveal() if isinstance(value, Secret) else value


def place_of(url: str | Secret | None) -> str | None:
    """What stands for an address in what decides an answer: the address itself where the recipe says it, as far as it can be no secret,
    and a digest of the rest."""
    given = revealed(url)
    if not given:
        return None
    from recipec.models.requests import private, shown

    plain = plain_url(given)
    digest = blake2b(plain.encode(), digest_size=8).hexdigest()
    if isinstance(url, Secret):
        return digest
    return f"{shown(given)} {digest}" if private(given) else plain


def plain_url(url: str) -> str:
    """A URL without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def address(name: str, base_url: str | Secret | None) -> str:
    """A server's URL, with what is secret in it. Raises DataError where it is not set, or no URL."""
    url = revealed(base_url)
    if not url:
        variable = base_url.variable if isinstance(base_url, Secret) else "LLM_URL"
        raise DataError(f"the address of `{name}` is not set", f"export {variable}=http://localhost:8000/v1")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise DataError(f"the address of `{name}` is no http(s) address", 'base_url: "http://localhost:8000/v1"')
    return url


def key_of(name: str, key: Secret | None) -> str | None:
    """The API key, where one is given. Raises DataError where it is to be in the environment and is not."""
    if key is None:
        return None
    value = key.reveal()
    if not value:
        raise DataError(f"the key of `{name}` is not set", f"export {key.variable}=...")
    return value


def host_of(url: str | Secret | None) -> str:
    """The server that an address names; empty where the recipe does not show the address."""
    written = url.value if isinstance(url, Secret) else url
    if written is None or getattr(url, "variable", None):
        return ""
    try:
        return (urlsplit(written).hostname or "").lower()
    except ValueError:
        return ""


_MOVING = re.compile(
    r"(?:gpt-(?:3\.5-turbo|4|4-turbo|4o|4o-mini|4\.1|4\.1-mini|4\.1-nano|5|5-mini|5-nano)|o1|o1-mini|o1-pro|o3|o3-mini|o3-pro|o4-mini)$"
)
"""Names without a date that the hosted server moves from one dated snapshot to the next."""


def moving(model: str, host: str) -> bool:
    """Whether a name is known to mean other weights from time to time. Of most names nothing is known."""
    if re.search(r"(?:^|[-:@/])latest$", model):
        return True
    return host == urlsplit(HOSTED).hostname and _MOVING.match(model) is not None


@provider("openai")
class OpenAI(Provider):
    """A server with the OpenAI protocol: vLLM, llama.cpp, Ollama, LM Studio, or a hosted one.

    ```recipe
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"), temperature: 0, max_tokens: 200)
    ```

    ``base_url`` ends before ``/chat/completions`` (``http://localhost:8000/v1``). ``api_key: env("NAME")`` reads the key when it is
    used. ``seed`` is passed on, plus the sample's number where several are asked for. ``extra`` holds further fields of the request
    that a server may know. Templates with roles go to ``/chat/completions``, and plain ones too, as one user message; with ``mode:
    completion`` a plain one goes to ``/completions``, to be continued. Scoring of given answers (``vote llm``) uses ``/completions`` with
    log-probabilities where the server has them, and says so where it has not.

    **What it costs.** ``recipec plan`` makes every prompt, takes away those that the ledger has answers to, and shows the calls, tokens
    and cost of the others, without asking anything. Tokens in are expected at 3 bytes a token, or at what the server counted for
    earlier answers of the same step; tokens out at the mean of these, else at ``max_tokens``. The most that it can cost is known where
    ``max_tokens`` is; a request whose answer was lost on the way is sent again, and may be charged again. Without ``price_in`` and
    ``price_out`` the cost is unknown, and where a step's input is not built yet, so are its calls.
    ``recipec run`` asks before it makes calls that are expected to cost more than ``--ask-above`` (``ask_above`` in ``[tool.recipec]``;
    1.00) dollars in all, and before calls whose cost is unknown, unless the server is on this machine or its network: then it says so;
    ``--yes`` does not ask. Afterwards the tables ``recipec.calls`` and ``recipec.votes`` in the workspace's database
    say what was called, reused, failed and spent, by step and voter. ``recipec show STEP --render TEMPLATE`` prints the prompts as they are sent.

    **What is secret.** ``env("NAME")`` is read when it is used. The key, and of an address the user, the password, the query and those
    parts of the path that are not common (``v1``, ``api``, ``openai``), are sent to the server and written nowhere: not into tables, the
    ledger, reports or messages, which have ``***`` in their place.
    """

    Params = OpenAIParams
    params: OpenAIParams

    def facts(self, settings: ModelSettings) -> ModelFacts:
        return ModelFacts(
            provider="openai",
            name=self.params.model,
            does=frozenset({"complete", "score"}),
            external=True,
            pinned=not moving(self.params.model, host_of(self.params.base_url)),
            host=host_of(self.params.base_url),
            priced=settings.price_in is not None and settings.price_out is not None,
        )

    def meaning(self) -> Mapping[str, Json]:
        given = self.params
        # The address decides the answers, but may be private.
        return {
            "model": given.model,
            "base_url": place_of(given.base_url) or "unset",
            "temperature": given.temperature,
            "top_p": given.top_p,
            "max_tokens": given.max_tokens,
            "seed": given.seed,
            "stop": list(given.stop),
            "mode": given.mode,
            "extra": dict(given.extra),
        }

    def quote(self, opening: Opening) -> Quote:
        from recipec.models.ledger import Ledger, LedgerError
        from recipec.models.quoting import Served, quote

        served = Served(opening.name, self.params, address(opening.name, self.params.base_url))
        try:
            return quote(served, Ledger(opening.ledger), opening.settings)
        except LedgerError as error:
            raise DataError(str(error)) from None

    def open(self, opening: Opening) -> Model:
        from recipec.models.serving import ServedModel

        url = address(opening.name, self.params.base_url)
        return ServedModel(self.params, opening, url, key_of(opening.name, self.params.api_key), self.facts(opening.settings))
