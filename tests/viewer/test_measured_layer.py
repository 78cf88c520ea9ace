"""Measuring a labels layer: its table, its units, and edits with an editor or without."""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_cellseg.errors import AxesError, OptionError
from napari_cellseg.events import drain
from napari_cellseg.features.measuring import measure
from napari_cellseg.labels.removing import delete
from napari_cellseg.labels.whole import renumbering
from napari_cellseg.review.status import cells_with_class
from napari_cellseg.viewer.editing import Editor
from napari_cellseg.viewer.measure_inputs import image_channels, read_labels, stacked
from napari_cellseg.viewer.measure_run import (
    MeasureChoices,
    MeasureRequest,
    make_request,
    measuring_layer,
    request_sentence,
)
from napari_cellseg.viewer.measure_words import confluence, number_words, result_line
from napari_cellseg.viewer.measured_layer import MeasuredLayer


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self._waiting.append(action)

    def tick(self) -> None:
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()


def squares(count: int = 9, shape: tuple[int, ...] = (60, 60)) -> np.ndarray:
    """Squares of growing size, three in a row."""
    labels = np.zeros(shape, np.int32)
    for i in range(count):
        y, x = divmod(i, 3)
        labels[..., 20 * y + 2 : 20 * y + 8 + i, 20 * x + 2 : 20 * x + 10] = i + 1
    return labels


def request_for(layer: Labels, images: tuple[Image, ...] = (), **choices: Any) -> MeasureRequest:
    labels = read_labels(layer, images)
    channels = image_channels(labels, images)
    choices = {"channels": tuple(channels), "pixel_size": labels.pixel_size.size, **choices}
    return make_request(layer, labels, MeasureChoices(**choices))


def measured_layer(layer: Labels, later: Any = None, **choices: Any) -> MeasuredLayer:
    measured = MeasuredLayer(request_for(layer, **choices), later)
    measured.replace(drain(measuring_layer(measured.request)))
    return measured


def assert_true(measured: MeasuredLayer) -> None:
    """The table and the layer's rows are what a fresh measurement gives."""
    layer = measured.layer
    fresh = measure(np.asarray(layer.data), scale=measured.request.scale)
    pd.testing.assert_frame_equal(measured.table[list(fresh.columns)], fresh, check_dtype=False)
    rows = layer.features
    assert rows["index"].tolist() == list(range(len(rows)))
    present = rows["area"].notna()
    assert set(rows["index"][present]) == set(fresh["index"])
    np.testing.assert_array_equal(rows["area"][present], fresh["area"])


def test_values_stand_where_the_features_table_looks_for_them() -> None:
    layer = Labels(squares(), scale=(0.5, 0.5), units=("µm", "µm"))
    measured = measured_layer(layer)
    assert_true(measured)
    assert np.isnan(layer.features["area"][0])
    assert layer.features["area"][1] == 6 * 8 * 0.25
    assert measured.units["area"] == "µm²"
    assert layer.features["touches_border"].dtype == bool
    assert not measured.note


def test_columns_of_others_stay() -> None:
    features = {"index": [0, 1, 2, 3], "class": ["", "a", "b", "a"], "mine": [0.0, 1.0, 2.0, 3.0]}
    layer = Labels(squares(), features=features)
    measured = measured_layer(layer)
    assert layer.features["mine"][:4].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert layer.features["class"][:4].tolist() == ["", "a", "b", "a"]
    assert measured.table["class"][:4].tolist() == ["a", "b", "a", ""]


def test_one_event_for_all_columns() -> None:
    layer = Labels(squares())
    events = []
    layer.events.features.connect(lambda event: events.append(event))
    measured_layer(layer, Clock().later)
    assert len(events) == 1


def test_sparse_numbers_get_compact_rows_and_a_note() -> None:
    labels = squares()
    labels[labels == 9] = 10**8
    layer = Labels(labels)
    measured = measured_layer(layer)
    assert len(layer.features) == 10
    assert "100,000,000" in measured.note
    assert layer.features["area"].notna().sum() == 9


def test_painting_and_undoing_without_an_editor() -> None:
    clock = Clock()
    layer = Labels(squares())
    measured = measured_layer(layer, clock.later)
    layer.selected_label = 3
    layer.brush_size = 4
    layer.paint((50, 30), 3)
    layer.fill((4, 4), 12)
    clock.tick()
    assert_true(measured)
    assert 12 in set(measured.table["index"])
    layer.undo()
    layer.undo()
    clock.tick()
    assert_true(measured)
    layer.redo()
    clock.tick()
    assert_true(measured)


def test_edits_with_an_editor_and_their_undo() -> None:
    clock = Clock()
    layer = Labels(squares())
    measured = measured_layer(layer, clock.later)
    editor = Editor(layer, clock.later)
    told = []
    measured.on_change.append(lambda: told.append(1))
    editor.apply(delete(layer.data, editor.ready(), [4]))
    clock.tick()
    assert_true(measured)
    assert 4 not in set(measured.table["index"])
    assert told
    editor.undo()
    clock.tick()
    assert_true(measured)
    assert layer.features["status"].astype(str)[4] == "predicted"
    editor.redo()
    clock.tick()
    assert_true(measured)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_neighbours_of_edited_objects_count_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((160, 400), np.int32)
    for label, (y, x) in enumerate(rng.integers(0, (150, 390), (25, 2)), start=1):
        labels[y : y + rng.integers(2, 10), x : x + rng.integers(2, 10)] = label
    clock = Clock()
    layer = Labels(labels, scale=(0.5, 0.5), units=("µm", "µm"))
    groups = ("area", "neighbours", "classes")
    classes = pd.DataFrame({"index": range(26), "class": ["", *rng.choice(["a", "b"], 25)]})
    layer.features = classes
    measured = measured_layer(layer, clock.later, features=groups)
    editor = Editor(layer, clock.later)
    for _ in range(4):
        present = np.unique(layer.data)[1:]
        match rng.integers(5):
            case 0:
                editor.apply(delete(layer.data, editor.ready(), [int(rng.choice(present))]))
            case 1:
                layer.selected_label = int(rng.integers(1, 30))
                layer.paint(tuple(rng.integers(0, (160, 400))), layer.selected_label)
            case 2:
                editor.undo()
            case 3:
                editor.redo()
            case 4:
                editor.set_rows(
                    "set class", {int(rng.choice(present)): {"class": str(rng.choice(["a", "b"]))}}
                )
        if rng.random() < 0.7:
            clock.tick()
    clock.tick()
    clock.tick()
    known = layer.features.loc[layer.features["index"] > 0, ["index", "class"]]
    fresh = measure(layer.data, features=groups, scale=0.5, unit="µm", table=known)
    for column in fresh.columns.drop("class"):
        found = measured.table[column].to_numpy(float)
        np.testing.assert_allclose(found, fresh[column].to_numpy(float), err_msg=column, rtol=1e-9)
        rows = layer.features.set_index("index")[column] if column != "index" else None
        if rows is not None:
            np.testing.assert_allclose(rows[fresh["index"]], fresh[column].to_numpy(float), err_msg=column)


def test_only_what_was_touched_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    layer = Labels(squares())
    measured = measured_layer(layer, clock.later)
    asked = []

    def watching(request: MeasureRequest, only: list[int], plane: tuple[int, ...], *rest: Any) -> Any:
        asked.append((only, plane))
        return measuring_again(request, only, plane, *rest)

    from napari_cellseg.viewer.measure_run import measuring_again

    monkeypatch.setattr("napari_cellseg.viewer.measured_layer.measuring_again", watching)
    layer.data_setitem((np.array([0, 1]), np.array([0, 0])), 5)
    clock.tick()
    assert asked == [([5], ())]
    assert_true(measured)


def test_an_edit_of_the_whole_image_is_measured_by_whoever_was_asked_to() -> None:
    labels = squares()
    labels[labels == 9] = 40
    layer = Labels(labels)
    editor = Editor(layer)
    measured = measured_layer(layer)
    asked = []
    measured.on_stale = asked.append
    editor.apply_whole(drain(renumbering(layer.data, editor.ready())))
    assert asked == [measured]
    measured.pause()
    measured.replace(drain(measuring_layer(measured.request)))
    assert sorted(measured.table["index"]) == list(range(1, 10))


def test_edits_during_a_job_are_measured_after_it() -> None:
    clock = Clock()
    layer = Labels(squares())
    measured = MeasuredLayer(request_for(layer), clock.later)
    measured.pause()
    job = measuring_layer(measured.request)
    next(job)
    layer.fill((4, 4), 12)
    clock.tick()
    assert measured.is_empty
    measured.replace(drain(job))
    clock.tick()
    assert_true(measured)


def test_a_class_that_changes_is_told_and_nothing_measured() -> None:
    layer = Labels(squares())
    editor = Editor(layer)
    measured = measured_layer(layer)
    told = []
    measured.on_change.append(lambda: told.append(1))
    editor.set_rows("set class", cells_with_class(editor.rows.read([2, 3]), "dividing"))
    assert told
    assert measured.table["class"].tolist()[:3] == ["", "dividing", "dividing"]


def test_planes_of_a_stack_have_a_column() -> None:
    labels = squares(shape=(3, 60, 60))
    labels[0][labels[0] == 2] = 0
    layer = Labels(labels, axis_labels=("t", "y", "x"))
    clock = Clock()
    measured = measured_layer(layer, clock.later)
    assert measured.table["t"].tolist() == [0] * 8 + [1] * 9 + [2] * 9
    assert layer.features["area"].notna().sum() == 9
    layer.data_setitem((np.array([2]), np.array([0]), np.array([0])), 7)
    clock.tick()
    fresh = measure(layer.data, axes="TYX")
    pd.testing.assert_frame_equal(measured.table[list(fresh.columns)], fresh, check_dtype=False)


def film_of_squares(later: Any = None) -> MeasuredLayer:
    """Nine squares in three frames, each a row larger than in the frame before; the first only in frame 1."""
    frames = np.zeros((3, 60, 60), np.int32)
    for t in range(3):
        frames[t] = np.where(squares() > 0, squares(), 0)
        frames[t, 45 : 46 + t, 2:10] = 7
    frames[0][frames[0] == 1] = frames[2][frames[2] == 1] = 0
    return measured_layer(Labels(frames, axis_labels=("t", "y", "x")), later)


def rows_of(measured: MeasuredLayer) -> pd.DataFrame:
    return measured.layer.features.set_index("index")


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_the_table_has_the_values_of_the_shown_plane(plane: int) -> None:
    measured = film_of_squares()
    told = []
    measured.on_change.append(lambda: told.append(1))
    measured.show_plane((plane,))
    rows, fresh = rows_of(measured), measure(measured.layer.data[plane]).set_index("index")
    assert rows.loc[fresh.index, "area"].tolist() == fresh["area"].tolist()
    assert set(rows.loc[fresh.index, "t"]) == {plane}
    assert rows.loc[1, "t"] == 1
    assert len(measured.here) == len(fresh)
    assert measured.shown.set_index("index")["area"].to_dict() == rows["area"].dropna().to_dict()
    assert told
    told.clear()
    measured.show_plane((plane,))
    assert not told


def test_an_edit_of_another_plane_leaves_the_shown_values() -> None:
    clock = Clock()
    measured = film_of_squares(clock.later)
    measured.show_plane((2,))
    before = rows_of(measured)["area"].copy()
    measured.layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 7)
    clock.tick()
    assert rows_of(measured)["area"].equals(before)
    measured.layer.data_setitem((np.array([2]), np.array([0]), np.array([0])), 7)
    clock.tick()
    assert rows_of(measured).loc[7, "area"] == before[7] + 1
    measured.show_plane((0,))
    assert (
        rows_of(measured).loc[7, "area"] == measure(measured.layer.data[0]).set_index("index").loc[7, "area"]
    )


def test_undo_of_a_class_in_another_plane_brings_no_old_values() -> None:
    measured = film_of_squares()
    editor = Editor(measured.layer)
    measured.show_plane((0,))
    editor.set_rows("set class", cells_with_class(editor.rows.read([7]), "dividing"))
    measured.show_plane((2,))
    now = rows_of(measured).loc[7, "area"]
    editor.undo()
    assert rows_of(measured).loc[7, "class"] == ""
    assert rows_of(measured).loc[7, ["area", "t"]].tolist() == [now, 2]


def test_one_plane_has_no_other() -> None:
    measured = measured_layer(Labels(squares()))
    measured.show_plane(())
    assert measured.plane is None
    assert measured.here is measured.table


def test_volumes_and_an_edit_in_one_of_their_planes() -> None:
    labels = squares(shape=(4, 60, 60))
    layer = Labels(labels, axis_labels=("z", "y", "x"), scale=(2, 0.5, 0.5), units=("µm",) * 3)
    clock = Clock()
    measured = measured_layer(layer, clock.later, volume=True)
    assert measured.units["area"] == "µm³"
    layer.data_setitem((np.array([2]), np.array([0]), np.array([0])), 7)
    clock.tick()
    fresh = measure(layer.data, axes="ZYX", scale=(2, 0.5, 0.5), volume=True)
    pd.testing.assert_frame_equal(measured.table[list(fresh.columns)], fresh, check_dtype=False)
    line = result_line(measured.table, measured.units, measured.request)
    assert line.startswith("9 cells, mean volume 160 µm³, filled 20")


def test_labels_that_are_replaced_are_measured() -> None:
    layer = Labels(squares())
    measured = measured_layer(layer)
    layer.data = squares(5)
    assert_true(measured)
    layer.data_setitem((np.array([0]), np.array([0])), 3)
    measured.flush()
    assert len(measured.table) == 5
    layer.data = squares(5, (70, 60))
    assert measured.is_outdated
    assert "another size" in measured.note


def test_a_closed_one_follows_no_longer() -> None:
    layer = Labels(squares())
    editor = Editor(layer)
    measured = measured_layer(layer)
    measured.close()
    before = len(measured.table)
    editor.apply(delete(layer.data, editor.ready(), [4]))
    assert len(measured.table) == before
    assert len(editor.watchers) == 0


def test_channels_that_fit_the_labels() -> None:
    labels = Labels(np.zeros((2, 1, 20, 30), np.int32))
    stack = np.arange(2 * 3 * 20 * 30).reshape(2, 3, 20, 30)
    images = (
        Image(stack, axis_labels=("t", "c", "y", "x"), name="both"),
        Image(da.from_array(stack[:, 0]), axis_labels=("t", "y", "x"), name="lazy"),
        Image(np.zeros((2, 20, 31)), name="other size"),
        Image(np.zeros((2, 20, 30, 3), np.uint8), rgb=True, axis_labels=("t", "y", "x"), name="colour"),
    )
    found = read_labels(labels, images)
    assert found.axes == "TYX"
    channels = image_channels(found, images)
    assert [c.name for c in channels] == [
        *("both Channel 0", "both Channel 1", "both Channel 2"),
        *("lazy", "colour red", "colour green", "colour blue"),
    ]
    np.testing.assert_array_equal(np.asarray(stacked(found, channels[1:2])), stack[:, 1])
    np.testing.assert_array_equal(
        np.asarray(stacked(found, channels[:4])),
        np.stack([stack[:, 0], stack[:, 1], stack[:, 2], stack[:, 0]], -1),
    )


def test_an_image_that_knows_its_unit_tells_that_of_the_labels() -> None:
    labels = Labels(squares(), scale=(2, 2))
    known = Image(squares(), scale=(0.5, 0.5), units=("µm", "µm"))
    alone, with_image = read_labels(labels).pixel_size, read_labels(labels, (known,)).pixel_size
    assert (alone.size.x, alone.unit_known) == (2, False)
    assert (with_image.size.x, with_image.unit_known) == (0.5, True)
    request = request_for(labels, unit="nm")
    assert "Lengths in nm (2 nm a pixel)" in request_sentence(request)
    assert measured_layer(labels, unit="nm").units["area"] == "nm²"


def test_what_cannot_be_measured_is_said_in_words() -> None:
    with pytest.raises(AxesError, match="axis labels"):
        read_labels(Labels(np.zeros((3, 20, 30), int), axis_labels=("c", "y", "x")))
    layer = Labels(np.zeros((20, 30), int))
    with pytest.raises(OptionError, match="Tick at least one"):
        request_for(layer, features=())
    with pytest.raises(OptionError, match="no z axis"):
        request_for(layer, volume=True)


def test_words() -> None:
    layer = Labels(squares(), name="cells")
    request = request_for(layer)
    assert "60 × 60 pixels. Lengths in pixels." in request_sentence(request)
    measured = measured_layer(layer)
    line = result_line(measured.table, measured.units, measured.request)
    assert line.startswith("9 cells, mean area 80.0 px², confluence 20")
    assert confluence(measured.table, request) == pytest.approx((layer.data > 0).mean())
    assert [number_words(v) for v in (0, 0.1234, 12.34, 1234.5, 1e-9, np.nan)] == [
        "0", "0.123", "12.3", "1,234", "1.00e-09", "–",
    ]  # fmt: skip
