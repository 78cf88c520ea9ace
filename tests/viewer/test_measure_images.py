"""The images of a measured layer: their rows, their growth, contacts between classes."""

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Labels

from napari_cellseg.errors import OptionError
from napari_cellseg.events import drain
from napari_cellseg.features.images import measure_images
from napari_cellseg.features.tables import read_table
from napari_cellseg.viewer.measure_images import (
    GrowthChoices,
    cells_of,
    contacts_line,
    contacts_problem,
    describing,
    enriching_layer,
    fit_frames,
    frame_interval,
    growth_line,
    images_line,
    saving_contacts,
    saving_growth,
    saving_images,
)
from napari_cellseg.viewer.measure_inputs import read_labels
from napari_cellseg.viewer.measure_run import MeasureChoices, make_request, measuring_layer
from napari_cellseg.viewer.measured_layer import MeasuredLayer


def field(count: int) -> np.ndarray:
    """So many squares of 16 pixels that touch each other, in lines of six."""
    numbers = np.where(np.arange(36) < count, np.arange(1, 37), 0).reshape(6, 6)
    return np.kron(numbers, np.ones((4, 4))).astype(np.int32)


def measured_layer(layer: Labels) -> MeasuredLayer:
    labels = read_labels(layer)
    choices = MeasureChoices(pixel_size=labels.pixel_size.size)
    measured = MeasuredLayer(make_request(layer, labels, choices), lambda seconds, action: None)
    measured.replace(drain(measuring_layer(measured.request)))
    return measured


def film(**options: object) -> MeasuredLayer:
    layers = {"axis_labels": ("t", "y", "x"), "scale": (1800, 0.5, 0.5), "units": ("s", "µm", "µm")}
    return measured_layer(Labels(np.stack([field(n) for n in (4, 8, 16)]), name="film", **layers | options))


def classed(kinds: list[str]) -> MeasuredLayer:
    layer = Labels(field(36))
    layer.features = {"index": range(37), "class": ["", *kinds * 6]}
    return measured_layer(layer)


def test_frames_are_those_of_measure_images() -> None:
    measured = film()
    described = drain(describing(measured))
    direct = measure_images(measured.layer.data, axes="TYX", scale=0.5, unit="µm")
    assert described.frames.equals(direct)
    assert described.frames.attrs["units"]["density"] == "1/µm²"
    assert images_line(described) == "3 images, 4 to 16 cells, confluence 11.1 to 44.4 %"
    assert described.cells.equals(cells_of(measured))
    measured.layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 0)
    measured.flush()
    assert not described.cells.equals(cells_of(measured))


def test_the_time_step_comes_from_the_layer() -> None:
    assert frame_interval(film().request) == (0.5, "h")
    assert frame_interval(film(scale=(120, 1, 1)).request) == (2, "min")
    assert frame_interval(film(units=("pixel", "µm", "µm")).request) is None
    assert frame_interval(classed(["a"] * 6).request) is None


def test_growth_in_a_line() -> None:
    described = drain(describing(film()))
    line = growth_line(described, GrowthChoices(interval=0.5))
    assert line == "Count doubles in 0.5 h (95 % interval 0.5 to 0.5 h), R² 1.00."
    assert growth_line(described, GrowthChoices()).startswith("Count doubles in 1 frames")
    some = GrowthChoices("confluence", interval=0.5, frames=(1, 2))
    assert growth_line(described, some).endswith("R² 1.00. Through 2 of 3 times.")
    assert fit_frames(described, some)[0].n == 2


def test_what_is_saved_says_where_it_comes_from(tmp_path: Path) -> None:
    described, choices = drain(describing(film())), GrowthChoices(interval=0.5)
    drain(saving_images(described, choices, tmp_path / "frames.csv", excel=False))
    saved = read_table(tmp_path / "frames.csv")
    assert saved["time"].tolist() == [0, 0.5, 1]
    settings = saved.attrs["provenance"]["settings"]
    assert settings["layer"] == "film"
    assert settings["growth"]["doubling_time"] == pytest.approx(0.5)
    drain(saving_growth(described, choices, tmp_path / "growth.svg"))
    text = (tmp_path / "growth.svg").read_text(encoding="utf-8")
    assert "doubles in 0.5 h" in text
    assert "doubling_time" in text


def test_contacts_of_classes_apart(tmp_path: Path) -> None:
    measured = classed(["left"] * 3 + ["right"] * 3)
    contacts = drain(enriching_layer(measured, shuffles=100))
    assert "left and right touch less often" in contacts_line(contacts)
    drain(saving_contacts(contacts, tmp_path / "pairs.csv", excel=False))
    assert read_table(tmp_path / "pairs.csv").attrs["provenance"]["settings"]["shuffles"] == 100


def test_why_there_are_no_contacts_is_said() -> None:
    assert "tab Measure" in contacts_problem(None)
    assert "they have none" in contacts_problem(film())
    one = classed(["left", "", "left"] * 2)
    assert "only 'left'" in contacts_problem(one)
    with pytest.raises(OptionError, match="two classes"):
        enriching_layer(one)
