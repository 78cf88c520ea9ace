"""The columns of a measured table as a choice."""

from qtpy.QtCore import Qt

from napari_cellseg.viewer.colour_by_feature import is_number
from napari_cellseg.viewer.measure_groups import describe_column
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.fields import NarrowCombo, as_tooltip

OTHERS = ("confidence", "disagreement", "t", "z")
"""Columns of numbers that were not measured and can be looked at."""
WORDS = ("class", "status", "origin")


def fill_columns(
    combo: NarrowCombo, measured: MeasuredLayer, *, words: bool = False, default: str = "area"
) -> None:
    """List measured columns, each with its unit, and keep the one that was chosen.

    Parameters
    ----------
    combo : NarrowCombo
        The choice.
    measured : MeasuredLayer
        Whose columns.
    words : bool
        Whether columns of words, such as the class, are among them.
    default : str
        What is chosen at first.
    """
    table, unit = measured.table, measured.request.unit
    names = [*measured.features, *(name for name in OTHERS if name in table and is_number(table[name]))]
    names += [name for name in WORDS if words and name in table]
    titles = [_title(name, measured.units.get(name, "")) for name in names]
    if [combo.itemText(i) for i in range(combo.count())] == titles:
        return
    before = combo.currentData()
    combo.fill(list(zip(titles, names, strict=True)), keep=before if before in names else default)
    for i, name in enumerate(names):
        combo.setItemData(i, as_tooltip(describe_column(name, unit)), Qt.ItemDataRole.ToolTipRole)


def _title(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
