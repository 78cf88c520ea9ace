"""Comparing groups of cells of layers and of tables, without Qt."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg.errors import OptionError
from napari_cellseg.events import drain
from napari_cellseg.features.tables import read_table, sidecar_path, write_table
from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.compare_run import (
    CellTable,
    CompareChoices,
    are_paired,
    comparing,
    feature_columns,
    group_columns,
    group_values,
    has_measurements,
    is_outdated,
    layers_table,
    likely_replicates,
    make_request,
    reading_cells,
    replicate_columns,
    request_sentence,
    saving_comparison,
    saving_figure,
    with_pattern,
)
from napari_cellseg.viewer.measure_inputs import read_labels
from napari_cellseg.viewer.measure_run import MeasureChoices, measuring_layer
from napari_cellseg.viewer.measure_run import make_request as measure_request
from napari_cellseg.viewer.measured_layer import MeasuredLayer


def squares(growth: int) -> np.ndarray:
    """Nine squares, the later ones larger, in steps of `growth`."""
    labels = np.zeros((90, 90), np.int32)
    for i in range(9):
        y, x = divmod(i, 3)
        labels[30 * y + 2 : 30 * y + 8 + growth * i, 30 * x + 2 : 30 * x + 10] = i + 1
    return labels


def add(
    viewer: ViewerModel, name: str, growth: int, size: float | None = 0.5, later: Later | None = None
) -> MeasuredLayer:
    layer = viewer.add_labels(squares(growth), name=name)
    layer.features = {"index": range(10), "class": ["", *"aaaaabbbb"], "confidence": [0, *[0.9] * 9]}
    known = read_labels(layer)
    choices = MeasureChoices(("area", "eccentricity"), (), known.pixel_size.size)
    if size is not None:
        layer.scale = (size, size)
        layer.units = ("µm", "µm")
        known = read_labels(layer)
        choices = MeasureChoices(("area", "eccentricity"), (), known.pixel_size.size)
    request = measure_request(layer, known, choices)
    measured = MeasuredLayer(request, later)
    measured.replace(drain(measuring_layer(request)))
    return measured


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Three wells of each of two conditions, ten cells each, two classes."""
    rng = np.random.default_rng(3)
    parts = [
        pd.DataFrame(
            {
                "image": f"{condition}_{well}_s1",
                "index": np.arange(1, 11),
                "class": ["live", "dead"] * 5,
                "area": rng.normal(100 + 30 * (condition == "drug"), 5, 10),
                "bbox-0": 3,
            }
        )
        for condition, wells in (("control", "ABC"), ("drug", "DEF"))
        for well in wells
    ]
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = {"area": "µm²"}
    write_table(table, tmp_path / "plate.csv")
    return tmp_path / "plate.csv"


def test_layers_come_together_with_their_units(viewer: ViewerModel) -> None:
    measured = [add(viewer, "control", 0), add(viewer, "drug", 1)]
    cells = layers_table([found.layer for found in measured], measured)
    assert cells.table.columns[0] == "layer"
    assert cells.table["layer"].tolist() == ["control"] * 9 + ["drug"] * 9
    assert cells.table.attrs["units"]["area"] == "µm²"
    assert group_columns(cells.table) == ["class", "layer"]
    assert likely_replicates(cells, "class") == "layer"
    assert likely_replicates(cells, "layer") is None
    assert feature_columns(cells.table, ["class", None]) == ["confidence", "area", "eccentricity"]


def test_a_class_of_one_layer_over_cells(viewer: ViewerModel) -> None:
    measured = add(viewer, "cells", 1)
    cells = layers_table([measured.layer], [measured])
    assert group_columns(cells.table) == ["class"]
    request = make_request(cells, CompareChoices("class", ("area",)))
    words = request_sentence(request)
    assert words.startswith("Compares 1 feature: a: 5 cells; b: 4 cells.")
    assert "none given; cells are taken as independent" in words
    result = drain(comparing(request))
    (row,) = result.found.table.to_dict("records")
    assert (row["feature"], row["first"], row["second"], row["unit"]) == ("area", "a", "b", "µm²")
    assert row["mean_second"] == 0.25 * np.mean([8 * (6 + k) for k in range(5, 9)])


def test_a_comparison_is_outdated_once_cells_are_others(viewer: ViewerModel) -> None:
    waiting: list[Callable[[], None]] = []
    measured = add(viewer, "cells", 1, later=lambda seconds, action: waiting.append(action))
    cells = layers_table([measured.layer], [measured])
    result = drain(comparing(make_request(cells, CompareChoices("class", ("area",)))))
    assert not is_outdated(result, layers_table([measured.layer], [measured]))
    reviewed = layers_table([measured.layer], [measured])
    assert not is_outdated(result, replace(reviewed, table=reviewed.table.assign(status="predicted")))
    assert is_outdated(result, replace(reviewed, table=reviewed.table.drop(columns="area")))
    measured.layer.fill((4, 4), 0)
    for action in waiting:
        action()
    assert is_outdated(result, layers_table([measured.layer], [measured]))
    other = add(viewer, "others", 1)
    assert not is_outdated(result, layers_table([other.layer], [other]))


def test_a_table_of_the_layer_itself_is_enough(viewer: ViewerModel) -> None:
    layer = Labels(squares(1), name="opened")
    assert not has_measurements(layer)
    with pytest.raises(OptionError, match="'opened' is not measured yet"):
        layers_table([layer], [])
    layer.features = {"index": range(10), "class": ["", *"aaaaabbbb"], "area": range(10)}
    assert has_measurements(layer)
    assert layers_table([layer], []).table["area"].tolist() == list(range(1, 10))


def test_layers_in_different_units_are_refused(viewer: ViewerModel) -> None:
    measured = [add(viewer, "a", 0), add(viewer, "b", 0, size=None)]
    with pytest.raises(OptionError, match="area is in px² in 'b' and in µm² elsewhere"):
        layers_table([found.layer for found in measured], measured)
    with pytest.raises(OptionError, match="Measure a labels layer first"):
        layers_table([], measured)


def test_a_plate_from_file_to_files(plate: Path, tmp_path: Path) -> None:
    cells = with_pattern(drain(reading_cells(plate)), "{condition}_{well}_*")
    assert group_columns(cells.table) == ["condition", "well", "class", "image"]
    assert replicate_columns(cells.table, "condition") == ["well", "image"]
    assert likely_replicates(cells, "condition") == "image"
    assert not are_paired(cells.table, "condition", "image")
    assert group_values(cells.table, "condition") == ["control", "drug"]
    choices = CompareChoices("condition", ("area",), replicates="well", control="drug")
    request = make_request(cells, choices)
    assert "control: 3 replicates, 30 cells; drug: 3 replicates, 30 cells" in request_sentence(request)
    result = drain(comparing(request))
    assert result.found.table["first"].tolist() == ["drug"]
    paths = drain(saving_comparison(result, tmp_path / "r.csv", excel=True))
    assert paths == [tmp_path / "r.csv", sidecar_path(tmp_path / "r.csv")]
    origin = read_table(tmp_path / "r.csv").attrs["provenance"]
    assert origin["source"]["pattern"] == "{condition}_{well}_*"
    assert origin["source"]["path"] == str(plate)
    assert json.loads(json.dumps(result.provenance["settings"])) == origin["settings"]
    for feature in ("area", None):
        drain(saving_figure(result, tmp_path / f"{feature}.svg", feature, None))
        assert "replicates" in (tmp_path / f"{feature}.svg").read_text(encoding="utf-8")


def test_classes_in_the_same_images_are_paired(plate: Path) -> None:
    cells = drain(reading_cells(plate))
    assert are_paired(cells.table, "class", "image")
    assert not are_paired(cells.table, "class", None)
    request = make_request(cells, CompareChoices("class", ("area",), replicates="image", paired=True))
    assert request_sentence(request).endswith("(image), in pairs.")
    assert drain(comparing(request)).found.pairs["n_replicates"].tolist() == [6]


def test_names_that_do_not_fit_are_told(plate: Path) -> None:
    cells = drain(reading_cells(plate))
    assert with_pattern(cells, "  ") is cells
    with pytest.raises(OptionError, match="does not fit the pattern"):
        with_pattern(cells, "{line}-{well}")
    with pytest.raises(OptionError, match="Tick at least one feature"):
        make_request(cells, CompareChoices("class", ()))


def test_cells_without_a_class_are_a_group(viewer: ViewerModel) -> None:
    measured = add(viewer, "cells", 1)
    measured.layer.features = {**measured.layer.features, "class": ["", *["mitotic"] * 4, *[""] * 5]}
    cells = layers_table([measured.layer], [])
    request = make_request(cells, CompareChoices("class", ("area",)))
    assert "mitotic: 4 cells; no class: 5 cells" in request_sentence(request)


def test_columns_of_mixed_kinds_have_an_order() -> None:
    table = pd.DataFrame({"dose": [10, "none", 2, None], "area": [1.0, 2, 3, 4]})
    assert group_values(table, "dose") == ["10", "2", "none"]
    cells = CellTable(table, "image", {})
    assert likely_replicates(cells, "dose") is None
