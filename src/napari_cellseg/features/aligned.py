"""Labels and their image, plane by plane or volume by volume."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import AxesError, LabelsError, OptionError
from napari_cellseg.features.pixels import native_pixels
from napari_cellseg.images.axes import resolve_axes

SURROUNDINGS = 16
"""Pixels around an object's box that may be looked at when its intensities are measured."""
TILE = 512
"""Edge of the pieces, in pixels, in which an image that is not in memory is loaded for a few objects."""


@dataclass(frozen=True, slots=True)
class AlignedPlanes:
    """Labels, and an image where there is one, of which one plane or volume is read at a time.

    Attributes
    ----------
    labels, image : array-like
        numpy, dask or zarr.
    axes, image_axes : str
        A letter for each of their dimensions.
    spatial : {"YX", "ZYX"}
        The axes of a plane or volume.
    channels : tuple of str
        Names of the channels; empty without an image.
    """

    labels: Any = field(repr=False)
    image: Any = field(repr=False)
    axes: str
    image_axes: str
    spatial: str
    channels: tuple[str, ...]

    @property
    def outer_axes(self) -> str:
        """The axes that number the planes."""
        return "".join(a for a in self.axes if a not in self.spatial)

    @property
    def outer_shape(self) -> tuple[int, ...]:
        """Lengths of these axes."""
        return tuple(int(self.labels.shape[self.axes.index(a)]) for a in self.outer_axes)

    def __len__(self) -> int:
        return prod(self.outer_shape)

    def place(self, plane: int) -> dict[str, int]:
        """Position of a plane along the outer axes, by letter."""
        at = np.unravel_index(plane, self.outer_shape) if self.outer_shape else ()
        return {axis: int(i) for axis, i in zip(self.outer_axes, at, strict=True)}

    def read_labels(self, plane: int) -> NDArray[Any]:
        """Labels of one plane, (Y, X) or (Z, Y, X); a view where they are in memory."""
        return self._read(self.labels, self.axes, plane)

    def read_image(self, plane: int, boxes: NDArray[np.int64] | None = None) -> NDArray[Any] | None:
        """Image of one plane, with a last axis of channels; None where there is none.

        Parameters
        ----------
        plane : int
            Which one.
        boxes : (N, 2 * D) ndarray of int, optional
            Where pixels are needed, with `SURROUNDINGS` around: others are not loaded where the image is not
            in memory as kernels read it, and are of no meaning then. None: everywhere.
        """
        if self.image is None:
            return None
        at_hand = (
            isinstance(self.image, np.ndarray) and native_pixels(self.image[:0]).dtype == self.image.dtype
        )
        if boxes is None or at_hand:
            image = native_pixels(self._read(self.image, self.image_axes, plane))
        else:
            image = self._read_parts(plane, boxes)
        return image if len(self.image_axes) > len(self.axes) else image[..., None]

    def _read_parts(self, plane: int, boxes: NDArray[np.int64]) -> NDArray[Any]:
        """A plane of the image of which only the tiles are loaded that boxes with their surroundings meet."""
        first = self._read(self.image, self.image_axes, plane, (slice(0, 1),) * len(self.spatial))
        shape = tuple(int(self.labels.shape[self.axes.index(a)]) for a in self.spatial)
        image = np.empty(shape + first.shape[len(shape) :], native_pixels(first).dtype)
        for window in _tiles_around(boxes, shape):
            image[window] = native_pixels(self._read(self.image, self.image_axes, plane, window))
        return image

    def _read(self, array: Any, axes: str, plane: int, window: Sequence[slice] = ()) -> NDArray[Any]:
        at: dict[str, Any] = self.place(plane)
        left = [a for a in axes if a not in at]
        at |= dict(zip(self.spatial, window, strict=False))
        piece = np.asarray(array[tuple(at.get(a, slice(None)) for a in axes)])
        order = [*self.spatial, *(a for a in left if a not in self.spatial)]
        return piece.transpose([left.index(a) for a in order])


def _tiles_around(boxes: NDArray[np.int64], shape: Sequence[int]) -> list[tuple[slice, ...]]:
    """Windows of the tiles in Y and X that boxes with their surroundings meet; whole along Z."""
    tiles: set[tuple[int, int]] = set()
    ndim = len(shape)
    for box in boxes.tolist():
        low = [max(b - SURROUNDINGS, 0) // TILE for b in box[ndim - 2 : ndim]]
        high = [min(b + SURROUNDINGS, n) for b, n in zip(box[-2:], shape[-2:], strict=True)]
        tiles.update(
            (y, x) for y in range(low[0], -(-high[0] // TILE)) for x in range(low[1], -(-high[1] // TILE))
        )
    outer = (slice(None),) * (ndim - 2)
    return [(*outer, *(slice(i * TILE, (i + 1) * TILE) for i in tile)) for tile in sorted(tiles)]


def align(
    labels: Any, image: Any, *, axes: str | None, channels: Sequence[str] | None, volume: bool
) -> AlignedPlanes:
    """Match an image to labels.

    Parameters
    ----------
    labels : (…, Y, X) array-like of int
        numpy, dask or zarr.
    image : (…, Y, X[, C]) array-like or None
        Of the labels' shape, with an axis of channels or samples at the end, or where `axes` say.
    axes : str or None
        A letter of ``"TZYX"`` for each dimension of the labels, or of ``"TZCYXS"`` for each of the image.
        None: the last two are Y and X; what comes before is Z, or T and Z.
    channels : sequence of str or None
        Names of the channels; None: their numbers.
    volume : bool
        Whether Z is an axis of space, so that objects have three dimensions.

    Raises
    ------
    LabelsError
        Where the labels are no whole numbers, or have no pixels.
    AxesError
        Where axes and shapes don't fit together.
    OptionError
        Where the names don't fit the channels.
    """
    labels = labels if hasattr(labels, "shape") else np.asarray(labels)
    if np.dtype(labels.dtype).kind not in "iu" or 0 in labels.shape:
        hint = " Number its objects first: skimage.measure.label(mask)." if labels.dtype == bool else ""
        raise LabelsError(
            f"Labels to measure must be whole numbers, at least one; these are {labels.dtype} of shape "
            f"{tuple(labels.shape)}.{hint}"
        )
    if image is not None and not hasattr(image, "shape"):
        image = np.asarray(image)
    if image is not None and np.dtype(image.dtype).kind not in "buif":
        raise OptionError(
            f"Intensities must be whole numbers, floats or true/false, not {image.dtype}: measure a part of "
            "it, for example abs(image)."
        )
    own, of_image = _both_axes(labels, image, axes)
    if volume and "Z" not in own:
        raise AxesError(f"Volumes need an axis Z, but the axes of the labels are '{own}'.")
    _check_shapes(labels, image, own, of_image)
    names = () if image is None else _channel_names(image, of_image, channels)
    return AlignedPlanes(labels, image, own, of_image, "ZYX" if volume else "YX", names)


def _both_axes(labels: Any, image: Any, axes: str | None) -> tuple[str, str]:
    """Axes of the labels and of the image."""
    if axes is not None and image is not None and any(a in axes.upper() for a in "CS"):
        of_image = resolve_axes(image.shape, image.dtype, axes)
        return resolve_axes(
            labels.shape, labels.dtype, "".join(a for a in of_image if a not in "CS")
        ), of_image
    own = resolve_axes(labels.shape, np.int32, axes)
    if "C" in own or "S" in own:
        raise AxesError(f"Labels have no axis C or S, but their axes were given as '{own}'.")
    return own, own + ("C" if image is not None and len(image.shape) > len(own) else "")


def _check_shapes(labels: Any, image: Any, own: str, of_image: str) -> None:
    if image is None:
        return
    sizes = dict(zip(of_image, image.shape, strict=False))
    fits = len(of_image) == len(image.shape) and not {"C", "S"} <= set(of_image)
    if not fits or any(sizes[a] != n for a, n in zip(own, labels.shape, strict=True)):
        raise AxesError(
            f"The image must have the shape of the labels, {tuple(labels.shape)}, and channels at the end if "
            f"it has some, not {tuple(image.shape)}. If the channels are elsewhere, name the axes of the "
            f"image, for example axes='{own[:-2]}CYX'."
        )


def _channel_names(image: Any, of_image: str, channels: Sequence[str] | None) -> tuple[str, ...]:
    axis = next((a for a in of_image if a in "CS"), None)
    count = 1 if axis is None else int(image.shape[of_image.index(axis)])
    names = tuple(str(c) for c in channels) if channels is not None else tuple(map(str, range(count)))
    if len(names) != count or len(set(names)) != count:
        raise OptionError(f"channels must be {count} different names, one for each, not {channels!r}.")
    return names


def resolve_spacing(scale: float | Sequence[float] | None, planes: AlignedPlanes) -> tuple[float, ...]:
    """Size of a pixel along each axis of a plane or volume.

    Parameters
    ----------
    scale : float or sequence of float, optional
        One for all axes; or one for each of the plane's axes, (y, x) or (z, y, x); or one for each of
        the labels' axes, as a layer of napari has it.
    planes : AlignedPlanes
        What is measured.

    Raises
    ------
    OptionError
        Where there are not as many, or one is not above 0.
    """
    spatial = planes.spatial
    sizes = np.ones(len(spatial)) if scale is None else np.asarray(scale, np.float64)
    if sizes.ndim == 0:
        sizes = np.full(len(spatial), sizes)
    if sizes.shape == (len(planes.axes),):
        sizes = sizes[[planes.axes.index(a) for a in spatial]]
    if sizes.shape != (len(spatial),) or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise OptionError(
            f"scale must be one number above 0, or one for each of the axes {spatial} "
            f"or {planes.axes}, not {scale!r}."
        )
    return tuple(sizes.tolist())
