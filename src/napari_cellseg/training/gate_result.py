"""What the gate gives: the verdict on a new model, its numbers and pictures, and their files."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_cellseg.evaluation.metrics import find_metric
from napari_cellseg.evaluation.report import write_html
from napari_cellseg.evaluation.results import Report
from napari_cellseg.evaluation.writing import plain, write_table
from napari_cellseg.outputs import make_folder, replacing
from napari_cellseg.statistics.resampling import Interval
from napari_cellseg.training.gate_pictures import WorseImage, plot_worse
from napari_cellseg.training.gate_verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class GateResult:
    """Whether a new model is better than the old one.

    Attributes
    ----------
    verdict : {"better", "worse", "not distinguishable", "cannot be told"}
        The new model against the old one.
    sentence : str
        The same in words, with the numbers.
    metric : str
        Name of the metric that decided.
    split : str
        Where the images are from: ``"test"``, ``"val"``, ``"test and val"``, …; empty where there were none.
    new, old : str
        What the models are called.
    new_score, old_score, difference : float
        The metric over all images together, and new − old; NaN where there is none.
    interval : Interval
        What the difference may be on other images of this kind; NaN where that cannot be told.
    units : int
        Independent images, or groups of them, that it rests on.
    images : DataFrame
        ``image``, ``group``, ``old``, ``new``, ``difference``, ``objects``; those that got most worse first.
        An image without objects in which none is found counts as 1.
    by_class : DataFrame
        ``class``, ``objects``, ``metric``, ``old``, ``new``, ``difference``, ``low``, ``high``, ``verdict``;
        the intervals hold for all classes together. ``metric`` is ``found``, the share of a class's objects
        that are found whatever they are called, where a model does not tell the class apart.
    worse : tuple of WorseImage
        Pictures of images that got worse, the worst first.
    excluded : DataFrame
        ``image``, ``split``, ``reason``: images that a model learnt from.
    notes : tuple of str
        What a reader must know.
    reports : tuple of Report
        Evaluations of the old and the new model; none where there were no images.
    """

    verdict: Verdict
    sentence: str
    metric: str
    split: str
    new: str
    old: str
    new_score: float
    old_score: float
    difference: float
    interval: Interval
    units: int
    images: pd.DataFrame = field(repr=False)
    by_class: pd.DataFrame = field(repr=False)
    worse: tuple[WorseImage, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...]
    reports: tuple[Report, ...] = field(repr=False)

    @property
    def images_worse(self) -> pd.DataFrame:
        """The rows of `images` that got worse."""
        lower = find_metric(self.metric).better == "lower"
        return self.images[self.images["difference"] * (1 if lower else -1) > 0]

    def figure(self) -> "Figure":
        """The images that got worse: truth, old model, new model."""
        return plot_worse(self.worse, self.old, self.new, self.metric)

    def as_dict(self) -> dict[str, Any]:
        """All but pictures and reports, as JSON can hold it."""
        names = (
            "verdict",
            "sentence",
            "metric",
            "split",
            "new",
            "old",
            "new_score",
            "old_score",
            "difference",
        )
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        values |= {"low": self.interval.low, "high": self.interval.high, "level": self.interval.level}
        values |= {"units": self.units, "notes": self.notes}
        for name in ("images", "by_class", "excluded"):
            values[name] = getattr(self, name).to_dict(orient="records")
        held: dict[str, Any] = plain(values)
        return held

    def save(self, folder: str | Path) -> Path:
        """Write everything into a folder.

        ``gate.json``, ``images.csv``, ``by_class.csv``, ``excluded.csv``; where there were images also
        ``report.html`` with all metrics of both models, and a PNG of each image in `worse` in ``worse/``.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        folder = make_folder(folder)
        with replacing(folder / "gate.json") as path:
            text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")
        for name in ("images", "by_class", "excluded"):
            write_table(getattr(self, name), folder / f"{name}.csv")
        if self.reports:
            old, new = self.reports
            write_html(new, folder / "report.html", title=self.new, others={self.old: old}, worst=0)
        if self.worse:
            make_folder(folder / "worse")
        for number, image in enumerate(self.worse, 1):
            image.write(folder / "worse" / f"{number:02d}_{image.name}.png")
        return folder
