"""Corrected labels in a file, with their table beside: written all at once, read again, recognised."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OutputError
from napari_cellseg.evaluation.files import FEATURES, image_name
from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.labels.writing import write_labels
from napari_cellseg.outputs import replacing

SUFFIX = ".tif"
_TEXT = ("class", "status", "origin")
_MISSING = ("", "nan", "NaN", "NA", "N/A", "n/a", "null", "None", "-nan", "#N/A")
"""What stands for a missing number; in text these are words, such as a class that is called ``NA``."""


def table_path(path: str | Path) -> Path:
    """Where the table of a label image is: ``a_labels.tif`` has ``a_features.csv``, as a batch writes it.

    All of `napari_cellseg.evaluation.files.ENDINGS` are left out, ``.ome`` as well.
    """
    path = Path(path)
    return path.with_name(image_name(path) + FEATURES)


def save_labels(
    path: str | Path,
    labels: Any,
    features: pd.DataFrame,
    *,
    axes: str = "YX",
    pixel_size: PixelSize | None = None,
) -> list[Path]:
    """Write a label image and its table; either both are written, or the old files stay.

    Parameters
    ----------
    path : str or Path
        Ends in ``.tif``.
    labels : (…, Y, X) array of int
        0 is background.
    features : DataFrame
        A row per label, with the column ``index``; without columns no table is written.
    axes : str
        One letter per dimension of the labels.
    pixel_size : PixelSize, optional
        In µm.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        Where a file cannot be written, or cannot hold these labels.
    """
    path, table = Path(path), table_path(path)
    if path.suffix.lower() != SUFFIX:
        raise OutputError(f"Labels and their table are saved as {SUFFIX}, not as '{path.name}'.")
    labels = np.asarray(labels)
    largest = int(labels.max(initial=0))
    if largest > np.iinfo(np.int32).max or (labels.dtype.kind == "i" and int(labels.min(initial=0)) < 0):
        raise OutputError(
            f"The file holds labels from 0 to 2,147,483,647. Renumber them first ({largest:,})."
        )
    with replacing(path) as image:
        write_labels(image, labels, axes=axes, pixel_size=pixel_size)
        if not len(features.columns):
            return [path]
        with replacing(table) as rows:
            features.to_csv(rows, index=False)
    return [path, table]


def read_table(path: str | Path) -> pd.DataFrame | None:
    """The table beside a label image; None where there is none, or it is not the table of labels.

    Raises
    ------
    OutputError
        Where it cannot be read.
    """
    table = table_path(path)
    if not table.is_file():
        return None
    try:
        numbers = pd.read_csv(table, nrows=0).columns.difference(list(_TEXT))
        missing = dict.fromkeys(numbers, _MISSING)
        text = dict.fromkeys(_TEXT, object)
        rows = pd.read_csv(table, dtype=text, na_values=missing, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise OutputError(f"The table '{table}' cannot be read: {error}.") from error
    if "index" not in rows or rows["index"].dtype.kind not in "iu" or rows["index"].duplicated().any():
        return None
    return rows.sort_values("index", ignore_index=True)


def find_copy(labels: Any, since: float, folders: Iterable[Path]) -> Path | None:
    """A TIFF file that holds just these labels and is not older than they are.

    Parameters
    ----------
    labels : (…, Y, X) array of int
        The labels.
    since : float
        When they were last changed, in seconds since 1970.
    folders : iterable of Path
        Where to look, not below; folders that cannot be read are left out.
    """
    for folder in dict.fromkeys(folders):
        for path in _newer_files(folder, since):
            if _holds(path, labels):
                return path
    return None


def _newer_files(folder: Path, since: float) -> list[Path]:
    try:
        files = [p for p in folder.iterdir() if p.suffix.lower() in (SUFFIX, ".tiff")]
        return [p for p in files if not p.name.startswith(".") and p.stat().st_mtime >= since]
    except OSError:
        return []


def _holds(path: Path, labels: Any) -> bool:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0] if file.series else None
            if series is None or int(np.prod(series.shape)) != int(np.prod(labels.shape)):
                return False
            found: NDArray[Any] = series.asarray()
    except (OSError, ValueError, tifffile.TiffFileError):
        return False
    return bool(np.array_equal(found.reshape(labels.shape), np.asarray(labels)))
