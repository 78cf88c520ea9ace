"""Correcting in a real viewer: clicks and drags on the canvas, keys, the queue, the checks."""

from collections.abc import Iterator

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_cellseg.review.status import Status
from napari_cellseg.viewer.correct_tools import Tool
from napari_cellseg.widgets.correct_dock import CorrectDock
from napari_cellseg.widgets.correct_keys import ALL_KEYS

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt
LEFT = Qt.MouseButton.LeftButton
NONE, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


def field() -> np.ndarray:
    """Nine squares with gaps; 1 has a hole, 2 and 3 touch, a speck, and room at the bottom right."""
    labels = np.zeros((100, 100), np.int32)
    for i in range(8):
        y, x = divmod(i, 3)
        labels[5 + 32 * y : 30 + 32 * y, 5 + 32 * x : 30 + 32 * x] = i + 1
    labels[15:18, 15:18] = 0
    labels[96, 50] = 9
    return labels


class Hands:
    """Clicks, drags and keys on the canvas of a viewer."""

    def __init__(self, qtbot, viewer) -> None:
        self.viewer = viewer
        self._canvas = viewer.window._qt_viewer.canvas
        self.native = self._canvas.native
        self._qtbot = qtbot

    def at(self, y: float, x: float) -> QPoint:
        first, second = (
            np.array(self._canvas._map_canvas2world(p, self._canvas.view)[-2:], float)
            for p in ((0, 0), (100, 100))
        )
        dy, dx = 100 * (np.array([y, x]) - first) / (second - first)
        return QPoint(round(dx), round(dy))

    def click(self, y: float, x: float) -> None:
        self._qtbot.mouseClick(self.native, LEFT, NONE, self.at(y, x))

    def drag(self, *points: tuple[float, float]) -> None:
        first, *others = (self.at(*p) for p in points)
        self._qtbot.mousePress(self.native, LEFT, NONE, first)
        for point in others:
            QTest.mouseMove(self.native, point)
            self._move(point)
        self._qtbot.mouseRelease(self.native, LEFT, NONE, others[-1])

    def _move(self, point: QPoint) -> None:
        from qtpy.QtCore import QEvent, QPointF
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        place = QPointF(point)
        event = QMouseEvent(
            QEvent.Type.MouseMove, place, QPointF(self.native.mapToGlobal(point)), Qt.MouseButton.NoButton,
            LEFT, NONE,
        )  # fmt: skip
        QApplication.sendEvent(self.native, event)

    def press(self, key: str) -> None:
        name, shift = key.removeprefix("Shift-"), key.startswith("Shift-")
        self._qtbot.keyClick(self.native, getattr(Qt.Key, f"Key_{name}"), SHIFT if shift else NONE)

    def undo(self) -> None:
        self._qtbot.keyClick(self.native, Qt.Key.Key_Z, CTRL)

    def redo(self) -> None:
        self._qtbot.keyClick(self.native, Qt.Key.Key_Z, CTRL | SHIFT)


@pytest.fixture
def napari_viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    rng = np.random.default_rng(0)
    image = rng.normal(100, 3, (100, 100)) + 400 * (field() > 0)
    yy, xx = np.mgrid[:100, :100]
    image += 500 * np.exp(-((yy - 82) ** 2 + (xx - 82) ** 2) / 60)
    viewer.add_image(image.astype(np.float32), name="field")
    viewer.add_labels(field(), name="cells")
    viewer.reset_view()
    return viewer


@pytest.fixture
def dock(qtbot, napari_viewer) -> Iterator[CorrectDock]:
    dock = CorrectDock(napari_viewer)
    napari_viewer.window.add_dock_widget(dock, name="CellSeg correct")
    yield dock
    dock.shut_down()


@pytest.fixture
def hands(qtbot, napari_viewer, dock) -> Hands:
    napari_viewer.layers.selection.active = napari_viewer.layers["cells"]
    return Hands(qtbot, napari_viewer)


def labels(hands: Hands) -> np.ndarray:
    return hands.viewer.layers["cells"].data


def status(hands: Hands, label: int) -> str:
    return str(hands.viewer.layers["cells"].features["status"].iloc[label])


def test_select_and_delete_by_key(hands: Hands, dock: CorrectDock) -> None:
    hands.press("Q")
    assert dock.panel.tools.buttons[Tool.SELECT].isChecked()
    assert "Select" in dock.panel.tools.mode.text()
    hands.click(50, 20)
    assert hands.viewer.layers["cells"].selected_label == 4
    assert "Object 4" in dock.panel.object.text()
    hands.press("D")
    assert 4 not in labels(hands)
    assert status(hands, 4) == ""
    hands.undo()
    assert np.count_nonzero(labels(hands) == 4) == 625
    assert status(hands, 4) == "predicted"
    hands.redo()
    assert 4 not in labels(hands)


def test_delete_tool(hands: Hands) -> None:
    hands.press("Shift-D")
    hands.click(50, 20)
    hands.click(50, 50)
    assert not {4, 5} & set(np.unique(labels(hands)))
    hands.undo()
    hands.undo()
    np.testing.assert_array_equal(labels(hands), field())


def test_merge_by_clicks(hands: Hands) -> None:
    hands.press("C")
    hands.click(50, 20)
    hands.click(50, 50)
    assert len(hands.viewer.layers["marks"].data) == 2
    assert set(np.unique(hands.viewer.layers["selected"].data)) == {0, 4, 5}
    hands.press("C")
    assert 5 not in labels(hands)
    assert np.count_nonzero(labels(hands) == 4) >= 1250
    assert status(hands, 4) == "edited"
    hands.undo()
    np.testing.assert_array_equal(labels(hands), field())
    hands.press("Q")
    assert "marks" not in hands.viewer.layers


def test_split_by_a_drawn_line(hands: Hands) -> None:
    hands.press("S")
    center = hands.viewer.scene.camera.center
    hands.drag((45, 2), (46, 20), (46, 33))
    assert hands.viewer.scene.camera.center == center
    assert set(np.unique(labels(hands)[37:62, 5:30])) == {4, 10}
    assert status(hands, 10) == "edited"
    hands.undo()
    np.testing.assert_array_equal(labels(hands), field())


def test_split_by_seeds(hands: Hands) -> None:
    hands.press("Shift-S")
    hands.click(42, 12)
    hands.click(56, 24)
    hands.press("Shift-S")
    parts = labels(hands)[37:62, 5:30]
    assert set(np.unique(parts)) == {4, 10}
    assert min(np.count_nonzero(parts == i) for i in (4, 10)) > 150


def test_add_by_a_click_on_the_image(hands: Hands) -> None:
    hands.press("G")
    hands.click(82, 82)
    grown = labels(hands) == 10
    assert 50 < np.count_nonzero(grown) < 900
    assert grown[82, 82]
    assert status(hands, 10) == "added"
    hands.undo()
    np.testing.assert_array_equal(labels(hands), field())


def test_shape_keys(hands: Hands) -> None:
    hands.press("Q")
    hands.click(8, 8)
    hands.press("H")
    assert labels(hands)[16, 16] == 1
    area = np.count_nonzero(labels(hands) == 1)
    hands.press("Shift-G")
    assert np.count_nonzero(labels(hands) == 1) > area
    hands.press("Shift-K")
    hands.press("O")
    for _ in range(4):
        hands.undo()
    np.testing.assert_array_equal(labels(hands), field())


def test_painting_and_edits_share_one_order(hands: Hands, dock: CorrectDock) -> None:
    layer = hands.viewer.layers["cells"]
    hands.press("Q")
    hands.click(50, 20)
    hands.press("2")
    assert dock.panel.session.tools.tool is None
    hands.click(45, 31)
    painted = layer.data.copy()
    assert not np.array_equal(painted, field())
    dock.panel.shapes.classes.setEditText("T cell")
    dock.panel.shapes.set_class.click()
    hands.press("D")
    assert dock.panel.undo_button.text() == "Undo delete"
    hands.undo()
    np.testing.assert_array_equal(layer.data, painted)
    assert layer.features["class"].iloc[4] == "T cell"
    hands.undo()
    assert layer.features["class"].iloc[4] == ""
    hands.undo()
    np.testing.assert_array_equal(layer.data, field())


def test_review_queue_by_keys(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    qtbot.mouseClick(panel.review.start, LEFT)
    qtbot.waitUntil(lambda: panel.session.review is not None, timeout=TIMEOUT)
    queue = panel.session.review.queue
    assert queue.progress == "0 of 9"
    first = queue.current
    assert hands.viewer.layers["cells"].selected_label == first
    hands.press("A")
    assert status(hands, first) == "accepted"
    second = queue.current
    assert second != first
    assert panel.review.bar.value() == 1
    hands.press("N")
    third = queue.current
    hands.press("D")
    assert third not in labels(hands)
    assert queue.progress == "1 of 8"
    hands.press("Shift-N")
    assert queue.current == second
    hands.undo()
    assert third in labels(hands)
    hands.undo()
    assert status(hands, first) == "predicted"
    assert queue.progress == "0 of 9"


def test_review_of_one_class(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    do = panel.session.correction
    do.set_class([4, 7], "T cell")
    qtbot.mouseClick(panel.review.start, LEFT)
    qtbot.waitUntil(lambda: panel.session.review is not None, timeout=TIMEOUT)
    choice = panel.review.class_
    assert [choice.itemText(i) for i in range(choice.count())] == [
        "All classes",
        "Without a class",
        "T cell",
    ]
    choice.setCurrentIndex(2)
    panel.review.which.setCurrentIndex(panel.review.which.findText("All objects"))
    queue = panel.session.review.queue
    assert queue.current in (4, 7)
    assert panel.review.bar.format() == "2 of 2"
    do.set_class([5], "B cell")
    assert choice.findText("B cell") == 2
    assert choice.currentText() == "T cell"
    do.set_class([4, 7], "B cell")
    assert choice.currentText() == "T cell"
    assert queue.waiting == []
    hands.undo()
    assert queue.waiting == [4, 7]
    first = panel.session.review
    qtbot.mouseClick(panel.review.start, LEFT)
    qtbot.waitUntil(lambda: panel.session.review is not first, timeout=TIMEOUT)
    assert choice.currentText() == "T cell"
    assert panel.review.which.currentText() == "All objects"


def test_accepting_the_field_of_view(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    hands.viewer.layers["cells"].corner_pixels = np.array([[0, 0], [40, 99]])
    panel.act("accept")
    qtbot.waitUntil(lambda: panel.session.review is not None, timeout=TIMEOUT)
    hands.viewer.layers["cells"].corner_pixels = np.array([[0, 0], [31, 99]])
    panel.act("accept_view")
    assert panel.session.review.queue.seen == 3
    hands.undo()
    assert panel.session.review.queue.seen == 0


def test_checks_are_fixed_in_one_step(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    qtbot.mouseClick(panel.checks.check, LEFT)
    qtbot.waitUntil(lambda: panel.checks.list.count() > 0 and not panel.job.running, timeout=TIMEOUT)
    rules = [finding.rule for finding in panel.checks.findings]
    assert {"holes", "specks"} <= set(rules)
    panel.checks.list.setCurrentRow(rules.index("holes"))
    assert hands.viewer.layers["cells"].selected_label == 1
    qtbot.mouseClick(panel.checks.fix, LEFT)
    assert labels(hands)[16, 16] == 1
    assert "holes" not in [finding.rule for finding in panel.checks.findings]
    hands.undo()
    np.testing.assert_array_equal(labels(hands), field())


def test_help_lists_every_key(hands: Hands, dock: CorrectDock) -> None:
    hands.press("F1")
    overlay = hands.viewer.canvas.overlays.text
    assert overlay.visible
    assert all(key.shown in overlay.text for key in ALL_KEYS)
    hands.press("F1")
    assert not overlay.visible


def test_no_key_of_napari_is_taken(hands: Hands) -> None:
    from napari.layers import Labels
    from napari.utils.key_bindings import coerce_keybinding

    taken = {coerce_keybinding(key) for key in (*Labels.class_keymap, *hands.viewer.class_keymap)}
    assert not taken & {coerce_keybinding(key.key) for key in ALL_KEYS}


@pytest.mark.parametrize("made", [da.from_array, lambda labels: labels.astype(">u2")], ids=["lazy", "bytes"])
def test_labels_that_cannot_be_painted_are_copied_on_demand(qtbot, hands: Hands, dock, made) -> None:
    layer = hands.viewer.add_labels(made(field()), name="lazy")
    qtbot.waitUntil(lambda: dock.panel.copy_button.isVisibleTo(dock.panel), timeout=TIMEOUT)
    assert "memory" in dock.panel.about.text()
    qtbot.mouseClick(dock.panel.copy_button, LEFT)
    assert isinstance(layer.data, np.ndarray)
    assert layer.data.dtype.isnative
    assert np.array_equal(layer.data, field())
    assert dock.panel.session.layer is layer


def test_closing_gives_keys_and_mouse_back(hands: Hands, dock: CorrectDock) -> None:
    layer = hands.viewer.layers["cells"]
    hands.press("S")
    assert not layer.mouse_pan
    dock.shut_down()
    assert layer.mouse_pan
    assert not layer.keymap
    assert not [c for c in layer.mouse_drag_callbacks if "napari_cellseg" in getattr(c, "__module__", "")]


@pytest.mark.parametrize("tool", ["Q", "T", "S"])
def test_labels_in_work_may_be_removed(hands: Hands, dock: CorrectDock, tool: str) -> None:
    hands.press("Q")
    hands.click(50, 20)
    hands.press(tool)
    hands.viewer.layers.clear()
    assert not hands.viewer.layers


def test_unfinished_work_is_offered_and_resumed(qtbot, hands: Hands, dock: CorrectDock) -> None:
    assert not dock.offer.isVisibleTo(dock)
    hands.press("Shift-D")
    hands.click(50, 20)
    after = labels(hands).copy()
    dock.shut_down()
    hands.viewer.layers.remove("cells")
    again = CorrectDock(hands.viewer)
    qtbot.addWidget(again)
    offer = again.offer
    qtbot.waitUntil(lambda: offer.isVisibleTo(again), timeout=TIMEOUT)
    assert "1 step on 'cells' of 'field', last on" in offer.sentence.text()
    assert "not saved since" in offer.sentence.text()
    qtbot.mouseClick(offer.go_on, LEFT)
    np.testing.assert_array_equal(labels(hands), after)
    assert status(hands, 4) == ""
    assert again.panel.session.layer is hands.viewer.layers["cells"]
    assert not offer.isVisibleTo(again)
    qtbot.mouseClick(again.panel.undo_button, LEFT)
    np.testing.assert_array_equal(labels(hands), field())
    again.shut_down()


def test_unfinished_work_is_discarded(qtbot, hands: Hands, dock: CorrectDock, user_folder) -> None:
    hands.press("Q")
    hands.click(50, 20)
    hands.press("D")
    dock.shut_down()
    again = CorrectDock(hands.viewer)
    qtbot.addWidget(again)
    offer = again.offer
    qtbot.waitUntil(lambda: offer.isVisibleTo(again), timeout=TIMEOUT)
    qtbot.mouseClick(offer.delete, LEFT)
    assert offer.sentence.text().startswith("Delete 1 step on 'cells' of 'field'?")
    qtbot.mouseClick(offer.put_off, LEFT)
    assert offer.isVisibleTo(again)
    assert len(list(user_folder.rglob("*.journal"))) == 1
    for _ in range(2):
        qtbot.mouseClick(offer.delete, LEFT)
    assert not offer.isVisibleTo(again)
    assert not list(user_folder.rglob("*.journal"))
    again.shut_down()


def test_edits_of_the_whole_image(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    for action, left in (("remove_small", set(range(9))), ("renumber", set(range(9)))):
        qtbot.mouseClick(panel.checks.whole[action], LEFT)
        qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
        assert set(np.unique(labels(hands)).tolist()) == left
    assert status(hands, 9) == ""
    hands.undo()
    np.testing.assert_array_equal(labels(hands), field())
    assert status(hands, 9) == "predicted"


def test_renumbering_in_the_middle_of_a_review(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    hands.press("Q")
    hands.click(8, 8)
    hands.press("D")
    qtbot.mouseClick(panel.checks.check, LEFT)
    qtbot.waitUntil(lambda: panel.checks.list.count() > 0 and not panel.job.running, timeout=TIMEOUT)
    qtbot.mouseClick(panel.review.start, LEFT)
    qtbot.waitUntil(lambda: panel.session.review is not None, timeout=TIMEOUT)
    queue = panel.session.review.queue
    order, current = queue.order, queue.current
    assert hands.viewer.layers["cells"].selected_label == current
    qtbot.mouseClick(panel.checks.whole["renumber"], LEFT)
    qtbot.waitUntil(lambda: "Renumber" in panel.undo_button.text() or not panel.job.running, timeout=TIMEOUT)
    assert queue.order == tuple(i - 1 for i in order)
    assert queue.current == hands.viewer.layers["cells"].selected_label == current - 1
    assert not panel.checks.findings
    assert "check again" in panel.checks.sentence.text()
    hands.undo()
    assert queue.order == order
    assert hands.viewer.layers["cells"].selected_label == current


def test_findings_belong_to_their_layer(qtbot, hands: Hands, dock: CorrectDock) -> None:
    panel = dock.panel
    qtbot.mouseClick(panel.checks.check, LEFT)
    qtbot.waitUntil(lambda: panel.checks.list.count() > 0 and not panel.job.running, timeout=TIMEOUT)
    other = hands.viewer.add_labels(field(), name="other")
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.layer is other, timeout=TIMEOUT)
    assert not panel.checks.findings


def test_stacks_plane_by_plane_or_whole(qtbot, hands: Hands, dock: CorrectDock) -> None:
    viewer = hands.viewer
    layer = viewer.add_labels(np.stack([field()] * 3), name="stack")
    qtbot.waitUntil(
        lambda: dock.panel.session is not None and dock.panel.session.layer is layer, timeout=TIMEOUT
    )
    viewer.dims.set_current_step(0, 1)
    layer.selected_label = 4
    dock.panel.act("delete")
    assert [4 in plane for plane in layer.data] == [True, False, True]
    assert str(layer.features["status"].iloc[4]) == "edited"
    dock.panel.shapes.all_planes.setChecked(True)
    dock.panel.act("delete")
    assert 4 not in layer.data
    dock.panel.act("undo")
    dock.panel.act("undo")
    np.testing.assert_array_equal(layer.data, np.stack([field()] * 3))


def test_colours_by_status(qtbot, hands: Hands, dock: CorrectDock) -> None:
    layer = hands.viewer.layers["cells"]
    before = layer.colormap
    dock.panel.tabs.setCurrentWidget(dock.panel.review)
    dock.panel.review.colour.click()
    predicted = layer.get_color(4).tolist()
    assert layer.get_color(5).tolist() == predicted
    dock.panel.session.correction.set_status([4], Status.ACCEPTED)
    qtbot.waitUntil(lambda: layer.get_color(4).tolist() != predicted, timeout=TIMEOUT)
    assert layer.get_color(5).tolist() == predicted
    dock.panel.review.colour.click()
    assert layer.colormap == before
