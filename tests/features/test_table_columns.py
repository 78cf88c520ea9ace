"""Which columns of a table are meant by a name."""

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.errors import OptionError
from napari_cellseg.features.measuring import measure
from napari_cellseg.features.table_columns import column_feature, named_columns, usual_columns


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    labels = np.zeros((30, 30), np.int32)
    labels[2:9, 2:8] = 1
    labels[12:20, 12:25] = 2
    image = np.stack([labels, 2 * labels], -1).astype(np.float32)
    return measure(labels, image, channels=["DNA", "actin"])


def test_usual_columns_are_sizes_shapes_and_intensities(table: pd.DataFrame) -> None:
    found = usual_columns(table)
    assert {"area", "perimeter", "eccentricity", "intensity_mean-DNA", "intensity_mean-actin"} <= set(found)
    assert not {"index", "bbox-0", "centroid-0", "orientation"} & set(found)
    assert {column_feature(name).group for name in found} == {"size", "shape", "intensity"}


def test_a_table_without_known_features_is_compared_by_its_numbers() -> None:
    table = pd.DataFrame({"well": ["a"], "index": [1], "brightness": [2.0], "t": [0]})
    assert usual_columns(table) == ["brightness"]
    assert column_feature("brightness") is None


def test_a_name_means_columns(table: pd.DataFrame) -> None:
    assert named_columns(table, ["area"]) == ["area"]
    channels = ["intensity_mean-DNA", "intensity_mean-actin"]
    assert named_columns(table, ["intensity_mean", "area", channels[0]]) == [*channels, "area"]
    assert named_columns(table, ["default"]) == usual_columns(table)
    shapes = named_columns(table, ["shape"])
    assert "eccentricity" in shapes
    assert "area" not in shapes


def test_an_unknown_name_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match="Did you mean 'perimeter'"):
        named_columns(table, ["area", "perimetre"])
