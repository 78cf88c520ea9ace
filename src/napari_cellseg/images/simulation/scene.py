"""A simulated image with its truth, and the checks that all simulators share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.images.metadata import PixelSize

Field = NDArray[np.float32]


@dataclass(frozen=True)
class SimulatedImage:
    """An image and the truth about it.

    Attributes
    ----------
    image : ndarray
        uint8 or uint16, with `axes`.
    labels : ndarray of int32
        Same shape: 0 is background, objects are 1 … N. Each object is connected, in every frame of a
        time-lapse.
    axes : str
        ``"YX"``, ``"TYX"`` or ``"ZYX"``.
    pixel_size : PixelSize
        In µm.
    parents : mapping of int to int
        For each object born by a division, its mother.
    """

    image: NDArray[Any]
    labels: NDArray[np.int32]
    axes: str
    pixel_size: PixelSize
    parents: Mapping[int, int] = field(default_factory=dict)


def check_dials(**dials: float) -> None:
    """Refuse dials outside 0 … 1.

    Raises
    ------
    OptionError
        Naming the dial.
    """
    for name, value in dials.items():
        if not 0 <= value <= 1:
            raise OptionError(f"{name} must be between 0 and 1, not {value}.")


def check_scene(shape: Sequence[int], dimensions: int, diameter: tuple[float, float]) -> tuple[int, ...]:
    """Shape as integers, once shape and diameters make sense.

    Raises
    ------
    OptionError
        Naming what must hold.
    """
    shape = tuple(int(n) for n in shape)
    if len(shape) != dimensions or min(shape) < 1:
        raise OptionError(f"shape must be {dimensions} numbers of at least 1, not {shape}.")
    low, high = diameter
    if not 2 <= low <= high:
        raise OptionError(f"diameter must be (smallest, largest) in pixels, at least 2, not {diameter}.")
    return shape


def object_count(objects: int | None, size: int, mean_size: float, coverage: float) -> int:
    """The number asked for, or as many as cover a share of the image.

    Raises
    ------
    OptionError
        If the number is negative.
    """
    if objects is None:
        return round(coverage * size / mean_size)
    if objects < 0:
        raise OptionError(f"objects must be at least 0, not {objects}.")
    return int(objects)
