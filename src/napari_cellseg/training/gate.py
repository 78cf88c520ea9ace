"""The gate: is a new model better than the old one, on images that neither learnt from?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.evaluation.classes import BACKGROUND
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.metrics import Metric
from napari_cellseg.evaluation.results import Report
from napari_cellseg.events import Job, Progress, drain, relay
from napari_cellseg.images.channels import Channel
from napari_cellseg.models.protocols import Model
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline.results import Candidates, Segmentation
from napari_cellseg.statistics.resampling import Interval
from napari_cellseg.training.examination import labels_on_disk, scratch_folder, segment_sample
from napari_cellseg.training.gate_pictures import WorseImage, worse_image
from napari_cellseg.training.gate_result import GateResult
from napari_cellseg.training.gate_verdict import (
    CLASS_COLUMNS,
    LEVEL,
    class_notes,
    class_rows,
    few_notes,
    find_gate_metric,
    image_rows,
    judged,
    no_images_sentence,
    sentence_of,
    single_class_row,
)
from napari_cellseg.training.held_out import HeldOut, held_out, reviewed_only

__all__ = ["GateResult", "Trial", "gate", "gating", "model_names"]

STAGE = "Comparing models"

PICTURES = 6
"""Images that got worse of which there are pictures, unless told."""

ModelChoice: TypeAlias = str | Path | Model
Split: TypeAlias = Literal["train", "val", "test", "all"]


def gating(
    new: ModelChoice,
    old: ModelChoice,
    dataset: Dataset | str | Path,
    *,
    split: Split | None = None,
    metric: str = "F1",
    channel: Channel = None,
    pictures: int = PICTURES,
    device: str = "auto",
) -> Job[GateResult]:
    """Compare two models on images of a dataset that neither learnt from.

    Both segment with the defaults of `segment`; what they find where nobody has reviewed does not count.

    Parameters
    ----------
    new, old : str, Path or Model
        Name of a model, its file, or a loaded one.
    dataset : Dataset or path
        Corrected images.
    split : {"train", "val", "test", "all"}, optional
        Which of them; unless given those of test, with those of val where test has fewer than three
        independent ones.
    metric : str
        What decides: ``"F1"``, ``"AP50"``, ``"PQ"``, ``"Dice"``, … of those in
        `napari_cellseg.evaluation.metrics`.
    channel : Channel
        What both see of several channels; unless given, what each was trained on, else the first.
    pictures : int
        At most this many images that got worse come with pictures.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Yields
    ------
    Progress
        Stage ``"Comparing models"``.

    Raises
    ------
    OptionError
        Where the split or the metric is not one of those.
    ModelError, DeviceError
        Where a model cannot be used.
    DatasetError
        Where there is no dataset, or a file of it is damaged.
    """
    chosen = find_gate_metric(metric)
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    yield Progress(STAGE, 0, 0, "loading")
    models = load_model(old, device), load_model(new, device)
    names = model_names(models[0].card.name, models[1].card.name)
    found = held_out(dataset, [(names[1], models[1].card), (names[0], models[0].card)], split)
    if not found.entries:
        return _without_images(names, found, chosen)
    with scratch_folder() as folder:
        trial = Trial(dataset, found, folder, channel)
        reports = []
        for position, (name, model) in enumerate(zip(names, models, strict=True)):
            reports.append((yield from trial.trying(model, name, position)))
        return trial.result(names, models, (reports[0], reports[1]), chosen, pictures)


def gate(
    new: ModelChoice,
    old: ModelChoice,
    dataset: Dataset | str | Path,
    *,
    split: Split | None = None,
    metric: str = "F1",
    channel: Channel = None,
    pictures: int = PICTURES,
    device: str = "auto",
    progress: Callable[[Progress], object] | None = None,
) -> GateResult:
    """`gating`, run to its end; `progress` is called with every step."""
    job = gating(
        new,
        old,
        dataset,
        split=split,
        metric=metric,
        channel=channel,
        pictures=pictures,
        device=device,
    )
    return drain(job, progress)


def model_names(old: str, new: str) -> tuple[str, str]:
    """What two models are called beside each other: their names, told apart where they are equal."""
    return (f"{old} (old)", f"{new} (new)") if old == new else (old, new)


@dataclass(frozen=True)
class Trial:
    """Models on the held-out images of a dataset.

    Attributes
    ----------
    dataset : Dataset
        Holds them.
    images : HeldOut
        Which.
    folder : Path
        Takes label images for a while.
    channel : Channel
        What models see of several channels; None: what each was trained on, else the first.
    """

    dataset: Dataset
    images: HeldOut
    folder: Path
    channel: Channel = None

    @property
    def classes(self) -> list[str]:
        """Classes of the objects in the images, where the dataset has several that can be told apart."""
        if len(self.dataset.classes) < 2 or BACKGROUND in self.dataset.classes:
            return []
        known = {name for entry in self.images.entries for name, n in entry.classes.items() if n}
        return [name for name in self.dataset.classes if name in known]

    def trying(self, model: Model, name: str, position: int) -> Job[Report]:
        """Segment the images with the first (0) or second (1) model and evaluate."""
        found: dict[str, Segmentation] = {}
        truth: dict[str, NDArray[np.int32]] = {}
        tables: dict[str, Any] = {}
        total = len(self.images.entries)
        for done, sample in enumerate(self.dataset.samples(names=self.images.names)):
            yield Progress(STAGE, 2 * position * total + done, 4 * total, f"{name}: {sample.name}")
            path = self.folder / f"{position}_{done}"
            found[sample.name] = self._segmented(sample, model, path.with_suffix(".npy"))
            truth[sample.name] = labels_on_disk(sample.annotation.labels, self.folder / f"true_{done}.npy")
            tables[sample.name] = sample.annotation.objects
        classes = tables if self.classes else None
        job = evaluating(found, truth, groups=self.images.groups, truth_classes=classes)
        before = (2 * position + 1) * total

        def within(step: Progress) -> Progress:
            return Progress(STAGE, before + step.done, 4 * total, f"{name}: evaluating {step.detail}")

        return (yield from relay(job, within))

    def _segmented(self, sample: Sample, model: Model, path: Path) -> Segmentation:
        channel = model.card.recipe.get("channel") if self.channel is None else self.channel
        found = segment_sample(sample, model, channel=channel, filled=False)
        labels = reviewed_only(found.labels, sample.annotation.labels, sample.ignored)
        if sample.ignored is not None:
            found = replace(found, candidates=_reviewed(found.candidates, sample.ignored))
        return replace(found, labels=labels_on_disk(labels, path), maps={})

    def result(
        self,
        names: tuple[str, str],
        models: Sequence[Model],
        reports: tuple[Report, Report],
        metric: Metric,
        pictures: int,
    ) -> GateResult:
        """What two evaluations of the same images say."""
        old, new = reports
        units = pd.factorize(old.images["group"])[0].astype(np.int64)
        verdict = judged(old.tallies, new.tallies, metric, units)
        rows = image_rows(old, new, metric)
        cards = [model.card for model in models]
        by_class = class_rows(old, new, cards, self.classes, metric, units)
        if not self.classes:
            only = self.dataset.classes[0] if len(self.dataset.classes) == 1 else "all"
            by_class = single_class_row(only, int(old.tallies["true_objects"].sum()), metric, verdict)
        told = (names[1], names[0]), len(rows), self.images.split
        return GateResult(
            verdict.verdict,
            sentence_of(verdict, metric, *told, is_certain=self.images.is_certain),
            metric.name,
            self.images.split,
            names[1],
            names[0],
            verdict.new,
            verdict.old,
            verdict.difference,
            verdict.interval,
            verdict.units,
            rows,
            by_class,
            self._worse(rows, reports, metric, pictures),
            self.images.excluded,
            (*self.images.notes, *few_notes(verdict), *class_notes(by_class, cards, names)),
            reports,
        )

    def _worse(
        self, rows: pd.DataFrame, reports: tuple[Report, Report], metric: Metric, most: int
    ) -> tuple[WorseImage, ...]:
        loss = rows["difference"] * (1 if metric.better == "lower" else -1)
        pairs = [{pair.name: pair for pair in report.pairs} for report in reports]
        return tuple(
            worse_image(
                row.image,
                (row.old, row.new),
                self.dataset.sample(row.image).pixels(),
                pairs[0][row.image].read(0),
                pairs[1][row.image].read(0),
                reports[0].settings["iou"],
            )
            for row in rows[loss > 0].head(most).itertuples()
        )


def _reviewed(candidates: Candidates, ignored: NDArray[np.bool_]) -> Candidates:
    """Weaker objects that have most of their pixels where somebody has looked."""
    boxes, masks = candidates.instances.boxes, candidates.instances.masks
    kept = [
        2 * int((mask & ignored[y0:y1, x0:x1]).sum()) <= int(mask.sum())
        for (y0, x0, y1, x1), mask in zip(boxes.tolist(), masks, strict=True)
    ]
    chosen = np.array(kept, bool)
    return Candidates(candidates.ids[chosen], candidates.planes[chosen], candidates.instances.take(chosen))


def _without_images(names: tuple[str, str], found: HeldOut, metric: Metric) -> GateResult:
    nothing = Interval(np.nan, np.nan, LEVEL)
    images = pd.DataFrame(columns=["image", "group", "old", "new", "difference", "objects"])
    return GateResult(
        "cannot be told",
        no_images_sentence(len(found.excluded)),
        metric.name,
        "",
        names[1],
        names[0],
        np.nan,
        np.nan,
        np.nan,
        nothing,
        0,
        images,
        pd.DataFrame(columns=list(CLASS_COLUMNS)),
        (),
        found.excluded,
        found.notes,
        (),
    )
