"""Calibrating, scoring and carding a model."""

from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.card import read_card
from napari_cellseg.models.registry import bundled_folder
from napari_cellseg.training.pictures import write_pictures, write_reliability
from napari_cellseg.training.releasing import Release, release, scaled_maps
from napari_cellseg.training.samples import Sample


def simulated(source: str, seed: int, diameter: float) -> Sample:
    found = simulate_fluorescence(
        (260, 300), diameter=(0.8 * diameter, 1.2 * diameter), seed=seed, objects=int(36000 / diameter**2)
    )
    return Sample(f"{source}{seed}", source, found.image[..., None], found.labels, "grey", diameter)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [simulated("small", seed, 22) for seed in range(3)] + [
        simulated("large", seed, 70) for seed in range(3)
    ]


@pytest.fixture(scope="module")
def released(samples: list[Sample]) -> Release:
    folder = bundled_folder()
    card = read_card(folder / "nuclei.json").model_copy(
        update={"sha256": "0" * 64, "default_diameter": "auto", "own_scale": (15.0, 40.0), "scores": ()}
    )
    return release(card, folder / "nuclei.onnx", samples)


def test_the_card_holds_what_was_measured(released: Release, samples: list[Sample]) -> None:
    card = released.card
    assert card.sha256 == read_card(bundled_folder() / "nuclei.json").sha256
    assert {s.data for s in card.scores} == {"small", "large"}
    ap = {s.data: s.value for s in card.scores if s.metric == "AP50"}
    for name, value in ap.items():
        counts = [s.counts for s in released.segmented if s.sample.source == name]
        hits = sum(int(c.tp[0]) for c in counts)
        assert value == pytest.approx(hits / sum(int(c.tp[0] + c.fp[0] + c.fn[0]) for c in counts), abs=1e-4)
    assert ap["small"] > 0.6
    assert sum(b.objects for b in card.calibration) == released.calibration.rows["all"]["objects"]
    assert card.decoder is not None
    assert card.decoder.confidence == released.calibration.coefficients


def test_large_objects_are_scaled_and_small_ones_are_not(released: Release, samples: list[Sample]) -> None:
    assert [s.scale == 1 for s in released.segmented] == [True] * 3 + [False] * 3
    scaled = released.as_dict()["scaled"]
    assert set(scaled) == {f"large/large{i}" for i in range(3)}
    assert all(0.2 < scale < 0.6 for scale in scaled.values())


def test_maps_are_those_of_the_chosen_scale(samples: list[Sample]) -> None:
    from napari_cellseg.models.registry import load_model

    (maps,) = scaled_maps(load_model("nuclei", "cpu"), samples[:1])
    assert maps.shape[0] == 4
    truth = samples[0].labels > 0
    scale = maps.shape[1] / truth.shape[0]
    rows = (np.arange(truth.shape[0]) * scale).astype(int)
    columns = (np.arange(truth.shape[1]) * scale).astype(int)
    found = maps[0][rows[:, None], columns] > 0.5
    assert (found & truth).sum() > 0.8 * (found | truth).sum()


def test_pictures_and_diagrams_are_drawn(released: Release, tmp_path: Path) -> None:
    from skimage.io import imread

    write_pictures(released.segmented, tmp_path / "page.png")
    write_reliability(released.calibration, tmp_path / "curve.png")
    for name in ("page.png", "curve.png"):
        assert imread(tmp_path / name)[..., :3].std() > 20
