"""Where each key's answer stands: sorted numpy arrays, 24 bytes a key, and a small dictionary of the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sorted = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]

OFFSET_BITS = 48
"""Of the 64 bits of a place: the offset in its segment; the upper 16 are the segment's number."""
MERGE_AT = 1 << 16
"""New keys in the dictionary before they are merged into the arrays. A dictionary's key takes ten times the room."""


class KeyIndex:
    """Keys of 16 bytes and their places (segment, offset). Of several places of one key the first added holds."""

    def __init__(self) -> None:
        self._new: dict[bytes, int] = {}
        self._sorted: Sorted | None = None

    def __len__(self) -> int:
        return len(self._new) + (0 if self._sorted is None else len(self._sorted[0]))

    def find(self, key: bytes) -> tuple[int, int] | None:
        # Merging, in another thread, puts keys into the arrays before it takes them out of the dictionary.
        new = self._new
        place = self._search(key)
        if place is None:
            place = new.get(key)
        return None if place is None else (place >> OFFSET_BITS, place & ((1 << OFFSET_BITS) - 1))

    def add(self, keys: Sequence[bytes], segment: int, offsets: Sequence[int]) -> None:
        base = segment << OFFSET_BITS
        for key, offset in zip(keys, offsets, strict=True):
            if self._search(key) is None:
                self._new.setdefault(key, base | offset)
        # Merging copies all that is sorted, so it waits for more the more there is: each key is copied a few times in all.
        if len(self._new) >= max(MERGE_AT, len(self) // 8):
            self._merge()

    def add_many(self, keys: NDArray[np.uint8], segment: int, offsets: NDArray[np.int64]) -> None:
        """The same for keys as rows of 16 bytes."""
        import numpy as np

        self._merge()
        words: Any = keys.view(">u8").astype(np.uint64).reshape(-1, 2)
        self._insert(words[:, 0], words[:, 1], offsets.astype(np.uint64) | np.uint64(segment << OFFSET_BITS))

    def _search(self, key: bytes) -> int | None:
        if self._sorted is None:
            return None
        high, low, places = self._sorted
        wanted_high, wanted_low = int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")
        at = int(high.searchsorted(high.dtype.type(wanted_high)))
        while at < len(high) and int(high[at]) == wanted_high:
            if int(low[at]) == wanted_low:
                return int(places[at])
            at += 1
        return None

    def _merge(self) -> None:
        import numpy as np

        if self._new:
            words: Any = np.frombuffer(b"".join(self._new), dtype=">u8").astype(np.uint64).reshape(-1, 2)
            places: Any = np.fromiter(self._new.values(), dtype=np.uint64, count=len(self._new))
            self._insert(words[:, 0], words[:, 1], places)
            self._new = {}

    def _insert(self, high: Any, low: Any, places: Any) -> None:
        import numpy as np

        if self._sorted is not None:
            high = np.concatenate([self._sorted[0], high])
            low = np.concatenate([self._sorted[1], low])
            places = np.concatenate([self._sorted[2], places])
        # Stable: of one key the first added comes first, and it alone is kept.
        order = np.lexsort((low, high))
        high, low, places = high[order], low[order], places[order]
        again = np.zeros(len(high), bool)
        again[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        self._sorted = (high[~again], low[~again], places[~again])
