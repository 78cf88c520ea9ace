"""Intensity of the objects, channel by channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.feature import Columns, Feature, Quantity
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.pixels import native_pixels
from napari_cellseg.features.quantiles import bucket_counts, fill_quantiles

SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])

NOT_FINITE = "Pixels that are NaN or infinite are left out; NaN where none is left."


def _feature(
    name: str,
    definition: str,
    formula: str,
    *,
    source: str = "",
    quantity: Quantity = "intensity",
    dims: tuple[int, ...] = (2, 3),
    default: bool = False,
    note: str = "",
) -> Feature:
    return Feature(
        name=name,
        group="intensity",
        quantity=quantity,
        dtype="float64",
        dims=dims,
        definition=definition,
        formula=formula,
        source=source or f"scikit-image `{name}`",
        default=default,
        note=f"{note} {NOT_FINITE}".strip(),
    )


def _quantile_feature(percent: int) -> Feature:
    return _feature(
        f"intensity_q{percent:02d}",
        f"Intensity below which {percent} % of the object's pixels are.",
        f"Q({percent / 100:g}), linear between order statistics",
        source="Hyndman & Fan 1996, definition 7; NumPy `quantile`",
    )


def _centroid_feature(axis: int) -> Feature:
    return _feature(
        f"centroid_weighted-{axis}",
        f"Centroid along axis {axis}, each pixel weighted by its intensity.",
        f"Σ I·x_{axis} / Σ I",
        quantity="length",
        dims=(2, 3) if axis < 2 else (3,),
        note="NaN where the intensities sum to 0.",
    )


FEATURES = (
    _feature("intensity_mean", "Mean intensity of the object's pixels.", "μ = Σ I / N", default=True),
    _feature(
        "intensity_std",
        "Standard deviation of the object's intensities.",
        "σ = √(Σ (I − μ)² / N)",
        default=True,
        note="Of the pixels themselves (divided by N, not N − 1), as in scikit-image.",
    ),
    _feature("intensity_min", "Lowest intensity in the object.", "min I", default=True),
    _feature("intensity_max", "Highest intensity in the object.", "max I", default=True),
    _feature("intensity_median", "Median of the object's intensities.", "Q(0.5)", default=True),
    _quantile_feature(5),
    _quantile_feature(25),
    _quantile_feature(75),
    _quantile_feature(95),
    _feature(
        "intensity_sum",
        "Sum of the object's intensities.",
        "Σ I",
        source="ImageJ `RawIntDen`; CellProfiler `IntegratedIntensity`",
        default=True,
        note="Summed in double precision whatever the image's type: exact up to 2⁵³.",
    ),
    _feature(
        "intensity_skewness",
        "Asymmetry of the object's intensities; positive with a tail of bright pixels.",
        "g₁ = m₃ / m₂^(3/2)",
        quantity="ratio",
        source="Fisher–Pearson coefficient; SciPy `stats.skew`",
        note="NaN where all intensities are equal, as in SciPy.",
    ),
    _centroid_feature(0),
    _centroid_feature(1),
    _centroid_feature(2),
    _feature(
        "intensity_edge_mean",
        "Mean intensity of the object's border pixels.",
        "mean of I over pixels with a neighbour (4 in a plane, 6 in a volume) outside of the object",
        source="CellProfiler `MeanIntensityEdge`; border as scikit-image `find_boundaries(mode='inner')`",
        note="The image's own border is no border of an object.",
    ),
)

_COLUMNS = {
    "intensity_mean": 0,
    "intensity_std": 1,
    "intensity_min": 2,
    "intensity_max": 3,
    "intensity_sum": 4,
    "intensity_skewness": 5,
    "intensity_q05": 6,
    "intensity_q25": 7,
    "intensity_median": 8,
    "intensity_q75": 9,
    "intensity_q95": 10,
    "intensity_edge_mean": 14,
}
"""Where the kernel writes what; the weighted centroid, from the box's first pixel on, is at 11 to 13."""


def intensity(objects: Objects, image: NDArray[Any], channels: Sequence[str] = ("",)) -> Columns:
    """Measure the intensity group; columns as in `FEATURES`.

    Medians and quantiles are exact. Beside the result, memory is that of the largest object.

    Parameters
    ----------
    objects : Objects
        What to measure.
    image : (Y, X, C) or (Z, Y, X, C) ndarray
        Intensities, any integer, bool or float type; of the labels' shape with a last axis of channels.
    channels : sequence of str
        A name for each channel. With several, columns are called ``name-channel``.
    """
    columns: Columns = {}
    for place, channel in enumerate(channels):
        for name, values in _channel_columns(objects, readable_channel(image[..., place])).items():
            columns[f"{name}-{channel}" if len(channels) > 1 else name] = values
    return columns


def readable_channel(channel: NDArray[Any]) -> NDArray[Any]:
    """One channel of an image as kernels read it: (Z, Y, X), a copy only of types that they don't know."""
    channel = native_pixels(channel)
    channel = channel.view(np.uint8) if channel.dtype.kind == "b" else channel
    return channel[None] if channel.ndim == 2 else channel


def stack_boxes(objects: Objects) -> NDArray[np.int64]:
    """Boxes (N, 6) as z0, y0, x0, z1, y1, x1, of a plane too."""
    ndim = objects.ndim
    boxes = np.zeros((len(objects), 6), np.int64)
    boxes[:, 3] = 1
    boxes[:, 3 - ndim : 3] = objects.boxes[:, :ndim]
    boxes[:, 6 - ndim :] = objects.boxes[:, ndim:]
    return boxes


def _channel_columns(objects: Objects, channel: NDArray[Any]) -> Columns:
    ndim = objects.ndim
    rows = np.full((len(objects), 15), np.nan)
    labels = objects.labels if ndim == 3 else objects.labels[None]
    if len(objects):
        room = int(objects.areas.max())
        _measure_channel(labels, channel, objects.ids, stack_boxes(objects), room, rows)
    columns = {name: rows[:, place] for name, place in _COLUMNS.items()}
    for axis in range(ndim):
        place = rows[:, 14 - ndim + axis] + objects.boxes[:, axis]
        columns[f"centroid_weighted-{axis}"] = place * objects.spacing[axis]
    return {f.name: columns[f.name] for f in FEATURES if ndim in f.dims}


@njit(cache=True, nogil=True)
def _measure_channel(labels: Any, channel: Any, ids: Any, boxes: Any, room: int, rows: Any) -> None:
    """Fill a row for each object; `room` is the largest number of pixels in one."""
    values, scratch = np.empty(room), np.empty(room)
    counts = bucket_counts()
    for i in range(len(ids)):
        n = _collect(labels, channel, ids[i], boxes[i], values, rows[i])
        if n > 0:
            _describe(values[:n], scratch, counts, rows[i])


@njit(cache=True, nogil=True)
def _collect(labels: Any, channel: Any, label: int, box: Any, values: Any, row: Any) -> int:
    """Finite intensities of an object, and how many; sum, weighted centroid and border mean in its row."""
    depth, height, width = labels.shape
    n, border = 0, 0
    total, at_border = 0.0, 0.0
    sz, sy, sx = 0.0, 0.0, 0.0
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            in_line = 0.0
            for x in range(box[2], box[5]):
                if labels[z, y, x] != label:
                    continue
                value = float(channel[z, y, x])
                if not np.isfinite(value):
                    continue
                values[n] = value
                n += 1
                in_line += value
                sx += value * (x - box[2])
                if (
                    (x > 0 and labels[z, y, x - 1] != label)
                    or (x + 1 < width and labels[z, y, x + 1] != label)
                    or (y > 0 and labels[z, y - 1, x] != label)
                    or (y + 1 < height and labels[z, y + 1, x] != label)
                    or (z > 0 and labels[z - 1, y, x] != label)
                    or (z + 1 < depth and labels[z + 1, y, x] != label)
                ):
                    border += 1
                    at_border += value
            total += in_line
            sy += in_line * (y - box[1])
            sz += in_line * (z - box[0])
    if n > 0:
        row[4] = total
    if total != 0:
        row[11], row[12], row[13] = sz / total, sy / total, sx / total
    if border > 0:
        row[14] = at_border / border
    return n


@njit(cache=True, nogil=True)
def _describe(values: Any, scratch: Any, counts: Any, row: Any) -> None:
    """Mean, spread, extremes, skewness and quantiles of the values, in an object's row."""
    n = len(values)
    mean = row[4] / n
    low, high = values[0], values[0]
    m2, m3 = 0.0, 0.0
    for value in values:
        low, high = min(low, value), max(high, value)
        d = value - mean
        m2 += d * d
        m3 += d * d * d
    m2 /= n
    m3 /= n
    row[0], row[1], row[2], row[3] = mean, np.sqrt(m2), low, high
    if m2 > (2.0**-52 * mean) ** 2:
        row[5] = m3 / m2**1.5
    fill_quantiles(values, low, high, SHARES, scratch, counts, row[6:11])
