"""``unpinned-model``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.lints._base import Lint
from recipec.lints._tables import setting
from recipec.lints._view import View


@lint("unpinned-model")
class UnpinnedModel(Lint):
    """A model's name means other weights from time to time.

    A base on the hub without ``revision`` is whatever its owner last uploaded; ``...-latest`` and ``:latest`` are whatever is newest; OpenAI's
    ``gpt-4o`` is a name for one dated model after the other. The same recipe then gives other answers next month, and nobody can say why. Of
    most names of models behind servers nothing is known, and nothing is said.

    Chen, Zaharia and Zou (How is ChatGPT's behavior changing over time?, 2023) asked GPT-4 the same questions in March and June 2023: it told
    primes from composite numbers with 84 % accuracy, then with 51 %.

    Bad: ``base: "BAAI/bge-small-zh"`` without ``revision``, or

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    model lm = openai("gpt-4o")
    template ask(text) \"\"\"Is this spam? {{ text }}\"\"\"
    predict guess from rows { model: lm  prompt: ask(text) }
    ```

    Good: ``revision: "1d2363c5de6ce9ba9c890c8e23a4c72dce540ca8"`` beside the base, and

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    model lm = openai("gpt-4o-2024-08-06")
    template ask(text) \"\"\"Is this spam? {{ text }}\"\"\"
    predict guess from rows { model: lm  prompt: ask(text) }
    ```

    Silence: ``# allow: unpinned-model because we want the newest, and keep all answers``.
    """

    name = "unpinned-model"
    code = "W319"

    @classmethod
    def find(cls, view: View) -> Iterator[UnpinnedModel]:
        for step in view.steps:
            facts = step.bound.model
            if facts is None or facts.pinned:
                continue
            base = setting(step, "base")
            reader = step.entry.node.reader
            if base is not None:
                span, message = base.value.span, "this base is whatever its owner last uploaded"
                help = "name a commit of it: revision: "
                help += '"..."'
            else:
                span = reader.args[0].span if reader is not None and reader.args else step.entry.node.head
                message, help = f"`{facts.name}` means other weights from time to time", "name one version: the model's name with its date"
            yield cls(span=span, message=message, label="not one version", help=(help,))
