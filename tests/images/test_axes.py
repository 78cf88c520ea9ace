"""Axes are guessed only where the rule says so, and checked in words."""

import numpy as np
import pytest

from napari_cellseg.errors import AxesError, ImageError
from napari_cellseg.images.axes import resolve_axes


@pytest.mark.parametrize(
    "shape, dtype, axes",
    [
        ((5, 6), np.uint16, "YX"),
        ((5, 6), np.uint8, "YX"),
        ((5, 6, 3), np.uint8, "YXS"),
        ((5, 6, 4), np.uint8, "YXS"),
        ((5, 6, 3), np.uint16, "ZYX"),
        ((5, 6, 5), np.uint8, "ZYX"),
        ((2, 5, 6, 3), np.uint8, "ZYXS"),
        ((2, 3, 5, 6), np.float32, "TZYX"),
        ((2, 3, 5, 6, 3), np.uint8, "TZYXS"),
    ],
)
def test_guess(shape: tuple[int, ...], dtype: type, axes: str) -> None:
    assert resolve_axes(shape, dtype) == axes


def test_given_axes_are_taken_in_any_order_and_case() -> None:
    assert resolve_axes((3, 5, 6), np.uint8, "cyx") == "CYX"
    assert resolve_axes((5, 6, 9), np.uint16, " XYC ") == "XYC"


@pytest.mark.parametrize(
    "shape, axes, text",
    [
        ((5,), None, r"dimensions Y and X.*\(5,\)"),
        ((2, 2, 2, 5, 6), None, r"5 dimensions.*axes='TZCYX'"),
        ((512, 512), "TYX", r"'TYX' name 3 dimensions, but the image has 2: shape \(512, 512\).*axes='YX'"),
        ((5, 6), "Y", "name 1 dimension, but"),
        ((5, 6), "YQ", "but 'YQ' has 'Q'"),
        ((5, 6), "YY", "repeats"),
        ((5, 6), "ZX", "both Y and X"),
        ((5, 6, 9), "YXS", "at most 4.*axis C"),
        ((5, 6), 7, "must be a string"),
    ],
)
def test_wrong_axes_are_refused_in_words(shape: tuple[int, ...], axes: str | None, text: str) -> None:
    with pytest.raises(AxesError, match=text) as caught:
        resolve_axes(shape, np.uint16, axes)
    assert isinstance(caught.value, ImageError)
