"""The models inside the wheel: card and weights agree, licences allow shipping them, they find cells."""

import numpy as np
import pytest

from napari_cellseg.evaluation.matching import average_precision
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models import registry
from napari_cellseg.models.card import file_hash
from napari_cellseg.models.registry import check_model, list_models, load_model
from napari_cellseg.pipeline import segment

BUNDLED = [entry for entry in list_models() if entry.origin == "bundled"]
FREE_LICENCES = {"CC0-1.0", "CC-BY-4.0", "Apache-2.0", "MIT", "BSD-3-Clause"}
WHEEL_LIMIT = 10_000_000


def test_nuclei_and_phase_are_bundled():
    assert [entry.card.name for entry in BUNDLED] == ["nuclei", "phase"]


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.card.name)
def test_card_and_weights_agree(entry):
    card = entry.card
    assert file_hash(entry.path) == card.sha256
    assert entry.path.stat().st_size <= WHEEL_LIMIT
    model = load_model(entry.card.name, "cpu")
    check_model(model)
    (graph_input,) = model._network.inputs
    (graph_output,) = model._network.outputs
    assert graph_input.shape[1] == card.channels == 3
    assert graph_output.shape[1] == len(card.maps) == 4


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.card.name)
def test_the_card_says_where_it_comes_from(entry):
    card = entry.card
    assert card.licence == "BSD-3-Clause"
    assert card.data
    assert {source.licence for source in card.data} <= FREE_LICENCES
    assert all(source.citation and source.train_objects > 0 for source in card.data)
    assert card.not_for


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.card.name)
def test_the_card_names_each_image_by_the_hash_of_its_pixels(entry):
    learnt, checked = set(entry.card.trained_on), set(entry.card.validated_on)
    assert len(learnt) == sum(source.train_images for source in entry.card.data)
    assert len(checked) == sum(source.validation_images for source in entry.card.data)
    assert not learnt & checked


def test_no_weights_without_a_card():
    folder = registry.bundled_folder()
    assert {path.stem for path in folder.glob("*.onnx")} == {path.stem for path in folder.glob("*.json")}


def test_tiles_of_any_allowed_shape_give_the_same_maps_every_time():
    model = load_model("nuclei", "cpu")
    multiple = model.card.tile_multiple
    rng = np.random.default_rng(0)
    for height, width in ((multiple, multiple), (5 * multiple, 2 * multiple)):
        tiles = rng.random((2, 3, height, width), np.float32)
        maps = model.predict_maps(tiles)
        assert maps.shape == (2, 4, height, width)
        assert np.isfinite(maps).all()
        assert np.array_equal(maps, model.predict_maps(tiles))
    assert maps[:, 0].min() >= 0
    assert maps[:, 0].max() <= 1


def test_phase_finds_whole_cells_of_any_size():
    for diameter in ((30.0, 50.0), (60.0, 100.0)):
        field = simulate_brightfield((600, 700), diameter=diameter, defocus=0.2, noise=0.1, seed=3)
        found = segment(field.image, "phase", device="cpu")
        assert average_precision(found.labels, field.labels).ap[0] > 0.7
        scale = found.provenance["resolved"]["scale"]
        assert 15 < scale * sum(diameter) / 2 < 60
