"""The image files of a format: written as deep as the pixels are, found by the names that they were given."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import tifffile
from imagecodecs import png_encode

from napari_cellseg.datasets.names import path_within, safe_name
from napari_cellseg.datasets.sample import Pixels, Sample
from napari_cellseg.errors import DatasetError, ImageError
from napari_cellseg.images.reading import IMAGE_SUFFIXES, read_image
from napari_cellseg.outputs import make_folder, replacing

MOST_FILES = 1_000_000
"""Files of a folder of images that are looked at."""
_LEVEL = 1
"""Of zlib in PNG: higher ones take half as long again and save a percent of microscope images."""
_ENDINGS = tuple(f"{extra}{suffix}" for extra in (".ome", "") for suffix in IMAGE_SUFFIXES)


class Stems:
    """File stems of samples, each used once, also where a file system does not tell upper from lower case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """`safe_name` of a name, with a number behind it where it is taken."""
        stem = base = safe_name(name)
        number = 2
        while stem.casefold() in self._taken:
            stem, number = f"{base}_{number}", number + 1
        self._taken.add(stem.casefold())
        return stem


def write_image(sample: Sample, folder: Path, stem: str) -> Path | None:
    """Write the training pixels of a sample, exactly, and return the path.

    uint8 and uint16 grey and 8-bit RGB become PNG; all others, and RGB whose channels are all equal, become
    TIFF with their own dtype and channels (a single one becomes (Y, X)). Without an image, none is written.

    Parameters
    ----------
    sample : Sample
        Its pixels that nobody has reviewed are filled, see `Sample.training_pixels`.
    folder : Path
        Made, where it is missing.
    stem : str
        A safe file stem.
    """
    if sample.read_pixels is None:
        return None
    pixels = np.asarray(sample.training_pixels())
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    make_folder(folder)
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    rgb = pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    if grey or (rgb and not bool((pixels[..., :1] == pixels[..., 1:]).all())):
        path = folder / f"{stem}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(png_encode(np.ascontiguousarray(pixels), level=_LEVEL))
        return path
    path = folder / f"{stem}.tif"
    with replacing(path) as temporary:
        if rgb:
            tifffile.imwrite(temporary, pixels, photometric="rgb", compression="zlib")
        elif pixels.ndim == 2:
            tifffile.imwrite(temporary, pixels, photometric="minisblack", compression="zlib")
        else:
            tifffile.imwrite(
                temporary, pixels, photometric="minisblack", planarconfig="contig", compression="zlib"
            )
    return path


def read_pixels(path: Path) -> Pixels:
    """Pixels of an image of one plane, (Y, X) or (Y, X, C); alpha is left out.

    Raises
    ------
    DatasetError
        Where the file cannot be read, or holds several planes.
    """
    try:
        image = read_image(path)
        pixels, axes = np.asarray(image.data), image.axes
    except (ImageError, OSError) as error:
        raise DatasetError(str(error)) from error
    if axes is None:
        axes = "YX" if pixels.ndim == 2 else "YXC" if pixels.ndim == 3 else "?" * pixels.ndim
    single = tuple(k for k, letter in enumerate(axes) if letter not in "YX" and pixels.shape[k] == 1)
    pixels, axes = pixels.squeeze(single), "".join(a for k, a in enumerate(axes) if k not in single)
    if sorted(axes) not in (["X", "Y"], ["C", "X", "Y"], ["S", "X", "Y"]):
        raise DatasetError(f"'{path}' holds several planes (axes {axes}); a sample is one plane.")
    pixels = pixels.transpose([axes.index(a) for a in "YXCS" if a in axes])
    return pixels[..., :3] if "S" in axes and pixels.shape[-1] == 4 else pixels


def name_of(file_name: str) -> str:
    """Name of an image without the ending of its file: ``"a.b"`` of ``"a.b.png"``, ``"a"`` of ``"a"``."""
    lower = file_name.lower()
    for suffix in _ENDINGS:
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return file_name[: -len(suffix)]
    return file_name


class ImageFolder:
    """Finds images by the names that a file of annotations gives them.

    Parameters
    ----------
    roots : sequence of Path
        Folders that names may be relative to; those that are missing are left out. Nothing outside is read.
    anywhere : bool
        Whether a name that leads nowhere, or out of the folder, is looked for in all subfolders by its last
        part: for a folder that a user chose.
    """

    def __init__(self, roots: Iterable[Path], *, anywhere: bool = False) -> None:
        self._roots = [root for root in dict.fromkeys(roots) if root.is_dir()]
        self._anywhere = anywhere
        self._found: dict[str, Path] | None = None

    def find(self, name: str, where: str, *, suffixes: Sequence[str] = ("",)) -> Path | None:
        """The file of a name, or None where there is none.

        Parameters
        ----------
        name : str
            Relative path as it stands in the file of annotations.
        where : str
            File and key of the name, for the error's text.
        suffixes : sequence of str
            Endings to try, ``""`` for a name that has one.

        Raises
        ------
        DatasetError
            Where the name leads out of the folder, or is none.
        """
        try:
            foreign = self._anywhere and _is_foreign(name)
            for root in () if foreign else self._roots:
                for suffix in suffixes:
                    path = path_within(root, name + suffix, where)
                    if path.is_file():
                        return path
            return self._by_last_part(name, suffixes) if self._anywhere else None
        except DatasetError as error:
            raise DatasetError(f"{error} Choose the folder with the images.") from error
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{where} is {name[:100]!r}, which is no name of a file ({type(error).__name__})."
            ) from error

    def _by_last_part(self, name: str, suffixes: Sequence[str]) -> Path | None:
        if self._found is None:
            self._found = {}
            for root in self._roots:
                self._list(root, self._found)
        last = PurePosixPath(name.replace("\\", "/")).name
        return next((self._found[last + s] for s in suffixes if last + s in self._found), None)

    @staticmethod
    def _list(root: Path, found: dict[str, Path]) -> None:
        for folder, _, files in os.walk(root):
            for file in files:
                if Path(file).suffix.lower() in IMAGE_SUFFIXES:
                    found.setdefault(file, Path(folder, file))
                if len(found) > MOST_FILES:
                    raise DatasetError(f"'{root}' holds more than {MOST_FILES:,} images.")


def _is_foreign(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ".." in parts or name.replace("\\", "/").startswith("/") or ":" in name
