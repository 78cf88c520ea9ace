"""Outputs, options and models that cannot be used are refused in words, before or while a job runs."""

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_cellseg.errors import AxesError, CellSegWarning, ModelError, OptionError
from napari_cellseg.images.planes import open_planes
from napari_cellseg.pipeline import preflight, segment


@pytest.fixture
def image(kit):
    return kit.as_image(kit.draw_objects((120, 140), gap=3, seed=2))


@pytest.fixture
def oracle(kit):
    return kit.PixelOracle(spoilt=0)


def test_labels_never_overwrite_the_image(image, oracle, tmp_path):
    raw = (image * 1000).astype(np.int32)
    before = raw.copy()
    for out in (raw, raw[:], raw.reshape(120, 140)):
        with pytest.raises(OptionError, match="the image itself"):
            segment(raw, oracle, out=out)
    assert np.array_equal(raw, before)
    stored = zarr.create_array(
        store=str(tmp_path / "i.zarr"), shape=raw.shape, chunks=(64, 64), dtype="int32"
    )
    stored[:] = raw
    with pytest.raises(OptionError, match="the image itself"):
        segment(stored, oracle, out=zarr.open_array(str(tmp_path / "i.zarr"), mode="r+"))
    assert np.array_equal(stored[:], before)


def test_an_output_that_cannot_be_written_into(image, oracle, tmp_path):
    frozen = np.zeros(image.shape, np.int32)
    frozen.flags.writeable = False
    path = str(tmp_path / "o.zarr")
    zarr.create_array(store=path, shape=image.shape, chunks=(64, 64), dtype="int32")
    for out in (frozen, zarr.open_array(path, mode="r"), da.zeros(image.shape, dtype=np.int32)):
        with pytest.raises(OptionError, match="written into"):
            segment(image, oracle, out=out)


@pytest.mark.parametrize("tile", ["x", True, 64.5, 128.0, np.float64(128), 0, -5, 7, 10_000])
def test_tiles_that_make_no_sense(image, oracle, tile):
    with pytest.raises(OptionError, match="tile must be"):
        segment(image, oracle, tile=tile)


@pytest.mark.parametrize("planes", [5, "01", [0.5], [True], [], [3], [-1]])
def test_planes_that_are_not_there(image, oracle, planes):
    with pytest.raises(OptionError, match="planes must be"):
        segment(np.stack([image] * 3), oracle, planes=planes)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda maps: maps * np.nan, "no numbers"),
        (lambda maps: maps[:, :2], "must return maps of shape"),
        (lambda maps: maps[..., :-16], "must return maps of shape"),
    ],
)
@pytest.mark.parametrize("diameter", [None, "auto"])
def test_maps_that_do_not_fit_the_card(image, oracle, spoil, words, diameter):
    class Spoilt:
        card, device = oracle.card, "cpu"

        def predict_maps(self, tiles):
            return spoil(oracle.predict_maps(tiles))

    with pytest.raises(ModelError, match=words):
        segment(image, Spoilt(), diameter=diameter)


def test_dask_arrays_of_unknown_size():
    array = da.ones((40, 40), chunks=10)
    with pytest.raises(AxesError, match="compute_chunk_sizes"):
        open_planes(array[array.sum(axis=1) > 0])


def test_colours_that_are_not_uint8_are_asked_about():
    colours = np.zeros((30, 40, 3), np.uint16)
    with pytest.warns(CellSegWarning, match="axes='YXS'"):
        assert len(open_planes(colours)) == 30
    assert open_planes(colours, axes="YXS").is_rgb


@pytest.mark.parametrize("region", [5, "x", (1, 2), (slice("a", "b"), slice(0, 5)), (slice(0, 5),)])
def test_regions_that_are_none(image, oracle, region):
    with pytest.raises(OptionError, match="region must be"):
        segment(image, oracle, region=region)


def test_preflight_says_what_a_run_would_refuse_or_warn_about(image, oracle):
    raw = image.astype(np.int32)
    assert "the image itself" in preflight(raw, oracle, out=raw).problems[0]
    array = da.ones((40, 40), chunks=10)
    assert "compute_chunk_sizes" in preflight(array[array.sum(axis=1) > 0], oracle).problems[0]
    assert any("axes='YXS'" in text for text in preflight(np.zeros((30, 40, 3)), oracle).suggestions)
