"""``model``: a named model that other steps call."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import Bound, Kind, ModelFacts, Outcome, SourceFile, Traits, step
from recipec.diagnostics import nearest
from recipec.models._base import ModelSettings, Opening, Provider
from recipec.places import Places
from recipec.registry import Group
from recipec.resolve.arguments import Choices, Converter
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, MissingFile, OutsideFolder
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

PROVIDERS = Choices(group="provider", what="provider of models")


@dataclass(frozen=True)
class ModelPlan:
    provider: Provider
    settings: ModelSettings


def priced(bind: StepBinder, settings: ModelSettings, facts: ModelFacts) -> ModelSettings | None:
    """The settings with the prices of a server's model: those that they say, else those of their file, else those of ``pyproject.toml``.
    None after reporting what is wrong with the file."""
    found = bind.program.prices.get(facts.name) if facts.external else None
    if settings.prices is not None and not bind.program.offline:
        from recipec.models.prices import PriceError, read_prices

        span = next(s.value.span for s in bind.statements(tree.Setting) if s.key.id == "prices")
        if not facts.external:
            bind.report(BadValue(span=span, message="a model of this machine has no price", help=("leave out `prices`",)))
            return None
        path = bind.names.source.folder / settings.prices
        if not path.is_file():
            bind.report(MissingFile(span=span, message=f"no file `{settings.prices}`", help=("a file of prices, beside the recipe",)))
            return None
        refused = Places(bind.names.source.folder).unfit(path, settings.prices)
        if refused is not None:
            bind.report(OutsideFolder(span=span, message=refused.message, help=(refused.help,)))
            return None
        # A check that is kept holds while this file is as it was.
        bind.program.reading.seen.append(SourceFile(path, settings.prices))
        try:
            prices = read_prices(path, settings.prices)
        except PriceError as error:
            bind.report(BadValue(span=span, message=str(error)))
            return None
        if facts.name not in prices:
            guess = nearest(facts.name, prices)
            help = f"did you mean `{guess}`?" if guess else f"it has: {', '.join(list(prices)[:6]) or 'nothing'}"
            bind.report(BadValue(span=span, message=f"`{settings.prices}` has no price of `{facts.name}`", help=(help,)))
            return None
        found = prices[facts.name]
    if found is None:
        return settings
    given = {"price_in": found.per_million_in, "price_out": found.per_million_out}
    return ModelSettings(**settings.model_dump() | {name: price for name, price in given.items() if getattr(settings, name) is None})


@step("model")
class Model(Kind):
    """Names a model that other steps call: a server, or weights on this machine.

    ```recipe
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"), api_key: env("LLM_KEY"), temperature: 0) {
      budget_usd: 5
      requests_per_minute: 600
      price_in: 0.15
      price_out: 0.60
    }
    ```

    ``openai`` speaks to any server with the OpenAI protocol (vLLM, llama.cpp, Ollama, a hosted one), ``transformers`` loads a local
    folder into this process, ``embedding`` gives vectors. The result of a ``train`` step can stand wherever a model can.

    Every answer is written to the ledger in the workspace before anything uses it, under everything that decides it; what is there is
    never asked, or paid, again, whatever killed the run; only answers that were on their way then are asked for anew.
    ``budget_usd`` and ``budget_tokens`` stop a run before it spends more. ``price_in`` and ``price_out`` are US dollars for a million
    tokens. ``prices: "prices.toml"`` reads them from a file, relative to the recipe, that has a table for each model, by the name that
    the server knows (``["qwen3-8b"]``, ``in = 0.05``, ``out = 0.40``); ``prices = "prices.toml"`` in ``[tool.recipec]`` of
    ``pyproject.toml`` does so for all recipes below it. The step's own prices come first, then its file's. Without a price the cost is
    "unknown". ``concurrency`` is the most requests at a time (found out by itself where not given), ``timeout`` the seconds for one,
    ``retries`` how often one is tried again; one that the server puts off (429) is sent again for ten minutes, whatever ``retries``.

    Settings change no answer and re-run nothing. The arguments of the provider do, except the key: it is read from the environment
    when it is used, and is written nowhere.
    """

    Settings = ModelSettings
    level = "model"
    reader = "required"
    readers: ClassVar[Group] = "provider"
    inputs = (0, 0)
    table = False
    model = True

    def bind(self, bind: StepBinder) -> Bound | None:
        assert bind.node.reader is not None
        settings: ModelSettings | None = bind.settings()
        called = Converter(bind, None).try_inner(bind.node.reader, PROVIDERS)
        if called is None or settings is None:
            return None
        provider: Provider = called.cls(called.params, bind.names.source.folder)
        settings = priced(bind, settings, provider.facts(settings))
        if settings is None:
            return None
        files: list[SourceFile] = []
        for name in provider.files():
            path = (bind.names.source.folder / name).resolve()
            refused = None if bind.program.offline else Places(bind.names.source.folder).unfit(bind.names.source.folder / name, name)
            if refused is not None:
                bind.report(OutsideFolder(span=bind.node.reader.span, message=refused.message, help=(refused.help,)))
                return None
            if os.path.exists(path):
                files.append(SourceFile(path, name))
            elif not bind.program.offline:
                bind.report(
                    MissingFile(
                        span=bind.node.reader.span,
                        message=f"no model at `{name}`",
                        help=("a folder with the model's files, beside the recipe",),
                    )
                )
                return None
        return bind.bound(
            outputs={},
            meaning={"provider": f"{provider.name}@{provider.version}", **provider.meaning()},
            plan=ModelPlan(provider, settings),
            files=tuple(files),
            traits=Traits(external=provider.facts(settings).external),
            model=provider.facts(settings),
        )

    def run(self, plan: ModelPlan, ctx: RunContext) -> Outcome:
        return Outcome()

    def quote(self, plan: ModelPlan, opening: Any) -> Any:
        return plan.provider.quote(opening(plan.settings))

    def open(self, plan: ModelPlan, ctx: Any, name: str) -> Any:
        def tell(text: str) -> None:
            ctx.progress(None, text)

        here = "spread" not in ctx.shared
        return plan.provider.open(Opening(plan.settings, ctx.store / "ledger", name, ctx.note, ctx.threads, ctx.program.folder, tell, here))
