"""Shape of objects: the ellipse of their moments, their convex hull, how round they are."""

from math import atan2, pi, sqrt
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.convex import fill_hull, fill_rows, hull_of_rows, row_ends
from napari_cellseg.features.feature import Columns, Feature, Quantity
from napari_cellseg.features.masks import masks_of
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.outline import perimeter_of, step_lengths

_POINT = "NaN for a single pixel."
_LINE = "NaN for a straight line of single pixels, whose minor axis is 0."


def _feature(
    name: str, quantity: Quantity, definition: str, formula: str, source: str = "", note: str = ""
) -> Feature:
    return Feature(
        name=name,
        group="shape",
        quantity=quantity,
        dtype="float64",
        dims=(2,),
        definition=definition,
        formula=formula,
        source=source or f"scikit-image `{name}`",
        default=True,
        note=note,
    )


FEATURES: tuple[Feature, ...] = (
    _feature(
        "axis_major_length",
        "length",
        "Major axis of the ellipse with the same second moments.",
        "4 √λ1; λ1 ≥ λ2 the eigenvalues of the covariance of the pixels' centres",
        note="Without the 1/12 of a pixel's own extent that MATLAB adds: 0 for a single pixel.",
    ),
    _feature(
        "axis_minor_length",
        "length",
        "Minor axis of the ellipse with the same second moments.",
        "4 √λ2",
        note="0 for a straight line of single pixels.",
    ),
    _feature(
        "orientation",
        "angle",
        "Angle from the rows' axis (downwards) to the major axis, counter-clockwise.",
        "½ atan2(2 cov(y, x), var(y) - var(x))",
        note="From -π/2 to π/2, meaningful modulo π; of no meaning where both axes are equally long.",
    ),
    _feature(
        "eccentricity",
        "ratio",
        "Distance of the ellipse's foci over its major axis: 0 for a circle, 1 for a line.",
        "√(1 - λ2 / λ1)",
        note="0 for a single pixel.",
    ),
    _feature(
        "aspect_ratio",
        "ratio",
        "Major over minor axis of the ellipse with the same second moments.",
        "axis_major_length / axis_minor_length",
        "ImageJ, Shape descriptors: AR",
        f"From 1 up; in OpenCV often the inverse, or of the sides of minAreaRect. {_LINE}",
    ),
    _feature(
        "elongation",
        "ratio",
        "How much shorter the minor axis is than the major one: 0 for a circle, 1 for a line.",
        "1 - axis_minor_length / axis_major_length",
        "Flattening of an ellipse (geometry)",
        _POINT,
    ),
    _feature(
        "area_convex",
        "area",
        "Area of the pixels in the convex hull, in which a pixel stands for the middles of its sides.",
        "A_c",
    ),
    _feature(
        "perimeter_convex",
        "length",
        "Perimeter of the pixels in the convex hull, measured as `perimeter`.",
        "P_c",
        "scikit-image `perimeter` of `image_convex`",
        "0 for a single pixel.",
    ),
    _feature("solidity", "ratio", "Area over the area of the convex hull.", "A / A_c"),
    _feature(
        "convexity",
        "ratio",
        "Perimeter of the convex hull over the perimeter: 1 for convex objects, less for jagged ones.",
        "P_c / P",
        "Russ, The Image Processing Handbook: convexity",
        _POINT,
    ),
    _feature(
        "circularity",
        "ratio",
        "Area over that of the circle with the same perimeter: 1 for a circle.",
        "4 π A / P², P the `perimeter`",
        "Cox 1927, J. Paleontology 1:179; ImageJ, CellProfiler: form factor",
        f"Above 1 for small objects, whose perimeter comes out short; not cut off there. {_POINT}",
    ),
    _feature(
        "roundness",
        "ratio",
        "Area over that of the circle around the major axis: 1 for a circle, small for long objects.",
        "4 A / (π · axis_major_length²)",
        "ImageJ, Shape descriptors: Round",
        _POINT,
    ),
    _feature(
        "compactness",
        "ratio",
        "How close the pixels are to the centroid, compared with a disc of the same area: 1 for a disc.",
        "A / (2 π (λ1 + λ2))",
        "Žunić, Hirota & Rosin 2010, Pattern Recognition 43:47",
        f"Needs no perimeter, unlike P² / (4 π A) of others; above 1 for a few pixels. {_POINT}",
    ),
)


def shape(objects: Objects) -> Columns:
    """Measure the shape group of a plane; columns as in `FEATURES`."""
    masks, spacing = masks_of(objects), objects.spacing
    rows = np.zeros((len(objects), 6))
    _measure_shapes(masks.pixels, masks.starts, masks.shapes, *spacing, rows)
    large, small, angle, convex, around, perimeter = np.ascontiguousarray(rows.T)
    pixel = float(np.prod(spacing))
    area, convex = objects.areas * pixel, convex * pixel
    major, minor = 4 * np.sqrt(large), 4 * np.sqrt(small)
    return {
        "axis_major_length": major,
        "axis_minor_length": minor,
        "orientation": angle,
        "eccentricity": np.sqrt(
            np.maximum(1 - np.divide(small, large, out=np.ones(len(area)), where=large > 0), 0)
        ),
        "aspect_ratio": _ratio(major, minor),
        "elongation": 1 - _ratio(minor, major),
        "area_convex": convex,
        "perimeter_convex": around,
        "solidity": area / convex,
        "convexity": _ratio(around, perimeter),
        "circularity": _ratio(4 * pi * area, perimeter**2),
        "roundness": _ratio(4 * area, pi * major**2),
        "compactness": _ratio(area, 2 * pi * (large + small)),
    }


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """Quotient; NaN where the divisor is 0."""
    quotient: NDArray[np.float64] = np.full(len(below), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


@njit(cache=True, nogil=True)
def _ellipse(mask: Any, sy: float, sx: float) -> tuple[float, float, float]:
    """Variances along the major and the minor axis, and the orientation; exact sums of whole numbers."""
    height, width = mask.shape
    n = sum_y = sum_x = yy = xx = yx = 0
    middle_y, middle_x = height // 2, width // 2
    for i in range(height):
        y = i - middle_y
        count = total = 0
        for j in range(width):
            if mask[i, j]:
                x = j - middle_x
                count += 1
                total += x
                xx += x * x
        n += count
        sum_y += y * count
        sum_x += total
        yy += y * y * count
        yx += y * total
    cy, cx = round(sum_y / n), round(sum_x / n)
    yy += cy * cy * n - 2 * cy * sum_y
    xx += cx * cx * n - 2 * cx * sum_x
    yx += cy * cx * n - cy * sum_x - cx * sum_y
    sum_y, sum_x = sum_y - cy * n, sum_x - cx * n
    var_y = (yy - sum_y * sum_y / n) / n * sy * sy
    var_x = (xx - sum_x * sum_x / n) / n * sx * sx
    cov = (yx - sum_y * sum_x / n) / n * sy * sx
    large = (var_y + var_x) / 2 + sqrt(((var_y - var_x) / 2) ** 2 + cov * cov)
    small = min(large, max(0.0, (var_y * var_x - cov * cov) / large)) if large > 0 else 0.0
    if var_y == var_x:
        return large, small, pi / 4 if cov > 0 else -pi / 4
    return large, small, 0.5 * atan2(2 * cov, var_y - var_x)


@njit(cache=True, nogil=True)
def _measure_shapes(pixels: Any, starts: Any, shapes: Any, sy: float, sx: float, rows: Any) -> None:
    """Into each row: both variances, orientation, pixels and perimeter of the convex hull, perimeter."""
    steps = step_lengths(sy, sx)
    for i in range(len(starts)):
        height, width = shapes[i]
        mask = pixels[starts[i] : starts[i] + height * width].reshape(height, width)
        rows[i, 0], rows[i, 1], rows[i, 2] = _ellipse(mask, sy, sx)
        rows[i, 5] = perimeter_of(mask, steps)
        ends = np.empty((height, 2), np.int64)
        chains = np.empty((2, 3 * height, 2), np.int64)
        row_ends(mask, ends)
        left, right = hull_of_rows(ends, chains)
        rows[i, 3] = fill_hull(chains, left, right, ends)
        hull = np.zeros((height, width), np.uint8)
        fill_rows(ends, hull)
        rows[i, 4] = perimeter_of(hull, steps)
