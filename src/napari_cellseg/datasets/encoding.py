"""Pixels, labels and masks as files: PNG for trainers, TIFF for what must not lose anything."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.picture import is_colour
from napari_cellseg.datasets.sample import Pixels
from napari_cellseg.images.tiff_limits import CLASSIC_BYTES, resolution_tags

_LEVEL = 1
"""Of zlib: higher ones take several times as long and save a few percent of microscope images."""


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an 8-bit picture, (Y, X) or (Y, X, 3)."""
    from imagecodecs import png_encode

    path.write_bytes(png_encode(np.ascontiguousarray(pixels), level=_LEVEL))


def write_source(path: Path, pixels: Pixels, pixel_size: float | None = None) -> None:
    """Write untouched pixels, (Y, X) or (Y, X, C), of any type; all channels of a pixel side by side.

    The edge of a pixel in µm becomes resolution tags, which ImageJ, QuPath and `read_image` read.
    """
    import tifffile

    several = pixels.ndim == 3 and pixels.shape[2] > 1
    plane = pixels if several or pixels.ndim == 2 else pixels[..., 0]
    if several and plane.dtype == bool:
        plane = plane.astype(np.uint8)
    layout: dict[str, Any] = {"planarconfig": "contig"} if several else {}
    tifffile.imwrite(
        path,
        plane,
        photometric="rgb" if is_colour(pixels) else "minisblack",
        metadata={"axes": "YXS" if several else "YX"},
        bigtiff=plane.nbytes > CLASSIC_BYTES,
        predictor=plane.dtype.kind in "iu" and plane.dtype.itemsize <= 4,
        **_packed(plane),
        **({} if pixel_size is None else resolution_tags(pixel_size, pixel_size)),
        **layout,
    )


def write_planes(path: Path, planes: Iterable[NDArray[Any]], pixel_size: float | None = None) -> None:
    """Write label planes, (Y, X) each, as the pages of one file; the pixel size as in `write_source`."""
    import tifffile

    with tifffile.TiffWriter(path) as tif:
        for plane in planes:
            tif.write(
                plane,
                photometric="minisblack",
                metadata={"axes": "YX"},
                **_packed(plane),
                **({} if pixel_size is None else resolution_tags(pixel_size, pixel_size)),
            )


def as_stored(labels: NDArray[np.int32]) -> NDArray[Any]:
    """Labels as uint16, which every program reads, or as uint32 where one is too large for it."""
    wide = labels.size and int(labels.max()) > np.iinfo(np.uint16).max
    return labels.astype(np.uint32 if wide else np.uint16)


def pack_masks(masks: Iterable[ObjectMask], shape: tuple[int, int]) -> Iterator[NDArray[Any]]:
    """Whole masks in as few label planes as come easily, so that none covers another one in its plane."""
    left = sorted(masks, key=lambda mask: -mask.pixels.size)
    largest = max((mask.index for mask in left), default=0)
    dtype = np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32
    while left:
        plane = np.zeros(shape, dtype)
        later = []
        for mask in left:
            window = plane[mask.window]
            if window[mask.pixels].any():
                later.append(mask)
            else:
                window[mask.pixels] = mask.index
        left = later
        yield plane


def pixels_hash(pixels: Pixels) -> str:
    """Hash of pixels with their type and shape."""
    digest = hashlib.sha256(f"{pixels.dtype.newbyteorder('=').str[1:]} {pixels.shape}".encode())
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    digest.update(np.ascontiguousarray(native).data)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packed(plane: NDArray[Any]) -> dict[str, Any]:
    return {"compression": "zlib", "compressionargs": {"level": _LEVEL}, "maxworkers": 1}
