"""Where an export can go beside this machine's disk: what is made here is delivered there, so that no reader ever sees half of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from recipec.mirror._base import Elsewhere, opened

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


class Target(Elsewhere):
    """A place that an export's ``to`` names by its address."""

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


TARGETS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"), ("recipec.mirror.store_target", "StoreTarget")),
    "hf": ("recipec.mirror.hub_target", "HubTarget"),
    **dict.fromkeys(("postgres", "postgresql"), ("recipec.mirror.postgres_target", "PostgresTarget")),
    **dict.fromkeys(("mysql", "mariadb"), ("recipec.mirror.mysql_target", "MysqlTarget")),
}
"""Scheme of an address to the module and class that delivers there; the class is made with the address."""


def target_of(address: str) -> Target | None:
    """The target of an address by its scheme, or None for a scheme that nobody writes to."""
    made: Target | None = opened(address, TARGETS)
    return made
