"""The best one-to-one choice among weighted pairs, sparse and exact."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

Positions = NDArray[np.int64]


def best_assignment(rows: Positions, columns: Positions, weights: NDArray[np.float64]) -> Positions:
    """Choose pairs so that each row and each column is used at most once and the weights sum to the most.

    Parameters
    ----------
    rows, columns : (K,) ndarray of int64
        The two sides of each pair; no pair occurs twice.
    weights : (K,) ndarray of float64
        Weight of each pair, above 0.

    Returns
    -------
    (M,) ndarray of int64
        Positions of the chosen pairs, ascending.

    Notes
    -----
    Pairs that compete with no other are taken at once. The rest is a rectangular assignment in which each row
    can also take a column of its own that weighs nothing, solved by the sparse Jonker–Volgenant algorithm.
    """
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    rest = np.flatnonzero(~alone)
    if len(rest) == 0:
        return np.flatnonzero(alone).astype(np.int64)
    row_ids, r = np.unique(rows[rest], return_inverse=True)
    column_ids, c = np.unique(columns[rest], return_inverse=True)
    n = len(row_ids)
    worst = float(weights[rest].max()) + 1.0
    cost = np.concatenate([worst - weights[rest], np.full(n, worst)])
    every_row = np.concatenate([r, np.arange(n)])
    every_column = np.concatenate([c, len(column_ids) + np.arange(n)])
    graph = csr_array((cost, (every_row, every_column)), shape=(n, len(column_ids) + n))
    taken_rows, taken_columns = min_weight_full_bipartite_matching(graph)
    partner = np.full(n, -1)
    partner[taken_rows] = taken_columns
    chosen = rest[partner[r] == c]
    return np.sort(np.concatenate([np.flatnonzero(alone), chosen])).astype(np.int64)
