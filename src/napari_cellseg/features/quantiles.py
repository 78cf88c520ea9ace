"""Exact quantiles of many small samples, in compiled code."""

from typing import Any

import numpy as np
from numba import njit

BUCKETS = 256
FEW = 64
"""Up to so many values a sort is quicker than buckets."""
_RATIO = 2.25
"""Between the gaps of a Shell sort (Tokuda 1992)."""


@njit(cache=True, nogil=True)
def quantile_room(most: int) -> Any:
    """Room that `fill_quantiles` works in, for up to so many values: values, buckets, counts."""
    return np.empty(most), np.empty(most, np.uint8), np.empty((2, BUCKETS), np.int64)


@njit(cache=True, nogil=True)
def fill_quantiles(values: Any, low: float, high: float, shares: Any, room: Any, found: Any) -> None:
    """Quantiles of rising shares (at least 1 / `FEW` apart), linear between order statistics.

    Values go into buckets of equal width; only those that share a bucket with a wanted order statistic are
    sorted.
    """
    n, scratch = len(values), room[0]
    scale = BUCKETS / (high - low) if high > low else 0.0
    kept, left_out = n, np.zeros((len(shares), 2), np.int64)
    if n <= FEW or not 1e-290 < scale < 1e290:
        for i in range(n):
            scratch[i] = values[i]
    else:
        kept = _keep_wanted(values, low, scale, shares, room, left_out)
    ordered = scratch[:kept]
    sort_in_place(ordered)
    for i in range(len(shares)):
        at = shares[i] * (n - 1)
        rank = int(at)
        found[i] = ordered[rank - left_out[i, 0]]
        above = ordered[min(rank + 1, n - 1) - left_out[i, 1]]
        found[i] += (at - rank) * (above - found[i])


@njit(cache=True, nogil=True)
def _find_buckets(values: Any, low: float, scale: float, buckets: Any) -> None:
    """No branches and nothing that depends on the value before, for a vector unit."""
    for i in range(len(values)):
        buckets[i] = np.uint8(min(np.int32((values[i] - low) * scale), np.int32(BUCKETS - 1)))


@njit(cache=True, nogil=True)
def _keep_wanted(values: Any, low: float, scale: float, shares: Any, room: Any, left_out: Any) -> int:
    """How many values are kept in the room; fills how many lower ones are not, for each wanted rank."""
    n = len(values)
    scratch, buckets, counts = room
    _find_buckets(values, low, scale, buckets[:n])
    counts[:] = 0
    for i in range(n):
        counts[0, buckets[i]] += 1
    bucket, seen, left = 0, 0, 0
    for i in range(len(shares)):
        for j in range(2):
            rank = min(int(shares[i] * (n - 1)) + j, n - 1)
            while seen + counts[0, bucket] <= rank:
                seen += counts[0, bucket]
                left += counts[0, bucket] * (1 - counts[1, bucket])
                bucket += 1
            counts[1, bucket] = 1
            left_out[i, j] = left
    kept = 0
    for i in range(n):
        scratch[kept] = values[i]
        kept += counts[1, buckets[i]]
    return kept


@njit(cache=True, nogil=True)
def sort_in_place(values: Any) -> None:
    """Shell sort: quick for the few values that share a bucket, and in bounds for many equal ones."""
    step = 1.0
    while _RATIO * step + 1 < len(values):
        step = _RATIO * step + 1
    while True:
        gap = int(step)
        for i in range(gap, len(values)):
            value, j = values[i], i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        if gap == 1:
            return
        step = max((step - 1) / _RATIO, 1.0)
