"""Points of a plot, their picture, what is selected in it, and the class that becomes of it."""

from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg.errors import OptionError
from napari_cellseg.events import drain
from napari_cellseg.viewer.cell_picking import CellPicking
from napari_cellseg.viewer.cell_selection import CellSelection, SelectionLayer
from napari_cellseg.viewer.editing import Editor
from napari_cellseg.viewer.gates import Gate, set_gate
from napari_cellseg.viewer.measure_figure import draw_points, saving_plot
from napari_cellseg.viewer.measure_inputs import read_labels
from napari_cellseg.viewer.measure_run import MeasureChoices, make_request, measuring_layer
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.viewer.plot_points import PlotKind, bar_heights, histogram, plot_points, violin
from napari_cellseg.viewer.point_picture import DENSITY_FROM, MOST_GROUPS, SELECTED, View, point_picture


def strips(lengths: list[int], planes: int = 0) -> Labels:
    """Objects two pixels high, of the given lengths."""
    labels = np.zeros((4 * len(lengths), max(lengths)), np.int32)
    for i, length in enumerate(lengths):
        labels[4 * i : 4 * i + 2, :length] = i + 1
    return Labels(np.stack([labels] * planes) if planes else labels, name="cells")


def measured_layer(layer: Labels) -> MeasuredLayer:
    request = make_request(layer, read_labels(layer), MeasureChoices())
    measured = MeasuredLayer(request)
    measured.replace(drain(measuring_layer(request)))
    return measured


# -- points -----------------------------------------------------------------------------------------------


def test_a_range_of_a_histogram_selects() -> None:
    points = plot_points(measured_layer(strips([10, 20, 30])), PlotKind.HISTOGRAM, "area")
    assert points.labels_in_range(40, 60).tolist() == [2, 3]
    edges, counts = histogram(points)
    assert counts.sum() == 3
    assert edges[0] == 20
    assert edges[-1] == 60


def test_a_lasso_that_crosses_itself_selects() -> None:
    points = plot_points(measured_layer(strips([10, 20, 30])), PlotKind.SCATTER, "area", "bbox-3")
    eight = np.array([[15, 5], [25, 15], [15, 15], [25, 5]])
    assert points.labels_in_polygon(np.array([[15, 5], [45, 5], [45, 25], [15, 25]])).tolist() == [1, 2]
    assert points.labels_in_polygon(eight).tolist() in ([], [1])
    assert not len(points.labels_in_polygon(eight[:2]))


def test_groups_stand_side_by_side() -> None:
    layer = strips([10, 20, 30, 40])
    layer.features = {"index": range(5), "class": ["", "live", "dead", "live", "dead"]}
    points = plot_points(measured_layer(layer), PlotKind.GROUPS, "area", by="class")
    assert points.names == ("dead", "live")
    assert np.round(points.x).tolist() == [1, 0, 1, 0]
    assert points.y.tolist() == [20, 40, 60, 80]


def classed() -> MeasuredLayer:
    layer = strips([10, 20, 30, 40])
    layer.features = {"index": range(5), "class": ["", "live", "dead", "live", ""]}
    return measured_layer(layer)


def test_bars_of_groups_are_shares_of_their_cells() -> None:
    measured = classed()
    points = plot_points(measured, PlotKind.HISTOGRAM, "area", by="class")
    edges = np.array([0, 50, 100])
    assert points.names == ("none", "dead", "live")
    assert bar_heights(points, edges).tolist() == [[0, 1], [1, 0], [0.5, 0.5]]
    chosen = points.of(np.array([1, 3]))
    assert bar_heights(points, edges, chosen).tolist() == [[0, 0], [0, 0], [0.5, 0.5]]
    alone = plot_points(measured, PlotKind.HISTOGRAM, "area")
    assert bar_heights(alone, edges).tolist() == [[2, 2]]


@pytest.mark.parametrize("kind", list(PlotKind))
def test_a_plot_is_saved_as_it_is_drawn(tmp_path: Path, kind: PlotKind) -> None:
    measured = classed()
    points = plot_points(measured, kind, "area", "perimeter", "class")
    drain(saving_plot(measured, points, np.array([2]), tmp_path / "plot.svg"))
    text = unescape((tmp_path / "plot.svg").read_text(encoding="utf-8"))
    for words in ("area (px²)", "dead", "live", "1 selected of 4 cells", f'"plot": "{kind.value}"'):
        assert words in text
    assert '"selected": [2]' in text
    alone = plot_points(measured, PlotKind.SCATTER, "area", "perimeter")
    assert "black outline" not in draw_points(alone, measured.units).get_supxlabel()


def test_only_cells_of_the_shown_plane() -> None:
    measured = measured_layer(strips([10, 20], planes=3))
    measured.show_plane((1,))
    assert len(plot_points(measured, PlotKind.HISTOGRAM, "area").x) == 6
    assert plot_points(measured, PlotKind.SCATTER, "area", "z", here=True).y.tolist() == [1, 1]


def test_time_is_a_group_and_cells_have_a_point_in_each_plane() -> None:
    layer = strips([10, 20], planes=3)
    layer.axis_labels = ("t", "y", "x")
    points = plot_points(measured_layer(layer), PlotKind.GROUPS, "area", by="t")
    assert points.names == ("t 0", "t 1", "t 2")
    assert points.of(np.array([2])).sum() == 3
    assert points.labels_in_polygon(np.array([[-1, 30], [5, 30], [5, 50], [-1, 50]])).tolist() == [2]


def test_what_cannot_be_grouped_is_said() -> None:
    with pytest.raises(OptionError, match="group by"):
        plot_points(measured_layer(strips([10])), PlotKind.GROUPS, "area")


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), max_size=40))
def test_an_outline_stays_in_its_column(values: list[float]) -> None:
    at, width = violin(np.array(values, float))
    assert len(at) == len(width)
    assert np.all((width >= 0) & (width <= 0.5))


# -- the picture ------------------------------------------------------------------------------------------

VIEW = View(0, 10, 0, 10, 100, 100)


def test_points_lie_where_they_belong() -> None:
    x, y = np.array([2.05, 8.05, 20.0, np.nan]), np.array([1.05, 9.05, 5.0, 5.0])
    picture = point_picture(x, y, VIEW, np.array([0, 3, 0, 0]), np.array([False, False, True, True]))
    assert picture[10, 20] == 1
    assert picture[90, 80] == 4
    assert not (picture == SELECTED).any()
    assert set(np.unique(picture)) == {0, 1, 4}


def test_selected_points_lie_above_the_others() -> None:
    x = np.full(2, 5.05)
    picture = point_picture(x, x, VIEW, None, np.array([True, False]))
    assert picture[50, 50] == SELECTED


def test_many_points_show_how_crowded_they_are() -> None:
    rng = np.random.default_rng(1)
    crowd = rng.normal(3, 0.3, (2, DENSITY_FROM))
    lone = np.array([[8.05], [8.05]])
    x, y = np.hstack([crowd, lone])
    picture = point_picture(x, y, VIEW)
    assert MOST_GROUPS < picture[80, 80] < picture[30, 30]


# -- the selection on the canvas --------------------------------------------------------------------------


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def test_selected_cells_light_up_and_labels_stay(viewer: ViewerModel) -> None:
    layer = strips([10, 20, 30])
    viewer.add_layer(layer)
    before = layer.data.copy()
    selection = CellSelection()
    light = SelectionLayer(viewer, layer, selection)
    selection.choose([2])
    (shown,) = [found for found in viewer.layers if is_overlay(found)]
    np.testing.assert_array_equal(np.asarray(shown.data) > 0, layer.data == 2)
    assert viewer.layers.selection.active is layer
    selection.add([3])
    np.testing.assert_array_equal(np.asarray(shown.data) > 0, layer.data > 1)
    selection.choose([])
    assert len(viewer.layers) == 1
    np.testing.assert_array_equal(layer.data, before)
    light.close()
    assert not selection.on_change


def test_the_light_follows_the_plane(viewer: ViewerModel) -> None:
    layer = strips([10, 20], planes=2)
    layer.data[0][layer.data[0] == 2] = 0
    viewer.add_layer(layer)
    selection = CellSelection()
    light = SelectionLayer(viewer, layer, selection)
    viewer.dims.set_point(0, 0)
    selection.choose([2])
    (shown,) = [found for found in viewer.layers if is_overlay(found)]
    assert not np.asarray(shown.data).any()
    viewer.dims.set_point(0, 1)
    assert np.asarray(shown.data).any()
    light.close()


def drag(layer: Labels, *places: tuple[float, float], modifiers: tuple[str, ...] = ()) -> None:
    """Press at the first place, move to the others, release."""
    first = {"pos": places[0], "position": places[0]}
    event = SimpleNamespace(type="mouse_press", button=1, modifiers=modifiers, **first)
    steps = [callback(layer, event) for callback in layer.mouse_drag_callbacks]
    for step in steps:
        next(step, None)
    event.type = "mouse_move"
    for place in places[1:]:
        event.position, event.pos = place, tuple(10 * p for p in place)
        for step in steps:
            next(step, None)
    event.type = "mouse_release"
    for step in steps:
        next(step, None)


def test_clicks_and_boxes_on_the_canvas(viewer: ViewerModel) -> None:
    layer = strips([10, 20, 30])
    viewer.add_layer(layer)
    selection = CellSelection()
    picking = CellPicking(viewer, layer, selection)
    drag(layer, (4, 1))
    assert selection.labels.tolist() == [2]
    drag(layer, (8, 1), modifiers=("Shift",))
    assert selection.labels.tolist() == [2, 3]
    drag(layer, (4, 1), modifiers=("Shift",))
    assert selection.labels.tolist() == [3]
    drag(layer, (0, 0), (5, 5))
    assert selection.labels.tolist() == [3]
    picking.use_boxes(True)
    drag(layer, (-3, -3), (5, 5))
    assert selection.labels.tolist() == [1, 2]
    drag(layer, (2.6, 25))
    assert not len(selection)
    layer.selected_label = 3
    assert selection.labels.tolist() == [3]
    picking.close()
    assert layer.mouse_pan
    assert not layer.mouse_drag_callbacks


# -- gates ------------------------------------------------------------------------------------------------

GATE = Gate(("area",), ((30.0,), (70.0,)))


def test_a_gate_is_one_step_of_the_editor() -> None:
    layer = strips([10, 20, 30])
    editor = Editor(layer)
    words = set_gate(layer, np.array([2, 3]), " large ", GATE)
    assert "2 cells have the class 'large'" in words
    assert "Ctrl+Z" in words
    assert layer.features["class"].tolist() == ["", "", "large", "large"]
    assert layer.features["status"].astype(str)[2] == "predicted"
    assert editor.undo_names == ("gate",)
    editor.undo()
    assert layer.features["class"].tolist() == [""] * 4


def test_a_gate_without_an_editor_writes_the_table() -> None:
    layer = strips([10, 20, 30])
    measured = measured_layer(layer)
    told = []
    measured.on_change.append(lambda: told.append(1))
    assert "Ctrl+Z" not in set_gate(layer, np.array([2]), "large", GATE)
    assert layer.features["class"].tolist() == ["", "", "large", ""]
    assert measured.table["class"].tolist() == ["", "large", ""]
    assert told
    set_gate(layer, np.array([3]), "small", Gate())
    assert layer.features["class"].tolist() == ["", "", "large", "small"]
    gates = layer.metadata["napari-cellseg"]["gates"]
    assert gates[0] == {"class": "large", "columns": ["area"], "corners": [[30.0], [70.0]], "cells": 1}
    assert len(gates) == 2
    assert "already" in set_gate(layer, np.array([3]), "small", Gate())
    assert len(layer.metadata["napari-cellseg"]["gates"]) == 2


def test_a_gate_needs_cells_and_a_name() -> None:
    layer = strips([10])
    measured_layer(layer)
    with pytest.raises(OptionError, match="Select cells"):
        set_gate(layer, np.zeros(0, int), "large", GATE)
    with pytest.raises(OptionError, match="name"):
        set_gate(layer, np.array([1]), " ", GATE)
