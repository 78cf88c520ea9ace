"""Images of a dataset as layers, ready to be corrected, and known again when they are written back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_cellseg.datasets.sample import Sample
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.review.status import is_present
from napari_cellseg.viewer.dataset_corrected import visible_objects
from napari_cellseg.viewer.feature_rows import write_rows
from napari_cellseg.viewer.jumping import jump_to_object
from napari_cellseg.viewer.outcome_layer import OUTCOME_KEY
from napari_cellseg.viewer.pixel_size import MICROMETRE

COMPARED = ("class", "status")
"""Columns of the table whose change is a correction."""


@dataclass(frozen=True, eq=False)
class Opened:
    """An image of a dataset in a viewer.

    Attributes
    ----------
    folder : Path
        The dataset.
    sample : Sample
        As it was opened.
    beside : tuple of napari.layers.Layer
        What was opened with the labels: the image, and what nobody has reviewed.
    """

    folder: Path
    sample: Sample
    beside: tuple[Layer, ...]

    def is_for(self, folder: Path, name: str) -> bool:
        """Whether it shows this image of this dataset."""
        return (self.folder, self.sample.name) == (folder, name)


_OPENED: "WeakKeyDictionary[Layer, Opened]" = WeakKeyDictionary()


def opened_from(layer: Layer | None) -> Opened | None:
    """The image of a dataset that a labels layer shows, if it does."""
    return None if layer is None else _OPENED.get(layer)


def image_keywords(sample: Sample, pixels: Any) -> tuple[Any, dict[str, Any]]:
    """Data and keywords of the image layer of a sample; channels become the first axis.

    Parameters
    ----------
    sample : Sample
        Tells name and pixel size.
    pixels : (Y, X) or (Y, X, C) ndarray
        (Y, X, 3) uint8 is RGB.
    """
    rgb = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    placed = placement(sample)
    if pixels.ndim == 2 or rgb:
        return pixels, {"name": sample.name, "rgb": rgb, **placed}
    channels = {"axis_labels": ("c", "y", "x")}
    if "scale" in placed:
        channels |= {"scale": (1.0, *placed["scale"]), "units": ("pixel", *placed["units"])}
    return np.moveaxis(pixels, 2, 0), {"name": sample.name, "rgb": False, **channels}


def placement(sample: Sample) -> dict[str, Any]:
    """Axis labels of a plane, and its scale in µm where it is known."""
    size = sample.origin.pixel_size
    known = {} if size is None else {"scale": (size, size), "units": (MICROMETRE, MICROMETRE)}
    return {"axis_labels": ("y", "x"), **known}


def open_sample(viewer: ViewerModel, folder: Path, sample: Sample, pixels: Any) -> Labels:
    """Show an image of a dataset and its labels, which become the active layer.

    Parameters
    ----------
    viewer : ViewerModel
        Where to. Layers of the dataset that were opened before and have no corrections go, all others are
        hidden.
    folder : Path
        The dataset.
    sample : Sample
        The image.
    pixels : ndarray or None
        Its pixels.
    """
    _make_room(viewer, folder)
    beside: list[Layer] = []
    if pixels is not None:
        data, keywords = image_keywords(sample, pixels)
        beside.append(Image(data, **keywords))
    placed = placement(sample)
    if sample.ignored is not None and sample.ignored.any():
        beside.append(_unreviewed(sample, placed))
    labels = Labels(sample.annotation.labels.copy(), name=f"{sample.name} labels", **placed)
    write_rows(labels, visible_objects(sample.annotation))
    for layer in (*beside, labels):
        viewer.add_layer(layer)
    _OPENED[labels] = Opened(folder, sample, tuple(beside))
    viewer.layers.selection = {labels}
    viewer.layers.selection.active = labels
    viewer.reset_view()
    return labels


def show_object(viewer: ViewerModel, layer: Labels, objects: Sequence[int]) -> None:
    """Select the first of some objects and show its place, where it is in the layer."""
    if not objects:
        return
    index = ObjectIndex.build(layer.data)
    label = next((label for label in objects if label in index), None)
    if label is not None:
        layer.selected_label = label
        jump_to_object(viewer, layer, index, label)


def note_written(layer: Labels, folder: Path, sample: Sample) -> None:
    """The dataset holds just what the layer shows."""
    before = _OPENED.get(layer)
    _OPENED[layer] = Opened(folder, sample, before.beside if before is not None else ())


def find_opened(layers: Iterable[Layer], folder: Path, name: str) -> Labels | None:
    """The labels layer of an image that is open already."""
    return next((x for x in layers if (found := opened_from(x)) and found.is_for(folder, name)), None)


def is_corrected(layer: Labels) -> bool:
    """Whether a layer shows something else than the dataset held when it was opened."""
    found = opened_from(layer)
    if found is None:
        return False
    before = found.sample.annotation
    if not np.array_equal(layer.data, before.labels):
        return True
    rows = layer.features
    if "index" not in rows or not set(COMPARED) <= set(rows.columns):
        return False
    now = rows[is_present(rows)].set_index("index")[list(COMPARED)]
    known = before.objects.set_index("index")[list(COMPARED)].reindex(now.index)
    return bool((now.astype(object) != known.astype(object)).to_numpy().any())


def _make_room(viewer: ViewerModel, folder: Path) -> None:
    for labels in [layer for layer in viewer.layers if isinstance(layer, Labels) and layer in _OPENED]:
        if is_corrected(labels) or _OPENED[labels].folder != folder:
            continue
        for layer in [x for x in (*_OPENED[labels].beside, labels) if x in viewer.layers]:
            viewer.layers.remove(layer)
    for layer in viewer.layers:
        layer.visible = False


def _unreviewed(sample: Sample, placed: dict[str, Any]) -> Labels:
    """Pixels that nobody has reviewed, dark, below the labels."""
    colours = {None: "transparent", 0: "transparent", 1: "black"}
    layer = Labels(
        sample.ignored.astype(np.uint8),
        name=f"{sample.name} not reviewed",
        colormap=DirectLabelColormap(color_dict=colours),
        opacity=0.5,
        metadata={OUTCOME_KEY: sample.name},
        **placed,
    )
    layer.editable = False
    return layer
