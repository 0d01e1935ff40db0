"""Every label step of the Markdown files beside this one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from label_harness import ANSWERS, Case, cases, other_way_round, shown

FOLDER = Path(__file__).parent
CASES = [pytest.param(case, id=case.name) for path in sorted(FOLDER.glob("*.md")) for case in cases(path)]
_SAID = re.compile(r"\s*# (.*)$", re.M)


@pytest.mark.parametrize("case", CASES)
def test_what_it_gives(case: Case, lab: Any) -> None:
    ANSWERS.clear()
    for line in case.files.get("answers", "").splitlines():
        prompt, _, said = line.partition(" =>")
        ANSWERS[prompt] = said.strip().split(" || ")
    if case.wrong:
        wrong(case, lab)
        return
    for threads, turned in ((1, False), (2, True)):
        lab = type(lab)(lab.folder / str(threads))
        lab.folder.mkdir()
        for name, text in case.files.items():
            lab.write(name, other_way_round(name, text) if turned else text)
        fails = {step: text for form, step, text in case.wanted if form == "fails"}
        ran = lab.run(case.text, threads=threads, good=not fails)
        for step, text in fails.items():
            assert text in ran.error(step)
        for form, about, text in case.wanted:
            if form == "is":
                found = ["|".join(shown(v) for v in row) for row in ran.rows(about)]
                assert found == text.splitlines(), about
            elif form == "dropped":
                assert ran.dropped(about) == {k: int(n) for k, n in (line.rsplit(": ", 1) for line in text.splitlines())}
            elif form == "says":
                built = ran[about].built
                assert built is not None
                for line in text.splitlines():
                    assert any(line in note for note in built.notes), built.notes


def wrong(case: Case, lab: Any) -> None:
    for name, text in case.files.items():
        lab.write(name, text)
    wanted = [(n, m[1]) for n, line in enumerate(case.text.splitlines(), 1) if (m := _SAID.search(line))]
    found = lab.check(_SAID.sub("", case.text))
    said = [(d.span.place[0], d.message, d.label, *d.help) for d in found]
    for line, text in wanted:
        assert any(place == line and any(text in str(t) for t in told) for place, *told in said), (line, text, said)
    assert len(said) == len(wanted), said
