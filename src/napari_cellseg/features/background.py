"""Intensity of the objects over the background around them, channel by channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.intensity import NOT_FINITE, readable_channel
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.quantiles import bucket_counts, fill_quantiles

RING_GAP, RING_WIDTH = 2, 5
"""The ring of background around an object: how far it keeps away from it, and how wide it is, in pixels."""
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
        _measure_rings(objects.labels, intensities, objects.ids, boxes, rows)
        for column, feature in enumerate(FEATURES):
            columns[f"{feature.name}-{channel}" if len(channels) > 1 else feature.name] = rows[:, column]
    return columns


@njit(cache=True, nogil=True)
def _measure_rings(labels: Any, channel: Any, ids: Any, boxes: Any, rows: Any) -> None:
    """Fill background and mean over background of each object."""
    reach, room = RING_GAP + RING_WIDTH, 0
    for i in range(len(ids)):
        height, width = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        room = max(room, (height + 2 * reach) * (width + 2 * reach))
    values, scratch, counts = np.empty(room), np.empty(room), bucket_counts()
    for i in range(len(ids)):
        total, n = 0.0, 0
        for y in range(boxes[i, 0], boxes[i, 2]):
            for x in range(boxes[i, 1], boxes[i, 3]):
                if labels[y, x] == ids[i]:
                    value = float(channel[y, x])
                    if np.isfinite(value):
                        total += value
                        n += 1
        if n > 0:
            rows[i, 0] = _background(labels, channel, ids[i], boxes[i], values, scratch, counts)
            rows[i, 1] = total / n - rows[i, 0]


@njit(cache=True, nogil=True)
def _background(
    labels: Any, channel: Any, label: int, box: Any, values: Any, scratch: Any, counts: Any
) -> Any:
    """Median of the finite background in the ring around an object; NaN where there is none."""
    reach = RING_GAP + RING_WIDTH
    top, left = max(box[0] - reach, 0), max(box[1] - reach, 0)
    height = min(box[2] + reach, labels.shape[0]) - top
    width = min(box[3] + reach, labels.shape[1]) - left
    along = _squares_along_lines(labels, label, top, left, height, width)
    squares = np.empty(width, np.int16)
    n, low, high = 0, np.inf, -np.inf
    for y in range(height):
        squares[:] = 2 * reach * reach
        for other in range(max(y - reach, 0), min(y + reach + 1, height)):
            down = np.int16((other - y) ** 2)
            for x in range(width):
                squares[x] = min(squares[x], np.int16(along[other, x] + down))
        for x in range(width):
            if not RING_GAP**2 < squares[x] <= reach**2 or labels[top + y, left + x] != 0:
                continue
            value = float(channel[top + y, left + x])
            if np.isfinite(value):
                values[n] = value
                n += 1
                low, high = min(low, value), max(high, value)
    median = np.full(1, np.nan)
    if n > 0:
        fill_quantiles(values[:n], low, high, HALF, scratch, counts, median)
    return median[0]


@njit(cache=True, nogil=True)
def _squares_along_lines(labels: Any, label: int, top: int, left: int, height: int, width: int) -> Any:
    """Squared distance of each pixel of a window to the object's nearest pixel in its line, cut off."""
    far = RING_GAP + RING_WIDTH + 1
    squares = np.empty((height, width), np.int16)
    for y in range(height):
        gap = far
        for x in range(width):
            gap = 0 if labels[top + y, left + x] == label else min(gap + 1, far)
            squares[y, x] = gap * gap
        gap = far
        for x in range(width - 1, -1, -1):
            gap = 0 if squares[y, x] == 0 else min(gap + 1, far)
            squares[y, x] = min(squares[y, x], np.int16(gap * gap))
    return squares
