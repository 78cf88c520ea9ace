"""What is in a dataset's folder: its images, their records, and what other formats leave of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from napari_cellseg.datasets.catalogue import Catalogue
from napari_cellseg.datasets.checking import checking_dataset
from napari_cellseg.datasets.exporting import Exported, exporting_samples, measuring_loss
from napari_cellseg.datasets.finding import Finding
from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.loss import LossReport
from napari_cellseg.datasets.reading import read_sample
from napari_cellseg.datasets.record import Entry, Record, read_record, record_path
from napari_cellseg.datasets.sample import SPLITS, Sample
from napari_cellseg.datasets.settings import Settings
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import Job, drain


class Contents:
    """Images of a dataset that was opened; see `Dataset`, which also changes them."""

    def __init__(self, folder: Path, settings: Settings, catalogue: Catalogue) -> None:
        self._folder, self._settings, self._catalogue = folder, settings, catalogue

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    @property
    def settings(self) -> Settings:
        """Its classes, shares of the splits, seed and scaling."""
        return self._settings

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes; the position is the class's number, from 0."""
        return self._settings.classes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its images, in alphabetical order."""
        return tuple(self._catalogue)

    @property
    def broken(self) -> dict[str, str]:
        """Why a record cannot be read, by the name of its image; such images are in no other list."""
        return dict(self._catalogue.broken)

    def __len__(self) -> int:
        return len(self._catalogue)

    def __contains__(self, name: object) -> bool:
        return name in self._catalogue

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._folder)!r}, {len(self)} images, classes={self.classes})"

    def entries(self) -> tuple[Entry, ...]:
        """What is known of each image without reading its files, by name."""
        return tuple(self._catalogue.values())

    def records(self) -> pd.DataFrame:
        """A row per image: name, split, group, shape, dtype, objects, reviewed (share of the pixels that
        somebody has looked at), objects of each status, source, twin_of, added, updated."""
        columns = list(Entry(name="", split="train", shape=(0, 0), dtype="").row())
        return pd.DataFrame([entry.row() for entry in self.entries()], columns=columns)

    def record(self, name: str) -> Record:
        """All that is known of an image.

        Raises
        ------
        DatasetError
            Where there is no such image, or its record is damaged.
        """
        self._check_known([name])
        return read_record(self._folder / record_path(name))

    def counts(self) -> pd.DataFrame:
        """A row per split, in their order: images, objects, and objects of each class."""
        rows = []
        for split in SPLITS:
            entries = [entry for entry in self.entries() if entry.split == split]
            classes: Counter[str] = Counter()
            for entry in entries:
                classes.update(entry.classes)
            known = {name: classes.get(name, 0) for name in self.classes}
            rows.append({"images": len(entries), "objects": classes.total(), **known})
        return pd.DataFrame(rows, index=pd.Index(SPLITS, name="split"))

    def sample(self, name: str) -> Sample:
        """An image with its annotation, exactly as it was added; its pixels are read when asked.

        Raises
        ------
        DatasetError
            Where there is no such image, or one of its files is missing or damaged.
        """
        return read_sample(self._folder, self.record(name))

    def samples(self, split: str | None = None, names: Iterable[str] | None = None) -> Iterator[Sample]:
        """Samples one by one, of a split, or of these names in their order; errors as in `sample`."""
        for name in self._chosen(split, names):
            yield self.sample(name)

    def losing(
        self, format: str | Format, names: Iterable[str] | None = None, *, split: str | None = None
    ) -> Job[LossReport]:
        """Measure what a format would leave of the objects; nothing is written. Errors as in `sample`."""
        chosen = self._chosen(split, names)
        return (yield from measuring_loss(_Chosen(self, chosen), _found(format), len(chosen)))

    def loss(
        self, format: str | Format, names: Iterable[str] | None = None, *, split: str | None = None
    ) -> LossReport:
        """`losing`, run to its end."""
        return drain(self.losing(format, names, split=split))

    def exporting(
        self,
        format: str | Format,
        folder: str | Path,
        *,
        split: str | None = None,
        names: Iterable[str] | None = None,
        loss: bool = True,
    ) -> Job[Exported]:
        """Write images in another format.

        Parameters
        ----------
        format : str or Format
            Its name, see `list_formats`.
        folder : path
            A folder that does not exist, or is empty; it appears when all is written.
        split : {"train", "val", "test"}, optional
            Only this split.
        names : iterable of str, optional
            Only these images.
        loss : bool
            Whether to measure first what the format loses; the `LossReport` is the payload of a `Progress`
            before anything is written.

        Raises
        ------
        DatasetError
            Where the format or an image is unknown, or a file is damaged.
        OutputError
            Where the folder is not empty, or cannot be written.
        """
        chosen = self._chosen(split, names)
        samples = _Chosen(self, chosen)
        job = exporting_samples(samples, _found(format), folder, self.classes, total=len(chosen), loss=loss)
        return (yield from job)

    def export(
        self,
        format: str | Format,
        folder: str | Path,
        *,
        split: str | None = None,
        names: Iterable[str] | None = None,
        loss: bool = True,
    ) -> Exported:
        """`exporting`, run to its end."""
        return drain(self.exporting(format, folder, split=split, names=names, loss=loss))

    def checking(self) -> Job[list[Finding]]:
        """Look for what is wrong: damaged and changed files, objects that are there twice, specks, duplicates
        across splits, rare classes; each with what to do. See `Finding`."""
        return (yield from checking_dataset(self))

    def check(self) -> list[Finding]:
        """`checking`, run to its end."""
        return drain(self.checking())

    def _chosen(self, split: str | None, names: Iterable[str] | None) -> list[str]:
        if split is not None and split not in SPLITS:
            raise DatasetError(f"split must be one of {', '.join(SPLITS)}, not '{split}'.")
        chosen = list(self.names if names is None else [names] if isinstance(names, str) else names)
        self._check_known(chosen)
        return [name for name in chosen if split is None or self._catalogue[name].split == split]

    def _check_known(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self._catalogue]
        if unknown:
            raise DatasetError(f"There is no image '{unknown[0]}' in '{self._folder}'.")


@dataclass(frozen=True)
class _Chosen:
    """Samples of some names, read anew each time that they are gone through."""

    contents: Contents
    names: Sequence[str]

    def __iter__(self) -> Iterator[Sample]:
        return self.contents.samples(names=self.names)


def _found(format: str | Format) -> Format:
    return find_format(format) if isinstance(format, str) else format
