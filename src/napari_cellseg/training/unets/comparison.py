"""The ensemble beside its members, on whole images, segmented as users will segment them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cellseg.datasets.sample import Split
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.results import Report
from napari_cellseg.events import Job
from napari_cellseg.models.card import CalibrationBin, Score
from napari_cellseg.models.protocols import Model
from napari_cellseg.outputs import replacing
from napari_cellseg.training.unets.learning import Learnt
from napari_cellseg.training.unets.recipe import UnetRecipe
from napari_cellseg.training.yolo.scoring import Examination, calibration_bins, card_scores
from napari_cellseg.training.yolo.tiles import dataset_hashes

SCORED: tuple[Split, ...] = ("val", "test")
"""Splits that are scored."""

PIXEL_METRICS = ("Dice", "IoU", "SSIM", "accuracy", "pixel_precision", "pixel_recall")
"""Numbers of an evaluation that tell how well masks fit, whichever objects they belong to."""


@dataclass(frozen=True, slots=True)
class Images:
    """Images that are scored: those that are as they were when the training began.

    Attributes
    ----------
    dataset : Dataset
        Holds them.
    names : dict of str to list of str
        Names by what they are for: ``val`` and ``test``.
    recipe : UnetRecipe
        Its channel matters.
    folder : Path
        Takes label images for a while.
    """

    dataset: Dataset
    names: dict[str, list[str]]
    recipe: UnetRecipe
    folder: Path

    @classmethod
    def unchanged(cls, dataset: Dataset, learnt: Learnt, recipe: UnetRecipe, folder: Path) -> "Images":
        """Images of a dataset that have not changed.

        Raises
        ------
        TrainingError
            Where there is none to validate with.
        """
        now = {name: known for images in dataset_hashes(dataset).values() for name, known in images.items()}
        names: dict[str, list[str]] = {
            s: [n for n, known in learnt.images[s].items() if now.get(n) == known] for s in SCORED
        }
        if not names["val"]:
            raise TrainingError(
                "No validation image is as it was when the training began, so the model cannot be scored. "
                "Train anew with the dataset as it is now."
            )
        return cls(dataset, names, recipe, folder)

    def examining(self, model: Model) -> Job[dict[str, Report]]:
        """Segment all with a model, at its card's confidence, and evaluate; by what the images are for."""
        seen = Examination(model, self.dataset, self.names, self.recipe, self.folder)
        reports: dict[str, Report] = {}
        for split in SCORED:
            if self.names[split]:
                reports[split] = yield from seen.evaluating(split, None)
        return reports


def scores_of(reports: Mapping[str, Report]) -> tuple[tuple[Score, ...], tuple[CalibrationBin, ...]]:
    """Scores and calibration as a card holds them."""
    found: list[Score] = []
    for split, report in reports.items():
        found += card_scores(report, split)
        objects = int(report.summary["true_objects"])
        found += [
            Score(
                data=split,
                metric=name,
                value=round(report.summary[name], 4),
                images=len(report.images),
                objects=objects,
            )
            for name in PIXEL_METRICS
            if report.summary[name] == report.summary[name]
        ]
    return tuple(found), calibration_bins(reports["val"])


def write_comparison(rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Report]]], path: Path) -> None:
    """Write a table of models: a row per model and set of images, every metric in a column.

    Parameters
    ----------
    rows : iterable of (mapping, mapping of str to Report)
        What is known of a model, the same columns for all, and its reports.
    path : Path
        CSV file.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    table = pd.DataFrame(
        [
            {**known, "set": split, "images": len(report.images), **report.summary}
            for known, reports in rows
            for split, report in reports.items()
        ]
    )
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
