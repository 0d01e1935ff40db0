"""``license-conflict``"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.api import lint
from recipec.diagnostics import Label
from recipec.lints._base import Lint
from recipec.lints._tables import setting
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.resolve.values import BrokenName, NotAConstant, constant

DEDICATED = frozenset({"CC0-1.0", "PDDL-1.0", "UNLICENSE", "0BSD"})
"""Ask for nothing, and promise their reader that nothing is asked."""
NAMING = frozenset(
    {"CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "ODC-BY-1.0", "MIT", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "APACHE-2.0", "ISC"}
)
"""Ask that the authors be named, or their notice kept."""
ALIKE: dict[str, frozenset[str]] = {
    "CC-BY-SA-3.0": frozenset({"CC-BY-SA-3.0", "CC-BY-SA-4.0"}),
    "CC-BY-SA-4.0": frozenset({"CC-BY-SA-4.0", "GPL-3.0", "GPL-3.0-ONLY"}),
    "ODBL-1.0": frozenset({"ODBL-1.0"}),
    "CC-BY-NC-SA-3.0": frozenset({"CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0"}),
    "CC-BY-NC-SA-4.0": frozenset({"CC-BY-NC-SA-4.0"}),
}
"""Ask that what is made of them be under the same licence; the licences that count as the same (Creative Commons' own list of
compatible licences, and the "later version" clause of 3.0)."""
COPYLEFT = frozenset({"GPL-2.0", "GPL-2.0-ONLY", "GPL-3.0", "GPL-3.0-ONLY", "AGPL-3.0", "AGPL-3.0-ONLY", *ALIKE})
FREE = DEDICATED | NAMING | {k for k in COPYLEFT if "-NC" not in k}
"""Allow use for money."""


@lint("license-conflict")
class LicenseConflict(Lint):
    """The recipe publishes its rows under a licence that a source's licence does not allow.

    The source says ``license:``, the header says the data set's. In conflict are:

    | the source | and a data set under |
    |---|---|
    | not for money (CC-BY-NC-...) | a licence that allows use for money |
    | share alike (CC-BY-SA, ODbL, CC-BY-NC-SA) | any licence but the same, or one that it names as compatible |
    | no derivatives (...-ND) | any: cleaned rows are a derivative |
    | name the authors (CC-BY, ODC-By, MIT, Apache-2.0, BSD) | CC0, PDDL, Unlicense, 0BSD, which ask for no names |

    Licences are written as in the SPDX list, in any case; of others nothing is said. Only sources count whose rows are
    written by an ``export``, not those that are only compared with. This is no legal advice.

    Longpre and others (A large-scale audit of dataset licensing and attribution in AI, Nature Machine Intelligence 6, 2024)
    traced over 1,800 text data sets: on the sites that host them, licences were left out in more than 70 % and wrong in more
    than 50 % of cases.

    Bad:

    ```recipe
    recipe "qa" { license: "MIT" }
    source squad = jsonl("squad.jsonl") {
      license: "CC-BY-SA-4.0"
      columns: { question: text, answer: text }
    }
    export out from squad { to: "build/qa"  format: jsonl() }
    ```

    Good:

    ```recipe
    recipe "qa" { license: "CC-BY-SA-4.0" }
    source squad = jsonl("squad.jsonl") {
      license: "CC-BY-SA-4.0"
      columns: { question: text, answer: text }
    }
    export out from squad { to: "build/qa"  format: jsonl() }
    ```

    Silence: ``# allow: license-conflict because the authors agreed in writing``.
    """

    name = "license-conflict"
    code = "W308"

    @classmethod
    def find(cls, view: View) -> Iterator[LicenseConflict]:
        wanted = view.program.header.license
        if not wanted:
            return
        published = {a.name for w in view.writers for a in view.ancestors(w.name)}
        for step in view.steps:
            if step.inputs or step.name not in published:
                continue
            given = license_of(step)
            why = conflict(given, wanted) if given else None
            written = setting(step, "license")
            if why is None or written is None:
                continue
            header = view.program.root.file.header
            yield cls(
                span=written.value.span,
                message=f"`{step.entry.node.name.id}` is under {given}, the data set under {wanted}: {why}",
                also=(Label(header.name.span, f"published under {wanted}"),) if header is not None else (),
                help=("choose a licence that the source allows, or leave the source out",),
            )


def license_of(step: ResolvedStep) -> str:
    """A source's ``license:``, empty where it says none."""
    written = setting(step, "license")
    if written is None:
        return ""
    try:
        value = constant(written.value, step.entry.module.param)
    except (NotAConstant, BrokenName):
        return ""
    return str(value)


def conflict(source: str, dataset: str) -> str | None:
    """Why rows under the licence ``source`` cannot go into a data set under ``dataset``; None where they can, or where nothing
    is known of one of the two."""
    a, b = source.strip().upper(), dataset.strip().upper()
    known = FREE | ALIKE.keys()
    if b not in known and not b.startswith("CC-BY-"):
        return None
    if a.startswith("CC-BY") and a.split("-")[-2:-1] == ["ND"]:
        return "it allows no changed copies"
    if a == b:
        return None
    if a.startswith("CC-BY-NC") and b in FREE:
        return "it allows no use for money"
    if a in ALIKE and b not in ALIKE[a]:
        return "what is made of it must be under the same licence"
    if a in NAMING and b in DEDICATED:
        return "its authors must be named"
    return None
