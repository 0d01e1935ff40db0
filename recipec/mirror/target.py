"""Where an export can go beside this machine's disk: what is made here is delivered there, so that no reader ever sees half of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

Mode = Literal["replace", "append"]
INDEX = "_index.json"
"""The file beside an export's files that lists them."""


@dataclass(frozen=True)
class Delivery:
    """What is to be delivered. ``files`` lie in ``folder``: ``path`` in it, ``size``, ``digest``, and ``rows`` where known. ``before`` has the
    facts that the last deliveries to this place gave, of any recipe of the workspace. ``progress(done, total, what)`` in bytes; it raises
    KeyboardInterrupt after Ctrl-C."""

    folder: Path
    files: Sequence[Mapping[str, Any]]
    mode: Mode
    format: str
    columns: Mapping[str, Mapping[str, str]]
    """Of each part, its columns and their types."""
    single: bool
    message: str
    """What is delivered, in a few words: a commit's message."""
    options: Mapping[str, Any]
    progress: Callable[[int, int | None, str], None]
    note: Callable[[str], None]
    before: Sequence[Mapping[str, Any]] = field(default_factory=list)


class Target(ABC):
    """A place that an export's ``to`` names by its address. Made at ``check``, so making one opens nothing and imports nothing heavy."""

    address: str
    """For people; never with a password or token in it."""
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("", ())
    """The extra that brings its packages, and the modules that must be there."""
    modes: ClassVar[tuple[Mode, ...]] = ("replace", "append")
    options: ClassVar[frozenset[str]] = frozenset()
    """Settings of the export that are for this kind of place alone."""

    @abstractmethod
    def check(self, single: bool, format: str) -> list[tuple[str, str]]:
        """(message, help) for every reason why nothing can be delivered there."""

    @abstractmethod
    def deliver(self, delivery: Delivery) -> Mapping[str, Any]:
        """Deliver, in one step for those who read there; a delivery that was cut off before is gone on with. Returns facts to keep, as JSON
        and without secrets. Raises DataError."""

    @abstractmethod
    def gone(self, facts: Mapping[str, Any]) -> str | None:
        """Why what was delivered is no longer there as it was; None where it is. Asked by runs, never by a plan. Raises DataError where the
        place cannot be reached."""

    @property
    def missing(self) -> str | None:
        """A package that it needs and that is not installed."""
        return next((name for name in self.extra[1] if find_spec(name) is None), None)


TARGETS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"), ("recipec.mirror.store_target", "StoreTarget")),
    "hf": ("recipec.mirror.hub_target", "HubTarget"),
    **dict.fromkeys(("postgres", "postgresql"), ("recipec.mirror.postgres_target", "PostgresTarget")),
    **dict.fromkeys(("mysql", "mariadb"), ("recipec.mirror.mysql_target", "MysqlTarget")),
}
"""Scheme of an address to the module and class that delivers there; the class is made with the address."""


def target_of(address: str) -> Target | None:
    """The target of an address by its scheme, or None for a scheme that nobody writes to."""
    from importlib import import_module

    found = TARGETS.get(address.partition("://")[0].lower())
    if found is None:
        return None
    made: Target = getattr(import_module(found[0]), found[1])(address)
    return made
