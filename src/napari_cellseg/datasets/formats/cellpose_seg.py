"""Masks in Cellpose's ``NAME_seg.npy``, read without running anything that the file names.

Such a file is a pickle, and a pickle can call any function of Python. Here the few names that numpy writes
for arrays stand for plain records; every other name is refused.
"""

import io
import pickle
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import DatasetError

ENDING = "_seg.npy"
LARGEST_FILE = 2**32
"""Bytes that are read."""
_INTEGER = re.compile(r"[bui][1248]")
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")


class _Stored:
    """An array or its type as the pickle describes it: what it was made with, and its state."""

    __slots__ = ("arguments", "state")

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Named:
    """Stands for a function that a pickle names; has no attributes that a pickle could set."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return _Stored(arguments)


class _Encode(_Named):
    """Stands for the conversion by which old pickles hold bytes as text."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> bytes:
        text, encoding = arguments
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("it holds text of an unknown kind")
        return text.encode("latin1")


_STANDS_FOR: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Named(),
    ("numpy", "dtype"): _Named(),
    ("_codecs", "encode"): _Encode(),
    **{(module, name): _Named() for module in _MULTIARRAY for name in ("_reconstruct", "scalar")},
}


class _Reader(pickle._Unpickler):
    """Python's own reader of pickles, whose memo grows with the file only."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; numpy's arrays only."""
        if (module, name) not in _STANDS_FOR:
            raise pickle.UnpicklingError(f"it names '{module}.{name}', which is not part of an array")
        return _STANDS_FOR[module, name]


def read_masks(path: Path) -> NDArray[Any]:
    """The label image in a ``_seg.npy``, (Y, X) or (Z, Y, X) of integers; 0 is background.

    Raises
    ------
    DatasetError
        Where the file is damaged, too large, holds no masks, or names anything but arrays.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DatasetError(f"'{path}' is larger than {LARGEST_FILE:,} bytes. Save its masks as TIFF.")
        file = io.BytesIO(path.read_bytes())
        _skip_header(file)
        content = _Reader(file, encoding="latin1").load()
        return _masks(content)
    except DatasetError:
        raise
    except Exception as error:  # a damaged pickle fails in any way
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DatasetError(
            f"'{path}' cannot be read as Cellpose's masks: {reason}. Save the masks as TIFF in Cellpose."
        ) from error


def _skip_header(file: io.BytesIO) -> None:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read(file)
    if dtype != np.dtype(object):
        raise ValueError(f"it holds {dtype}, not the results of Cellpose")


def _masks(content: Any) -> NDArray[Any]:
    """The array ``masks`` of the dictionary in an object array without dimensions."""
    found = content.state[-1] if isinstance(content, _Stored) else content
    values = found[0] if isinstance(found, list) and len(found) == 1 else found
    if not isinstance(values, dict) or not isinstance(values.get("masks"), _Stored):
        raise ValueError("it has no 'masks'")
    shape, type_, fortran, raw = values["masks"].state[-4:]
    name, order = str(type_.arguments[0]), str(type_.state[1])
    if not _INTEGER.fullmatch(name) or order not in "<>|=" or len(shape) not in (2, 3):
        raise ValueError(
            f"its masks are of type {order}{name} and {len(shape)} dimensions, not integers in 2 or 3"
        )
    dtype = np.dtype(name if order in "|=" else order + name)
    sizes = tuple(int(n) for n in shape)
    if min(sizes) < 0 or prod(sizes) * dtype.itemsize != len(raw):
        raise ValueError("its masks are incomplete")
    return np.frombuffer(raw, dtype).reshape(sizes, order="F" if fortran else "C")
