"""Feret diameters and circles: equal to scikit-image, to brute force, to analytic shapes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from skimage.draw import disk, polygon
from skimage.measure import find_contours, regionprops_table
from skimage.morphology import convex_hull_image

from napari_cellseg.features.feret import FEATURES, feret
from napari_cellseg.features.objects import Objects

SPACINGS = st.sampled_from([(1.0, 1.0), (0.3, 0.3), (2.0, 0.5)])


def ferets_of(labels, spacing=(1.0, 1.0)):
    return feret(Objects.found_in(np.asarray(labels, np.int32), spacing=spacing))


def scattered(seed, height, width, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    mask[0, 0] = True
    return mask


def outline(mask, spacing):
    """Middles of the sides of pixels of the object at its outline."""
    return np.vstack(find_contours(np.pad(mask, 2), 0.5, fully_connected="high")) * spacing


def widths(points, angles):
    across = points @ np.stack([np.cos(angles), np.sin(angles)])
    return across.max(0) - across.min(0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([(40, 48), (12, 9), (1, 20), (9, 1)]), SPACINGS)
def test_the_largest_diameter_is_that_of_scikit_image(odd_objects, seed, size, spacing):
    labels = odd_objects(seed, size)
    expected = regionprops_table(labels, properties=("feret_diameter_max",), spacing=spacing)
    np.testing.assert_allclose(
        ferets_of(labels, spacing)["feret_diameter_max"], expected["feret_diameter_max"], rtol=1e-9
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 20), st.floats(0.01, 0.6), SPACINGS)
def test_diameters_are_widths_of_the_object_in_their_directions(seed, height, width, share, spacing):
    mask = scattered(seed, height, width, share)
    measured = {name: values[0] for name, values in ferets_of(mask, spacing).items()}
    points, hull = outline(mask, spacing), outline(convex_hull_image(mask), spacing)
    turns = np.linspace(0, np.pi, 1800)
    assert measured["feret_diameter_min"] <= widths(points, turns).min() + 1e-9
    for what, around in (("min", points), ("max", hull)):
        angle = measured[f"feret_angle_{what}"]
        assert -np.pi / 2 < angle <= np.pi / 2
        expected = widths(around, np.array([angle]))[0]
        assert measured[f"feret_diameter_{what}"] == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.floats(0.2, 1.0), SPACINGS)
def test_the_inscribed_circle_is_that_of_brute_force(seed, height, width, share, spacing):
    mask = np.pad(scattered(seed, height, width, share), 1)
    apart = np.argwhere(mask)[:, None] - np.argwhere(~mask)[None]
    beyond = np.maximum(np.abs(apart) - 0.5, 0) * spacing
    expected = np.sqrt((beyond**2).sum(-1)).min(1).max()
    measured = ferets_of(mask[1:-1, 1:-1], spacing)["inscribed_circle_radius"][0]
    assert measured == pytest.approx(expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.floats(0.01, 0.6), SPACINGS)
def test_the_enclosing_circle_is_the_smallest(seed, height, width, share, spacing):
    """No smaller than any two or three points need, and large enough for all of them."""
    mask = scattered(seed, height, width, share)
    points = np.unique(outline(mask, spacing), axis=0)
    radius = ferets_of(mask, spacing)["enclosing_circle_radius"][0]
    needed = cdist(points, points).max() / 2
    chosen = np.random.default_rng(seed).permutation(len(points))[:12]
    for a, b, c in combinations(points[chosen], 3):
        sides = np.sort([np.linalg.norm(a - b), np.linalg.norm(b - c), np.linalg.norm(c - a)])
        if sides[2] ** 2 < sides[0] ** 2 + sides[1] ** 2:
            double = abs(np.linalg.det(np.stack([b - a, c - a])))
            needed = max(needed, np.prod(sides) / (2 * double))
    assert radius >= needed * (1 - 1e-9)
    assert radius <= needed * 2 / np.sqrt(3) * (1 + 1e-9) or len(points) > 12
    centres = np.stack(np.meshgrid(*(np.linspace(lo, hi, 60) for lo, hi in _ranges(points))), -1)
    assert radius <= cdist(centres.reshape(-1, 2), points).max(1).min() + 1e-9


def _ranges(points):
    return zip(points.min(0), points.max(0), strict=True)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5)])
def test_a_disc(spacing):
    labels = np.zeros((130, 130), np.int32)
    labels[disk((64, 64), 60)] = 1
    measured = {name: values[0] for name, values in ferets_of(labels, spacing).items()}
    for name in ("feret_diameter_max", "feret_diameter_min"):
        assert measured[name] == pytest.approx(120 * spacing[0], rel=0.02)
    for name in ("inscribed_circle_radius", "enclosing_circle_radius"):
        assert measured[name] == pytest.approx(60 * spacing[0], rel=0.02)


def test_a_slanted_bar():
    """A bar of 100 × 20 whose long axis leaves the rows' axis by 30 degrees; with corners cut off."""
    turn = np.deg2rad(30)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    corners = [100 + a * 50 * along + b * 10 * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    labels = np.zeros((200, 200), np.int32)
    labels[polygon(*np.transpose(corners))] = 1
    measured = {name: values[0] for name, values in ferets_of(labels).items()}
    assert measured["feret_diameter_min"] == pytest.approx(20, abs=1)
    assert measured["feret_diameter_max"] == pytest.approx(np.hypot(100, 20), abs=1)
    assert np.mod(measured["feret_angle_min"], np.pi) == pytest.approx(turn + np.pi / 2, abs=0.02)
    assert abs(measured["feret_angle_max"] - turn) == pytest.approx(np.arctan2(20, 100), abs=0.06)
    assert measured["inscribed_circle_radius"] == pytest.approx(10, abs=1)


def test_a_single_pixel():
    measured = {name: values[0] for name, values in ferets_of(np.ones((1, 1))).items()}
    assert measured["feret_diameter_max"] == 1
    assert measured["feret_diameter_min"] == pytest.approx(np.sqrt(0.5))
    assert (measured["inscribed_circle_radius"], measured["enclosing_circle_radius"]) == (0.5, 0.5)


def test_columns_are_those_of_the_registry():
    for labels in (np.ones((6, 6)), np.zeros((6, 6))):
        measured = ferets_of(labels)
        assert list(measured) == [f.name for f in FEATURES]
        assert {str(values.dtype) for values in measured.values()} == {"float64"}
