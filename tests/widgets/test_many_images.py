"""Many images from the dock."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.widgets.segment_dock import SegmentDock

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in (1, 2):
        tifffile.imwrite(folder / f"field{seed}.tif", simulate_fluorescence((96, 96), seed=seed).image)
    (folder / "field0.tif").write_bytes(b"II*\0broken")
    return folder


def run(qtbot, dock: SegmentDock) -> list[tuple[str, str]]:
    many = dock.many
    qtbot.mouseClick(many.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not many.job.running, timeout=TIMEOUT)
    items = [many.files.topLevelItem(i) for i in range(many.files.topLevelItemCount())]
    return [(item.text(0), item.text(1)) for item in items]


def test_nothing_chosen_says_why(dock: SegmentDock) -> None:
    assert not dock.many.button.isEnabled()
    assert "Choose a folder or files" in dock.many.sentence.text()
    assert "Choose a folder or files" in dock.many.button.toolTip()


def test_a_bad_file_is_reported_and_the_rest_goes_on(qtbot, dock: SegmentDock, folder: Path) -> None:
    dock.many.use_paths([folder])
    assert dock.many.target.text() == str(folder / "cellseg")
    assert "3 images" in dock.many.sentence.text()
    expected = [("field0.tif", "✗ failed"), ("field1.tif", "✓ done"), ("field2.tif", "✓ done")]
    assert run(qtbot, dock) == expected
    assert "2 segmented" in dock.many.summary.text()
    assert (folder / "cellseg" / "field1_labels.tif").exists()
    again = run(qtbot, dock)
    assert again[1] == ("field1.tif", "= was done")
    assert "2 already done" in dock.many.summary.text()


def test_the_settings_of_the_first_tab_are_used(dock: SegmentDock, folder: Path) -> None:
    dock.many.use_paths([folder])
    dock.panel.model_form.confidence.box.setValue(0.7)
    dock.panel.model_form.confidence._decide()
    assert "confidence 0.70" in dock.many.sentence.text()
    dock.panel.model_form.size_by.choose("micrometres")
    assert "pixel size is unknown" in dock.many.sentence.text()
    assert not dock.many.button.isEnabled()


def test_an_error_before_the_first_file(qtbot, dock: SegmentDock, folder: Path) -> None:
    dock.many.use_paths([folder])
    target = folder / "field1.tif"
    dock.many.target.setText(str(target))
    run(qtbot, dock)
    assert str(target) in dock.many.error.sentence.text()


def test_stacks_are_linked_and_axes_taken_where_asked_for(qtbot, dock: SegmentDock, tmp_path: Path) -> None:
    field = simulate_fluorescence((96, 96), seed=1).image
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([field, field]))
    dock.many.use_paths([tmp_path])
    dock.many.link.setChecked(True)
    dock.panel.image_form.axes.setText("zyx")
    dock.panel.image_form.axes.editingFinished.emit()
    assert "axes ZYX" in dock.many.sentence.text()
    assert run(qtbot, dock) == [("stack.tif", "✓ done")]
    labels = tifffile.imread(tmp_path / "cellseg" / "stack_labels.tif")
    assert labels.any()
    np.testing.assert_array_equal(labels[0], labels[1])
