"""An object grown from one click: from the local intensity, or from the maps of a model."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.instances.decoding import Decoded, Maps
from napari_cellseg.instances.maps import Decoding, decode_maps
from napari_cellseg.labels.flooding import bulging_parts
from napari_cellseg.labels.pieces import touched_pieces

Mask = NDArray[np.bool_]

SMALLEST_AREA = 12
"""Pixels of the smallest object that a click grows."""


@njit(cache=True, nogil=True)
def _climb_down(signal: Any, allowed: Any, y0: int, x0: int, limit: int) -> Any:
    """Pixels (N,) around a click, flat, each time the brightest neighbour of those before.

    With them the lowest signal so far (N,), and the mean step down over the region's border (N,).
    """
    height, width = signal.shape
    state = np.zeros((height, width), np.uint8)
    pixels = np.empty(limit, np.int64)
    floors, steps = np.empty(limit), np.empty(limit)
    heap = [(-signal[y0, x0], 0, y0 * width + x0)]
    state[y0, x0] = 1
    count, tick, drop, edges = 0, 0, 0.0, 0
    floor = signal[y0, x0]
    while len(heap) > 0 and count < limit:
        _, _, at = heapq.heappop(heap)
        y, x = at // width, at % width
        state[y, x] = 2
        floor = min(floor, signal[y, x])
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            ny, nx = y + dy, x + dx
            if ny < 0 or nx < 0 or ny >= height or nx >= width:
                continue
            gap = signal[y, x] - signal[ny, nx]
            drop += gap
            edges += -1 if state[ny, nx] == 2 else 1
            if state[ny, nx] == 0 and allowed[ny, nx]:
                tick += 1
                state[ny, nx] = 1
                heapq.heappush(heap, (-signal[ny, nx], tick, ny * width + nx))
        pixels[count], floors[count], steps[count] = at, floor, drop / max(edges, 1)
        count += 1
    return pixels[:count], floors[:count], steps[:count]


def grow_from_click(
    image: NDArray[Any],
    point: Sequence[float],
    *,
    max_diameter: float,
    taken: Mask | None = None,
) -> Mask:
    """The object under a click, as the intensity around it shows it.

    From the click on, the brightest neighbour joins, pixel by pixel; the object is the region above a level
    whose border is, on average, the steepest step. The same with the darkest neighbour and, in colour, the
    most similar one; the steepest of all holds. It has a smooth border, no holes, and ends at a neck.

    Parameters
    ----------
    image : (Y, X) or (Y, X, C) ndarray
        A window of a plane, best one `max_diameter` wide on each side of the click.
    point : sequence of 2 floats
        The click, y and x, in pixels of the window.
    max_diameter : float
        The object is at most about this wide, in pixels.
    taken : (Y, X) ndarray of bool, optional
        Pixels of other objects; the object does not grow there.

    Returns
    -------
    (Y, X) ndarray of bool
        Empty where nothing stands out.

    Raises
    ------
    OptionError
        Where the click is outside of the window or on another object, or the image has no such axes.
    """
    y, x = _clicked(point, image.shape)
    free = np.ones(image.shape[:2], np.bool_) if taken is None else ~np.asarray(taken, np.bool_)
    if not free[y, x]:
        raise OptionError("The click is on an object already. Click beside it, or delete it first.")
    gaps = np.indices(free.shape) - np.array([y, x])[:, None, None]
    free &= np.hypot(*gaps) <= max_diameter
    best, steepest = np.zeros(free.shape, np.bool_), 0.0
    for signal in _signals(image, y, x):
        mask, step = _steepest_region(signal, free, y, x, max_diameter)
        if step > steepest:
            best, steepest = mask, step
    return _tidied(best, free, y, x)


def _clicked(point: Sequence[float], shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) not in (2, 3):
        raise OptionError(
            f"A click grows an object in a plane (Y, X) or (Y, X, C), not in {len(shape)} axes."
        )
    y, x = (int(np.floor(float(p) + 0.5)) for p in point)
    if not (0 <= y < shape[0] and 0 <= x < shape[1]):
        raise OptionError(f"The click must be inside of the {shape[0]} × {shape[1]} window, not at {y}, {x}.")
    return y, x


def _signals(image: NDArray[Any], y: int, x: int) -> Iterator[NDArray[np.float64]]:
    """Images in which the object under a click is bright: brightness, darkness, and likeness of colour."""
    channels = np.asarray(image, np.float64).reshape(*image.shape[:2], -1)
    channels = np.stack([ndimage.gaussian_filter(_finite(c), 1.0) for c in np.moveaxis(channels, -1, 0)])
    grey = channels.mean(axis=0)
    yield grey
    yield -grey
    if len(channels) > 1:
        yield -np.linalg.norm(channels - channels[:, y, x][:, None, None], axis=0)


def _finite(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    """A channel with 0 for NaN, and its darkest and brightest other pixels for infinities."""
    known = channel[np.isfinite(channel)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    return np.nan_to_num(channel, nan=0.0, posinf=high, neginf=low)


def _steepest_region(
    signal: NDArray[np.float64], free: Mask, y: int, x: int, max_diameter: float
) -> tuple[Mask, float]:
    """Of the regions around a click above any level, the one with the steepest border, and how steep."""
    limit = min(int(np.pi / 4 * max_diameter**2) + 1, signal.size)
    pixels, floors, steps = _climb_down(signal, free, y, x, limit)
    area = np.arange(1, len(pixels) + 1)
    complete = np.concatenate([floors[1:] < floors[:-1], [len(pixels) < limit]])
    good = np.flatnonzero(complete & (area >= SMALLEST_AREA))
    mask = np.zeros(signal.shape, np.bool_)
    if good.size == 0:
        return mask, 0.0
    end = good[np.argmax(steps[good])]
    mask.ravel()[pixels[: end + 1]] = True
    return mask, float(steps[end])


def _tidied(mask: Mask, free: Mask, y: int, x: int) -> Mask:
    """A region without holes and rough edges: the part of it that the click is in."""
    if not mask.any():
        return mask
    mask = ndimage.gaussian_filter(ndimage.binary_fill_holes(mask).astype(np.float32), 1.0) >= 0.5
    return object_at(bulging_parts(mask), (y, x)) & free


def size_misfit(mask: Mask, diameter: float) -> float:
    """How far the area of an object is from that of a circle: the absolute logarithm of their ratio.

    Parameters
    ----------
    mask : ndarray of bool
        The object.
    diameter : float
        Diameter of the circle, pixels.

    Returns
    -------
    float
        0 for the same area, infinite for an empty mask.
    """
    area = np.count_nonzero(mask)
    return abs(float(np.log(area / (np.pi / 4 * diameter**2)))) if area else float("inf")


def object_at(labels: NDArray[Any], point: Sequence[float]) -> Mask:
    """Mask of the connected object at a point; empty where there is none within two pixels.

    Parameters
    ----------
    labels : (Y, X) ndarray of int or bool
        0 is background.
    point : sequence of 2 floats
        Row and column; it may lie outside.
    """
    label, nearest = _nearest(labels, point)
    if not label:
        return np.zeros(labels.shape, np.bool_)
    own: Mask = labels == label
    core = np.zeros_like(own)
    core[nearest] = True
    return touched_pieces(own, core)


def _nearest(labels: NDArray[Any], point: Sequence[float]) -> tuple[int, tuple[int, int]]:
    """Label nearest to a point, and its nearest pixel; 0 where there is none within two pixels."""
    y, x = (int(np.floor(float(p) + 0.5)) for p in point)
    around = tuple(slice(max(0, c - 2), max(0, c + 3)) for c in (y, x))
    places = np.argwhere(labels[around]) + [part.start for part in around]
    if len(places) == 0:
        return 0, (y, x)
    row, column = places[np.hypot(*(places - (y, x)).T).argmin()].tolist()
    return int(labels[row, column]), (row, column)


def grow_from_maps(maps: Maps, params: Decoding, point: Sequence[float]) -> tuple[Decoded, int]:
    """The object under a click, as the maps of a pixel model show it, however weak.

    Parameters
    ----------
    maps : (K, Y, X) ndarray of float32
        Maps around the click, as `decode_maps` takes them.
    params : VoteDecoding or MaskDecoding
        How the model's maps are decoded; objects below its confidence and its foreground are found too.
    point : sequence of 2 floats
        The click, y and x, in pixels of the maps.

    Returns
    -------
    (Decoded, int)
        The objects of the maps, and the label of the one under the click; 0 where the maps show no object
        within two pixels of it.

    Raises
    ------
    OptionError
        Where the click is outside of the maps.
    """
    y, x = _clicked(point, maps.shape[1:])
    for weaker in (1.0, 0.5, 0.25):
        found = decode_maps(
            maps, replace(params, floor=params.floor * weaker, min_confidence=0.0, min_area=SMALLEST_AREA)
        )
        label, _ = _nearest(found.labels, (y, x))
        if label:
            break
    return found, label
