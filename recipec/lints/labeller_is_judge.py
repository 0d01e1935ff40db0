"""``labeller-is-judge``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import ModelRef, lint
from recipec.diagnostics import Label
from recipec.lints._answers import answers, makers, measured, place, said
from recipec.lints._base import Lint
from recipec.lints._view import View


@lint("labeller-is-judge")
class LabellerIsJudge(Lint):
    """A model's answers are held against labels that the same model made.

    ``gold`` comes from a step in which ``lm`` voted or answered, and what is measured are answers of ``lm``: the score says how far the model
    agrees with itself. Two names of one model (the same provider, the same model's name) are one. A model trained on the labels of another is
    not meant here, nor labels that people corrected (``coalesce(human, topic)``).

    Panickssery, Bowman and Feng (LLM Evaluators Recognize and Favor Their Own Generations, 2024) show that GPT-4 and Llama 2 tell their own
    texts from those of others, and score them higher the better they recognize them.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"))
    template ask(text) \"\"\"Is this spam? {{ text }}\"\"\"
    label topic from rows {
      classes: ["spam", "ham"]
      vote llm(lm, ask(text))
    }
    evaluate scores from topic { model: lm  prompt: ask(text)  gold: topic }
    ```

    Good: gold made by people, or by another model.

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text, person: text } }
    model lm = openai("qwen3-8b", base_url: env("LLM_URL"))
    template ask(text) \"\"\"Is this spam? {{ text }}\"\"\"
    evaluate scores from rows { model: lm  prompt: ask(text)  gold: person }
    ```

    Silence: ``# allow: labeller-is-judge because the run measures how consistent the model is``.
    """

    name = "labeller-is-judge"
    code = "W316"

    @classmethod
    def find(cls, view: View) -> Iterator[LabellerIsJudge]:
        for step in view.steps:
            judged = measured(view, step)
            if not judged:
                continue
            gold = next(u for u in step.bound.uses if u.role == "gold")
            for maker, _ in makers(view, view.tables.used(gold, step)):
                twin = next(((a, b) for a in answers(maker) for b in judged if same(a, b)), None)
                if twin is None:
                    continue
                yield cls(
                    span=place(gold, step),
                    message=f"`{said(gold, step)}` was made by `{twin[0]}`, whose answers it is to judge",
                    label=f"measures how far `{twin[1]}` agrees with itself",
                    also=(Label(maker.entry.node.head, f"`{twin[0]}` answers here"),),
                    help=("measure on labels of people, or of another model",),
                )
                break


def same(a: ModelRef, b: ModelRef) -> bool:
    """Whether two names stand for one model."""
    if a.step == b.step:
        return True
    if a.facts is None or b.facts is None or not a.facts.name:
        return False
    return (a.facts.provider, a.facts.name) == (b.facts.provider, b.facts.name) and a.facts.provider != "train"
