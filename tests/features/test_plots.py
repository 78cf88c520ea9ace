"""Figures: what is drawn and written in them, and in the metadata of their files."""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_cellseg.errors import OptionError, OutputError
from napari_cellseg.features.figures import save_figure
from napari_cellseg.features.group_plots import plot_effects, plot_groups, spread_sideways
from napari_cellseg.features.plots import plot_by_group, plot_histogram, plot_scatter
from napari_cellseg.statistics.groups import compare_groups

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cells(groups: tuple[str, ...] = ("control", "drug"), n: int = 240) -> pd.DataFrame:
    """Cells of five wells per group, with units."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"condition": rng.choice(groups, n), "day": rng.choice([*"abcde"], n)})
    table["well"] = table["condition"] + table["day"]
    table["area"] = rng.normal(100, 10, n) + 8 * (table["condition"] == groups[-1])
    table["perimeter"] = 4 * np.sqrt(table["area"])
    table["same"] = 1.0
    table.attrs["units"] = {"area": "µm²", "perimeter": "µm"}
    return table


def written(figure: "Figure") -> str:
    """All texts of a figure."""
    axes = figure.axes[0]
    parts = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
    parts += [t.get_text() for t in (*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels())]
    return "\n".join([*parts, figure.get_supxlabel()])


@pytest.mark.parametrize("kind", ["violin", "box"])
def test_superplot_shows_cells_replicates_effect_and_p(kind: str) -> None:
    found = compare_groups(cells(), "condition", replicates="well")
    figure = plot_groups(found, "area", kind=kind)  # type: ignore[arg-type]
    assert figure.get_size_inches() == pytest.approx((85 / 25.4, 75 / 25.4))
    texts = written(figure)
    row = found.table.set_index("feature").loc["area"]
    assert "area (µm²)" in texts
    assert "n = 5" in texts
    assert f"Hedges' g {row['effect_value']:.3g}" in texts
    assert "p " in texts
    drawn = [c.get_offsets() for c in figure.axes[0].collections if hasattr(c, "get_offsets")]
    points = np.concatenate([o for o in drawn if len(o) > 1])
    assert sorted(points[:, 1]) == pytest.approx(sorted(found.cells["area"]))
    averages = found.cells.groupby("well")["area"].mean()
    markers = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_markeredgecolor() == "black"]
    assert {round(m, 6) for m in averages} <= {round(float(m), 6) for m in markers}


def test_cells_taken_as_replicates_are_named_in_the_figure() -> None:
    figure = plot_groups(compare_groups(cells(), "condition"), "area")
    assert "taken as independent" in written(figure)
    assert "n =" not in written(figure)


def test_many_groups_show_the_test_of_all() -> None:
    found = compare_groups(cells(("a", "b", "c", "d", "e")), "condition", replicates="well")
    figure = plot_groups(found, "area")
    assert figure.get_size_inches()[0] == pytest.approx(174 / 25.4)
    assert "squared" in figure.axes[0].get_title()


def test_many_cells_are_thinned_and_said_to_be() -> None:
    figure = plot_groups(compare_groups(cells(n=4000), "condition", replicates="well"), "area")
    assert "of more cells 1,000 per group are drawn" in written(figure)


def test_paired_replicates_are_joined() -> None:
    table = cells()
    paired = plot_groups(compare_groups(table, "condition", replicates="day", paired=True), "area")
    apart = plot_groups(compare_groups(table, "condition", replicates="day"), "area")
    assert len(paired.axes[0].lines) == len(apart.axes[0].lines) + 5


@pytest.mark.parametrize("case", ["same", "empty", "absent", "single"])
def test_what_cannot_be_tested_is_drawn_all_the_same(tmp_path: Path, case: str) -> None:
    table = cells()
    if case == "empty":
        table.loc[table["condition"] == "drug", "area"] = np.nan
    if case == "single":
        table = table.groupby("condition").head(1)
    groups = ["control", "placebo"] if case == "absent" else None
    found = compare_groups(table, "condition", groups=groups, replicates="well")
    for kind in ("violin", "box"):
        figure = plot_groups(found, "same" if case == "same" else "area", kind=kind)  # type: ignore[arg-type]
        assert ("no test" in written(figure)) == (case != "same")
    save_figure(figure, tmp_path / "figure.png", dpi=50)
    effects = plot_effects(found)
    assert ("no feature could be compared" in written(effects)) == (case in ("absent", "single"))


def test_effects_are_ordered_and_named() -> None:
    found = compare_groups(cells(), "condition", replicates="well")
    figure = plot_effects(found, effect="cliffs_delta")
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["same", "area", "perimeter"] or labels == ["same", "perimeter", "area"]
    assert "Cliff's delta among replicates,\n95 % interval" in written(figure)
    assert "drug against control" in written(figure)
    with pytest.raises(OptionError, match="not compared in this order"):
        plot_effects(found, pair=("drug", "control"))
    with pytest.raises(OptionError, match="effect must be one of"):
        plot_effects(found, effect="d")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="feature must be one of"):
        plot_groups(found, "volume")


def test_histogram_counts_every_finite_cell() -> None:
    table = cells()
    table.loc[:9, "area"] = np.nan
    figure = plot_histogram(table, "area")
    (filled, *_) = figure.axes[0].patches
    assert filled.get_data().values.sum() == 230
    assert "area (µm²)" in written(figure)
    shares = plot_histogram(table, "area", by="condition", bins=7)
    assert [p.get_data().values.sum() for p in shares.axes[0].patches] == pytest.approx([1] * 4)
    assert plot_histogram(table.iloc[:10], "area").axes[0].patches[0].get_data().values.sum() == 0


def test_scatter_draws_cells_with_both_values() -> None:
    table = cells()
    table.loc[:9, "area"] = np.nan
    figure = plot_scatter(table, "area", "perimeter", by="condition")
    drawn = sum(len(c.get_offsets()) for c in figure.axes[0].collections)
    assert drawn == 230
    labels = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert labels[0].startswith("control (")
    with pytest.raises(OptionError, match="no column 'volume'"):
        plot_scatter(table, "area", "volume")
    with pytest.raises(OptionError, match="column of numbers"):
        plot_histogram(table, "well")


def test_files_say_where_they_come_from(tmp_path: Path) -> None:
    found = compare_groups(cells(), "condition", replicates="well")
    figure = plot_groups(found, "area")
    for suffix in ("png", "svg", "pdf"):
        save_figure(
            figure, tmp_path / f"f.{suffix}", provenance={**found.settings, "unit": "µm²"}, title="Fig"
        )
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == pytest.approx(85 / 25.4 * 300, abs=1)
        said = json.loads(image.info["Description"])
        assert image.info["Software"].startswith("napari-cellseg")
    assert (said["by"], said["replicates"], said["unit"]) == ("condition", "well", "µm²")
    svg = (tmp_path / "f.svg").read_text(encoding="utf-8")
    description = ElementTree.fromstring(svg).find(".//{http://purl.org/dc/elements/1.1/}description")
    assert description is not None
    assert json.loads(description.text or "")["unit"] == "µm²"
    assert "area (µm²)" in svg
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(OptionError, match="end in"):
        save_figure(figure, tmp_path / "f.jpg")
    with pytest.raises(OutputError):
        save_figure(figure, tmp_path / "missing" / "f.png")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("make", [plot_histogram, lambda t, f: plot_scatter(t, f, "perimeter")])
def test_figures_need_no_window(make: "Callable[[pd.DataFrame, str], Figure]") -> None:
    before = "matplotlib.pyplot" in sys.modules
    make(cells(), "area")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_points_stay_with_their_group() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=500), rng.normal(size=3), np.ones(50), np.array([1.0]), np.zeros(0)):
        offsets = spread_sideways(values)
        assert len(offsets) == len(values)
        assert (np.abs(offsets) <= 0.36).all()
    heavy = spread_sideways(np.concatenate([rng.normal(0, 0.1, 500), [5.0, -5.0]]))
    assert np.abs(heavy[-2:]).max() < 0.05 < np.abs(heavy[:500]).max()


@pytest.mark.parametrize("kind", ["violin", "box"])
def test_groups_side_by_side_without_a_test(kind: str) -> None:
    table = cells()
    selected = (table["area"] > 115).to_numpy()
    figure = plot_by_group(table, "area", "condition", kind=kind, selected=selected)  # type: ignore[arg-type]
    texts = written(figure)
    assert "area (µm²)" in texts
    assert f"control\n{(table['condition'] == 'control').sum()}" in texts
    assert f"{selected.sum()} selected of 240 cells" in texts
    assert "p " not in texts
    with pytest.raises(OptionError, match="violin or box"):
        plot_by_group(table, "area", "condition", kind="bar")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool", "Int64", "category", "str"])
def test_groups_of_any_type(dtype: str) -> None:
    table = cells().set_index("area", drop=False)
    table["t"] = pd.array(np.arange(len(table)) % 2, "int64")
    table["t"] = table["t"].astype(dtype)
    shares = plot_histogram(table, "area", by="t", bins=7)
    assert [p.get_data().values.sum() for p in shares.axes[0].patches] == pytest.approx([1] * 4)
    assert "\n120" in "".join(written(plot_by_group(table, "area", "t")))
    plot_scatter(table, "area", "perimeter", by="t")


def test_a_column_without_values_has_no_groups() -> None:
    table = cells().assign(t=np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not plot_histogram(table, "area", by="t").axes[0].patches
        plot_scatter(table, "area", "perimeter", by="t")
    with pytest.raises(OptionError, match="column of numbers"):
        plot_histogram(table, "condition", by="condition")


def test_groups_stand_in_the_order_of_their_categories() -> None:
    table = cells()
    table["condition"] = pd.Categorical(table["condition"], ["drug", "control"])
    texts = written(plot_by_group(table, "area", "condition"))
    assert texts.index("drug") < texts.index("control")


def test_selected_cells_are_outlined() -> None:
    table, selected = cells(), np.zeros(240, bool)
    selected[:30] = True
    for figure in (
        plot_histogram(table, "area", by="condition", selected=selected),
        plot_scatter(table, "area", "perimeter", selected=selected),
    ):
        assert "black outline: 30 selected of 240 cells" in written(figure)
    assert "selected" not in written(plot_scatter(table, "area", "perimeter", selected=~selected & selected))
    with pytest.raises(OptionError, match="each of the 240 rows"):
        plot_histogram(table, "area", selected=selected[:5])
