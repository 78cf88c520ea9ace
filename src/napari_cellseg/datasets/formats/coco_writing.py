"""Samples to COCO files, one per split, an image at a time."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from napari_cellseg.datasets.annotation import OBJECT_COLUMNS, ObjectMask
from napari_cellseg.datasets.formats.coco_json import Entry
from napari_cellseg.datasets.formats.coco_segmentations import Encoder
from napari_cellseg.datasets.formats.image_files import Stems, write_image
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError
from napari_cellseg.outputs import make_folder, output_errors
from napari_cellseg.provenance import now, versions

_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Flavour:
    """How a tool words COCO.

    Attributes
    ----------
    encode, encode_crowd : callable
        Segmentation of an object, and of what was not reviewed.
    annotations : str
        Relative path of a split's JSON file, with ``{split}``.
    images : mapping
        Folder of images by split, where it is not ``images``.
    supercategory : str
        Of all categories.
    image_keys, attributes : mapping
        What every image, and the attributes of every object, hold besides.
    """

    encode: Encoder
    encode_crowd: Encoder
    annotations: str = "annotations/instances_{split}.json"
    images: Mapping[str, str] = field(default_factory=dict)
    supercategory: str = ""
    image_keys: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def write_coco(
    samples: Iterable[Sample], folder: Path, classes: Sequence[str], *, flavour: Flavour
) -> Iterator[str]:
    """Write samples as COCO and yield the name of each one that is done.

    Categories are numbered from 1 in the order of the classes, images and annotations from 1. Samples without
    a split are in the split ``default``. The JSON is ASCII: many read it in the encoding of their system.

    Raises
    ------
    DatasetError
        Where an object has none of the classes.
    OutputError
        Where the folder cannot be written.
    """
    stems = Stems()
    with ExitStack() as stack:
        files: dict[str, _CocoFile] = {}
        for sample in samples:
            split = sample.split or "default"
            with output_errors(folder):
                if split not in files:
                    file = _CocoFile(folder / flavour.annotations.format(split=split), classes, flavour)
                    files[split] = stack.enter_context(file)
                stem = stems.take(sample.name)
                image = write_image(sample, folder / flavour.images.get(split, "images"), stem)
                files[split].add(sample, f"{stem}.png" if image is None else image.name)
            yield sample.name
        if not files:
            empty = _CocoFile(folder / flavour.annotations.format(split="default"), classes, flavour)
            with output_errors(folder):
                stack.enter_context(empty)


class _CocoFile:
    """A COCO file that is being written: its annotations at once, its images at the end."""

    def __init__(self, path: Path, classes: Sequence[str], flavour: Flavour) -> None:
        self._path, self._flavour = path, flavour
        self._categories = {name: k for k, name in enumerate(classes, 1)}
        self._images: list[Entry] = []
        self._count = 0
        self._file: TextIO

    def __enter__(self) -> "_CocoFile":
        make_folder(self._path.parent)
        self._file = self._path.open("w", encoding="ascii", newline="\n")
        made_with = versions()
        info = {
            "description": f"napari-cellseg {made_with['napari-cellseg']}",
            "url": "",
            "version": "1.0",
            "year": int(now()[:4]),
            "contributor": "",
            "date_created": now(),
        }
        categories = [
            {"id": k, "name": name, "supercategory": self._flavour.supercategory}
            for name, k in self._categories.items()
        ]
        licenses = [{"id": 0, "name": "", "url": ""}]
        self._file.write(f'{{"info": {json.dumps(info)},\n"licenses": {json.dumps(licenses)},\n')
        self._file.write(f'"categories": {json.dumps(categories)},\n"annotations": [')
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with output_errors(self._path), self._file:
            if kind is None:
                images = ",\n".join(json.dumps(image) for image in self._images)
                self._file.write(f'],\n"images": [{images}]}}\n')

    def add(self, sample: Sample, file_name: str) -> None:
        """Write the annotations of an image, whose file has that name."""
        height, width = sample.annotation.shape
        image: Entry = {"id": len(self._images) + 1, "width": width, "height": height, "file_name": file_name}
        image |= self._flavour.image_keys
        image |= {"group": sample.origin.group} if sample.origin.group else {}
        image |= {"split": sample.split} if sample.split else {}
        self._images.append(image)
        rows = sample.annotation.objects.to_dict("records")
        for mask, row in zip(sample.annotation.masks(), rows, strict=True):
            self._write(self._object(mask, row, sample))
        if sample.ignored is not None and sample.ignored.any():
            for category in self._categories.values() or (1,):
                self._write(self._ignored(sample, category))

    def _write(self, annotation: Entry) -> None:
        self._count += 1
        entry = {"id": self._count, "image_id": len(self._images), **annotation}
        self._file.write((",\n" if self._count > 1 else "\n") + _ENCODER.encode(entry))

    def _object(self, mask: ObjectMask, row: Mapping[Any, Any], sample: Sample) -> Entry:
        if row["class"] not in self._categories:
            names = ", ".join(self._categories)
            raise DatasetError(
                f"'{sample.name}' has an object of class '{row['class']}', not one of {names}."
            )
        confidence = float(row["confidence"])
        more = {key: _plain(value) for key, value in row.items() if key not in OBJECT_COLUMNS}
        attributes = {"index": mask.index, "status": row["status"], "origin": row["origin"]}
        return {
            "category_id": self._categories[row["class"]],
            "segmentation": self._flavour.encode(mask, sample.annotation.shape),
            "area": mask.area,
            "bbox": [mask.left, mask.top, mask.pixels.shape[1], mask.pixels.shape[0]],
            "iscrowd": 0,
            **({"score": confidence} if math.isfinite(confidence) else {}),
            "attributes": {
                **self._flavour.attributes,
                **{str(key): value for key, value in more.items() if value is not None},
                **attributes,
            },
        }

    def _ignored(self, sample: Sample, category: int) -> Entry:
        """What was not reviewed, as a crowd of a category: neither found nor missed in an evaluation."""
        mask = ObjectMask(1, 0, 0, np.asarray(sample.ignored, bool)).trimmed()
        return {
            "category_id": category,
            "segmentation": self._flavour.encode_crowd(mask, sample.annotation.shape),
            "area": mask.area,
            "bbox": [mask.left, mask.top, mask.pixels.shape[1], mask.pixels.shape[0]],
            "iscrowd": 1,
            "attributes": {**self._flavour.attributes, "ignored": True},
        }


def _plain(value: Any) -> Any:
    """A scalar that JSON holds; None for missing ones and for all else."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str) else None
