"""diameter="auto" finds the size of the objects."""

import numpy as np
import pytest

from napari_cellseg.pipeline import segment


@pytest.mark.parametrize("diameter", [8, 14, 24, 45, 90])
@pytest.mark.parametrize("pixels", [True, False])
def test_the_diameter_of_discs_is_estimated(kit, diameter, pixels):
    shape = (max(300, 6 * diameter), max(300, 7 * diameter))
    labels = kit.draw_objects(shape, diameter=(0.9 * diameter, 1.1 * diameter), gap=0.25 * diameter, seed=1)
    model = kit.PixelOracle(exact=False, spoilt=0) if pixels else kit.InstanceOracle(exact=False)
    found = segment(100.0 * (labels > 0), model, diameter="auto")
    assert found.provenance["resolved"]["diameter"] == pytest.approx(diameter, rel=0.2)
    assert kit.matched_share(found.labels, labels, iou=0.7) > 0.9


def test_large_planes_are_looked_at_where_something_is_seen(kit):
    image = np.zeros((6000, 6000), np.uint8)
    labels = kit.draw_objects((500, 500), diameter=(38, 42), gap=4, seed=1)
    image[2700:3200, 1300:1800] = 100 * (labels > 0)
    model = kit.PixelOracle(exact=False, spoilt=0)
    found = segment(image, model, diameter="auto", region=(slice(2700, 2800), slice(1300, 1400)))
    assert found.provenance["resolved"]["diameter"] == pytest.approx(40, rel=0.2)
    assert sum(np.prod(s[2:]) for s in model.shapes[:10]) < 1.3e6


def test_stacks_are_measured_once_on_a_plane_that_shows_something(kit):
    labels = kit.draw_objects((200, 200), diameter=(28, 32), gap=4, seed=1)
    stack = np.zeros((5, 200, 200))
    stack[1] = 100 * (labels > 0)
    model = kit.PixelOracle(exact=False, spoilt=0)
    with pytest.warns(match="one intensity"):
        found = segment(stack, model, diameter="auto")
    assert found.provenance["resolved"]["diameter"] == pytest.approx(30, rel=0.2)


def test_a_model_may_measure_by_default(kit):
    labels = kit.draw_objects((300, 300), diameter=(38, 42), gap=5, seed=1)
    stages = []
    model = kit.PixelOracle(exact=False, spoilt=0, default_diameter="auto")
    segment(100.0 * (labels > 0), model, progress=lambda step: stages.append((step.stage, step.detail)))
    assert ("Estimating object size", "40 px") in stages or ("Estimating object size", "39 px") in stages


@pytest.mark.parametrize(
    ("diameter", "scale"), [(30, 1.0), (12, (30 * 20) ** 0.5 / 12), (70, (30 * 45) ** 0.5 / 70)]
)
def test_objects_that_the_network_knows_keep_the_scale_of_their_image(kit, diameter, scale):
    labels = kit.draw_objects((400, 400), diameter=(0.95 * diameter, 1.05 * diameter), gap=5, seed=1)
    model = kit.PixelOracle(exact=False, spoilt=0, diameter=30.0, own_scale=(20.0, 45.0))
    image = 100.0 * (labels > 0)
    for choice in (diameter, "auto"):
        resolved = segment(image, model, diameter=choice).provenance["resolved"]
        assert resolved["diameter"] == pytest.approx(diameter, rel=0.2)
        assert resolved["scale"] == pytest.approx(scale, rel=0.2)
        assert (resolved["scale"] == 1) == (scale == 1)


def test_nothing_to_measure_falls_back_with_a_warning(kit):
    model = kit.PixelOracle(exact=False, spoilt=0)
    model.predict_maps = lambda tiles: np.zeros((len(tiles), 4, *tiles.shape[2:]), np.float32)
    with pytest.warns(match="could not be estimated"), pytest.warns(match="not even weak"):
        found = segment(np.random.default_rng(0).random((90, 90)), model, diameter="auto")
    assert found.provenance["resolved"]["scale"] == 1.0
