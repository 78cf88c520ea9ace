"""Archives of annotated images: unpacked only where every name is safe and the size is bounded."""

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath

from napari_cellseg.archives import check_entries, checked_size, opened, pieces
from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.formats.registry import list_formats
from napari_cellseg.datasets.names import path_within
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import make_folder

STAGE = "Unpacking"
MOST_FILES = 1_000_000
"""Files that an archive may hold."""
MOST_BYTES = 2**38
"""Bytes that an archive may unpack to, 256 GiB."""
RESERVE = 2**28
"""Bytes of the disk that stay free."""
_ROI = ".roi"
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP archive of files to be unpacked, and not one of ImageJ's ROIs.

    Raises
    ------
    DatasetError
        Where it is a damaged archive.
    """
    if not path.is_file():
        return False
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            raise DatasetError(f"'{path}' is no ZIP archive, or only a part of one. Copy it again.")
        return False
    with opened(path, DatasetError) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
    return not files or not all(entry.filename.lower().endswith(_ROI) for entry in files)


def unpacking(path: Path, folder: Path) -> Job[None]:
    """Unpack a ZIP archive into an empty folder.

    Parameters
    ----------
    path : Path
        The archive.
    folder : Path
        Where the files go; whoever made it removes it, after an error too.

    Raises
    ------
    DatasetError
        Where the archive is damaged or encrypted, holds a link, a name that leads out of the folder or is
        there twice, or would unpack to more than `MOST_FILES`, `MOST_BYTES`, `MOST_GROWTH` or the disk allow.
        All of this but damage is noticed before anything is written.
    """
    with opened(path, DatasetError) as archive:
        entries = [entry for entry in archive.infolist() if not _is_clutter(entry.filename)]
        targets = _checked_names(entries, path, folder)
        total = _checked_size(entries, path, folder)
        done = 0
        for entry, target in zip(entries, targets, strict=True):
            yield Progress(STAGE, done, total, entry.filename)
            if entry.is_dir():
                make_folder(target)
            else:
                yield from _unpacking_file(
                    archive, entry, target, Progress(STAGE, done, total, entry.filename)
                )
            done += entry.file_size
        yield Progress(STAGE, total, total, path.name)


def find_root(folder: Path, format: Format | None = None) -> Path:
    """What to read of an unpacked archive.

    Parameters
    ----------
    folder : Path
        Where it was unpacked.
    format : Format, optional
        The format that it is in; any unless given.

    Returns
    -------
    Path
        The folder; or where that looks like no format, the only folder or file in it, and so on down.
    """
    formats = list_formats() if format is None else (format,)
    place = folder
    while not any(known.matches(place) for known in formats):
        inner = list(place.iterdir()) if place.is_dir() else []
        if len(inner) != 1:
            return folder
        place = inner[0]
    return place


def from_archive(sample: Sample, folder: Path, archive: Path) -> Sample:
    """A sample of an unpacked archive, with the archive in its source in place of the folder."""
    source = PurePath(sample.origin.source)
    if not source.is_relative_to(folder):
        return sample
    named = str(archive / source.relative_to(folder))
    return replace(sample, origin=replace(sample.origin, source=named))


def _is_clutter(name: str) -> bool:
    return any(part in _CLUTTER for part in name.replace("\\", "/").split("/"))


def _checked_names(entries: list[zipfile.ZipInfo], path: Path, folder: Path) -> list[Path]:
    """Where each entry goes."""
    if len(entries) > MOST_FILES:
        raise DatasetError(f"The archive '{path}' holds more than {MOST_FILES:,} files.")
    check_entries(entries, path, DatasetError)
    return [path_within(folder, entry.filename, f"The archive '{path}'") for entry in entries]


def _checked_size(entries: list[zipfile.ZipInfo], path: Path, folder: Path) -> int:
    """Bytes that all entries claim to unpack to."""
    remedy = "If that is meant so, unpack it yourself and import the folder."
    total = checked_size(entries, path, MOST_BYTES, remedy, DatasetError)
    free = shutil.disk_usage(folder).free
    if total + RESERVE > free:
        raise DatasetError(
            f"'{path}' needs {total:,} bytes on the disk of '{folder}', which has {free:,} left."
        )
    return total


def _unpacking_file(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, step: Progress
) -> Iterator[Progress]:
    """Write one file; never more than the entry claims."""
    make_folder(target.parent)
    written = 0
    with target.open("xb") as file:
        for piece in pieces(archive, entry):
            file.write(piece)
            written += len(piece)
            yield Progress(step.stage, step.done + written, step.total, step.detail)
