"""A patch: image, labels and ignored pixels that are moved together."""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.training.augmentation import mirror_index
from napari_cellseg.training.unets.operation import Coordinates, Image


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A piece of an annotated image.

    Attributes
    ----------
    image : (H, W) or (H, W, 3) ndarray of float32
        0 to 1.
    labels : (H, W) ndarray of int32
        0 is background.
    ignored : (H, W) ndarray of bool
        Pixels that nobody has reviewed: neither object nor background.
    """

    image: Image
    labels: NDArray[np.int32]
    ignored: NDArray[np.bool_]

    @property
    def is_colour(self) -> bool:
        """Whether the image has three channels."""
        return self.image.ndim == 3

    def with_image(self, image: Image) -> "Patch":
        """The same labels and ignored pixels with another image."""
        return replace(self, image=image)


def warped(patch: Patch, coordinates: Coordinates, *, smooth: bool = True) -> Patch:
    """A patch through coordinates; beyond its border it is reflected.

    Parameters
    ----------
    patch : Patch
        (h, w).
    coordinates : (2, H, W) ndarray of float32
        Row and column of the patch that each pixel of the result shows.
    smooth : bool
        Whether the image is interpolated linearly; labels and ignored pixels are always taken from the
        nearest pixel, and so is the image without.

    Returns
    -------
    Patch
        (H, W).
    """
    image = patch.image if patch.is_colour else patch.image[..., None]
    moved, labels, ignored = _warp(
        np.ascontiguousarray(image),
        np.ascontiguousarray(patch.labels),
        np.ascontiguousarray(patch.ignored),
        np.ascontiguousarray(coordinates, np.float32),
        smooth,
    )
    return Patch(moved if patch.is_colour else moved[..., 0], labels, ignored)


@njit(cache=True, nogil=True)
def _warp(image, labels, ignored, coordinates, smooth):  # type: ignore[no-untyped-def]
    height, width, channels = image.shape
    rows, columns = coordinates.shape[1:]
    out = np.empty((rows, columns, channels), np.float32)
    out_labels = np.empty((rows, columns), np.int32)
    out_ignored = np.empty((rows, columns), np.bool_)
    for i in range(rows):
        for j in range(columns):
            y, x = coordinates[0, i, j], coordinates[1, i, j]
            ny, nx = mirror_index(int(np.floor(y + 0.5)), height), mirror_index(int(np.floor(x + 0.5)), width)
            out_labels[i, j] = labels[ny, nx]
            out_ignored[i, j] = ignored[ny, nx]
            fy, fx = int(np.floor(y)), int(np.floor(x))
            wy, wx = np.float32(y - fy), np.float32(x - fx)
            if not smooth or (wy == 0 and wx == 0):
                for c in range(channels):
                    out[i, j, c] = image[ny, nx, c]
                continue
            y0, y1 = mirror_index(fy, height), mirror_index(fy + 1, height)
            x0, x1 = mirror_index(fx, width), mirror_index(fx + 1, width)
            for c in range(channels):
                upper = (1 - wx) * image[y0, x0, c] + wx * image[y0, x1, c]
                lower = (1 - wx) * image[y1, x0, c] + wx * image[y1, x1, c]
                out[i, j, c] = (1 - wy) * upper + wy * lower
    return out, out_labels, out_ignored
