"""What a place elsewhere must be able to do, so that its contents can be copied and kept up to date."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from recipec.api import DataError, SourceFile


@dataclass(frozen=True)
class Snapshot:
    """A whole copy. ``files`` lie in the mirror's folder; their names are those by which rows are known, so they must depend on the
    place and its contents alone. ``mark`` is what the place said of its contents when they were copied (an ETag, a listing, a log
    position): while it says the same, nothing has changed. ``facts`` are for people and the lock (``revision``, pages that failed):
    JSON, without times."""

    mark: Any
    files: tuple[SourceFile, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetching:
    """What a mirror gets when it copies.

    ``folder`` is its own, and outlives a run that is killed. A file in it is never changed once it has its final name, which therefore
    holds something of its contents (an ETag's hash, a number of the snapshot); a file on its way is called ``*.part``, and may be gone
    on with. What the new snapshot does not name is removed afterwards. ``before`` is the last whole copy. ``progress(done, total,
    what)``: total None where unknown; ``what`` is a few words ("3,100 of 12,000 objects"); it raises KeyboardInterrupt after Ctrl-C,
    so it is called at least once a second. ``note`` says something that people must know, after the copy is whole.
    """

    folder: Path
    before: Snapshot | None
    progress: Callable[[int, int | None, str], None]
    note: Callable[[str], None]


class NoEntry(DataError):
    """A server is not there, or lets nobody in: what else is asked of it now would fail alike."""


class Elsewhere(ABC):
    """A place that a recipe names by its address. Made at ``check``, so making one opens nothing and imports nothing heavy."""

    address: str
    """For people, and for the recipe's diff; never with a password or token in it."""
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("", ())
    """The extra that brings its packages, and the modules that must be there: ``("cloud", ("fsspec",))``."""

    @property
    def missing(self) -> str | None:
        """A package that it needs and that is not installed."""
        from importlib.util import find_spec

        return next((name for name in self.extra[1] if find_spec(name) is None), None)


class Mirror(Elsewhere):
    """A place elsewhere that a reader names."""

    base: Path = Path()
    """The recipe's own folder, for a place that is described by files beside it (a list of addresses)."""

    parallel: ClassVar[bool] = False
    """Whether several of a step may be copied at the same time, each in a thread of its own."""
    server: str = ""
    """What it shares with others of the same server: where one of them met :class:`NoEntry`, the others are not tried."""
    reader: str = ""
    """The name of the reader that reads the copy: what is expected to come."""

    @abstractmethod
    def identity(self) -> Any:
        """What is asked for, as JSON: decides which copy is this one's. No secrets: other credentials give the same contents."""

    @abstractmethod
    def mark(self, before: Snapshot) -> Any:
        """What the place says now of its contents, quickly and without reading them. ``unchanged`` tells whether they are those that were
        copied; where that cannot be told, None. Raises DataError when it cannot be reached."""

    @abstractmethod
    def fetch(self, ctx: Fetching) -> Snapshot:
        """Make a whole copy, reading again only what changed. Raises DataError (a clear message, and what to do)."""

    def unchanged(self, before: Snapshot, mark: Any) -> bool:
        """Whether ``mark``, what the place says now, is said of the contents that were copied."""
        return mark is not None and mark == before.mark

    def news(self, before: Snapshot, mark: Any) -> str:
        """What has changed since a copy, in words for ``plan --online`` ("3 objects changed"); ``mark`` is what the place says now."""
        return "changed" if mark is not None else "may have changed (it does not say)"

    def pin(self, facts: Mapping[str, Any]) -> None:
        """Copy what a lock's facts say rather than what is there now, where the place keeps what it had."""

    @property
    def key(self) -> str:
        """The name of its folder."""
        from recipec.plan.fingerprint import digest

        return digest([type(self).__name__, self.identity()])


OPENERS: dict[str, tuple[str, str]] = {
    "http": ("recipec.mirror.http", "HttpMirror"),
    "https": ("recipec.mirror.http", "HttpMirror"),
    "hf": ("recipec.mirror.hub", "HubMirror"),
    **dict.fromkeys(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"), ("recipec.mirror.objects", "ObjectMirror")),
}
"""Scheme of an address to the module and class that copies from there: ``"https": ("recipec.mirror.http", "HttpMirror")``. The class is
made with the address."""


def is_remote(path: str) -> bool:
    """Whether a source's path is an address."""
    return "://" in path[:24] and not path.startswith(("/", "."))


def opened(address: str, known: Mapping[str, tuple[str, str]]) -> Any:
    """What is made of an address by the module and class of its scheme; None for a scheme that is not among the known."""
    from importlib import import_module

    found = known.get(address.partition("://")[0].lower())
    return None if found is None else getattr(import_module(found[0]), found[1])(address)


def mirror_of(address: str) -> Mirror | None:
    """The mirror of an address by its scheme, or None for a scheme that nobody knows. Raises DataError for one that holds a secret."""
    from recipec.mirror._address import secret_in

    if (secret := secret_in(address)) is not None:
        raise DataError(*secret)
    made: Mirror | None = opened(address, OPENERS)
    return made


def schemes() -> Iterator[str]:
    yield from sorted(OPENERS)
