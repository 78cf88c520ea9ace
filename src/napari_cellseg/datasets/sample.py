"""A sample: one annotated plane with its pixels and where both come from."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.errors import DatasetError

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Region: TypeAlias = tuple[int, int, int, int]
Pixels: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sample comes from.

    Attributes
    ----------
    source : str
        File or layer that the pixels were taken from, as told; never opened again by itself.
    group : str
        What must stay together in one split: a plate, well, patient or time-lapse. Empty: the sample alone.
    position : dict of str to int
        Index along each leading axis of the source (``t``, ``z`` …) that the plane was taken from.
    region : tuple of int, optional
        ``y0, x0, y1, x1`` of the source that the sample shows; None: all of the plane.
    pixel_size : float, optional
        Edge of a pixel in µm.
    made_by : str
        The person or model that annotated, and its software, in words.
    plane : str
        Hash of the pixels of the whole plane, of a part of one whose source names no file.
    """

    source: str = ""
    group: str = ""
    position: dict[str, int] = field(default_factory=dict)
    region: Region | None = None
    pixel_size: float | None = None
    made_by: str = ""
    plane: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One annotated plane.

    Attributes
    ----------
    name : str
        Unique in a dataset; any text, also with spaces and unicode, but no path: see `safe_name`.
    annotation : Annotation
        Its objects.
    read_pixels : callable, optional
        Gives the pixels, (Y, X) or (Y, X, C) of any dtype, when asked; (Y, X, 3) uint8 is RGB. None where a
        format holds no images.
    origin : Origin
        Where it comes from.
    split : {"train", "val", "test"}, optional
        Which part of the dataset it belongs to; None leaves it to the dataset.
    ignored : (Y, X) ndarray of bool, optional
        Pixels that nobody has reviewed: they are neither object nor background.
    """

    name: str
    annotation: Annotation
    read_pixels: Callable[[], Pixels] | None = None
    origin: Origin = field(default_factory=Origin)
    split: Split | None = None
    ignored: NDArray[np.bool_] | None = None

    def pixels(self) -> Pixels:
        """The pixels, (Y, X) or (Y, X, C), any dtype.

        Raises
        ------
        DatasetError
            Where there are none, or where their size is not that of the annotation.
        """
        if self.read_pixels is None:
            raise DatasetError(f"'{self.name}' has labels but no image.")
        pixels = self.read_pixels()
        if pixels.ndim not in (2, 3) or pixels.shape[:2] != self.annotation.shape:
            raise DatasetError(
                f"The image of '{self.name}' must be (Y, X) or (Y, X, C) with (Y, X) = "
                f"{self.annotation.shape} as its labels, got shape {pixels.shape}."
            )
        return pixels

    def training_pixels(self, pixels: Pixels | None = None) -> Pixels:
        """The pixels, those that nobody has reviewed filled with the plane's median background.

        Parameters
        ----------
        pixels : ndarray, optional
            What `pixels()` gave, where it was called already.
        """
        pixels = self.pixels() if pixels is None else pixels
        if self.ignored is None or not self.ignored.any():
            return pixels
        background = ~self.ignored & (self.annotation.labels == 0)
        known = pixels[background] if background.any() else pixels[~self.ignored]
        filled = pixels.copy()
        if known.size:
            filled[self.ignored] = np.median(known, axis=0).astype(pixels.dtype)
        return filled

    def renamed(self, name: str) -> "Sample":
        """The same sample under another name."""
        return replace(self, name=name)
