"""Which dimension of an image is what: one letter per dimension."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from napari_cellseg.errors import AxesError

AXES = "TZCYXS"
"""Time, depth, channel, rows, columns, and the samples of an RGB(A) image."""

_EXAMPLES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX", 6: "TZCYXS"}


def resolve_axes(shape: Sequence[int], dtype: DTypeLike, axes: str | None = None) -> str:
    """Axes of an image, checked against its shape.

    Parameters
    ----------
    shape : sequence of int
        Shape of the image, in the order of its dimensions.
    dtype : dtype
        Type of its pixels.
    axes : str, optional
        One letter of `AXES` per dimension, upper or lower case, in any order. None means: ``uint8`` ending
        in 3 or 4 is RGB(A), else the last two dimensions are Y and X; what comes before is Z, or T and Z.
        A channel axis must be named.

    Returns
    -------
    str
        One letter of `AXES` per dimension.

    Raises
    ------
    AxesError
        If the letters don't fit the shape, or if the image has too many dimensions to guess.
    """
    if any(n != n for n in shape):
        raise AxesError(
            "The image is a dask array of unknown size; settle its chunks first with compute_chunk_sizes()."
        )
    shape = tuple(int(n) for n in shape)
    if len(shape) < 2:
        raise AxesError(f"An image needs at least the dimensions Y and X, but this one has shape {shape}.")
    if axes is None:
        return _guess_axes(shape, np.dtype(dtype))
    return _check_axes(shape, axes)


def colour_doubt(shape: Sequence[int], axes: str) -> str:
    """What to say where the columns of guessed axes look like colours or channels; else an empty text.

    Parameters
    ----------
    shape : sequence of int
        Shape of the image.
    axes : str
        Axes that were guessed for it.
    """
    if not axes.endswith("YX") or len(shape) < 3 or shape[-1] not in (2, 3, 4) or min(shape[-3:-1]) < 16:
        return ""
    return (
        f"The last dimension of shape {tuple(shape)} is read as columns, because only uint8 images are taken "
        f"as RGB without asking. If it holds colours, give axes='{axes[1:]}S'; if it holds channels, "
        f"axes='{axes[1:]}C'."
    )


def _guess_axes(shape: tuple[int, ...], dtype: np.dtype) -> str:
    rgb = dtype == np.uint8 and len(shape) >= 3 and shape[-1] in (3, 4)
    outer = len(shape) - (3 if rgb else 2)
    if outer > 2:
        raise AxesError(
            f"Axes cannot be guessed for an image of {len(shape)} dimensions, shape {shape}: name each of "
            f"them with a letter of '{AXES}', for example axes='{_example(len(shape))}'."
        )
    return ("", "Z", "TZ")[outer] + ("YXS" if rgb else "YX")


def _check_axes(shape: tuple[int, ...], axes: str) -> str:
    if not isinstance(axes, str):
        raise AxesError(f"axes must be a string of letters of '{AXES}', not {axes!r}.")
    letters = axes.strip().upper()
    unknown = "".join(dict.fromkeys(a for a in letters if a not in AXES))
    if unknown:
        raise AxesError(
            f"axes must be letters of '{AXES}' (time, depth, channel, rows, columns, RGB samples), "
            f"but '{axes}' has '{unknown}'."
        )
    if len(set(letters)) < len(letters):
        raise AxesError(f"axes must name each dimension once, but '{axes}' repeats a letter.")
    if len(letters) != len(shape):
        raise AxesError(
            f"axes '{letters}' name {_count(len(letters))}, but the image has {len(shape)}: shape {shape}. "
            f"Give one letter of '{AXES}' per dimension, for example axes='{_example(len(shape))}'."
        )
    if "Y" not in letters or "X" not in letters:
        raise AxesError(f"axes must name both Y and X, but '{letters}' does not; the shape is {shape}.")
    if "S" in letters and shape[letters.index("S")] > 4:
        raise AxesError(
            f"axis S holds the samples of a grey, RGB or RGBA image, at most 4, but axes '{letters}' give it "
            f"{shape[letters.index('S')]} in shape {shape}. Channels of a microscope are axis C."
        )
    return letters


def _count(dimensions: int) -> str:
    return "1 dimension" if dimensions == 1 else f"{dimensions} dimensions"


def _example(dimensions: int) -> str:
    return _EXAMPLES.get(dimensions, AXES)
