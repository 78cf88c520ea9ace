"""Run lengths in CSV files, a row per object, as Kaggle's competitions on cells have them.

Source: Sartorius - Cell Instance Segmentation (2021) and 2018 Data Science Bowl, pages on their data.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.formats.image_files import Stems, write_image
from napari_cellseg.datasets.formats.run_length_reading import read_run_lengths, run_length_files
from napari_cellseg.datasets.formats.runs import Order, mask_to_runs
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError
from napari_cellseg.outputs import make_folder, output_errors


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a competition writes its files; ``{split}`` is a split or ``all``, ``{name}`` an image's name.

    Attributes
    ----------
    order : {"rows", "columns"}
        Along which pixels are numbered, from 1.
    columns : tuple of str
        Names of the columns of image, runs, width, height, class and group; others follow.
    table, images : str
        Relative path of a split's CSV file, and of the folder of an image.
    """

    order: Order
    columns: tuple[str, str, str, str, str, str]
    table: str
    images: str


SARTORIUS = Dialect(
    "rows", ("id", "annotation", "width", "height", "cell_type", "sample_id"), "{split}.csv", "{split}"
)
DSB = Dialect(
    "columns",
    ("ImageId", "EncodedPixels", "Width", "Height", "Class", "Group"),
    "stage1_{split}_labels.csv",
    "stage1_{split}/{name}/images",
)
_OWN = ("split", "label", "status", "confidence", "origin")


def write_run_lengths(
    samples: Iterable[Sample], folder: Path, classes: Sequence[str], *, dialect: Dialect
) -> Iterator[str]:
    """Write samples as run lengths and yield the name of each one that is done.

    An image without objects has one row without runs.

    Raises
    ------
    DatasetError
        Where a class has a line break.
    OutputError
        Where the folder cannot be written.
    """
    stems = Stems()
    if any("\n" in name or "\r" in name for name in classes):
        raise DatasetError("Classes must not have line breaks in a CSV file. Rename them.")
    with ExitStack() as stack:
        files: dict[str, TextIO] = {}
        for sample in samples:
            split = sample.split or "all"
            with output_errors(folder):
                if split not in files:
                    files[split] = stack.enter_context(
                        _table(folder / dialect.table.format(split=split), dialect)
                    )
                stem = stems.take(sample.name)
                write_image(sample, folder / dialect.images.format(split=split, name=stem), stem)
                csv.writer(files[split], lineterminator="\n").writerows(_rows(sample, stem, dialect.order))
            yield sample.name
        if not files:
            with output_errors(folder):
                stack.enter_context(_table(folder / dialect.table.format(split="all"), dialect))


@contextmanager
def _table(path: Path, dialect: Dialect) -> Iterator[TextIO]:
    """An open CSV file with its header."""
    make_folder(path.parent)
    with output_errors(path), path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow([*dialect.columns, *_OWN])
        yield file


def _rows(sample: Sample, stem: str, order: Order) -> Iterator[list[Any]]:
    height, width = sample.annotation.shape
    group, split = _line(sample.origin.group), sample.split or ""
    rows: Iterable[Mapping[Any, Any]] = sample.annotation.objects.to_dict("records")
    for mask, row in zip(sample.annotation.masks(), rows, strict=True):
        confidence = float(row["confidence"])
        own = (
            mask.index,
            row["status"],
            confidence if math.isfinite(confidence) else "",
            _line(row["origin"]),
        )
        runs = _text(mask, sample.annotation.shape, order)
        yield [stem, runs, width, height, row["class"], group, split, *own]
    if len(sample.annotation) == 0:
        yield [stem, "", width, height, "", group, split, "", "", "", ""]


def _text(mask: ObjectMask, shape: tuple[int, int], order: Order) -> str:
    """Start, from 1, and length of each run."""
    runs = mask_to_runs(mask, shape, order)
    pairs = np.stack([runs[:, 0] + 1, runs[:, 1] - runs[:, 0]], axis=1)
    return " ".join(map(str, pairs.ravel().tolist()))


def _line(text: str) -> str:
    return " ".join(text.split("\n")).replace("\r", " ")


def _matches(path: Path, names: tuple[str, str]) -> bool:
    return any(set(names) <= set(header.names) for _, header in run_length_files(path))


FORMATS = (
    Format(
        name="sartorius",
        title="Run lengths (Sartorius)",
        description=(
            "CSV with a row per object, runs along rows from 1, as Kaggle's Sartorius competition has it; "
            "exact, with overlaps, status, confidence and origin."
        ),
        matches=partial(_matches, names=("id", "annotation")),
        read=partial(read_run_lengths, order="rows"),
        write=partial(write_run_lengths, dialect=SARTORIUS),
    ),
    Format(
        name="dsb-csv",
        title="Run lengths (Data Science Bowl)",
        description=(
            "CSV with a row per object, runs down columns from 1, as Kaggle's Data Science Bowl 2018 has it; "
            "exact, with overlaps, status, confidence and origin."
        ),
        matches=partial(_matches, names=("imageid", "encodedpixels")),
        read=partial(read_run_lengths, order="columns"),
        write=partial(write_run_lengths, dialect=DSB),
    ),
)
