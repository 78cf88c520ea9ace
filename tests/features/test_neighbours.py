"""Surroundings of objects are what a search through all pairs of pixels finds, after an edit too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_cellseg.features.contacts import find_contacts
from napari_cellseg.features.gaps import FEW, nearest_gaps
from napari_cellseg.features.neighbours import (
    DENSITY_RADIUS,
    FEATURES,
    centroids,
    neighbours,
    neighbours_to_measure,
)
from napari_cellseg.features.objects import Objects


def cells(rng, shape, density=0.01, size=5):
    """Small cells, apart, in contact, cut by the border, in several pieces, with gaps in the numbering."""
    seeds = np.where(rng.random(shape) < density, rng.choice(np.arange(1, 40) * 7, shape), 0)
    return ndimage.grey_dilation(seeds, size=(size,) * len(shape)).astype(np.int32)


def all_pairs(labels, spacing):
    """For each ordered pair of labels: chessboard distance in pixels, and gap between the pixels' squares."""
    ids = np.unique(labels[labels > 0])
    places = [np.argwhere(labels == i) for i in ids]
    chess = np.full((len(ids), len(ids)), np.inf)
    gap = np.full((len(ids), len(ids)), np.inf)
    for a in range(len(ids)):
        for b in range(len(ids)):
            if a != b:
                step = np.abs(places[a][:, None] - places[b][None])
                chess[a, b] = step.max(axis=-1).min()
                gap[a, b] = np.linalg.norm(np.maximum(step - 1, 0) * spacing, axis=-1).min()
    return ids, chess, gap


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([(30, 34), (1, 60), (8, 12, 10)]), st.integers(0, 2))
def test_contacts_are_those_of_all_pairs(seed, shape, gap):
    labels = cells(np.random.default_rng(seed), shape)
    ids, chess, _ = all_pairs(labels, 1)
    found = find_contacts(Objects.found_in(labels), gap)
    pairs = {(ids[a], ids[b]) for a, b in np.argwhere(chess <= gap + 1)}
    assert set(zip(ids[found.rows], found.others, strict=True)) == pairs
    for row, label in enumerate(ids):
        border = find_boundaries(labels == label, connectivity=1, mode="inner")
        others = (labels > 0) & (labels != label)
        near = ndimage.binary_dilation(others, np.ones((2 * gap + 3,) * labels.ndim))
        assert found.border[row] == border.sum()
        assert found.touching[row] == (border & near).sum()
    for row, other, pixels in zip(found.rows, found.others, found.pixels, strict=True):
        near = ndimage.binary_dilation(labels == other, np.ones((2 * gap + 3,) * labels.ndim))
        border = find_boundaries(labels == ids[row], connectivity=1, mode="inner")
        assert pixels == (border & near).sum()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([(40, 34), (1, 90), (8, 12, 10)]), st.floats(0.002, 0.02))
def test_nearest_objects_are_those_of_all_pairs(seed, shape, density):
    rng = np.random.default_rng(seed)
    labels = cells(rng, shape, density, 3)
    spacing = tuple(rng.uniform(0.3, 2, len(shape)))
    ids, chess, gap = all_pairs(labels, spacing)
    objects = Objects.found_in(labels, spacing=spacing)
    found = neighbours(objects, objects)
    assert list(found) == [f.name for f in FEATURES if len(shape) in f.dims]
    assert found["neighbours_touching"].tolist() == (chess <= 2).sum(axis=1).tolist()
    if len(ids) < 2:
        assert np.isnan(found["nearest_distance"]).all()
        assert np.isnan(found["nearest_gap"]).all()
        assert found["nearest_index"].tolist() == [0] * len(ids)
        return
    centres = np.array([np.argwhere(labels == i).mean(axis=0) for i in ids]) * spacing
    assert centroids(objects) == pytest.approx(centres)
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert found["nearest_distance"] == pytest.approx(distance.min(axis=1))
    nearest = np.searchsorted(ids, found["nearest_index"])
    assert distance[np.arange(len(ids)), nearest] == pytest.approx(distance.min(axis=1))
    assert found["nearest_gap"] == pytest.approx(gap.min(axis=1))


def test_gaps_of_objects_of_very_different_sizes():
    rng = np.random.default_rng(4)
    labels = np.zeros((150, 160), np.int32)
    labels[20:130, 10:12], labels[20:22, 10:150] = 9, 9
    labels[rng.integers(0, 150, 12), rng.integers(0, 160, 12)] = np.arange(20, 32)
    _, _, gap = all_pairs(labels, (1, 1))
    objects = Objects.found_in(labels)
    assert neighbours(objects)["nearest_gap"] == pytest.approx(gap.min(axis=1))


def test_a_watershed_line_does_not_part_neighbours():
    labels = np.zeros((6, 9), np.int32)
    labels[1:5, 1:4], labels[1:5, 5:8] = 3, 8
    found = neighbours(Objects.found_in(labels, spacing=(0.5, 0.5)))
    assert found["neighbours_touching"].tolist() == [1, 1]
    assert found["contact_fraction"].tolist() == [4 / 10, 4 / 10]
    assert found["nearest_gap"].tolist() == [0.5, 0.5]
    assert found["nearest_distance"].tolist() == [2, 2]
    assert found["nearest_index"].tolist() == [8, 3]


def test_density_is_that_of_the_disc_inside_of_the_image():
    rng = np.random.default_rng(5)
    labels = np.zeros((180, 240), np.int32)
    labels[rng.integers(0, 180, 300), rng.integers(0, 240, 300)] = np.arange(1, 301)
    objects = Objects.found_in(labels, spacing=(2.0, 1.0))
    found = neighbours(objects)["local_density"]
    centres = centroids(objects)
    ys, xs = np.meshgrid((np.arange(720) / 4 - 0.375) * 2, np.arange(960) / 4 - 0.375, indexing="ij")
    for row in rng.integers(0, len(objects), 5):
        count = (np.linalg.norm(centres - centres[row], axis=1) <= DENSITY_RADIUS).sum() - 1
        area = (np.hypot(ys - centres[row, 0], xs - centres[row, 1]) <= DENSITY_RADIUS).sum() / 8
        assert found[row] == pytest.approx(count / area, rel=2e-3)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10**6), st.sampled_from([(200, 300), (1, 900), (9, 60, 80)]), st.sampled_from([1, 3, 9])
)
def test_a_few_objects_see_whom_they_would_see_among_all(seed, shape, count):
    rng = np.random.default_rng(seed)
    density = rng.choice([0.0003, 0.003])
    labels = cells(rng, shape, density, int(rng.choice([1, 5])))
    places = np.nonzero(rng.random(shape) < density)
    labels[places] = 1000 + np.arange(len(places[0]))
    everyone = Objects.found_in(labels, spacing=tuple(rng.uniform(0.3, 2, len(shape))))
    rows = np.sort(rng.choice(len(everyone), min(count, len(everyone)), replace=False))
    expected, found = neighbours(everyone, everyone), neighbours(everyone.take(rows), everyone)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name][rows], err_msg=name)


def test_a_few_objects_see_all_others():
    labels = cells(np.random.default_rng(8), (60, 60))
    everyone = Objects.found_in(labels)
    some = everyone.take(np.array([1, 5, 6]))
    expected = neighbours(everyone, everyone)
    for found in (neighbours(some), neighbours(some, everyone)):
        for name, values in found.items():
            assert values.tolist() == expected[name][[1, 5, 6]].tolist(), name


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.0005, 0.004]))
def test_after_an_edit_only_the_named_objects_change(seed, density):
    rng = np.random.default_rng(seed)
    labels = cells(rng, (200, 300), density)
    before = Objects.found_in(labels)
    measured = neighbours(before, before)
    if len(before) < 2:
        return
    edited, box = labels.copy(), before.boxes[rng.integers(len(before))]
    label = labels[box[0] : box[2], box[1] : box[3]].max()
    own = before.boxes[before.ids == label]
    kind = rng.integers(3)
    if kind == 0:
        edited[labels == label] = 0
    elif kind == 1:
        edited[(labels == 0) & ndimage.binary_dilation(labels == label, iterations=4)] = label
    else:
        top, left = rng.integers(0, 190), rng.integers(0, 290)
        edited[top : top + 6, left : left + 6][labels[top : top + 6, left : left + 6] == 0] = 999
        label = 999
    after = Objects.found_in(edited)
    changed = np.concatenate([own, after.boxes[after.ids == label]])
    rows = np.searchsorted(before.ids, after.ids).clip(max=len(before) - 1)
    known = before.ids[rows] == after.ids
    previous = {n: np.where(known, v[rows], np.nan) for n, v in measured.items()}
    named = neighbours_to_measure(after, changed, previous)
    kept = known & ~np.isin(after.ids, named)
    again = neighbours(after, after)
    for name, values in again.items():
        assert values[kept].tolist() == previous[name][kept].tolist(), name


def test_far_objects_are_not_measured_again():
    labels = np.zeros((40, 2000), np.int32)
    labels[10:14, 10::20] = np.arange(1, 101)[:]
    everyone = Objects.found_in(labels)
    named = neighbours_to_measure(everyone, everyone.boxes[:1], neighbours(everyone, everyone))
    assert named.tolist() == [1, 2, 3, 4, 5, 6]


def test_of_equally_near_objects_the_lowest_label_counts():
    labels = np.zeros((9, 9), np.int32)
    labels[4, 4], labels[0, 4], labels[8, 4], labels[4, 0], labels[4, 8] = 50, 8, 7, 9, 6
    found = neighbours(Objects.found_in(labels))
    assert found["nearest_index"].tolist() == [50, 50, 50, 50, 6]


def test_a_nearest_index_without_its_distance_can_change_anywhere():
    labels = np.zeros((40, 2000), np.int32)
    labels[10:14, 10::20] = np.arange(1, 101)
    everyone = Objects.found_in(labels)
    found = neighbours(everyone, everyone)
    named = neighbours_to_measure(everyone, everyone.boxes[:1], {"nearest_index": found["nearest_index"]})
    assert len(named) == 100


def test_gaps_of_a_few_objects_are_those_among_all():
    rng = np.random.default_rng(11)
    labels = cells(rng, (400, 400), 0.002)
    labels[rng.integers(0, 400, 300), rng.integers(0, 400, 300)] = np.arange(1000, 1300)
    labels[5, :] = 2000
    everyone = Objects.found_in(labels, spacing=(2.0, 0.7))
    assert len(everyone) > FEW
    expected = nearest_gaps(everyone, everyone)
    for start in range(0, len(everyone), 60):
        some = everyone.take(slice(start, start + 60))
        assert nearest_gaps(some, everyone).tolist() == expected[start : start + 60].tolist()
