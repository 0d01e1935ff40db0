"""Errors are data.

Every finding of every stage is a :class:`Diagnostic`, made by one of its subclasses: one class per kind of mistake,
beside the code that finds it. A subclass names itself (``name``, stable ``code``), and its docstring is the page that
``recipec explain NAME`` prints. Stages collect diagnostics in a :class:`Findings`; only ``report/`` prints them and only
``cli/`` turns them into an exit status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import ClassVar, Literal

from recipec.record import record
from recipec.source import Span

Severity = Literal["error", "warning", "note"]


@record(frozen=True)
class Label:
    """A place in a source and what is to be said of it (may be empty)."""

    span: Span
    text: str = ""


@record(frozen=True)
class Edit:
    """Replace the text of ``span`` by ``text``."""

    span: Span
    text: str


@record(frozen=True)
class Fix:
    """Edits that mend a finding. ``safe`` when they cannot change what a correct reading of the recipe means."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


@record(frozen=True, kw_only=True)
class Diagnostic:
    """One finding. ``span`` is where; ``label`` is what stands under the caret; ``also`` are further places.

    ``help`` lines say what would be right. Subclasses set ``name`` and ``code`` and usually fill ``message`` from typed
    fields in a classmethod or ``__post_init__``.
    """

    name: ClassVar[str] = "error"
    code: ClassVar[str] = "E000"
    severity: ClassVar[Severity] = "error"

    span: Span
    message: str = ""
    label: str = ""
    also: tuple[Label, ...] = ()
    help: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()

    def put(self, **values: object) -> None:
        """Fill fields of the frozen value while it is being made (for ``__post_init__`` of subclasses)."""
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def order(self) -> tuple[object, ...]:
        return (*self.span.order, self.code, self.message)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate a person most likely meant by ``name``, or None.

    Compares without regard to case. A candidate counts when it takes few slips of the hand to get from one to the other (a
    letter left out, added, replaced, or swapped with its neighbour: one of up to five letters, two of up to eight, a third of
    more), when most of its letters are the same (difflib's ratio of at least 0.75, of short names 0.65), or when it starts with the name. In names of
    two or three Chinese characters, where one is a large part, a slip counts if no other candidate is as near.
    """
    pool = list(dict.fromkeys(candidates))
    folded = {c.casefold(): c for c in reversed(pool)}
    low = name.casefold()
    if low in folded or not low:
        return folded.get(low)
    from difflib import SequenceMatcher

    best: list[tuple[int, bool, float, str]] = []
    matcher = SequenceMatcher(b=low)
    for other in folded:
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() < 0.5:
            continue
        most = slips_allowed(low)
        far = slips(low, other, most)
        ratio = matcher.ratio()
        if far <= most or ratio >= (0.75 if len(low) > 3 else 0.65):
            # Letters in another order are likelier than another letter: `aks` is `ask` before it is `abs`.
            best.append((far, sorted(other) != sorted(low), -ratio, other))
    if best:
        best.sort()
        short = len(low) <= 3 and any(wide(c) for c in low)
        if short and len(best) > 1 and best[0][0] == best[1][0]:
            return None
        return folded[best[0][3]]
    starts = [c for c in pool if len(low) >= 3 and c.casefold().startswith(low)]
    return starts[0] if starts else None


def wide(character: str) -> bool:
    """Whether a character is a syllable or a word by itself: Chinese, Japanese, Korean."""
    return "\u2e80" <= character <= "\ud7ff" or "\uf900" <= character <= "\ufaff" or character > "\U0001ffff"


def slips_allowed(name: str) -> int:
    """How many slips of the hand a name may be away from what was meant."""
    size = len(name)
    if size < 3:
        return 1 if size == 2 and any(wide(c) for c in name) else 0
    return 1 if size <= 5 else 2 if size <= 8 else size // 3


def slips(one: str, other: str, most: int) -> int:
    """The least number of letters to leave out, add, replace or swap with their neighbours (optimal string alignment);
    more than ``most`` is ``most + 1``."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row, before_row = row, [i], before
        for j, b in enumerate(other, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before_row[j - 2] + 1)
            row.append(cost)
        before = previous
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def certain(name: str, guess: str, candidates: Iterable[str]) -> bool:
    """Whether ``name`` can only be meant as ``guess``: it differs by one slip (or by its case alone), and from every other
    candidate by more than two. In names of less than three letters, and of three Chinese characters, nothing is certain."""
    low, meant = name.casefold(), guess.casefold()
    if low == meant:
        return True
    if len(low) < 3 or (len(low) < 4 and any(wide(c) for c in low)) or slips(low, meant, 1) > 1:
        return False
    return all(slips(low, c.casefold(), 2) > 2 for c in candidates if c.casefold() != meant)


def alike(name: str, other: str | None) -> bool:
    """Whether two names differ by a slip of the hand: at most a quarter of their letters."""
    import difflib

    return other is not None and difflib.SequenceMatcher(None, name.casefold(), other.casefold()).ratio() >= 0.75


def replace_fix(span: Span, text: str, title: str | None = None, *, safe: bool = True) -> Fix:
    """The commonest fix: other text in one place."""
    return Fix(title or f"replace with `{text}`", (Edit(span, text),), safe)


@record(kw_only=True, frozen=True)
class UnknownName(Diagnostic):
    """Base of all "no such name" findings: suggests the nearest candidate and offers it as a fix."""

    wanted: str
    candidates: tuple[str, ...] = ()

    def suggest(self, message: str, *, listing: str = "") -> None:
        """Fill message, label, help and fix. ``listing`` introduces the list of candidates in the help line."""
        guess = nearest(self.wanted, self.candidates)
        help = list(self.help)
        if listing and self.candidates:
            shown = list(self.candidates[:8])
            more = len(self.candidates) - len(shown)
            help.append(f"{listing}: {', '.join(shown)}" + (f" (+{more})" if more else ""))
        self.put(
            message=message,
            label=f"did you mean `{guess}`?" if guess else self.label,
            help=tuple(help),
            fixes=(replace_fix(self.span, guess, safe=certain(self.wanted, guess, self.candidates)),) if guess else self.fixes,
        )


@record
class Findings:
    """The list that stages append to. A failed stage says so here and returns what it could make."""

    items: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        self.items.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.items.extend(diagnostics)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.items if d.severity == "error"]

    @property
    def sorted(self) -> list[Diagnostic]:
        """By place; the same finding twice is one."""
        unique: dict[tuple[object, ...], Diagnostic] = {}
        for item in self.items:
            unique.setdefault(item.order, item)
        return sorted(unique.values(), key=lambda d: d.order)
