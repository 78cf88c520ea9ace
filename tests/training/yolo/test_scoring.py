"""Scores of a trained network: images are segmented once, and the confidence is chosen afterwards."""

import numpy as np
import pytest

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.pipeline import segment
from napari_cellseg.training.yolo.scoring import keep_candidates


@pytest.mark.parametrize("confidence", [0.2, 0.6, 0.9])
def test_candidates_that_are_kept_are_what_segment_finds(confidence: float) -> None:
    scene = simulate_fluorescence((160, 200), objects=24, diameter=(14, 26), noise=0.3, bits=16, seed=5)
    with pytest.warns(CellSegWarning, match="No object reaches the confidence"):
        found = segment(scene.image, "nuclei", axes="YX", diameter=20, confidence=1.0)
    assert not found.labels.any()
    assert len(np.unique(found.candidates.instances.scores)) > 5
    kept = keep_candidates(found, confidence, ("nucleus",))
    wanted = segment(scene.image, "nuclei", axes="YX", diameter=20, confidence=confidence)
    assert sorted(kept.features.confidence) == sorted(wanted.features.confidence)
    assert kept.features["index"].is_unique
    assert set(np.unique(kept.labels)) - {0} == set(kept.features["index"])
    same = {(a, b) for a, b in zip(kept.labels.ravel().tolist(), wanted.labels.ravel().tolist(), strict=True)}
    assert len(same) == len(wanted.features) + 1  # the same pixels, by other numbers
    assert len(kept.candidates) + len(kept.features) == len(found.candidates)
    assert kept.candidates.instances.scores.max(initial=0) < confidence
