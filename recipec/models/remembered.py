"""Vectors of models that run here, kept in the workspace: a text is embedded once, whatever steps and voters of whatever run want its vector.

    .recipec/vectors/vectors-<model>-0001.bin

The file's name stands for all that decides a model's vectors (its files and its arguments), a record's key for the text. They are kept as
those of servers are (:class:`recipec.models.vectors.Store`): 4 bytes a number on disk, 24 bytes a text in memory. They can be removed at any
time; ``recipec gc`` removes those of models that no recipe has any more. Since vectors are written while a step runs, one that was stopped
goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError

if TYPE_CHECKING:
    import numpy as np

    from recipec.models.vectors import Store

    Matrix = np.ndarray[Any, Any]

FOLDER = "vectors"
PIECE = 8192
"""Texts embedded between two writes."""


class Remembered:
    """The vectors of one model. ``identity`` is a text that is the same for two runs when the model is. Nothing is read before it is asked."""

    def __init__(self, workspace: Path, identity: str) -> None:
        self.folder, self.name = workspace / FOLDER, name_of(identity)
        self._store: Store | None = None

    def embed(
        self, texts: Sequence[str], compute: Callable[[Sequence[str], Callable[[int], None]], Matrix], progress: Callable[[int], None]
    ) -> Matrix:
        """One vector a text: those that are kept, and those of the others, which ``compute`` makes and which are kept then."""
        import numpy as np

        from recipec.models.ledger import LedgerError
        from recipec.models.vectors import Store

        if not texts:
            return compute(texts, progress)
        keys = {text: blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in dict.fromkeys(texts)}
        try:
            if self._store is None:
                self._store = Store(self.folder, self.name)
            store = self._store
            missing = [text for text, key in keys.items() if not store.has(key)]
            done = len(keys) - len(missing)
            for start in range(0, len(missing), PIECE):
                part = missing[start : start + PIECE]
                made = np.ascontiguousarray(compute(part, partial(told, progress, done)), "<f4")
                store.add([(keys[text], row.tobytes()) for text, row in zip(part, made, strict=True)])
                done += len(part)
            return store.get([keys[text] for text in texts])
        except LedgerError as error:
            raise DataError(str(error), f"the vectors in {self.folder} can be removed: they are made again") from None

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def told(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


def name_of(identity: str) -> str:
    """What stands for a model in the name of its file."""
    return blake2b(identity.encode(), digest_size=8).hexdigest()


def sweep(workspace: Path, identities: Collection[str]) -> None:
    """Remove the vectors of all models but these."""
    kept = {name_of(identity) for identity in identities}
    for path in (workspace / FOLDER).glob("vectors-*-[0-9][0-9][0-9][0-9].*"):
        if path.name.split("-")[1] not in kept:
            path.unlink()


__all__ = ["Remembered", "sweep"]
