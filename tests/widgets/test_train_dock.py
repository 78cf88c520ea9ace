"""Clicking through the Train dock, with a backend that only copies a model."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QLineEdit,
    QMainWindow,
    QWidget,
)

from napari_cellseg.errors import MissingDependencyError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.collection import add_model
from napari_cellseg.models.registry import find_model, list_models
from napari_cellseg.viewer.recent_datasets import remember_dataset
from napari_cellseg.viewer.train_next import saving_ranking
from napari_cellseg.viewer.train_runs import find_runs
from napari_cellseg.widgets import train_closing, train_curves
from napari_cellseg.widgets.dataset_dock import DatasetDock
from napari_cellseg.widgets.train_dock import TrainDock
from napari_cellseg.widgets.train_models import ModelsPanel
from napari_cellseg.widgets.train_panel import TrainPanel

from ..tiny_training import make_dataset, offer_backend, tiny_points  # noqa: TID252

pytestmark = pytest.mark.qt
TIMEOUT = 180_000
"""Longest wait for something that should happen, milliseconds; processes are started and import much."""


@pytest.fixture(autouse=True)
def backend(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_backend(tmp_path_factory.mktemp("backend"), monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, user_folder: Path) -> Path:
    """A dataset that was used last."""
    folder = make_dataset(tmp_path / "my data").folder
    remember_dataset(folder)
    return folder


@pytest.fixture
def dock(qtbot, viewer: ViewerModel, folder: Path) -> Iterator[TrainDock]:
    dock = TrainDock(viewer, tiny_points)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


@pytest.fixture
def panel(qtbot, dock: TrainDock) -> TrainPanel:
    """The dock once it has looked at the dataset."""
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not dock.panel.preflight.looking.running, timeout=TIMEOUT)
    return dock.panel


def click(qtbot, button: QWidget) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def decide(qtbot, panel: TrainPanel) -> None:
    """Wait for the end of the training and of the comparison."""
    qtbot.waitUntil(lambda: panel.gate.result is not None and not panel.work.running, timeout=TIMEOUT)


def start_endless(qtbot, panel: TrainPanel) -> None:
    """Train until the third epoch, which never ends."""
    panel.form.preset.choose("endless")
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: len(panel.session.watch.epochs()) == 2, timeout=TIMEOUT)


def test_an_empty_dock_says_what_is_needed(qtbot, viewer: ViewerModel) -> None:
    dock = TrainDock(viewer, tiny_points)
    qtbot.addWidget(dock)
    panel = dock.panel
    assert not panel.button.isEnabled()
    assert "Choose a dataset" in panel.preflight.sentence.text()
    assert "Choose a dataset" in panel.button.toolTip()
    assert "CellSeg dataset dock" in panel.form.about.text()
    dock.shut_down()


def test_one_click_from_the_dataset_to_a_better_model(qtbot, panel: TrainPanel) -> None:
    assert "train 4 images" in panel.form.about.text()
    assert "into the new model 'nuclei-mine'" in panel.preflight.sentence.text()
    click(qtbot, panel.button)
    assert panel.start.isHidden()
    qtbot.waitUntil(lambda: len(panel.session.watch.epochs()) >= 1, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not panel.curves.isHidden(), timeout=TIMEOUT)
    assert "training" in panel.curves.loss_words.text()
    assert "AP50" in panel.curves.score_words.text()
    assert "2 found, 2 true" in panel.previews.buttons[0].toolTip()
    decide(qtbot, panel)
    gate = panel.gate
    assert "is trained. Its best epoch, 3, is kept.\nNo epoch was better." in panel.notes.text()
    assert gate.old.currentText() == "nuclei"
    assert gate.verdict.text()[0] in "≈?"
    assert not gate.images.isHidden()
    assert gate.worse.isHidden()
    with qtbot.waitSignal(panel.used, timeout=TIMEOUT):
        click(qtbot, gate.use)
    assert find_model("nuclei-mine").origin == "added"
    assert "one of your models now" in panel.notes.text()
    assert not panel.start.isHidden()
    assert panel.form.name.text() == "nuclei-mine-2"
    assert panel.runs.isHidden()


def test_keeping_the_old_model(qtbot, panel: TrainPanel) -> None:
    panel.form.name.setText("cells")
    qtbot.waitUntil(lambda: "'cells'" in panel.preflight.sentence.text(), timeout=TIMEOUT)
    click(qtbot, panel.button)
    decide(qtbot, panel)
    click(qtbot, panel.gate.refuse)
    assert "The old model stays in use" in panel.notes.text()
    assert panel.gate.isHidden()
    assert panel.runs.isHidden()
    assert [run.name for run in find_runs()] == ["cells"]


def test_cancel_and_resume(qtbot, panel: TrainPanel) -> None:
    start_endless(qtbot, panel)
    assert "left" in panel.job.line.text()
    click(qtbot, panel.job.cancel_button)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert "Its last epoch is kept: Resume goes on." in panel.notes.text()
    assert "interrupted after epoch 2 of 4" in panel.runs.sentence.text()
    click(qtbot, panel.runs.go_on)
    assert len(panel.session.watch.epochs()) == 2
    decide(qtbot, panel)
    assert len(panel.session.watch.epochs()) == 4


def test_pause_and_go_on(qtbot, panel: TrainPanel) -> None:
    start_endless(qtbot, panel)
    click(qtbot, panel.job.pause_button)
    qtbot.waitUntil(lambda: panel.job.line.text().startswith("Paused"), timeout=TIMEOUT)
    assert panel.job.pause_button.text() == "&Go on"
    assert "left" not in panel.job.line.text()
    click(qtbot, panel.job.pause_button)
    qtbot.waitUntil(lambda: panel.job.line.text().startswith("Training"), timeout=TIMEOUT)
    assert panel.job.pause_button.text() == "&Pause"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_killed_training_is_told_and_resumed(qtbot, panel: TrainPanel) -> None:
    start_endless(qtbot, panel)
    qtbot.waitUntil(lambda: "pid" in panel.job.line.text(), timeout=TIMEOUT)
    os.kill(int(panel.job.line.text().split("pid ")[1].split(",")[0]), signal.SIGKILL)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert "ended by signal 9. Its last checkpoint is kept: resume it." in panel.error.sentence.text()
    click(qtbot, panel.runs.go_on)
    assert not panel.error.sentence.text()
    decide(qtbot, panel)


def test_an_error_is_told_in_words_and_the_training_can_be_deleted(qtbot, panel: TrainPanel) -> None:
    panel.form.preset.choose("failing")
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: bool(panel.error.sentence.text()), timeout=TIMEOUT)
    assert "The weights are damaged" in panel.error.sentence.text()
    click(qtbot, panel.runs.delete)
    assert panel.runs.delete.text() == "&Delete for good?"
    click(qtbot, panel.runs.delete)
    assert panel.runs.isHidden()
    assert not find_runs()


def test_time_and_memory_are_measured_before_it_starts(qtbot, dock: TrainDock, panel: TrainPanel) -> None:
    dock.show()
    panel.form.recipe.controls["batch"].setValue(2)
    qtbot.waitUntil(lambda: "2 min" in panel.preflight.estimate.text(), timeout=TIMEOUT)
    assert "0.3 GB of memory, on the processor" in panel.preflight.estimate.text()
    dock.hide()


def test_the_recipe_changes_what_is_trained(qtbot, panel: TrainPanel) -> None:
    controls = panel.form.recipe.controls
    assert list(controls) == ["epochs", "batch", "keep"]
    assert panel.form.choices().changes == {}
    controls["epochs"].setValue(5)
    controls["keep"].setValue(0.5)
    assert panel.form.choices().changes == {"epochs": 5, "keep": 0.5}
    qtbot.waitUntil(lambda: "at most 5 epochs" in panel.preflight.sentence.text(), timeout=TIMEOUT)
    panel.form.preset.choose("endless")
    assert panel.form.choices().changes == {}


def test_a_missing_package_is_told_with_its_remedy(qtbot, panel: TrainPanel, monkeypatch) -> None:
    error = MissingDependencyError("Tiny training", "torch", "train")
    monkeypatch.setattr("napari_cellseg.widgets.train_preflight.missing", lambda family: error)
    panel.preflight.look_again()
    qtbot.waitUntil(lambda: "pip install" in panel.preflight.sentence.text(), timeout=TIMEOUT)
    assert not panel.button.isEnabled()
    assert "pip install" in panel.button.toolTip()


def test_a_dataset_opened_in_its_dock_is_offered(
    qtbot, viewer: ViewerModel, panel: TrainPanel, tmp_path
) -> None:
    other = make_dataset(tmp_path / "other", images=3)
    datasets = DatasetDock(viewer)
    qtbot.addWidget(datasets)
    datasets.panel.open(other.folder)
    qtbot.waitUntil(lambda: not datasets.panel.job.running, timeout=TIMEOUT)
    datasets.shut_down()
    panel.form.refresh_datasets()
    assert panel.form.data.currentText() == "my data"
    panel.form.data.setCurrentIndex(panel.form.data.findText("other"))
    qtbot.waitUntil(lambda: "train 1 image" in panel.form.about.text(), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not panel.preflight.looking.running, timeout=TIMEOUT)


def test_a_preview_is_shown_in_the_viewer_and_follows(qtbot, viewer: ViewerModel, panel: TrainPanel) -> None:
    viewer.add_image(np.zeros((10, 10)), name="mine")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: bool(panel.previews.buttons), timeout=TIMEOUT)
    click(qtbot, panel.previews.buttons[0])
    assert [layer.name for layer in viewer.layers] == ["mine", "val 1 (preview)", "val 1 true", "val 1 found"]
    decide(qtbot, panel)
    np.testing.assert_array_equal(
        viewer.layers["val 1 found"].data, np.roll(viewer.layers["val 1 true"].data, -3, 1)
    )
    click(qtbot, panel.again)
    assert [layer.name for layer in viewer.layers] == ["mine"]


def test_without_pyqtgraph_there_is_a_table(qtbot, viewer: ViewerModel, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(train_curves, "find_spec", lambda name: None)
    dock = TrainDock(viewer, tiny_points)
    qtbot.addWidget(dock)
    panel = dock.panel
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, panel.button)
    decide(qtbot, panel)
    assert "pyqtgraph" in panel.curves.missing.text()
    assert panel.curves.table.model().rowCount() == 3
    dock.shut_down()


def make_window(qtbot) -> QMainWindow:
    """A window like napari's, with something in its middle."""
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QWidget())
    QWidget(window.centralWidget())
    return window


@pytest.mark.parametrize("stops", [True, False])
def test_closing_napari_asks(qtbot, dock: TrainDock, panel: TrainPanel, monkeypatch, stops: bool) -> None:
    window = make_window(qtbot)
    holder = QWidget(window)
    dock.setParent(holder)
    asked = []
    monkeypatch.setattr(train_closing.ClosingGuard, "ask", lambda guard: asked.append(guard) or stops)
    window.show()
    start_endless(qtbot, panel)
    event = QCloseEvent()
    QApplication.sendEvent(window, event)
    assert len(asked) == 1
    assert event.isAccepted() == stops
    assert panel.job.running
    dock.shut_down()
    dock.setParent(None)
    window.hide()


def test_closing_without_a_training_does_not_ask(
    qtbot, dock: TrainDock, panel: TrainPanel, monkeypatch
) -> None:
    window = make_window(qtbot)
    dock.setParent(window)
    monkeypatch.setattr(train_closing.ClosingGuard, "ask", lambda guard: pytest.fail("asked"))
    window.show()
    assert window.close()
    dock.setParent(None)


def test_closing_the_dock_ends_the_training(qtbot, dock: TrainDock, panel: TrainPanel) -> None:
    start_endless(qtbot, panel)
    dock.shut_down()
    (run,) = find_runs()
    assert run.has_checkpoint


def test_closing_only_the_dock_is_told(qtbot, dock: TrainDock, panel: TrainPanel) -> None:
    window = make_window(qtbot)
    dock.setParent(QWidget(window))
    window.show()
    start_endless(qtbot, panel)
    told: list[Notification] = []
    notification_manager.notification_ready.connect(told.append)
    dock.setParent(None)
    assert [n.message for n in told] == [train_closing.STOPPED]
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert find_runs()[0].has_checkpoint
    window.hide()


def test_every_control_says_what_it_is(dock: TrainDock, panel: TrainPanel) -> None:
    dock.show()
    panel.form.advanced.button.click()
    for number in range(dock.tabs.count()):
        dock.tabs.setCurrentIndex(number)
        for kind in (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QAbstractItemView):
            for control in dock.tabs.currentWidget().findChildren(kind):
                inner = isinstance(
                    control.parent(), QComboBox | QAbstractSpinBox | QAbstractItemView | QFrame
                )
                if control.isVisible() and not inner and not control.objectName().startswith("qt_"):
                    assert control.accessibleName(), control
                    assert control.toolTip(), control.accessibleName()
        assert dock.tabs.currentWidget().minimumSizeHint().width() <= 330
    assert panel.minimumSizeHint().width() <= 330
    dock.hide()


def test_the_dock_works_on_the_proxy_that_napari_hands_out(qtbot, viewer: ViewerModel) -> None:
    dock = TrainDock(PublicOnlyProxy(viewer), tiny_points)
    qtbot.addWidget(dock)
    assert dock.panel._viewer is viewer
    dock.shut_down()


def test_a_used_model_is_chosen_in_segment_and_next_images(qtbot, make_napari_viewer, folder: Path) -> None:
    viewer = make_napari_viewer()
    dock = TrainDock(viewer, tiny_points)
    viewer.window.add_dock_widget(dock, name="CellSeg train")
    segment = viewer.window.add_plugin_dock_widget("napari-cellseg", "CellSeg segment", tabify=True)[1]
    chosen = segment.panel.model_form.model
    assert chosen.currentData() == "nuclei"
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    decide(qtbot, dock.panel)
    with qtbot.waitSignal(dock.panel.used, timeout=TIMEOUT):
        click(qtbot, dock.panel.gate.use)
    assert chosen.currentData() == "nuclei-mine"
    assert segment.panel.choices().model == "nuclei-mine"
    assert dock.next.model.currentData() == "nuclei-mine"


@pytest.fixture
def models(qtbot, dock: TrainDock) -> ModelsPanel:
    """The tab of models, with one of the user's own."""
    entry = find_model("nuclei")
    add_model(entry.path, "mine")
    dock.models.refresh()
    return dock.models


def test_models_are_listed_and_compared(models: ModelsPanel) -> None:
    table = models.table.numbers
    listed = [table.index(row, 0).data() for row in range(table.rowCount())]
    assert listed == ["nuclei", "phase", "mine"]
    models.select("nuclei", "phase")
    assert models.names == ["nuclei", "phase"]
    header = models.facts.headerItem()
    assert [header.text(column) for column in range(3)] == ["", "nuclei", "phase"]
    facts = {models.facts.topLevelItem(i).text(0) for i in range(models.facts.topLevelItemCount())}
    assert {"title", "trained from", "SHA-256"} <= facts
    assert not models.delete.isEnabled()
    assert "of your own" in models.delete.toolTip()


def test_a_model_is_renamed_and_deleted(qtbot, dock: TrainDock, models: ModelsPanel) -> None:
    models.select("mine")
    models.name.setText("better name")
    click(qtbot, models.rename)
    assert "letters, digits" in models.error.sentence.text()
    models.name.setText("better")
    click(qtbot, models.rename)
    assert models.names == ["better"]
    assert not models.error.sentence.text()
    click(qtbot, models.delete)
    assert find_model("better")
    click(qtbot, models.delete)
    assert "'better' deleted" in models.notes.text()
    assert [entry.card.name for entry in list_models()] == ["nuclei", "phase"]


def test_a_model_is_shared_and_added(qtbot, models: ModelsPanel, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "mine.cellseg"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    models.select("mine")
    click(qtbot, models.share)
    qtbot.waitUntil(lambda: "Saved" in models.notes.text(), timeout=TIMEOUT)
    for _ in range(2):
        click(qtbot, models.delete)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    click(qtbot, models.add)
    qtbot.waitUntil(lambda: models.names == ["mine"], timeout=TIMEOUT)
    file.write_bytes(b"no model")
    models.add_file(file)
    qtbot.waitUntil(lambda: bool(models.error.sentence.text()), timeout=TIMEOUT)


def test_a_pickle_must_be_trusted_first(qtbot, models: ModelsPanel, tmp_path: Path) -> None:
    file = tmp_path / "yolo.pt"
    file.write_bytes(b"a pickle")
    models.add_file(file)
    qtbot.waitUntil(lambda: not models.trust.isHidden(), timeout=TIMEOUT)
    assert "Trust" in models.error.sentence.text()


def test_images_are_ranked_and_opened(qtbot, viewer: ViewerModel, dock: TrainDock, tmp_path: Path) -> None:
    images = tmp_path / "new images"
    images.mkdir()
    for number in range(3):
        pixels = simulate_fluorescence((96, 112), objects=8, seed=20 + number).image
        tifffile.imwrite(images / f"new {number}.tif", pixels)
    (images / "broken.tif").write_bytes(b"no image")
    ranks = dock.next
    assert not ranks.button.isEnabled()
    assert ranks.data.currentText() == "my data"
    ranks.use_paths([images])
    click(qtbot, ranks.button)
    qtbot.waitUntil(lambda: ranks.list.count() == 4, timeout=TIMEOUT)
    assert "4 images" in ranks.sentence.text()
    first, last = ranks.list.item(0), ranks.list.item(3)
    assert last.text().startswith("4. broken.tif · –")
    ranks.list.setCurrentItem(first)
    click(qtbot, ranks.open)
    assert viewer.layers.selection.active.metadata["path"] in first.toolTip()
    ranks.list.itemActivated.emit(first)
    assert len(viewer.layers) == 1
    ranks.list.itemActivated.emit(last)
    assert ranks.error.sentence.text()
    with qtbot.waitSignal(ranks.job.succeeded, timeout=TIMEOUT):
        ranks.job.start(saving_ranking(ranks._table, tmp_path / "list.csv"))
    assert len((tmp_path / "list.csv").read_text().splitlines()) == 5
