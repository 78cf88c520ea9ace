"""Clicking through the tab Images of the Measure dock."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_cellseg.features.tables import read_table
from napari_cellseg.widgets.measure_dock import MeasureDock
from napari_cellseg.widgets.measure_images import ImagesPanel

from .conftest import TIMEOUT
from .test_measure_dock import add_field, click, field, run

pytestmark = pytest.mark.qt


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[MeasureDock]:
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


@pytest.fixture
def film(qtbot, dock: MeasureDock, viewer: ViewerModel) -> ImagesPanel:
    """Three frames of 2, 4 and 8 cells, half an hour apart, measured."""
    frames = np.stack([field(n) for n in (2, 4, 8)])
    axes = {"axis_labels": ("t", "y", "x"), "units": ("h", "µm", "µm"), "scale": (0.5, 1, 1)}
    viewer.add_labels(frames, name="film", **axes)
    run(qtbot, dock)
    describe(qtbot, dock.images)
    return dock.images


def describe(qtbot, panel: ImagesPanel) -> None:
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=4 * TIMEOUT)  # kernels compile at first
    assert not panel.error.sentence.text()


def shown(panel: ImagesPanel) -> list[str]:
    """The first line of the table."""
    model = panel.table.numbers
    return [model.index(0, k).data() for k in range(model.columnCount())]


def test_nothing_can_be_described_before_it_is_measured(dock: MeasureDock) -> None:
    assert not dock.images.button.isEnabled()
    assert "tab Measure" in dock.images.button.toolTip()


def test_one_image(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    layer = add_field(viewer)
    run(qtbot, dock)
    panel = dock.images
    describe(qtbot, panel)
    assert "1 image, 9 cells, confluence 20 %" in panel.line.text()
    heads = panel.table.numbers
    names = [heads.headerData(k, Qt.Orientation.Vertical) for k in range(heads.rowCount())]
    assert names[:3] == ["count", "confluence", "density (1/px²)"]
    assert "focus" in names
    assert panel.growth.isHidden()
    layer.fill((4, 4), 0)
    qtbot.waitUntil(lambda: "changed since" in panel.outdated.text())
    describe(qtbot, panel)
    assert "8 cells" in panel.line.text()
    assert not panel.outdated.text()


def test_a_film_grows(qtbot, film: ImagesPanel, viewer: ViewerModel) -> None:
    assert shown(film)[:2] == ["0", "2"]
    assert film.growth.line.text().startswith("Count doubles in 0.5 h")
    film.growth.interval.setValue(2)
    assert film.growth.line.text().startswith("Count doubles in 2 h")
    film.growth.interval.setValue(0)
    assert film.growth.line.text().startswith("Count doubles in 1 frames")
    film.growth.last.setValue(1)
    assert film.growth.line.text().endswith("Through 2 of 3 times.")
    film.table.clicked.emit(film.table.numbers.index(2, 0))
    assert viewer.dims.current_step[0] == 2


def test_save_frames_and_their_figure(qtbot, film: ImagesPanel, tmp_path: Path) -> None:
    film.save(tmp_path / "frames.csv")
    qtbot.waitUntil(lambda: not film.job.running, timeout=TIMEOUT)
    assert "Saved" in film.notes.text()
    assert read_table(tmp_path / "frames.csv")["time"].tolist() == [0, 0.5, 1]
    film.save_figure(tmp_path / "growth.png")
    qtbot.waitUntil(lambda: not film.job.running, timeout=TIMEOUT)
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_contacts_between_classes(qtbot, dock: MeasureDock, viewer: ViewerModel, tmp_path: Path) -> None:
    layer = viewer.add_labels(np.kron(np.arange(1, 26).reshape(5, 5), np.ones((4, 4))).astype(int))
    run(qtbot, dock)
    box = dock.images.contacts
    assert not box.button.isEnabled()
    assert "they have none" in box.sentence.text()
    layer.features = layer.features.assign(**{"class": ["", *(["left"] * 2 + ["right"] * 3) * 5]})
    run(qtbot, dock)
    box.shuffles.setValue(60)
    qtbot.waitUntil(box.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, box.button)
    qtbot.waitUntil(  # kernels compile at first
        lambda: bool(box.line.text() or box.error.sentence.text()), timeout=4 * TIMEOUT
    )
    assert not box.error.sentence.text()
    assert "left and right touch less often" in box.line.text()
    assert box.table.numbers.rowCount() == 3
    box.save(tmp_path / "pairs.parquet")
    qtbot.waitUntil(lambda: not box.job.running, timeout=4 * TIMEOUT)  # pyarrow is imported at first
    assert "Saved" in box.notes.text()
    assert read_table(tmp_path / "pairs.parquet").attrs["provenance"]["settings"]["shuffles"] == 60
