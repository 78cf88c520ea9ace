"""Samples from the files of a dataset, as they were added."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation, ObjectMask
from napari_cellseg.datasets.record import Entry, Record, file_path
from napari_cellseg.datasets.sample import Pixels, Sample
from napari_cellseg.errors import DatasetError
from napari_cellseg.labels.index import ObjectIndex


def read_sample(folder: Path, record: Record) -> Sample:
    """The sample of a record; its pixels are read when asked.

    Raises
    ------
    DatasetError
        Where a file is missing, damaged or of another size than the record says.
    """
    size = record.shape[:2]
    name, split = record.name, record.split
    labels = _read_plane(folder / file_path("masks", split, name), size)
    covered = folder / file_path("covered", split, name)
    masks = _read_covered(covered, size) if covered.exists() else {}
    ignored = folder / file_path("ignored", split, name)
    return Sample(
        name,
        _annotation(labels, record.table, masks),
        lambda: read_source(folder / file_path("source", split, name), record),
        record.origin,
        split,
        _read_plane(ignored, size).astype(bool) if ignored.exists() else None,
    )


def read_source(path: Path, entry: Entry) -> Pixels:
    """Untouched pixels of an image, (Y, X[, C]), from their file; errors as in `read_sample`."""
    (pixels,) = _read_pages(path, entry.shape[:2], only_one=True)
    if pixels.size != prod(entry.shape):
        raise DatasetError(
            f"'{path}' has shape {pixels.shape}, its record says {entry.shape}. Add the image again."
        )
    return pixels.reshape(entry.shape).astype(np.dtype(entry.dtype), copy=False)


def _read_pages(path: Path, size: tuple[int, ...], *, only_one: bool = False) -> list[NDArray[Any]]:
    """Pages of a TIFF file, of a size that is checked before they are decoded."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            pages = list(tif.pages)[: 1 if only_one else None]
            wrong = [page.shape for page in pages if page.shape[:2] != size]
            if pages and not wrong:
                return [np.asarray(page.asarray()) for page in pages]
            found = f"holds planes of shape {wrong[0]}" if wrong else "holds no plane"
    except FileNotFoundError:
        raise DatasetError(f"'{path}' is missing. Add its image again, or remove it.") from None
    except Exception as error:
        raise DatasetError(
            f"'{path}' cannot be read ({type(error).__name__}: {error}). Add its image again, or remove it."
        ) from error
    raise DatasetError(f"'{path}' {found}, its image has {size}. Add the image again, or remove it.")


def _read_plane(path: Path, size: tuple[int, ...]) -> NDArray[np.int32]:
    return _as_labels(_read_pages(path, size, only_one=True)[0], path)


def _as_labels(plane: NDArray[Any], path: Path) -> NDArray[np.int32]:
    if plane.ndim != 2 or plane.dtype.kind not in "iub":
        raise DatasetError(
            f"'{path}' holds {plane.dtype} of shape {plane.shape} and no labels. "
            f"Add its image again, or remove it."
        )
    return plane.astype(np.int32)


def _read_covered(path: Path, size: tuple[int, ...]) -> dict[int, ObjectMask]:
    masks: dict[int, ObjectMask] = {}
    for page in _read_pages(path, size):
        plane = _as_labels(page, path)
        labels, lows, highs, _ = ObjectIndex.build(plane).extents()
        for label, (y0, x0), (y1, x1) in zip(labels.tolist(), lows.tolist(), highs.tolist(), strict=True):
            masks[label] = ObjectMask(label, y0, x0, plane[y0:y1, x0:x1] == label)
    return masks


def _annotation(labels: NDArray[np.int32], table: pd.DataFrame, covered: dict[int, ObjectMask]) -> Annotation:
    """As it was written; where others have changed a file, as that one says."""
    shown = ObjectIndex.build(labels).labels().tolist()
    if sorted({*shown, *covered}) == table["index"].tolist():
        return Annotation(labels, table, covered)
    if not covered:
        return Annotation.from_labels(labels, table)
    plain = Annotation.from_labels(labels).masks(set(shown) - set(covered))
    return Annotation.from_masks((labels.shape[0], labels.shape[1]), [*plain, *covered.values()], table)
