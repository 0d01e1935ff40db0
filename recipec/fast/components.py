"""Connected components of a graph whose edges come a block at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Nodes = npt.NDArray[np.int64]


class Components:
    """Nodes ``0 .. count - 1`` in components, each named by its least node.

    Which edges are joined decides the result, their order does not.
    """

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count, dtype=np.int32 if count < 1 << 31 else np.int64)

    def find(self, nodes: Nodes) -> Nodes:
        """The least node of each node's component."""
        roots = self._parent[nodes]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                break
            # Each step doubles the way to the root for those it passes: a chain of a million takes twenty steps.
            roots = self._parent[above]
            self._parent[nodes] = roots
        return roots.astype(np.int64)

    def join(self, left: Nodes, right: Nodes) -> None:
        """Join the components of ``left[i]`` and ``right[i]`` for every ``i``."""
        while True:
            a, b = self.find(left), self.find(right)
            apart = a != b
            if not apart.any():
                return
            left, right, a, b = left[apart], right[apart], a[apart], b[apart]
            # Roots hang under lesser roots only, so that no cycle can arise; what another edge overrode is joined in the next round.
            np.minimum.at(self._parent, np.maximum(a, b), np.minimum(a, b).astype(self._parent.dtype))
