"""A folder of corrected images: what every trainer reads, and the lossless truth beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from napari_cellseg.datasets.arrangement import Arrangement
from napari_cellseg.datasets.catalogue import Catalogue
from napari_cellseg.datasets.changing import LOCK, changing, recovered
from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.importing import Imported, opening
from napari_cellseg.datasets.intake import Added, Intake
from napari_cellseg.datasets.sample import SPLITS, Origin, Region, Sample, Split
from napari_cellseg.datasets.selection import Bits, Only, box_and_mask, selected
from napari_cellseg.datasets.settings import SETTINGS, Settings, read_settings, write_settings
from napari_cellseg.datasets.stacks import Told, name_of_source, open_stack, plane_samples
from napari_cellseg.datasets.transaction import STAGING
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.outputs import make_folder

LEFT = (LOCK, STAGING)
"""What a process that was ended may have left in a folder that is to become a dataset."""
ADDING = "Adding"
IMPORTING = "Importing"

Result = TypeVar("Result")


def is_dataset(folder: str | Path) -> bool:
    """Whether a folder is a dataset of this package."""
    return (Path(folder) / SETTINGS).is_file()


class Dataset(Arrangement):
    """Corrected images with their labels, in one folder.

    The folder is a valid Ultralytics dataset (`dataset.yaml`, `images/`, `labels/`) and holds the lossless
    truth beside it: `masks/`, `covered/`, `ignored/`, the untouched pixels in `source/`, and a record of each
    image in `records/`. It may be moved. Every change happens as a whole or not at all, whatever ends the
    process; one process at a time changes it.

    Make one with `create` or `open`.
    """

    @classmethod
    def create(
        cls,
        folder: str | Path,
        classes: str | Sequence[str] = ("cell",),
        *,
        seed: int = 0,
        fractions: Sequence[float] = (0.8, 0.1, 0.1),
        scaling: Sequence[float] | None = None,
    ) -> Self:
        """Make a dataset without images.

        Parameters
        ----------
        folder : path
            A folder that does not exist, or is empty.
        classes : str or sequence of str
            Names of the classes; their order is their number, from 0.
        seed : int
            Decides between splits that are as far below their share.
        fractions : sequence of float
            Shares of train, val and test.
        scaling : sequence of float, optional
            Percentiles of a plane that become black and white in the 8-bit pictures; 1 and 99.8 unless given.

        Raises
        ------
        DatasetError
            Where the folder is not empty, or an argument is not what it must be.
        OutputError
            Where the folder cannot be written.
        """
        folder = Path(folder)
        settings = Settings.new(classes, seed, fractions, scaling)
        if is_dataset(folder):
            raise DatasetError(f"'{folder}' is a dataset already: open it, or choose another folder.")
        if folder.exists() and (not folder.is_dir() or any(p.name not in LEFT for p in folder.iterdir())):
            raise DatasetError(f"'{folder}' is not an empty folder. Choose a new one for the dataset.")
        make_folder(folder)
        with changing(folder) as transaction:
            write_settings(transaction, settings)
            transaction.commit()
            for kind in ("images", "labels", "masks", "source"):
                for split in SPLITS:
                    make_folder(folder / kind / split)
        return cls(folder, settings, Catalogue(folder))

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a dataset; a change that was interrupted is carried out, or discarded if it was incomplete.

        Raises
        ------
        DatasetError
            Where there is no dataset, or its settings are damaged.
        OutputError
            Where an interrupted change is to be carried out and the folder cannot be written.
        """
        folder = Path(folder)
        recovered(folder)
        return cls(folder, read_settings(folder), Catalogue(folder))

    def add(
        self,
        image: Any,
        labels: Any,
        *,
        name: str | None = None,
        objects: pd.DataFrame | None = None,
        group: str = "",
        split: Split | None = None,
        region: Region | Bits | None = None,
        only: Only | None = None,
        ignored: Any = None,
        axes: str | None = None,
        channels: int | Sequence[int] | None = None,
        pixel_size: float | None = None,
        source: str | Path = "",
        status: str = "accepted",
        classes: str | Mapping[int, str] = "cell",
        made_by: str = "",
    ) -> Added:
        """Add an image with its labels, or replace them where it is there already.

        It is there already where one has its name, its source with position and region, or its pixels; then
        it stays in its split. Otherwise it joins its group or near-duplicate, or the split that is furthest
        below its share.

        Parameters
        ----------
        image : (…, Y, X[, C]) array-like
            Pixels of any depth; numpy, dask or zarr. A stack becomes a sample per plane, ``NAME_t003_z01``,
            which stay together.
        labels : (…, Y, X) array-like of int
            0 is background.
        name : str, optional
            Its name; that of the source unless given.
        objects : DataFrame, optional
            Rows by ``index`` with class, status, confidence, origin; see `Annotation.objects`.
        group : str
            What it must share a split with: a plate, well, patient.
        split : {"train", "val", "test"}, optional
            Where to put it, if it is new.
        region : tuple of int or (Y, X) array of bool, optional
            What was reviewed of each plane, and nothing else: ``y0, x0, y1, x1``, or a mask. Of a mask the
            box around it is added, and its other pixels are ignored; objects keep what is inside.
        only : {"accepted"}, optional
            Only objects that a person accepted, edited or added, by the ``status`` in `objects`: the box
            around them is added, and the pixels of all others are ignored. Planes without any are left out.
        ignored : (…, Y, X) array-like of bool, optional
            Pixels that nobody has reviewed.
        axes : str, optional
            A letter of ``"TZCYXS"`` per dimension of the image; unless given, what fits the labels.
        channels : int or sequence of int, optional
            Channels to keep; all unless given.
        pixel_size : float, optional
            Edge of a pixel in µm.
        source : str or path
            File or layer that it is from.
        status : str
            Review status of the objects that `objects` gives none.
        classes : str, or mapping of int to str
            Class of those objects, or of each label. New classes are appended to the dataset's.
        made_by : str
            Person or model that annotated.

        Raises
        ------
        DatasetError
            Where image, labels and table don't fit, or another process is changing the dataset.
        OutputError
            Where the folder cannot be written.
        """
        source = str(source)
        origin = Origin(source, group, {}, None, pixel_size, made_by)
        known = name or name_of_source(source)
        labels = labels if hasattr(labels, "shape") else np.asarray(labels)
        stack = open_stack(image, labels, axes, channels)
        box, mask = box_and_mask(region)
        told = Told(known or self._next_name(), origin, split, box, status, classes)
        samples = selected(plane_samples(stack, labels, told, objects, ignored), mask, only)
        added = drain(self._taking(samples, len(stack), ADDING, is_named=name is not None))
        return joined(added, len(stack) - len(added))

    def add_sample(self, sample: Sample) -> Added:
        """Add a sample, or replace the one of its name, source or pixels; see `add`."""
        return drain(self.adding([sample]))[0]

    def adding(self, samples: Iterable[Sample], total: int = 0) -> Job[list[Added]]:
        """Add samples, all of them or none.

        Parameters
        ----------
        samples : iterable of Sample
            Gone through once; one image at a time is in memory.
        total : int
            How many there are, for the progress.

        Raises
        ------
        DatasetError, OutputError
            As in `add`; the dataset is as it was then, and also where the job is closed before its end.
        """
        return (yield from self._taking(samples, total, ADDING, is_named=True))

    def importing(
        self,
        path: str | Path,
        format: str | None = None,
        *,
        images: str | Path | None = None,
        group_pattern: str | None = None,
    ) -> Job[Imported]:
        """Add annotated images of another program, all of them or none.

        Parameters
        ----------
        path : path
            File, folder or ZIP archive.
        format : str, optional
            Name of its format; recognised unless given.
        images : path, optional
            Folder with the images, where the format does not hold them.
        group_pattern : str, optional
            Regular expression that finds the group in an image's name: its first group, or all it matches.

        Raises
        ------
        DatasetError, OutputError
            As in `adding`; and where what is imported is damaged or unsafe, with file and line or key.
        """
        notes: Notes = []
        with TemporaryDirectory(prefix="napari-cellseg-") as unpacked:
            source = yield from opening(path, Path(unpacked), format, images, group_pattern)
            added = yield from self._taking(source.samples(notes), 0, IMPORTING, is_named=True)
        return Imported(source.format, added, notes)

    def import_from(
        self,
        path: str | Path,
        format: str | None = None,
        *,
        images: str | Path | None = None,
        group_pattern: str | None = None,
    ) -> Imported:
        """`importing`, run to its end."""
        return drain(self.importing(path, format, images=images, group_pattern=group_pattern))

    def _taking(
        self, samples: Iterable[Sample], total: int, stage: str, *, is_named: bool
    ) -> Job[list[Added]]:
        added: list[Added] = []
        with self._changing() as change:
            with Intake(change.settings, self._catalogue, change.transaction) as intake:
                for sample in samples:
                    yield Progress(stage, len(added), total, sample.name)
                    added.append(intake.take(sample, is_named=is_named))
            change.settings = intake.settings
        return added

    def _next_name(self) -> str:
        number = len(self) + 1
        while f"image_{number:04d}" in self._catalogue:
            number += 1
        return f"image_{number:04d}"


def joined(added: Sequence[Added], left_out: int = 0) -> Added:
    """What became of several planes, as one; and how many had nothing to be added."""
    names = tuple(name for one in added for name in one.names)
    notes = tuple(dict.fromkeys(note for one in added for note in one.notes))
    if left_out:
        notes += (f"{left_out:,} planes without an accepted object are left out.",)
    twin = next((one.twin_of for one in added if one.twin_of), "")
    return Added(names, any(one.updated for one in added), twin, notes)
