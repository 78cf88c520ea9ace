"""Drawing in the plots of the Measure dock, and clicking in the canvas."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QPoint, QPointF, Qt

from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.viewer.plot_points import PlotKind
from napari_cellseg.widgets import measure_plots
from napari_cellseg.widgets.measure_dock import MeasureDock

from .conftest import TIMEOUT
from .test_measure_dock import add_field, click, field, run

pytest.importorskip("pyqtgraph")

from napari_cellseg.widgets.plot_canvas import Drag, PlotCanvas

pytestmark = pytest.mark.qt


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[MeasureDock]:
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(360, 700)
    dock.show()
    yield dock
    dock.shut_down()
    dock.hide()


@pytest.fixture
def cells(qtbot, dock: MeasureDock, viewer: ViewerModel) -> Labels:
    """Measured cells of 6 × 8 to 14 × 8 pixels, and the plots in front."""
    layer = add_field(viewer)
    run(qtbot, dock)
    dock.tabs.setCurrentIndex(2)
    canvas = dock.plots.canvas
    qtbot.waitUntil(lambda: canvas.box.screenGeometry().width() > 200 and canvas.box.viewRange()[0][0] > 40)
    return layer


def at(canvas: PlotCanvas, x: float, y: float) -> QPoint:
    return canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(x, y)))


def drag(qtbot, canvas: PlotCanvas, *places: tuple[float, float]) -> None:
    """Draw in the plot, in the units of its axes."""
    target = canvas.viewport()
    points = [at(canvas, *place) for place in places]
    qtbot.mousePress(target, Qt.MouseButton.LeftButton, pos=points[0])
    for before, after in zip(points[:-1], points[1:], strict=True):
        for share in (0.5, 1.0):
            here = before + (after - before) * share
            move(qtbot, canvas, here)
    qtbot.mouseRelease(target, Qt.MouseButton.LeftButton, pos=points[-1])


def move(qtbot, canvas: PlotCanvas, here: QPoint) -> None:
    """Move the mouse with the left button down, which qtbot's own move lets go of."""
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    target = canvas.viewport()
    where = (QPointF(here), QPointF(target.mapToGlobal(here)))
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    canvas.scene().lastHoverEvent = None
    event = QMouseEvent(QEvent.Type.MouseMove, *where, left, left, none)
    QApplication.sendEvent(target, event)
    qtbot.wait(20)


def test_a_range_drawn_in_the_histogram_lights_cells_up(
    qtbot, dock: MeasureDock, cells: Labels, viewer: ViewerModel
) -> None:
    plots = dock.plots
    drag(qtbot, plots.canvas, (84, 0.5), (99, 0.5))
    assert plots.selection.labels.tolist() == [6, 7]
    qtbot.waitUntil(lambda: any(is_overlay(layer) for layer in viewer.layers))
    assert "2 of 9 cells selected, 22.2 %" in plots.line.text()
    plots.canvas._region.setRegion((84, 91))
    assert plots.selection.labels.tolist() == [6]
    click(qtbot, plots.clear)
    assert not len(plots.selection)
    qtbot.waitUntil(lambda: not any(is_overlay(layer) for layer in viewer.layers))


def test_a_lasso_becomes_a_class(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    plots.y.choose("bbox-0")
    click(qtbot, plots.drags[Drag.LASSO])
    drag(qtbot, plots.canvas, (46, 10), (75, 10), (75, 1), (46, 1), (46, 9))
    assert plots.selection.labels.tolist() == [1, 2, 3]
    assert not plots.make.isEnabled()
    assert "name" in plots.make.toolTip()
    plots.name.setText("first row")
    click(qtbot, plots.make)
    assert "first row" in plots.notes.text()
    assert cells.features["class"].tolist()[:5] == ["", *["first row"] * 3, ""]
    (gate,) = cells.metadata["napari-cellseg"]["gates"]
    assert gate["columns"] == ["area", "bbox-0"]
    assert len(gate["corners"]) > 4
    qtbot.waitUntil(lambda: plots.by.findText("class") >= 0)
    plots.kind.choose(PlotKind.GROUPS)
    plots.by.choose("class")
    assert plots.canvas._points.names == ("none", "first row")


def test_a_cell_clicked_in_the_table_is_marked_in_the_plot(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    cells.selected_label = 4
    assert plots.selection.labels.tolist() == [4]
    assert plots.canvas._chosen.tolist() == [i == 3 for i in range(9)]


def test_the_mouse_is_naparis_own_in_other_tabs(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    plots.on_image.setChecked(True)
    assert not cells.mouse_pan
    dock.tabs.setCurrentIndex(0)
    assert cells.mouse_pan
    assert not cells.mouse_drag_callbacks
    dock.tabs.setCurrentIndex(2)
    assert not cells.mouse_pan


def test_moving_the_plot_selects_nothing(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    click(qtbot, plots.drags[Drag.MOVE])
    before = plots.canvas.box.viewRange()
    drag(qtbot, plots.canvas, (60, 40), (90, 50))
    assert not len(plots.selection)
    assert plots.canvas.box.viewRange() != before


def test_plots_follow_an_edit(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    cells.fill((4, 4), 0)
    qtbot.waitUntil(lambda: len(plots.canvas._points.labels) == 8)


def test_what_is_missing_is_said(qtbot, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_plots, "find_spec", lambda name: None)
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(360, 700)
    dock.tabs.setCurrentIndex(2)
    dock.show()
    qtbot.waitUntil(lambda: 'pip install "napari-cellseg[all]"' in dock.plots.sentence.text())
    dock.hide()
    dock.shut_down()


def test_a_hundred_thousand_points_are_drawn_as_a_picture(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    picture = plots.canvas._image.image
    assert picture.ndim == 3
    assert picture.shape[0] * picture.shape[1] < 2_000_000
    assert (picture[..., 3] > 0).sum() >= np.unique(plots.canvas._points.labels).size


def test_a_histogram_of_classes_marks_the_selection(qtbot, dock: MeasureDock, cells: Labels) -> None:
    plots = dock.plots
    assert plots.legend.isHidden()
    cells.features = cells.features.assign(**{"class": ["", *["small"] * 4, *["<large>"] * 5]})
    qtbot.waitUntil(lambda: plots.by.findText("class") >= 0)
    plots.by.choose("class")
    assert "&lt;large&gt;&nbsp;(5)" in plots.legend.text()
    plots.selection.choose([6, 7])
    first, second = (mark.getData()[1] for mark in plots.canvas._marks)
    assert (first.sum(), second.sum()) == (pytest.approx(0.4), 0)
    plots.kind.choose(PlotKind.GROUPS)
    assert plots.legend.isHidden()


def test_save_the_plot(qtbot, dock: MeasureDock, cells: Labels, tmp_path: Path) -> None:
    plots = dock.plots
    plots.selection.choose([6, 7])
    plots.save_figure(tmp_path / "area.pdf")
    qtbot.waitUntil(lambda: not plots.job.running, timeout=TIMEOUT)
    assert f"Saved {tmp_path / 'area.pdf'}" in plots.notes.text()
    assert (tmp_path / "area.pdf").read_bytes().startswith(b"%PDF")
    plots.save_figure(tmp_path / "area.xyz")
    qtbot.waitUntil(lambda: not plots.job.running, timeout=TIMEOUT)
    assert "area.xyz" in plots.error.sentence.text()


def test_values_and_points_follow_the_slider(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    frames = np.stack([field(4), np.where(field(4) == 4, 0, field(4)), field(2)])
    frames[1, 50, :] = 2
    layer = viewer.add_labels(frames, axis_labels=("t", "y", "x"), name="film")
    viewer.dims.set_current_step(0, 0)
    run(qtbot, dock)
    dock.tabs.setCurrentIndex(2)
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    assert len(plots.canvas._points.labels) == 9
    plots.planes.choose(True)
    assert len(plots.canvas._points.labels) == 4
    before = layer.features["area"][2]
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: layer.features["area"][2] > before)
    assert layer.features["t"].tolist()[1:] == [1, 1, 1, 0]
    qtbot.waitUntil(lambda: len(plots.canvas._points.labels) == 3)
