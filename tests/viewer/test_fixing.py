"""What the checks found, put right in one step however many objects it concerns."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.review.quality import check_labels
from napari_cellseg.viewer import editing
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.fixing import fix_findings
from napari_cellseg.viewer.resuming import journals_of, resume


def corrected(data: np.ndarray) -> Correction:
    viewer = ViewerModel()
    return Correction(viewer, viewer.add_labels(data))


def nested() -> np.ndarray:
    """Objects in objects: 1 holds 2 and 3, 4 holds 5; 6 is in three large pieces."""
    labels = np.zeros((40, 60), np.int32)
    labels[2:18, 2:18] = 1
    labels[4:8, 4:8] = 2
    labels[10:14, 10:14] = 3
    labels[2:18, 22:38] = 4
    labels[6:12, 26:32] = 5
    for x in (2, 14, 26):
        labels[24:34, x : x + 8] = 6
    return labels


@pytest.mark.parametrize(("rule", "left"), [("duplicates", {1, 4, 6}), ("fragments", set(range(1, 9)))])
def test_all_of_a_kind_are_one_step(rule: str, left: set[int]) -> None:
    do = corrected(nested())
    found = check_labels(do.layer.data, do.editor.index, [rule])
    assert len(found) == (3 if rule == "duplicates" else 1)
    words = fix_findings(do, found)
    assert "one step to undo" in words
    assert set(do.editor.index.labels().tolist()) == left
    assert len(do.editor.undo_names) == 1
    do.editor.undo()
    np.testing.assert_array_equal(do.layer.data, nested())
    do.editor.redo()
    assert set(np.unique(do.layer.data).tolist()) == {0, *left}


def test_holes_of_several_planes_are_one_step() -> None:
    labels = np.zeros((3, 20, 20), np.int32)
    labels[:, 2:18, 2:18] = 1
    labels[0, 5:8, 5:8] = labels[2, 9:12, 9:12] = 0
    do = corrected(labels.copy())
    fix_findings(do, check_labels(do.layer.data, do.editor.index, ["holes"]))
    assert np.count_nonzero(do.layer.data) == 3 * 16 * 16
    assert do.editor.undo_names == ("fill holes",)
    do.editor.undo()
    np.testing.assert_array_equal(do.layer.data, labels)


def test_a_chain_of_merges_leads_to_one_object() -> None:
    labels = np.zeros((4, 20, 20), np.int32)
    for z in range(4):
        labels[z, 4:16, 4:16] = z // 2 * 2 + 1 if z < 2 else z + 1
    labels[0], labels[1] = np.where(labels[0], 7, 0), np.where(labels[1], 7, 0)
    do = corrected(labels)
    found = check_labels(labels, do.editor.index, ["duplicates"])
    assert len(found) == 2
    fix_findings(do, found)
    assert len(do.editor.index) == 1
    assert do.editor.undo_names == ("merge",)
    assert "gone already" in fix_findings(do, found)


@pytest.mark.parametrize("large", [1, editing.LARGE])
def test_all_of_a_kind_are_one_entry_of_the_journal(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "LARGE", large)
    viewer = ViewerModel()
    image = viewer.add_image(np.arange(2400, dtype=np.uint16).reshape(40, 60), name="field")
    session = CorrectSession(viewer, viewer.add_labels(nested(), name="cells"), image, None)
    do = session.correction
    fix_findings(do, check_labels(do.layer.data, do.editor.index, ["duplicates"]))
    after = do.layer.data.copy()
    session.close()
    (found,) = journals_of(image)
    assert found.steps == 1
    other = ViewerModel()
    resumed = resume(other, other.add_image(image.data, name="field"), found)
    again = CorrectSession(other, resumed.layer, other.layers["field"], None, resumed)
    np.testing.assert_array_equal(resumed.layer.data, after)
    assert str(resumed.layer.features["status"].iloc[4]) == "edited"
    again.correction.editor.undo()
    np.testing.assert_array_equal(resumed.layer.data, nested())
    again.close()
