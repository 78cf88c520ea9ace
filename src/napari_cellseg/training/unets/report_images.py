"""Tables 2 to 5 of the bright-field paper: a model on a dataset, by image, by group, over all."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.results import LITERATURE_METRICS, Report
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.channels import Channel
from napari_cellseg.models.protocols import Model
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.statistics.summaries import summarise
from napari_cellseg.training.examination import labels_on_disk, scratch_folder, segment_sample
from napari_cellseg.training.memory import MemoryWatch, PeakMemory
from napari_cellseg.training.unets.report_confidence import MAPS, MapTally

STAGE = "Reporting"

PIXEL_METRICS = (*LITERATURE_METRICS, "pixel_TNR")
"""Metrics of pixels: those of the paper, and specificity."""

OBJECT_METRICS = ("AP50", "AP50_95", "precision", "recall", "F1", "PQ", "AJI", "boundary_F")
"""Metrics of objects that stand beside them."""

COUNTS = ("true_objects", "predicted_objects", "missed", "invented", "split", "merged")
"""Numbers of objects that stand beside them."""

GIVEN_GROUPS = ("set", "group", "main_class")
"""Columns of groups that a dataset gives; all others are fields of the names."""

SHOWN = (*PIXEL_METRICS, *OBJECT_METRICS, *COUNTS)
"""Metrics of the tables, in their order."""


@dataclass(frozen=True, eq=False)
class ModelResult:
    """A model on the images of a dataset.

    Attributes
    ----------
    name : str
        What the model is called in the tables.
    device : str
        What ran it.
    report : Report
        How well it did; its images have the groups.
    maps : MapTally or None
        What its maps held; None where it gives none.
    seconds : list of float
        Wall time of segmenting each image.
    megapixels : list of float
        Size of each image, 10⁶ pixels.
    memory : PeakMemory
        The most memory that was in use.
    """

    name: str
    device: str
    report: Report
    maps: MapTally | None
    seconds: list[float]
    megapixels: list[float]
    memory: PeakMemory


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images of a dataset that models are tried on.

    Attributes
    ----------
    dataset : Dataset
        Holds them.
    names : tuple of str
        Which.
    groups : DataFrame
        ``image`` and a column per way to group them.
    channel : Channel
        What models see of images with several channels.
    """

    dataset: Dataset
    names: tuple[str, ...]
    groups: pd.DataFrame = field(repr=False)
    channel: Channel = None

    @classmethod
    def of(cls, dataset: Dataset, split: str = "held-out", channel: Channel = None) -> "ImageSet":
        """Images of a split.

        Parameters
        ----------
        dataset : Dataset
            Holds them.
        split : str
            ``"train"``, ``"val"``, ``"test"``, ``"all"``; ``"held-out"``: test, where there is none val,
            where there is none all.
        channel : Channel
            A number from 0, ``"mean"``, ``"max"``, or None for the first or for colours.

        Raises
        ------
        OptionError
            Where the split is none of these, or has no images.
        """
        entries = dataset.entries()
        splits = {entry.split for entry in entries}
        if split not in ("held-out", "all", "train", "val", "test"):
            raise OptionError(f"split must be held-out, all, train, val or test, not '{split}'.")
        if split == "held-out":
            split = "test" if "test" in splits else "val" if "val" in splits else "all"
        chosen = [entry for entry in entries if split in ("all", entry.split)]
        if not chosen:
            raise OptionError(f"The dataset '{dataset.folder}' has no images in the split '{split}'.")
        groups = pd.DataFrame(
            {"image": [e.name for e in chosen], "set": [str(e.split) for e in chosen]},
        )
        if any(entry.origin.group for entry in chosen):
            groups["group"] = [entry.origin.group or entry.name for entry in chosen]
        if len({name for entry in chosen for name in entry.classes}) > 1:
            groups["main_class"] = [_main_class(entry.classes) for entry in chosen]
        return cls(dataset, tuple(groups["image"]), groups, channel)

    def samples(self) -> Iterator[Sample]:
        """The images, one by one."""
        return self.dataset.samples(names=self.names)


def _main_class(counts: Any) -> str:
    """The class of most of an image's objects; of equally many the first by name."""
    known = Counter({name: counts[name] for name in sorted(counts)}).most_common(1)
    return str(known[0][0]) if known and known[0][1] else "no objects"


def trying_model(
    name: str,
    model: Model,
    images: ImageSet,
    *,
    confidence: float | None = None,
    pattern: str | None = None,
    watch: MemoryWatch | None = None,
) -> Job[ModelResult]:
    """Segment the images as users will, keep what the maps hold, and evaluate.

    Pixels that nobody has reviewed are filled with background before the model sees them, and count as such.

    Parameters
    ----------
    name : str
        What to call the model.
    model : Model
        Any model; one that gives no maps has no `ModelResult.maps`.
    images : ImageSet
        What to try it on.
    confidence : float, optional
        Objects at or above it count; the card's unless given.
    pattern : str, optional
        Pattern of the images' names from which further groups are read, such as ``"{line}_Phase_{well}_*"``.
    watch : MemoryWatch, optional
        What looks at the memory, begun before the model was loaded.

    Raises
    ------
    DatasetError
        Where a file of the dataset is damaged.
    OptionError
        Where a name does not fit the pattern.
    """
    watch = watch or MemoryWatch(model.device)
    kept = tuple(m for m in MAPS if m in model.card.maps) if model.card.kind == "pixel" else ()
    tally = MapTally(kept) if kept else None
    predicted: dict[str, Segmentation] = {}
    truth: dict[str, NDArray[np.int32]] = {}
    classes: dict[str, Any] = {}
    seconds, sizes = [], []
    with scratch_folder() as folder:
        for done, sample in enumerate(images.samples()):
            yield Progress(STAGE, done, len(images.names), f"{name}: {sample.name}")
            began = time.perf_counter()
            found = segment_sample(
                sample, model, channel=images.channel, confidence=confidence, keep_maps=kept
            )
            seconds.append(time.perf_counter() - began)
            sizes.append(found.labels.size / 1e6)
            watch.look()
            if tally is not None:
                tally.add(found.labels, sample.annotation.labels, dict(found.maps))
            labels = labels_on_disk(found.labels, folder / f"{done}_found.npy")
            predicted[sample.name] = replace(found, labels=labels, maps={})
            truth[sample.name] = labels_on_disk(sample.annotation.labels, folder / f"{done}_true.npy")
            classes[sample.name] = sample.annotation.objects
        several = len(model.card.classes) > 1
        report = yield from evaluating(
            predicted,
            truth,
            groups=images.groups,
            pattern=pattern,
            truth_classes=classes if several else None,
        )
    return ModelResult(name, model.device, report, tally, seconds, sizes, watch.peak(model.device))


def image_table(results: Sequence[ModelResult]) -> pd.DataFrame:
    """Table 2: a row per image and model, all `SHOWN` metrics; images in the order of the dataset."""
    parts = []
    for result in results:
        known = result.report.images
        columns = ["image", *result.report.group_columns, *SHOWN]
        parts.append(known[columns].assign(seconds=result.seconds).rename_axis("order").reset_index())
        parts[-1].insert(1, "model", result.name)
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values("order", kind="stable").drop(columns="order").reset_index(drop=True)


def group_table(results: Sequence[ModelResult]) -> pd.DataFrame:
    """Tables 3 and 4: mean and standard deviation over the images of each group.

    Returns
    -------
    DataFrame
        A row per model, way to group and group, the highest mean Dice first: ``model``, ``by``, ``group``,
        ``images``, ``high`` (whether the mean Dice is at least that of all images; the paper parts its tables
        at 0.888), then each metric of `SHOWN` with its ``_sd``. Several fields of the names make groups
        together too, as line and well do in the paper. No rows for a way that puts every image into a group
        of its own.
    """
    rows = []
    for result in results:
        images, columns = _with_joined_fields(result.report)
        overall = summarise(images["Dice"]).mean
        for column in columns:
            count = images[column].nunique()
            if count == len(images) or (column == "set" and count == 1):
                continue
            own = [
                _group_row(result.name, column, str(name), part, overall)
                for name, part in images.groupby(column, sort=True)
            ]
            rows += sorted(own, key=lambda row: -row["Dice"] if row["Dice"] == row["Dice"] else np.inf)
    names = ["model", "by", "group", "images", "high", *(c for m in SHOWN for c in (m, f"{m}_sd"))]
    return pd.DataFrame(rows, columns=names)


def _with_joined_fields(report: Report) -> tuple[pd.DataFrame, list[str]]:
    """Images and their columns of groups, one more of them for all fields of the names as one."""
    images, columns = report.images, list(report.group_columns)
    fields = [column for column in columns if column not in GIVEN_GROUPS]
    if len(fields) < 2:
        return images, columns
    joined = images[fields].agg(", ".join, axis=1)
    if joined.nunique() == max(images[field].nunique() for field in fields):
        return images, columns
    name = ", ".join(fields)
    return images.assign(**{name: joined}), [*columns, name]


def _group_row(model: str, by: str, group: str, images: pd.DataFrame, overall: float) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "by": by, "group": group, "images": len(images)}
    for metric in SHOWN:
        found = summarise(images[metric])
        row |= {metric: found.mean, f"{metric}_sd": found.std}
    return row | {"high": bool(row["Dice"] >= overall)}


def overall_table(results: Sequence[ModelResult]) -> pd.DataFrame:
    """Table 5: a row per model and metric: mean, standard deviation and percentiles over images, and pooled.

    ``left_out`` counts images in which a metric is undefined, or infinite as a Hausdorff distance to nothing.
    """
    parts = []
    for result in results:
        part = result.report.table.loc[list(SHOWN)].reset_index()
        part.insert(0, "model", result.name)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    front = ["model", "metric", "mean", "std", "median", "p5", "p95", "n", "left_out"]
    return table[[*front, "pooled", "low", "high"]].rename(columns={"std": "sd"})


def resource_table(results: Sequence[ModelResult]) -> pd.DataFrame:
    """What each model took: time of an image, the first one left out where there are more, and memory."""
    rows = []
    for result in results:
        chosen = slice(1 if len(result.seconds) > 1 else 0, None)
        seconds = np.array(result.seconds[chosen])
        rows.append(
            {
                "model": result.name,
                "device": result.device,
                "images": len(result.seconds),
                "seconds_median": float(np.median(seconds)),
                "seconds_sd": float(seconds.std(ddof=1)) if len(seconds) > 1 else np.nan,
                "megapixels_median": float(np.median(result.megapixels)),
                "memory_GB": result.memory.gigabytes,
                "memory_is": result.memory.meaning,
            }
        )
    return pd.DataFrame(rows)
