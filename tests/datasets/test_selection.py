"""Only what somebody has looked at goes into a dataset: accepted objects, a reviewed region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.preview import preview_accepted, preview_plane, preview_region
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.selection import accepted_labels, accepted_only, selected, within
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import DatasetError

STATUSES = ("accepted", "predicted", "edited", "added")
PLANES = arrays(np.int32, (9, 11), elements=st.integers(0, 4))
MASKS = arrays(np.bool_, (9, 11))
TABLE = object_table([1, 2, 3, 4], status=STATUSES)


def sample_of(labels, ignored=None, region=None):
    pixels = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    annotation = Annotation.from_labels(labels, TABLE)
    return Sample("a", annotation, lambda: pixels, Origin(region=region), ignored=ignored)


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "data")


@pytest.fixture
def field():
    """Pixels and four objects, one of each status."""
    labels = np.zeros((40, 80), np.int32)
    for number in range(4):
        labels[10:20, 5 + 18 * number : 15 + 18 * number] = number + 1
    return np.random.default_rng(0).integers(0, 4000, labels.shape).astype(np.uint16), labels


@settings(deadline=None)
@given(PLANES, st.none() | MASKS)
def test_accepted_objects_are_whole_and_the_others_ignored(labels, ignored):
    sample = sample_of(labels, ignored)
    if not np.isin(labels, [1, 3, 4]).any():
        with pytest.raises(DatasetError, match="No object of 'a' was accepted"):
            accepted_only(sample)
        return
    found = accepted_only(sample)
    y0, x0, y1, x1 = found.origin.region or (0, 0, 9, 11)
    there = labels[y0:y1, x0:x1]
    assert np.isin(labels, [1, 3, 4]).sum() == np.isin(there, [1, 3, 4]).sum()
    assert (found.annotation.labels == np.where(there == 2, 0, there)).all()
    assert set(found.annotation.objects["status"]) <= {"accepted", "edited", "added"}
    unknown = np.zeros_like(there, bool) if ignored is None else ignored[y0:y1, x0:x1]
    shown = np.zeros_like(there, bool) if found.ignored is None else found.ignored
    assert (shown == ((there == 2) | unknown)).all()
    assert (found.pixels() == sample.pixels()[y0:y1, x0:x1]).all()


@settings(deadline=None)
@given(PLANES, MASKS)
def test_a_region_keeps_what_is_inside_and_ignores_the_rest(labels, mask):
    sample = sample_of(labels)
    if not mask.any():
        with pytest.raises(DatasetError, match="at least one pixel"):
            within(sample, mask)
        return
    found = within(sample, mask)
    y0, x0, y1, x1 = found.origin.region or (0, 0, 9, 11)
    there = mask[y0:y1, x0:x1]
    assert there.sum() == mask.sum()
    assert (found.annotation.labels == np.where(there, labels[y0:y1, x0:x1], 0)).all()
    assert (~there == (np.zeros_like(there) if found.ignored is None else found.ignored)).all()


@settings(deadline=None)
@given(PLANES, MASKS)
def test_what_is_told_beforehand_is_what_is_added(labels, mask):
    sample = sample_of(labels)
    assert preview_plane(labels, TABLE).objects == len(sample.annotation)
    if accepted_labels(sample):
        told, found = preview_accepted(labels, TABLE), accepted_only(sample)
        assert told.objects == len(found.annotation)
        assert told.region == (found.origin.region or (0, 0, 9, 11))
        assert told.blanked == int((labels == 2).any())
    if mask.any():
        told, found = preview_region(labels, TABLE, mask), within(sample, mask)
        assert (told.objects, told.region) == (len(found.annotation), found.origin.region or (0, 0, 9, 11))
        assert told.unreviewed == found.annotation.objects["status"].eq("predicted").sum()


def test_parts_of_parts_know_their_place_in_the_source():
    sample = sample_of(np.eye(9, 11, dtype=np.int32), region=(100, 200, 109, 211))
    mask = np.zeros((9, 11), bool)
    mask[2:7, 3:8] = True
    part = within(sample, mask)
    assert part.origin.region == (102, 203, 107, 208)
    assert accepted_only(part).origin.region == (103, 203, 107, 207)


def test_hidden_parts_of_objects_come_along():
    masks = [ObjectMask(1, 0, 0, np.ones((8, 8), bool)), ObjectMask(2, 2, 2, np.ones((3, 3), bool))]
    table = object_table([1, 2], status=["accepted", "predicted"])
    annotation = Annotation.from_masks((12, 12), masks, table)
    sample = Sample("a", annotation, lambda: np.zeros((12, 12), np.uint8))
    (only,) = accepted_only(sample).annotation.masks()
    assert only.pixels.all()
    assert only.area == 64
    left = np.zeros((12, 12), bool)
    left[:, :4] = True
    assert [mask.area for mask in within(sample, left).annotation.masks()] == [32, 6]


def test_add_accepted_objects_only(dataset, field):
    pixels, labels = field
    added = dataset.add(pixels, labels, name="a", objects=TABLE, only="accepted", source="a.tif")
    sample = dataset.sample(added.name)
    assert sample.origin.region == (10, 5, 20, 69)
    assert sample.annotation.objects["index"].tolist() == [1, 3, 4]
    assert (sample.pixels() == pixels[10:20, 5:69]).all()
    assert (sample.ignored == (labels[10:20, 5:69] == 2)).all()
    again = dataset.add(pixels, labels, name="a", objects=TABLE.assign(status="edited"), only="accepted")
    assert again.updated
    assert dataset.sample("a").ignored is None


def test_add_a_region_as_a_mask_or_a_box(dataset, field):
    pixels, labels = field
    mask = np.add.outer(np.arange(40), np.arange(80)) < 45
    dataset.add(pixels, labels, name="mask", region=mask)
    dataset.add(pixels, labels, name="box", region=(5, 10, 25, 40))
    masked, boxed = dataset.sample("mask"), dataset.sample("box")
    assert (masked.pixels() == pixels[:, :45]).all()
    assert (masked.annotation.labels == np.where(mask, labels, 0)[:, :45]).all()
    assert (masked.ignored == ~mask[:, :45]).all()
    assert (boxed.annotation.labels == labels[5:25, 10:40]).all()
    assert boxed.ignored is None
    dataset.add(pixels, labels, name="both", region=(5, 10, 25, 40), only="accepted", objects=TABLE)
    assert dataset.sample("both").origin.region == (10, 10, 20, 15)


@pytest.mark.parametrize("source", ["", "a layer", "plates/a.tif"])
def test_parts_of_one_image_share_its_split(dataset, field, source):
    pixels, labels = field
    mask = np.zeros(labels.shape, bool)
    mask[5:30, 30:60] = True
    other = np.random.default_rng(1).integers(0, 4000, labels.shape).astype(np.uint16)
    dataset.add(pixels, labels, name="whole", source=source)
    dataset.add(other, labels, name="another")
    dataset.add(pixels, labels, name="box", region=(0, 0, 25, 40), source=source)
    dataset.add(pixels, labels, name="mask", region=mask, source=source)
    dataset.add(pixels, labels, name="accepted", only="accepted", objects=TABLE, source=source)
    splits = dataset.records().set_index("name")["split"].to_dict()
    assert {splits[name] for name in ("whole", "box", "mask", "accepted")} == {"train"}
    assert splits["another"] == "val"
    dataset.resplit((0.4, 0.3, 0.3), seed=5)
    splits = dataset.records().set_index("name")["split"].to_dict()
    assert len({splits[name] for name in ("whole", "box", "mask", "accepted")}) == 1
    dataset.move("mask", next(split for split in ("test", "val") if split != splits["mask"]))
    (torn,) = [finding for finding in dataset.check() if finding.kind == "groups"]
    assert ("plates/a.tif" if "/" in source else "and 3 more of the same plane") in torn.text
    again = Dataset.open(dataset.folder)
    assert again.record("mask").origin == dataset.record("mask").origin


def test_a_part_that_is_replaced_by_the_whole_shows_the_whole(dataset, field):
    dataset.add(*field, name="a", only="accepted", objects=TABLE)
    assert dataset.record("a").origin.region == (10, 5, 20, 69)
    assert dataset.add(*field, name="a").updated
    assert dataset.record("a").origin.region is None


def test_planes_without_an_accepted_object_are_left_out(dataset, field):
    pixels, labels = (np.stack([part] * 3) for part in field)
    pixels += np.arange(3, dtype=np.uint16)[:, None, None]
    labels[0] = np.where(labels[0] == 2, 2, 0)
    added = dataset.add(pixels, labels, name="stack", objects=TABLE, only="accepted", axes="TYX")
    assert added.names == ("stack_t001", "stack_t002")
    assert "1 planes without an accepted object are left out." in added.notes
    with pytest.raises(DatasetError, match="No object of 'none_t000' was accepted"):
        dataset.add(pixels, labels, name="none", status="predicted", only="accepted", axes="TYX")
    assert len(dataset) == 2


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"region": np.ones((3, 3), bool)}, r"mask of the labels' shape, \(40, 80\)"),
        ({"region": np.zeros((40, 80), bool)}, "at least one pixel"),
        ({"region": np.ones((40, 80))}, "y0, x0, y1, x1 as whole numbers, or a"),
        ({"region": (0, 0, 5)}, "y0, x0, y1, x1 as whole numbers, or a"),
        ({"region": (0, 0, 50, 50)}, "within the image"),
        ({"only": "edited"}, "only must be 'accepted' or None, not 'edited'"),
    ],
)
def test_what_is_no_part_of_an_image_is_refused(dataset, field, told, words):
    with pytest.raises(DatasetError, match=words):
        dataset.add(*field, name="a", **told)
    assert len(dataset) == 0


def test_samples_are_chosen_one_at_a_time():
    def planes():
        for number in range(1, 3):
            yield sample_of(np.full((9, 11), number, np.int32))
        raise AssertionError("asked for more than was needed")

    assert next(selected(planes(), only="accepted")).annotation.objects["index"].tolist() == [1]
