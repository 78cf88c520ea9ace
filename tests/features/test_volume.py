"""Objects in three dimensions are measured as scikit-image measures them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number, marching_cubes, mesh_surface_area, regionprops

from napari_cellseg.features.hull import hull
from napari_cellseg.features.measuring import measure
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.volume import FEATURES, volume


def blobs(rng, shape, smooth):
    """Labels with several pieces, tunnels, contacts with the border, gaps in the numbering."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), smooth)
    parts = rng.choice(300, 4, replace=False)[rng.integers(0, 4, shape)] + 1
    parts = np.where(rng.random(shape) < 0.7, parts.flat[0], parts)
    return np.where(field > 0, parts, 0).astype(np.int32)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(7, 9, 11), (1, 6, 7), (5, 1, 1), (3, 12, 4)]),
    st.floats(0, 1.5),
    st.booleans(),
)
def test_volume_is_that_of_scikit_image(seed, shape, smooth, stretched):
    rng = np.random.default_rng(seed)
    labels = blobs(rng, shape, smooth)
    spacing = tuple(rng.uniform(0.3, 3, 3)) if stretched else (1.0, 1.0, 1.0)
    objects = Objects.found_in(labels, spacing=spacing)
    found = volume(objects)
    assert list(found) == [f.name for f in FEATURES]
    for row, props in enumerate(regionprops(labels, spacing=spacing)):
        mask = np.pad(props.image, 1)
        mesh = mesh_surface_area(*marching_cubes(mask, 0.5, spacing=spacing)[:2])
        assert found["surface_area"][row] == pytest.approx(mesh, rel=1e-6)
        assert found["euler_number"][row] == props.euler_number
        scale = props.inertia_tensor_eigvals[0]
        for i in range(3):
            expected = props.inertia_tensor_eigvals[i]
            assert found[f"inertia_tensor_eigvals-{i}"][row] == pytest.approx(expected, 1e-6, 1e-9 * scale)
            for j in range(3):
                entry = found[f"inertia_tensor-{i}-{j}"][row]
                assert entry == pytest.approx(props.inertia_tensor[i, j], rel=1e-6, abs=1e-9 * scale)
        for name in ("axis_major_length", "axis_minor_length"):
            assert found[name][row] ** 2 == pytest.approx(props[name] ** 2, rel=1e-6, abs=1e-9 * scale)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([(7, 9, 11), (4, 5, 6)]), st.floats(0, 2), st.booleans())
def test_hull_is_that_of_scikit_image(seed, shape, smooth, stretched):
    rng = np.random.default_rng(seed)
    labels = blobs(rng, shape, smooth)
    spacing = tuple(rng.uniform(0.3, 3, 3)) if stretched else (1.0, 1.0, 1.0)
    found = hull(Objects.found_in(labels, spacing=spacing))
    for row, props in enumerate(regionprops(labels, spacing=spacing)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flat = props.area_convex == 0
        if not flat:
            assert found["area_convex"][row] == pytest.approx(props.area_convex)
            assert found["solidity"][row] == pytest.approx(props.solidity)
            assert found["feret_diameter_max"][row] == pytest.approx(props.feret_diameter_max)


def test_flat_objects_have_a_hull_too():
    labels = np.zeros((3, 8, 9), np.int32)
    labels[1, 2:6, 3:8] = 2
    labels[0, 0, 0] = 3
    found = hull(Objects.found_in(labels, spacing=(2.0, 1.0, 1.0)))
    assert found["area_convex"].tolist() == [40, 2]
    assert found["solidity"].tolist() == [1, 1]
    assert found["feret_diameter_max"] == pytest.approx([np.hypot(5, 3), 2])


def test_a_ball():
    radius = 14
    z, y, x = np.mgrid[-16:17, -16:17, -16:17]
    ball = (z**2 + y**2 + x**2 <= radius**2).astype(np.int32)
    objects = Objects.found_in(ball, spacing=(0.5, 0.5, 0.5))
    found = volume(objects)
    assert found["surface_area"][0] == pytest.approx(np.pi * radius**2, rel=0.1)
    assert 0.9 < found["sphericity"][0] < 0.95
    assert found["axis_major_length"][0] == pytest.approx(radius, rel=0.02)
    assert found["axis_middle_length"][0] == pytest.approx(radius, rel=0.02)
    assert found["euler_number"][0] == 1
    assert hull(objects)["feret_diameter_max"][0] == pytest.approx(radius + 0.5, rel=0.03)


def test_tunnels_and_cavities_count():
    labels = np.zeros((6, 6, 6), np.int32)
    labels[1:4, 1:4, 1:4] = 1
    labels[2, 2, 2] = 0
    labels[5, 1:4, 1:4] = 2
    labels[5, 2, 2] = 0
    found = volume(Objects.found_in(labels))["euler_number"]
    assert found.tolist() == [2, 0]
    assert found.tolist() == [euler_number(labels == k, 3) for k in (1, 2)]


def test_a_volume_is_measured_by_name_and_with_units():
    labels = np.zeros((5, 9, 9), np.int32)
    labels[1:4, 2:7, 2:7] = 4
    table = measure(labels, scale=(2, 1, 1), unit="µm", volume=True, features=["volume", "solidity"])
    assert table["index"].tolist() == [4]
    assert table.attrs["units"]["surface_area"] == "µm²"
    assert table["solidity"].tolist() == [1]
