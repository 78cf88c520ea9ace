"""Clicking through the Dataset dock."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.qt import get_stylesheet
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFileDialog,
    QFrame,
    QLineEdit,
    QListView,
    QTreeView,
    QWidget,
)

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import Progress
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.dataset_adding import AddWhat
from napari_cellseg.viewer.dataset_classes import class_colour
from napari_cellseg.viewer.dataset_rows import Reviewed
from napari_cellseg.widgets import dataset_files
from napari_cellseg.widgets.correct_dock import CorrectDock
from napari_cellseg.widgets.dataset_dock import DatasetDock
from napari_cellseg.widgets.dataset_grid import DatasetModel
from napari_cellseg.widgets.dataset_panel import DatasetPanel

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt
SHAPE = (40, 60)


def make_sample(name: str, statuses: list[str], group: str = "", seed: int = 0) -> Sample:
    """Squares side by side, one per status; the last one is debris."""
    labels = np.zeros(SHAPE, np.int32)
    for number in range(len(statuses)):
        labels[5:15, 5 + 14 * number : 15 + 14 * number] = number + 1
    pixels = np.random.default_rng(seed).integers(0, 4000, SHAPE).astype(np.uint16)
    classes = ["cell"] * len(statuses)
    if len(statuses) > 2:
        classes[-1] = "debris"
    table = object_table(range(1, len(statuses) + 1), classes=classes, status=statuses)
    return Sample(name, Annotation.from_labels(labels, table), lambda: pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images: all reviewed, a part, and without objects."""
    dataset = Dataset.create(tmp_path / "my data", ["cell", "debris"])
    dataset.add_sample(make_sample("fov 1", ["accepted", "edited"], seed=1))
    dataset.add_sample(make_sample("fov 2", ["accepted", "predicted", "predicted"], seed=2))
    dataset.add_sample(make_sample("blank", [], seed=3))
    return dataset.folder


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[DatasetDock]:
    dock = DatasetDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


@pytest.fixture
def panel(qtbot, dock: DatasetDock, folder: Path) -> DatasetPanel:
    """The dock with the dataset open."""
    dock.panel.open(folder)
    finish(qtbot, dock.panel)
    return dock.panel


def click(qtbot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def finish(qtbot, panel: DatasetPanel) -> None:
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)


def listed(panel: DatasetPanel) -> list[str]:
    model: DatasetModel = panel.model
    return [model.row(model.index(i)).name for i in range(model.rowCount())]


def choose_import(qtbot, panel: DatasetPanel, path: Path) -> None:
    """Choose what is to be imported, and wait until it is recognised."""
    imports = panel.files.imports
    with qtbot.waitSignal(imports.recognised, timeout=TIMEOUT):
        imports.choose(path)


def open_image(qtbot, panel: DatasetPanel, name: str) -> Labels:
    panel.images.grid.select([name])
    click(qtbot, panel.images.button)
    finish(qtbot, panel)
    return panel._viewer.layers.selection.active


def test_an_empty_dock_says_what_is_needed(qtbot, dock: DatasetDock) -> None:
    panel = dock.panel
    assert "Open a dataset, or make one" in panel.header.about.text()
    for button in (panel.images.button, panel.adding.button, panel.checks.button, panel.files.imports.button):
        assert not button.isEnabled()
    qtbot.waitUntil(lambda: "first" in panel.adding.button.toolTip(), timeout=TIMEOUT)
    assert panel.opened.isHidden()


def test_opening_lists_the_images(qtbot, dock: DatasetDock, folder: Path, monkeypatch) -> None:
    panel = dock.panel
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    click(qtbot, panel.header.open)
    finish(qtbot, panel)
    assert listed(panel) == ["blank", "fov 1", "fov 2"]
    assert panel.header.about.text().startswith("3 images, 5 objects, 3 reviewed")
    assert panel.header.folder.text() == "my data"
    model = panel.model
    texts = [model.index(i).data() for i in range(3)]
    assert texts[0].startswith("blank\n– empty")
    assert texts[1].startswith("fov 1\n● 2")
    assert texts[2].startswith("fov 2\n◐ 2 left")


def test_a_folder_that_is_no_dataset_is_explained(qtbot, dock: DatasetDock, tmp_path: Path) -> None:
    dock.panel.open(tmp_path)
    finish(qtbot, dock.panel)
    assert "is not a dataset" in dock.panel.error.sentence.text()
    assert dock.panel.work.dataset is None


def test_thumbnails_come_in_the_background(qtbot, panel: DatasetPanel) -> None:
    model = panel.model
    key = model.row(model.index(1)).key
    with qtbot.waitSignal(model.thumbnails.made, check_params_cb=lambda made: made == key, timeout=TIMEOUT):
        assert not model.index(1).data(Qt.ItemDataRole.DecorationRole).isNull()
    assert model.thumbnails.picture(key).shape == (40, 60, 3)


def test_a_broken_image_has_no_thumbnail_but_a_reason(qtbot, panel: DatasetPanel, folder: Path) -> None:
    next((folder / "masks").rglob("fov 2.tif")).write_bytes(b"broken")
    model = panel.model
    key = model.row(model.find("fov 2")).key
    with qtbot.waitSignal(model.thumbnails.made, check_params_cb=lambda made: made == key, timeout=TIMEOUT):
        model.thumbnails.picture(key)
    assert "cannot be read" in model.find("fov 2").data(Qt.ItemDataRole.ToolTipRole)


def test_filters(qtbot, panel: DatasetPanel) -> None:
    images = panel.images
    images.class_name.choose("debris")
    assert listed(panel) == ["fov 2"]
    images.class_name.setCurrentIndex(0)
    images.state.choose(Reviewed.EMPTY)
    assert listed(panel) == ["blank"]
    images.state.setCurrentIndex(0)
    qtbot.keyClicks(images.search, "fov")
    assert listed(panel) == ["fov 1", "fov 2"]
    assert images.about.text() == "2 of 3 images listed."


def test_correct_an_image_and_write_it_back(qtbot, panel: DatasetPanel, viewer, folder: Path) -> None:
    labels = open_image(qtbot, panel, "fov 2")
    assert labels.name == "fov 2 labels"
    assert not panel.opened.isHidden()
    assert "'fov 2' is open: 3 objects, 2 not reviewed." in panel.opened.about.text()
    correction = Correction(viewer, labels, viewer.layers["fov 2"])
    correction.set_status([2], Status.ACCEPTED)
    correction.delete([3])
    qtbot.waitUntil(lambda: "2 objects, all reviewed" in panel.opened.about.text(), timeout=TIMEOUT)
    assert panel.opened.button.text() == "&Update 'fov 2' in the dataset"
    click(qtbot, panel.opened.button)
    finish(qtbot, panel)
    assert "✓ 'fov 2' is updated in the dataset: " in panel.notes.text()
    assert "Updated at" in panel.opened.about.text()
    assert panel.model.find("fov 2").data().startswith("fov 2\n● 2")
    assert panel.header.about.text().startswith("3 images, 4 objects, 4 reviewed")
    sample = Dataset.open(folder).sample("fov 2")
    assert (sample.annotation.labels == labels.data).all()
    assert sample.annotation.objects["status"].tolist() == ["accepted", "accepted"]
    correction.close()


def test_corrections_that_are_in_the_dataset_are_saved(qtbot, panel, viewer, folder: Path) -> None:
    correct = CorrectDock(viewer)
    qtbot.addWidget(correct)
    open_image(qtbot, panel, "fov 2")
    qtbot.waitUntil(lambda: correct.panel.session is not None, timeout=TIMEOUT)
    correct.panel.session.correction.delete([3])
    assert "1 step is not saved yet" in correct.panel.saving.state.text()
    click(qtbot, panel.opened.button)
    finish(qtbot, panel)
    assert "Saved in 'my data'" in correct.panel.saving.state.text()
    assert correct.panel.session.journaling.journal is None
    assert Dataset.open(folder).record("fov 2").objects == 2
    correct.shut_down()


def test_an_image_that_is_open_is_not_opened_twice(qtbot, panel: DatasetPanel, viewer: ViewerModel) -> None:
    labels = open_image(qtbot, panel, "fov 1")
    viewer.layers.selection.active = viewer.layers["fov 1"]
    panel.images.grid.opened.emit(panel.images.grid.selected()[0])
    assert viewer.layers.selection.active is labels
    assert len(viewer.layers) == 2
    viewer.layers.remove(labels)
    assert panel.opened.isHidden()


def test_remove_asks_in_the_dock(qtbot, panel: DatasetPanel, folder: Path) -> None:
    images = panel.images
    images.grid.select(["blank", "fov 1"])
    click(qtbot, images.remove)
    assert "Remove 'blank', 'fov 1' with all files" in images.about.text()
    click(qtbot, images.keep)
    assert images.really.isHidden()
    assert len(Dataset.open(folder)) == 3
    images.grid.select(["blank", "fov 1"])
    click(qtbot, images.remove)
    click(qtbot, images.really)
    finish(qtbot, panel)
    assert listed(panel) == ["fov 2"]
    assert Dataset.open(folder).names == ("fov 2",)


def test_move_to_another_split(qtbot, panel: DatasetPanel, folder: Path) -> None:
    images = panel.images
    images.grid.select(["fov 1"])
    images.move.choose("test")
    images.move.activated.emit(images.move.currentIndex())
    finish(qtbot, panel)
    assert Dataset.open(folder).record("fov 1").split == "test"
    assert "1 image moved to test" in panel.notes.text()
    images.split.choose("test")
    assert "fov 1" in listed(panel)


def test_a_class_named_as_another_one_is_merged_after_a_question(
    qtbot, panel: DatasetPanel, folder: Path
) -> None:
    classes = panel.classes
    classes.list.topLevelItem(0).setText(0, "debris ")
    assert "There is a class 'debris' already. Merge them?" in classes.about.text()
    assert classes.list.topLevelItem(0).text(0) == "cell"
    click(qtbot, classes.keep)
    assert classes.merge.isHidden()
    assert Dataset.open(folder).classes == ("cell", "debris")
    classes.list.topLevelItem(1).setText(0, "cell")
    click(qtbot, classes.merge)
    finish(qtbot, panel)
    assert "'debris' is merged into 'cell'" in panel.notes.text()
    assert Dataset.open(folder).classes == ("cell",)
    assert classes.list.topLevelItemCount() == 1


def test_the_open_image_is_coloured_by_class(qtbot, panel: DatasetPanel, viewer: ViewerModel) -> None:
    layer = open_image(qtbot, panel, "fov 2")
    before = layer.colormap
    panel.classes.colours.click()
    first, last = layer.get_color(1), layer.get_color(3)
    assert QColor.fromRgbF(*first.tolist()).name() == class_colour(0)
    assert QColor.fromRgbF(*last.tolist()).name() == class_colour(1)
    other = open_image(qtbot, panel, "fov 1")
    assert QColor.fromRgbF(*other.get_color(2).tolist()).name() == class_colour(0)
    panel.classes.colours.click()
    assert other.colormap is not layer.colormap
    layer = open_image(qtbot, panel, "fov 2")
    assert type(layer.colormap) is type(before)


def test_classes_are_renamed_and_added(qtbot, panel: DatasetPanel, folder: Path) -> None:
    classes = panel.classes
    assert [classes.list.topLevelItem(i).text(0) for i in range(2)] == ["cell", "debris"]
    classes.list.topLevelItem(0).setText(0, "nucleus")
    finish(qtbot, panel)
    qtbot.keyClicks(classes.name, "mitosis")
    click(qtbot, classes.add)
    finish(qtbot, panel)
    assert Dataset.open(folder).classes == ("nucleus", "debris", "mitosis")
    assert classes.list.topLevelItem(0).text(0) == "nucleus"
    assert Dataset.open(folder).sample("fov 1").annotation.class_names() == ["nucleus"]


def test_split_anew_by_other_shares(qtbot, panel: DatasetPanel, folder: Path) -> None:
    splits = panel.splits
    assert splits.fractions() == Dataset.open(folder).settings.fractions == (0.8, 0.1, 0.1)
    splits.val.setValue(50)
    splits.test.setValue(0)
    assert splits.about.text().startswith("By group, automatic: 50 % train")
    click(qtbot, splits.button)
    finish(qtbot, panel)
    made = Dataset.open(folder)
    assert made.settings.fractions == (0.5, 0.5, 0.0)
    assert made.counts()["images"].tolist() in ([2, 1, 0], [1, 2, 0])
    assert "✓ Split anew" in panel.notes.text()
    assert splits.fractions() == (0.5, 0.5, 0.0)


def add_field(viewer: ViewerModel, statuses: list[str], **options: object) -> Labels:
    sample = make_sample("field", statuses, seed=9)
    viewer.add_image(sample.pixels(), name="field", **options)
    labels = viewer.add_labels(sample.annotation.labels.copy(), name="field cells", **options)
    labels.features = sample.annotation.objects
    return labels


def test_a_new_dataset_from_what_is_in_the_viewer(qtbot, dock, viewer, tmp_path: Path, monkeypatch) -> None:
    panel = dock.panel
    add_field(viewer, ["accepted", "predicted", "edited"])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "new set"), ""))
    click(qtbot, panel.header.create)
    finish(qtbot, panel)
    assert panel.work.dataset.classes == ("cell", "debris")
    assert panel.tabs.currentIndex() == 1
    qtbot.waitUntil(panel.adding.button.isEnabled, timeout=TIMEOUT)
    assert "3 objects" in panel.adding.sentence.text()
    panel.adding.group.setEditText("plate 7")
    qtbot.waitUntil(lambda: panel.adding.choices().group == "plate 7")
    click(qtbot, panel.adding.button)
    finish(qtbot, panel)
    record = Dataset.open(tmp_path / "new set").record("field")
    assert (record.objects, record.origin.group, record.reviewed) == (3, "plate 7", 1.0)
    assert "✓ 1 image added: 'field'" in panel.notes.text()
    qtbot.waitUntil(lambda: "adding replaces it" in panel.adding.sentence.text(), timeout=TIMEOUT)


def test_what_cannot_be_added_is_explained(qtbot, panel: DatasetPanel, viewer: ViewerModel) -> None:
    adding = panel.adding
    assert "An image layer and its labels layer are needed" in adding.sentence.text()
    add_field(viewer, ["accepted"])
    qtbot.waitUntil(adding.button.isEnabled, timeout=TIMEOUT)
    adding.what.choose(AddWhat.REGION)
    qtbot.waitUntil(lambda: "New…" in adding.sentence.text(), timeout=TIMEOUT)
    assert not adding.button.isEnabled()
    click(qtbot, adding.draw)
    qtbot.waitUntil(lambda: "it has no area yet" in adding.sentence.text(), timeout=TIMEOUT)
    viewer.layers[-1].add_rectangles([[2, 2], [20, 40]])
    qtbot.waitUntil(adding.button.isEnabled, timeout=TIMEOUT)
    viewer.add_labels(np.zeros((7, 7), int), name="small")
    qtbot.waitUntil(lambda: "'small' has 7 × 7 pixels" in adding.sentence.text(), timeout=TIMEOUT)


def test_check_lists_what_is_wrong_and_leads_to_it(qtbot, panel: DatasetPanel, viewer, folder: Path) -> None:
    next((folder / "masks").rglob("fov 1.tif")).unlink()
    panel.tabs.setCurrentIndex(3)
    click(qtbot, panel.checks.button)
    finish(qtbot, panel)
    checks = panel.checks
    lines = [checks.list.item(i).text() for i in range(checks.list.count())]
    assert any(line.startswith("✗ fov 1: ") and "→" in line for line in lines)
    assert f"{len(lines)} found" in checks.sentence.text()
    everything = checks.list.count()
    checks.kind.choose("empty")
    assert 0 < checks.list.count() < everything
    finding = checks.list.item(0).data(Qt.ItemDataRole.UserRole)
    assert finding.image == "blank"
    checks.list.itemActivated.emit(checks.list.item(0))
    finish(qtbot, panel)
    assert viewer.layers.selection.active.name == "blank labels"


def test_a_finding_about_objects_selects_the_first(qtbot, panel: DatasetPanel, viewer: ViewerModel) -> None:
    panel.open_image("fov 2", (9, 3))
    finish(qtbot, panel)
    labels = viewer.layers["fov 2 labels"]
    assert labels.selected_label == 3
    assert viewer.scene.camera.center[-1] == pytest.approx(37.5, abs=1)
    panel.open_image("fov 2", (1,))
    assert labels.selected_label == 1


def test_export_and_import_by_clicks(qtbot, panel, folder: Path, tmp_path: Path, monkeypatch) -> None:
    panel.tabs.setCurrentIndex(4)
    exports, target = panel.files.exports, tmp_path / "for others"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    exports.format.choose("coco")
    assert "Nothing is lost" in exports.sentence.text()
    click(qtbot, exports.button)
    finish(qtbot, panel)
    assert "✓ 3 images with 5 objects written" in exports.notes.text()
    other = tmp_path / "other"
    Dataset.create(other, ["cell"])
    panel.open(other)
    finish(qtbot, panel)
    imports = panel.files.imports
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(target))
    with qtbot.waitSignal(imports.recognised, timeout=TIMEOUT):
        click(qtbot, imports.choose_folder)
        assert not imports.button.isEnabled()
        assert "is being recognised" in imports.button.toolTip()
    assert imports.sentence.text().startswith("Recognised: COCO")
    click(qtbot, imports.button)
    finish(qtbot, panel)
    assert "✓ 3 images imported from COCO" in imports.notes.text()
    assert listed(panel) == ["blank", "fov 1", "fov 2"]
    before, after = (Dataset.open(each).sample("fov 2").annotation for each in (folder, other))
    assert (before.labels == after.labels).all()
    assert before.objects["status"].tolist() == after.objects["status"].tolist()


def test_a_loss_is_told_before_anything_is_written(qtbot, panel, tmp_path: Path, monkeypatch) -> None:
    exports, target = panel.files.exports, tmp_path / "yolo"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    exports.format.choose("yolo")
    assert exports.button.text().replace("&", "") == "What would be lost?"
    click(qtbot, exports.button)
    finish(qtbot, panel)
    assert "✓ Nothing is lost: all of 5 objects" in exports.loss.text()
    assert not target.exists()
    click(qtbot, exports.button)
    finish(qtbot, panel)
    assert (target / "dataset.yaml").is_file()
    exports.split.choose("val")
    assert exports.button.text().replace("&", "") == "What would be lost?"


def test_a_dataset_is_imported_into_another_one(qtbot, panel, folder: Path, tmp_path: Path) -> None:
    Dataset.create(tmp_path / "other")
    panel.open(tmp_path / "other")
    finish(qtbot, panel)
    choose_import(qtbot, panel, folder)
    assert "another dataset, of which everything is copied" in panel.files.imports.sentence.text()
    click(qtbot, panel.files.imports.button)
    finish(qtbot, panel)
    assert "✓ 3 images imported from another dataset" in panel.files.imports.notes.text()
    assert panel.header.about.text().startswith("3 images, 5 objects, 3 reviewed")


def test_an_unknown_folder_is_explained(qtbot, panel: DatasetPanel, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    imports = panel.files.imports
    choose_import(qtbot, panel, tmp_path / "nothing")
    assert "looks like none of the known formats" in imports.sentence.text()
    assert not imports.button.isEnabled()


def test_a_slow_folder_is_recognised_in_a_thread(qtbot, panel, tmp_path: Path, monkeypatch) -> None:
    threads, go_on = [], threading.Event()

    def slowly(path: Path) -> Format:
        threads.append(threading.current_thread())
        go_on.wait(TIMEOUT / 1000)
        return find_format("coco")

    monkeypatch.setattr(dataset_files, "recognise_format", slowly)
    imports = panel.files.imports
    with qtbot.waitSignal(imports.recognised, timeout=TIMEOUT):
        imports.choose(tmp_path)
        qtbot.waitUntil(lambda: bool(threads), timeout=TIMEOUT)
        assert imports.sentence.text().startswith("Looking what")
        go_on.set()
    assert threading.main_thread() not in threads
    assert imports.sentence.text().startswith("Recognised: COCO")


def test_only_what_was_chosen_last_is_recognised(qtbot, panel, folder: Path, tmp_path: Path) -> None:
    imports = panel.files.imports
    (tmp_path / "nothing").mkdir()
    imports.choose(tmp_path / "nothing")
    choose_import(qtbot, panel, folder)
    assert "another dataset" in imports.sentence.text()
    assert imports.button.isEnabled()


def endless(ended: threading.Event) -> Callable[..., Iterator[Progress]]:
    def job(*_: object, **__: object) -> Iterator[Progress]:
        try:
            while True:
                threading.Event().wait(0.01)
                yield Progress("Importing", 1, 4)
        finally:
            ended.set()

    return job


def test_cancel_and_what_is_blocked_meanwhile(qtbot, panel: DatasetPanel, folder: Path, monkeypatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(Dataset, "importing", endless(ended))
    panel.files.imports.choose(folder)
    panel.files.imports.asked.emit(folder, None, None, None)
    qtbot.waitUntil(lambda: panel.job.bar.value() == 1, timeout=TIMEOUT)
    for button in (panel.header.open, panel.images.button, panel.checks.button, panel.files.exports.button):
        assert not button.isEnabled()
    click(qtbot, panel.job.cancel_button)
    qtbot.waitUntil(ended.is_set, timeout=TIMEOUT)
    finish(qtbot, panel)
    assert "Cancelled: nothing was changed" in panel.notes.text()
    assert panel.header.open.isEnabled()


def test_closing_cancels_and_lets_go(qtbot, viewer: ViewerModel, folder: Path, monkeypatch) -> None:
    ended = threading.Event()
    dock = DatasetDock(viewer)
    qtbot.addWidget(dock)
    dock.panel.open(folder)
    finish(qtbot, dock.panel)
    monkeypatch.setattr(Dataset, "importing", endless(ended))
    dock.panel.files.imports.asked.emit(folder, None, None, None)
    qtbot.waitUntil(lambda: dock.panel.job.bar.value() == 1, timeout=TIMEOUT)
    dock.shut_down()
    qtbot.waitUntil(ended.is_set, timeout=TIMEOUT)
    shown = dock.panel.adding.labels.currentText()
    viewer.add_labels(np.zeros(SHAPE, int), name="later")
    assert dock.panel.adding.labels.currentText() == shown


def test_every_control_explains_itself_and_the_dock_is_narrow(qtbot, dock, panel, viewer) -> None:
    add_field(viewer, ["accepted"])
    open_image(qtbot, panel, "fov 1")
    dock.setStyleSheet(get_stylesheet("dark"))
    dock.resize(350, 720)
    dock.show()
    for number in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(number)
        for kind in (QComboBox, QAbstractButton, QLineEdit, QListView, QTreeView):
            for control in panel.findChildren(kind):
                inner = isinstance(control.parent(), QComboBox | QLineEdit | QFrame)
                if control.isVisible() and not inner and not control.objectName().startswith("qt_"):
                    assert control.accessibleName() or control.toolTip(), control
        assert panel.tabs.widget(number).minimumSizeHint().width() <= 330
    assert dock.minimumSizeHint().width() <= 350
    assert dock.minimumSizeHint().height() <= 700


def test_the_dock_works_on_the_proxy_that_napari_hands_out(qtbot, viewer: ViewerModel) -> None:
    labels = add_field(viewer, ["accepted"])
    dock = DatasetDock(PublicOnlyProxy(viewer))
    qtbot.addWidget(dock)
    assert dock.panel.adding.labels.layer is labels
    dock.shut_down()
