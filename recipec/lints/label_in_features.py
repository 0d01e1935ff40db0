"""``label-in-features``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._answers import place, said
from recipec.lints._base import Lint
from recipec.lints._view import View
from recipec.lints.label_in_prompt import leaks, prompted


@lint("label-in-features")
class LabelInFeatures(Lint):
    """What a model reads is computed from the answer that it is to give.

    A clean step put the label into the text (``text = concat(label, ": ", text)``), or the votes of a label step are read: training
    finds the answer in the input, the scores are nearly perfect, and on rows without a label the model knows nothing. Values
    are followed through steps, ``def``, renames and changed copies. What rules read of the text to vote is no finding.

    Kapoor and Narayanan (Leakage and the reproducibility crisis in machine-learning-based science, Patterns 4, 2023) found leakage in 17
    fields, which affected 294 papers; features that stand in for the answer are one of its eight kinds.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text, label: text } }
    clean tidy from rows { text = concat(label, ": ", text) }
    train clf from tidy {
      task: classify(text => label)
      base: "models/minilm"
    }
    ```

    Good: the text alone.

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text, label: text } }
    clean tidy from rows { shown = concat(label, ": ", text) }
    train clf from tidy {
      task: classify(text => label)
      base: "models/minilm"
    }
    ```

    Silence: ``# allow: label-in-features because label is the old label, known when the model runs``.
    """

    name = "label-in-features"
    code = "W315"

    @classmethod
    def find(cls, view: View) -> Iterator[LabelInFeatures]:
        for met in leaks(view):
            if prompted(view, met):
                continue
            answer = said(met.answer, met.step)
            yield cls(
                span=place(met.read, met.asked),
                message=f"what the model reads is computed from `{answer}`, its answer",
                label=f"holds `{answer}`, or what was made of it",
                also=(Label(place(met.answer, met.step), "the answer"),),
                help=("let it read a column that can be known without the answer",),
            )
