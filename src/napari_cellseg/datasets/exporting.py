"""Samples written in any format: what is lost told first, then a folder that appears when it is complete."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.loss import LossReport, no_losses, object_losses
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError, OutputError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import make_folder, output_errors

LOSS_STAGE = "Looking what would be lost"
STAGE = "Exporting"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    folder : Path
        Where it is.
    images, objects : int
        How many were written.
    loss : LossReport, optional
        What comes back of them; None where nobody asked.
    """

    folder: Path
    images: int
    objects: int
    loss: LossReport | None


def measuring_loss(samples: Iterable[Sample], format: Format, total: int = 0) -> Job[LossReport]:
    """Measure what a format leaves of samples; nothing is written.

    Parameters
    ----------
    samples : iterable of Sample
        The samples.
    format : Format
        The format.
    total : int
        How many there are, for the progress.
    """
    rows: list[pd.DataFrame] = []
    images = objects = unscaled = 0
    for sample in samples:
        yield Progress(LOSS_STAGE, images, total, sample.name)
        images += 1
        objects += len(sample.annotation)
        unscaled += sample.origin.pixel_size is not None and not format.keeps_pixel_size
        if format.as_read_back is not None:
            back = format.as_read_back(sample.annotation)
            rows.append(object_losses(sample.annotation, back, sample.name))
    found = [table for table in rows if len(table)]
    joined = pd.concat(found, ignore_index=True) if found else no_losses()
    report = LossReport(format.name, images, objects, joined, unscaled)
    yield Progress(LOSS_STAGE, images, images, report.words(), report)
    return report


def exporting_samples(
    samples: Iterable[Sample],
    format: Format,
    folder: str | Path,
    classes: Sequence[str],
    *,
    total: int = 0,
    loss: bool = True,
) -> Job[Exported]:
    """Write samples in a format.

    Parameters
    ----------
    samples : iterable of Sample
        The samples; iterated twice where `loss` is asked for, so not a generator then.
    format : Format
        The format.
    folder : path
        A folder that does not exist, or is empty. It appears when all is written.
    classes : sequence of str
        Names of the classes, in the order of their numbers.
    total : int
        How many samples there are, for the progress.
    loss : bool
        Whether to measure first what is lost; the last `Progress` of that carries the `LossReport`, before
        anything is written.

    Raises
    ------
    DatasetError
        Where the folder is not empty, or a sample does not fit the format.
    OutputError
        Where it cannot be written.
    """
    folder = Path(folder)
    check_target(folder)
    if loss and isinstance(samples, Iterator):
        raise DatasetError("Samples are read twice to report the loss: give a list of them, not an iterator.")
    report = (yield from measuring_loss(samples, format, total)) if loss else None
    tally = _Tally(samples)
    with _appearing(folder) as staging:
        yield Progress(STAGE, 0, total, str(folder))
        for name in format.write(tally, staging, classes):
            yield Progress(STAGE, min(tally.images, total) if total else tally.images, total, name)
    return Exported(folder, tally.images, tally.objects, report)


def check_target(folder: Path) -> None:
    """Refuse a target that is not an empty or missing folder.

    Raises
    ------
    OutputError
        Where it is not.
    """
    with output_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"'{folder}' exists and is not empty. Choose a new folder.")


class _Tally:
    """Samples that are counted as they go by."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples
        self.images = self.objects = 0

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._samples:
            yield sample
            self.images += 1
            self.objects += len(sample.annotation)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside another one that takes its place once the block has ended without an error."""
    make_folder(folder.parent)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        with output_errors(folder):
            staging.mkdir()
            yield staging
            if folder.exists():
                folder.rmdir()
            os.replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
