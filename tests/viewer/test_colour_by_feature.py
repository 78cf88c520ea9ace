"""Cells coloured by what was measured, and the old colours again."""

from html import unescape
from pathlib import Path

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
    colour_scale,
    map_colours,
)
from napari_cellseg.viewer.colour_picture import draw_picture, saving_picture
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


def test_specks_with_odd_values_do_not_use_up_the_colours() -> None:
    lengths = [*range(20, 40), 300, 310, 320]
    measured = measured_layer(strips(lengths))
    scale = colour_scale(measured, ColourChoices("area"))
    assert 20 < scale.low < 21
    assert (scale.high, scale.below, scale.above) == (39, 1, 3)
    whole = colour_scale(measured, ColourChoices("area", percentiles=(0, 100)))
    assert (whole.low, whole.high, whole.below, whole.above) == (20, 320, 0, 0)
    _, bins = colour_bins(measured, scale)
    assert bins[[0, -3, -2, -1]].tolist() == [0, STEPS - 1, STEPS - 1, STEPS - 1]


def test_a_feature_that_most_cells_share_keeps_its_ends() -> None:
    measured = measured_layer(strips([5] * 30 + [9] * 5))
    scale = colour_scale(measured, ColourChoices("area"))
    assert (scale.low, scale.high) == (5, 9)


@pytest.mark.parametrize("column", ["area", "class"])
@pytest.mark.parametrize("name", ["cells.png", "cells.svg"])
def test_a_picture_with_its_colour_bar(tmp_path: Path, column: str, name: str) -> None:
    layer = strips([10, 20, 30, 400])
    layer.features = {"index": range(5), "class": ["", "live", "dead", "", "live"]}
    measured = measured_layer(layer)
    scale = colour_scale(measured, ColourChoices(column))
    picture = np.zeros((60, 80, 4), np.uint8)
    picture[10:20] = (255, 0, 0, 255)
    drain(saving_picture(measured, picture, scale, tmp_path / name))
    figure = draw_picture(picture, scale)
    shown = figure.axes[0].images[0].get_array()
    assert np.array_equal(shown, picture)
    if column == "class":
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["none", "dead", "live"]
    else:
        assert figure.axes[1].get_ylabel() == "area (px²)"
    if name.endswith("svg"):
        assert f'"coloured by": "{column}"' in unescape((tmp_path / name).read_text(encoding="utf-8"))


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


def test_colours_are_those_of_the_shown_plane() -> None:
    frames = np.zeros((2, 10, 40), np.int32)
    for t, lengths in enumerate(((10, 20, 30), (30, 20, 10))):
        for i, length in enumerate(lengths):
            frames[t, 3 * i, :length] = i + 1
    measured = measured_layer(Labels(frames, axis_labels=("t", "y", "x")))
    FeatureColours(measured).show(ColourChoices("area", percentiles=(0, 100)))
    ends = map_colours("viridis")
    for plane, (first, last) in enumerate((ends[[0, -1]], ends[[-1, 0]])):
        measured.show_plane((plane,))
        np.testing.assert_allclose(measured.layer.get_color(1), first, atol=1e-6)
        np.testing.assert_allclose(measured.layer.get_color(3), last, atol=1e-6)


def test_a_closed_one_follows_no_longer() -> None:
    measured = measured_layer(strips([10, 20]))
    colours = FeatureColours(measured)
    colours.show(ColourChoices("area"))
    colours.close()
    assert not measured.on_change
