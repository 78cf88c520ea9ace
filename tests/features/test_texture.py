"""Texture is that of scikit-image's co-occurrence matrices, and of the paper's formulas for the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import graycomatrix, graycoprops

from napari_cellseg.features.objects import Objects
from napari_cellseg.features.texture import FEATURES, LEVELS, texture

ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
SKIMAGE = {
    "angular_second_moment": "ASM",
    "contrast": "contrast",
    "correlation": "correlation",
    "variance": "variance",
    "inverse_difference_moment": "homogeneity",
    "entropy": "entropy",
}


def grey_levels(values):
    """Levels of an object's intensities from 1 on, so that 0 is left for what is around it."""
    span = np.ptp(values)
    if span == 0:
        return np.ones(values.shape, np.uint8)
    return np.minimum((values - values.min()) / span * LEVELS, LEVELS - 1).astype(np.uint8) + 1


def matrices(mask, image):
    """Co-occurrence (levels, levels, 4) inside of a mask, of the directions that have pairs."""
    levels = np.zeros(mask.shape, np.uint8)
    levels[mask] = grey_levels(image[mask])
    found = graycomatrix(levels, [1], ANGLES, levels=LEVELS + 1, symmetric=True)[1:, 1:]
    return found[..., found.sum(axis=(0, 1))[0] > 0]


def entropy(p):
    return -(p[p > 0] * np.log(p[p > 0])).sum()


def by_formula(matrix):
    """The features that scikit-image lacks, written as in the paper."""
    p = matrix / matrix.sum()
    i, j = np.indices(p.shape)
    plus, minus = np.bincount((i + j).ravel(), p.ravel()), np.bincount(abs(i - j).ravel(), p.ravel())
    px = p.sum(axis=1)
    product = np.outer(px, px)
    hxy, hx = entropy(p), entropy(px)
    hxy1 = -(p[product > 0] * np.log(product[product > 0])).sum()
    k, average = np.arange(len(plus)), np.arange(len(plus)) @ plus
    d = np.arange(len(minus))
    return {
        "sum_average": average,
        "sum_variance": (k - average) ** 2 @ plus,
        "sum_entropy": entropy(plus),
        "difference_variance": d**2 @ minus - (d @ minus) ** 2,
        "difference_entropy": entropy(minus),
        "information_correlation_1": (hxy - hxy1) / hx if hx > 0 else 0,
        "information_correlation_2": np.sqrt(max(0, 1 - np.exp(-2 * (entropy(product) - hxy)))),
    }


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([(22, 19), (1, 20), (20, 1)]), st.booleans())
def test_texture_is_that_of_the_matrices(seed, shape, smooth):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < 0.3, 0, rng.integers(1, 4, shape) * 5).astype(np.int32)
    labels[shape[0] // 3 :, shape[1] // 3 :] = 5
    image = rng.normal(0, 1, shape)
    if smooth:
        image = np.cumsum(np.cumsum(image, axis=0), axis=1)
    found = texture(Objects.found_in(labels), image[..., None])
    assert list(found) == [f.name for f in FEATURES]
    for row, label in enumerate(np.unique(labels[labels > 0])):
        glcm = matrices(labels == label, image)
        if glcm.shape[-1] == 0:
            assert all(np.isnan(values[row]) for values in found.values())
            continue
        for name, theirs in SKIMAGE.items():
            expected = graycoprops(glcm, theirs).mean()
            assert found[f"haralick_{name}"][row] == pytest.approx(expected, rel=1e-6, abs=1e-9), name
        formulas = [by_formula(glcm[..., 0, k]) for k in range(glcm.shape[-1])]
        for name in formulas[0]:
            expected = np.mean([f[name] for f in formulas])
            assert found[f"haralick_{name}"][row] == pytest.approx(expected, rel=1e-6, abs=2e-7), name


def test_an_even_object():
    found = texture(Objects.found_in(np.ones((5, 5), np.int32)), np.full((5, 5, 1), 7.0))
    assert found["haralick_angular_second_moment"][0] == 1
    assert found["haralick_correlation"][0] == 1
    assert found["haralick_contrast"][0] == 0
    assert found["haralick_entropy"][0] == 0
    assert found["haralick_information_correlation_1"][0] == 0


def test_a_board_of_two_levels():
    board = np.indices((8, 8)).sum(axis=0) % 2 * 1000.0
    found = texture(Objects.found_in(np.ones((8, 8), np.int32)), board[..., None])
    assert found["haralick_contrast"][0] == pytest.approx((LEVELS - 1) ** 2 / 2)
    assert found["haralick_correlation"][0] == pytest.approx(0, abs=1e-3)
    assert found["haralick_information_correlation_1"][0] == pytest.approx(-1, abs=2e-3)


def test_texture_does_not_depend_on_gain_or_offset():
    rng = np.random.default_rng(2)
    labels = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((7, 7))).astype(np.int32)
    image = rng.integers(0, 256, labels.shape).astype(float)
    one = texture(Objects.found_in(labels), image[..., None])
    other = texture(Objects.found_in(labels), (image * 4 + 1024)[..., None])
    for name, values in one.items():
        assert values == pytest.approx(other[name]), name


def test_single_pixels_and_missing_pixels():
    labels = np.array([[1, 0, 2, 2, 2]], np.int32)
    found = texture(Objects.found_in(labels), np.array([[3.0, 1.0, 4.0, np.nan, 5.0]])[..., None])
    assert np.isnan(found["haralick_contrast"]).all()
    both = texture(Objects.found_in(labels), np.ones((1, 5, 2)), ("a", "b"))
    assert both["haralick_contrast-b"].tolist() == pytest.approx([np.nan, 0], nan_ok=True)
