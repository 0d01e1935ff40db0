"""SQL text that remembers which words of the recipe each piece came from."""

from __future__ import annotations

from dataclasses import field

from recipec.record import record
from recipec.source import Span


@record
class Fragment:
    """Pieces of SQL; ``span`` is the recipe's text that they lower, where there is one. Not changed once made."""

    parts: tuple[str | Fragment, ...]
    span: Span | None = None
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = "".join([p if isinstance(p, str) else p.text for p in self.parts])

    def locate(self, position: int) -> Span | None:
        """The innermost span whose SQL covers the character at ``position`` of ``text``."""
        at = 0
        for part in self.parts:
            length = len(part) if isinstance(part, str) else len(part.text)
            if at <= position < at + length:
                if isinstance(part, Fragment):
                    return part.locate(position - at) or self.span
                return self.span
            at += length
        return self.span

    @property
    def simple(self) -> bool:
        """A column, a literal: nothing to compute, so it may be written twice."""
        return len(self.parts) == 1 and isinstance(self.parts[0], str)


def join(*parts: str | Fragment, span: Span | None = None) -> Fragment:
    return Fragment(parts, span)
