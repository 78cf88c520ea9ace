"""Sizes of image files, from their headers where these are cheap to read."""

import warnings
from pathlib import Path

from napari_cellseg.datasets.formats.image_files import read_pixels
from napari_cellseg.datasets.formats.runs import LARGEST_PLANE
from napari_cellseg.errors import DatasetError

_HEADED = (".png", ".jpg", ".jpeg", ".bmp")


def image_shape(path: Path) -> tuple[int, int]:
    """Rows and columns of an image of one plane.

    Raises
    ------
    DatasetError
        Where the file cannot be read, holds several planes, or claims more than `LARGEST_PLANE` pixels.
    """
    if path.suffix.lower() not in _HEADED:
        pixels = read_pixels(path)
        return int(pixels.shape[0]), int(pixels.shape[1])
    from PIL import Image

    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"'{path}' cannot be read as an image: {error}.") from error
    if not 0 < width * height <= LARGEST_PLANE:
        raise DatasetError(
            f"'{path}' claims {height:,} × {width:,} pixels; 1 to {LARGEST_PLANE:,} of them are read."
        )
    return height, width
