"""An image of several planes as single ones: a sample per time point and depth."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from napari_cellseg.datasets.sample import Pixels
from napari_cellseg.errors import DatasetError

LARGEST_PLANE = 2**28
"""Pixels that the plane of a sample may have: 16,384 × 16,384."""
_DIGITS = {"t": 3, "z": 2}


def outer_lengths(shape: tuple[int, ...], axes: str) -> dict[str, int]:
    """Lengths of the axes that number the planes, in the image's order; those of one plane are left out.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    axes : str
        A letter of ``"TZCYXS"`` per dimension.

    Returns
    -------
    dict of str to int
        By ``"t"`` and ``"z"``.
    """
    return {a.lower(): int(n) for a, n in zip(axes, shape, strict=True) if a in "TZ" and n != 1}


def plane_positions(lengths: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Position of every plane, the last axis running fastest; one empty position where there are no axes."""
    for index in product(*(range(n) for n in lengths.values())):
        yield dict(zip(lengths, index, strict=True))


def plane_name(name: str, position: Mapping[str, int], lengths: Mapping[str, int]) -> str:
    """Name of one plane: ``"cells_t003_z01"``; the name itself where the image has one plane."""
    digits = {a: max(_DIGITS.get(a, 1), len(str(n - 1))) for a, n in lengths.items()}
    return "_".join([name, *(f"{axis}{place:0{digits[axis]}}" for axis, place in position.items())])


def take_plane(data: Any, axes: str, position: Mapping[str, int]) -> Pixels:
    """One plane of an image, with all its channels.

    Parameters
    ----------
    data : array-like
        numpy, dask or zarr array.
    axes : str
        A letter of ``"TZCYXS"`` per dimension.
    position : dict of str to int
        From `plane_positions`.

    Returns
    -------
    (Y, X) or (Y, X, C) ndarray
        Colour without alpha; one channel becomes (Y, X).

    Raises
    ------
    DatasetError
        Where the plane has more than `LARGEST_PLANE` pixels, or both channels and colours.
    """
    sizes = dict(zip(axes, (int(n) for n in data.shape), strict=True))
    if sizes["Y"] * sizes["X"] > LARGEST_PLANE:
        raise DatasetError(
            f"A plane may have {LARGEST_PLANE:,} pixels, this one is {sizes['Y']:,} × {sizes['X']:,}. Cut it."
        )
    at = [
        slice(None) if a in "YX" or (a in "CS" and sizes[a] > 1) else position.get(a.lower(), 0) for a in axes
    ]
    kept = [a for a, index in zip(axes, at, strict=True) if isinstance(index, slice)]
    if len(kept) > 3:
        raise DatasetError(f"A plane has either channels or colours, this image has both (axes {axes}).")
    plane = np.asarray(data[tuple(at)]).transpose([kept.index(a) for a in "YXCS" if a in kept])
    return plane[..., :3] if "S" in kept and plane.shape[-1] == 4 else plane
