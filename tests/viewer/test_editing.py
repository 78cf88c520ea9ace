"""One undo order over painting, edits, the slider and rows; the table goes along."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding

from napari_cellseg.errors import LabelsError
from napari_cellseg.events import drain
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.removing import delete
from napari_cellseg.labels.resizing import grow
from napari_cellseg.labels.splitting import split_by_line
from napari_cellseg.viewer import editing
from napari_cellseg.viewer.candidates import hidden_pieces
from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.correct_tools import Tool, Tools
from napari_cellseg.viewer.correcting import WHOLE_ACTIONS, Correction, whole_edit
from napari_cellseg.viewer.editing import HISTORY, REDO, UNDO, Editor

CONFIDENCE = [0.9, 0.8, 0.7, 0.6, 0.45, 0.4, 0.3, 0.2]


def grid(shape: tuple[int, ...] = (24, 24)) -> np.ndarray:
    """Nine squares with gaps of a pixel, labels 1 to 9."""
    labels = np.zeros(shape, np.int32)
    for i in range(9):
        y, x = divmod(i, 3)
        labels[..., 8 * y : 8 * y + 7, 8 * x : 8 * x + 7] = i + 1
    return labels


def edited(data: np.ndarray | None = None, **options: object) -> Editor:
    layer = ViewerModel().add_labels(grid() if data is None else data)
    return Editor(layer, **options)


def press(editor: Editor, key: int) -> None:
    editor.layer.keymap[coerce_keybinding(key)](editor.layer)


def state(editor: Editor) -> tuple[np.ndarray, pd.DataFrame]:
    return np.array(editor.layer.data), editor.layer.features.copy()


def assert_same(editor: Editor, expected: tuple[np.ndarray, pd.DataFrame]) -> None:
    np.testing.assert_array_equal(editor.layer.data, expected[0])
    pd.testing.assert_frame_equal(editor.layer.features, expected[1])
    fresh = ObjectIndex.build(editor.layer.data)
    for mine, right in zip(editor.index.extents(), fresh.extents(), strict=True):
        np.testing.assert_array_equal(mine, right)


def status(editor: Editor, label: int) -> str:
    return str(editor.rows.read([label])["status"].iloc[0])


def do(editor: Editor, action: tuple[str, int, int]) -> None:
    """One random thing that a person might do."""
    what, a, b = action
    layer = editor.layer
    labels = editor.ready().labels().tolist()
    first = labels[a % len(labels)] if labels else 0
    second = labels[b % len(labels)] if labels else 0
    if what == "paint":
        layer.paint((a, b), first)
    elif what == "new":
        layer.paint((a, b), editor.index.next_label)
    elif what == "stroke":
        with layer.block_history():
            layer.paint((a, b), first)
            layer.paint((b, a), first)
    elif what == "fill":
        layer.fill((a, b), second)
    elif what == "erase":
        layer.data_setitem((np.array([a]), np.array([b])), 0)
    elif what == "delete" and labels:
        editor.apply(delete(layer.data, editor.ready(), [first]))
    elif what == "merge" and first != second:
        editor.apply(merge(layer.data, editor.ready(), [first, second]))
    elif what == "accept" and labels:
        editor.set_rows("accept", {first: {"status": "accepted"}})
    elif what == "class" and labels:
        editor.set_rows("class", {first: {"class": f"type {b}"}, second: {"class": ""}})
    elif what in ("series", "large series") and labels:
        makers = [
            lambda index: delete(layer.data, index, [first]),
            lambda index: merge(layer.data, index, [second, 1 + a % 9]),
            lambda index: merge(layer.data, index, [1 + a % 9, 1 + b % 9]),
            lambda index: split_by_line(layer.data, index, None, [(a, 0), (b, 23)]),
            lambda index: grow(layer.data, index, index.labels()[-1:].tolist(), 2),
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(editing, "LARGE", 1 if what == "large series" else editing.LARGE)
            editor.apply_together("series", [make for i, make in enumerate(makers) if (a + b) % 7 != i])
    elif what in WHOLE_ACTIONS:
        pixels = 40 + b % 12
        editor.apply_whole(drain(whole_edit(what, layer.data, editor.ready(), pixels)))
    elif what == "undo":
        press(editor, UNDO)
    elif what == "redo":
        press(editor, REDO)
    elif what == "direct undo":
        layer.undo()
    elif what == "direct redo":
        layer.redo()


PAINTED = ["paint", "stroke", "new", "fill", "erase", "delete", "merge", "accept", "class", "series"]
ACTIONS = st.tuples(
    st.sampled_from([*PAINTED, "large series", *WHOLE_ACTIONS]), st.integers(0, 23), st.integers(0, 23)
)
MOVES = st.tuples(
    st.sampled_from([*PAINTED, "undo", "redo", "direct undo", "direct redo"]),
    st.integers(0, 23),
    st.integers(0, 23),
)
PROPERTY = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@PROPERTY
@given(actions=st.lists(ACTIONS, max_size=12))
def test_undone_is_identity_and_redone_equals_itself(actions: list[tuple[str, int, int]]) -> None:
    editor = edited()
    states = [state(editor)]
    for action in actions:
        before = len(editor.undo_names)
        do(editor, action)
        if len(editor.undo_names) > before:
            states.append(state(editor))
    for expected in reversed(states[:-1]):
        press(editor, UNDO)
        assert_same(editor, expected)
    for expected in states[1:]:
        press(editor, REDO)
        assert_same(editor, expected)
    while editor.undo_names:
        press(editor, UNDO)
    assert_same(editor, states[0])


@PROPERTY
@given(actions=st.lists(MOVES, max_size=20))
def test_mixed_with_undo_and_other_peoples_undo_it_stays_in_step(actions: list[tuple[str, int, int]]) -> None:
    editor = edited()
    first = state(editor)
    for action in actions:
        do(editor, action)
    last = state(editor)
    count = len(editor.undo_names)
    for _ in range(count):
        press(editor, UNDO)
    assert_same(editor, first)
    for _ in range(count):
        press(editor, REDO)
    assert_same(editor, last)


@PROPERTY
@given(
    actions=st.lists(
        st.one_of(ACTIONS, st.tuples(st.just("slide"), st.integers(0, 100), st.just(0))), max_size=10
    )
)
def test_the_slider_shares_the_order(
    filtered: Callable[..., ConfidenceFilter], actions: list[tuple[str, int, int]]
) -> None:
    slider = filtered(CONFIDENCE)
    editor = Editor(slider.layer)
    states = [state(editor)]
    for action in actions:
        before = len(editor.undo_names)
        if action[0] == "slide":
            if slider.closed:
                continue
            slider.preview(action[1] / 200)
            slider.commit(action[1] / 100)
        else:
            do(editor, action)
        if len(editor.undo_names) > before:
            states.append(state(editor))
    for expected in reversed(states[:-1]):
        press(editor, UNDO)
        assert_same(editor, expected)
    assert not slider.closed
    for expected in states[1:]:
        press(editor, REDO)
        assert_same(editor, expected)
    editor.close()
    slider.close()


def test_rows_follow_an_edit() -> None:
    editor = edited()
    editor.set_rows("class", {1: {"class": "T cell"}})
    editor.apply(merge(editor.layer.data, editor.ready(), [1, 2]))
    assert status(editor, 1) == "edited"
    assert status(editor, 2) == ""
    editor.layer.paint((12, 12), 40)
    assert status(editor, 40) == "added"
    assert editor.layer.features["index"].tolist() == list(range(41))
    press(editor, UNDO)
    assert len(editor.layer.features) == 10
    press(editor, UNDO)
    assert status(editor, 2) == "predicted"
    assert editor.undo_names == ("class",)


def test_a_stroke_after_undo_keeps_what_was_before() -> None:
    editor = edited()
    for column in (2, 12):
        editor.layer.fill((2, column), 0)
    press(editor, UNDO)
    with editor.layer.block_history():
        editor.layer.paint((20, 20), 1)
        editor.layer.paint((20, 10), 1)
    assert editor.undo_names == ("paint", "paint")
    assert not editor.redo_names
    for _ in range(2):
        press(editor, UNDO)
    np.testing.assert_array_equal(editor.layer.data, grid())


def test_the_oldest_steps_are_forgotten() -> None:
    editor = edited()
    for i in range(HISTORY + 20):
        editor.layer.data_setitem((np.array([i % 24]), np.array([i // 24])), 50 + i)
    for _ in range(HISTORY + 30):
        press(editor, UNDO)
    assert set(np.unique(editor.layer.data)) >= set(range(50, 70))
    assert 70 not in editor.layer.data


def test_a_step_older_than_the_editor_can_be_undone() -> None:
    layer = ViewerModel().add_labels(grid())
    layer.fill((2, 2), 0)
    editor = Editor(layer)
    press(editor, UNDO)
    np.testing.assert_array_equal(layer.data, grid())
    assert 1 in editor.index
    assert status(editor, 1) == "predicted"


def test_other_columns_are_kept() -> None:
    layer = ViewerModel().add_labels(grid())
    layer.features = pd.DataFrame({"index": np.arange(10), "area": np.arange(10) * 7, "note": ["x"] * 10})
    editor = Editor(layer)
    before = state(editor)
    editor.layer.paint((12, 12), 12)
    assert layer.features["area"].iloc[:10].tolist() == (np.arange(10) * 7).tolist()
    press(editor, UNDO)
    assert_same(editor, before)


@pytest.mark.parametrize("columns", [["index"], ["index", "status"], []])
def test_classes_and_statuses_outlive_a_table_of_somebody_else(columns: list[str]) -> None:
    editor = edited()
    editor.set_rows("class", {3: {"class": "T cell"}, 4: {"status": "accepted"}})
    table = editor.rows.frame[columns].assign(area=np.arange(10.0)).iloc[:: -1 if columns else 1]
    editor.layer.features = table
    rows = editor.rows.read([3, 4])
    assert rows["class"].tolist() == ["T cell", ""]
    assert rows["status"].tolist() == ["predicted", "accepted"]
    assert rows["area"].tolist() == [3, 4]
    editor.apply(delete(editor.layer.data, editor.ready(), [9]))
    editor.undo()
    assert status(editor, 9) == "predicted"


def test_negative_labels_have_no_rows() -> None:
    labels = grid()
    labels[23, 23] = -1
    editor = edited(labels)
    before = editor.rows.frame.copy()
    editor.apply(delete(editor.layer.data, editor.ready(), [-1]))
    pd.testing.assert_frame_equal(editor.rows.frame, before)


def test_the_table_is_told_once_per_interval() -> None:
    waiting: list[Callable[[], None]] = []
    editor = edited(later=lambda seconds, action: waiting.append(action))
    told: list[object] = []
    editor.layer.events.features.connect(lambda event: told.append(event))
    for label in range(1, 10):
        editor.set_rows("accept", {label: {"status": "accepted"}})
    assert len(told) <= 1
    for action in waiting:
        action()
    assert 1 <= len(told) <= 2


def test_new_data_are_looked_at_again() -> None:
    editor = edited()
    editor.layer.fill((2, 2), 0)
    editor.set_rows("accept", {3: {"status": "accepted"}, 4: {"status": "accepted"}})
    editor.layer.data = np.where(grid() == 3, 3, 0).astype(np.int32)
    assert editor.index.labels().tolist() == [3]
    assert set(editor.rows.frame["status"][editor.rows.frame["index"] != 3]) == {""}
    assert not editor.undo_names
    press(editor, UNDO)
    assert editor.index.labels().tolist() == [3]


def test_lazy_and_read_only_labels_are_refused() -> None:
    dask = pytest.importorskip("dask.array")
    data = grid()
    data.flags.writeable = False
    for labels in (dask.from_array(grid()), data):
        with pytest.raises(LabelsError, match="memory"):
            Editor(Labels(labels))


def test_zarr(tmp_path: object) -> None:
    zarr = pytest.importorskip("zarr")
    data = zarr.create_array(store=str(tmp_path), shape=(24, 24), chunks=(10, 10), dtype="int32")
    data[...] = grid()
    editor = edited(data)
    before = (np.array(data), editor.layer.features.copy())
    editor.layer.fill((2, 2), 5)
    editor.layer.paint((12, 12), 12)
    editor.apply(merge(data, editor.ready(), [3, 4]))
    assert editor.undo_names == ("paint", "paint", "merge")
    for _ in range(3):
        press(editor, UNDO)
    assert_same(editor, before)


def test_closing_gives_the_keys_back(filtered: Callable[..., ConfidenceFilter]) -> None:
    slider = filtered(CONFIDENCE)
    editor = Editor(slider.layer)
    slider.commit(0.75)
    editor.close()
    press(editor, UNDO)
    assert slider.threshold == 0.5
    slider.close()
    assert not slider.layer.keymap
    editor = edited()
    editor.close()
    assert not editor.layer.keymap


def test_a_promoted_candidate_is_one_step(filtered: Callable[..., ConfidenceFilter]) -> None:
    slider = filtered(CONFIDENCE)
    editor = Editor(slider.layer)
    before = state(editor)
    position, _ = hidden_pieces(slider)[0]
    assert slider.promote(position)
    assert editor.undo_names == ("add candidate",)
    assert status(editor, 5) == "added"
    assert editor.rows.read([5])["confidence"].iloc[0] == pytest.approx(0.45)
    slider.commit(0.5)
    assert 5 in editor.index
    press(editor, UNDO)
    assert_same(editor, before)
    assert len(hidden_pieces(slider)) == 4


def renumber(editor: Editor) -> None:
    editor.apply_whole(drain(whole_edit("renumber", editor.layer.data, editor.ready(), 0)))


def test_the_slider_works_again_after_a_whole_edit_is_undone(
    filtered: Callable[..., ConfidenceFilter],
) -> None:
    slider = filtered(CONFIDENCE)
    told: list[bool] = []
    slider.on_change.append(lambda: told.append(slider.closed))
    editor = Editor(slider.layer)
    slider.commit(0.35)
    editor.apply(delete(slider.layer.data, editor.ready(), [2]))
    slider.commit(0.65)
    before = state(editor)
    renumber(editor)
    assert told[-1]
    assert slider.resting
    assert "until 'renumber' is undone" in editor.slider_rest.words
    slider.layer.paint((38, 38), 20)
    for _ in range(2):
        press(editor, UNDO)
    assert_same(editor, before)
    assert not slider.closed
    assert not editor.slider_rest.words
    for _ in range(2):
        press(editor, REDO)
    assert slider.closed
    for _ in range(2):
        press(editor, UNDO)
    slider.commit(0.1)
    assert set(editor.index.labels().tolist()) == {1, 3, 4, 5, 6, 7, 8}
    for _ in range(4):
        press(editor, UNDO)
    assert set(editor.index.labels().tolist()) == {1, 2, 3, 4}
    assert slider.threshold == 0.5


@pytest.mark.parametrize("how", ["forgotten", "replaced", "closed", "undone by others"])
def test_a_whole_edit_that_cannot_be_undone_ends_the_slider(
    filtered: Callable[..., ConfidenceFilter], how: str
) -> None:
    slider = filtered(CONFIDENCE)
    layer = slider.layer
    editor = Editor(layer)
    editor.apply(delete(layer.data, editor.ready(), [2]))
    renumber(editor)
    if how == "forgotten":
        for i in range(HISTORY):
            editor.set_rows("class", {1: {"class": str(i)}})
    elif how == "replaced":
        layer.data = np.zeros_like(layer.data)
    elif how == "closed":
        editor.close()
    else:
        layer.undo()
    assert slider.closed
    assert not slider.resting
    after = np.array(layer.data)
    if how == "forgotten":
        for _ in range(HISTORY + 5):
            press(editor, UNDO)
    else:
        layer.undo()
    assert slider.closed
    np.testing.assert_array_equal(layer.data, after)


def test_a_series_is_one_step_and_one_entry() -> None:
    editor = edited()
    steps: list[object] = []
    editor.watchers.append(lambda step, what: steps.append(step))
    before = state(editor)
    makers = [
        lambda index: merge(editor.layer.data, index, [1, 2]),
        lambda index: merge(editor.layer.data, index, [2, 3]),
        lambda index: merge(editor.layer.data, index, [1, 3]),
    ]
    edit, problems = editor.apply_together("merge all", makers)
    assert edit.parents == {1: (1, 2, 3)}
    assert edit.removed == (2, 3)
    assert len(problems) == 1
    assert editor.undo_names == ("merge all",)
    assert len(steps) == 1
    assert status(editor, 3) == ""
    press(editor, UNDO)
    assert_same(editor, before)


@pytest.mark.parametrize("shape", [(2, 24, 24), (2, 2, 24, 24)])
def test_stacks(shape: tuple[int, ...]) -> None:
    editor = edited(grid(shape))
    before = state(editor)
    editor.apply(delete(editor.layer.data, editor.ready(), [1]))
    editor.layer.fill((0,) * (len(shape) - 2) + (12, 12), 0)
    for _ in range(2):
        press(editor, UNDO)
    assert_same(editor, before)


@pytest.mark.parametrize("shape", [(40, 40), (2, 40, 40)])
def test_candidates_are_outlined_and_promoted(
    viewer: ViewerModel, filtered: Callable[..., ConfidenceFilter], shape: tuple[int, ...]
) -> None:
    slider = filtered(CONFIDENCE, shape=shape)
    correction = Correction(viewer, slider.layer)
    said: list[str] = []
    tools = Tools(correction, said.append, said.append)
    tools.use(Tool.PROMOTE)
    assert "4 candidates" in said[-1]
    ghosts = viewer.layers["candidates"]
    assert viewer.layers.selection.active is slider.layer
    place = np.argwhere(ghosts.data)[0] + ghosts.translate
    if len(shape) > 2:
        viewer.dims.set_current_step(0, 0)
    before = len(correction.editor.index)
    correction.promote_at(place)
    assert len(correction.editor.index) == before + 1
    tools.close()
    assert "candidates" not in viewer.layers
    correction.close()
