"""One comparison of groups on napari's models: whose cells, in which groups, over which replicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from napari.layers import Labels

from napari_cellseg.batch.comparing import comparison_provenance, table_source, with_name_fields
from napari_cellseg.batch.labelled import IMAGE
from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress
from napari_cellseg.features.figures import save_figure
from napari_cellseg.features.group_plots import plot_effects, plot_groups
from napari_cellseg.features.table_columns import column_feature
from napari_cellseg.features.tables import read_table, sidecar_path, write_table
from napari_cellseg.statistics.correction import Correction
from napari_cellseg.statistics.group_design import Design, Settings, comparable_columns, make_design
from napari_cellseg.statistics.group_summary import group_sizes, sizes_words
from napari_cellseg.statistics.groups import GroupComparison, comparing_groups
from napari_cellseg.statistics.replicates import Average
from napari_cellseg.viewer.measured_layer import MeasuredLayer

LAYER = "layer"
"""Column that names the layer of a cell."""
NO_CLASS = "no class"
"""Group of the cells without a class."""
MOST_VALUES = 500
"""Different values up to which a column is offered as that of the groups."""
_NO_GROUPS = ("index", "label", "confidence")
_NO_REPLICATES = (*_NO_GROUPS, "class", "status", "origin", "z")
_KNOWN = (IMAGE, LAYER, "class", "t", "z", "status", "origin")
_LIKELY = ("class", LAYER, IMAGE, "t", "z", "status", "origin")


@dataclass(frozen=True, eq=False)
class CellTable:
    """Cells that can be compared.

    Attributes
    ----------
    table : DataFrame
        A row per cell; units in ``attrs["units"]``.
    names : str
        Column of the names of layers or images.
    source : dict
        Where the table comes from.
    """

    table: pd.DataFrame
    names: str
    source: dict[str, Any]


@dataclass(frozen=True)
class CompareChoices:
    """What the form says, besides the cells; see `compare_groups`.

    Attributes
    ----------
    groups : tuple of str or None
        Those to compare; None: all.
    """

    by: str
    features: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    replicates: str | None = None
    paired: bool = False
    control: str | None = None
    test: Literal["auto", "means", "ranks"] = "auto"
    correction: Correction = "benjamini-hochberg"
    average: Average = "mean"


@dataclass(frozen=True, eq=False)
class CompareRequest:
    """A comparison that can be started: the design holds its own copy of the cells."""

    cells: CellTable
    design: Design


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was found, and where the cells came from."""

    cells: CellTable
    found: GroupComparison

    @property
    def provenance(self) -> dict[str, Any]:
        """What is written into every file of it."""
        return comparison_provenance(self.found, self.cells.source)


def layers_table(layers: Sequence[Labels], measured: Sequence[MeasuredLayer]) -> CellTable:
    """The cells of labels layers, the column `LAYER` first.

    Parameters
    ----------
    layers : sequence of napari.layers.Labels
        Whose cells; of those that were not measured since they were opened, the layer's own table is taken,
        which knows no units.
    measured : sequence of MeasuredLayer
        What was measured.

    Raises
    ------
    OptionError
        Where there is no layer, one has no table, or two were measured in different units.
    """
    if not layers:
        raise OptionError("Measure a labels layer first (tab Measure), or choose a table.")
    by_layer = {found.layer: found for found in measured}
    parts, units = [], {}
    for layer in layers:
        rows, own = _rows_of(layer, by_layer.get(layer))
        for name in sorted(set(own) & set(units)):
            if own[name] != units[name]:
                raise OptionError(
                    f"{name} is in {own[name]} in '{layer.name}' and in {units[name]} elsewhere: measure all "
                    "layers in the same unit."
                )
        units |= own
        known = {"class": rows["class"].replace("", NO_CLASS)} if "class" in rows else {}
        parts.append(rows.assign(**{LAYER: layer.name}, **known))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, LAYER, table.pop(LAYER))
    table.attrs["units"] = units
    return CellTable(table, LAYER, {"layers": [layer.name for layer in layers]})


def has_measurements(layer: Labels) -> bool:
    """Whether the layer's own table has a feature."""
    return "index" in layer.features and any(column_feature(str(name)) for name in layer.features)


def reading_cells(path: Path) -> Job[CellTable]:
    """The job that reads a table file."""
    yield Progress("Reading the table", 0, 0, path.name)
    table = read_table(path)
    return CellTable(table, IMAGE, table_source(path, table))


def with_pattern(cells: CellTable, pattern: str) -> CellTable:
    """Cells with a column for each field of their layers' or images' names; as they are without a pattern.

    Raises
    ------
    OptionError
        Where a name does not fit the pattern.
    """
    if not pattern.strip():
        return cells
    table = with_name_fields(cells.table, pattern.strip(), cells.names)
    return CellTable(table, cells.names, {**cells.source, "pattern": pattern.strip()})


def group_columns(table: pd.DataFrame) -> list[str]:
    """Columns that can tell groups apart, the likeliest first: conditions, class, layers, images, time."""
    found = [name for name in _kinds(table, _NO_GROUPS) if 2 <= table[name].nunique() <= MOST_VALUES]
    return sorted(found, key=lambda name: 1 + _LIKELY.index(name) if name in _LIKELY else 0)


def replicate_columns(table: pd.DataFrame, by: str) -> list[str]:
    """Columns that can tell independent replicates apart."""
    return [name for name in _kinds(table, _NO_REPLICATES) if name != by and table[name].nunique() >= 2]


def likely_replicates(cells: CellTable, by: str) -> str | None:
    """The column of replicates to begin with: images or layers, unless they are what is compared."""
    return cells.names if cells.names in replicate_columns(cells.table, by) else None


def are_paired(table: pd.DataFrame, by: str, replicates: str | None) -> bool:
    """Whether most replicates are in several groups, such as the classes of one image."""
    if replicates is None:
        return False
    return bool((table.groupby(replicates, observed=True)[by].nunique() > 1).mean() > 0.5)


def group_values(table: pd.DataFrame, by: str) -> list[str]:
    """Names of the groups in a column, in order."""
    column = table[by].dropna()
    try:
        found = sorted(column.unique())
    except TypeError:
        found = sorted(column.unique(), key=str)
    return [str(value) for value in found]


def feature_columns(table: pd.DataFrame, taken: Sequence[str | None]) -> list[str]:
    """Columns that can be compared."""
    return comparable_columns(table, (*taken, *_KNOWN))


def make_request(cells: CellTable, choices: CompareChoices) -> CompareRequest:
    """What to compare, from what the user chose.

    Raises
    ------
    OptionError
        Where that cannot be compared; in words.
    """
    if not choices.features:
        raise OptionError("Tick at least one feature.")
    settings = Settings(
        by=choices.by,
        replicates=choices.replicates,
        paired=choices.paired and choices.replicates is not None,
        control=choices.control,
        test=choices.test,
        correction=choices.correction,
        average=choices.average,
    )
    return CompareRequest(cells, make_design(cells.table, settings, choices.features, choices.groups))


def request_sentence(request: CompareRequest) -> str:
    """What will be compared, in words, with the number of independent replicates."""
    design = request.design
    settings = design.settings
    sizes = group_sizes(design.cells, design.groups, settings.by, settings.replicates)
    n = len(design.features)
    words = f"Compares {n:,} {'feature' if n == 1 else 'features'}: {sizes_words(sizes)}."
    if settings.replicates is None:
        return (
            f"{words} Independent replicates: none given; cells are taken as independent, so that p comes "
            "out too small."
        )
    paired = ", in pairs" if settings.paired else ""
    return f"{words} Tests run over the {settings.average}s of replicates ({settings.replicates}){paired}."


def comparing(request: CompareRequest) -> Job[Comparison]:
    """The job to run in a thread."""
    found = yield from comparing_groups(request.design)
    return Comparison(request.cells, found)


def is_outdated(comparison: Comparison, cells: CellTable) -> bool:
    """Whether the same layers or table have other values than when they were compared.

    Only what was compared counts, and not columns that came since, such as those of the review.
    """
    if cells.source != comparison.cells.source:
        return False
    settings, before = comparison.found.settings, comparison.cells.table
    asked = [settings["by"], settings["replicates"], *comparison.found.table["feature"].unique()]
    used = [name for name in asked if name is not None]
    return not set(used) <= set(cells.table) or not cells.table[used].equals(before[used])


def saving_comparison(comparison: Comparison, path: Path, *, excel: bool) -> Job[list[Path]]:
    """The job that writes the table of a comparison, with where it comes from in a file beside."""
    yield Progress("Writing the table", 0, 0, path.name)
    write_table(comparison.found.table, path, excel=excel, provenance=comparison.provenance)
    return [path, sidecar_path(path)]


def saving_figure(
    comparison: Comparison, path: Path, feature: str | None, pair: tuple[str, str] | None
) -> Job[list[Path]]:
    """The job that writes a figure in the size of a journal's column.

    Parameters
    ----------
    comparison : Comparison
        What is drawn.
    path : Path
        Ends in ``.svg``, ``.pdf`` or ``.png``.
    feature : str or None
        Cells and replicates of this feature; None: the effects of all.
    pair : (str, str) or None
        Groups whose effects are drawn; None: the first pair.
    """
    yield Progress("Drawing", 0, 0, path.name)
    found = comparison.found
    figure = plot_effects(found, pair=pair) if feature is None else plot_groups(found, feature)
    save_figure(figure, path, provenance=comparison.provenance)
    return [path]


def _rows_of(layer: Labels, measured: MeasuredLayer | None) -> tuple[pd.DataFrame, dict[str, str]]:
    if measured is not None:
        return measured.table, measured.units
    if not has_measurements(layer):
        raise OptionError(f"'{layer.name}' is not measured yet: see the tab Measure.")
    table = layer.features
    return table[table["index"] > 0], {}


def _kinds(table: pd.DataFrame, without: Sequence[str]) -> list[str]:
    """Columns of words and of whole numbers that were not measured."""
    return [
        name
        for name in map(str, table.columns)
        if name not in without
        and not pd.api.types.is_float_dtype(table[name])
        and column_feature(name) is None
    ]
