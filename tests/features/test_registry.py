"""The registry of features: complete, and with units."""

import pytest

from napari_cellseg.errors import OptionError
from napari_cellseg.features.registry import GROUPS, columns_of, groups, registry, unit_of


def test_every_feature_says_what_it_is():
    for group in GROUPS:
        names = [(f.name, d) for f in group.features for d in f.dims]
        assert len(set(names)) == len(names)
        for feature in group.features:
            assert feature.group == group.name
            assert feature.definition.endswith(".")
            assert feature.formula
            assert feature.source


def test_groups_and_features_by_dimensions():
    assert "size" in groups(2)
    assert registry(2)["area"].default
    assert all(2 in f.dims for f in registry(2).values())


def test_columns_of_a_group():
    assert columns_of("size")[0] == "area"
    with pytest.raises(OptionError, match="must be one of size"):
        columns_of("sise")


def test_units_follow_the_pixels():
    area = registry()["area"]
    assert unit_of(area, "µm") == "µm²"
    assert unit_of(area) == "px²"
