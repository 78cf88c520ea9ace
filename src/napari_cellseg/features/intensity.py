"""Intensity of the objects, channel by channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.feature import Columns, Feature, Quantity
from napari_cellseg.features.masks import close_at_edges
from napari_cellseg.features.objects import Objects, stack_boxes
from napari_cellseg.features.pixels import native_pixels
from napari_cellseg.features.quantiles import fill_quantiles, quantile_room

SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
ONE = np.uint64(1)
ANY_ORDER = {"reassoc", "nsz"}
"""Lets a vector unit sum in any order."""

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


def _channel_columns(objects: Objects, channel: NDArray[Any]) -> Columns:
    ndim = objects.ndim
    rows = np.full((len(objects), 15), np.nan)
    labels = objects.labels if ndim == 3 else objects.labels[None]
    if len(objects):
        boxes = stack_boxes(objects)
        sides = boxes[:, 3:] - boxes[:, :3]
        room = int((sides + np.array([2 * (ndim == 3), 2, 2])).prod(axis=1).max())
        _measure_channel(labels, channel, objects.ids.astype(labels.dtype), boxes, room, rows)
    columns = {name: rows[:, place] for name, place in _COLUMNS.items()}
    for axis in range(ndim):
        place = rows[:, 14 - ndim + axis] + objects.boxes[:, axis]
        columns[f"centroid_weighted-{axis}"] = place * objects.spacing[axis]
    return {f.name: columns[f.name] for f in FEATURES if ndim in f.dims}


@njit(cache=True, nogil=True)
def _measure_channel(labels: Any, channel: Any, ids: Any, boxes: Any, room: int, rows: Any) -> None:
    """Fill a row for each object; `room` is the most pixels of a box with a margin of one."""
    mask, kept, values = np.empty(room, np.uint8), np.empty(room, np.uint8), np.empty(room)
    inside, scratch = np.empty(room), quantile_room(room)
    margin = 1 if labels.shape[0] > 1 else 0
    for i in range(len(ids)):
        line = boxes[i, 5] - boxes[i, 2] + 2
        plane = (boxes[i, 4] - boxes[i, 1] + 2) * line
        size = (boxes[i, 3] - boxes[i, 0] + 2 * margin) * plane
        mask[:size] = 0
        kept[:size] = 0
        _cut_out(labels, channel, ids[i], boxes[i], np.uint64(margin), mask, kept, values, rows[i])
        n = compact(kept[:size], values, inside)
        if n == 0:
            rows[i] = np.nan
            continue
        close_at_edges(labels.shape, boxes[i], mask[:size].reshape(size // plane, plane // line, line))
        rows[i, 14] = _mean_at_border(mask[:size], kept, values, line, plane * margin)
        _describe(inside[:n], scratch, rows[i])


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _cut_out(
    labels: Any, channel: Any, label: Any, box: Any, margin: Any, mask: Any, kept: Any, values: Any, row: Any
) -> None:
    """Mask of an object, mask of its finite pixels and their intensities; into its row the sum of these and
    the weighted centroid. Indices without a sign need no look whether they count from the end."""
    z0, y0, x0 = np.uint64(box[0]), np.uint64(box[1]), np.uint64(box[2])
    lines, line = np.uint64(box[4] - box[1] + 2), np.uint64(box[5] - box[2] + 2)
    columns = np.zeros(line)
    total = sum_z = sum_y = sum_x = 0.0
    for z in range(z0, np.uint64(box[3])):
        for y in range(y0, np.uint64(box[4])):
            at = line * (lines * (z - z0 + margin) + y - y0 + ONE) + ONE
            in_line = 0.0
            for x in range(x0, np.uint64(box[5])):
                own = labels[z, y, x] == label
                finite = own & np.isfinite(channel[z, y, x])
                value = float(channel[z, y, x]) if finite else 0.0
                mask[at + (x - x0)], kept[at + (x - x0)], values[at + (x - x0)] = own, finite, value
                columns[x - x0] += value
                in_line += value
            total += in_line
            sum_y += in_line * float(y - y0)
            sum_z += in_line * float(z - z0)
    for i in range(len(columns)):
        sum_x += columns[i] * i
    row[4] = total
    if total != 0:
        row[11], row[12], row[13] = sum_z / total, sum_y / total, sum_x / total


@njit(cache=True, nogil=True)
def compact(kept: Any, values: Any, inside: Any) -> int:
    """The values that are kept, one after the other, perhaps in the same room; returns how many."""
    n = 0
    for i in range(len(kept)):
        inside[n] = values[i]
        n += kept[i]
    return n


@njit(cache=True, nogil=True)
def _mean_at_border(mask: Any, kept: Any, values: Any, line: int, plane: int) -> float:
    """Mean of the values of pixels that are beside one outside of the object; NaN where there is none."""
    first = plane + line
    beside = mask[first - 1 :], mask[first + 1 :], mask[first - line :], mask[first + line :]
    inner = values[first : len(mask) - first]
    count, total = _sum_border(kept[first:], inner, *beside, mask[first - plane :], mask[first + plane :])
    return total / count if count > 0 else np.nan


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _sum_border(
    kept: Any, values: Any, left: Any, right: Any, above: Any, below: Any, before: Any, behind: Any
) -> Any:
    """Number and sum of the values that have a 0 beside them; the same mask, moved."""
    count, total = 0, 0.0
    for i in range(len(values)):
        within = left[i] & right[i] & above[i] & below[i] & before[i] & behind[i]
        at_border = kept[i] & (1 ^ within)
        count += at_border
        total += values[i] if at_border else 0.0
    return count, total


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def extremes(values: Any) -> Any:
    """Lowest and highest of values that are no NaN."""
    low, high = values[0], values[0]
    for i in range(len(values)):
        low, high = min(low, values[i]), max(high, values[i])
    return low, high


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _central_moments(values: Any, mean: float) -> Any:
    """Means of the second and the third power of the differences from the mean."""
    m2, m3 = 0.0, 0.0
    for i in range(len(values)):
        d = values[i] - mean
        m2 += d * d
        m3 += d * d * d
    return m2 / len(values), m3 / len(values)


@njit(cache=True, nogil=True)
def _describe(values: Any, scratch: Any, row: Any) -> None:
    """Mean, spread, extremes, skewness and quantiles of the values, in an object's row."""
    mean = row[4] / len(values)
    low, high = extremes(values)
    m2, m3 = _central_moments(values, mean)
    row[0], row[1], row[2], row[3] = mean, np.sqrt(m2), low, high
    if m2 > (2.0**-52 * mean) ** 2:
        row[5] = m3 / m2**1.5
    fill_quantiles(values, low, high, SHARES, scratch, row[6:11])
