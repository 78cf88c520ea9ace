"""Small pictures of a dataset's images, with the outlines of their objects coloured by status."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Sample
from napari_cellseg.images.scaling import intensity_range, scale_intensity
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.status_colours import COLOURS

EDGE = 96
"""Longer edge of a thumbnail, pixels."""
KEPT = 2000
"""Thumbnails that stay in memory, 27 kB each."""

Picture = NDArray[np.uint8]


def make_thumbnail(sample: Sample, edge: int = EDGE) -> Picture:
    """A sample as a small picture.

    Parameters
    ----------
    sample : Sample
        Its pixels are read.
    edge : int
        Longer edge of the picture.

    Returns
    -------
    (h, w, 3) ndarray of uint8
        The longer side is `edge` pixels; images that are smaller keep their size. Pixels that nobody has
        reviewed are dark.

    Raises
    ------
    DatasetError
        Where the sample has no image, or one of another size than its labels.
    """
    picture = _shrunk(sample.pixels(), edge)
    shape = picture.shape[:2]
    labels = _nearest(sample.annotation.labels, shape)
    if sample.ignored is not None:
        picture[_nearest(sample.ignored, shape)] //= 3
    draw_outlines(picture, labels, sample.annotation.objects)
    return picture


def draw_outlines(picture: Picture, labels: NDArray[np.int32], objects: pd.DataFrame) -> None:
    """Draw the inner outlines of objects into a picture, coloured by status.

    Parameters
    ----------
    picture : (Y, X, 3) ndarray of uint8
        Is changed.
    labels : (Y, X) ndarray of int32
        0 is background.
    objects : DataFrame
        Rows with ``index`` and ``status``; objects without one count as predicted.
    """
    edges = _outlines(labels)
    words = dict(zip(objects["index"].tolist(), objects["status"].tolist(), strict=True))
    found, places = np.unique(labels[edges], return_inverse=True)
    predicted = _RGB[Status.PREDICTED]
    colours = np.array([_RGB.get(words.get(label, ""), predicted) for label in found.tolist()], np.uint8)
    picture[edges] = colours.reshape(-1, 3)[places.ravel()]


class ThumbnailCache:
    """The thumbnails that were made last.

    Parameters
    ----------
    kept : int
        How many stay.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()

    def get(self, key: Hashable) -> Picture | None:
        """A picture, if it is still there."""
        if key in self._pictures:
            self._pictures.move_to_end(key)
        return self._pictures.get(key)

    def put(self, key: Hashable, picture: Picture) -> None:
        """Keep a picture; the one that was not asked for the longest goes."""
        self._pictures[key] = picture
        self._pictures.move_to_end(key)
        while len(self._pictures) > self._kept:
            self._pictures.popitem(last=False)

    def __len__(self) -> int:
        return len(self._pictures)


_RGB = {status.value: tuple(bytes.fromhex(colour[1:])) for status, colour in COLOURS.items()}


def _shrunk(pixels: NDArray[Any], edge: int) -> Picture:
    """Pixels as 8-bit RGB, averaged over blocks first so that thin structures don't flicker."""
    rows, columns = (max(1, min(n, max(pixels.shape[:2]) // edge)) for n in pixels.shape[:2])
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    whole = pixels[: height * rows, : width * columns]
    means = whole.reshape(height, rows, width, columns, -1).mean((1, 3))
    if pixels.dtype == np.uint8 and means.shape[2] == 3:
        colours = means
    else:
        grey = scale_intensity(means, intensity_range(means)).mean(2, keepdims=True)
        colours = np.repeat(grey.clip(0, 1) * 255, 3, axis=2)
    share = min(1.0, edge / max(pixels.shape[:2]))
    shape = tuple(max(1, round(n * share)) for n in pixels.shape[:2])
    return np.ascontiguousarray(_nearest(colours.astype(np.uint8), shape))


def _nearest(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An image in another size, each pixel the one in the middle of its part."""
    rows, columns = (
        ((np.arange(n) + 0.5) * whole / n).astype(np.intp)
        for n, whole in zip(shape, array.shape[:2], strict=True)
    )
    return array[rows[:, None], columns[None, :]]


def _outlines(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of objects beside a pixel of something else; the border of the image is no outline."""
    edges = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edges[tuple(before)] |= differs
        edges[tuple(after)] |= differs
    return edges & (labels != 0)
