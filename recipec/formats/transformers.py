"""``format: transformers()``."""

from __future__ import annotations

from typing import Literal

from recipec.api import DataError, ExportContext, Format, Settings, format
from recipec.formats._model_card import model_card


@format("transformers")
class Transformers(Format):
    """A trained model as a folder that transformers reads, with a card that says what it is, how it was made and how good it is.

    ```recipe
    export release from clf, scores { to: "build/topics"  format: transformers() }
    export small from tuned         { to: "build/adapter"  format: transformers(adapter: apart) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `adapter` | `merged` puts a LoRA or DoRA into its base's weights; `apart` leaves it an adapter, for PEFT | `merged` where it can be |

    The inputs are a `train` step and any number of `evaluate` steps, whose scores stand in the card with their intervals. An `expect`
    that fails keeps the model from being written.

    The folder has the weights (safetensors), the configuration with the names of the classes, the tokenizer with the chat template that the
    training used, and `README.md`: what it is for, the base, the rows it learned from and what was dropped, every step from the sources
    with their digests and licences, the settings, the scores, the fingerprint. Where the adapter is apart, a base made on the spot goes along
    in `base/`; any other is named in the card. An ensemble is a folder a member. Paths of this machine are in none of the files.

    Read with `pipeline("text-classification", model="build/topics")`, `AutoModelForTokenClassification.from_pretrained`,
    `AutoModelForCausalLM.from_pretrained`; what `embed` trained with `SentenceTransformer("build/vectors")`; an adapter apart with
    `PeftModel.from_pretrained(base, "build/adapter")`. Upload with `hf upload USER/NAME build/topics`.
    """

    class Params(Settings):
        adapter: Literal["merged", "apart"] | None = None

    extension = ""  # a folder, never one file
    beside = frozenset({"README.md"})
    card = True
    model = True

    def write(self, ctx: ExportContext) -> None:
        from recipec.training._release import release

        if ctx.model is None or ctx.single is not None:
            raise DataError("`transformers` writes a model, into a folder", 'to: "build/model"')
        release(ctx.model, ctx.folder, self.params.adapter)
        (ctx.folder / "README.md").write_text(model_card(ctx, self.params.adapter), encoding="utf-8")
