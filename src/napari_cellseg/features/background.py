"""Intensity of the objects over the background around them, channel by channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.intensity import ANY_ORDER, NOT_FINITE, compact, extremes, readable_channel
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.quantiles import fill_quantiles, quantile_room

RING_GAP, RING_WIDTH = 2, 5
"""The ring of background around an object: how far it keeps away from it, and how wide it is, in pixels."""
REACH = RING_GAP + RING_WIDTH
HALF = np.array([0.5])

FEATURES = (
    Feature(
        name="intensity_background",
        group="background",
        quantity="intensity",
        dtype="float64",
        dims=(2,),
        definition="Median of the background around the object.",
        formula=f"median of I over background, beyond {RING_GAP} and up to {RING_GAP + RING_WIDTH} px away",
        source="Local background, as in aperture photometry (Howell 1989)",
        default=False,
        note=f"Distances are in pixels. NaN where the ring holds no background. {NOT_FINITE}",
    ),
    Feature(
        name="intensity_over_background",
        group="background",
        quantity="intensity",
        dtype="float64",
        dims=(2,),
        definition="Mean intensity minus the median of the background around the object.",
        formula="intensity_mean − intensity_background",
        source="Local background, as in aperture photometry (Howell 1989)",
        default=False,
        note=f"NaN where the ring holds no background. {NOT_FINITE}",
    ),
)


def background(objects: Objects, image: NDArray[Any], channels: Sequence[str] = ("",)) -> Columns:
    """Measure the background group; columns as in `FEATURES`. Parameters as of `intensity`, in a plane.

    Beside the result, memory is that of the largest object with its surroundings.
    """
    columns: Columns = {}
    boxes = np.ascontiguousarray(objects.boxes)
    for place, channel in enumerate(channels):
        rows = np.full((len(objects), len(FEATURES)), np.nan)
        intensities = readable_channel(image[..., place])[0]
        _measure_rings(objects.labels, intensities, objects.ids.astype(objects.labels.dtype), boxes, rows)
        for column, feature in enumerate(FEATURES):
            columns[f"{feature.name}-{channel}" if len(channels) > 1 else feature.name] = rows[:, column]
    return columns


@njit(cache=True, nogil=True)
def _measure_rings(labels: Any, channel: Any, ids: Any, boxes: Any, rows: Any) -> None:
    """Fill background and mean over background of each object."""
    room = 0
    for i in range(len(ids)):
        height, width = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        room = max(room, (height + 2 * REACH) * (width + 2 * REACH))
    values, scratch = np.empty(room + 1), quantile_room(room)
    free, layers = np.empty(room, np.uint8), np.empty((REACH + 1) * room, np.uint8)
    median = np.empty(1)
    for i in range(len(ids)):
        line = boxes[i, 3] - boxes[i, 1] + 2 * REACH
        size = (boxes[i, 2] - boxes[i, 0] + 2 * REACH) * line
        masks = layers[: (REACH + 1) * size].reshape(REACH + 1, size)
        masks[:] = 0
        free[:size] = 0
        mean = _cut_out(labels, channel, ids[i], boxes[i], line, masks[0], free, values)
        _widen_along_lines(masks)
        _leave_ring(masks, line, free[:size])
        n = compact(free[:size], values, values)
        if n > 0 and not np.isnan(mean):
            low, high = extremes(values[:n])
            fill_quantiles(values[:n], low, high, HALF, scratch, median)
            rows[i, 0], rows[i, 1] = median[0], mean - median[0]


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _cut_out(
    labels: Any, channel: Any, label: Any, box: Any, line: int, mask: Any, free: Any, values: Any
) -> float:
    """Mask of an object, mask of the background, and intensities, of its box with a margin; its mean."""
    count, total = 0, 0.0
    left, right = np.uint64(max(box[1] - REACH, 0)), np.uint64(min(box[3] + REACH, labels.shape[1]))
    top, bottom = np.uint64(max(box[0] - REACH, 0)), np.uint64(min(box[2] + REACH, labels.shape[0]))
    for y in range(top, bottom):
        at = np.uint64((np.int64(y) - box[0] + REACH) * line + np.int64(left) - box[1] + REACH)
        for x in range(left, right):
            finite, own = np.isfinite(channel[y, x]), labels[y, x] == label
            value = float(channel[y, x])
            mask[at + (x - left)], free[at + (x - left)] = own, finite & (labels[y, x] == 0)
            values[at + (x - left)] = value
            count += own & finite
            total += value if own & finite else 0.0
    return total / count if count > 0 else np.nan


@njit(cache=True, nogil=True)
def _widen_along_lines(masks: Any) -> None:
    """Into the mask k what is up to k pixels away from the object in its line; the margin holds it all."""
    for k in range(1, len(masks)):
        before = masks[k - 1]
        _join_shifted(before[1:-1], before[:-2], before[2:], masks[k, 1:-1])


@njit(cache=True, nogil=True)
def _join_shifted(middle: Any, left: Any, right: Any, wider: Any) -> None:
    for i in range(len(wider)):
        wider[i] = middle[i] | left[i] | right[i]


@njit(cache=True, nogil=True)
def _leave_ring(masks: Any, line: int, free: Any) -> None:
    """Take out of `free` what is too near to the object, and what is too far."""
    near, reached = np.zeros(len(free), np.uint8), np.zeros(len(free), np.uint8)
    for radius, disc in ((RING_GAP, near), (REACH, reached)):
        for down in range(-radius, radius + 1):
            along = int(np.sqrt(radius * radius - down * down))
            first, last = max(down * line, 0), len(free) + min(down * line, 0)
            _join(masks[along, first - down * line : last - down * line], disc[first:last])
    for i in range(len(free)):
        free[i] &= reached[i] & (1 ^ near[i])


@njit(cache=True, nogil=True)
def _join(mask: Any, disc: Any) -> None:
    for i in range(len(disc)):
        disc[i] |= mask[i]
