"""The preflight says what will happen or what is wrong, and never raises."""

import warnings

import dask.array as da
import numpy as np
import pytest

from napari_cellseg.pipeline import preflight, segment


def said(found) -> str:
    return " ".join(found.sentences + found.problems + found.suggestions)


def test_a_plain_image(kit):
    found = preflight(np.zeros((300, 400), np.uint16), kit.PixelOracle())
    assert found.is_ready
    assert found.problems == found.suggestions == ()
    assert "400 × 300" in said(found)
    assert "'oracle' on the CPU" in said(found)
    assert f"{found.tiles} tiles" in said(found)


def test_tiles_are_those_of_the_run(kit):
    image = kit.as_image(kit.draw_objects((500, 450)))
    for options in ({}, {"tile": 96}, {"region": (slice(50, 90), slice(0, 60))}, {"diameter": 40}):
        model = kit.PixelOracle()
        expected = preflight(image, model, **options).tiles
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            segment(image, model, **options)
        assert sum(s[0] for s in model.shapes) == expected


def test_nothing_is_read_or_warned(kit):
    def fail(block):
        raise AssertionError("a pixel was read")

    zeros = da.zeros((4, 3, 100, 100), chunks=50, dtype=np.uint16)
    image = zeros.map_blocks(fail, dtype=np.uint16, meta=np.zeros(0, np.uint16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = preflight(image, kit.PixelOracle(), axes="ZCYX")
    assert found.is_ready
    assert "3 channels; the first is used" in said(found)
    assert "Link along z" in said(found)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((0, 4)), {}, "no pixels"),
        (np.zeros((4, 4), complex), {}, "numbers"),
        (np.zeros(7), {}, "dimensions Y and X"),
        (np.zeros((9, 9)), {"model": "nucleii"}, "no model"),
        (np.zeros((9, 9)), {"confidence": 7}, "confidence must be"),
        (np.zeros((9, 9)), {"diameter": 0}, "diameter must be"),
        (np.zeros((9, 9)), {"link": "z"}, "without Z"),
        (np.zeros((9, 9)), {"device": "tpu", "model": "nuclei"}, "device must be"),
        (np.zeros((9, 9)), {"out": np.zeros((2, 2), np.int32)}, "out must be"),
        (np.zeros((9, 9)), {"region": (slice(20, 30), slice(0, 5))}, "region must hold"),
        (np.zeros((9, 9)), {"planes": [1]}, "planes must be"),
        (np.zeros((9, 9)), {"axes": "QX"}, "axes"),
    ],
)
def test_problems_are_told_not_raised(kit, image, options, words):
    found = preflight(image, **{"model": kit.PixelOracle(), **options})
    assert not found.is_ready
    assert found.tiles == 0
    assert any(words in problem for problem in found.problems)
    assert len(set(found.problems)) == len(found.problems)


def test_oblong_pixels_are_told(kit):
    image = np.zeros((90, 90), np.uint8)
    assert "not square" in said(preflight(image, kit.PixelOracle(), pixel_size=(0.5, 1.0)))
    assert "not square" not in said(preflight(image, kit.PixelOracle(), pixel_size=(0.5, 0.51)))
