"""``name-before-loop``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label, replace_fix
from recipec.lints._base import Lint
from recipec.lints._view import View


@lint("name-before-loop")
class NameBeforeLoop(Lint):
    """A step written above a `repeat` that reads a name which the loop makes anew: it gets the last round's.

    Outside a loop a name means its last round's step, wherever it is written: the order of steps is for the reader. One who reads from above
    to below takes it for the step right there, and a score of "the model before the loop" is then that of the model after it, compared
    with itself. CWE-1109 (use of same variable for multiple purposes) is the same trap in other languages.

    Bad: both measure the last round's model.

    ```recipe
    source seeds = csv("s.csv") { columns: { text: text, label: text } }
    source test = csv("t.csv") { columns: { text: text, label: text } }
    clean more from seeds { keep where text != "" }
    train clf from seeds { task: classify(text => label)  base: scratch() }
    evaluate before from test { model: clf }
    repeat 2 as round {
      train clf from more { task: classify(text => label)  base: clf }
    }
    evaluate after from test { model: clf }
    ```

    Good: `clf@0` is the step from before the loop.

    ```recipe
    source seeds = csv("s.csv") { columns: { text: text, label: text } }
    source test = csv("t.csv") { columns: { text: text, label: text } }
    clean more from seeds { keep where text != "" }
    train clf from seeds { task: classify(text => label)  base: scratch() }
    evaluate before from test { model: clf@0 }
    repeat 2 as round {
      train clf from more { task: classify(text => label)  base: clf }
    }
    evaluate after from test { model: clf }
    ```

    Silence: ``# allow: name-before-loop because the last round is meant``.
    """

    name = "name-before-loop"
    code = "W324"

    @classmethod
    def find(cls, view: View) -> Iterator[NameBeforeLoop]:
        for step in view.steps:
            node = step.entry.node
            if step.entry.repeat is not None:
                continue
            for ref in step.parents:
                made = view.by_name[ref.step].entry
                if made.repeat is None or made.node is node or ref.span is None or "@" in ref.span.text:
                    continue
                loop, first = made.repeat.node, ref.step.rpartition("@")[0] + "@0"
                if first not in view.by_name or loop.span.source is not ref.span.source or ref.span.start > loop.span.start:
                    continue
                name = made.node.name.id
                fixes = (replace_fix(ref.span, f"{name}@0{ref.span.text[len(name) :]}", safe=False),)
                yield cls(
                    span=ref.span,
                    message=f"`{name}` is here the last round's, though it stands above the loop",
                    label=f"`{ref.step}`",
                    also=(Label(made.node.name.span, "made anew in every round"),),
                    help=(f"`{name}@0` is the step from before the loop; to mean the last round's, write this step below it",),
                    fixes=fixes if ref.span.text.startswith(name) else (),
                )
