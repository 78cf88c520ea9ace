"""Labels with colours of a palette, drawn quickly: 100,000 labels on a large plane too."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numba import njit
from numpy.typing import NDArray
from pydantic import PrivateAttr

SPARSE = 64
"""A table has up to so many entries per label; beyond, napari's own dictionary is looked up."""
PART = 1 << 20
"""Pixels that one thread colours at a time."""


class PaletteColormap(DirectLabelColormap):
    """A `DirectLabelColormap` that looks labels up in a table; napari's asks a dictionary for each pixel.

    Its methods return what napari's return; those that begin with an underscore are the ones that napari
    draws with. Should they be called otherwise one day, then napari's own do the work. Make it with `of`;
    its `color_dict` is not to be changed.
    """

    _codes: NDArray[np.int64] | None = PrivateAttr(default=None)
    _palette: NDArray[np.float32] | None = PrivateAttr(default=None)

    @classmethod
    def of(
        cls, labels: NDArray[np.int64], rows: NDArray[np.intp], palette: NDArray[np.float32], others: str
    ) -> "PaletteColormap":
        """Colours of labels; the background is transparent.

        Parameters
        ----------
        labels : (N,) ndarray of int
            Above 0.
        rows : (N,) ndarray of int
            The row of the palette of each.
        palette : (C, 4) ndarray of float32
            RGBA.
        others : str
            Colour of all other labels.
        """
        colours = cls(color_dict={None: others, 0: "transparent"})
        first = np.stack([colours.color_dict[None], colours.color_dict[0]])
        # Filled after it was made: napari checks each colour that it is made with, which takes seconds.
        colours.color_dict.update(zip(labels.tolist(), palette[rows], strict=True))
        largest = int(labels.max(initial=0))
        if largest <= SPARSE * (len(labels) + PART):
            codes = np.zeros(largest + 1, np.int64)
            codes[0] = 1
            codes[labels] = rows + 2
            colours._codes, colours._palette = codes, np.vstack([first, palette]).astype(np.float32)
        return colours

    def map(self, values: Any) -> NDArray[Any]:
        """Colours (…, 4) of labels (…), as `DirectLabelColormap.map`."""
        if self._codes is None or self.use_selection or not isinstance(values, np.ndarray):
            return super().map(values)
        return self._palette[look_up(values, self._codes, np.uint16)]

    def _map_without_cache(self, values: NDArray[Any]) -> NDArray[Any]:
        if self._codes is None:
            return super()._map_without_cache(values)
        return self._palette[look_up(values, self._codes, np.uint16)]

    def _data_to_texture(self, values: Any) -> Any:
        large = isinstance(values, np.ndarray) and values.dtype.itemsize > 2
        if self._codes is None or self.use_selection or not large:
            return super()._data_to_texture(values)
        return look_up(values, self._codes, np.min_scalar_type(len(self._palette)))

    @cached_property
    def _num_unique_colors(self) -> int:
        if self._codes is None:
            return DirectLabelColormap._num_unique_colors.func(self)
        return len(self._palette) - 2

    @cached_property
    def _label_mapping_and_color_dict(self) -> tuple[dict[int | None, int], dict[int, NDArray[Any]]]:
        if self._codes is None:
            return DirectLabelColormap._label_mapping_and_color_dict.func(self)
        known = np.flatnonzero(self._codes)
        codes = dict(zip(known.tolist(), self._codes[known].tolist(), strict=True))
        return {None: 0, **codes}, dict(enumerate(self._palette))


def look_up(values: NDArray[Any], codes: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    """The code of each label, 0 for those beyond the table, on several threads.

    Parameters
    ----------
    values : (…) ndarray of int
        Labels.
    codes : (M,) ndarray of int64
        Code of each label from 0 on.
    dtype : dtype
        Of the codes that are returned.

    Returns
    -------
    (…) ndarray
    """
    flat, table = np.ascontiguousarray(values).reshape(-1), codes.astype(dtype)
    found = np.empty(len(flat), dtype)
    if len(flat) <= PART:
        _look_up(flat, table, found)
    else:
        starts = range(0, len(flat), PART)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda at: _look_up(flat[at : at + PART], table, found[at : at + PART]), starts))
    return found.reshape(values.shape)


@njit(cache=True, nogil=True)
def _look_up(values: Any, codes: Any, found: Any) -> None:
    if len(values) == 0:
        return
    last = values[0]
    code = codes[last] if 0 <= last < len(codes) else codes.dtype.type(0)
    for i in range(len(values)):
        if values[i] != last:
            last = values[i]
            code = codes[last] if 0 <= last < len(codes) else codes.dtype.type(0)
        found[i] = code
