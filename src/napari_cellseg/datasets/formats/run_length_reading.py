"""Samples of run-length CSV files; from where and along what pixels are numbered is told from the runs."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.image_files import ImageFolder, Stems, name_of, read_pixels
from napari_cellseg.datasets.formats.image_sizes import image_shape
from napari_cellseg.datasets.formats.object_rows import STATUSES, Row, annotation_of
from napari_cellseg.datasets.formats.polygons import MaskBudget
from napari_cellseg.datasets.formats.run_length_rows import (
    Header,
    RowIndex,
    index_rows,
    parse_runs,
    read_header,
    text_at,
)
from napari_cellseg.datasets.formats.runs import Order, Runs, runs_to_mask
from napari_cellseg.datasets.formats.split_names import names_tell_apart, split_of
from napari_cellseg.datasets.formats.tally import Tally, count_identical
from napari_cellseg.datasets.sample import SPLITS, Origin, Sample, Split
from napari_cellseg.errors import DatasetError
from napari_cellseg.images.reading import IMAGE_SUFFIXES

_LOOKED_AT = 400
"""Objects by which the order of the pixels is told."""
_ENOUGH = 8
_IDENTICAL = "{} objects have exactly the pixels of another one in their image"
_NO_IMAGE = "{} images are not there; their labels are read without pixels"


def read_run_lengths(
    path: Path, notes: Notes, *, images: Path | None = None, order: Order = "rows"
) -> Iterator[Sample]:
    """Read samples of a CSV file with run lengths, or of a folder with some, an image at a time.

    Runs are pairs of start and length. A start of 0 proves that pixels are counted from 0; else they are
    counted from 1. Where the objects of images that are not square are much more compact in the other order
    of the pixels than in the expected one, the other one is taken; files of our own are never doubted.

    Parameters
    ----------
    path : Path
        A CSV file, or a folder; files with ``submission`` in their names are left out there.
    notes : list of str
        Takes up what was doubled, missing, or told from the runs.
    images : Path, optional
        Folder with the images; else they are looked for beside the file, where Kaggle has them.
    order : {"rows", "columns"}
        Order of the pixels that is expected.

    Raises
    ------
    DatasetError
        With file and line of what is wrong; all of a file is checked before its first sample.
    """
    files = run_length_files(path)
    if not path.exists():
        raise DatasetError(f"There is no file or folder '{path}'.")
    if not files:
        raise DatasetError(
            f"'{path}' holds no run lengths: a CSV needs columns such as id and annotation, or ImageId and "
            f"EncodedPixels."
        )
    stems, apart = Stems(), names_tell_apart(file for file, _ in files)
    for file, header in files:
        tally = Tally()
        folder = _image_folder(file, images)
        index = index_rows(file, header)
        ours = header.is_ours
        found = {
            name: _find(name, folder, f"'{file}', line {r.line}", ours) for name, r in index.images.items()
        }
        shapes = [_shape(index, name, found[name]) for name in index.images]
        base = _base(index, shapes, notes)
        chosen = _order(index, shapes, base, order, notes)
        with file.open("rb") as data:
            for number, name in enumerate(index.images):
                rows = list(index.rows(data, number))
                sample = _sample(index, name, rows, (shapes[number], base, chosen), tally)
                image = found[name]
                read = None if image is None else partial(read_pixels, image)
                tally.add(_NO_IMAGE, f"'{name}'", read is None)
                split = sample.split or (split_of(file) if apart else None)
                stem = stems.take(name if ours else name_of(name))
                yield Sample(stem, sample.annotation, read, sample.origin, split)
        tally.tell(notes)


def run_length_files(path: Path) -> list[tuple[Path, Header]]:
    """CSV files of run lengths with their headers: the path itself, or those of a folder."""
    if path.is_dir():
        files = [
            f for f in sorted(path.iterdir()) if f.suffix.lower() == ".csv" and "submission" not in f.stem
        ]
    else:
        files = [path]
    headers = [(f, read_header(f)) for f in files if f.is_file()]
    return [(file, header) for file, header in headers if header is not None]


def _image_folder(file: Path, images: Path | None) -> ImageFolder:
    words = dict.fromkeys([file.stem, file.stem.removesuffix("_labels")])
    if images is not None:
        if not images.is_dir():
            raise DatasetError(f"There is no folder '{images}'.")
        return ImageFolder([*(images / word for word in words), images], anywhere=True)
    return ImageFolder([*(file.parent / word for word in words), file.parent / "images", file.parent])


def _find(name: str, folder: ImageFolder, where: str, ours: bool) -> Path | None:
    """The image of a name, which in files of our own is that of the file without its ending."""
    suffixes = (*IMAGE_SUFFIXES, "") if ours else ("", *IMAGE_SUFFIXES)
    stem = name if ours else name_of(name)
    found = folder.find(name, where, suffixes=suffixes)
    return found or folder.find(f"{name}/images/{stem}", where, suffixes=suffixes)


def _shape(index: RowIndex, name: str, image: Path | None) -> tuple[int, int]:
    rows = index.images[name]
    if rows.shape is not None:
        return rows.shape
    if image is None:
        raise DatasetError(
            f"'{index.path}', line {rows.line}: the image '{name}' has neither a width and a height here, "
            f"nor a file. Choose the folder with the images."
        )
    return image_shape(image)


def _base(index: RowIndex, shapes: list[tuple[int, int]], notes: Notes) -> int:
    """The number of the first pixel, 0 or 1; all runs lie within their images."""
    images = list(index.images.values())
    zero = next((i for i in images if i.first[0] == 0), None)
    base = 1 if zero is None or index.header.is_ours else 0
    for rows, (height, width) in zip(images, shapes, strict=True):
        number, line = rows.first if rows.first[0] < base else rows.last
        if line and not base <= number < height * width + base:
            told = f", counted from {base} as line {zero.first[1]} shows" if zero is not None else ""
            raise DatasetError(
                f"'{index.path}', line {line}: a run reaches pixel {number:,}{told}, but the image has "
                f"{height * width:,} pixels."
            )
    last = any(r.last[0] == h * w for r, (h, w) in zip(images, shapes, strict=True))
    if base == 0:
        notes.append(f"In '{index.path.name}', a run starts at 0, so pixels are counted from 0.")
    elif not last and not index.header.is_ours:
        notes.append(f"Nothing in '{index.path.name}' shows where pixels are counted from; 1 was taken.")
    return base


def _order(index: RowIndex, shapes: list[tuple[int, int]], base: int, expected: Order, notes: Notes) -> Order:
    """The order of pixels in which objects are compact."""
    if index.header.is_ours:
        return expected
    other: Order = "columns" if expected == "rows" else "rows"
    areas = {"rows": 0, "columns": 0}
    looked = 0
    with index.path.open("rb") as data:
        for number, shape in enumerate(shapes):
            if shape[0] == shape[1] or looked >= _LOOKED_AT:
                continue
            for line, values in index.rows(data, number):
                runs = _runs(index, values, line, base)
                if looked < _LOOKED_AT and len(runs) > 2:
                    looked += 1
                    for key, (height, width) in (("rows", shape), ("columns", shape[::-1])):
                        areas[key] += _compactness(runs, height, width)
    words = {"rows": "along rows", "columns": "down columns"}
    if looked >= _ENOUGH and areas[expected] > 2 * areas[other]:
        notes.append(f"Runs in '{index.path.name}' go {words[other]}: objects fall apart {words[expected]}.")
        return other
    if looked < _ENOUGH or areas[other] <= 2 * areas[expected]:
        notes.append(
            f"Nothing in '{index.path.name}' shows whether runs go along rows or down columns; "
            f"{words[expected]} was taken."
        )
    return expected


def _compactness(runs: Runs, lines: int, length: int) -> int:
    """Pixels of the box around runs, in lines of that length."""
    first, last = runs[:, 0] // length, (runs[:, 1] - 1) // length
    across = bool((first < last).any())
    low, high = (runs[:, 0] - first * length).min(), (runs[:, 1] - last * length).max()
    return int((last.max() - first.min() + 1) * (length if across else high - low))


def _runs(index: RowIndex, values: list[bytes], line: int, base: int) -> Runs:
    """Runs of a row, counted from 0, half-open."""
    pairs = parse_runs(values[index.header.columns["runs"]], f"'{index.path}', line {line}")
    starts: NDArray[np.int64] = pairs[:, 0] - base
    return np.stack([starts, starts + pairs[:, 1]], axis=1)


def _sample(
    index: RowIndex,
    name: str,
    found: list[tuple[int, list[bytes]]],
    convention: tuple[tuple[int, int], int, Order],
    tally: Tally,
) -> Sample:
    """An image's objects."""
    shape, base, order = convention
    masks: list[ObjectMask] = []
    rows: list[Row] = []
    split: Split | None = None
    group = where = ""
    budget: MaskBudget | None = None
    for line, values in found:
        where = f"'{index.path}', line {line}"
        budget = budget or MaskBudget(where)
        group = group or text_at(values, index.header, "group", where)
        said = text_at(values, index.header, "split", where)
        split = next((s for s in SPLITS if s == said), split)
        runs = _runs(index, values, line, base)
        if len(runs):
            masks.append(budget.spend(runs_to_mask(runs, shape, order, len(masks) + 1)))
            rows.append(_row(index.header, values, where))
    tally.add(_IDENTICAL, where, count_identical(masks))
    return Sample(name, annotation_of(shape, masks, rows), None, Origin(source=name, group=group), split)


def _row(header: Header, values: list[bytes], where: str) -> Row:
    said = {key: text_at(values, header, key, where) for key in ("class", "status", "origin", "label")}
    row: Row = {"class": said["class"] or "cell"}
    row |= {"status": said["status"]} if said["status"] in STATUSES else {}
    row |= {"origin": said["origin"]} if said["origin"] else {}
    label, confidence = said["label"], text_at(values, header, "confidence", where)
    row |= {"index": int(label)} if label.isascii() and label.isdigit() and len(label) < 12 else {}
    if confidence:
        try:
            row["confidence"] = float(confidence)
        except ValueError as error:
            raise DatasetError(
                f"{where}: the confidence must be a number, not {confidence[:50]!r}."
            ) from error
    return row
