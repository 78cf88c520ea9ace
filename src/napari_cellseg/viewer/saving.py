"""Labels layers into files, with their tables, and back."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.settings import get_settings

from napari_cellseg.images.reading import file_stem
from napari_cellseg.review.saved_labels import SUFFIX, find_copy, read_table, save_labels, table_path
from napari_cellseg.viewer.feature_rows import write_rows
from napari_cellseg.viewer.pixel_size import find_pixel_size, source_path

CLOCK_STEP = 2.0
"""Seconds by which the times of files may lag behind the clock."""


def save_layer(layer: Labels, path: str | Path) -> list[Path]:
    """Write a labels layer as an OME-TIFF with its pixel size, and its table beside, all at once.

    Parameters
    ----------
    layer : napari.layers.Labels
        Any but multiscale ones.
    path : str or Path
        Ends in ``.tif``; ``a_labels.tif`` gets the table ``a_features.csv``.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        Where a file cannot be written.
    """
    axes = layer_axes(layer)
    size = find_pixel_size(layer, axes).size
    return save_labels(path, layer.data, layer.features, axes=axes, pixel_size=size)


def layer_axes(layer: Layer) -> str:
    """One letter per dimension: the layer's axis labels where they are letters of TZCYX, else by position."""
    letters = "".join(str(name).upper() for name in layer.axis_labels)
    if (
        len(set(letters)) == len(letters) == layer.ndim
        and set(letters) <= set("TZCYX")
        and letters[-2:] == "YX"
    ):
        return letters
    return "QTZYX"[-layer.ndim :].rjust(layer.ndim, "Q")


def take_table(layer: Labels) -> Path | None:
    """Give a layer without a table the one beside its file.

    Returns
    -------
    Path or None
        The table; None where there is none, or the layer has one.

    Raises
    ------
    OutputError
        Where it cannot be read.
    """
    path = source_path(layer)
    if path is None or len(layer.features.columns):
        return None
    rows = read_table(path)
    if rows is None:
        return None
    write_rows(layer, rows)
    return table_path(path)


def suggested_path(layer: Labels, image: Image | None) -> Path:
    """Where to save labels that were not saved yet: beside their image, or over the file they came from."""
    own = source_path(layer)
    if own is not None and own.suffix.lower() == SUFFIX:
        return own
    path = source_path(image) if image is not None else None
    name = layer.name if path is None else file_stem(path)
    return (path.parent if path is not None else Path()) / f"{name}_labels{SUFFIX}"


def copy_by_napari(layer: Labels, since: float) -> Path | None:
    """A file that holds just these labels, saved after a time where napari's *Save* dialogs save.

    napari doesn't tell when a layer was saved; so files are looked at where it was saved lately, and beside
    the labels' own file.
    """
    if not isinstance(layer.data, np.ndarray):
        return None
    return find_copy(layer.data, since - CLOCK_STEP, _saving_folders(layer))


def _saving_folders(layer: Labels) -> Iterable[Path]:
    history = get_settings().application.save_history
    yield from (Path(folder) for folder in history[:3] if folder)
    own = source_path(layer)
    if own is not None:
        yield own.parent
