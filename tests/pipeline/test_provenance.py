"""A script from the provenance repeats the labels."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.pipeline import segment
from napari_cellseg.provenance import as_script, plain


@pytest.fixture(scope="module")
def field():
    return simulate_fluorescence((160, 190), seed=4).image


def test_the_script_is_valid_python_whatever_was_asked_for(kit):
    image = kit.as_image(kit.draw_objects((120, 120)))
    for options in (
        {},
        {"diameter": "auto", "tile": 96},
        {"region": (slice(0, 90), slice(5, 80)), "pixel_size": (0.5, 0.4)},
        {"confidence": 0.3, "device": "cpu", "axes": "yx"},
    ):
        found = segment(image, kit.PixelOracle(), **options)
        script = as_script(found.provenance)
        compile(script, "script", "exec")
        assert "model='oracle'" in script
    assert "axes='YX'" in as_script({**found.provenance, "parameters": {}})


def test_running_the_script_gives_the_same_labels(field, tmp_path):
    expected = segment(np.stack([field, field[::-1]]), confidence=0.6, link="z", diameter="auto")
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, np.stack([field, field[::-1]]))
    expected.provenance["image"]["path"] = str(path)
    script = tmp_path / "again.py"
    script.write_text(as_script(expected.provenance), encoding="utf-8")
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)
    assert np.array_equal(tifffile.imread(tmp_path / "cells_labels.tif"), expected.labels)
    assert (tmp_path / "cells_features.csv").read_text().count("\n") == len(expected.features) + 1


def test_plain_values():
    given = {"a": slice(1, None), "b": (np.int64(3), np.float32(0.5)), "c": np.arange(2), "d": None}
    assert plain(given) == {"a": [1, None], "b": [3, 0.5], "c": [0, 1], "d": None}


def test_the_bundled_model_finds_simulated_nuclei(kit):
    truth = simulate_fluorescence((400, 420), seed=3)
    found = segment(truth.image)
    assert kit.matched_share(found.labels, truth.labels, iou=0.5) > 0.8
    again = segment(truth.image)
    assert np.array_equal(found.labels, again.labels)
    tiled = segment(truth.image, tile=192)
    assert kit.matched_share(tiled.labels, found.labels) >= 0.95
