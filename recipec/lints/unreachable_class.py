"""``unreachable-class``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._tables import setting
from recipec.lints._view import View
from recipec.syntax import tree


@lint("unreachable-class")
class UnreachableClass(Lint):
    """A class of a label step for which no voter can vote.

    All rules and votes are known to vote for other classes; the rows of this one get a wrong label, or none, and the model that is trained
    on them never says it. Where a voter may vote for anything (a language model, neighbours, a rule whose class is computed), or known
    classes of rows (``gold``) take part in the label, nothing is said.

    Snorkel (Ratner and others, VLDB 2017), whose labelling functions each vote for few classes, lists the classes that each can give as its
    polarity, so that one sees what is missing.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    label mood from rows {
      classes: ["good", "bad", "mixed"]
      when text matches r/great/ => "good"
      when text matches r/awful/ => "bad"
    }
    ```

    Good: a rule for every class.

    ```recipe
    source rows = csv("rows.csv") { columns: { text: text } }
    label mood from rows {
      classes: ["good", "bad", "mixed"]
      when text matches r/great/ => "good"
      when text matches r/awful/ => "bad"
      when text matches r/so-so/ => "mixed"
    }
    ```

    Silence: ``# allow: unreachable-class because people label it later``.
    """

    name = "unreachable-class"
    code = "W323"

    @classmethod
    def find(cls, view: View) -> Iterator[UnreachableClass]:
        for step in view.steps:
            if step.bound.traits.reads_label:
                continue
            for made in step.bound.made or ():
                listed = setting(step, "classes") or setting(step, "tags")
                if made.reached is None or made.classes is None or listed is None:
                    continue
                items = listed.value.items if isinstance(listed.value, tree.ListExpr) else ()
                places = {i.id if isinstance(i, tree.Name) else getattr(i, "value", None): i.span for i in items}
                voters = [s for s in step.entry.node.body if isinstance(s, tree.When) or (isinstance(s, tree.Op) and s.vote)]
                for name in made.classes:
                    if name in made.reached:
                        continue
                    yield cls(
                        span=places.get(name, listed.value.span),
                        message=f'no voter can vote for "{name}"',
                        label="no row will get it",
                        also=(Label(voters[0].span, "the voters begin here"),) if voters else (),
                        help=(f'add a rule: when ... => "{name}"', "or leave the class out"),
                    )
