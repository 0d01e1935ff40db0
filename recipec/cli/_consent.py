"""Asking a person before the recipe's own code is executed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.resolve.program import Program
    from recipec.trust import OwnCode


@contextmanager
def consent(program: Program, only: Sequence[str], given: bool, screen: Terminal) -> Iterator[None]:
    """For as long as this lasts the code of a recipe's own may run, where it is trusted: by the user's list, by ``given`` (``--trust``), or
    because a person who is shown it says so. It is said first what will run. Raises DataError where nobody trusts it."""
    wanted = {s.name for s in (program.above(only) if only else program.steps)}
    codes = [c for c in program.own_code.values() if c.step in wanted]
    if not codes:
        yield
        return
    from recipec import trust

    if not given and (unknown := trust.untrusted(codes)):
        answer = ask(unknown, screen)
        if answer in ("a", "always"):
            for folder in sorted({c.file.parent for c in unknown}):
                trust.add(folder)
        given = answer in ("y", "yes")
    with trust.consented(codes, given, program.folder, program.root.source.path):
        some = ", ".join(map(str, codes[:4])) + (f" and {len(codes) - 4} more" if len(codes) > 4 else "")
        screen.line(f"runs code of the recipe's own: {some}")
        yield


def ask(codes: Sequence[OwnCode], screen: Terminal) -> str:
    """What a person answers; nothing where there is nobody to ask."""
    if not screen.live or not sys.stdin.isatty():
        return ""
    from recipec.trust import real

    folders = sorted({str(real(c.file.parent)) for c in codes})
    screen.line("This recipe runs code that lies beside it. It can do all that you can:")
    for code in codes:
        screen.line(f"  {real(code.file)}: {code}")
    screen.write(f"Run it? [y]es for this run, [a]lways from {' and '.join(folders)}, [N]o: ")
    screen.finish()
    return sys.stdin.readline().strip().casefold()
