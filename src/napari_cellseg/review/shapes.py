"""Size, outline and contacts of objects: what a review needs to know of them, and no more."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.labels.index import ObjectIndex

Surroundings = NDArray[np.uint8]
BACKGROUND, OWN, OTHER, OUTSIDE = range(4)
"""What a pixel in the surroundings of an object is."""
_STEP = 2000
SHAPE_COLUMNS = ("index", "area", "roundness", "contact", "border")


def surroundings(
    labels: Any, index: ObjectIndex, label: int
) -> Iterator[tuple[tuple[int, ...], Surroundings]]:
    """The planes of an object, each with one pixel around its box.

    Parameters
    ----------
    labels : (…, Y, X) array of int
        The labels.
    index : ObjectIndex
        Where its objects are.
    label : int
        One of them.

    Yields
    ------
    plane : tuple of int
        Leading indices of the plane.
    pixels : (h + 2, w + 2) ndarray of uint8
        `BACKGROUND`, `OWN`, `OTHER` or, beyond the image, `OUTSIDE`.
    """
    *leading, y, x = index.boxes(label)
    height, width = index.shape[-2:]
    rows = slice(max(0, y.start - 1), min(height, y.stop + 1))
    columns = slice(max(0, x.start - 1), min(width, x.stop + 1))
    block = np.asarray(labels[(*leading, rows, columns)])
    top, left = rows.start - y.start + 1, columns.start - x.start + 1
    for plane in np.ndindex(block.shape[:-2]):
        pixels = np.full((y.stop - y.start + 2, x.stop - x.start + 2), OUTSIDE, np.uint8)
        if _code(np.ascontiguousarray(block[plane]), label, top, left, pixels):
            yield tuple(i + part.start for i, part in zip(plane, leading, strict=True)), pixels


@njit(cache=True, nogil=True)
def _code(plane: Any, label: int, top: int, left: int, pixels: Any) -> bool:
    """Write what each pixel is; whether any is the object's own."""
    any_own = False
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            value = plane[y, x]
            any_own |= value == label
            code = OWN if value == label else BACKGROUND if value == 0 else OTHER
            pixels[y + top, x + left] = code
    return any_own


@njit(cache=True, nogil=True)
def _outline(pixels: Any) -> Any:
    """Edges between the object and background, others, and beyond the image."""
    edges = np.zeros(4, np.int64)
    for y in range(1, pixels.shape[0] - 1):
        for x in range(1, pixels.shape[1] - 1):
            if pixels[y, x] == OWN:
                edges[pixels[y - 1, x]] += 1
                edges[pixels[y + 1, x]] += 1
                edges[pixels[y, x - 1]] += 1
                edges[pixels[y, x + 1]] += 1
    return edges


def measuring_shapes(
    labels: Any, index: ObjectIndex, objects: Iterable[int] | None = None
) -> Job[pd.DataFrame]:
    """Describe objects by their outlines, plane by plane, as a job.

    Parameters
    ----------
    labels : (…, Y, X) array of int
        The labels.
    index : ObjectIndex
        Where its objects are.
    objects : iterable of int, optional
        Labels to describe; all unless given.

    Returns
    -------
    DataFrame
        A row per object: ``index``; ``area`` in pixels; ``roundness``, the isoperimetric quotient
        4π·area/perimeter², 0.9 to 1 for a disc, less for what is long, bent or ragged (the perimeter is the
        count of pixel edges times π/4, right for a disc); ``contact``, the share of the outline that other
        objects touch; ``border``, whether it touches the border of the image. Of an object in several
        planes, outlines are those in the planes. Objects that are deleted meanwhile are left out.
    """
    chosen = [int(i) for i in (index.labels() if objects is None else objects)]
    rows = []
    for number, label in enumerate(chosen):
        if number % _STEP == 0:
            yield Progress("Describing the objects", number, len(chosen))
        try:
            rows.append(_shape(labels, index, label))
        except LabelsError:
            continue  # deleted in the meantime
    yield Progress("Describing the objects", len(chosen), len(chosen))
    return pd.DataFrame(rows, columns=list(SHAPE_COLUMNS)).astype({"border": bool})


def measure_shapes(labels: Any, index: ObjectIndex, objects: Iterable[int] | None = None) -> pd.DataFrame:
    """Describe objects by their outlines; see `measuring_shapes`."""
    return drain(measuring_shapes(labels, index, objects))


def _shape(labels: Any, index: ObjectIndex, label: int) -> tuple[int, int, float, float, bool]:
    outlines = [_outline(pixels) for _, pixels in surroundings(labels, index, label)]
    if not outlines:
        raise LabelsError(f"There is no object {label} in these labels.")
    edges = np.sum(outlines, axis=0)
    area = index.area(label)
    perimeters = np.array([o[BACKGROUND] + o[OTHER] + o[OUTSIDE] for o in outlines]) * (np.pi / 4)
    quotient = 4 * np.pi * area / float(np.sum(perimeters**2))
    free = edges[BACKGROUND] + edges[OTHER]
    contact = edges[OTHER] / free if free else 0.0
    return label, area, min(1.0, quotient), float(contact), bool(edges[OUTSIDE])
