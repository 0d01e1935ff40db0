"""Texts that models of this machine wrote, in the ledger beside the answers of servers: a run that was stopped does not write them again.

What a batch gives can depend, in its last bits and by chance where there is a temperature, on all that stands in it. So a text is kept under
the whole unit that it was written in (:meth:`recipec.models._base.Model.each`) and its place there; a unit is in the ledger whole, or is made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError

if TYPE_CHECKING:
    from recipec.models.ledger import Ledger

Unit = tuple[Any, ...]
Text = tuple[str, str, int]
"""(text, why it ended, tokens)"""


class Kept:
    """The texts of one model. ``identity`` is a text that is the same for two runs when the model is. Nothing is opened before it is asked."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.reused = 0
        """Texts that were not written again."""
        self._ledger: Ledger | None = None

    def each(self, method: str, units: Iterable[Unit], make: Callable[[Iterable[Unit]], Iterator[list[Text]]]) -> Iterator[list[Text]]:
        """What ``make`` gives for the units, in their order; it is asked for those that are not kept, and what it gives is kept before it is
        used. The first argument of a unit is the list of its prompts."""
        from recipec.models.ledger import Ledger, LedgerError

        # What is known or awaited of the units that were looked at, in their order.
        order: deque[tuple[list[bytes], list[Text] | None]] = deque()

        def missing() -> Iterator[Unit]:
            for unit in units:
                keys = self.keys(method, unit)
                found = self.find(keys)
                order.append((keys, found))
                if found is None:
                    yield unit

        try:
            if self._ledger is None:
                self._ledger = Ledger(self.folder)
            for made in make(missing()):
                while (found := order[0][1]) is not None:
                    order.popleft()
                    yield found
                keys, _ = order.popleft()
                self.keep(keys, made)
                yield made
        except LedgerError as error:
            raise DataError(str(error)) from None
        while order:
            found = order.popleft()[1]
            assert found is not None
            yield found

    def keys(self, method: str, unit: Unit) -> list[bytes]:
        whole = blake2b(repr((self.identity, method, unit)).encode("utf-8", "surrogatepass"), digest_size=32).digest()
        return [blake2b(whole + place.to_bytes(8, "little"), digest_size=16).digest() for place in range(len(unit[0]))]

    def find(self, keys: list[bytes]) -> list[Text] | None:
        assert self._ledger is not None
        out: list[Text] = []
        for key in keys:
            answer = self._ledger.get(key)
            if answer is None:
                return None
            out.append((answer.text, answer.finish, answer.tokens_out or 0))
        self.reused += len(out)
        return out

    def keep(self, keys: list[bytes], made: list[Text]) -> None:
        from recipec.models.requests import Answer

        assert self._ledger is not None
        found = [(key, Answer(text, finish, None, count, None, "", "")) for key, (text, finish, count) in zip(keys, made, strict=True)]
        # Two units alike may have been on their way together.
        self._ledger.append([(key, answer) for key, answer in found if not self._ledger.has(key)])

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
