"""Samples of COCO files, as COCO, LIVECell, CVAT, Datumaro, Roboflow and Label Studio write them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import OBJECT_COLUMNS, Annotation, ObjectMask
from napari_cellseg.datasets.formats.coco_json import (
    CocoFile,
    CocoImage,
    Entry,
    id_of,
    is_unicode,
    load_coco,
    number_of,
)
from napari_cellseg.datasets.formats.coco_layout import annotation_files, image_folder
from napari_cellseg.datasets.formats.coco_segmentations import read_segmentation
from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.image_files import ImageFolder, Stems, name_of, read_pixels
from napari_cellseg.datasets.formats.image_sizes import image_shape
from napari_cellseg.datasets.formats.object_rows import STATUSES, annotation_of
from napari_cellseg.datasets.formats.polygons import MaskBudget
from napari_cellseg.datasets.formats.tally import Tally, count_identical
from napari_cellseg.datasets.sample import SPLITS, Origin, Sample
from napari_cellseg.errors import DatasetError

_MOST_COLUMNS = 100
_STATUSES = list(STATUSES)
_ORPHAN = "{} annotations belong to an image that is not in the file, and were left out"
_BOX_ONLY = "{} annotations have no outline, at most a box, and were left out"
_NO_PIXEL = "{} outlines hold no pixel's centre and were left out"
_IDENTICAL = "{} objects have exactly the pixels of another one in their image"
_NO_IMAGE = "{} images are not there; their labels are read without pixels"
_CROWD = "{} areas marked as crowd are read as not reviewed: neither object nor background"
_CROWD_OBJECT = "{} objects that are marked as crowd are read as single objects, as CVAT means its masks"
_NO_CATEGORY = "{} objects have a category without a name and are called by its number"


def read_coco(
    path: Path, notes: Notes, *, images: Path | None = None, crowd_is_object: bool = False
) -> Iterator[Sample]:
    """Read samples of a COCO file, or of a folder with some.

    Parameters
    ----------
    path : Path
        A JSON file, or a folder with JSON files in itself, in ``annotations`` or in a folder per split.
    notes : list of str
        Takes up what was left out, doubled, or understood in a way that a user should know.
    images : Path, optional
        Folder with the images; else they are looked for where these tools put them.
    crowd_is_object : bool
        Whether areas with ``iscrowd`` are objects. They are anyway where an annotation has CVAT's attribute
        ``occluded``; else they are areas that were not reviewed.

    Raises
    ------
    DatasetError
        With file and key of what is wrong.
    """
    stems = Stems()
    for file in annotation_files(path):
        tally = Tally()
        coco = load_coco(file.path)
        tally.add(_ORPHAN, coco.orphans[0] if coco.orphans else "", len(coco.orphans))
        folder = image_folder(file, path, images)
        names = _names(coco)
        for image in coco.images:
            sample = _sample(image, coco, folder, tally, crowd_is_object)
            name = stems.take(names[image.file_name])
            yield replace(sample, name=name, split=sample.split or file.split)
            image.annotations.clear()
        tally.tell(notes)


def _names(coco: CocoFile) -> dict[str, str]:
    """Name of each image by its file name: the last part, with its folders where that is not unique."""
    parts = {i.file_name: name_of(i.file_name).replace("\\", "/").strip("/ ").split("/") for i in coco.images}
    last: dict[str, int] = {}
    for part in parts.values():
        last[part[-1]] = last.get(part[-1], 0) + 1
    short = {name: part[-1] if last[part[-1]] == 1 else "_".join(part) for name, part in parts.items()}
    return {name: text if text.strip(" .") else f"image {name}" for name, text in short.items()}


def _sample(
    image: CocoImage, coco: CocoFile, folder: ImageFolder, tally: Tally, crowd_is_object: bool
) -> Sample:
    found = folder.find(image.file_name, f"{image.where}.file_name")
    read = None if found is None else partial(read_pixels, found)
    shape = image.shape
    if shape is None:
        if found is None:
            raise DatasetError(
                f"{image.where}: the image '{image.file_name}' has neither a width and a height here, nor a "
                f"file. Choose the folder with the images."
            )
        shape = image_shape(found)
    tally.add(_NO_IMAGE, f"'{image.file_name}'", read is None)
    annotation, ignored = _annotation(image, shape, coco.categories, tally, crowd_is_object)
    return Sample(image.file_name, annotation, read, _origin(image), _split(image.entry), ignored)


def _annotation(
    image: CocoImage, shape: tuple[int, int], categories: dict[str, str], tally: Tally, crowd_is_object: bool
) -> tuple[Annotation, NDArray[np.bool_] | None]:
    """Objects of an image, and where it was not reviewed."""
    masks: list[ObjectMask] = []
    rows: list[Entry] = []
    ignored: NDArray[np.bool_] | None = None
    budget = MaskBudget(image.where)
    for where, entry in image.annotations:
        mask = read_segmentation(entry.get("segmentation"), shape, len(masks) + 1, f"{where}.segmentation")
        if mask is None or mask.pixels.size == 0:
            tally.add(_BOX_ONLY if mask is None else _NO_PIXEL, where)
        elif _is_ignored(entry, crowd_is_object):
            ignored = np.zeros(shape, bool) if ignored is None else ignored
            ignored[mask.window] |= mask.pixels
            tally.add(_CROWD, where)
        else:
            tally.add(_CROWD_OBJECT, where, bool(entry.get("iscrowd")))
            masks.append(budget.spend(mask))
            rows.append(_row(entry, categories, where, tally))
    tally.add(_IDENTICAL, image.where, count_identical(masks))
    return annotation_of(shape, masks, rows), ignored


def _is_ignored(entry: Entry, crowd_is_object: bool) -> bool:
    attributes = entry.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    if attributes.get("ignored") is True:
        return True
    return bool(entry.get("iscrowd")) and not crowd_is_object and "occluded" not in attributes


def _row(entry: Entry, categories: dict[str, str], where: str, tally: Tally) -> Entry:
    """Row of an object in the table: class, confidence, and what its attributes say."""
    category = id_of(entry, "category_id", where)
    if category not in categories:
        if categories:
            raise DatasetError(f"{where}.category_id: there is no category {category}.")
        tally.add(_NO_CATEGORY, where)
    row: Entry = {"class": categories.get(category, f"class {category}")}
    score = number_of(entry, "score", where)
    row |= {} if score is None else {"confidence": score}
    attributes = entry.get("attributes")
    if not isinstance(attributes, dict):
        return row
    if attributes.get("status") in _STATUSES:
        row["status"] = attributes["status"]
    for key, value in list(attributes.items())[:_MOST_COLUMNS]:
        if (key == "origin" and isinstance(value, str)) or key not in OBJECT_COLUMNS:
            row |= {key: value} if is_unicode(key) and _is_plain(value) else {}
    return row | {"index": attributes.get("index")}


def _is_plain(value: Any) -> bool:
    """Whether a table can hold it."""
    whole = isinstance(value, int) and abs(value) < 2**53
    return whole or isinstance(value, float) or (isinstance(value, str) and is_unicode(value))


def _origin(image: CocoImage) -> Origin:
    group = image.entry.get("group")
    return Origin(source=image.file_name, group=group if isinstance(group, str) else "")


def _split(entry: Entry) -> Any:
    """The split that our own files say for each image."""
    return next((s for s in SPLITS if s == entry.get("split")), None)
