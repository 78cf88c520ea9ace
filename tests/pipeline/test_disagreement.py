"""Models that give a mask: whole objects across blocks, how far members disagree, and maps that are kept."""

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.errors import CellSegWarning, OptionError, OutputError
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.pipeline import finding, segment
from napari_cellseg.viewer.detected import detected_objects

MAPS = ("foreground", "distance", "disagreement")
quickly = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class MaskOracle:
    """Mask and distance of what a tile shows; members disagree where it is less bright than 1."""

    device = "cpu"

    def __init__(self, kit, **card):
        fields = {"maps": MAPS, "decoder": MaskDecoding("map"), "max_diameter": 40.0}
        self.card = kit.make_card(**{**fields, **card})

    def predict_maps(self, tiles):
        return np.stack([self._maps(tile[0]) for tile in tiles])[:, : len(self.card.maps)]

    def _maps(self, tile):
        inside = tile > 0.05
        depth = ndimage.distance_transform_edt(np.pad(inside, 30, mode="reflect"))[30:-30, 30:-30]
        distance = np.minimum(depth / 10, 1)
        return np.stack([0.97 * inside, distance, np.where(inside, 1 - tile, 0)]).astype(np.float32)


def discs(shape, seed, gap=-2.0):
    """Image of discs, of a brightness each, and how many there are; with a negative gap neighbours touch."""
    rng = np.random.default_rng(seed)
    image, places = np.zeros(shape, np.float32), []
    y, x = np.ogrid[: shape[0], : shape[1]]
    for _ in range(6 * shape[0] * shape[1] // 300):
        place = rng.uniform(0, shape)
        if all(np.hypot(*(place - p)) > 20 + gap for p in places):
            places.append(place)
            image[(y - place[0]) ** 2 + (x - place[1]) ** 2 <= 100] = rng.choice([0.4, 0.7, 0.9, 1.0])
    image[0, 0] = 1
    return image


@quickly
@given(
    height=st.integers(80, 260),
    width=st.integers(80, 260),
    tile=st.sampled_from([96, 128]),
    block=st.sampled_from([60, 97]),
    seed=st.integers(0, 10**6),
)
def test_cells_in_tiles_and_blocks_are_those_of_the_whole(kit, height, width, tile, block, seed):
    image = discs((height, width), seed)
    model = MaskOracle(kit, scaling={"low_percentile": 0, "high_percentile": 100})
    whole = segment(image, model, tile=512, keep_maps=["disagreement"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "BLOCK_EDGE", block)
        tiled = segment(image, model, tile=tile, keep_maps=["disagreement"])
    assert kit.matched_share(tiled.labels, whole.labels) >= 0.99
    assert sorted(tiled.features["disagreement"]) == pytest.approx(
        sorted(whole.features["disagreement"]), abs=0.02
    )
    assert tiled.maps["disagreement"] == pytest.approx(whole.maps["disagreement"], abs=2e-3)


@pytest.fixture
def spots():
    """Four apart discs of known disagreement: 0.1, 0.3, 0.6 and 0."""
    image = np.zeros((80, 120), np.float32)
    y, x = np.ogrid[:80, :120]
    for (a, b), value in zip(((20, 20), (20, 60), (60, 20), (60, 90)), (0.9, 0.7, 0.4, 1.0), strict=True):
        image[(y - a) ** 2 + (x - b) ** 2 <= 100] = value
    return image


@pytest.fixture
def model(kit):
    return MaskOracle(kit, scaling={"low_percentile": 0, "high_percentile": 100})


def test_each_object_and_candidate_has_the_median_of_its_pixels(model, spots):
    found = segment(spots, model)
    assert list(found.features.columns) == ["index", "confidence", "disagreement", "class"]
    assert found.features["disagreement"].tolist() == pytest.approx([0.1, 0.3, 0.6, 0.0], abs=1e-3)
    with pytest.warns(CellSegWarning, match="No object reaches"):
        weak = segment(spots, model, confidence=1.0)
    assert len(weak.features) == 0
    assert "disagreement" in weak.features
    assert sorted(weak.candidates.instances.disagreement) == pytest.approx([0, 0.1, 0.3, 0.6], abs=1e-3)
    assert found.maps == {}


def test_models_without_the_map_say_nothing_of_it(kit, spots):
    plain = MaskOracle(kit, maps=("foreground", "distance"))
    assert "disagreement" not in segment(spots, plain).features
    alone = MaskOracle(kit, maps=("foreground",), decoder=MaskDecoding("shape"))
    assert len(segment(spots, alone).features) == 4


def test_the_slider_knows_the_disagreement_of_hidden_objects_too(kit, spots):
    model = MaskOracle(kit, scaling={"low_percentile": 0, "high_percentile": 100})
    stack = np.stack([spots, spots[::-1]])
    with pytest.warns(CellSegWarning, match="No object reaches"):
        result = segment(stack, model, confidence=1.0, axes="TYX")
    found = detected_objects(result, ("cell",))
    assert len(found.features) == 8
    assert sorted(found.features["disagreement"])[::2] == pytest.approx([0, 0.1, 0.3, 0.6], abs=1e-3)
    assert set(found.features["t"]) == {0, 1}


def test_linked_objects_have_the_mean_of_their_pieces(model, spots):
    stack = np.stack([spots, np.where(spots == 0.7, 0.9, spots)])
    found = segment(stack, model, axes="ZYX", link="z")
    expected = [0.1, 0.2, 0.6, 0.0]
    assert found.features["disagreement"].tolist() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_kept_maps_lie_on_the_pixels_of_the_image(kit, spots, scale):
    model = MaskOracle(kit, scaling={"low_percentile": 0, "high_percentile": 100}, diameter=20 * scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "BLOCK_EDGE", 37)
        found = segment(spots, model, diameter=20, keep_maps=MAPS)
    assert set(found.maps) == set(MAPS)
    for kept in found.maps.values():
        assert (kept.shape, kept.dtype) == (spots.shape, np.float16)
    inner = ndimage.binary_erosion(spots > 0, iterations=4)
    assert found.maps["disagreement"][inner] == pytest.approx((1 - spots)[inner], abs=0.02)
    outer = ~ndimage.binary_dilation(spots > 0, iterations=6)
    assert np.abs(found.maps["foreground"][outer]).max() < 0.01
    edge = found.maps["foreground"][20, 5:16].astype(float)
    assert 10 + np.interp(0.48, edge, np.arange(-5, 6)) == pytest.approx(9.5, abs=0.6)


def test_a_region_keeps_its_part_and_the_whole_agrees(model, spots):
    whole = segment(spots, model, keep_maps=["foreground"]).maps["foreground"]
    part = segment(spots, model, keep_maps=["foreground"], region=(slice(10, 50), slice(30, 90)))
    kept = part.maps["foreground"]
    assert np.array_equal(kept[10:50, 30:90], whole[10:50, 30:90])
    kept[10:50, 30:90] = 0
    assert not kept.any()


def test_maps_lie_beside_a_store_of_labels(model, spots, tmp_path):
    out = tmp_path / "cells.zarr"
    found = segment(spots, model, out=out, keep_maps=["disagreement"])
    beside = zarr.open_array(tmp_path / "cells_disagreement.zarr", mode="r")
    assert beside.dtype == np.float16
    assert np.array_equal(beside[:], found.maps["disagreement"][:])
    assert beside[60, 20] == pytest.approx(0.6, abs=1e-3)
    (tmp_path / "more_foreground.zarr").mkdir()
    with pytest.raises(OutputError, match=r"more_foreground\.zarr' exists"):
        segment(spots, model, out=tmp_path / "more.zarr", keep_maps=["foreground"])


@pytest.mark.parametrize(
    "names, words", [(["offset_y"], "its maps are foreground"), ("foreground", "a list of names")]
)
def test_maps_that_are_not_there_are_refused(model, spots, names, words):
    with pytest.raises(OptionError, match=words):
        segment(spots, model, keep_maps=names)


def test_models_of_objects_have_no_maps_to_keep(kit, spots):
    with pytest.raises(OptionError, match="gives objects, not maps"):
        segment(spots, kit.InstanceOracle(), keep_maps=["disagreement"])
