"""Colours of a palette are napari's, whichever way napari asks for them."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_cellseg.viewer.palette_colormap import PART, SPARSE, PaletteColormap, look_up

OTHERS = "#999999"


def both(
    labels: np.ndarray, rows: np.ndarray, palette: np.ndarray
) -> tuple[PaletteColormap, DirectLabelColormap]:
    """A colormap of ours, and napari's of the same colours."""
    named = dict(zip(labels.tolist(), palette[rows], strict=True))
    theirs = DirectLabelColormap(color_dict={None: OTHERS, 0: "transparent", **named})
    return PaletteColormap.of(labels, rows, palette, OTHERS), theirs


def drawn(colormap: DirectLabelColormap, layer: Labels) -> np.ndarray:
    """Colours as the canvas puts them together: the layer's texture, and a colour for each of its values."""
    layer.colormap = colormap
    texture = layer._slice.image.view
    if layer.data.dtype.itemsize <= 2:
        return colormap._get_mapping_from_cache(layer.data.dtype)[texture]
    colours = colormap._values_mapping_to_minimum_values_set()[1]
    return np.array([colours[int(value)] for value in texture.ravel()]).reshape(*texture.shape, 4)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 10**6),
    st.sampled_from([np.uint8, np.int16, np.uint16, np.int32]),
    st.sampled_from([3, 252, 400]),
)
def test_pixels_are_drawn_in_the_colours_that_napari_gives_them(seed, dtype, count) -> None:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.choice(np.arange(1, 120), 40, replace=False))
    palette = rng.random((count, 4)).astype(np.float32)
    ours, theirs = both(labels, rng.integers(0, count, 40), palette)
    data = rng.integers(-3 if np.dtype(dtype).kind == "i" else 0, 127, (12, 15)).astype(dtype)
    np.testing.assert_allclose(ours.map(data), theirs.map(data), atol=1e-6)
    layer = Labels(data)
    np.testing.assert_allclose(drawn(ours, layer), drawn(theirs, layer), atol=1e-6)
    layer.colormap = ours
    layer.selected_label, layer.show_selected_label = int(labels[0]), True
    selected = drawn(ours, layer)
    theirs.selection, theirs.use_selection = int(labels[0]), True
    np.testing.assert_allclose(selected, drawn(theirs, layer), atol=1e-6)


def test_napari_draws_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "napari_cellseg.viewer.palette_colormap.look_up",
        lambda values, *rest: asked.append(values.shape) or look_up(values, *rest),
    )
    labels = np.arange(1, 20)
    layer = Labels(np.arange(24, dtype=np.int32).reshape(4, 6))
    layer.colormap = both(labels, labels % 3, np.eye(3, 4, dtype=np.float32))[0]
    assert (4, 6) in asked
    assert layer._slice.image.view.dtype == np.uint8


def test_painted_pixels_have_the_colour_of_their_label() -> None:
    labels = np.arange(1, 6)
    layer = Labels(np.zeros((8, 8), np.int32))
    ours, theirs = both(labels, labels % 3, np.eye(3, 4, dtype=np.float32))
    layer.colormap = ours
    layer.data_setitem((np.array([2, 3]), np.array([2, 2])), 4)
    layer.data_setitem((np.array([5]), np.array([5])), 77)
    colours = ours._values_mapping_to_minimum_values_set()[1]
    for place in ((2, 2), (3, 2), (5, 5), (0, 0)):
        shown = colours[int(layer._slice.image.view[place])]
        np.testing.assert_allclose(shown, theirs.map(int(layer.data[place])))


def test_numbers_with_huge_gaps_need_no_table() -> None:
    labels = np.array([5, 2**40])
    ours, theirs = both(labels, np.array([0, 1]), np.eye(2, 4, dtype=np.float32))
    layer = Labels(np.array([[0, 5], [2**40, 9]]))
    np.testing.assert_allclose(drawn(ours, layer), drawn(theirs, layer))
    assert labels[1] > SPARSE * (len(labels) + PART)


def test_a_copy_has_the_same_colours() -> None:
    labels = np.arange(1, 6)
    ours, theirs = both(labels, labels % 3, np.eye(3, 4, dtype=np.float32))
    data = np.arange(8, dtype=np.int32)[None]
    np.testing.assert_allclose(copy.deepcopy(ours).map(data), theirs.map(data))


def test_large_arrays_are_looked_up_in_parts() -> None:
    values = np.random.default_rng(0).integers(-2, 50, (3, PART)).astype(np.int32)[:, ::-1]
    codes = np.arange(40)[::-1]
    expected = np.where((values >= 0) & (values < 40), codes[values.clip(0, 39)], 0)
    np.testing.assert_array_equal(look_up(values, codes, np.uint8), expected)
