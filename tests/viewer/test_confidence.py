"""The slider of a layer: one undo order for pixels, table and threshold."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from app_model.types import KeyCode, KeyMod
from napari.utils.key_bindings import coerce_keybinding

from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.label_layer import replace_labels
from napari_cellseg.viewer.segment_run import result_line

CONFIDENCE = [0.9, 0.8, 0.7, 0.6, 0.45, 0.4, 0.3, 0.2]
Make = Callable[..., ConfidenceFilter]


def shown(slider: ConfidenceFilter) -> set[int]:
    return set(np.unique(slider.layer.data).tolist()) - {0}


def status(slider: ConfidenceFilter, label: int) -> str:
    return str(slider.layer.features["status"].iloc[label])


def press(slider: ConfidenceFilter, *, redo: bool = False) -> None:
    """What napari calls for Ctrl+Z and Ctrl+Shift+Z."""
    key = KeyMod.CtrlCmd | (KeyMod.Shift if redo else 0) | KeyCode.KeyZ
    slider.layer.keymap[coerce_keybinding(key)](slider.layer)


def test_rows_are_the_labels(filtered: Make) -> None:
    features = filtered(CONFIDENCE).layer.features
    assert features["index"].tolist() == [0, 1, 2, 3, 4]
    assert features["status"].astype(str).tolist() == ["", *["predicted"] * 4]
    assert features["confidence"].tolist()[1:] == pytest.approx(CONFIDENCE[:4])


def test_a_drag_is_one_undo_step(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    before, rows = slider.layer.data.copy(), slider.layer.features.copy()
    for threshold in (0.4, 0.2, 0.65, 0.75):
        slider.preview(threshold)
    slider.commit(0.75)
    assert shown(slider) == {1, 2}
    press(slider)
    np.testing.assert_array_equal(slider.layer.data, before)
    pd.testing.assert_frame_equal(slider.layer.features, rows)
    assert slider.threshold == 0.5
    press(slider, redo=True)
    assert shown(slider) == {1, 2}
    assert slider.threshold == 0.75
    assert status(slider, 3) == "filtered"


def test_a_preview_is_no_step(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    before, rows = slider.layer.data.copy(), slider.layer.features.copy()
    slider.preview(0.1)
    assert shown(slider) == set(range(1, 9))
    pd.testing.assert_frame_equal(slider.layer.features, rows)
    slider.undo()
    np.testing.assert_array_equal(slider.layer.data, before)
    assert slider.threshold == 0.5


def test_lowering_adds_rows_without_gaps(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.commit(0.35)
    assert slider.layer.features["index"].tolist() == list(range(7))
    assert slider.layer.features["confidence"].iloc[5] == pytest.approx(0.45)
    assert status(slider, 5) == "predicted"


def test_painted_objects_survive_the_slider(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.data_setitem((np.array([2]), np.array([2])), 0)
    assert status(slider, 1) == "edited"
    slider.commit(0.95)
    assert shown(slider) == {1}


def test_accepted_in_the_table_survives_the_slider(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.features.loc[2, "status"] = "accepted"
    slider.commit(0.95)
    assert shown(slider) == {2}
    assert status(slider, 2) == "accepted"


def test_undo_of_a_stroke_makes_the_object_predicted_again(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.paint((3, 3), 0)
    assert status(slider, 1) == "edited"
    press(slider)
    assert status(slider, 1) == "predicted"
    press(slider, redo=True)
    assert status(slider, 1) == "edited"


def test_strokes_and_moves_share_one_order(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    states = [slider.layer.data.copy()]
    slider.commit(0.75)
    states.append(slider.layer.data.copy())
    slider.layer.data_setitem((np.array([35, 36]), np.array([35, 36])), 30)
    states.append(slider.layer.data.copy())
    slider.commit(0.3)
    assert status(slider, 30) == "added"
    for expected in reversed(states):
        press(slider)
        np.testing.assert_array_equal(slider.layer.data, expected)
    assert slider.threshold == 0.5
    assert len(slider.layer.features) == 5


def test_a_reserved_id_that_a_person_uses_stays_theirs(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.data_setitem((np.array([38]), np.array([38])), 5)
    slider.commit(0.42)
    assert slider.layer.data[38, 38] == 5
    assert np.count_nonzero(slider.layer.data == 5) == 1
    assert status(slider, 5) == "added"
    moved = int(slider.layer.features.query("confidence > 0.44 and confidence < 0.46")["index"].iloc[0])
    assert moved > 8
    assert np.count_nonzero(slider.layer.data == moved) == 64


def test_an_undone_use_of_a_reserved_id_gives_it_back(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.commit(0.42)
    slider.commit(0.5)
    slider.layer.data_setitem((np.array([38]), np.array([38])), 5)
    for _ in range(2):
        press(slider)
    assert np.count_nonzero(slider.layer.data == 5) == 64
    slider.commit(0.5)
    assert 5 not in shown(slider)


def test_other_columns_are_kept(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.features = slider.layer.features.assign(area=[0, 64, 64, 64, 64])
    slider.commit(0.35)
    assert slider.layer.features["area"].iloc[:5].tolist() == [0, 64, 64, 64, 64]


def test_the_table_is_told_once_per_interval(filtered: Make) -> None:
    waiting: list[Callable[[], None]] = []
    slider = filtered(CONFIDENCE, later=lambda seconds, action: waiting.append(action))
    told: list[object] = []
    slider.layer.events.features.connect(lambda event: told.append(event))
    for threshold in (0.4, 0.6, 0.3, 0.7):
        slider.commit(threshold)
        slider._table.request()
    assert len(told) <= 4
    slider.flush()
    assert slider.layer.features["status"].astype(str).tolist()[3] == "predicted"


@pytest.mark.parametrize("shape", [(3, 40, 40), (2, 3, 40, 40)])
def test_stacks(filtered: Make, shape: tuple[int, ...]) -> None:
    slider = filtered(CONFIDENCE, shape=shape)
    before = slider.layer.data.copy()
    slider.commit(0.1)
    assert shown(slider) == set(range(1, 9))
    slider.commit(0.85)
    assert shown(slider) == {1}
    slider.undo()
    slider.undo()
    np.testing.assert_array_equal(slider.layer.data, before)


def test_new_data_end_the_slider(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.commit(0.75)
    replace_labels(slider.layer, np.zeros((40, 40), np.int32))
    assert slider.closed
    slider.layer.undo()
    assert not slider.layer.data.any()


def test_closing_gives_the_keys_back(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    before = dict(slider.layer.keymap)
    slider.close()
    assert len(slider.layer.keymap) == len(before) - 2
    slider.layer.data_setitem((np.array([2]), np.array([2])), 0)
    assert status(slider, 1) == "predicted"


def test_result_line(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    assert result_line(slider, 1600) == "4 cells, 4 weaker ones hidden; confluence 16 %"
    slider.commit(0.2)
    assert result_line(slider, 1600) == "8 cells, 4 below 0.5; confluence 32 %"


def never(seconds: float, action: Callable[[], None]) -> None:
    """What waits is written by `flush` only."""


def test_an_object_that_was_erased_is_not_counted(filtered: Make) -> None:
    slider = filtered(CONFIDENCE, later=never)
    slider.layer.fill((3, 3), 0)
    slider.flush()
    assert result_line(slider, 1600).startswith("3 cells")
    assert status(slider, 1) == ""
    assert slider.layer.metadata["napari-cellseg"]["shown"]["objects"] == 3
    for threshold in (0.95, 0.1):
        slider.commit(threshold)
        assert 1 not in shown(slider)
    for _ in range(3):
        press(slider)
    slider.flush()
    assert status(slider, 1) == "predicted"
    assert result_line(slider, 1600).startswith("4 cells")
    press(slider, redo=True)
    assert result_line(slider, 1600).startswith("3 cells")


def test_an_added_object_that_was_erased_is_not_counted(filtered: Make) -> None:
    slider = filtered(CONFIDENCE, later=never)
    slider.layer.data_setitem((np.array([38]), np.array([38])), 30)
    assert result_line(slider, 1600).startswith("5 cells")
    slider.layer.data_setitem((np.array([38]), np.array([38])), 0)
    assert result_line(slider, 1600).startswith("4 cells")
    press(slider)
    assert result_line(slider, 1600).startswith("5 cells")


def test_an_object_that_came_back_in_part_and_was_undone_still_follows(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.commit(0.95)
    slider.layer.data_setitem((np.array([2, 3]), np.array([2, 3])), 30)
    slider.commit(0.5)
    for _ in range(3):
        press(slider)
    assert np.count_nonzero(slider.layer.data == 1) == 64
    slider.commit(0.95)
    assert not shown(slider)
    assert status(slider, 1) == "filtered"


def test_a_stroke_before_the_slider_rests_is_kept(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.preview(0.75)
    for callback in slider.layer.mouse_drag_callbacks[:1]:
        callback(slider.layer, None)
    slider.layer.data_setitem((np.full(8, 2), np.arange(21, 29)), 1)
    after = slider.layer.data.copy()
    slider.commit(0.75)
    np.testing.assert_array_equal(slider.layer.data, after)
    press(slider)
    press(slider)
    assert shown(slider) == {1, 2, 3, 4}
    assert np.count_nonzero(slider.layer.data == 3) == 64


def test_a_copy_of_the_layer_keeps_its_own_record(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    copy = type(slider.layer).create(*slider.layer.as_layer_data_tuple())
    slider.commit(0.75)
    assert copy.metadata["napari-cellseg"]["shown"]["confidence"] == 0.5
    assert len(copy.features) == 5


@pytest.mark.parametrize("lazy", [False, True])
def test_data_that_somebody_else_replaced_have_no_undo(filtered: Make, lazy: bool) -> None:
    dask = pytest.importorskip("dask.array")
    slider = filtered(CONFIDENCE)
    slider.layer.fill((3, 3), 0)
    new = np.zeros((40, 40), np.int32)
    slider.layer.data = dask.from_array(new) if lazy else new
    assert slider.closed
    slider.layer.undo()
    assert not np.asarray(slider.layer.data).any()


def test_a_huge_label_makes_no_huge_table(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.features = slider.layer.features.assign(area=[0, 64, 64, 64, 64])
    slider.layer.data_setitem((np.array([38]), np.array([38])), 5_000_000)
    features = slider.layer.features
    assert features["index"].tolist() == [0, 1, 2, 3, 4, 5_000_000]
    assert features["area"].iloc[:5].tolist() == [0, 64, 64, 64, 64]
    slider.commit(0.75)
    assert slider.layer.features["status"].astype(str).tolist()[-1] == "added"
    assert shown(slider) == {1, 2, 5_000_000}
    press(slider)
    press(slider)
    assert slider.layer.features["index"].tolist() == [0, 1, 2, 3, 4]


def test_an_undone_use_of_a_reserved_id_is_counted_when_it_comes_back(filtered: Make) -> None:
    slider = filtered(CONFIDENCE)
    slider.layer.data_setitem((np.array([38]), np.array([38])), 5)
    press(slider)
    slider.commit(0.42)
    assert 5 in shown(slider)
    assert result_line(slider, 1600).startswith("5 cells")
    slider.layer.features.loc[5, "status"] = "accepted"
    slider.commit(0.9)
    assert status(slider, 5) == "accepted"
    assert 5 in shown(slider)
