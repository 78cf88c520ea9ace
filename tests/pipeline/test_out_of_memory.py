"""A device that runs out of memory costs time, not labels."""

import numpy as np
import pytest

from napari_cellseg.errors import CellSegWarning, OutOfMemoryError
from napari_cellseg.pipeline import FinishedRegion, run, segment


@pytest.fixture
def field(kit):
    labels = np.pad(kit.draw_objects((400, 500), seed=5), 8)
    return labels, kit.as_image(labels)


def test_tiles_are_halved_until_they_fit(kit, field):
    truth, image = field
    model = kit.Forgetful(150 * 150, tile=512)
    with pytest.warns(CellSegWarning, match="with tiles of 512"), pytest.warns(match="with tiles of 256"):
        found = segment(image, model, tile=512)
    assert kit.matched_share(found.labels, truth) >= 0.99
    assert max(np.prod(s) for s in model.shapes) <= 150 * 150
    assert found.provenance["resolved"]["tile"][0] <= 128


def test_a_plane_that_was_begun_is_erased_and_done_again(kit, field, monkeypatch):
    truth, image = field
    stack = np.stack([image, image[::-1]])
    model = kit.Forgetful(130 * 130, after=11, tile=256)
    shown = np.zeros(stack.shape, np.int32)
    replaced = []

    def show(step):
        region = step.payload
        if not isinstance(region, FinishedRegion):
            return
        window = shown[(*region.index, region.y, region.x)]
        np.copyto(window, region.labels, where=region.replace | (region.labels > 0))
        replaced.append(region.replace)

    monkeypatch.setattr("napari_cellseg.pipeline.finding.BLOCK_EDGE", 100)
    monkeypatch.setattr("napari_cellseg.pipeline.tiling.BATCH_PIXELS", 1)
    with pytest.warns(CellSegWarning, match="ran out of memory"):
        found = segment(stack, model, tile=256, progress=show)
    assert any(replaced)
    assert np.array_equal(shown, found.labels)
    for labels, true in zip(found.labels, (truth, truth[::-1]), strict=True):
        assert kit.matched_share(labels, true) >= 0.99
    assert np.array_equal(np.unique(found.labels), np.arange(len(found.features) + 1))


def test_the_cpu_takes_over_where_the_smallest_tile_is_too_large(kit, field, monkeypatch):
    truth, image = field
    asked = []

    def load(model, device):
        asked.append((model, device))
        return kit.PixelOracle()

    monkeypatch.setattr(run, "load_model", load)
    monkeypatch.setattr(run, "entry_of", lambda card: card)
    with pytest.warns(CellSegWarning, match="the CPU goes on"):
        found = segment(image, kit.Forgetful(10))
    assert asked == [("oracle", "cpu")]
    assert found.provenance["model"]["device"] == "cpu"
    assert kit.matched_share(found.labels, truth) >= 0.99


def test_a_model_that_cannot_be_loaded_again_passes_the_error_on(kit, field):
    with pytest.raises(OutOfMemoryError):
        segment(field[1], kit.Forgetful(10))
