"""Objects come out the same whether a plane is seen at once or in tiles, decoded at once or in blocks."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cellseg.pipeline import finding, segment

KINDS = ("disc", "ellipse", "rod", "crescent")
quickly = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quickly
@given(
    height=st.integers(40, 330),
    width=st.integers(40, 330),
    tile=st.sampled_from([96, 128, 176]),
    overlap=st.sampled_from([40, 48]),
    block=st.sampled_from([60, 97, 150]),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
)
def test_maps_in_tiles_and_blocks(kit, height, width, tile, overlap, block, kind, seed):
    labels = np.pad(kit.draw_objects((height, width), kind=kind, seed=seed), 8)
    image = kit.as_image(labels)
    whole = segment(image, kit.PixelOracle(spoilt=0), tile=512)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "BLOCK_EDGE", block)
        tiled = segment(image, kit.PixelOracle(overlap=overlap), tile=tile)
    assert kit.matched_share(tiled.labels, whole.labels) >= 0.99
    assert kit.matched_share(whole.labels, labels) >= 0.95


@quickly
@given(
    height=st.integers(40, 330),
    width=st.integers(40, 330),
    tile=st.sampled_from([96, 128, 176]),
    overlap=st.sampled_from([16, 32, 48]),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
)
def test_instances_in_tiles(kit, height, width, tile, overlap, kind, seed):
    labels = kit.draw_objects((height, width), kind=kind, seed=seed)
    whole = segment(kit.as_image(labels), kit.InstanceOracle(), tile=512)
    tiled = segment(kit.as_image(labels), kit.InstanceOracle(overlap=overlap), tile=tile)
    assert kit.matched_share(tiled.labels, whole.labels) >= 0.99
    assert kit.matched_share(whole.labels, labels) >= 0.95


@quickly
@given(
    size=st.integers(150, 400),
    scale=st.sampled_from([0.4, 0.5, 0.8, 1.5, 2.0]),
    block=st.sampled_from([80, 130]),
    pixels=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_other_scales(kit, size, scale, block, pixels, seed):
    diameters = (16 / scale, 30 / scale)
    labels = kit.draw_objects((size, size + 30), diameter=diameters, gap=max(2, 2.5 / scale), seed=seed)
    image = 1000.0 * (labels > 0)
    oracle = kit.PixelOracle if pixels else kit.InstanceOracle
    model = oracle(exact=False, spoilt=0)
    whole = segment(image, model, tile=1024, diameter=20 / scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "BLOCK_EDGE", block)
        tiled = segment(image, model, tile=96, diameter=20 / scale)
    one = 1 / max(1, whole.labels.max())
    assert kit.matched_share(tiled.labels, whole.labels) >= 1 - max(0.01, 1.001 * one)
    assert kit.matched_share(whole.labels, labels, iou=0.75) >= 0.95


def test_objects_larger_than_the_overlap_are_united_from_pieces(kit):
    labels = kit.draw_objects((420, 500), diameter=(90, 120), seed=3)
    image = kit.as_image(labels)
    found = segment(image, kit.InstanceOracle(overlap=16, max_diameter=130), tile=96)
    assert kit.matched_share(found.labels, labels) >= 0.99


def test_neighbouring_blocks_neither_lose_nor_repeat_objects_on_their_border(kit):
    labels = np.zeros((200, 400), np.int32)
    for i, x in enumerate(range(20, 380, 24)):
        labels[90 + i % 3 : 111 + i % 3, x : x + 21] = i + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "BLOCK_EDGE", 100)
        found = segment(kit.as_image(labels), kit.PixelOracle(spoilt=0), tile=512)
    assert len(found.features) == labels.max()
    assert np.array_equal(found.labels > 0, labels > 0)
