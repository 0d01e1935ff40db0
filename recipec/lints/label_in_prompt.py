"""``label-in-prompt``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import PromptCall, lint
from recipec.diagnostics import Label
from recipec.lints._answers import Meeting, meetings, place, said
from recipec.lints._base import Lint
from recipec.lints._view import View


@lint("label-in-prompt")
class LabelInPrompt(Lint):
    """A prompt holds the answer that the model's own answer is held against.

    The template renders the column of known answers, or a text that it was put into steps before; the model copies it, and the score
    says how well it copies. The column is followed through ``def``, renames, clean and label steps. A prompt may show known answers of
    other rows (``examples: nearest(seeds)``), and a judge may see the right answer; what is looked at is the prompt of the answer that is
    measured (``gold``) or taught (``prompt => answer``).

    Kaufman, Rosset, Perlich and Stitelman (Leakage in data mining, ACM TKDD 6, 2012) describe how the target found its way into the inputs
    of several public competitions, which were then won by whoever found it there.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text, label: text } }
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"))
    template ask(text, label) \"\"\"{{ text }} ({{ label }}) Is this spam?\"\"\"
    predict guess from rows { model: lm  prompt: ask(text, label) }
    evaluate scores from guess { predicted: guess  gold: label }
    ```

    Good:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text, label: text } }
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"))
    template ask(text) \"\"\"{{ text }} Is this spam?\"\"\"
    predict guess from rows { model: lm  prompt: ask(text) }
    evaluate scores from guess { predicted: guess  gold: label }
    ```

    Silence: ``# allow: label-in-prompt because the run measures how often the model repeats what it is told``.
    """

    name = "label-in-prompt"
    code = "W314"

    @classmethod
    def find(cls, view: View) -> Iterator[LabelInPrompt]:
        for met in leaks(view):
            if not prompted(view, met):
                continue
            answer = said(met.answer, met.step)
            yield cls(
                span=place(met.read, met.asked),
                message=f"this prompt holds `{answer}`, the answer that is asked for",
                label=f"renders `{answer}`, or what was made of it",
                also=(Label(place(met.answer, met.step), "the answers are held against it here"),),
                help=(f"leave `{answer}` out of what the template is given",),
            )


def leaks(view: View) -> Iterator[Meeting]:
    """Where the answer is in what the model is given; each place once."""
    told: set[object] = set()
    values = view.tables.values
    for met in meetings(view):
        wanted = {met.wanted}
        made = view.tables.origins.get(next(iter(values.roots[met.wanted]))) if len(values.roots[met.wanted]) == 1 else None
        if made is not None and made[1].role == "label":
            # The votes of a label step give the label away.
            step, _ = made
            siblings = [m.column for m in step.bound.made or () if m.role in ("label", "votes")]
            wanted |= {v for c in siblings if (v := values.known.get(("column", step.name, c))) is not None}
        at = place(met.read, met.asked).order
        if at not in told and any(values.holds(met.given, w) for w in wanted):
            told.add(at)
            yield met


def prompted(view: View, met: Meeting) -> bool:
    """Whether a template renders what the model is given."""
    return isinstance(met.read.what, PromptCall) or view.tables.values.shape[met.given][0] == "prompt"
