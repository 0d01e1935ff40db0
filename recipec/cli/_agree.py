"""Asking a person before money is spent."""

from __future__ import annotations

import sys
from collections.abc import Callable

from recipec.api import Estimate
from recipec.cli._errors import CannotRun
from recipec.report.costs import cost_words, dollars, plural
from recipec.report.terminal import Terminal

ASK_ABOVE = 1.0
"""Dollars that a run may spend without asking, where nobody says otherwise."""
LISTEN = 0.1
"""Seconds between two looks at whether the run was stopped while a person thinks."""


class Agreement:
    """Told by the runner, before the calls of a step begin, what they are expected to cost. ``above`` is in US dollars.

    What a run is expected to spend is added up; above the sum a person is asked, and a yes lets as much through again. Where nobody can
    be asked, the run ends. Calls whose price is unknown are let through: there is no sum to compare, and ``plan`` says so.
    """

    def __init__(self, above: float, ask: Callable[[str], bool] | None, again: str) -> None:
        self.above, self.ask, self.again = above, ask, again
        self.unasked = 0.0

    def __call__(self, step: str, estimate: Estimate) -> None:
        if not estimate.usd:
            return
        self.unasked += estimate.usd
        if self.unasked <= self.above:
            return
        who = f"`{step}`" + (f" ({estimate.name})" if estimate.name else "")
        calls = f"{who} will make {plural(estimate.calls or 0, 'call')} of `{estimate.model}`, {cost_words(estimate)}"
        before = self.unasked - estimate.usd
        more = f", beside {dollars(before)} of this run before" if before else ""
        if self.ask is None:
            raise CannotRun(f"{calls}{more}; that is above {dollars(self.above)}", f"to go on: {self.again} --yes (or --ask-above USD)")
        if not self.ask(f"{calls}{more}. Go on?"):
            raise CannotRun(
                f"stopped before `{step}`: nothing was asked of `{estimate.model}`, and every finished step is kept",
                f"to go on: {self.again}",
            )
        self.unasked = 0.0


def asker(screen: Terminal, check: Callable[[], None]) -> Callable[[str], bool] | None:
    """A function that asks a question on the terminal; None where there is nobody to ask. ``check`` raises when the run is to stop."""
    if not screen.live or not sys.stdin.isatty():
        return None

    def ask(question: str) -> bool:
        screen.write(f"{question} [y/N] ")
        screen.finish()
        answer = heard(check)
        return answer.strip().casefold() in ("y", "yes")

    return ask


def heard(check: Callable[[], None]) -> str:
    """A line from the terminal. Ctrl-C is heard while waiting."""
    if sys.platform == "win32":
        return sys.stdin.readline()
    import select

    while not select.select([sys.stdin], [], [], LISTEN)[0]:
        check()
    return sys.stdin.readline()
