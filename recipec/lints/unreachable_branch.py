"""``unreachable-branch``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._view import View


@lint("unreachable-branch")
class UnreachableBranch(Lint):
    """A branch of a ``case`` whose condition an earlier branch has already.

    The first branch that fits decides, so the later one never does: a class that only it gives is given to no row. It is
    found through ``def`` and ``param``, wherever the ``case`` stands.

    Compilers have had this warning for long (CWE-561, dead code): the second branch is a copy whose condition somebody
    forgot to change, or one that was moved and not removed.

    Bad:

    ```recipe
    source rows = csv("rows.csv") { columns: { topic: text } }
    clean named from rows {
      class = case topic
        when "game" then "games"
        when "sound" then "audio"
        when "game" then "play"
      end
    }
    ```

    Good: every condition once.

    ```recipe
    source rows = csv("rows.csv") { columns: { topic: text } }
    clean named from rows {
      class = case topic when "game" then "games" when "sound" then "audio" end
    }
    ```

    Silence: ``# allow: unreachable-branch because the list is generated``.
    """

    name = "unreachable-branch"
    code = "W310"

    @classmethod
    def find(cls, view: View) -> Iterator[UnreachableBranch]:
        for later, earlier, _ in view.tables.values.dead:
            yield cls(
                span=later,
                message="an earlier branch has this condition already",
                label="never decides",
                also=(Label(earlier, "this one does"),),
                help=("remove the branch, or mend its condition",),
            )
