"""The files of one image of a dataset, as bytes on the disk."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.picture import is_colour, picture
from napari_cellseg.datasets.sample import Pixels, Sample
from napari_cellseg.datasets.settings import Settings

Write = Callable[[Path], None]

_LEVEL = 1
"""Of zlib: higher ones take several times as long and save a few percent of microscope images."""


def file_writers(sample: Sample, pixels: Pixels, settings: Settings) -> dict[str, Write]:
    """How each file of a sample is written, by the folder it belongs to.

    Parameters
    ----------
    sample : Sample
        The sample.
    pixels : (Y, X) or (Y, X, C) ndarray
        Its pixels.
    settings : Settings
        The dataset's; its classes are those of the sample and more.
    """
    annotation = sample.annotation
    shown = sample.training_pixels(pixels)
    writers: dict[str, Write] = {
        "images": lambda path: write_png(path, picture(shown, settings.scaling)),
        "masks": lambda path: write_planes(path, [as_stored(annotation.labels)]),
        "source": lambda path: write_source(path, pixels),
    }
    if annotation.covered:
        masks, shape = list(annotation.covered.values()), annotation.shape
        writers["covered"] = lambda path: write_planes(path, pack_masks(masks, shape))
    ignored = sample.ignored
    if ignored is not None and ignored.any():
        writers["ignored"] = lambda path: write_planes(path, [ignored.astype(np.uint8)])
    return writers


def write_all(executor: Executor, writers: Iterable[tuple[Path, Write]]) -> list[str]:
    """Write files side by side; the SHA-256 of each."""
    return list(executor.map(_write_hashed, writers))


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an 8-bit picture, (Y, X) or (Y, X, 3)."""
    from imagecodecs import png_encode

    path.write_bytes(png_encode(np.ascontiguousarray(pixels), level=_LEVEL))


def write_source(path: Path, pixels: Pixels) -> None:
    """Write untouched pixels, (Y, X) or (Y, X, C), of any type; all channels of a pixel side by side."""
    import tifffile

    several = pixels.ndim == 3 and pixels.shape[2] > 1
    plane = pixels if several or pixels.ndim == 2 else pixels[..., 0]
    layout: dict[str, Any] = {"planarconfig": "contig"} if several else {}
    tifffile.imwrite(
        path,
        plane,
        photometric="rgb" if is_colour(pixels) else "minisblack",
        metadata={"axes": "YXS" if several else "YX"},
        predictor=plane.dtype.kind in "iu" and plane.dtype.itemsize <= 4,
        **_packed(plane),
        **layout,
    )


def write_planes(path: Path, planes: Iterable[NDArray[Any]]) -> None:
    """Write label planes, (Y, X) each, as the pages of one file."""
    import tifffile

    with tifffile.TiffWriter(path) as tif:
        for plane in planes:
            tif.write(plane, photometric="minisblack", metadata={"axes": "YX"}, **_packed(plane))


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


def _packed(plane: NDArray[Any]) -> dict[str, Any]:
    return {"compression": "zlib", "compressionargs": {"level": _LEVEL}, "maxworkers": 1}


def _write_hashed(job: tuple[Path, Write]) -> str:
    path, write = job
    write(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
