"""The choice of what a click grows from, in the dock."""

from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.viewer.grow_from import INTENSITY, OWN, load_grow_from
from napari_cellseg.widgets.correct_dock import CorrectDock

pytestmark = pytest.mark.qt


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[CorrectDock]:
    image = np.random.default_rng(0).normal(100, 3, (80, 80))
    image[30:50, 30:50] += 400
    viewer.add_image(image, name="field")
    labels = np.zeros((80, 80), np.int32)
    labels[5:15, 5:15] = 1
    viewer.layers.selection.active = viewer.add_labels(labels, name="cells")
    dock = CorrectDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


def test_the_choice_shows_with_its_tool_and_is_remembered(dock: CorrectDock) -> None:
    row = dock.panel.tools.grow_from
    assert row.isHidden()
    dock.panel.act("ADD")
    assert not row.isHidden()
    titles = [row.combo.itemText(i) for i in range(row.combo.count())]
    assert titles == ["Automatic: intensity", "nuclei", "phase", "Intensity"]
    assert row.combo.currentData() == OWN
    row.combo.setCurrentIndex(titles.index("Intensity"))
    row.combo.activated.emit(row.combo.currentIndex())
    assert load_grow_from() == (INTENSITY, "")
    assert dock.panel.session.correction.growing.choice == INTENSITY
    dock.panel.act("ADD")
    assert row.isHidden()


def test_a_click_says_what_the_object_was_grown_from(dock: CorrectDock) -> None:
    correction = dock.panel.session.correction
    dock.panel._say(correction.add_at((40, 40)))
    assert "Grown from intensity" in dock.panel.notes.text()
    assert np.count_nonzero(correction.layer.data == 2) == pytest.approx(400, rel=0.2)
