"""Contacts of classes against chance in planes and volumes."""

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Progress
from napari_cellseg.features.classes import contact_enrichment
from napari_cellseg.features.enrichment import DEFINITIONS, measure_enrichment, measuring_enrichment
from napari_cellseg.features.objects import Objects
from napari_cellseg.statistics.correction import corrected_p


def tiles(rows: int, columns: int) -> np.ndarray:
    """Square cells that all touch, numbered line by line."""
    return np.kron(np.arange(1, rows * columns + 1).reshape(rows, columns), np.ones((4, 4))).astype(np.int32)


KNOWN = pd.DataFrame({"index": range(1, 37), "class": (["a"] * 3 + ["b"] * 3) * 6})


def test_a_plane_is_what_its_objects_give():
    found = measure_enrichment(tiles(6, 6), KNOWN, shuffles=40, seed=2)
    direct = contact_enrichment(Objects.found_in(tiles(6, 6)), KNOWN["class"].tolist(), shuffles=40, seed=2)
    pd.testing.assert_frame_equal(found, direct)
    assert found.attrs["definitions"].keys() == set(found.columns) == DEFINITIONS.keys()


def test_every_plane_has_its_rows_and_p_is_corrected_for_all():
    stack = np.stack([tiles(6, 6), np.zeros((24, 24), np.int32), tiles(6, 6)[::-1]])
    found = measure_enrichment(stack, KNOWN, axes="TYX", shuffles=40)
    assert found["t"].tolist() == [0, 0, 0, 2, 2, 2]
    assert found["contacts"].sum() == 2 * (60 + 50)  # corners touch too
    np.testing.assert_allclose(found["p_corrected"], corrected_p(found["p"]))
    assert "z_score" in found
    volume = measure_enrichment(stack, KNOWN, axes="ZYX", volume=True, shuffles=5)
    assert len(volume) == 3


def test_objects_without_a_class_take_no_part():
    known = KNOWN.assign(**{"class": ["", None, "a", "b", "", "b"] * 6})
    found = measure_enrichment(tiles(6, 6), known, shuffles=5)
    assert set(found["class"]) | set(found["other"]) == {"a", "b"}


def test_it_takes_two_classes():
    for table, words in ((None, "have none"), (KNOWN.assign(**{"class": "a"}), "only 'a'")):
        with pytest.raises(OptionError, match=words):
            measure_enrichment(tiles(6, 6), table)


def test_it_can_be_followed_over_all_planes():
    steps = list(measuring_enrichment(np.stack([tiles(6, 6)] * 2), KNOWN, axes="TYX", shuffles=3))
    assert steps[0] == Progress("Shuffling classes", 0, 6)
    assert [step.done for step in steps] == [0, 1, 2, 3, 4, 5, 6]
