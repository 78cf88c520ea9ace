"""Annotated images of other programs, as samples for a dataset."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg.datasets.archives import find_root, from_archive, is_archive, unpacking
from napari_cellseg.datasets.catalogue import Catalogue
from napari_cellseg.datasets.formats.format import Notes, Reader
from napari_cellseg.datasets.formats.registry import find_format, recognise_format
from napari_cellseg.datasets.intake import Added
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.settings import SETTINGS, read_settings
from napari_cellseg.errors import DatasetError, ImageError
from napari_cellseg.events import Job, Progress

RECOGNISING = "Looking what it is"
OWN = "dataset"
"""What a dataset of this package is read as."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported.

    Attributes
    ----------
    format : str
        Name of the format that it was read as.
    added : list of Added
        One per image.
    notes : list of str
        What a user should know, a sentence each.
    """

    format: str
    added: list[Added]
    notes: list[str]


@dataclass(frozen=True)
class Source:
    """Annotated images to be imported.

    Attributes
    ----------
    path : Path
        File or folder.
    format : str
        Name of what it is read as; `OWN` for a dataset of this package, which keeps everything.
    read : Reader
        How it is read.
    images : Path, optional
        Folder of its images, where the format does not hold them.
    group_pattern : re.Pattern, optional
        Finds the group in an image's name: its first group, or all of what it matches.
    """

    path: Path
    format: str
    read: Reader
    images: Path | None = None
    group_pattern: re.Pattern[str] | None = None
    archive: Path | None = None
    """The archive that `path` was unpacked from."""

    @classmethod
    def named(
        cls, path: str | Path, format: str | None, images: str | Path | None, group_pattern: str | None
    ) -> "Source":
        """A source as a user names it.

        Raises
        ------
        DatasetError
            Where there is nothing at the path, the format is unknown, or the pattern is none.
        """
        path = Path(path)
        if not path.exists():
            raise DatasetError(f"There is no file or folder '{path}'.")
        own = format is None and (path / SETTINGS).is_file()
        known = None if own else recognise_format(path) if format is None else find_format(format)
        name, read = (OWN, read_dataset) if known is None else (known.name, known.read)
        try:
            pattern = None if group_pattern is None else re.compile(group_pattern)
        except re.error as error:
            raise DatasetError(
                f"group_pattern must be a regular expression, '{group_pattern}' is not: {error}."
            ) from error
        return cls(path, name, read, None if images is None else Path(images), pattern)

    def samples(self, notes: Notes) -> Iterator[Sample]:
        """Its samples with their groups; those without an image are left out, which the notes say.

        Raises
        ------
        DatasetError
            Where something in it is wrong, or none of its annotations has an image.
        """
        bare: list[str] = []
        found = 0
        try:
            for sample in self.read(self.path, notes, images=self.images):
                if sample.read_pixels is None:
                    bare.append(sample.name)
                    continue
                found += 1
                yield self._grouped(sample)
        except (OSError, ImageError) as error:
            raise DatasetError(f"'{self.path}' cannot be read: {error}") from error
        if bare and not found:
            raise DatasetError(
                f"None of the images that '{self.path}' annotates was found, for example '{bare[0]}'. "
                f"Give the folder with the images."
            )
        if bare:
            notes.append(
                f"{len(bare)} annotated images were not found and left out, for example '{bare[0]}'."
            )

    def _grouped(self, sample: Sample) -> Sample:
        if self.archive is not None:
            sample = from_archive(sample, self.path, self.archive)
        match = self.group_pattern.search(sample.name) if self.group_pattern else None
        if match is None:
            return sample
        group = match.group(1) if match.re.groups else match.group()
        return replace(sample, origin=replace(sample.origin, group=group or ""))


def read_dataset(path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]:
    """Samples of a dataset of this package, as they were added to it.

    Parameters
    ----------
    path : Path
        Its folder.
    notes : list of str
        What is left out is appended.
    images : Path, optional
        Not used: it has its images.

    Raises
    ------
    DatasetError
        Where it, or one of its files, is damaged.
    """
    from napari_cellseg.datasets.contents import Contents

    contents = Contents(path, read_settings(path), Catalogue(path))
    notes += [f"'{name}' is left out: {reason}" for name, reason in contents.broken.items()]
    yield from contents.samples()


def opening(
    path: str | Path,
    folder: Path,
    format: str | None,
    images: str | Path | None,
    group_pattern: str | None,
) -> Job[Source]:
    """A source as a user names it; an archive is unpacked first.

    Parameters
    ----------
    path : path
        File, folder or ZIP archive.
    folder : Path
        An empty folder for what is unpacked; it must stay until all samples are read.
    format, images, group_pattern
        As in `Source.named`.

    Raises
    ------
    DatasetError
        As in `Source.named` and `unpacking`.
    """
    archive = Path(path)
    yield Progress(RECOGNISING, 0, 0, archive.name)
    if not is_archive(archive):
        return Source.named(path, format, images, group_pattern)
    yield from unpacking(archive, folder)
    root = find_root(folder, None if format is None else find_format(format))
    source = Source.named(root, format, images, group_pattern)
    return replace(source, archive=archive / root.relative_to(folder))
