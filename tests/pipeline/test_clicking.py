"""Objects grown from one click, with maps of a window around it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.errors import ModelError, OptionError
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.scaling import IntensityRange
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import segment
from napari_cellseg.pipeline.clicking import MapGrower, is_quick, quick_models


def nothing_taken(y, x):
    return np.zeros((y.stop - y.start, x.stop - x.start), bool)


def pixels_of(grown, shape):
    mask = np.zeros(shape, bool)
    (y, x), (height, width) = grown.origin, grown.mask.shape
    mask[y : y + height, x : x + width] = grown.mask
    return mask


def agreement(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


@pytest.mark.parametrize("diameter", [None, 11.0, 37.0])
def test_a_click_grows_exactly_what_segment_finds(kit, diameter):
    truth = kit.draw_objects((200, 300), gap=5, fill=0.3, seed=4)
    image = kit.as_image(truth)
    oracle = kit.PixelOracle(exact=False, spoilt=0)
    found = segment(image, oracle, diameter=diameter).labels
    grower = MapGrower(open_planes(image), oracle, diameter=diameter)
    compared = 0
    for label, (y, x) in enumerate(ndimage.center_of_mass(truth > 0, truth, range(1, truth.max() + 1)), 1):
        own = found[round(y), round(x)]
        if truth[round(y), round(x)] == label and own:
            mask = pixels_of(grower.grow(0, (y, x), nothing_taken), truth.shape)
            np.testing.assert_array_equal(mask, found == own)
            compared += 1
    assert compared > 10


class Recording:
    """Passes on what a model sees."""

    def __init__(self, oracle):
        self.oracle, self.tiles = oracle, []
        self.card, self.device = oracle.card, "cpu"

    def predict_maps(self, tiles):
        self.tiles.append(tiles.copy())
        return self.oracle.predict_maps(tiles)


@pytest.mark.parametrize("diameter", [None, 13.0])
@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_the_model_sees_the_same_as_in_segment(kit, axes, diameter):
    rng = np.random.default_rng(0)
    image = rng.normal(100, 4, (3, 96, 160)).astype(np.float32)
    image[1] += 500 * (kit.draw_objects((96, 160), gap=4, fill=0.3) > 0)
    model = Recording(kit.PixelOracle(exact=False, tile=256))
    result = segment(image, model, axes=axes, diameter=diameter)
    seen = [tile for batch in model.tiles for tile in batch]
    scale = result.provenance["resolved"]["scale"]
    grower = MapGrower(open_planes(image, axes=axes), model, scale=scale)
    model.tiles.clear()
    for plane in range(3):
        grower.grow(plane, (50, 70), nothing_taken)
    for once, again in zip(seen, (tile for batch in model.tiles for tile in batch), strict=True):
        np.testing.assert_array_equal(once, again)


class Counting:
    """An array that counts the pixels that are read."""

    def __init__(self, data):
        self.data, self.read = data, 0
        self.shape, self.dtype = data.shape, data.dtype

    def __getitem__(self, key):
        part = self.data[key]
        self.read += part.size
        return part


def test_later_clicks_read_a_window_only(kit):
    truth = kit.draw_objects((1200, 1300), gap=5, fill=0.02, seed=1)
    image = Counting(kit.as_image(truth))
    grower = MapGrower(open_planes(image), kit.PixelOracle(exact=False))
    assert not grower.is_ready(0)
    grower.prepare(0)
    assert grower.is_ready(0)
    image.read = 0
    y, x = np.argwhere(truth)[0]
    assert grower.grow(0, (y + 3, x), nothing_taken) is not None
    assert 0 < image.read <= 300**2


def test_known_ranges_spare_looking_at_the_plane(kit):
    image = Counting(kit.as_image(kit.draw_objects((400, 400), gap=5)))
    grower = MapGrower(
        open_planes(image), kit.PixelOracle(exact=False), ranges={0: IntensityRange(0.0, 1000.0)}
    )
    grower.prepare(0)
    assert image.read == 0


def test_other_objects_are_left_out_and_cut_off(kit):
    image = np.zeros((120, 160), np.float32)
    image[40:70, 30:100] = 1000
    grower = MapGrower(open_planes(image), kit.PixelOracle(exact=False, max_diameter=100.0))
    other = np.zeros(image.shape, bool)
    other[40:70, 55:64] = True
    mask = pixels_of(grower.grow(0, (55, 80), lambda y, x: other[y, x]), image.shape)
    assert mask[55, 80]
    assert not np.any(mask & other)
    assert not mask[:, :55].any()


@settings(deadline=None, max_examples=40)
@given(
    st.integers(9, 300),
    st.integers(9, 300),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.2, 3),
    st.integers(0, 99),
)
def test_every_click_stays_in_the_plane_and_off_others(kit, height, width, v, u, scale, seed):
    truth = kit.draw_objects((height, width), gap=2, seed=seed)
    other = (truth > 0) & (truth % 2 == 0)
    grower = MapGrower(open_planes(kit.as_image(truth)), kit.PixelOracle(exact=False), scale=scale)
    point = (v * (height - 1), u * (width - 1))
    found = grower.grow(0, point, lambda y, x: other[y, x])
    if found is not None:
        mask = pixels_of(found, truth.shape)
        assert np.count_nonzero(mask) == np.count_nonzero(found.mask) > 0
        assert not np.any(mask & other)
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        assert 0 <= found.confidence <= 1


def test_clicks_on_nothing(kit):
    image = np.zeros((100, 100), np.float32)
    grower = MapGrower(open_planes(image), kit.PixelOracle())
    assert grower.grow(0, (50, 50), nothing_taken) is None
    image[10:30, 10:30] = 500
    grower = MapGrower(open_planes(image), kit.PixelOracle())
    assert grower.grow(0, (80, 80), nothing_taken) is None
    assert grower.grow(0, (20, 20), nothing_taken) is not None
    with pytest.raises(OptionError, match="on the image"):
        grower.grow(0, (20, 120), nothing_taken)


def test_models_that_give_no_maps_are_refused(kit):
    model = kit.InstanceOracle()
    assert not is_quick(model.card)
    grower = MapGrower(open_planes(np.zeros((50, 50), np.uint8)), model)
    with pytest.raises(ModelError, match="not maps"):
        grower.prepare(0)
    assert not grower.is_ready(0)


def test_only_small_models_without_torch_answer_clicks():
    card = find_model("nuclei").card
    assert {"nuclei", "phase"} <= {entry.card.name for entry in quick_models()}
    assert not is_quick(card.model_copy(update={"backend": "torch"}))
    assert not is_quick(card.model_copy(update={"parameters": 30_000_000}))


def test_the_bundled_model_grows_nuclei_whose_size_nobody_told():
    field = simulate_fluorescence((256, 256), objects=12, touching=0.2, seed=3)
    grower = MapGrower(open_planes(field.image), "nuclei")
    scores = []
    for label in np.unique(field.labels)[1:].tolist():
        own = field.labels == label
        others = (field.labels > 0) & ~own
        depth = ndimage.distance_transform_edt(own)
        point = np.unravel_index(depth.argmax(), depth.shape)
        found = grower.grow(0, point, lambda y, x, others=others: others[y, x])
        scores.append(0.0 if found is None else agreement(pixels_of(found, own.shape), own))
    assert np.median(scores) > 0.85
