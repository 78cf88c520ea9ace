"""Pixels of a type that compiled code reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def native_pixels(image: NDArray[Any]) -> NDArray[Any]:
    """The same pixels in the machine's byte order, and of a float type that it computes with.

    Parameters
    ----------
    image : ndarray
        Any bool, integer or float type, of any shape.

    Returns
    -------
    ndarray
        `image` itself where nothing is to be done; half floats become float32, long doubles float64.
    """
    dtype = image.dtype.newbyteorder("=")
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    elif dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return image.astype(dtype, copy=False)
