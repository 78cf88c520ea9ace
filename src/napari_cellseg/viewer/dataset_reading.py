"""The readers that napari asks for: the folder of a dataset, and COCO files."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from dask import delayed

from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.settings import SETTINGS, YAML
from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.errors import CellSegWarning, DatasetError
from napari_cellseg.viewer.dataset_corrected import visible_objects
from napari_cellseg.viewer.dataset_layers import image_keywords, placement
from napari_cellseg.viewer.feature_rows import compact_rows, rows_by_id, too_sparse
from napari_cellseg.viewer.reading import LayerData

MOST_PIXELS = 2**28
"""Labels of a stack have at most as many pixels, which takes 1 GiB."""

Read = Callable[[str], list[LayerData]]


def get_dataset_reader(path: str | Sequence[str]) -> Read | None:
    """A reader of annotated images, for a path that is one.

    Parameters
    ----------
    path : str
        A dataset's folder, its ``dataset.json`` or ``dataset.yaml``, or a COCO file.

    Returns
    -------
    callable or None
        None for anything else, and for several paths, which napari asks to be stacked.
    """
    if not isinstance(path, str):
        return None
    file = Path(path)
    folder = file.parent if file.name in (SETTINGS, YAML) else file
    if folder.is_dir():
        return read_dataset_folder if is_dataset(folder) or _is_yolo(folder) else None
    if file.suffix.lower() == ".json" and file.is_file() and find_format("coco").matches(file):
        return read_coco_layers
    return None


def read_dataset_folder(path: str) -> list[LayerData]:
    """A dataset, or a YOLO dataset of another program, as an image and a labels layer; see `stack_layers`.

    Raises
    ------
    DatasetError
        Where it is damaged.
    """
    folder = Path(path)
    folder = folder.parent if folder.name in (SETTINGS, YAML) else folder
    if is_dataset(folder):
        return _layers_of(Dataset.open(folder).samples(), folder.name, [])
    notes: Notes = []
    return _layers_of(find_format("yolo").read(folder, notes), folder.name, notes)


def read_coco_layers(path: str) -> list[LayerData]:
    """A COCO file, with its images where they are found; see `stack_layers`.

    Raises
    ------
    DatasetError
        Where it is damaged.
    """
    notes: Notes = []
    return _layers_of(find_format("coco").read(Path(path), notes), Path(path).stem, notes)


def stack_layers(samples: Iterator[Sample], name: str) -> tuple[list[LayerData], str]:
    """Samples as layers.

    One image is opened as it is. Several of one size become a stack with a slider: their pixels are read when
    they are shown, their objects are numbered through, so that each has its row. Where the sizes differ, or
    where the labels would fill the memory, the first image alone is opened.

    Parameters
    ----------
    samples : iterator of Sample
        At least one.
    name : str
        Of a stack.

    Returns
    -------
    (list of LayerData, str)
        The layers, and a sentence for the user where there is more than they show.

    Raises
    ------
    DatasetError
        Where there is no sample.
    """
    first = next(samples, None)
    if first is None:
        raise DatasetError(f"There are no annotated images in '{name}'.")
    stacked, largest = [first], _largest(first)
    for sample in samples:
        largest += _largest(sample)
        pixels = (len(stacked) + 1) * sample.annotation.labels.size
        if sample.annotation.shape != first.annotation.shape or pixels > MOST_PIXELS or largest >= 2**31:
            told = (
                f"'{name}' holds images of different sizes, or more than fit into memory: only "
                f"'{first.name}' was opened. The CellSeg dataset dock shows all of them, and imports them."
            )
            return _single(first), told
        stacked.append(sample)
    return (_single(first) if len(stacked) == 1 else _stack(stacked, name)), ""


def _layers_of(samples: Iterator[Sample], name: str, notes: Notes) -> list[LayerData]:
    layers, told = stack_layers(iter(samples), name)
    for text in [*notes, *([told] if told else [])]:
        warnings.warn(text, CellSegWarning, stacklevel=3)
    return layers


def _is_yolo(folder: Path) -> bool:
    return (folder / YAML).is_file() and find_format("yolo").matches(folder)


def _single(sample: Sample) -> list[LayerData]:
    layers: list[LayerData] = []
    if sample.read_pixels is not None:
        layers.append((*image_keywords(sample, sample.pixels()), "image"))
    rows = _features(visible_objects(sample.annotation))
    keywords = {"name": f"{sample.name} labels", "features": rows, **placement(sample)}
    return [*layers, (sample.annotation.labels, keywords, "labels")]


def _stack(samples: list[Sample], name: str) -> list[LayerData]:
    labels = np.zeros((len(samples), *samples[0].annotation.shape), np.int32)
    tables, before = [], 0
    for plane, sample in zip(labels, samples, strict=True):
        rows = visible_objects(sample.annotation)
        shift = before
        np.copyto(plane, sample.annotation.labels + np.int32(shift), where=sample.annotation.labels > 0)
        tables.append(rows.assign(index=rows["index"] + shift, image=sample.name))
        before += _largest(sample)
    placed = placement(samples[0])
    stacked = {"axis_labels": ("t", "y", "x")}
    if "scale" in placed and all(s.origin.pixel_size == samples[0].origin.pixel_size for s in samples):
        stacked |= {"scale": (1.0, *placed["scale"]), "units": ("pixel", *placed["units"])}
    layers: list[LayerData] = []
    if all(sample.read_pixels is not None for sample in samples):
        layers.append(_image_stack(samples, name, stacked))
    rows = _features(pd.concat(tables, ignore_index=True))
    return [*layers, (labels, {"name": f"{name} labels", "features": rows, **stacked}, "labels")]


def _image_stack(samples: list[Sample], name: str, stacked: dict[str, Any]) -> LayerData:
    """All images, read when they are shown, in the shape and the number type of the first."""
    data, keywords = image_keywords(samples[0], samples[0].pixels())

    def read(sample: Sample) -> Any:
        pixels, _ = image_keywords(sample, sample.pixels())
        if pixels.shape != data.shape:
            raise DatasetError(
                f"The image '{sample.name}' has shape {pixels.shape}, the first one {data.shape}: "
                "import them into a dataset to see them one by one."
            )
        return pixels.astype(data.dtype)

    planes = [da.from_delayed(delayed(read)(sample), data.shape, data.dtype) for sample in samples]
    axes = dict(stacked)
    if data.ndim == 3 and not keywords["rgb"]:
        axes = {"axis_labels": ("t", "c", "y", "x")}
        if "scale" in stacked:
            axes |= {"scale": (1.0, *stacked["scale"]), "units": ("pixel", *stacked["units"])}
    return da.stack(planes), {"name": name, "rgb": keywords["rgb"], **axes}, "image"


def _largest(sample: Sample) -> int:
    return int(sample.annotation.labels.max(initial=0))


def _features(rows: pd.DataFrame) -> pd.DataFrame:
    largest = int(rows["index"].max()) if len(rows) else 0
    if too_sparse(largest, len(rows)):
        return compact_rows(rows)
    return rows_by_id(rows, np.arange(largest + 1))
