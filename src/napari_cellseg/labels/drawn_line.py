"""A line that a person drew, in pixels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cellseg.errors import OptionError

REACH = 2.0
"""How far, in pixels, both ends of a line are drawn out: a hand stops a little short of the border."""


def line_points(points: ArrayLike) -> NDArray[np.float64]:
    """Points (N, 2) of a line, y and x, with both ends drawn out by `REACH`.

    Raises
    ------
    OptionError
        Where there are fewer than two different finite points.
    """
    line = np.asarray(points, np.float64)
    if line.ndim != 2 or line.shape[1] != 2 or not np.all(np.isfinite(line)):
        raise OptionError(f"A line must be two or more points (y, x), not an array of shape {line.shape}.")
    moves = np.any(line[1:] != line[:-1], axis=1)
    line = line[np.concatenate([[True], moves])]
    if len(line) < 2:
        raise OptionError("A line needs two different points to cut along.")
    ends = []
    for end, inner in ((line[0], line[1]), (line[-1], line[-2])):
        ends.append(end + (end - inner) * REACH / np.hypot(*(end - inner)))
    return np.concatenate([ends[:1], line[1:-1], ends[1:]])


def line_pixels(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Pixels (M, 2) under a line, connected by their edges, so that nothing slips through between corners."""
    pixels = [np.floor(points[:1] + 0.5)]
    for start, stop in zip(points[:-1], points[1:], strict=True):
        steps = int(np.ceil(2 * np.abs(stop - start).max()))
        shares = np.arange(1, steps + 1)[:, None] / steps
        pixels.append(np.floor(start + shares * (stop - start) + 0.5))
    path = np.concatenate(pixels).astype(np.intp)
    path = path[np.concatenate([[True], np.any(path[1:] != path[:-1], axis=1)])]
    diagonal = np.flatnonzero(np.all(path[1:] != path[:-1], axis=1))
    corners = np.stack([path[diagonal, 0], path[diagonal + 1, 1]], axis=1)
    joined: NDArray[np.intp] = np.insert(path, diagonal + 1, corners, axis=0)
    return joined


def wall(pixels: NDArray[np.intp], origin: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mask of line pixels in a window, (…, Y, X): through every plane of a volume."""
    flat = np.zeros(shape[-2:], np.bool_)
    inside = pixels - origin[-2:]
    inside = inside[np.all((inside >= 0) & (inside < flat.shape), axis=1)]
    flat[inside[:, 0], inside[:, 1]] = True
    return np.broadcast_to(flat, shape)
