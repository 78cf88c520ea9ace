"""Every window of a scaled plane shows the pixels of the whole; scale 1 shows the plane itself."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import OptionError
from napari_cellseg.images.resampling import read_scaled, scaled_shape


def scaled(image: np.ndarray, scale: float, y: Any = None, x: Any = None) -> np.ndarray:
    height, width = scaled_shape(image.shape[:2], scale)

    def read(rows: slice, columns: slice) -> np.ndarray:
        for window, size in ((rows, image.shape[0]), (columns, image.shape[1])):
            assert 0 <= window.start < window.stop <= size
        return image[rows, columns]

    return read_scaled(read, image.shape[:2], scale, y or slice(0, height), x or slice(0, width))


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    scale=st.floats(0.07, 4),
    window=st.tuples(*[st.integers(-30, 90)] * 2, *[st.integers(1, 60)] * 2),
    channels=st.sampled_from([None, 1, 3]),
)
@settings(max_examples=120, deadline=None)
def test_any_window_equals_the_window_of_the_whole(
    shape: tuple[int, int], scale: float, window: tuple[int, int, int, int], channels: int | None
) -> None:
    image = np.random.default_rng(0).random(shape if channels is None else (*shape, channels))
    y, x, height, width = window
    whole = scaled(image, scale, slice(-30, 160), slice(-30, 160))
    part = scaled(image, scale, slice(y, y + height), slice(x, x + width))
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, whole[y + 30 : y + 30 + height, x + 30 : x + 30 + width])


@given(shape=st.tuples(st.integers(1, 30), st.integers(1, 30)), pad=st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_scale_1_copies_and_mirrors_beyond_the_border(shape: tuple[int, int], pad: int) -> None:
    image = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    height, width = shape
    padded = scaled(image, 1, slice(-pad, height + pad), slice(-pad, width + pad))
    np.testing.assert_array_equal(padded, np.pad(image, pad, mode="symmetric"))


@pytest.mark.parametrize("scale", [0.1, 0.33, 0.5, 0.9, 1.7, 3])
def test_flat_stays_flat_and_the_mean_is_kept(scale: float) -> None:
    np.testing.assert_allclose(scaled(np.full((50, 70), 3.5), scale), 3.5, rtol=1e-6)
    noise = np.random.default_rng(0).random((200, 210))
    assert scaled(noise, scale).mean() == pytest.approx(noise.mean(), abs=0.02)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 3.3])
def test_positions_are_those_of_pixel_centres(scale: float) -> None:
    y, x = np.mgrid[:120, :130].astype(float)
    height, width = scaled_shape((120, 130), scale)
    inner = (slice(int(6 * scale) + 2, height - int(6 * scale) - 2), slice(int(6 * scale) + 2, width // 2))
    for ramp, axis in ((y, 0), (x, 1)):
        expected = (np.arange(ramp.shape[axis] * 4) + 0.5) / scale - 0.5
        positions = np.moveaxis(scaled(ramp, scale)[inner], axis, 0)[:, 0]
        np.testing.assert_allclose(positions, expected[inner[axis]], atol=1e-3)


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile([0.0, 1.0], (100, 100))
    assert np.ptp(scaled(stripes, 0.24)[:, 3:-3]) < 0.05


def test_scaled_shape() -> None:
    assert scaled_shape((100, 51), 0.5) == (50, 26)
    assert scaled_shape((1, 3), 0.1) == (1, 1)
    for scale in (0, -1, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="above 0"):
            scaled_shape((5, 5), scale)
