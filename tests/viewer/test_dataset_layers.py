"""Images of a dataset in the viewer, corrected there, and what the dataset gets back."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.dataset_corrected import corrected_sample
from napari_cellseg.viewer.dataset_layers import find_opened, is_corrected, open_sample, opened_from
from napari_cellseg.viewer.layer_image import read_layer
from napari_cellseg.viewer.outcome_layer import is_overlay

FOLDER = Path("my data")
SHAPE = (40, 60)


def square(label: int, top: int, left: int, edge: int = 10) -> ObjectMask:
    return ObjectMask(label, top, left, np.ones((edge, edge), bool))


def make(
    *masks: ObjectMask, name: str = "fov1", pixels: np.ndarray | None = None, **options: object
) -> Sample:
    index = [mask.index for mask in masks]
    status = [s.value for s in Status][: len(index)]
    table = object_table(index, classes="cell", status=status, confidence=0.5, origin="model:nuclei@1.0")
    pixels = np.ones(SHAPE, np.uint16) if pixels is None else pixels
    return Sample(name, Annotation.from_masks(SHAPE, masks, table), lambda: pixels, **options)


def show(viewer: ViewerModel, sample: Sample) -> object:
    return open_sample(viewer, FOLDER, sample, sample.pixels())


def same(one: Annotation, other: Annotation) -> bool:
    masks = [
        {m.index: (m.box, m.pixels.tobytes()) for m in (t.trimmed() for t in each.masks())}
        for each in (one, other)
    ]
    return masks[0] == masks[1] and one.objects.astype(str).equals(other.objects.astype(str))


@pytest.fixture
def overlapping() -> Sample:
    """2 covers a part of 1 and all of 3; 4 lies alone."""
    return make(square(1, 2, 2, 12), square(2, 8, 8), square(3, 10, 10, 8), square(4, 25, 40))


@pytest.fixture
def annotated_twice() -> Sample:
    """The same object twice, so that 2 lies entirely below 1."""
    return make(square(1, 5, 5), square(2, 5, 5))


def test_an_image_is_ready_to_be_corrected(viewer: ViewerModel) -> None:
    labels = show(viewer, make(square(1, 2, 2), square(7, 20, 20), origin=Origin(pixel_size=0.5)))
    image = viewer.layers["fov1"]
    assert [layer.name for layer in viewer.layers] == ["fov1", "fov1 labels"]
    assert viewer.layers.selection.active is labels
    assert labels.scale.tolist() == image.scale.tolist() == [0.5, 0.5]
    assert read_layer(image).pixel_size.size.x == 0.5
    row = labels.features.iloc[7]
    assert (row["index"], row["class"], row["status"]) == (7, "cell", "edited")
    assert (row["confidence"], row["origin"]) == (0.5, "model:nuclei@1.0")
    correction = Correction(viewer, labels, image)
    assert "edited" in correction.describe(7)
    correction.close()


def test_channels_come_first_and_colours_stay(viewer: ViewerModel) -> None:
    pixels = np.arange(40 * 60 * 2, dtype=np.uint16).reshape(40, 60, 2)
    show(viewer, make(square(1, 2, 2), pixels=pixels, origin=Origin(pixel_size=2.0)))
    image = viewer.layers["fov1"]
    assert (image.data.shape, tuple(image.scale)) == ((2, 40, 60), (1.0, 2.0, 2.0))
    assert read_layer(image).axes == "CYX"
    show(viewer, make(square(1, 2, 2), name="rgb", pixels=np.zeros((*SHAPE, 3), np.uint8)))
    assert viewer.layers["rgb"].rgb


def test_the_next_image_takes_the_place_of_one_that_was_not_changed(viewer: ViewerModel) -> None:
    other = viewer.add_image(np.zeros(SHAPE), name="mine")
    first = show(viewer, make(square(1, 2, 2)))
    second = show(viewer, make(square(1, 2, 2), name="fov2"))
    assert first not in viewer.layers
    assert [layer.name for layer in viewer.layers] == ["mine", "fov2", "fov2 labels"]
    second.data[0, 0] = 5
    assert is_corrected(second)
    show(viewer, make(square(1, 2, 2), name="fov3"))
    assert second in viewer.layers
    assert not second.visible
    assert not other.visible
    assert find_opened(viewer.layers, FOLDER, "fov2") is second
    assert find_opened(viewer.layers, FOLDER, "fov1") is None
    assert opened_from(other) is None


def test_accepting_is_a_correction_and_opening_the_dock_is_none(viewer: ViewerModel) -> None:
    labels = show(viewer, make(square(1, 2, 2), square(3, 20, 20)))
    correction = Correction(viewer, labels, viewer.layers["fov1"])
    assert not is_corrected(labels)
    correction.set_status([1], Status.ACCEPTED)
    assert is_corrected(labels)
    correction.editor.undo()
    assert not is_corrected(labels)
    correction.set_class([3], "debris")
    assert is_corrected(labels)
    correction.close()


def test_what_nobody_reviewed_is_shown_dark_and_shrinks_with_new_objects(viewer: ViewerModel) -> None:
    ignored = np.zeros(SHAPE, bool)
    ignored[:, 40:] = True
    sample = make(square(1, 2, 2), ignored=ignored)
    labels = show(viewer, sample)
    assert [layer.name for layer in viewer.layers if is_overlay(layer)] == ["fov1 not reviewed"]
    labels.data[10:12, 50:52] = 2
    after = corrected_sample(sample, labels.data, labels.features)
    assert after.ignored.sum() == ignored.sum() - 4


@pytest.mark.parametrize("name", ["overlapping", "annotated_twice"])
def test_nothing_changed_gives_the_same_back(viewer: ViewerModel, name: str, request) -> None:
    sample = request.getfixturevalue(name)
    labels = show(viewer, sample)
    assert not is_corrected(labels)
    correction = Correction(viewer, labels)
    after = corrected_sample(sample, labels.data, labels.features)
    correction.close()
    assert same(after.annotation, sample.annotation)


def whole_mask(sample: Sample, label: int) -> np.ndarray:
    plane = np.zeros(SHAPE, bool)
    for mask in sample.annotation.masks([label]):
        plane[mask.window] = mask.pixels
    return plane


def test_hidden_parts_stay_while_something_covers_them(viewer: ViewerModel, overlapping: Sample) -> None:
    labels = show(viewer, overlapping)
    correction = Correction(viewer, labels)
    correction.delete([4])
    after = corrected_sample(overlapping, labels.data, labels.features)
    assert after.annotation.objects["index"].tolist() == [1, 2, 3]
    assert (whole_mask(after, 1) == whole_mask(overlapping, 1)).all()
    correction.delete([2, 3])
    after = corrected_sample(overlapping, labels.data, labels.features)
    assert after.annotation.objects["index"].tolist() == [1]
    assert whole_mask(after, 1).sum() == 12 * 12 - 6 * 6
    correction.close()


def test_hidden_parts_go_along_with_their_object(viewer: ViewerModel, overlapping: Sample) -> None:
    labels = show(viewer, overlapping)
    correction = Correction(viewer, labels)
    renumbered = np.where(labels.data == 1, 40, labels.data)
    after = corrected_sample(overlapping, renumbered, labels.features.replace({"index": {1: 40}}))
    assert (whole_mask(after, 40) == whole_mask(overlapping, 1)).all()
    correction.delete([1])
    after = corrected_sample(overlapping, labels.data, labels.features)
    assert 1 not in after.annotation.objects["index"].tolist()
    correction.close()


def test_an_object_below_another_gets_a_free_number_where_its_own_is_taken(annotated_twice) -> None:
    labels = annotated_twice.annotation.labels.copy()
    labels[30:35, 30:35] = 2
    rows = object_table([1, 2], classes=["cell", "debris"])
    after = corrected_sample(annotated_twice, labels, rows)
    assert after.annotation.objects["index"].tolist() == [1, 2, 3]
    assert after.annotation.objects["class"].tolist() == ["cell", "debris", "cell"]
    assert (whole_mask(after, 3) == whole_mask(annotated_twice, 2)).all()


def test_the_status_of_labels_with_large_gaps_is_kept(viewer: ViewerModel) -> None:
    sample = make(square(1, 2, 2), square(1_000_000, 20, 20))
    labels = show(viewer, sample)
    assert labels.features["status"].tolist() == ["", "predicted", "edited"]
    assert not is_corrected(labels)


def test_measured_columns_are_not_kept(viewer: ViewerModel) -> None:
    sample = make(square(1, 2, 2))
    labels = show(viewer, sample)
    labels.features = labels.features.assign(area=3.0)
    after = corrected_sample(sample, labels.data, labels.features)
    assert list(after.annotation.objects) == list(sample.annotation.objects)
    without = corrected_sample(sample, labels.data, Labels(np.zeros(SHAPE, int)).features)
    assert without.annotation.objects["index"].tolist() == [1]
