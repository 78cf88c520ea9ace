"""Feret diameters, and the circles in and around objects."""

from math import atan2, inf, pi, sqrt
from typing import Any

import numpy as np
from numba import njit

from napari_cellseg.features.convex import hull_outlines
from napari_cellseg.features.feature import Columns, Feature, Quantity
from napari_cellseg.features.masks import masks_of
from napari_cellseg.features.objects import Objects

NEAR = 1e-10
"""How much farther than its radius, in parts, a point may be from the centre of a circle that holds it."""

_ANGLE = "From the rows' axis (downwards), counter-clockwise as `orientation`; above -π/2, up to π/2."


def _feature(name: str, quantity: Quantity, definition: str, formula: str, source: str, note: str) -> Feature:
    return Feature(
        name=name,
        group="feret",
        quantity=quantity,
        dtype="float64",
        dims=(2,),
        definition=definition,
        formula=formula,
        source=source,
        default=True,
        note=note,
    )


FEATURES: tuple[Feature, ...] = (
    _feature(
        "feret_diameter_max",
        "length",
        "Largest distance of two points of the outline.",
        "max |p - q|, p and q on the contour at ½ of the convex hull image",
        "scikit-image `feret_diameter_max`",
        "1 for a single pixel; up to about a pixel more than the object's own hull has.",
    ),
    _feature(
        "feret_diameter_min",
        "length",
        "Smallest distance of two parallel lines with the object between them: the caliper width.",
        "min over directions u of (max p·u - min p·u), p the middles of the sides of its pixels",
        "Walton 1948, Nature 162:329; rotating calipers",
        "√½ for a single pixel, a square on its corner by the middles of its sides. OpenCV's minAreaRect "
        "runs through the centres of pixels, and its shorter side can be longer.",
    ),
    _feature(
        "feret_angle_max",
        "angle",
        "Direction of the largest Feret diameter.",
        "atan2(Δx, Δy) modulo π",
        "Walton 1948, Nature 162:329",
        f"{_ANGLE} Of several equally long diameters one is taken.",
    ),
    _feature(
        "feret_angle_min",
        "angle",
        "Direction along which the smallest Feret diameter is measured.",
        "atan2(u_x, u_y) modulo π",
        "Walton 1948, Nature 162:329",
        f"{_ANGLE} Of several equally short diameters one is taken.",
    ),
    _feature(
        "inscribed_circle_radius",
        "length",
        "Radius of the largest circle around the centre of a pixel that holds nothing but the object.",
        "max over pixels of the distance to the nearest pixel outside, as a square",
        "Distance transform; CellProfiler: maximum radius, plus about half a pixel",
        "½ for a single pixel. What is beyond the image is outside of the object.",
    ),
    _feature(
        "enclosing_circle_radius",
        "length",
        "Radius of the smallest circle around the object.",
        "min over centres c of max |p - c|, p the middles of the sides of its pixels",
        "Elzinga & Hearn 1972, Management Science 19:96",
        "½ for a single pixel; OpenCV's minEnclosingCircle runs through the centres of pixels: 0.",
    ),
)


def feret(objects: Objects) -> Columns:
    """Measure the Feret group of a plane; columns as in `FEATURES`."""
    masks = masks_of(objects)
    rows = np.zeros((len(objects), len(FEATURES)))
    _measure_ferets(masks.pixels, masks.starts, masks.shapes, *objects.spacing, rows)
    return {feature.name: rows[:, i].copy() for i, feature in enumerate(FEATURES)}


@njit(cache=True, nogil=True)
def _measure_ferets(pixels: Any, starts: Any, shapes: Any, sy: float, sx: float, rows: Any) -> None:
    for i in range(len(starts)):
        height, width = shapes[i]
        mask = pixels[starts[i] : starts[i] + height * width].reshape(height, width)
        corners, outer = hull_outlines(mask, sy, sx)
        rows[i, 0], rows[i, 2] = _diameter(outer)
        rows[i, 1], rows[i, 3] = _caliper_width(corners)
        rows[i, 4] = _inscribed_radius(mask, sy, sx)
        rows[i, 5] = _enclosing_radius(corners)


@njit(cache=True, nogil=True)
def _half_turn(dy: float, dx: float) -> float:
    """Direction of a line, above -π/2 and up to π/2."""
    angle = atan2(dx, dy)
    if angle > pi / 2:
        return angle - pi
    return angle + pi if angle <= -pi / 2 else angle


@njit(cache=True, nogil=True)
def _diameter(corners: Any) -> tuple[float, float]:
    """Largest distance of two corners, and its direction."""
    largest, angle = -1.0, 0.0
    for i in range(len(corners)):
        for j in range(i):
            dy, dx = corners[i, 0] - corners[j, 0], corners[i, 1] - corners[j, 1]
            if dy * dy + dx * dx > largest:
                largest, angle = dy * dy + dx * dx, _half_turn(dy, dx)
    return sqrt(largest), angle


@njit(cache=True, nogil=True)
def _caliper_width(corners: Any) -> tuple[float, float]:
    """Smallest width, which is always across an edge, and its direction."""
    smallest, angle = inf, 0.0
    for i in range(len(corners)):
        ay, ax = corners[i - 1]
        dy, dx = corners[i, 0] - ay, corners[i, 1] - ax
        length = sqrt(dy * dy + dx * dx)
        width = 0.0
        for j in range(len(corners)):
            width = max(width, abs((corners[j, 0] - ay) * dx - (corners[j, 1] - ax) * dy) / length)
        if width < smallest:
            smallest, angle = width, _half_turn(-dx, dy)
    return smallest, angle


@njit(cache=True, nogil=True)
def _gaps_of(mask: Any) -> Any:
    """Rows from each pixel to the nearest one outside, up or down its column; 0 outside."""
    height, width = mask.shape
    gaps = np.zeros((height, width), np.int32)
    for y in range(1, height):
        for x in range(width):
            gaps[y, x] = (gaps[y - 1, x] + 1) * mask[y, x]
    for y in range(height - 2, -1, -1):
        for x in range(width):
            gaps[y, x] = min(gaps[y, x], gaps[y + 1, x] + 1)
    return gaps


@njit(cache=True, nogil=True)
def _inscribed_radius(mask: Any, sy: float, sx: float) -> float:
    """Largest distance of a pixel's centre from the squares of pixels outside; the middle rows first."""
    height, width = mask.shape
    gaps = _gaps_of(mask)
    best = 0.0
    least = 1
    for i in range(height):
        y = height // 2 + ((i + 1) // 2 if i % 2 else -(i // 2))
        if not 0 < y < height - 1:
            continue
        for x in range(1, width - 1):
            if gaps[y, x] < least:
                continue
            nearest = ((gaps[y, x] - 0.5) * sy) ** 2
            k = 1
            while nearest > best and ((k - 0.5) * sx) ** 2 < nearest:
                gap = min(gaps[y, x - k], gaps[y, x + k])
                beside = ((k - 0.5) * sx) ** 2
                nearest = min(nearest, beside + (max(gap - 0.5, 0.0) * sy) ** 2)
                k += 1
            if nearest > best:
                best = nearest
                least = max(1, int(sqrt(best) / sy + 0.5))
    return sqrt(best)


@njit(cache=True, nogil=True)
def _farthest(points: Any, centre: Any) -> tuple[int, float]:
    at, largest = 0, -1.0
    for i in range(len(points)):
        distance = (points[i, 0] - centre[0]) ** 2 + (points[i, 1] - centre[1]) ** 2
        if distance > largest:
            at, largest = i, distance
    return at, sqrt(largest)


@njit(cache=True, nogil=True)
def _centre_of_circle(a: Any, b: Any, c: Any, centre: Any) -> bool:
    """Centre of the circle through three points; False where they are in a line."""
    by, bx, cy, cx = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
    twice = 2 * (by * cx - bx * cy)
    if twice == 0:
        return False
    bb, cc = by * by + bx * bx, cy * cy + cx * cx
    centre[0], centre[1] = a[0] + (cx * bb - bx * cc) / twice, a[1] + (by * cc - cy * bb) / twice
    return True


@njit(cache=True, nogil=True)
def _smallest_of_few(points: Any, best: Any) -> tuple[float, int, int, int]:
    """Radius of the smallest circle around up to four points, and which two (the third is -1) or three it is
    drawn through; its centre into `best`."""
    radius, first, second, third = inf, 0, 0, -1
    centre = np.empty(2)
    for i in range(len(points)):
        for j in range(i):
            for k in range(-1, j):
                if k < 0:
                    centre[0] = (points[i, 0] + points[j, 0]) / 2
                    centre[1] = (points[i, 1] + points[j, 1]) / 2
                elif not _centre_of_circle(points[i], points[j], points[k], centre):
                    continue
                own = sqrt((points[i, 0] - centre[0]) ** 2 + (points[i, 1] - centre[1]) ** 2)
                if own < radius and _farthest(points, centre)[1] <= own * (1 + NEAR):
                    radius, first, second, third = own, i, j, k
                    best[0], best[1] = centre
    return radius, first, second, third


@njit(cache=True, nogil=True)
def _keep(points: Any, at: int, y: float, x: float) -> None:
    points[at, 0], points[at, 1] = y, x


@njit(cache=True, nogil=True)
def _enclosing_radius(corners: Any) -> Any:
    """Radius of the smallest circle: one around two corners, which grows by the farthest corner outside."""
    points, kept, centre = np.empty((4, 2)), np.empty((3, 2)), np.empty(2)
    count, at = 1, _farthest(corners, corners[0])[0]
    _keep(points, 0, corners[0, 0], corners[0, 1])
    while True:
        _keep(points, count, corners[at, 0], corners[at, 1])
        radius, i, j, k = _smallest_of_few(points[: count + 1], centre)
        at, distance = _farthest(corners, centre)
        if distance <= radius * (1 + NEAR):
            return radius
        count = 2 if k < 0 else 3
        for to, source in enumerate((i, j, max(k, 0))):
            _keep(kept, to, points[source, 0], points[source, 1])
        for to in range(count):
            _keep(points, to, kept[to, 0], kept[to, 1])
