"""What a check found, as a value that can be asked, printed and shown in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from recipec.diagnostics import Diagnostic

if TYPE_CHECKING:
    from recipec.report.terminal import Terminal


class Checked(Sequence[Diagnostic]):
    """The findings of a recipe by place, each with ``name``, ``severity``, ``message``, ``span`` and ``fixes``.

    True when there are any, as with every sequence; ``ok`` says that nothing keeps the recipe from running.
    """

    def __init__(self, path: str, findings: Iterable[Diagnostic]) -> None:
        self.path, self._found = path, tuple(findings)

    @overload
    def __getitem__(self, at: int) -> Diagnostic: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Diagnostic]: ...
    def __getitem__(self, at: int | slice) -> Diagnostic | Sequence[Diagnostic]:
        return self._found[at]

    def __len__(self) -> int:
        return len(self._found)

    @property
    def errors(self) -> list[Diagnostic]:
        """What keeps the recipe from running."""
        return [d for d in self._found if d.severity == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [d for d in self._found if d.severity == "warning"]

    @property
    def ok(self) -> bool:
        return not self.errors

    def data(self) -> list[dict[str, Any]]:
        """The findings as ``recipec check --format json`` gives them."""
        import json

        from recipec.face.html import paper
        from recipec.report.formats import Report, render

        made: list[dict[str, Any]] = json.loads(render("json", Report(list(self._found), [self.path], 0.0, 0), paper()))
        return made

    def __str__(self) -> str:
        import io

        from recipec.report.terminal import Terminal

        return self._text(Terminal(io.StringIO()))

    def __repr__(self) -> str:
        return f"<Checked {self.path}: {self._summary()}>"

    def _repr_html_(self) -> str:
        from recipec.face.html import paper, pre

        return pre(self._text(paper()))

    def _text(self, terminal: Terminal) -> str:
        from recipec.report.text import finding

        if not self._found:
            return terminal.paint("good", self._summary())
        return "\n".join(finding(d, terminal) for d in self._found) + f"\n{self._summary()}"

    def _summary(self) -> str:
        from recipec.report.text import summary

        return summary(self._found) if self._found else "nothing to report"
