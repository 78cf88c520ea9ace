"""Objects as files list them: a mask and what is said of it."""

from typing import Any, TypeAlias

import pandas as pd

from napari_cellseg.datasets.annotation import LARGEST_LABEL, Annotation, ObjectMask
from napari_cellseg.review.status import Status

Row: TypeAlias = dict[str, Any]
"""What a file says of an object, by column; ``index`` is the label that it wants."""
STATUSES = frozenset(status.value for status in Status)


def annotation_of(shape: tuple[int, int], masks: list[ObjectMask], rows: list[Row]) -> Annotation:
    """Annotation of masks and a row for each, with the labels that the rows want.

    Where one wants none, a wrong one, or the same as another, the objects are numbered from 1.
    """
    if not rows:
        return Annotation.from_masks(shape, [])
    wanted = [row.get("index") for row in rows]
    valid = all(type(i) is int and 0 < i <= LARGEST_LABEL for i in wanted) and len(set(wanted)) == len(wanted)
    index: list[Any] = wanted if valid else list(range(1, len(rows) + 1))
    labelled = [ObjectMask(i, m.top, m.left, m.pixels) for i, m in zip(index, masks, strict=True)]
    table = pd.DataFrame([{**row, "index": i} for i, row in zip(index, rows, strict=True)])
    return Annotation.from_masks(shape, labelled, table)
