"""Cells coloured by what was measured, and the old colours again."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_cellseg.events import drain
from napari_cellseg.viewer.colour_by_feature import (
    OTHERS,
    STEPS,
    WORDS,
    ColourChoices,
    FeatureColours,
    colour_bins,
    map_colours,
)
from napari_cellseg.viewer.measure_inputs import read_labels
from napari_cellseg.viewer.measure_run import MeasureChoices, make_request, measuring_layer
from napari_cellseg.viewer.measured_layer import MeasuredLayer


def strips(lengths: list[int], **options: object) -> Labels:
    """Objects one pixel high, of the given lengths."""
    labels = np.zeros((2 * len(lengths), max(lengths)), np.int32)
    for i, length in enumerate(lengths):
        labels[2 * i, :length] = i + 1
    return Labels(labels, **options)


def measured_layer(layer: Labels) -> MeasuredLayer:
    request = make_request(layer, read_labels(layer), MeasureChoices())
    measured = MeasuredLayer(request)
    measured.replace(drain(measuring_layer(request)))
    return measured


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def test_low_and_high_values_have_the_ends_of_the_map() -> None:
    layer = strips([10, 20, 30])
    scale = FeatureColours(measured_layer(layer)).show(ColourChoices("area", percentiles=(0, 100)))
    ends = map_colours("viridis")
    np.testing.assert_allclose(layer.get_color(1), ends[0], atol=1e-6)
    np.testing.assert_allclose(layer.get_color(3), ends[-1], atol=1e-6)
    np.testing.assert_allclose(layer.get_color(2), ends[STEPS // 2], atol=1e-6)
    assert (scale.low, scale.high, scale.unit) == (10, 30, "px²")
    assert layer.colormap.map(0)[-1] == 0


@pytest.mark.parametrize("lengths", [[10], [5, 5, 5]])
def test_equal_values_are_one_colour(lengths: list[int]) -> None:
    layer = strips(lengths)
    FeatureColours(measured_layer(layer)).show(ColourChoices("area"))
    colours = [tuple(layer.get_color(i + 1)) for i in range(len(lengths))]
    assert len(set(colours)) == 1


def test_cells_without_a_value_are_grey() -> None:
    layer = strips([10, 20])
    layer.features = {"index": [0, 1, 2], "confidence": [np.nan, 0.5, np.nan]}
    measured = measured_layer(layer)
    FeatureColours(measured).show(ColourChoices("confidence"))
    np.testing.assert_allclose(layer.get_color(2)[:3], rgb(OTHERS), atol=1e-6)
    assert tuple(layer.get_color(1)[:3]) != tuple(layer.get_color(2)[:3])


def test_words_have_colours_of_their_own() -> None:
    layer = strips([10, 20, 30])
    layer.features = {"index": [0, 1, 2, 3], "class": ["", "live", "dead", "live"]}
    measured = measured_layer(layer)
    scale = FeatureColours(measured).show(ColourChoices("class"))
    assert scale.words == ("dead", "live")
    assert colour_bins(measured, scale)[1].tolist() == [1, 0, 1]
    np.testing.assert_allclose(layer.get_color(2)[:3], rgb(WORDS[0]), atol=1e-6)


def test_the_old_colours_come_back() -> None:
    layer = strips([10, 20, 30])
    before = layer.colormap
    colours = FeatureColours(measured_layer(layer))
    colours.show(ColourChoices("area"))
    colours.show(ColourChoices("perimeter", "cividis"))
    assert colours.shown
    colours.hide()
    assert layer.colormap is before
    assert not colours.shown


def test_somebody_else_s_colours_stay() -> None:
    layer = strips([10, 20, 30])
    colours = FeatureColours(measured_layer(layer))
    colours.show(ColourChoices("area"))
    theirs = layer.colormap = strips([3]).colormap
    assert not colours.shown
    colours.close()
    assert layer.colormap is theirs


def test_colours_follow_an_edit_and_keep_their_scale() -> None:
    layer = strips([10, 20, 30])
    measured = measured_layer(layer)
    colours = FeatureColours(measured)
    scale = colours.show(ColourChoices("area", percentiles=(0, 100)))
    with layer.block_history():
        layer.data_setitem((np.zeros(10, int), np.arange(20, 30)), 1)
        layer.data_setitem((np.zeros(10, int), np.arange(10, 20)), 1)
    measured.flush()
    np.testing.assert_allclose(layer.get_color(1), map_colours("viridis")[-1], atol=1e-6)
    assert colours.scale is scale


def test_a_closed_one_follows_no_longer() -> None:
    measured = measured_layer(strips([10, 20]))
    colours = FeatureColours(measured)
    colours.show(ColourChoices("area"))
    colours.close()
    assert not measured.on_change
