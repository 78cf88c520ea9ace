"""Gates: a part of a plot that gives its cells a class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.viewer.attached import editor_of
from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.label_layer import METADATA_KEY
from napari_cellseg.viewer.label_rows import LabelRows


@dataclass(frozen=True)
class Gate:
    """How the cells of a class were chosen.

    Attributes
    ----------
    columns : tuple of str
        One feature, or the two of a scatter.
    corners : tuple of (float, ...)
        Two ends of a range, or the corners of a polygon, in the features' units; empty for cells that were
        clicked.
    """

    columns: tuple[str, ...] = ()
    corners: tuple[tuple[float, ...], ...] = ()


def set_gate(
    layer: Labels, labels: NDArray[np.int64], name: str, gate: Gate, later: Later | None = None
) -> str:
    """Give cells a class.

    With an editor attached it is one step behind Ctrl+Z. How the cells were chosen is kept in the layer's
    metadata.

    Parameters
    ----------
    layer : napari.layers.Labels
        Whose table.
    labels : (N,) ndarray of int
        Cells.
    name : str
        The class.
    gate : Gate
        How the cells were chosen.
    later : Later, optional
        How to wait without blocking.

    Returns
    -------
    str
        What happened, in words.

    Raises
    ------
    OptionError
        Where no cell is selected, or the class has no name.
    """
    name = name.strip()
    if not len(labels):
        raise OptionError("Select cells first: draw around points in the plot, or click cells in the image.")
    if not name:
        raise OptionError("Give the class a name.")
    editor = editor_of(layer)
    if editor is not None:
        changed = editor.set_rows("gate", {int(label): {"class": name} for label in labels})
    else:
        changed = _write(LabelRows(layer, later), labels, name)
    if not changed:
        return f"These {len(labels):,} cells have the class '{name}' already."
    _remember(layer, labels, name, gate)
    undo = " Ctrl+Z undoes it." if editor is not None else ""
    return f"{len(labels):,} {'cell has' if len(labels) == 1 else 'cells have'} the class '{name}'.{undo}"


def _write(rows: LabelRows, labels: NDArray[np.int64], name: str) -> bool:
    if "class" not in rows.frame:
        rows.put(rows.frame[["index"]].assign(**{"class": ""}))
    changed = not rows.write({int(label): {"class": name} for label in labels}).is_empty
    rows.close()
    return changed


def _remember(layer: Labels, labels: NDArray[np.int64], name: str, gate: Gate) -> None:
    about: dict[str, Any] = dict(layer.metadata.get(METADATA_KEY, {}))
    entry = {
        "class": name,
        "columns": list(gate.columns),
        "corners": [list(corner) for corner in gate.corners],
        "cells": len(labels),
    }
    about["gates"] = [*about.get("gates", []), entry]
    layer.metadata = {**layer.metadata, METADATA_KEY: about}
