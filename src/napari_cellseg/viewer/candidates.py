"""Objects that a model found below the threshold: what the table says of them, and where they are."""

from typing import Any

import numpy as np

from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.detected import Piece
from napari_cellseg.viewer.refilter import Step


def rows_of_step(slider: ConfidenceFilter, step: Step, origin: str) -> dict[int, dict[str, Any]]:
    """What the table says of each label that one step of a confidence filter touched.

    Parameters
    ----------
    slider : ConfidenceFilter
        The filter.
    step : Step
        What it did.
    origin : str
        Where its objects come from.
    """
    ids = slider.refilter.ids
    rows: dict[int, dict[str, Any]] = {int(ids[i]): {"status": "filtered"} for i in step.removed}
    for i in step.added:
        row = slider.objects.features.iloc[i].to_dict()
        row |= {"status": "added" if step.by_person else "predicted", "origin": origin}
        rows[int(ids[i])] = {name: value for name, value in row.items() if name != "index"}
    return rows | {label: {"status": "edited"} for label in step.touched}


def hidden_pieces(slider: ConfidenceFilter) -> list[tuple[int, tuple[Piece, ...]]]:
    """Position and pieces of every detected object that is not shown."""
    hidden = np.flatnonzero(~slider.refilter.shown).tolist()
    return [(position, slider.objects.pieces[position]) for position in hidden]
