"""Whether a trained model replaces the old one: which one it is compared with, and the answer in words."""

import math
from pathlib import Path

import pandas as pd

from napari_cellseg.errors import CellSegError
from napari_cellseg.events import Job, Progress
from napari_cellseg.models.lineage import lineage
from napari_cellseg.models.registry import list_models
from napari_cellseg.training.gate import GateResult, gating
from napari_cellseg.viewer.settings import load_choices
from napari_cellseg.viewer.train_runs import TrainingRun

DEFAULT = "nuclei"
VERDICTS = {
    "better": "✓ Better",
    "worse": "✗ Worse",
    "not distinguishable": "≈ Not distinguishable",
    "cannot be told": "? Cannot be told",
}
"""Titles of the verdicts, told apart by their shapes too."""


def old_models(run: TrainingRun) -> list[str]:
    """Models that a trained one can be compared with, the likely one first.

    That is the one that it was trained from; where it was trained from nothing, the one that was used last.
    """
    names = [entry.card.name for entry in list_models() if entry.card.name != run.name]
    first = [name for name in (_parent(run), load_choices()[0].model, DEFAULT) if name in names]
    return list(dict.fromkeys([*first, *names]))


def comparing_with(run: TrainingRun, old: str) -> Job[GateResult]:
    """Compare a trained model with another one on its dataset; errors as in `gating`."""
    return (yield from gating(run.model, old, run.data))


def saving_gate(result: GateResult, folder: Path) -> Job[Path]:
    """Write a comparison into a folder; errors as in `GateResult.save`."""
    yield Progress("Writing the comparison", 0, 0, folder.name)
    return result.save(folder)


def without_verdict(result: GateResult) -> str:
    """The sentence of a comparison, without the verdict where it begins with that, which is the title."""
    verdict, colon, rest = result.sentence.partition(": ")
    begins = colon and verdict.casefold() == result.verdict
    return rest[:1].upper() + rest[1:] if begins else result.sentence


def image_table(result: GateResult) -> pd.DataFrame:
    """The images of a comparison as the dock lists them."""
    table = result.images[["image", "old", "new", "difference"]].reset_index(drop=True)
    for name, form in (("old", ".3f"), ("new", ".3f"), ("difference", "+.3f")):
        table[name] = [_score(value, form) for value in table[name]]
    table.attrs["definitions"] = {
        "image": "An image that neither model learnt from.",
        "old": f"{result.metric} of {result.old} in this image.",
        "new": f"{result.metric} of {result.new} in this image.",
        "difference": "new − old; above 0 is better, of error counts below 0.",
    }
    return table


def class_table(result: GateResult) -> pd.DataFrame:
    """The classes of a comparison as the dock lists them; none where there is one class only."""
    columns = ["class", "old", "new", "verdict"]
    found = result.by_class[columns] if len(result.by_class) > 1 else result.by_class[columns].iloc[:0]
    shown = found.reset_index(drop=True)
    for name in ("old", "new"):
        shown[name] = [_score(value, ".3f") for value in shown[name]]
    return shown


def _score(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _parent(run: TrainingRun) -> str:
    """Name of the model that one was trained from; empty where it is not known or not there any more."""
    try:
        ancestors = lineage(run.model)
    except CellSegError:
        return ""
    entry = ancestors[0].entry if ancestors else None
    return "" if entry is None else entry.card.name
