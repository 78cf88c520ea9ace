"""Labels with their table beside: where it lies, and that its words come back as they were."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.errors import OutputError
from napari_cellseg.review.saved_labels import read_table, save_labels, table_path


@pytest.mark.parametrize(
    "labels", ["a_labels.tif", "a_labels.ome.tif", "a.tif", "a.ome.tiff", "a_mask.png", "a_cp_masks.tif"]
)
def test_the_table_bears_the_name_of_the_image(labels):
    assert table_path(Path("x") / labels) == Path("x") / "a_features.csv"


def test_words_and_numbers_come_back_as_they_were(tmp_path):
    classes = ["NA", "", 'a, "b"', "null"]
    table = pd.DataFrame(
        {
            "index": [1, 2, 3, 7],
            "class": classes,
            "confidence": [0.1 + 0.2, np.nan, 1.0, 0.5],
            "status": ["accepted", "edited", "predicted", "added"],
        }
    )
    save_labels(tmp_path / "a_labels.ome.tif", np.array([[1, 2], [3, 7]]), table)
    found = read_table(tmp_path / "a_labels.ome.tif")
    pd.testing.assert_frame_equal(found, table, check_dtype=False, check_exact=True)
    assert found["confidence"].dtype == np.float64


def test_a_table_of_something_else_is_not_taken(tmp_path):
    (tmp_path / "a_features.csv").write_text("index,area\n1,2\n1,3\n")
    assert read_table(tmp_path / "a_labels.tif") is None
    (tmp_path / "a_features.csv").write_text("")
    with pytest.raises(OutputError, match="a_features"):
        read_table(tmp_path / "a_labels.tif")
