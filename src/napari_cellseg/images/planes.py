"""An image of any dimensions, seen as a row of 2-D planes that are read window by window."""

import warnings
from collections.abc import Iterator, Sequence
from math import ceil, prod, sqrt
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import CellSegWarning, ImageError
from napari_cellseg.images.axes import colour_doubt, resolve_axes
from napari_cellseg.images.channels import Channel, ChannelChoice, choose_channels

BAND_BYTES = 2**26
"""Memory that one band of rows may take while a lazy image is read."""
STRIDED_PIXELS = 2**26
"""Planes (or regions) with more pixels are sampled in blocks, so that a slide is not read whole."""
BLOCK = 64
"""Edge length of those blocks, in pixels."""


class Planes:
    """An image seen as 2-D planes; nothing is loaded until it is read. Made by `open_planes`.

    Attributes
    ----------
    axes : str
        One letter per dimension of the image, in its own order.
    outer_axes : str
        The letters that number the planes (time, depth), in the image's order.
    outer_shape : tuple of int
        Lengths of the outer axes.
    shape : (int, int)
        Rows and columns of a plane.
    channels : int
        Channels that `read` returns: 3 for RGB, else 1.
    dtype : numpy.dtype
        Type of the pixels that `read` returns, in the machine's byte order.
    """

    def __init__(self, array: Any, axes: str, choice: ChannelChoice) -> None:
        sizes = dict(zip(axes, array.shape, strict=True))
        self._array = array
        self._choice = choice
        self._band: tuple[tuple[int, int, int], NDArray[Any]] | None = None
        self.axes = axes
        self.outer_axes = "".join(a for a in axes if a in "TZ")
        self.outer_shape = tuple(int(sizes[a]) for a in self.outer_axes)
        self.shape = (int(sizes["Y"]), int(sizes["X"]))
        self.is_rgb = sizes.get("S", 1) >= 3 and choice.axis != "S"
        self.channels = 3 if self.is_rgb else 1
        self.dtype = choice.dtype(np.dtype(array.dtype).newbyteorder("="))

    def __len__(self) -> int:
        return prod(self.outer_shape)

    def __repr__(self) -> str:
        return f"Planes(axes={self.axes!r}, planes={len(self)}, shape={self.shape}, dtype={self.dtype})"

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape of the labels of the whole image: outer axes, then Y and X."""
        return self.outer_shape + self.shape

    def index(self, plane: int) -> tuple[int, ...]:
        """Position of a plane along the outer axes; the last one runs fastest."""
        if not 0 <= plane < len(self):
            raise IndexError(f"plane must be between 0 and {len(self) - 1}, not {plane}")
        return tuple(int(i) for i in np.unravel_index(plane, self.outer_shape)) if self.outer_shape else ()

    def read(self, plane: int, y: slice = slice(None), x: slice = slice(None)) -> NDArray[Any]:
        """Pixels of a window of a plane.

        Parameters
        ----------
        plane : int
            Number of the plane, 0 to ``len(self) - 1``.
        y, x : slice
            Rows and columns, step 1, clipped to the plane as numpy does.

        Returns
        -------
        (h, w, channels) ndarray
            A copy, in the image's own type; float where channels are averaged.
        """
        y0, y1 = _bounds(y, self.shape[0])
        x0, x1 = _bounds(x, self.shape[1])
        rows = self._rows_at_once(y0, y1)
        if rows is None or x1 - x0 == self.shape[1]:
            return self._load(plane, slice(y0, y1), slice(x0, x1))
        key = (plane, *rows)
        band = self._band
        if band is None or band[0] != key:
            self._band = None
            band = (key, self._load(plane, slice(*rows), slice(0, self.shape[1])))
            self._band = band
        return band[1][y0 - rows[0] : y1 - rows[0], x0:x1].copy()

    def sample(
        self, plane: int, limit: int = 2**20, region: tuple[slice, slice] | None = None
    ) -> NDArray[Any]:
        """Pixels spread evenly over a plane, for its intensity range.

        Which pixels depends on the plane's shape, `limit` and `region` only, never on how the image is
        stored. Lazy images are read in bands of rows; planes of more than `STRIDED_PIXELS` pixels in
        a grid of small blocks, so that a whole slide is not read.

        Parameters
        ----------
        plane : int
            Number of the plane.
        limit : int
            Pixels at most, but no fewer than one block of a slide.
        region : (slice, slice), optional
            Rows and columns to stay in.

        Returns
        -------
        (n, channels) ndarray
            In the type that `read` returns.
        """
        y, x = region if region is not None else (slice(None), slice(None))
        (y0, y1), (x0, x1) = _bounds(y, self.shape[0]), _bounds(x, self.shape[1])
        height, width = y1 - y0, x1 - x0
        if height * width == 0:
            return np.zeros((0, self.channels), self.dtype)
        if height * width > max(STRIDED_PIXELS, limit):
            per_axis = max(1, int(sqrt(limit) / BLOCK))
            pieces = [
                self._load(plane, rows, columns)
                for rows in _spread(y0, y1, per_axis)
                for columns in _spread(x0, x1, per_axis)
            ]
        else:
            step = 1
            while ceil(height / step) * ceil(width / step) > max(1, limit):
                step += max(1, step // 16)
            pieces = list(self._strided(plane, slice(y0, y1), slice(x0, x1), step))
        return np.concatenate([p.reshape(-1, self.channels) for p in pieces])

    def _strided(self, plane: int, y: slice, x: slice, step: int) -> Iterator[NDArray[Any]]:
        """Every `step`-th pixel of every `step`-th row, from bands of rows."""
        per_row = max(1, (x.stop - x.start) * self.channels * self.dtype.itemsize)
        unit = self._chunk("Y")
        rows = max(1, ceil(BAND_BYTES / per_row / unit)) * unit
        for start in range(y.start - y.start % unit, y.stop, rows):
            first = max(start, y.start)
            first += -(first - y.start) % step
            stop = min(start + rows, y.stop)
            if first < stop:
                yield self._load(plane, slice(first, stop), x)[::step, ::step]

    def _rows_at_once(self, y0: int, y1: int) -> tuple[int, int] | None:
        """Rows to decode together where a lazy image is stored in strips or whole pages, else None.

        Reading a row of tiles from such a file would decode every strip once per tile.
        """
        height, width = self.shape
        unit = self._chunk("Y")
        stored_in_chunks = getattr(self._array, "chunks", None) is not None
        if not stored_in_chunks or self._chunk("X") * 2 <= width or y1 <= y0:
            return None
        rows = (y0 - y0 % unit, min(height, ceil(y1 / unit) * unit))
        size = (rows[1] - rows[0]) * width * self.channels * self.dtype.itemsize
        return rows if size <= 4 * BAND_BYTES else None

    def _chunk(self, axis: str) -> int:
        """Length of a stored chunk along an axis; 1 where the image is not stored in chunks."""
        chunks = getattr(self._array, "chunks", None)
        if not chunks:
            return 1
        along = chunks[self.axes.index(axis)]
        return int(max(along)) if isinstance(along, Sequence) else int(along)

    def _load(self, plane: int, y: slice, x: slice) -> NDArray[Any]:
        """A window as (h, w, channels), always a copy, in the machine's byte order."""
        at: dict[str, int | slice] = dict(zip(self.outer_axes, self.index(plane), strict=True))
        at |= {"Y": y, "X": x}
        if "C" in self.axes:
            at["C"] = self._choice.selector if self._choice.axis == "C" else 0
        if "S" in self.axes:
            at["S"] = self._choice.selector if self._choice.axis == "S" else slice(0, 3) if self.is_rgb else 0
        window = np.asarray(self._array[tuple(at[a] for a in self.axes)])
        kept = [a for a in self.axes if isinstance(at[a], slice)]
        order = [a for a in "YXSC" if a in kept]
        window = window.transpose([kept.index(a) for a in order])
        if self._choice.combine is not None:
            window = self._choice.apply(window, order.index(self._choice.axis))
        shape = (y.stop - y.start, x.stop - x.start, self.channels)
        return np.array(window, dtype=self.dtype, order="C").reshape(shape)


def open_planes(image: Any, *, axes: str | None = None, channel: Channel = None) -> Planes:
    """See an image as 2-D planes, without loading it.

    Parameters
    ----------
    image : array-like
        numpy, dask or zarr array, or whatever indexes like one; a list of arrays of falling size is
        a multiscale image, of which the first is read. Any bool, integer or float type.
    axes : str, optional
        One letter of ``"TZCYXS"`` per dimension; see `resolve_axes` for what None means.
    channel : int, sequence of int, "mean", "max" or None
        Channel to read, several to average, or how all are combined. None reads RGB images in colour
        and the first of several channels, with a warning. Alpha is always dropped.

    Raises
    ------
    AxesError
        If the axes don't fit the image, or the channel is not there.
    ImageError
        If the image has no pixels, or pixels of a type that is not a number.
    """
    if isinstance(image, str | bytes | PathLike):
        raise ImageError(
            f"An image must be an array, not the path {str(image)!r}. Read it first, for example with "
            "napari_cellseg.images.reading.read_image(path).data, or segment files on the command line."
        )
    if isinstance(image, np.ma.MaskedArray):
        warnings.warn(
            "The mask of a masked array is not used: its pixels are read as they are. Fill them first, for "
            "example with numpy.ma.filled.",
            CellSegWarning,
            stacklevel=2,
        )
    array = _full_resolution(image)
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "buif":
        raise ImageError(
            f"Pixels must be whole numbers, floats or true/false, but this image has the type '{dtype}'."
            + (" Give its absolute value or its real part." if dtype.kind == "c" else "")
        )
    if 0 in array.shape:
        raise ImageError(f"The image has no pixels: its shape is {tuple(array.shape)}.")
    letters = resolve_axes(array.shape, dtype, axes)
    doubt = colour_doubt(array.shape, letters) if axes is None else ""
    if doubt:
        warnings.warn(doubt, CellSegWarning, stacklevel=2)
    sizes = dict(zip(letters, array.shape, strict=True))
    return Planes(array, letters, choose_channels(letters, sizes, channel))


def _full_resolution(image: Any) -> Any:
    """The array itself, or the first level of a multiscale image."""
    if isinstance(image, Sequence) and not isinstance(image, str | bytes):
        levels = list(image)
        if levels and all(hasattr(level, "shape") and len(level.shape) >= 2 for level in levels):
            if len(levels) > 1 and prod(levels[1].shape) >= prod(levels[0].shape):
                raise ImageError(
                    "A list of arrays is a multiscale image, whose levels must get smaller, but the first "
                    f"two have shapes {tuple(levels[0].shape)} and {tuple(levels[1].shape)}. "
                    "For planes of one stack give one array: numpy.stack(images)."
                )
            return _full_resolution(levels[0])
    if _is_array(image):
        return image
    try:
        return np.asarray(image)
    except (ValueError, TypeError) as error:
        raise ImageError(f"An image must be an array, not {type(image).__name__}: {error}.") from error


def _is_array(image: Any) -> bool:
    if not all(hasattr(image, name) for name in ("shape", "dtype", "__getitem__")):
        return False
    try:
        np.dtype(image.dtype)
    except TypeError:
        return False
    return True


def _bounds(window: slice, size: int) -> tuple[int, int]:
    start, stop, step = window.indices(size)
    if step != 1:
        raise ValueError(f"a window must have step 1, not {step}")
    return start, max(start, stop)


def _spread(start: int, stop: int, count: int) -> list[slice]:
    """Up to `count` blocks, evenly spread from `start` to `stop`."""
    size = min(BLOCK, stop - start)
    count = max(1, min(count, (stop - start) // size))
    firsts = np.linspace(start, stop - size, 2 * count + 1)[1::2]
    return [slice(int(f), int(f) + size) for f in firsts]
