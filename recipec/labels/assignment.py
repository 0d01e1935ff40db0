"""The assignment of rows to columns with the greatest sum.

H. W. Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics Quarterly 2 (1955), as shortest
augmenting paths: cubic in the size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def assignment(gains: npt.NDArray[np.float64]) -> list[int]:
    """The column of each row of a square matrix, each column once, with the greatest sum of gains."""
    n = len(gains)
    cost = -gains
    row_price, column_price = np.zeros(n + 1), np.zeros(n + 1)
    row_of = np.full(n + 1, -1)
    """The row that has a column; the last column is the one each new row starts from."""
    for row in range(n):
        row_of[n], column = row, n
        slack, via, used = np.full(n, np.inf), np.full(n, n), np.zeros(n + 1, bool)
        while row_of[column] != -1:
            used[column] = True
            here = row_of[column]
            open_ = ~used[:n]
            reduced = cost[here] - row_price[here] - column_price[:n]
            better = open_ & (reduced < slack)
            slack[better], via[better] = reduced[better], column
            following = int(np.where(open_, slack, np.inf).argmin())
            step = slack[following]
            row_price[row_of[used]] += step
            column_price[used] -= step
            slack[open_] -= step
            column = following
        while column != n:
            row_of[column] = row_of[via[column]]
            column = int(via[column])
    out = [0] * n
    for column in range(n):
        out[int(row_of[column])] = column
    return out
