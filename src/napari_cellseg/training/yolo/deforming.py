"""Elastic and grid distortion of training pictures, together with the polygons of their objects.

A distorted picture is I'(p) = I(p + d(p)) for a smooth field of shifts d, so what lay at q comes to lie at
the p for which p + d(p) = q. The shifts are bounded so that there is exactly one such p: nothing folds, no
object leaves the picture, and nothing has to be made up at its borders, which stay where they are.
"""

import math
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

STEEPEST = 0.5
"""Bound of what neighbouring pixels' shifts may differ by, in pixels: below 1 the map is one-to-one."""

ELASTIC = (0.15, 0.45)
"""Range that the steepest place of an elastic field is drawn from."""

SPACING = (1 / 12, 1 / 4)
"""Range of the distance of an elastic field's random shifts, as a share of the picture's shorter edge."""

GRID_CELLS, GRID_CHANGE = 5, 0.3
"""Cells of a grid along each axis, and the largest change of a cell's edge, as a share."""

_CLOSE, _STEPS = 1e-3, 60

Shifts = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Deformation:
    """A distortion of pictures of one shape, without folds.

    Attributes
    ----------
    shift : (2, H, W) ndarray of float32
        Rows and columns from each pixel of the distorted picture to where its content comes from.
    """

    shift: Shifts

    def picture(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The distorted picture, interpolated linearly.

        Parameters
        ----------
        picture : (H, W) or (H, W, C) ndarray
            Whole numbers or floating-point ones; the dtype is kept.
        """
        planes = np.ascontiguousarray(picture if picture.ndim == 3 else picture[..., None])
        out = np.empty_like(planes)
        _sample(planes, self.shift, 0.5 if picture.dtype.kind in "iu" else 0.0, out)
        return out.reshape(picture.shape)

    def points(self, points: NDArray[Any]) -> NDArray[Any]:
        """Where points of the picture lie in the distorted one.

        Parameters
        ----------
        points : (…, 2) ndarray of float
            x and y in pixels; pixel (0, 0) spans 0 to 1. A long straight line needs points along it to bend.

        Returns
        -------
        ndarray of the same shape and dtype
            Exact to a hundredth of a pixel, and inside the picture where `points` are.
        """
        moved = np.ascontiguousarray(points.reshape(-1, 2)[:, ::-1], np.float64) - 0.5
        _move(moved, self.shift)
        height, width = self.shift.shape[1:]
        inside = np.clip(moved[:, ::-1] + 0.5, 0.0, (width, height))
        outside = ((points < 0) | (points > (width, height))).reshape(-1, 2)
        return np.where(outside, moved[:, ::-1] + 0.5, inside).astype(points.dtype).reshape(points.shape)


def draw_deformation(
    shape: tuple[int, int], rng: np.random.Generator, *, elastic: float = 0.0, grid: float = 0.0
) -> Deformation | None:
    """A random distortion, or None.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the picture.
    rng : numpy.random.Generator
        Source of every draw.
    elastic, grid : float
        Probability of each kind, 0 to 1; both may come at once.
    """
    chosen = rng.random(2) < (elastic, grid)
    fields = [
        draw(shape, rng) for draw, wanted in zip((elastic_shift, grid_shift), chosen, strict=True) if wanted
    ]
    if not fields:
        return None
    shift = np.sum(fields, axis=0)
    steepest = steepness(shift)
    return Deformation((shift * min(1.0, STEEPEST / max(steepest, 1e-9))).astype(np.float32))


def elastic_shift(shape: tuple[int, int], rng: np.random.Generator) -> Shifts:
    """Random shifts on a coarse lattice, with cubic B-splines in between, as tissue and gels bend.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    rng : numpy.random.Generator
        Source of every draw.

    Returns
    -------
    (2, H, W) ndarray of float32
        As `Deformation.shift`; its `steepness` is drawn from `ELASTIC`. Along each border there is no shift
        across it.

    References
    ----------
    Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015 (shifts on a coarse lattice); Rueckert et al., IEEE
    Transactions on Medical Imaging 18, 1999 (cubic B-splines of them).
    """
    spacing = max(8.0, rng.uniform(*SPACING) * min(shape))
    rows, columns = (_spline_weights(n, spacing) for n in shape)
    lattice = rng.standard_normal((2, rows.shape[1], columns.shape[1]))
    shift = rows @ lattice @ columns.T
    for axis, size in enumerate(shape):
        to_border = np.minimum(np.arange(size) + 0.5, size - 0.5 - np.arange(size))
        still = np.minimum(1.0, to_border / min(spacing, size / 2))
        shift[axis] *= still[:, None] if axis == 0 else still
    wanted = rng.uniform(*ELASTIC)
    return (shift * (wanted / max(steepness(shift), 1e-9))).astype(np.float32)


def grid_shift(shape: tuple[int, int], rng: np.random.Generator) -> Shifts:
    """Rows and columns of a grid made wider and narrower, each evenly within.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    rng : numpy.random.Generator
        Source of every draw.

    Returns
    -------
    (2, H, W) ndarray of float32
        As `Deformation.shift`. The grid fills the picture before and after.
    """
    shift = np.empty((2, *shape), np.float32)
    for axis, size in enumerate(shape):
        edges = np.cumsum([0.0, *(1 + rng.uniform(-GRID_CHANGE, GRID_CHANGE, GRID_CELLS))])
        centres = np.arange(size) + 0.5
        source = (
            np.interp(centres, np.linspace(0, size, GRID_CELLS + 1), edges * (size / edges[-1])) - centres
        )
        shift[axis] = source[:, None] if axis == 0 else source
    return shift


def steepness(shift: NDArray[Any]) -> float:
    """Upper bound of how much the shifts of two points differ, per pixel of their distance.

    Parameters
    ----------
    shift : (2, H, W) ndarray
        As `Deformation.shift`, linear between pixels. Below 1 the map p + d(p) is one-to-one, since two
        points cannot be shifted onto each other.
    """
    height, width = shift.shape[1:]
    squares = np.zeros((max(1, height - 1), max(1, width - 1)))
    for field in shift:
        for axis in (0, 1):
            slopes = np.abs(np.diff(field, axis=axis))
            if slopes.shape[1 - axis] > 1:
                first, last = (slopes[:, :-1], slopes[:, 1:]) if axis == 0 else (slopes[:-1], slopes[1:])
                slopes = np.maximum(first, last)
            if slopes.size:
                squares += slopes**2
    return float(np.sqrt(squares.max()))


def _spline_weights(size: int, spacing: float) -> NDArray[np.float64]:
    """Weights (size, K) of the K shifts along an axis, for each pixel."""
    places = np.arange(size) / spacing + 1
    distance = np.abs(places[:, None] - np.arange(math.ceil(size / spacing) + 3))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(0.0, 2 - distance) ** 3 / 6
    return np.where(distance < 1, near, far)


@njit(cache=True, nogil=True)
def _sample(picture, shift, half, out):  # type: ignore[no-untyped-def]
    height, width, channels = picture.shape
    for i in range(height):
        for j in range(width):
            y = min(max(i + shift[0, i, j], 0.0), height - 1.0)
            x = min(max(j + shift[1, i, j], 0.0), width - 1.0)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            wy, wx = y - y0, x - x0
            for c in range(channels):
                upper = (1 - wx) * picture[y0, x0, c] + wx * picture[y0, x1, c]
                lower = (1 - wx) * picture[y1, x0, c] + wx * picture[y1, x1, c]
                value = (1 - wy) * upper + wy * lower
                out[i, j, c] = np.floor(value + half) if half > 0 else value


@njit(cache=True, nogil=True)
def _move(points, shift):  # type: ignore[no-untyped-def]
    """Solve p + d(p) = q for each point q, row and column, in place: p = q - d(p) contracts by `STEEPEST`."""
    height, width = shift.shape[1:]
    for k in range(points.shape[0]):
        qy, qx = points[k, 0], points[k, 1]
        py, px = qy, qx
        for _ in range(_STEPS):
            y, x = min(max(py, 0.0), height - 1.0), min(max(px, 0.0), width - 1.0)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            wy, wx = y - y0, x - x0
            new_y, new_x = qy, qx
            new_y -= (1 - wy) * ((1 - wx) * shift[0, y0, x0] + wx * shift[0, y0, x1])
            new_y -= wy * ((1 - wx) * shift[0, y1, x0] + wx * shift[0, y1, x1])
            new_x -= (1 - wy) * ((1 - wx) * shift[1, y0, x0] + wx * shift[1, y0, x1])
            new_x -= wy * ((1 - wx) * shift[1, y1, x0] + wx * shift[1, y1, x1])
            change = abs(new_y - py) + abs(new_x - px)
            py, px = new_y, new_x
            if change < _CLOSE:
                break
        points[k, 0], points[k, 1] = py, px


class Deforming:
    """The step that distorts, as Ultralytics' training calls it.

    Parameters
    ----------
    elastic, grid : float
        Probability of each kind for a picture, 0 to 1.

    Notes
    -----
    Draws are seeded by Python's own `random`, as those of all steps beside it: Ultralytics seeds it in each
    of its processes.
    """

    def __init__(self, elastic: float, grid: float) -> None:
        self.elastic, self.grid = elastic, grid

    def __call__(self, labels: dict[str, Any]) -> dict[str, Any]:
        """Distort a picture and its objects.

        Parameters
        ----------
        labels : dict
            ``img`` (H, W, C) ndarray, and ``instances`` with ``segments`` (N, P, 2), x and y of closely set
            points; both are replaced.
        """
        picture, instances = labels["img"], labels["instances"]
        rng = np.random.default_rng(random.getrandbits(64))
        deformation = draw_deformation(picture.shape[:2], rng, elastic=self.elastic, grid=self.grid)
        if deformation is None:
            return labels
        labels["img"] = deformation.picture(picture)
        if len(instances.segments):
            instances.convert_bbox(format="xyxy")
            instances.denormalize(picture.shape[1], picture.shape[0])
            segments = deformation.points(instances.segments)
            boxes = np.concatenate([segments.min(axis=1), segments.max(axis=1)], axis=1)
            instances.update(boxes, segments)
        return labels


def insert_deforming(transforms: Any, elastic: float, grid: float) -> None:
    """Have Ultralytics' training distort pictures, right behind mosaic, rotation and scale.

    There, all pictures that are joined to one have been placed, and `MixUp` and `CutMix`, which fetch further
    ones through the same steps, get distorted ones too; flips and colours follow.

    Parameters
    ----------
    transforms : ultralytics.data.augment.Compose
        What ``YOLODataset.build_transforms`` returns for training; changed in place. Ultralytics builds it
        anew where it ends the mosaics, so this belongs behind every build.
    elastic, grid : float
        Probability of each kind for a picture; where both are 0 nothing is inserted.
    """
    if elastic > 0 or grid > 0:
        transforms[0].append(Deforming(elastic, grid))
