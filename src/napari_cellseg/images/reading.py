"""Image files in: pixels, lazily where the format allows, with the axes and pixel size of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import ImageError
from napari_cellseg.images.metadata import ImageMetadata, PixelSize

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
ZARR_SUFFIX = ".zarr"
IMAGE_SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".npy", ZARR_SUFFIX)
"""Endings of the files and folders that `read_image` reads."""
PICTURE_PIXELS = 2**30
"""Pictures of more pixels than this are taken for traps by Pillow, which warns, and refuses twice as many."""

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageFile",
    "ImageMetadata",
    "PixelSize",
    "file_stem",
    "is_folder",
    "list_images",
    "read_image",
    "read_metadata",
]


@dataclass(frozen=True)
class ImageFile:
    """An image on the disk.

    Attributes
    ----------
    path : Path
        Where it is.
    data : array
        numpy, memory-mapped, dask or zarr array; RGB samples are its last axis.
    metadata : ImageMetadata
        What the file says about it.
    """

    path: Path
    data: Any
    metadata: ImageMetadata

    @property
    def axes(self) -> str | None:
        """One letter of ``"TZCYXS"`` per dimension of `data`; None where the file doesn't say."""
        return self.metadata.axes

    @property
    def pixel_size(self) -> PixelSize | None:
        """Size of a pixel in µm; None where the file doesn't say."""
        return self.metadata.pixel_size

    def in_colour(self) -> "ImageFile":
        """The same with its red, green and blue, where these are equal and were read as grey."""
        if not self.metadata.equal_colours:
            return self
        data = np.broadcast_to(self.data[..., None], (*self.data.shape, 3))
        return replace(
            self, data=data, metadata=replace(self.metadata, axes=f"{self.axes}S", equal_colours=False)
        )


def read_image(path: str | Path) -> ImageFile:
    """Open an image file.

    Reads TIFF (OME, ImageJ, LSM, plain), PNG, JPEG, BMP, GIF, ``.npy`` and zarr (plain and OME-NGFF), at
    full resolution and full bit depth. Large TIFF files, ``.npy`` and zarr are not loaded until read.

    Parameters
    ----------
    path : str or Path
        A file, or a folder ending in ``.zarr``.

    Raises
    ------
    ImageError
        If there is no such file, its ending is unknown, or its content is broken or foreign.
    """
    path = _existing(path)
    suffix = path.suffix.lower()
    with _errors_in_words(path):
        if suffix in TIFF_SUFFIXES:
            from napari_cellseg.images.tiff import read_tiff

            return ImageFile(path, *read_tiff(path))
        if suffix in PICTURE_SUFFIXES:
            return ImageFile(path, *_read_picture(path))
        if suffix == ".npy":
            return ImageFile(path, np.load(path, mmap_mode="r", allow_pickle=False), ImageMetadata())
        from napari_cellseg.images.ngff import read_zarr

        return ImageFile(path, *read_zarr(path))


def read_metadata(path: str | Path) -> ImageMetadata:
    """What an image file says about itself, from its headers (PNG, JPEG, BMP and GIF are decoded).

    Raises
    ------
    ImageError
        As `read_image` does.
    """
    path = _existing(path)
    suffix = path.suffix.lower()
    with _errors_in_words(path):
        if suffix in TIFF_SUFFIXES:
            from napari_cellseg.images.tiff import read_tiff_metadata

            return read_tiff_metadata(path)
        if path.is_dir():
            from napari_cellseg.images.ngff import read_zarr_metadata

            return read_zarr_metadata(path)
        if suffix in PICTURE_SUFFIXES:
            return _read_picture(path)[1]
        return ImageMetadata()


def list_images(folder: str | Path) -> list[Path]:
    """Images in a folder, sorted by name; hidden files and what `read_image` doesn't read are left out.

    Raises
    ------
    ImageError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"There is no folder '{folder}'.")
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in found if p.is_dir() == (p.suffix.lower() == ZARR_SUFFIX))


def file_stem(path: Path) -> str:
    """Name of an image without its endings: ``"a"`` of ``a.tif`` and of ``a.ome.tif``."""
    return path.name.removesuffix(path.suffix).removesuffix(".ome")


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of images; a zarr is one image, and so is each array or image inside."""
    return path.is_dir() and not _is_in_zarr(path)


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise ImageError(f"There is no file '{path}'.")
    in_zarr = path.is_dir() and _is_in_zarr(path)
    if in_zarr or (path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES):
        return path
    raise ImageError(
        f"'{path}' is not an image that can be read: it must be a file ending in "
        f"{', '.join(IMAGE_SUFFIXES[:-1])}, or a folder ending in {ZARR_SUFFIX}."
    )


def _is_in_zarr(path: Path) -> bool:
    return any(p.suffix.lower() == ZARR_SUFFIX for p in (path, *path.absolute().parents))


@contextmanager
def _errors_in_words(path: Path) -> Iterator[None]:
    """Whatever a reading library raises becomes an `ImageError` that names the file and the reason."""
    if path.is_file() and path.stat().st_size == 0:
        raise ImageError(f"'{path}' is empty: it has 0 bytes. Copy it again.")
    try:
        yield
    except (ImageError, Warning):
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ImageError(
            f"'{path}' cannot be read as an image; it is broken, incomplete or of another kind "
            f"({type(error).__name__}: {reason[0] if reason else 'no reason given'})."
        ) from error


def _read_picture(path: Path) -> tuple[NDArray[Any], ImageMetadata]:
    """Pixels and metadata of a PNG, JPEG, BMP or GIF.

    Palettes are resolved, printing inks become colours, alpha of grey images is dropped.
    """
    if path.suffix.lower() == ".png" and _is_deep_colour(path):
        from imagecodecs import png_decode

        pixels = np.asarray(png_decode(path.read_bytes()))
    else:
        pixels = _read_by_pillow(path)
    if path.suffix.lower() == ".gif" and pixels.ndim > 2 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim > 2 and pixels.shape[-1] == 2:
        pixels = pixels[..., 0]
    colour = pixels.ndim > 2 and pixels.shape[-1] in (3, 4)
    equal = colour and _is_grey(pixels)
    if equal:
        pixels, colour = pixels[..., 0], False
    if pixels.ndim not in ((3, 4) if colour else (2, 3)):
        raise ImageError(f"'{path}' holds pixels of shape {pixels.shape}, which is not a picture.")
    frames = pixels.ndim == (4 if colour else 3)
    axes = ("T" if frames else "") + ("YXS" if colour else "YX")
    return pixels, ImageMetadata(axes, equal_colours=equal)


def _read_by_pillow(path: Path) -> NDArray[Any]:
    """Pixels of a picture, of slides too, which Pillow refuses by itself."""
    import imageio.v3 as iio
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, PICTURE_PIXELS
    try:
        inks = iio.immeta(path, plugin="pillow").get("mode") == "CMYK"
        return np.asarray(iio.imread(path, plugin="pillow", mode="RGB" if inks else None))
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has 16 bits per sample and more than one sample, which Pillow would cut to 8 bits."""
    with path.open("rb") as file:
        header = file.read(26)
    return header[:8] == b"\x89PNG\r\n\x1a\n" and header[24:25] == b"\x10" and header[25:26] != b"\x00"


def _is_grey(pixels: NDArray[Any]) -> bool:
    return bool((pixels[..., :1] == pixels[..., 1:3]).all())
