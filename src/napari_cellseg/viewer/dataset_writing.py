"""The writers that napari's *Save* dialogs offer for labels, in the formats of other programs."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Layer

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.exporting import measuring_loss
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.formats.yolo import polygon_lines
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.stacks import plane_name
from napari_cellseg.errors import CellSegWarning, DatasetError, OutputError
from napari_cellseg.events import drain
from napari_cellseg.outputs import replacing
from napari_cellseg.viewer.dataset_objects import object_rows
from napari_cellseg.viewer.measure_inputs import read_labels


def write_coco_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write labels, all planes, as a COCO file with run lengths; see `write_file`."""
    return write_file(path, data, meta, "coco")


def write_run_lengths_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write labels, all planes, as a table of run lengths; see `write_file`."""
    return write_file(path, data, meta, "sartorius")


def write_geojson_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the labels of a plane as GeoJSON for QuPath; see `write_file`."""
    return write_file(path, data, meta, "geojson", one_plane=True)


def write_imagej_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the labels of a plane as a zip of ImageJ's ROIs; see `write_file`."""
    return write_file(path, data, meta, "imagej", one_plane=True)


def write_yolo_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the labels of a plane as YOLO's polygons, classes numbered in alphabetical order from 0.

    Parameters, return and errors as in `write_file`.
    """
    (sample,) = _prepared(Path(path), data, meta, "yolo", one_plane=True)
    classes = _classes([sample])
    with replacing(Path(path)) as target:
        text = "".join(f"{line}\n" for line in polygon_lines(sample.annotation, classes))
        target.write_text(text, encoding="utf-8")
    if len(classes) > 1:
        named = ", ".join(f"{number} {name}" for number, name in enumerate(classes))
        warnings.warn(f"Classes in '{Path(path).name}': {named}.", CellSegWarning, stacklevel=2)
    return [path]


def write_file(
    path: str, data: Any, meta: dict[str, Any], format: str, *, one_plane: bool = False
) -> list[str]:
    """Write a labels layer to one file. What the format loses is a warning, before the file is there.

    Parameters
    ----------
    path : str
        The file.
    data : (…, Y, X) array of int
        The labels.
    meta : dict
        Keywords of the layer; its table gives classes, status and confidence.
    format : str
        Name of the format.
    one_plane : bool
        Whether a file holds no more than one plane.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    DatasetError
        Where the labels don't fit the format.
    OutputError
        Where the file cannot be written.
    """
    file = Path(path)
    samples = _prepared(file, data, meta, format, one_plane=one_plane)
    with tempfile.TemporaryDirectory(prefix="napari-cellseg-") as folder, replacing(file) as target:
        for _ in find_format(format).write(samples, Path(folder), _classes(samples)):
            pass
        shutil.copyfile(_only_file(Path(folder), file), target)
    return [path]


def _prepared(file: Path, data: Any, meta: dict[str, Any], format: str, *, one_plane: bool) -> list[Sample]:
    """What is written, after a warning where the format does not hold all of it."""
    layer, found = Layer.create(data, dict(meta), "labels"), find_format(format)
    samples = list(layer_samples(layer, safe_name(file.stem)))
    if len(samples) > 1 and one_plane:
        raise DatasetError(
            f"{found.title} holds one plane in a file, and '{layer.name}' has {len(samples):,}. Save it as "
            "COCO, or add it to a dataset and export that."
        )
    report = drain(measuring_loss(samples, found))
    if not report.is_exact:
        warnings.warn(f"{found.title}: {report.words()}", CellSegWarning, stacklevel=4)
    return samples


def _classes(samples: list[Sample]) -> list[str]:
    return sorted({name for sample in samples for name in sample.annotation.class_names()}) or ["cell"]


def layer_samples(layer: Labels, name: str) -> Iterator[Sample]:
    """A sample without pixels per plane of a labels layer.

    Parameters
    ----------
    layer : napari.layers.Labels
        Two dimensions or more.
    name : str
        Of the samples; those of a stack get ``_t003_z01`` behind it.

    Raises
    ------
    CellSegError
        Where its axes cannot be told, or its labels are none.
    """
    labels, table = read_labels(layer), object_rows(layer)
    lengths = {axis.lower(): labels.sizes[axis] for axis in labels.axes[:-2]}
    for index in np.ndindex(*lengths.values()):
        position = dict(zip(lengths, index, strict=True))
        plane = np.asarray(labels.data[index])
        yield Sample(plane_name(name, position, lengths), Annotation.from_labels(plane, table))


def _only_file(folder: Path, wanted: Path) -> Path:
    """The file of annotations among those that a format wrote."""
    files = sorted(folder.rglob(f"*{wanted.suffix.lower()}"))
    if len(files) != 1:
        raise OutputError(f"'{wanted}' cannot be written: {len(files)} files were made for it.")
    return files[0]
