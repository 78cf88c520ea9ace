"""What a format leaves of the objects of an image, told before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellseg.datasets.annotation import Annotation, ObjectMask

COLUMNS = ("image", "index", "iou", "class_kept")


@dataclass(frozen=True, slots=True, eq=False)
class LossReport:
    """What writing samples in a format and reading them again does to their objects.

    Attributes
    ----------
    format : str
        Name of the format.
    images : int
        How many images were looked at.
    objects : int
        How many objects they have.
    rows : DataFrame
        A row per object that does not come back as it is: image, index, iou (0 where it is lost), class_kept.
    unscaled : int
        Images that have a pixel size, which does not come back.
    """

    format: str
    images: int
    objects: int
    rows: pd.DataFrame
    unscaled: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether every object comes back as it is."""
        return len(self.rows) == 0

    @property
    def lost(self) -> int:
        """Objects of which nothing comes back."""
        return int((self.rows["iou"] == 0).sum())

    @property
    def reclassed(self) -> int:
        """Objects that come back with another class."""
        return int((~self.rows["class_kept"].astype(bool) & (self.rows["iou"] > 0)).sum())

    @property
    def worst(self) -> float:
        """Least IoU of an object with what comes back of it; 1 where there are no objects."""
        return float(self.rows["iou"].min()) if len(self.rows) else 1.0

    @property
    def mean(self) -> float:
        """Mean IoU of the objects with what comes back of them; 1 where there are none."""
        if self.objects == 0:
            return 1.0
        return float((self.rows["iou"].sum() + self.objects - len(self.rows)) / self.objects)

    def per_image(self) -> pd.DataFrame:
        """A row per image with loss: image, changed, lost, worst."""
        grouped = self.rows.groupby("image", sort=True)["iou"]
        table = pd.DataFrame(
            {
                "changed": grouped.size(),
                "lost": grouped.apply(lambda v: int((v == 0).sum())),
                "worst": grouped.min(),
            }
        )
        return table.reset_index()

    def words(self) -> str:
        """The loss in a sentence, and that the pixel size is lost in another."""
        images = f"{self.unscaled:,} image{'s' if self.unscaled != 1 else ''}"
        return f"{self._of_objects()}{f' The pixel size of {images} is not kept.' if self.unscaled else ''}"

    def _of_objects(self) -> str:
        count = f"{self.objects:,} object{'s' if self.objects != 1 else ''}"
        if self.is_exact:
            return f"Nothing is lost: all of {count} come back as they are."
        parts = [f"mean IoU {self.mean:.4f}, worst {self.worst:.3f}"]
        parts += [f"{self.lost:,} lost"] if self.lost else []
        parts += [f"{self.reclassed:,} with another class"] if self.reclassed else []
        return f"{len(self.rows):,} of {count} do not come back as they are: {'; '.join(parts)}."


def object_losses(before: Annotation, after: Annotation, image: str) -> pd.DataFrame:
    """Objects of an annotation that are not in another one as they are, each matched with at most one there.

    Parameters
    ----------
    before, after : Annotation
        What is written, and what comes back; labels may differ.
    image : str
        Name of the image, for the rows.

    Returns
    -------
    DataFrame
        As `LossReport.rows`.
    """
    classes = dict(zip(before.objects["index"].tolist(), before.objects["class"].tolist(), strict=True))
    others = dict(zip(after.objects["index"].tolist(), after.objects["class"].tolist(), strict=True))
    ious, partner = _matched(before, after)
    rows = [
        (image, label, ious.get(label, 0.0), label in partner and others[partner[label]] == name)
        for label, name in classes.items()
        if ious.get(label, 0.0) < 1 or others[partner[label]] != name
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"iou": "float64", "class_kept": "bool"})


def no_losses() -> pd.DataFrame:
    """Rows of a report of nothing."""
    empty = pd.DataFrame([], columns=list(COLUMNS))
    return empty.astype({"iou": "float64", "class_kept": "bool"})


def _matched(before: Annotation, after: Annotation) -> tuple[dict[int, float], dict[int, int]]:
    """IoU and partner of each object that has one: the most alike pairs first, each object once."""
    pairs = _pairs(before, after)
    ious: dict[int, float] = {}
    partner: dict[int, int] = {}
    used: set[int] = set()
    for iou, label, other in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if label not in partner and other not in used:
            ious[label], partner[label] = iou, other
            used.add(other)
    return ious, partner


def _pairs(before: Annotation, after: Annotation) -> list[tuple[float, int, int]]:
    """IoU, label and other label of all overlapping pairs of whole masks."""
    areas = {mask.index: mask.area for mask in after.masks()}
    hidden = list(after.covered.values())
    pairs = []
    for mask in before.masks():
        shown = after.labels[mask.window][mask.pixels]
        values, counts = np.unique(shown[shown > 0], return_counts=True)
        shared = dict(zip(values.tolist(), counts.tolist(), strict=True))
        shared |= {other.index: n for other, n in _shared_with(mask, hidden) if n}
        area = mask.area
        pairs += [(n / (area + areas[o] - n), mask.index, o) for o, n in shared.items()]
    return pairs


def _shared_with(mask: ObjectMask, others: Sequence[ObjectMask]) -> list[tuple[ObjectMask, int]]:
    found = []
    for other in others:
        y0, x0 = max(mask.top, other.top), max(mask.left, other.left)
        y1, x1 = min(mask.box[2], other.box[2]), min(mask.box[3], other.box[3])
        if y0 < y1 and x0 < x1:
            one = mask.pixels[y0 - mask.top : y1 - mask.top, x0 - mask.left : x1 - mask.left]
            two = other.pixels[y0 - other.top : y1 - other.top, x0 - other.left : x1 - other.left]
            found.append((other, int(np.count_nonzero(one & two))))
    return found
