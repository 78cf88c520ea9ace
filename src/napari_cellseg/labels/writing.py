"""Label images to files, without losing an object, and maps of models beside them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.images.tiff_limits import CLASSIC_BYTES, resolution_tags

FORMATS = ("tif", "png", "npy")
"""Formats of label images."""

PNG_LIMIT = np.iinfo(np.uint16).max
"""Most objects that a 16-bit PNG can tell apart."""


def write_labels(
    path: str | Path, labels: NDArray[Any], *, axes: str = "YX", pixel_size: PixelSize | None = None
) -> None:
    """Write a label image; its format is the path's ending.

    Parameters
    ----------
    path : str or Path
        Ends in ``.tif`` (OME-TIFF, zlib, int32, axes and pixel size inside), ``.png`` (16-bit, 2-D) or
        ``.npy`` (int32).
    labels : (…, Y, X) ndarray of int
        0 is background.
    axes : str
        One letter of ``"TZYX"`` per dimension.
    pixel_size : PixelSize, optional
        In µm; TIFF only.

    Raises
    ------
    OptionError
        Where the format is unknown, or cannot hold these labels.
    OSError
        Where the file cannot be written.
    """
    path = Path(path)
    ending = path.suffix[1:].lower()
    if ending not in FORMATS:
        raise OptionError(f"A label image must be one of {', '.join(FORMATS)}, not '{path.name}'.")
    labels = np.asarray(labels, np.int32)
    if ending == "npy":
        np.save(path, labels)
    elif ending == "png":
        _write_png(path, labels)
    else:
        _write_tiff(path, labels, axes, pixel_size)


def write_map(
    path: str | Path, values: NDArray[Any], *, axes: str = "YX", pixel_size: PixelSize | None = None
) -> None:
    """Write a map of a model as OME-TIFF of float32, zlib, with axes and pixel size inside.

    Parameters
    ----------
    path : str or Path
        Ends in ``.tif``.
    values : (…, Y, X) ndarray of float
        At the scale of the image.
    axes : str
        One letter of ``"TZYX"`` per dimension.
    pixel_size : PixelSize, optional
        In µm.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    values = np.asarray(values, np.float32)
    _write_tiff(Path(path), values, axes, pixel_size, bigtiff=values.nbytes > CLASSIC_BYTES)


def _write_png(path: Path, labels: NDArray[np.int32]) -> None:
    import imageio.v3 as iio

    if labels.ndim != 2:
        raise OptionError(
            f"PNG holds one plane, these labels have {labels.ndim} dimensions. Choose the format tif or npy."
        )
    if labels.size and labels.max() > PNG_LIMIT:
        raise OptionError(
            f"PNG holds labels up to {PNG_LIMIT:,}, the highest is {int(labels.max()):,}. "
            f"Choose the format tif or npy."
        )
    iio.imwrite(path, labels.astype(np.uint16))


def _write_tiff(
    path: Path, pixels: NDArray[Any], axes: str, pixel_size: PixelSize | None, *, bigtiff: bool = False
) -> None:
    import tifffile

    metadata: dict[str, Any] = {"axes": axes}
    resolution: dict[str, Any] = {}
    if pixel_size is not None:
        for letter, size in zip("XYZ", (pixel_size.x, pixel_size.y, pixel_size.z), strict=True):
            if size is not None:
                metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": "µm"}
        resolution = resolution_tags(pixel_size.y, pixel_size.x)
    tifffile.imwrite(
        path,
        pixels,
        ome=True,
        bigtiff=bigtiff,
        photometric="minisblack",
        compression="zlib",
        metadata=metadata,
        **resolution,
    )
