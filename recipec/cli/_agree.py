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
    be asked, the run ends. What an unknown sum may be is more than any: a person is asked too, once for a model; but of a server on
    this machine or its network, where models are usually free, it is only said (``say``).
    """

    def __init__(
        self, above: float, ask: Callable[[str], bool] | None, again: str, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self.above, self.ask, self.again, self.say = above, ask, again, say
        self.unasked = 0.0
        self.told: set[str] = set()
        """Models of unknown cost that people know of."""

    def __call__(self, step: str, estimate: Estimate) -> None:
        if not estimate.calls:
            return
        who = f"`{step}`" + (f" ({estimate.name})" if estimate.name else "")
        calls = f"{who} will make {plural(estimate.calls, 'call')} of `{estimate.model}`"
        # A budget bounds what nothing else does.
        usd = estimate.usd if estimate.usd is not None else estimate.usd_at_most
        if usd is None:
            self.unknown(step, estimate, f"{calls}, and what they cost is not known: {estimate.why}")
            return
        self.unasked += usd
        if self.unasked <= self.above:
            return
        before = self.unasked - usd
        more = f", beside {dollars(before)} of this run before" if before else ""
        self.agreed(
            step, estimate, f"{calls}, {cost_words(estimate)}{more}", f"; that is above {dollars(self.above)}", " (or --ask-above USD)"
        )
        self.unasked = 0.0

    def unknown(self, step: str, estimate: Estimate, words: str) -> None:
        if estimate.model in self.told:
            return
        self.told.add(estimate.model)
        if estimate.near:
            self.say(f"{words} (price_in: 0  price_out: 0 where it is free)")
        else:
            self.agreed(step, estimate, words, "", "; or say what it costs: price_in, price_out, or a file: prices")

    def agreed(self, step: str, estimate: Estimate, words: str, why: str, else_: str) -> None:
        """Go on where a person says so."""
        if self.ask is None:
            raise CannotRun(f"{words}{why}", f"to go on: {self.again} --yes{else_}")
        if not self.ask(f"{words}. Go on?"):
            raise CannotRun(
                f"stopped before `{step}`: nothing was asked of `{estimate.model}`, and every finished step is kept",
                f"to go on: {self.again}",
            )


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
