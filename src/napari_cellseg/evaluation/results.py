"""What an evaluation gives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.metrics import METRICS, find_metric
from napari_cellseg.evaluation.pairs import ImagePair
from napari_cellseg.evaluation.ranking import RankedPrecision
from napari_cellseg.evaluation.tables import metric_table, strata_table
from napari_cellseg.statistics.baseline import MeanTest, SuccessRate, mean_test, success_rate
from napari_cellseg.statistics.calibration import Reliability
from napari_cellseg.statistics.summaries import summarise

STRATA = (0.5, 0.75, 0.9)
"""Where the strata of images meet, unless told."""

LITERATURE_METRICS = (
    "Dice",
    "IoU",
    "SSIM",
    "accuracy",
    "pixel_precision",
    "pixel_recall",
    "pixel_F1",
    "Hausdorff",
)
"""Columns of the tables of the bright-field literature."""


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """A metric of the images against a baseline.

    Attributes
    ----------
    metric : str
        The metric.
    test : MeanTest
        Its mean over images against the baseline.
    success : SuccessRate
        The share of images that reach the baseline.
    """

    metric: str
    test: MeanTest
    success: SuccessRate


@dataclass(frozen=True, repr=False)
class Report:
    """Result of `evaluate`.

    Attributes
    ----------
    summary : dict of str to float
        Every metric over all images together, by the names of `napari_cellseg.evaluation.metrics.METRICS`;
        with confidences also ``mAP50``, ``mAP75``, ``mAP50_95`` and ``ECE``. NaN is 0 / 0.
    table : DataFrame
        The metrics with intervals and their spread over images, see `metric_table`.
    images : DataFrame
        A row per image (each plane is one, unless objects are volumes): ``image``, ``plane``, the columns of
        its groups, every metric.
    errors : DataFrame
        A row per mistake, see `napari_cellseg.evaluation.error_rows.error_rows`.
    by_iou : DataFrame
        AP, precision, recall and F1 at each IoU threshold.
    classes, confusion : DataFrame or None
        Metrics of each class, and the confusion matrix (true classes in rows, background last), where classes
        are given.
    ranking : RankedPrecision or None
        Precision over recall, where confidences are given.
    reliability : Reliability or None
        Confidence against the share of detections that are right, where confidences are given.
    settings : dict
        How it was evaluated.
    class_tallies : dict of str to DataFrame
        Sums of each class, a row per row of `images`: those of objects, matched within the class, and
        ``found``, the true objects of the class that match one of any class. Empty where none are given.
    """

    summary: dict[str, float]
    table: pd.DataFrame
    images: pd.DataFrame
    errors: pd.DataFrame
    by_iou: pd.DataFrame
    classes: pd.DataFrame | None
    confusion: pd.DataFrame | None
    ranking: RankedPrecision | None
    reliability: Reliability | None
    settings: dict[str, Any]
    tallies: pd.DataFrame = field(repr=False)
    pairs: tuple[ImagePair, ...] = field(repr=False)
    class_tallies: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"<Report: {self.sentence()}>"

    def sentence(self) -> str:
        """The result in a line."""
        value = self.summary
        mistakes = ", ".join(f"{int(value[k])} {k}" for k in ("missed", "invented", "split", "merged"))
        found = f"{int(value['TP'])} of {int(value['true_objects'])} objects found"
        if np.isnan(value["F1"]):
            return "no objects, neither predicted nor true"
        return f"{found}, {mistakes}; F1 {value['F1']:.3f}, AP50 {value['AP50']:.3f}, PQ {value['PQ']:.3f}"

    @property
    def group_columns(self) -> list[str]:
        """Columns of `images` that describe groups."""
        columns = list(self.images.columns)
        return columns[2 : columns.index(METRICS[0].name)]

    def by_group(self, by: str | None = None) -> pd.DataFrame:
        """The metrics of each group of images.

        Parameters
        ----------
        by : str, optional
            Column of `images`; the first column of groups unless given.

        Returns
        -------
        DataFrame
            A row per group and metric: the group, then the columns of `table`.

        Raises
        ------
        OptionError
            If there is no such column.
        """
        values = self._groups(by)
        parts = []
        for name in dict.fromkeys(values):
            chosen = (values == name).to_numpy()
            table = metric_table(self.tallies[chosen], list(self.images["image"][chosen])).reset_index()
            table.insert(0, str(values.name), name)
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    def literature_table(
        self, by: str | None = None, metrics: Sequence[str] = LITERATURE_METRICS, digits: int = 3
    ) -> pd.DataFrame:
        """Mean ± standard deviation over images, the layout of papers.

        Parameters
        ----------
        by : str, optional
            Column of groups, a row each; without it, or without groups, only the row of all images.
        metrics : sequence of str
            Columns.
        digits : int
            Decimals.

        Returns
        -------
        DataFrame of str
            A row per group and, last, ``all``; ``images`` is their number.
        """
        groups = self._groups(by) if by is not None or self.group_columns else None
        names = [] if groups is None else list(dict.fromkeys(groups))
        rows = [("all", self.images)]
        if groups is not None:
            rows = [*((str(n), self.images[groups == n]) for n in names), *rows]
        table = {
            name: {"images": str(len(part)), **{m: _mean_and_std(part[m], digits) for m in metrics}}
            for name, part in rows
        }
        return pd.DataFrame.from_dict(table, orient="index")

    def strata(self, metric: str = "F1", edges: Sequence[float] = STRATA) -> pd.DataFrame:
        """How many images do how well, see `strata_table`."""
        return strata_table(self.values(metric), edges)

    def against_baseline(
        self, baseline: float, metric: str = "F1", *, level: float = 0.95
    ) -> BaselineComparison:
        """Compare the mean of a metric over images with a baseline.

        Parameters
        ----------
        baseline : float
            For example what was published.
        metric : str
            The metric; images in which it is not finite are left out.
        level : float
            Level of the intervals.
        """
        values = self.values(metric)
        finite = values[np.isfinite(values)]
        reached = finite <= baseline if find_metric(metric).better == "lower" else finite >= baseline
        return BaselineComparison(
            metric,
            mean_test(finite, baseline, level=level),
            success_rate(int(reached.sum()), len(finite), level=level),
        )

    def values(self, metric: str) -> Any:
        """A metric of every image, (n,) ndarray of float64."""
        return self.images[find_metric(metric).name].to_numpy(float)

    def worst(self, n: int = 5, metric: str = "F1") -> pd.DataFrame:
        """The n images that do worst; those in which the metric is undefined are none of them."""
        lower = find_metric(metric).better == "lower"
        table = self.images[self.images[metric].notna()]
        return table.sort_values(metric, ascending=not lower, kind="stable").head(n)

    def _groups(self, by: str | None) -> pd.Series:
        columns = self.group_columns
        if by is None and not columns:
            raise OptionError(
                "The images have no groups; give evaluate() groups or a pattern of their names."
            )
        name = columns[0] if by is None else by
        if name not in (*columns, "image", "plane"):
            raise OptionError(
                f"Images can be grouped by {', '.join([*columns, 'image', 'plane'])}, not by {name!r}."
            )
        return self.images[name]


def _mean_and_std(values: pd.Series, digits: int) -> str:
    found = summarise(values)
    if found.n < 2:
        return f"{found.mean:.{digits}f}" if found.n else "–"
    return f"{found.mean:.{digits}f} ± {found.std:.{digits}f}"
